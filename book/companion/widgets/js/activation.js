// The activation explorer: Φ of Prop. B.1 against u, and the objective whose minimiser is Φ(u),
// with a slider for each of λ1, λ2, g, ħ, c and u. ħ and u can be dragged on the plot.
// common.js precedes it. Without its last line it is a classic script, so the book also
// works when it is opened from disk, where browsers reject modules.

const { prox, pieces, objective, slopes, render } = (() => {
  const { clamp, number, prox } = common;
  const CONTROLS = [
    { name: "lambda1", label: "λ<sub>1</sub>", hint: "pull towards 0", min: 0, max: 2, step: 0.01, value: 1 },
    { name: "lambda2", label: "λ<sub>2</sub>", hint: "pull towards ħ", min: 0, max: 2, step: 0.01, value: 0.5 },
    { name: "g", label: "g", hint: "weight of this unit", min: 0.05, max: 3, step: 0.05, value: 1 },
    { name: "hbar", label: "ħ", hint: "prediction from the previous frame", min: -4, max: 4, step: 0.05, value: 2 },
    { name: "c", label: "c", hint: "inverse step size", min: 0.25, max: 4, step: 0.05, value: 1 },
  ];
  const NAMES = CONTROLS.map((control) => control.name);
  const PRESETS = {
    "Fig. 1, ħ ≥ 0": { lambda1: 1, lambda2: 0.5, g: 1, hbar: 2, c: 1 },
    "Fig. 1, ħ < 0": { lambda1: 1, lambda2: 0.5, g: 1, hbar: -2, c: 1 },
    "soft threshold": { lambda1: 1, lambda2: 0, g: 1, hbar: 2, c: 1 },
    "τ₂ > τ₁": { lambda1: 0.5, lambda2: 1, g: 1, hbar: 2, c: 1 },
  };

  // A negative threshold or a zero c gives no proximal operator: such an attribute is ignored.
  const valid = (name, value) => name === "hbar" || name === "u" || value > 0 || (value === 0 && name.startsWith("lambda"));

  // ---- the mathematics: pure functions ----------------------------------------------------
  const soft = (u, tau) => Math.sign(u) * Math.max(Math.abs(u) - tau, 0);

  // The five pieces from left to right; a shift means u + shift, a level means a plateau there.
  function pieces(hbar, tau1, tau2) {
    const [low, high, reach] = [Math.min(0, hbar), Math.max(0, hbar), tau1 + tau2];
    const slant = (hbar < 0 ? -1 : 1) * (tau1 - tau2);
    const at = [low - reach, low + slant, high + slant, high + reach];
    return [
      { from: -Infinity, to: at[0], shift: reach },
      { from: at[0], to: at[1], level: low },
      { from: at[1], to: at[2], shift: -slant },
      { from: at[2], to: at[3], level: high },
      { from: at[3], to: Infinity, shift: -reach },
    ].map((piece) => ({ ...piece, empty: !(piece.to - piece.from > 1e-12) }));
  }

  function kinks(hbar, tau1, tau2) {
    const real = pieces(hbar, tau1, tau2).filter((piece) => !piece.empty);
    const flat = (piece) => piece.level !== undefined;
    return real.slice(1).filter((piece, i) => flat(piece) !== flat(real[i])).map((piece) => piece.from);
  }

  const objective = (v, u, hbar, tau1, tau2) => tau1 * Math.abs(v) + tau2 * Math.abs(v - hbar) + (v - u) ** 2 / 2;

  // The slopes of the objective just left and just right of v: at the minimiser 0 lies between.
  function slopes(v, u, hbar, tau1, tau2) {
    const pull = (kink, tau, side) => (v === kink ? side : Math.sign(v - kink)) * tau;
    return [-1, 1].map((side) => v - u + pull(0, tau1, side) + pull(hbar, tau2, side));
  }

  // ---- words --------------------------------------------------------------------------------
  const formula = ({ level, shift }, hbar) => {
    if (level !== undefined) return level === hbar && hbar !== 0 ? `ħ = ${number(level)}` : "0";
    return shift ? `u ${shift < 0 ? "−" : "+"} ${number(Math.abs(shift))}` : "u";
  };

  function regime(hbar, tau1, tau2) {
    if (hbar === 0) return "ħ is 0, so both penalties draw towards 0: Φ is the soft threshold with τ₁ + τ₂.";
    if (tau2 === 0) return "τ₂ is 0, so Φ does not depend on ħ: it is the soft threshold with τ₁.";
    if (tau1 === 0) return "τ₁ is 0: Φ is a soft threshold centred on ħ.";
    const rest = prox(0, hbar, tau1, tau2);
    if (rest === 0) return "τ₁ ≥ τ₂: without input the unit is inactive, Φ(0) = 0.";
    return `τ₂ > τ₁: without input the unit is active, Φ(0) = ${number(rest)}.`;
  }

  // The reason for the position of the minimum: it is in a kink, or the slope is zero there.
  function reason(u, hbar, tau1, tau2) {
    const value = prox(u, hbar, tau1, tau2);
    const [left, right] = slopes(value, u, hbar, tau1, tau2);
    const spot = value === hbar && hbar !== 0 ? "ħ" : "0";
    if (!(right - left > 1e-9)) return "No kink is at the minimum: the slope is 0 there, and the minimum moves by as much as u.";
    const range = `for u from ${number(u + left)} to ${number(u + right)}`;
    return `The minimum is in the kink at v = ${spot}, where the slope jumps from ${number(left)} to ${number(right)}. It remains there as long as 0 is between these slopes, ${range}.`;
  }

  // The pieces as formulas, from left to right.
  function symbols(hbar) {
    const between = hbar < 0 ? "u + τ₁ − τ₂" : "u − τ₁ + τ₂";
    const [low, high] = hbar < 0 ? ["ħ", "0"] : ["0", "ħ"];
    return ["u + τ₁ + τ₂", low, between, high, "u − τ₁ − τ₂"];
  }

  // ---- the picture --------------------------------------------------------------------------
  const BOX = { width: 480, height: 430, left: 40, right: 462, top: 28, bottom: 386 };
  const SIDE = { width: 360, height: 430, left: 34, right: 352, top: 28, bottom: 386 };

  const scales = (span) => ({
    x: common.scale([-span, span], [BOX.left, BOX.right]),
    y: common.scale([-span, span], [BOX.bottom, BOX.top]),
  });

  const doubled = (size, least) => (size < least && size < 1e6 ? doubled(2 * size, least) : size);

  const frame = (span, { x, y }) => {
    const ticks = common.ticks(-span, span, 6).filter((tick) => Math.abs(tick) < span);
    return common.axes(BOX, { x, y, xTicks: ticks, yTicks: ticks, xName: "u", yName: "Φ(u)" });
  };

  const sideFrame = (span, tall, { x, y }) =>
    common.axes(SIDE, {
      x, y, xTicks: common.ticks(-span, span, 6).filter((tick) => Math.abs(tick) < span), yTicks: common.ticks(0, tall, 3).filter((tick) => tick < tall),
      xName: "v", yName: "φ(v) above its minimum",
    });

  // The strips under the pieces. A name stands where the rising curve is not: above it on the
  // left, below it on the right; upright where the strip is narrow.
  function strips(hbar, tau1, tau2, span, { x, y }) {
    const named = symbols(hbar);
    return pieces(hbar, tau1, tau2).map((piece, i) => {
      const [from, to] = [piece.from, piece.to].map((u) => x(clamp(u, -span, span)));
      if (piece.empty || to - from < 0.01) return "";
      const kind = i % 2 ? (named[i] === "ħ" ? "ae-past" : "ae-zero") : "ae-slope";
      const middle = (from + to) / 2;
      const above = prox((clamp(piece.from, -span, span) + clamp(piece.to, -span, span)) / 2, hbar, tau1, tau2) <= 0;
      const wide = to - from > 8 * named[i].length;
      const place = wide ? `text-anchor="middle" x="${middle}" y="${above ? BOX.top + 20 : BOX.bottom - 9}"` :
        `text-anchor="${above ? "end" : "start"}" transform="translate(${middle + 5} ${above ? BOX.top + 8 : BOX.bottom - 8}) rotate(-90)"`;
      const name = to - from > 17 ? `<text class="ae-piece" ${place}>${named[i]}</text>` : "";
      return `<rect class="${kind}" x="${from}" y="${BOX.top}" width="${to - from}" height="${BOX.bottom - BOX.top}"/>${name}`;
    }).join("");
  }

  const svg = (box, id, part, title, inside, kind = "") => `
        <svg ${kind} viewBox="0 0 ${box.width} ${box.height}" role="img" aria-labelledby="${id}-${part} ${id}-${part}-desc">
          <title id="${id}-${part}">${title}</title><desc id="${id}-${part}-desc" data-part="${part}-desc"></desc>
          ${inside}
        </svg>`;

  // What is drawn inside is cut at the edges of the box.
  const cut = (box, inside) => {
    const [width, height] = [box.right - box.left, box.bottom - box.top];
    return `<svg x="${box.left}" y="${box.top}" width="${width}" height="${height}" viewBox="${box.left} ${box.top} ${width} ${height}" overflow="hidden">${inside}</svg>`;
  };

  const skeleton = (id) => `
    ${common.buttons(Object.keys(PRESETS))}
    <div class="ue-body">
      <div>
        ${svg(BOX, id, "phi", "The activation Φ against u", `
          <g data-part="strips"></g><g data-part="frame"></g>
          <path class="ae-identity" data-part="identity"/><path class="ae-soft"/><path class="ue-line ae-phi"/>
          <g data-part="kinks"></g><path class="ae-guide"/>
          <g class="ae-handle"><line/><circle class="ae-grip" r="26"/><circle class="ae-knob" r="13"/><text text-anchor="middle" dy="5">ħ</text></g>
          <circle class="ae-marker" r="8"/>`, 'class="ue-drag"')}
        <p class="ue-key"><span class="ae-key-phi">Φ(u)</span> <span class="ae-key-soft">soft threshold τ<sub>1</sub> + τ<sub>2</sub></span> <span class="ae-key-identity">identity</span></p>
      </div>
      <div class="ae-side">
        ${svg(SIDE, id, "side", "The objective φ against v, for this u", `
          <g data-part="side-frame"></g>
          ${cut(SIDE, '<path class="ae-fold"/><path class="ue-line ae-objective"/><path class="ae-tangent"/>')}
          <g data-part="folds"></g><circle class="ae-marker" data-part="minimum" r="8"/>`)}
        <p class="ue-note">φ(v) = τ<sub>1</sub>|v| + τ<sub>2</sub>|v − ħ| + ½(v − u)²; the dot is its minimum, Φ(u)</p>
      </div>
      <div class="ae-controls ue-strip">${[{ name: "u", label: "u", hint: "drag the dot", min: -6, max: 6, step: 0.05 }, ...CONTROLS].map((control) => common.slider(control, id)).join("")}</div>
    </div>
    <p class="ae-taus" data-part="taus"></p>
    <p class="ue-words ae-reason" data-part="reason"></p>
    <p class="ue-words ae-regime" data-part="regime"></p>
    <details><summary>The five pieces of Φ as a table</summary><table class="ue-table"><caption>The five pieces of Φ</caption>
      <thead><tr><th scope="col">piece</th><th scope="col">u from</th><th scope="col">to</th><th scope="col">Φ(u)</th></tr></thead>
      <tbody data-part="rows"></tbody></table></details>`;

  const STYLE = `
activation-explorer.ue { --ae-past: var(--ue-c2); }
activation-explorer.ue svg rect { stroke: none; }
activation-explorer.ue .ae-slope { fill: var(--ue-main); opacity: .07; }
activation-explorer.ue .ae-zero { fill: var(--ue-soft); opacity: .26; }
activation-explorer.ue .ae-past { fill: var(--ae-past); opacity: .3; }
activation-explorer.ue svg text.ae-piece { fill: var(--ue-ink); }
activation-explorer.ue svg path { fill: none; vector-effect: non-scaling-stroke; }
activation-explorer.ue .ae-identity { stroke: var(--ue-soft); stroke-width: 1.2; stroke-dasharray: 7 5; }
activation-explorer.ue .ae-soft { stroke: var(--ue-soft); stroke-width: 2; stroke-dasharray: 1 5; stroke-linecap: round; }
activation-explorer.ue .ae-kink { fill: var(--ue-paper); stroke: var(--ue-main); stroke-width: 2.5; }
activation-explorer.ue .ae-guide { stroke: var(--ue-mark); stroke-width: 1.5; stroke-dasharray: 3 3; }
activation-explorer.ue .ae-marker { fill: var(--ue-mark); stroke: var(--ue-paper); stroke-width: 2.5; }
activation-explorer.ue .ae-handle, activation-explorer.ue .ae-handle circle { cursor: ns-resize; touch-action: none; }
activation-explorer.ue .ae-handle line { stroke: var(--ae-past); stroke-width: 1.6; stroke-dasharray: 10 4; }
activation-explorer.ue .ae-grip { fill: transparent; }
activation-explorer.ue .ae-knob { fill: var(--ue-paper); stroke: var(--ae-past); stroke-width: 2.5; }
activation-explorer.ue .ae-handle text { fill: var(--ue-ink); font-weight: 700; pointer-events: none; }
activation-explorer.ue .ae-fold { stroke: var(--ue-soft); stroke-width: 1.2; stroke-dasharray: 3 4; }
activation-explorer.ue .ae-tangent { stroke: var(--ue-mark); stroke-width: 2.5; }
activation-explorer.ue .ue-key span::before { content: ""; display: inline-block; width: 1.6em; margin-right: .4em; vertical-align: middle; border-top: 3px solid var(--ue-main); }
activation-explorer.ue .ue-key .ae-key-soft::before { border-top: 2px dotted var(--ue-soft); }
activation-explorer.ue .ue-key .ae-key-identity::before { border-top: 1.5px dashed var(--ue-soft); }
activation-explorer.ue input[name="u"] { accent-color: var(--ue-mark); }
activation-explorer.ue output[data-for="u"] { color: var(--ue-mark); }
activation-explorer.ue .ue-body { row-gap: .25rem; }
activation-explorer.ue .ae-controls { grid-column: 1 / -1; grid-row: 2; }
activation-explorer.ue p.ae-taus { margin: .2rem 0 .4rem; font-variant-numeric: tabular-nums; }
activation-explorer.ue .ae-reason { min-height: 3.8em; }
activation-explorer.ue table.ue-table { max-width: 40rem; }
activation-explorer.ue table.ue-table :is(th, td) + :is(th, td) { text-align: right; }
activation-explorer.ue table.ue-table tr.ae-empty td { color: var(--ue-soft); font-style: italic; }
@media (forced-colors: active) { activation-explorer.ue .ae-marker { fill: Highlight; } }`;

  // ---- the element --------------------------------------------------------------------------
  common.define("activation-explorer", (Base) => class extends Base {
    static css = STYLE;
    static presets = PRESETS;
    static fields = Object.fromEntries([...CONTROLS, { name: "u", value: 3 }].map(({ name, value }) => [name, { value, valid: (x) => valid(name, x) }]));

    skeleton = skeleton;
    span = 6;

    get all() {
      const { lambda1, lambda2, g, hbar, c } = this.state;
      return [hbar, (lambda1 * g) / c, (lambda2 * g) / c];
    }

    words(name, value) {
      return name === "u" ? `Φ(${number(value)}) = ${number(prox(value, ...this.all))}` : number(value);
    }

    start() {
      // The pointer takes ħ where it starts at the handle of ħ, and u elsewhere.
      const place = () => [BOX.right, scales(this.span).y(this.state.hbar)];
      let past = false;
      const move = ({ x, y }) => {
        const scale = scales(this.span);
        const value = Math.round((past ? scale.y.back(y) : scale.x.back(x)) * 20) / 20;
        this.choose(past ? { hbar: value } : { u: value });
      };
      common.drag(this.querySelector("svg"), move, {
        start: ({ x, y }) => {
          const [left, top] = place();
          past = Math.hypot(x - left, y - top) < 28;
          this.held = this.span;
        },
        end: () => { this.held = null; this.redraw(); },
      });
    }

    summary() {
      const { u } = this.state;
      return `Φ(${number(u)}) = ${number(prox(u, ...this.all))}. ${regime(...this.all)} ${reason(u, ...this.all)}`;
    }

    draw() {
      const all = this.all;
      const list = pieces(...all);
      // Widen in steps of two, so that the curve and not the paper moves under the hand.
      this.span = this.held || doubled(6, Math.max(-list[0].to, list[4].from) + 0.4);
      this.state.u = clamp(this.state.u, -this.span, this.span);
      Object.assign(this.querySelector('input[name="u"]'), { min: -this.span, max: this.span });
      this.drawCurve(all, scales(this.span));
      this.drawObjective(all);
      this.tell(list, all);
    }

    line(kind, points, scale) {
      this.querySelector(kind).setAttribute("d", common.path(points, scale));
    }

    spot(node, [u, v], { x, y }) {
      node.setAttribute("cx", x(u));
      node.setAttribute("cy", y(v));
    }

    drawCurve([hbar, tau1, tau2], scale) {
      const { span, state: { u } } = this;
      const at = kinks(hbar, tau1, tau2).filter((x) => Math.abs(x) <= span);
      const reach = Math.min(tau1 + tau2, span);
      const value = prox(u, hbar, tau1, tau2);
      this.fill("strips", strips(hbar, tau1, tau2, span, scale));
      this.fill("frame", frame(span, scale));
      this.fill("kinks", at.map((x) => `<circle class="ae-kink" r="4.5" cx="${scale.x(x)}" cy="${scale.y(prox(x, hbar, tau1, tau2))}"/>`).join(""));
      this.line(".ae-identity", [[-span, -span], [span, span]], scale);
      this.line(".ae-soft", [-span, -reach, reach, span].map((x) => [x, soft(x, tau1 + tau2)]), scale);
      this.line(".ae-phi", [-span, ...at, span].map((x) => [x, prox(x, hbar, tau1, tau2)]), scale);
      this.line(".ae-guide", [[u, 0], [u, value], [0, value]], scale);
      this.spot(this.querySelector(".ae-marker"), [u, value], scale);
      const [handle, y] = [this.querySelector(".ae-handle"), scale.y(clamp(hbar, -span, span))];
      for (const [name, place] of Object.entries({ x1: BOX.left, x2: BOX.right, y1: y, y2: y })) handle.querySelector("line").setAttribute(name, place);
      for (const circle of handle.querySelectorAll("circle")) { circle.setAttribute("cx", BOX.right); circle.setAttribute("cy", y); }
      handle.querySelector("text").setAttribute("transform", `translate(${BOX.right} ${y})`);
    }

    drawObjective([hbar, tau1, tau2]) {
      const { u } = this.state;
      const value = prox(u, hbar, tau1, tau2);
      const [span, tall] = [doubled(6, Math.max(Math.abs(hbar), Math.abs(value)) + 0.4), doubled(3, 1.5 * (tau1 + tau2))];
      const scale = { x: common.scale([-span, span], [SIDE.left, SIDE.right]), y: common.scale([0, tall], [SIDE.bottom, SIDE.top]) };
      const least = objective(value, u, hbar, tau1, tau2);
      const grid = [...Array.from({ length: 241 }, (_, i) => ((i - 120) / 120) * span), 0, hbar, value].sort((a, b) => a - b);
      const [left, right] = slopes(value, u, hbar, tau1, tau2);
      const arm = span / 4;
      this.fill("side-frame", sideFrame(span, tall, scale));
      this.line(".ae-objective", grid.map((v) => [v, objective(v, u, hbar, tau1, tau2) - least]), scale);
      this.line(".ae-fold", [[0, 0], [0, tall], [NaN, NaN], [hbar, 0], [hbar, tall]], scale);
      this.line(".ae-tangent", [[value - arm, -left * arm], [value, 0], [value + arm, right * arm]], scale);
      this.fill("folds", hbar === 0 ? "" : `<text class="ue-name" text-anchor="middle" x="${scale.x(hbar)}" y="${SIDE.top + 17}">ħ</text>`);
      this.spot(this.querySelector('[data-part="minimum"]'), [value, 0], scale);
    }

    tell(list, [hbar, tau1, tau2]) {
      const words = regime(hbar, tau1, tau2);
      const why = reason(this.state.u, hbar, tau1, tau2);
      const here = list.findIndex((piece) => !piece.empty && this.state.u <= piece.to);
      const named = symbols(hbar);
      this.fill("taus", `τ<sub>1</sub> = λ<sub>1</sub>g/c = <b>${number(tau1)}</b> &emsp; τ<sub>2</sub> = λ<sub>2</sub>g/c = <b>${number(tau2)}</b>`);
      this.fill("regime", words);
      this.fill("reason", why);
      this.fill("phi-desc", `A rising curve with flat pieces at 0 and at ħ = ${number(hbar)}. ${words} The table below gives its pieces.`);
      this.fill("side-desc", `A parabola with kinks at 0 and at ħ. ${why}`);
      this.fill("rows", list.map((piece, i) =>
        `<tr${i === here ? ' aria-current="true"' : ""}${piece.empty ? ' class="ae-empty"' : ""}><td>${named[i]}</td><td>${number(piece.from)}</td><td>${number(piece.to)}</td><td>${piece.empty ? "no width" : formula(piece, hbar)}</td></tr>`).join(""));
    }
  });

  return { prox, pieces, objective, slopes, render: common.render("activation-explorer", NAMES) };
})();

export default { render };
