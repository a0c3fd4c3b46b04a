// The bounds explorer: the bounds of five networks for one set of norms, with a slider for each.
// common.js is put before this file. Without its last line it is a classic script, so the book also works
// opened from disk, where browsers refuse modules.

const { logBounds, lowest, axis, render } = (() => {
  const { clamp, number } = common;
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
    { name: "gamma", label: "γ", hint: "norm of G, which acts on the past", ...NORM, value: 1 },
    { name: "m", label: "m", hint: "training sequences", list: DECADES, whole: true, floor: 1, ceiling: 1e9, value: 8000 },
    { name: "n", label: "n", hint: "measurements of a frame", low: 1, high: 128, linear: true, whole: true, floor: 1, ceiling: 1e5, value: 51 },
    { name: "h", label: "h", hint: "units of a layer", list: TWOS(13).slice(7), whole: true, floor: 2, ceiling: 1e6, value: 1024 },
    { name: "k", label: "k", hint: "entries in a row of W and U", list: TWOS(8), whole: true, floor: 1, ceiling: 1e6, value: 16 },
    { name: "a", label: "a", hint: "weight of the new input in FastRNN", low: 1e-3, high: 1, floor: 1e-6, ceiling: 1, value: 1 },
  ];
  const NAMES = CONTROLS.map((control) => control.name);
  const CONTROL = Object.fromEntries(CONTROLS.map((control) => [control.name, control]));
  const NETWORKS = [
    { key: "reweighted-rnn", label: "reweighted-RNN, ℓ1-ℓ1-RNN", source: "(14)" },
    { key: "sista-rnn", label: "SISTA-RNN", source: "(17), through T frames" },
    { key: "fastrnn", label: "FastRNN", source: "(51), one layer" },
    { key: "spectralrnn", label: "SpectralRNN", source: "(54), shape only", apart: true },
    { key: "repaired", label: "reweighted-RNN (repaired)", source: "ours, thresholds fixed" },
  ];
  const PRESETS = {
    "one contracting layer": { against: "T", d: 1, alpha: 0.8, k: 16, a: 1 },
    "as before training": { against: "T", d: 3, alpha: 4.3, beta: 1.1, gamma: 1, k: 16, a: 1 },
    "growing width": { against: "h", d: 1, alpha: 0.8, k: 16, a: 1 },
    "where FastRNN is lowest": { against: "T", d: 1, alpha: 0.9, h: 128, k: 128, a: 0.05 },
    "a setting below 1": { against: "gamma", d: 3, alpha: 0.3, gamma: 0.3 },
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
    return { "reweighted-rnn": same, "sista-rnn": sista(state), fastrnn: fastrnn(state), spectralrnn: spectralrnn(state), repaired: repaired(state) };
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
  const listed = (keys) => keys.map((key) => NAMED[key]).join(" and ");

  function answer(log) {
    return `The repaired bound is ${size(log)}: ${log < 0 ? "<b>yes</b>, it is below 1" : "<b>no</b>, it is vacuous"}.`;
  }

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
    const factors = [state.alpha ** state.d, state.alpha ** state.d + state.gamma * layers, 1 + state.a * (2 * Math.exp(W) - 1), Math.exp(W) / Math.sqrt(state.h)].map((x) => number(x));
    return `A frame multiplies the past by α<sup>d</sup> = ${factors[0]} in (14), with G by ${factors[1]} in the repaired bound, by 1 + a(2‖W‖<sub>F</sub> − 1) = ${factors[2]} in (51) and by ‖W‖<sub>2</sub> = ${factors[3]} in (54). Above one, that bound grows exponentially with T.`;
  }

  function beyond(lines, top) {
    const gone = NETWORKS.filter(({ key }) => Math.max(...lines[key]) > top * Math.LN10).map(({ label }) => label);
    return gone.length ? ` Off the picture at the top: ${gone.join(", ")}.` : "";
  }

  // ---- the picture --------------------------------------------------------------------------
  const BOX = { width: 520, height: 400, left: 58, right: 508, top: 28, bottom: 356 };

  function scales(against, at, low, high) {
    const x = common.scale([at[0], at.at(-1)], [BOX.left, BOX.right], !CONTROL[against].linear);
    return { x, y: common.scale([low, high], [BOX.bottom, BOX.top]) };
  }

  function ticks(against, at) {
    const { linear, list } = CONTROL[against];
    const [low, high] = [at[0], at.at(-1)];
    if (linear) return common.ticks(low, high, 6, 1).filter((tick) => tick >= 1);
    if (list && list[1] === 2 * list[0] && list.length < 10) return list.filter((_, i) => i % 2 === 0 || list.length < 7);
    const few = Math.log10(high / low) > 3 ? [1] : Math.log10(high / low) > 2.1 ? [1, 3] : [1, 2, 5];
    const powers = Array.from({ length: 14 }, (_, i) => i - 6);
    return powers.flatMap((p) => few.map((f) => f * 10 ** p)).filter((tick) => low * 0.999 <= tick && tick <= high * 1.001);
  }

  const frame = (against, at, low, high, { x, y }) =>
    common.axes(BOX, {
      x, y, xTicks: ticks(against, at), yTicks: common.ticks(low, high, 6, 1), yText: (tens) => `10${raised(tens)}`,
      xName: `${CONTROL[against].label}, ${CONTROL[against].hint}`, yName: "bound",
    });

  const reach = ({ list, linear, low, high }) =>
    list ? { min: 0, max: list.length - 1, step: 1 } : linear ? { min: low, max: high, step: 1 } : { min: Math.log10(low), max: Math.log10(high), step: 0.01 };

  const skeleton = (id) => `
    <p class="bo-question">Is the bound that holds below 1? Find a setting. (For a loss between 0 and 1, a bound above 1 is vacuous.)</p>
    <p class="ue-words" data-part="answer"></p>
    ${common.buttons(Object.keys(PRESETS))}
    <div class="ue-body">
      <div>
        ${common.choice({ name: "against", label: "Against", options: CONTROLS.map(({ name, label, hint }) => [name, `${label}, ${hint}`]) }, id)}
        <svg class="ue-drag" viewBox="0 0 ${BOX.width} ${BOX.height}" role="img" aria-labelledby="${id}-title ${id}-desc">
          <title id="${id}-title"></title><desc id="${id}-desc"></desc>
          <g data-part="frame"></g><line class="ue-marker"/>
          <svg x="${BOX.left}" y="${BOX.top}" width="${BOX.right - BOX.left}" height="${BOX.bottom - BOX.top}" viewBox="${BOX.left} ${BOX.top} ${BOX.right - BOX.left} ${BOX.bottom - BOX.top}" overflow="hidden">
            ${NETWORKS.map(({ key }) => `<path class="ue-line" data-network="${key}"/>`).join("")}<g data-part="dots"></g></svg>
        </svg>
      </div>
      <div class="be-controls">${CONTROLS.map((control) => common.slider({ ...control, ...reach(control) }, id)).join("")}</div>
    </div>
    <p class="ue-note bo-verdict" data-part="verdict"></p>
    <p class="ue-note" data-part="growth"></p>
    <table class="ue-table"><caption>The bounds at these settings</caption>
      <thead><tr><th scope="col">network</th><th scope="col">from</th><th scope="col">bound</th></tr></thead>
      <tbody>${NETWORKS.map(({ key, label, source }) => `<tr data-row="${key}"><th scope="row"><svg class="ue-swatch" viewBox="0 0 34 8" aria-hidden="true"><path class="ue-line" data-network="${key}" d="M0,4L34,4"/></svg> ${label}</th><td>${source}</td><td data-value></td></tr>`).join("")}</tbody></table>
    <p class="ue-note">(54) bounds an error rate and has an unknown constant: only the slope of its curve is meaningful, not its height. It never counts as lowest. (14) is proved for an activation that does not depend on the past; the repaired bound needs γ instead.</p>`;

  const STYLE = `
bounds-explorer.ue [data-network="reweighted-rnn"].ue-line { stroke-width: 5; }
bounds-explorer.ue [data-network="repaired"] { --ue-colour: var(--ue-ink); --ue-dash: 14 4; }
bounds-explorer.ue .be-controls { display: grid; gap: 0 1.25rem; grid-template-columns: repeat(2, minmax(0, 1fr)); }
bounds-explorer.ue .be-controls .ue-control { margin: 0; align-content: start; }
bounds-explorer.ue .be-controls label span { display: none; }
bounds-explorer.ue .be-controls .ue-control[data-current] label span { display: inline; }
bounds-explorer.ue .bo-question { font-weight: 600; margin: 0 0 .25rem; }
bounds-explorer.ue .ue-words { margin: 0 0 .6rem; }
bounds-explorer.ue .bo-verdict { min-height: 3.6em; }
bounds-explorer.ue table.ue-table :is(th, td):last-child { text-align: right; white-space: nowrap; }`;

  // ---- the element --------------------------------------------------------------------------
  // Where a slider stands for a value, and back: at a place in its list, or on a log scale.
  function position({ list, linear }, value) {
    if (linear) return value;
    if (!list) return Math.log10(value);
    return list.reduce((best, v, i) => (Math.abs(Math.log(v / value)) < Math.abs(Math.log(list[best] / value)) ? i : best), 0);
  }

  function standing({ list, linear }, place) {
    if (linear) return place;
    return list ? list[place] : Number((10 ** place).toPrecision(3));
  }

  common.define("bounds-explorer", (Base) => class extends Base {
    static css = STYLE;
    static presets = PRESETS;
    static fields = {
      against: { value: "alpha", valid: (value) => value in CONTROL },
      ...Object.fromEntries(CONTROLS.map((control) => [control.name, { value: control.value, valid: (value) => valid(control, value) }])),
    };

    skeleton = skeleton;

    position(name, value) {
      return CONTROL[name] ? position(CONTROL[name], value) : value;
    }

    value(name, place) {
      return standing(CONTROL[name], place);
    }

    start() {
      const move = ({ x }) => {
        const control = CONTROL[this.state.against];
        const raw = this.scale.x.back(x);
        const value = control.linear ? Math.round(raw) : standing(control, position(control, raw));
        this.choose({ [control.name]: clamp(value, control.floor, control.ceiling) });
      };
      // While the pointer drags, the axis stays as it was.
      common.drag(this.querySelector("svg"), move, {
        start: () => { this.held = this.at; },
        end: () => { this.held = null; this.redraw(); },
      });
    }

    summary() {
      return ["answer", "verdict"].map((part) => this.querySelector(`[data-part="${part}"]`).textContent).join(" ");
    }

    draw() {
      const { against, ...state } = this.state;
      const at = (this.at = this.held ?? axis(against, state[against]));
      const points = at.map((value) => logBounds({ ...state, [against]: value }));
      const lines = Object.fromEntries(Object.keys(points[0]).map((key) => [key, points.map((point) => point[key])]));
      const range = this.range(lines);
      this.scale = scales(against, at, ...range);
      this.drawLines(against, at, lines, range, logBounds(state));
      this.tell(state, against, at, lines, logBounds(state), range[1]);
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
      this.fill("frame", frame(against, at, low, high, this.scale));
      for (const [key, line] of Object.entries(lines)) {
        const points = at.map((value, i) => [value, line[i] / Math.LN10]);
        this.querySelector(`svg svg [data-network="${key}"]`).setAttribute("d", common.path(points, this.scale));
      }
      const place = x(clamp(this.state[against], at[0], at.at(-1)));
      const marker = this.querySelector(".ue-marker");
      for (const [name, value] of Object.entries({ x1: place, x2: place, y1: BOX.top, y2: BOX.bottom })) marker.setAttribute(name, value);
      this.fill("dots", Object.entries(here).map(([key, log]) => `<circle class="ue-dot" data-network="${key}" r="5" cx="${place}" cy="${y(log / Math.LN10)}"/>`).join(""));
    }

    tell(state, against, at, lines, here, top) {
      const best = lowest(here);
      const words = verdict(state, against, at, lines);
      for (const row of this.querySelectorAll("[data-row]")) {
        const least = best.includes(row.dataset.row);
        row.classList.toggle("ue-best", least);
        row.querySelector("[data-value]").textContent = size(here[row.dataset.row]) + (least ? ", lowest" : "");
      }
      this.fill("answer", answer(here.repaired));
      this.fill("verdict", words);
      this.fill("growth", growth(state) + beyond(lines, top));
      this.querySelector("svg title").textContent = `The bounds against ${CONTROL[against].label}, on a logarithmic scale`;
      this.querySelector("svg desc").textContent = `${NETWORKS.length} curves. ${words} The table below gives the values.`;
      for (const input of this.querySelectorAll("input")) input.closest(".ue-control").toggleAttribute("data-current", input.name === against);
    }
  });

  return { logBounds, lowest, axis, render: common.render("bounds-explorer", ["against", ...NAMES]) };
})();

export default { render };
