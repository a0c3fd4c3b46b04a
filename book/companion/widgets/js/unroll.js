// The loop of an algorithm unrolls into layers and frames (Fig. 2). The module common.js comes
// first; the state is in <unroll-explorer network="reweighted-rnn" depth="3" step="6">.

const { PLANS, stages, scene, render } = (() => {
  const NAMES = ["network", "depth", "step"];
  const FRAMES = 3;
  const [PITCH, RISE, SIDE, HALF, TOP, LEFT] = [240, 70, 78, 34, 142, 150];
  const whole = (value) => Number.isInteger(value) && value >= 0;
  const low = (number) => "₀₁₂₃₄₅₆₇₈₉"[number];
  const high = (number) => `⁽${"⁰¹²³⁴⁵⁶⁷⁸⁹"[number]}⁾`;

  // The labels of network_diagram.PLANS: weights as functions of the layer; `own` if layer-specific.
  const PLANS = {
    "reweighted-rnn": { name: "reweighted-RNN", phi: (l) => `Φ${low(l)}`, climb: (l) => `W${low(l)}`, inject: (l) => `U${low(l)}`, past: "ħ", carry: "G", own: true },
    "l1-l1-rnn": { name: "ℓ1-ℓ1-RNN", phi: () => "Φ", climb: (l) => `W${low(Math.min(l, 2))}`, inject: () => "U₁", past: "ħ", carry: "G", own: false },
    "sista-rnn": { name: "SISTA-RNN", phi: () => "ϕ", climb: (l) => (l > 1 ? "S" : "W⁽¹⁾"), inject: () => "V", past: "", carry: "W⁽ˡ⁾", own: false },
    stacked: { name: "stacked network", phi: (l) => `σ${low(l)}`, climb: (l) => (l > 1 ? `W${low(l)}` : "U₁"), inject: (l) => `V${low(l)}`, past: "", carry: "", own: true },
  };

  // The content of each step of the slider: the loop, d layers, further frames, the parameters.
  function stages(network, depth) {
    const { name, phi, climb, inject, past, own } = PLANS[network];
    const layers = Array.from({ length: depth }, (_, i) => i + 1);
    if (network === "stacked") {
      const [first, ...others] = layers;
      const free = "Training learns all weights; each layer has its own (blue, framed). Neither A nor D occurs in the layers, and the read-out Y is free.";
      return [
        { title: "cell", words: "A stacked network starts from a recurrent cell, not from an algorithm: there is no loop to unroll." },
        { title: `layer ${first}`, words: "Layer 1 receives the measurement through U₁ and its own previous state through V₁." },
        ...others.map((l) => ({ title: `layer ${l}`, words: `Layer ${l} receives the output of layer ${l - 1} through ${climb(l)} and its own previous state through ${inject(l)}. The measurement does not enter it.` })),
        ...[2, 3].map((t) => ({ title: `frame ${t}`, words: `Frame ${t} passes through the same layers. Each layer has a state of its own.` })),
        { title: "parameters", words: free },
      ];
    }
    const entry = past ? "the prediction ħ enters the activation" : "the previous code is added before the activation";
    const tied = `All layers of ${name} share ${[climb(2), inject(1), phi(1)].join(", ")}: no parameter belongs to a single layer, and depth adds no parameters.`;
    const free = "Z and g differ between the layers of reweighted-RNN, and so do W, U and Φ (blue, framed). G and D are shared by all layers and frames.";
    return [
      { title: "loop", words: `The algorithm on frame 1: a loop of ${depth} iteration${depth > 1 ? "s" : ""} with the same computation.` },
      ...layers.map((l) => ({ title: `layer ${l}`, words: `Iteration ${l} becomes layer ${l}: ${climb(l)} multiplies ${l > 1 ? `the code of layer ${l - 1}` : "the previous code"}, ${inject(l)} multiplies the measurement${l > 1 || past ? `, and ${entry}` : ""}.` })),
      ...[2, 3].map((t) => ({ title: `frame ${t}`, words: `Frame ${t} passes through the same ${depth} layer${depth > 1 ? "s" : ""}. The code of frame ${t - 1} is the state of the recurrent network.` })),
      { title: "parameters", words: `Training learns the parameters. ${own ? free : tied}` },
    ];
  }

  // The parts {from, markup, dx, dy} of the drawing; `from` is the first step with the part.
  const text = (x, y, words, kind = "") => `<text class="ro-label ${kind}" x="${x}" y="${y + 6}">${words}</text>`;
  const line = (points, kind = "", head = true) => `<path class="ro-line ${kind}"${head ? ` marker-end="url(#ro-head${kind && `-${kind}`})"` : ""} d="M${points.map((p) => p.join(",")).join("L")}"/>`;
  const tile = (x, y, words, kind, half = HALF) => `<rect class="ro-box ${kind}" x="${x - half}" y="${y - 18}" width="${2 * half}" height="36" rx="6"/>${text(x, y, words)}`;
  const weight = (x, y, words, own) => (own ? `<rect class="ro-frame" x="${x - 18}" y="${y - 13}" width="36" height="26" rx="4"/>` : "") + text(x, y, words, own ? "ro-own" : "");

  function scene(network, depth) {
    const { phi, climb, inject, past, carry, own } = PLANS[network];
    const at = (l) => TOP + RISE * (depth - l);
    const [bottom, out] = [at(1), TOP - 60];
    const layer = (x, l) => {
      const [y, below] = [at(l), l > 1 ? at(l - 1) : 0];
      const enters = past || l > 1;
      return tile(x, y, phi(l), own ? "ro-ownbox" : "") +
        (l > 1 ? line([[x, below - 18], [x, y + 22]]) + weight(x + 23, (y + below) / 2, climb(l), own) : "") +
        line([[x + SIDE, l > 1 ? below : bottom + 58], [x + SIDE, y]], "", false) +
        line([[x + SIDE, y], [x + HALF + 4, y]]) + weight(x + 58, y - 15, inject(l), own) +
        (enters ? line([[x - SIDE, l > 1 && (past || l > 2) ? below : out], [x - SIDE, y]], "ro-past", false) + line([[x - SIDE, y], [x - HALF - 4, y]], "ro-past") : "") +
        (enters && past ? text(x - 58, y - 13, past, "ro-pastlabel") : "");
    };
    const cell = (x, l) => tile(x, at(l), phi(l), "ro-ownbox") +
      line([[x, (l > 1 ? at(l - 1) - 18 : bottom + 58)], [x, at(l) + 22]]) + weight(x + 20, at(l) + (l > 1 ? RISE / 2 : 40), climb(l), own) +
      line([[x - (x > LEFT ? PITCH - HALF : LEFT), at(l)], [x - HALF - 4, at(l)]]) + weight(x - 86, at(l) - 16, inject(l), own);
    const input = (x, t) => text(carry ? x + SIDE : x, bottom + 74, `x${low(t)}`);
    const previous = (x, t) => {
      if (!carry) return "";
      const [start, fork] = [t > 1 ? x - PITCH + 30 : 22, x - SIDE - 36];
      return (t > 1 ? "" : text(10, out, "h₀")) + line([[start, out], [fork, out], [fork, bottom + 46], [x, bottom + 46], [x, bottom + 22]]) +
        weight(x + 25, bottom + 36, climb(1), own) +
        (past || depth > 1 ? line([[fork, out], [x - SIDE, out]], "ro-past", false) + tile(x - SIDE, out, carry, "ro-pastbox", past ? 16 : 26) : "");
    };
    const output = (x, t) => line([[x, TOP - 18], [x, out + 14]]) + text(x, out, `h${low(t)}${high(depth)}`) +
      line([[x, out - 14], [x, 34]]) + text(x + 14, 52, carry ? "D" : "Y") + text(x, 20, `ŝ${low(t)}`);
    const levels = Array.from({ length: depth }, (_, i) => i + 1);
    const column = (t) => {
      const x = LEFT + PITCH * (t - 1);
      return levels.map((l) => (carry ? layer : cell)(x, l)).join("") + input(x, t) + previous(x, t) + output(x, t);
    };
    return [
      { from: 0, markup: input(LEFT, 1) + previous(LEFT, 1) },
      ...levels.map((l) => ({ from: l > 1 ? l : 0, dy: RISE, markup: (carry ? layer : cell)(LEFT, l) })),
      { from: depth, markup: output(LEFT, 1) },
      ...[2, 3].map((t) => ({ from: depth + t - 1, dx: -PITCH, markup: column(t) })),
    ];
  }

  const css = `
unroll-explorer .ro-controls { display: grid; gap: 0 1rem; grid-template-columns: auto minmax(0, 1fr); align-items: end; }
unroll-explorer .ro-controls button { min-width: 5.5rem; margin: 0 0 .5rem; }
unroll-explorer .ro-controls :is(.ue-choice, .ue-control:last-child) { grid-column: 1 / -1; }
@container (min-width: 30rem) { unroll-explorer .ro-controls { grid-template-columns: auto minmax(0, 2fr) minmax(0, 1fr); }
  unroll-explorer .ro-controls .ue-control:last-child { grid-column: auto; } }
unroll-explorer.ue svg text.ro-label { fill: var(--ue-ink); font-size: 18px; text-anchor: middle; }
@container (max-width: 26rem) { unroll-explorer.ue svg text.ro-label { font-size: calc(12.2px * var(--ue-unit, 1)); }
  unroll-explorer .ro-frame { transform-box: fill-box; transform-origin: center; transform: scaleX(1.1); } }
unroll-explorer.ue svg text.ro-pastlabel { fill: var(--ue-c0); }
unroll-explorer.ue svg text.ro-looplabel { fill: var(--ue-main); }
unroll-explorer .ro-line { fill: none; stroke: var(--ue-ink); stroke-width: 1.8; }
unroll-explorer .ro-box { fill: var(--ue-paper); stroke: var(--ue-ink); stroke-width: 1.6; }
unroll-explorer :is(.ro-past, .ro-pastbox) { stroke: var(--ue-c0); stroke-dasharray: 6 3; }
unroll-explorer .ro-loop { stroke: var(--ue-main); stroke-width: 3; }
unroll-explorer .ro-frame { fill: var(--ue-paper); stroke: none; }
unroll-explorer svg[data-learned] :is(.ro-frame, .ro-ownbox) { stroke: var(--ue-main); stroke-width: 2.6; }
unroll-explorer.ue svg[data-learned] text.ro-own { fill: var(--ue-main); font-weight: 700; }
unroll-explorer .ro-off { opacity: 0; transform: translate(var(--dx), var(--dy)); }
unroll-explorer .ue-words { min-height: 4.6em; }
@media (prefers-reduced-motion: no-preference) { unroll-explorer .ro-part { transition: opacity .6s, transform .6s; } }`;

  common.define("unroll-explorer", (Base) => class extends Base {
    static css = css;
    static period = 1500;
    static fields = {
      network: { value: "reweighted-rnn", valid: (value) => value in PLANS },
      depth: { value: 3, valid: (value) => whole(value) && value >= 1 && value <= 4 },
      step: { value: 6, valid: whole },
    };

    skeleton(id) {
      const head = (name, colour) => `<marker id="${name}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="6" markerHeight="6" orient="auto"><path d="M0,0L8,4L0,8Z" style="fill: ${colour}"/></marker>`;
      return `
        <div class="ro-controls">
          ${common.choice({ name: "network", label: "Network", options: Object.entries(PLANS).map(([key, { name }]) => [key, name]) }, id)}
          <button type="button" data-play>Play</button>
          ${common.slider({ name: "step", label: "step", min: 0, max: 6, step: 1 }, id)}
          ${common.slider({ name: "depth", label: "d", hint: "layers", min: 1, max: 4, step: 1 }, id)}
        </div>
        <svg role="img" aria-labelledby="${id}-title ${id}-desc"><title id="${id}-title">The loop of the algorithm, unrolled into layers (up) and frames (right)</title>
          <desc id="${id}-desc" data-part="desc"></desc><defs>${head("ro-head", "var(--ue-ink)")}${head("ro-head-ro-past", "var(--ue-c0)")}${head("ro-head-ro-loop", "var(--ue-main)")}</defs>
          <g data-part="scene"></g><g class="ro-part" data-part="loop"></g></svg>
        <p class="ue-words" data-part="words"></p>`;
    }

    // After the last step the loop is shown again.
    following() { return { step: this.state.step < this.last ? this.state.step + 1 : 0 }; }

    get last() { return this.state.depth + FRAMES; }
    words(name, value) { return name === "step" ? `${value}: ${stages(this.state.network, this.state.depth)[value].title}` : String(value); }

    draw() {
      const { network, depth } = this.state;
      const step = this.state.step = common.clamp(this.state.step, 0, this.last);
      this.querySelector("input[name=step]").max = this.last;
      const [svg, parts] = [this.querySelector("svg"), scene(network, depth)];
      svg.setAttribute("viewBox", `0 0 ${LEFT + PITCH * (FRAMES - 1) + 110} ${TOP + RISE * (depth - 1) + 90}`);
      this.fill("scene", parts.map(({ markup, dx = 0, dy = 0 }) => `<g class="ro-part" style="--dx: ${dx}px; --dy: ${dy}px">${markup}</g>`).join(""));
      this.querySelectorAll("[data-part=scene] > g").forEach((node, i) => node.classList.toggle("ro-off", step < parts[i].from));
      const y = TOP + RISE * (depth - Math.max(step, 1));
      if (step < depth) this.fill("loop", line([[LEFT, y - 18], [LEFT, y - 36], [LEFT - 46, y - 36], [LEFT - 46, y + 34], [LEFT - 18, y + 34], [LEFT - 18, y + 22]], "ro-loop") + text(LEFT + 56, y - 38, `l = 1, …, ${depth}`, "ro-looplabel"));
      this.querySelector("[data-part=loop]").classList.toggle("ro-off", step >= depth || !PLANS[network].carry);
      svg.toggleAttribute("data-learned", step === this.last);
      const { words } = stages(network, depth)[step];
      this.fill("words", words);
      this.fill("desc", words);
    }
  });

  return { PLANS, stages, scene, render: common.render("unroll-explorer", NAMES) };
})();

export default { render };
