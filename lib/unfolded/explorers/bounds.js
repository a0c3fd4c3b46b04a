// The bounds explorer: what five networks' bounds say of one set of norms, with a slider for each.
// One file serves the live notebook (anywidget's `render`) and every static page (the element
// <bounds-explorer t="20" ...>). Without its last line it is a classic script, so the book also
// works opened from disk, where browsers refuse modules.

const { logBounds, lowest, axis, render } = (() => {
  const DECADES = [100, 200, 500, 1e3, 2e3, 5e3, 8e3, 1e4, 2e4, 5e4, 1e5, 2e5, 5e5, 1e6];
  const FRAMES = [1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50, 60, 80, 100, 120, 150, 200, 300, 400, 500, 700, 1000];
  const TWOS = (count) => Array.from({ length: count }, (_, i) => 2 ** i);
  const NORM = { low: 0.1, high: 10, floor: 1e-3, ceiling: 1e3 };
  // `list`: the slider steps through these; else `low` to `high`, evenly or on a log scale.
  const CONTROLS = [
    { name: "d", label: "d", hint: "layers", low: 1, high: 12, linear: true, whole: true, floor: 1, ceiling: 50, value: 3 },
    { name: "T", label: "T", hint: "frames of a sequence", list: FRAMES, whole: true, floor: 1, ceiling: 1e5, value: 20 },
    { name: "alpha", label: "α", hint: "norm of every W", ...NORM, value: 0.9 },
    { name: "beta", label: "β", hint: "norm of every U", ...NORM, value: 1 },
    { name: "gamma", label: "γ", hint: "norm of G, what carries the past", ...NORM, value: 1 },
    { name: "m", label: "m", hint: "training sequences", list: DECADES, whole: true, floor: 1, ceiling: 1e9, value: 8000 },
    { name: "n", label: "n", hint: "measurements of a frame", low: 1, high: 128, linear: true, whole: true, floor: 1, ceiling: 1e5, value: 51 },
    { name: "h", label: "h", hint: "units of a layer", list: TWOS(13).slice(7), whole: true, floor: 2, ceiling: 1e6, value: 1024 },
    { name: "k", label: "k", hint: "entries in a row of W and U", list: TWOS(8), whole: true, floor: 1, ceiling: 1e6, value: 16 },
    { name: "a", label: "a", hint: "FastRNN's weight of what is new", low: 1e-3, high: 1, floor: 1e-6, ceiling: 1, value: 1 },
  ];
  const NAMES = CONTROLS.map((control) => control.name);
  const CONTROL = Object.fromEntries(CONTROLS.map((control) => [control.name, control]));
  const NETWORKS = [
    { key: "reweighted-rnn", label: "reweighted-RNN", source: "(14)" },
    { key: "l1-l1-rnn", label: "ℓ1-ℓ1-RNN", source: "(14), layers tied" },
    { key: "sista-rnn", label: "SISTA-RNN", source: "(17), through T frames" },
    { key: "fastrnn", label: "FastRNN", source: "(51), one layer" },
    { key: "spectralrnn", label: "SpectralRNN", source: "(54), shape only", apart: true },
    { key: "repaired", label: "reweighted-RNN (repaired)", source: "ours, thresholds fixed" },
  ];
  const PRESETS = {
    "one contracting layer": { against: "T", d: 1, alpha: 0.8, k: 16, a: 1 },
    "as before training": { against: "T", d: 3, alpha: 4.3, beta: 1.1, gamma: 1, k: 16, a: 1 },
    "wider and wider": { against: "h", d: 1, alpha: 0.8, k: 16, a: 1 },
    "where FastRNN wins": { against: "T", d: 1, alpha: 0.9, h: 128, k: 128, a: 0.05 },
  };
  const valid = ({ floor, ceiling, whole }, value) =>
    Number.isFinite(value) && floor <= value && value <= ceiling && (!whole || Number.isInteger(value));

  // ---- the mathematics: pure functions, natural logarithms throughout ---------------------
  const logSum = (a, b) => (a === b && !Number.isFinite(a) ? a : Math.max(a, b) + Math.log1p(Math.exp(-Math.abs(a - b))));

  // The log of 1 + r + … + r^(count−1), from log r: one is no special case, nothing overflows.
  function logGeometric(logRatio, count) {
    if (count < 1) return -Infinity;
    if (logRatio === 0 || count === 1) return Math.log(count);
    if (logRatio > 0) return (count - 1) * logRatio + logGeometric(-logRatio, count);
    return Math.log(Math.expm1(count * logRatio) / Math.expm1(logRatio));
  }

  const roots = (layers, { m, n, h }) => 0.5 * Math.log((2 * (4 * layers * Math.LN2 + Math.log(n) + Math.log(h))) / m);

  // (14) for h_0 = 0 and B_x = 1: `inputs` is the log of Σ β_l Λ_l, `past` that of Λ_0.
  const sequence = (state, inputs, past) => roots(state.d * state.T, state) + inputs + logGeometric(past, state.T);

  function sista(state) {
    const [layer, link] = [Math.log(state.alpha), Math.log(0.01 * state.gamma)];
    const past = logSum(state.d * layer, link + logGeometric(layer, state.d - 1));
    return sequence(state, Math.log(state.beta) + logGeometric(layer, state.d), past);
  }

  // k equal entries a row: the Frobenius norms of W and U, in logs; the spectral ones follow.
  const frobenius = ({ alpha, beta, h, n, k }) => [
    Math.log(alpha) + 0.5 * Math.log(h / Math.min(k, h)),
    Math.log(beta) + 0.5 * Math.log(h / Math.min(k, n)),
  ];

  function fastrnn(state) {
    const [W, U] = frobenius(state);
    const growth = Math.log1p(state.a * (2 * Math.exp(W) - 1));
    return Math.log(2 * state.a) + 0.5 * Math.log(state.n / state.m) + U + logGeometric(growth, state.T + 1);
  }

  function spectralrnn(state) {
    const { m, n, h, T } = state;
    const [W, U] = frobenius(state);
    const widest = Math.max(n, 256, h);
    const zeta = (2 * T - 2) * Math.max(W - 0.5 * Math.log(h), 0) + 2 * Math.max(U - 0.5 * Math.log(n), 0);
    const norms = logSum(logSum(2 * W, 2 * U), Math.log(256));
    const sizes = Math.log(n) + 4 * Math.log(T) + Math.log(widest) + Math.log(Math.log(widest));
    return 0.5 * (logSum(sizes + norms + zeta, Math.log(Math.log(m / 0.05))) - Math.log(m));
  }

  // The companion's own bound for reweighted-RNN as it is defined, with fixed thresholds.
  function repaired({ d, T, alpha, beta, gamma, m, n }) {
    const layer = Math.log(alpha);
    const layers = logGeometric(layer, d);
    const past = logSum(d * layer, Math.log(gamma) + layers);
    return Math.log(beta) + layers + logGeometric(past, T) + 0.5 * Math.log((2 * Math.log(2 * n)) / m);
  }

  function logBounds(state) {
    const inputs = Math.log(state.beta) + logGeometric(Math.log(state.alpha), state.d);
    const same = sequence(state, inputs, state.d * Math.log(state.alpha));
    return { "reweighted-rnn": same, "l1-l1-rnn": same, "sista-rnn": sista(state), fastrnn: fastrnn(state), spectralrnn: spectralrnn(state), repaired: repaired(state) };
  }

  // The values at which a curve is drawn: whole ones where only these make sense.
  function axis(name, value) {
    const { list, linear, whole, ...control } = CONTROL[name];
    if (list && name !== "T") return [...new Set([...list, value])].sort((a, b) => a - b);
    const [low, high] = [Math.min(list ? list[0] : control.low, value), Math.max(list ? list.at(-1) : control.high, value)];
    const steps = Array.from({ length: 161 }, (_, i) => i / 160);
    const points = steps.map((s) => (linear ? low + s * (high - low) : low * (high / low) ** s));
    return whole ? [...new Set(points.map(Math.round))] : points;
  }

  const competitors = NETWORKS.filter(({ apart }) => !apart);

  // Which bounds are lowest, all that tie.
  function lowest(found) {
    const least = Math.min(...competitors.map(({ key }) => found[key]));
    return competitors.filter(({ key }) => found[key] <= least + 1e-9).map(({ key }) => key);
  }

  // ---- words --------------------------------------------------------------------------------
  const number = (x) => String(Number.isInteger(x) && x < 1e7 ? x : Number(x.toPrecision(3))).replace("e+", "e");
  const raised = (power) => String(power).replace(/[-\d]/g, (c) => (c === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[c]));

  function size(log) {
    const tens = log / Math.LN10;
    if (tens >= -2 && tens < 4) return number(10 ** tens);
    let power = Math.floor(tens);
    let lead = (10 ** (tens - power)).toFixed(1);
    if (lead === "10.0") [power, lead] = [power + 1, "1.0"];
    return `${lead}·10${raised(power)}`;
  }

  const NAMED = Object.fromEntries(NETWORKS.map(({ key, label }) => [key, label]));
  const listed = (keys) => (keys.length === 3 ? "the three unfolded networks" : keys.map((key) => NAMED[key]).join(" and "));

  function verdict(state, against, at, lines) {
    const { label } = CONTROL[against];
    const here = lowest(logBounds(state));
    const owner = at.map((_, i) => lowest(Object.fromEntries(Object.entries(lines).map(([key, line]) => [key, line[i]]))));
    const starts = at.map((_, i) => i).filter((i) => i === 0 || owner[i].join() !== owner[i - 1].join());
    const parts = starts.map((i, k) => `${k ? `from ${label} = ${number(at[i])} on ` : ""}${listed(owner[i])}`);
    const along = parts.length === 1 ? `for every ${label} drawn` : parts.join("; ");
    return `Lowest at ${label} = ${number(state[against])}: ${listed(here)}. Along the axis: ${along}.`;
  }

  function growth(state) {
    const [W] = frobenius(state);
    const layers = Math.exp(logGeometric(Math.log(state.alpha), state.d));
    const factors = [state.alpha ** state.d, state.alpha ** state.d + state.gamma * layers, 1 + state.a * (2 * Math.exp(W) - 1), Math.exp(W) / Math.sqrt(state.h)].map(number);
    return `A frame multiplies the past by α<sup>d</sup> = ${factors[0]} in (14), with G by ${factors[1]} in the repaired bound, by 1 + a(2‖W‖<sub>F</sub> − 1) = ${factors[2]} in (51) and by ‖W‖<sub>2</sub> = ${factors[3]} in (54). Above one, that bound grows exponentially with T.`;
  }

  function beyond(lines, top) {
    const gone = NETWORKS.filter(({ key }) => Math.max(...lines[key]) > top * Math.LN10).map(({ label }) => label);
    return gone.length ? ` Off the picture at the top: ${gone.join(", ")}.` : "";
  }

  // ---- the picture --------------------------------------------------------------------------
  const BOX = { width: 520, height: 400, left: 58, right: 508, top: 28, bottom: 356 };

  function scales(against, at, low, high) {
    const warp = CONTROL[against].linear ? (x) => x : Math.log;
    const unwarp = CONTROL[against].linear ? (x) => x : Math.exp;
    const [first, last] = [warp(at[0]), warp(at.at(-1))];
    return {
      x: (value) => BOX.left + ((warp(value) - first) / (last - first)) * (BOX.right - BOX.left),
      y: (tens) => BOX.bottom - ((tens - low) / (high - low)) * (BOX.bottom - BOX.top),
      value: (pixel) => unwarp(first + clamp((pixel - BOX.left) / (BOX.right - BOX.left), 0, 1) * (last - first)),
    };
  }

  const clamp = (x, low, high) => Math.max(low, Math.min(high, x));
  const steps = (low, high, count) => {
    const rough = (high - low) / count;
    const tens = 10 ** Math.floor(Math.log10(rough));
    const step = Math.max(1, tens * [1, 2, 5, 10].find((nice) => nice * tens >= rough));
    const first = Math.ceil(low / step);
    return Array.from({ length: Math.floor(high / step) - first + 1 }, (_, i) => (first + i) * step);
  };

  function ticks(against, at) {
    const { linear, list } = CONTROL[against];
    const [low, high] = [at[0], at.at(-1)];
    if (linear) return steps(low, high, 6).filter((tick) => tick >= 1);
    if (list && list[1] === 2 * list[0] && list.length < 10) return list.filter((_, i) => i % 2 === 0 || list.length < 7);
    const few = Math.log10(high / low) > 3 ? [1] : Math.log10(high / low) > 2.1 ? [1, 3] : [1, 2, 5];
    const powers = Array.from({ length: 14 }, (_, i) => i - 6);
    return powers.flatMap((p) => few.map((f) => f * 10 ** p)).filter((tick) => low * 0.999 <= tick && tick <= high * 1.001);
  }

  function frame(against, at, low, high, { x, y }) {
    const line = (x1, y1, x2, y2, kind) => `<line class="${kind}" x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}"/>`;
    const across = steps(low, high, 6).map((tens) =>
      line(BOX.left, y(tens), BOX.right, y(tens), tens === 0 ? "be-axis" : "be-grid") +
      `<text class="be-tick" x="${BOX.left - 7}" y="${y(tens) + 5}" text-anchor="end">10${raised(tens)}</text>`);
    const up = ticks(against, at).map((tick) =>
      line(x(tick), BOX.top, x(tick), BOX.bottom, "be-grid") +
      `<text class="be-tick" x="${x(tick)}" y="${BOX.bottom + 18}" text-anchor="middle">${number(tick)}</text>`);
    return across.join("") + up.join("") +
      `<text class="be-name" x="${BOX.right}" y="${BOX.bottom + 40}" text-anchor="end">${CONTROL[against].label}, ${CONTROL[against].hint}</text>` +
      `<text class="be-name" x="2" y="16">bound</text>`;
  }

  const slider = ({ name, label, hint }, id) => `
    <div class="be-control">
      <label for="${id}-${name}"><b>${label}</b> <span>${hint}</span></label>
      <output for="${id}-${name}" data-for="${name}"></output>
      <input type="range" id="${id}-${name}" name="${name}">
    </div>`;

  const skeleton = (id) => `<div class="be-root">
    <div class="be-presets" role="group" aria-label="Settings to start from">
      ${Object.keys(PRESETS).map((name) => `<button type="button" data-preset="${name}" aria-pressed="false">${name}</button>`).join("")}
      <button type="button" data-reset>Reset</button>
    </div>
    <div class="be-body">
      <div class="be-figure">
        <p class="be-against"><label for="${id}-against">Draw the bounds against</label>
          <select id="${id}-against" name="against">${CONTROLS.map(({ name, label, hint }) => `<option value="${name}">${label}, ${hint}</option>`).join("")}</select></p>
        <svg viewBox="0 0 ${BOX.width} ${BOX.height}" role="img" aria-labelledby="${id}-title ${id}-desc">
          <title id="${id}-title"></title><desc id="${id}-desc"></desc>
          <g data-part="frame"></g><line class="be-marker"/>
          <svg x="${BOX.left}" y="${BOX.top}" width="${BOX.right - BOX.left}" height="${BOX.bottom - BOX.top}" viewBox="${BOX.left} ${BOX.top} ${BOX.right - BOX.left} ${BOX.bottom - BOX.top}" overflow="hidden">
            ${NETWORKS.map(({ key }) => `<polyline class="be-line" data-line="${key}"/>`).join("")}<g data-part="dots"></g></svg>
        </svg>
        <p class="be-verdict" data-part="verdict" role="status" aria-live="polite"></p>
        <p class="be-growth" data-part="growth"></p>
      </div>
      <div class="be-panel">${CONTROLS.map((control) => slider(control, id)).join("")}</div>
    </div>
    <table class="be-table"><caption>The bounds at these settings</caption>
      <thead><tr><th scope="col">network</th><th scope="col">from</th><th scope="col">bound</th></tr></thead>
      <tbody>${NETWORKS.map(({ key, label, source }) => `<tr data-row="${key}"><th scope="row"><svg class="be-swatch" viewBox="0 0 34 8" aria-hidden="true"><polyline class="be-line" data-line="${key}" points="0,4 34,4"/></svg> ${label}</th><td>${source}</td><td data-value></td></tr>`).join("")}</tbody></table>
    <p class="be-note">(54) bounds an error rate and has an unknown constant: read how its curve rises, not how high it lies. It never counts as lowest. (14) is proved for an activation that does not depend on the past; the repaired bound needs γ instead.</p></div>`;

  const STYLE = `
bounds-explorer { display: block; container-type: inline-size; margin: 1rem 0; max-width: 56rem;
  --be-ink: #1b1f24; --be-soft-ink: #57606a; --be-rule: #d5dae0; --be-mark: #b3134e; --be-tint: #eaf3fa; --be-edge: #0072b2;
  --be-1: #d55e00; --be-2: #0072b2; --be-3: #009e73; --be-4: #a65628; --be-5: #7a4fbf; --be-6: #222222;
  --be-paper: var(--pst-color-background, var(--jp-layout-color0, #fff));
  color: var(--be-ink); background: var(--be-paper); font-size: 1rem; line-height: 1.45; }
html[data-theme="dark"] bounds-explorer, body[data-jp-theme-light="false"] bounds-explorer, body.vscode-dark bounds-explorer {
  --be-ink: #e8ebef; --be-soft-ink: #a9b3be; --be-rule: #3d4651; --be-mark: #ff9ab8; --be-tint: #1d2b38; --be-edge: #56b4e9;
  --be-1: #f08a4b; --be-2: #56b4e9; --be-3: #3cc79b; --be-4: #dba27c; --be-5: #bda2f0; --be-6: #e8ebef; }
html[data-theme="dark"] div.cell_output .text_html:has(bounds-explorer) { background: none !important; padding: 0 !important; }
bounds-explorer > :not(.be-root) { display: none; }
bounds-explorer .be-body { display: grid; gap: 1rem 1.75rem; align-items: start; }
@container (min-width: 40rem) { bounds-explorer .be-body { grid-template-columns: minmax(0, 1.35fr) minmax(14rem, 1fr); } }
bounds-explorer .be-presets { display: flex; flex-wrap: wrap; gap: .4rem; margin: 0 0 .75rem; }
bounds-explorer :is(button, select) { font: inherit; font-size: .875rem; color: var(--be-ink); background: var(--be-paper); cursor: pointer;
  border: 1px solid var(--be-soft-ink); border-radius: 1rem; padding: .25rem .8rem; min-height: 2rem; max-width: 100%; }
bounds-explorer button:hover { background: var(--be-tint); }
bounds-explorer button[aria-pressed="true"] { background: var(--be-tint); border-color: var(--be-edge); box-shadow: inset 0 0 0 1px var(--be-edge); font-weight: 600; }
bounds-explorer button[data-reset] { border-style: dashed; }
bounds-explorer :is(button, input, select):focus-visible { outline: 3px solid var(--be-mark); outline-offset: 2px; border-radius: 1rem; }
bounds-explorer .be-against { display: flex; flex-wrap: wrap; gap: .2rem .6rem; align-items: center; margin: 0 0 .4rem; }
bounds-explorer .be-against label { margin: 0; }
bounds-explorer .be-figure > svg { display: block; width: 100%; height: auto; touch-action: pan-y; cursor: ew-resize; overflow: visible; }
bounds-explorer :is(sub, sup) { line-height: 0; }
bounds-explorer svg text { font-family: inherit; fill: var(--be-soft-ink); font-size: 15px; }
bounds-explorer svg .be-name { font-size: 16px; fill: var(--be-ink); }
@container (max-width: 26rem) { bounds-explorer svg text.be-tick { font-size: 19px; } bounds-explorer svg text.be-name { font-size: 20px; } }
bounds-explorer svg :is(line, polyline) { fill: none; vector-effect: non-scaling-stroke; }
bounds-explorer .be-grid { stroke: var(--be-rule); stroke-width: 1; opacity: .7; }
bounds-explorer .be-axis { stroke: var(--be-soft-ink); stroke-width: 1.2; }
bounds-explorer .be-marker { stroke: var(--be-mark); stroke-width: 2; stroke-dasharray: 3 3; }
bounds-explorer .be-line { stroke-width: 3; stroke-linejoin: round; stroke: var(--be-colour); }
bounds-explorer .be-dot { fill: var(--be-colour); stroke: var(--be-paper); stroke-width: 2; }
bounds-explorer [data-line="reweighted-rnn"] { --be-colour: var(--be-1); stroke-width: 5; }
bounds-explorer [data-line="l1-l1-rnn"] { --be-colour: var(--be-2); stroke-dasharray: 8 8; }
bounds-explorer [data-line="sista-rnn"] { --be-colour: var(--be-3); stroke-dasharray: 9 4 2 4; }
bounds-explorer [data-line="fastrnn"] { --be-colour: var(--be-4); stroke-dasharray: 2 4; }
bounds-explorer [data-line="spectralrnn"] { --be-colour: var(--be-5); stroke-dasharray: 12 3 3 3 3 3; stroke-width: 2; }
bounds-explorer [data-line="repaired"] { --be-colour: var(--be-6); stroke-dasharray: 14 4; stroke-width: 2; }
bounds-explorer .be-control { display: grid; grid-template-columns: 1fr auto; column-gap: .75rem; margin: 0 0 .35rem; }
bounds-explorer .be-control label { margin: 0; }
bounds-explorer .be-control label span { color: var(--be-soft-ink); font-size: .85rem; }
bounds-explorer .be-control output { font-variant-numeric: tabular-nums; font-weight: 600; text-align: right; padding: 0; color: inherit; }
bounds-explorer .be-control[data-current] output { color: var(--be-mark); }
bounds-explorer input[type="range"] { grid-column: 1 / -1; width: 100%; height: 1.75rem; margin: 0; accent-color: var(--be-edge); cursor: pointer; }
bounds-explorer .be-control[data-current] input { accent-color: var(--be-mark); }
bounds-explorer p.be-verdict { margin: .5rem 0 0; padding: .5rem .75rem; background: var(--be-tint); border-left: 3px solid var(--be-edge); min-height: 5.8em; }
bounds-explorer :is(p.be-growth, p.be-note) { margin: .5rem 0 0; font-size: .9rem; color: var(--be-soft-ink); }
bounds-explorer table.be-table { width: 100%; margin: 1rem 0 0; border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; color: inherit; }
bounds-explorer table.be-table caption { caption-side: top; text-align: left; padding: 0 0 .25rem; color: var(--be-soft-ink); }
bounds-explorer table.be-table :is(th, td) { text-align: left; padding: .25rem .5rem; border: 0; border-bottom: 1px solid var(--be-rule); background: none; color: inherit; font-weight: 400; white-space: normal; }
bounds-explorer table.be-table thead th { font-weight: 600; }
bounds-explorer table.be-table :is(th, td):last-child { text-align: right; white-space: nowrap; }
bounds-explorer table.be-table tr.be-least :is(th, td) { background: var(--be-tint); font-weight: 600; }
bounds-explorer .be-swatch { width: 34px; height: 8px; vertical-align: middle; }
@media print { bounds-explorer :is(input, .be-presets, .be-against) { display: none !important; } bounds-explorer { break-inside: avoid; } }
@media (prefers-reduced-motion: no-preference) { bounds-explorer button { transition: background-color .15s; } }
@media (forced-colors: active) { bounds-explorer .be-line { stroke: CanvasText; } bounds-explorer .be-marker { stroke: Highlight; } }`;

  function dress(element) {
    const root = element.getRootNode();
    const place = root instanceof ShadowRoot ? root : document.head;
    if (place.querySelector("style[data-bounds-explorer]")) return;
    const style = document.createElement("style");
    style.dataset.boundsExplorer = "";
    style.textContent = STYLE;
    place.append(style);
  }

  // ---- the element --------------------------------------------------------------------------
  let count = 0;

  function makeElement() {
    return class BoundsExplorer extends HTMLElement {
      // Attributes lose their capitals in HTML: T is read from t.
      static observedAttributes = ["against", ...NAMES.map((name) => name.toLowerCase())];

      state = Object.fromEntries([["against", "alpha"], ...CONTROLS.map(({ name, value }) => [name, value])]);

      attributeChangedCallback(attribute, _, text) {
        const name = ["against", ...NAMES].find((known) => known.toLowerCase() === attribute);
        this.set({ [name]: name === "against" ? text : Number.parseFloat(text) });
      }

      connectedCallback() {
        if (this.built) return;
        this.built = true;
        dress(this);
        this.innerHTML = skeleton(`be-${++count}`);
        this.initial = { ...this.state };
        this.addEventListener("input", ({ target }) => {
          if (target.name === "against") this.choose({ against: target.value });
          else if (CONTROL[target.name]) this.choose({ [target.name]: this.value(CONTROL[target.name], Number(target.value)) });
        });
        this.addEventListener("click", ({ target }) => {
          const button = target.closest("button");
          if (button) this.choose({ ...this.initial, ...PRESETS[button.dataset.preset] });
        });
        this.followPointer(this.querySelector("svg"));
        this.draw();
      }

      // Set by the page or by Python: redraw, tell nobody. What no bound can take is passed over.
      set(values) {
        for (const [name, value] of Object.entries(values)) {
          if (name === "against" ? CONTROL[value] : valid(CONTROL[name], value)) this.state[name] = value;
        }
        if (this.built) this.draw();
      }

      // Set by the reader: redraw and tell Python.
      choose(values) {
        this.set(values);
        this.dispatchEvent(new CustomEvent("explorer-change", { detail: { ...this.state }, bubbles: true }));
      }

      // Where a slider stands for a value, and back.
      position({ list, linear }, value) {
        if (linear) return value;
        if (!list) return Math.log10(value);
        return list.reduce((best, v, i) => (Math.abs(Math.log(v / value)) < Math.abs(Math.log(list[best] / value)) ? i : best), 0);
      }

      value({ list, linear, low, high }, position) {
        if (linear) return position;
        return list ? list[position] : Number((10 ** position).toPrecision(3));
      }

      followPointer(svg) {
        const move = ({ clientX }) => {
          const box = svg.getBoundingClientRect();
          const raw = this.scale.value(((clientX - box.left) / box.width) * BOX.width);
          const control = CONTROL[this.state.against];
          const value = control.linear ? Math.round(raw) : this.value(control, this.position(control, raw));
          this.choose({ [control.name]: clamp(value, control.floor, control.ceiling) });
        };
        svg.addEventListener("pointerdown", (event) => { svg.setPointerCapture(event.pointerId); this.hold(); move(event); });
        svg.addEventListener("pointermove", (event) => { if (svg.hasPointerCapture(event.pointerId)) move(event); });
        svg.addEventListener("lostpointercapture", () => { this.held = null; this.draw(); });
      }

      // While the pointer drags, the axis stays as it was.
      hold() {
        this.held = this.at;
      }

      draw() {
        const { against, ...state } = this.state;
        const at = (this.at = this.held ?? axis(against, state[against]));
        const points = at.map((value) => logBounds({ ...state, [against]: value }));
        const lines = Object.fromEntries(Object.keys(points[0]).map((key) => [key, points.map((point) => point[key])]));
        const range = this.range(lines);
        this.scale = scales(against, at, ...range);
        this.drawLines(against, at, lines, range, logBounds(state));
        this.write(state, against, at, lines, logBounds(state), range[1]);
      }

      // A curve far above all others leaves the picture, or theirs would be flat.
      range(lines) {
        const tens = Object.values(lines).flat().map((log) => log / Math.LN10);
        const best = lines.fastrnn.map((_, i) => Math.min(...competitors.map(({ key }) => lines[key][i] / Math.LN10)));
        const [least, most] = [Math.min(...tens), Math.min(Math.max(...tens), Math.max(...best) + 12)];
        const room = Math.max(0.04 * (most - least), 1 - (most - least) / 2);
        return [least - room, most + room];
      }

      drawLines(against, at, lines, [low, high], here) {
        const { x, y } = this.scale;
        const part = (name) => this.querySelector(`[data-part="${name}"]`);
        part("frame").innerHTML = frame(against, at, low, high, this.scale);
        for (const [key, line] of Object.entries(lines)) {
          const points = at.map((value, i) => `${x(value).toFixed(2)},${y(line[i] / Math.LN10).toFixed(2)}`);
          this.querySelector(`.be-figure [data-line="${key}"]`).setAttribute("points", points.join(" "));
        }
        const place = x(clamp(this.state[against], at[0], at.at(-1)));
        const marker = this.querySelector(".be-marker");
        for (const [name, value] of Object.entries({ x1: place, x2: place, y1: BOX.top, y2: BOX.bottom })) marker.setAttribute(name, value);
        part("dots").innerHTML = Object.entries(here).map(([key, log]) => `<circle class="be-dot" data-line="${key}" r="5" cx="${place}" cy="${y(log / Math.LN10)}"/>`).join("");
      }

      write(state, against, at, lines, here, top) {
        const best = lowest(here);
        const words = verdict(state, against, at, lines);
        for (const input of this.querySelectorAll("input")) this.writeControl(input);
        this.querySelector("select").value = against;
        for (const button of this.querySelectorAll("[data-preset]")) {
          const chosen = Object.entries(PRESETS[button.dataset.preset]).every(([name, value]) => this.state[name] === value);
          button.setAttribute("aria-pressed", String(chosen));
        }
        for (const row of this.querySelectorAll("[data-row]")) {
          const least = best.includes(row.dataset.row);
          row.classList.toggle("be-least", least);
          row.querySelector("[data-value]").textContent = size(here[row.dataset.row]) + (least ? ", lowest" : "");
        }
        const said = this.querySelector('[data-part="verdict"]');
        if (said.textContent !== words) said.textContent = words;
        this.querySelector('[data-part="growth"]').innerHTML = growth(state) + beyond(lines, top);
        this.querySelector("svg title").textContent = `The bounds against ${CONTROL[against].label}, on a logarithmic scale`;
        this.querySelector("svg desc").textContent = `${NETWORKS.length} curves. ${words} The table below gives the values.`;
      }

      writeControl(input) {
        const control = CONTROL[input.name];
        const value = this.state[input.name];
        const [low, high] = control.list ? [0, control.list.length - 1] : [control.low, control.high].map((end) => this.position(control, end));
        const position = this.position(control, value);
        // A value from Python may lie beyond the slider: the slider gives way, the value stays.
        input.min = Math.floor(Math.min(low, position) * 100) / 100;
        input.max = Math.ceil(Math.max(high, position) * 100) / 100;
        input.step = control.list || control.linear ? 1 : 0.01;
        if (Number(input.value) !== position) input.value = position;
        const words = number(value);
        this.querySelector(`output[data-for="${input.name}"]`).textContent = words;
        input.setAttribute("aria-valuetext", words);
        input.closest(".be-control").toggleAttribute("data-current", input.name === this.state.against);
      }
    };
  }

  if (typeof HTMLElement !== "undefined" && !customElements.get("bounds-explorer")) {
    customElements.define("bounds-explorer", makeElement());
  }

  // ---- the live notebook --------------------------------------------------------------------
  function render({ model, el }) {
    const all = ["against", ...NAMES];
    const explorer = document.createElement("bounds-explorer");
    const follow = () => explorer.set(Object.fromEntries(all.map((name) => [name, model.get(name)])));
    follow();
    explorer.addEventListener("explorer-change", ({ detail }) => {
      for (const name of all) model.set(name, detail[name]);
      model.save_changes();
    });
    for (const name of all) model.on(`change:${name}`, follow);
    el.append(explorer);
    return () => { for (const name of all) model.off(`change:${name}`, follow); };
  }

  return { logBounds, lowest, axis, render };
})();

export default { render };
