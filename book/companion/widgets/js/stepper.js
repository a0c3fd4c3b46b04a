// The algorithm stepper: one frame, the iterations of three solvers and the layers of a network,
// step by step, with their codes, frames and objectives. Python passes the data as JSON.

const { decoded, above, verdict, render } = (() => {
  const NAMES = ["problem", "step", "method", "objective"];
  const LAYERS = "layers";
  const FORMS = { "(1)": "(1), without previous frame", "(3)": "(3), with previous frame" };
  const CHART = { width: 460, height: 270, left: 58, right: 440, top: 34, bottom: 220 };
  const CODE = { width: 520, height: 212, left: 50, right: 510, top: 30, bottom: 200 };
  const raised = (power) => String(power).replace(/[-\d]/g, (c) => (c === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[c]));

  // A positive number of any size, in two digits.
  function size(value) {
    const power = Math.floor(Math.log10(value));
    return value && (power > 3 || power < -3) ? `${(value / 10 ** power).toFixed(1)}·10${raised(power)}` : common.number(value, 2);
  }

  // The last stop at or before a step.
  const stop = (steps, step) => steps.reduce((last, at, i) => (at <= step ? i : last), 0);

  // Frames as bytes and their PSNR, for each method at each of its steps.
  function decoded({ truth, problems }) {
    const grey = common.unpack(truth, 256);
    const methods = (problem) => problem.methods.map((method) => {
      const bytes = common.unpack(method.frames, 256 * method.steps.length);
      const frames = method.steps.map((_, i) => bytes.subarray(256 * i, 256 * (i + 1)));
      return { ...method, frames, psnr: frames.map((frame) => common.psnr(grey, frame)) };
    });
    return { truth: grey, problems: problems.map((problem) => ({ ...problem, methods: methods(problem) })) };
  }

  // Objectives above the least value; null at or below it, where there is no logarithm.
  const above = (method, key, least) => method.objective[key].map((value) => (value > least[key] ? value - least[key] : null));

  // The result of the layers and of the solvers, as a sentence.
  function verdict({ methods, least }, key) {
    const layers = methods.find(({ name }) => name === LAYERS);
    const solvers = methods.filter(({ name }) => name !== LAYERS);
    const [d, reached] = [layers.steps.at(-1), layers.psnr.at(-1)];
    const best = solvers.map(({ name, steps, psnr }) => ({ name, psnr: Math.max(...psnr), step: steps[psnr.indexOf(Math.max(...psnr))] })).reduce((a, b) => (b.psnr > a.psnr ? b : a));
    const last = Math.max(...solvers.map(({ psnr }) => psnr.at(-1)));
    const own = solvers.find(({ name }) => name === (key === "(1)" ? "ISTA" : "Algorithm 1"));
    const [theirs, ours] = [own.objective[key][stop(own.steps, d)], layers.objective[key].at(-1)].map((value) => value - least[key]);
    const compared = ours < theirs ? "below" : "above";
    return `The ${d} layers reach ${common.decibel(reached)}. The best iterate of a solver has ${common.decibel(best.psnr)} (${best.name} at step ${best.step}); ` +
      `at step ${own.steps.at(-1)} the solvers have ${common.decibel(last)} or less. Objective ${key} of the layers' code is ${size(ours)} above its minimum, ${compared} that of ${own.name} after as many steps (${size(theirs)}).`;
  }

  // A network has its colour, a solver none.
  const looks = (method, problem) => `data-method="${method.name}"${method.name === LAYERS ? ` data-network="${common.escaped(problem.name.toLowerCase())}"` : ""}`;
  const swatch = (look) => `<svg class="ue-swatch" viewBox="0 0 34 8" aria-hidden="true"><polyline class="ue-line" ${look} points="0,4 34,4"/></svg>`;

  const css = `
stepper-explorer { max-width: 60rem; }
stepper-explorer .se-controls { background: var(--ue-paper); padding: .4rem 0 .1rem; border-bottom: 1px solid var(--ue-rule); display: grid; gap: 0 1rem; grid-template-columns: auto minmax(0, 1fr); align-items: end; }
stepper-explorer .se-choices { grid-column: 1 / -1; display: flex; flex-wrap: wrap; gap: 0 1.5rem; }
stepper-explorer .se-controls .ue-row { margin: 0 0 .5rem; flex-wrap: nowrap; }
stepper-explorer fieldset { border: 0; margin: 0; padding: 0; min-width: 0; }
stepper-explorer legend { float: none; width: auto; font-size: .9rem; color: var(--ue-soft); padding: 0; margin: .6rem 0 .4rem; }
stepper-explorer .se-tiles { display: grid; gap: .4rem .5rem; grid-template-columns: repeat(5, minmax(0, 1fr)); }
stepper-explorer .se-tile { display: block; max-width: 7rem; font-size: .8rem; line-height: 1.35; border-radius: .3rem; }
stepper-explorer label.se-tile { cursor: pointer; }
stepper-explorer .se-tile canvas { border: 1px solid var(--ue-soft); margin-bottom: .35rem; }
stepper-explorer .se-tile :is(span, small) { display: block; overflow-wrap: anywhere; }
stepper-explorer .se-tile small { color: var(--ue-soft); font-size: .78rem; }
@container (max-width: 30rem) { stepper-explorer .se-tile small { display: none; } }
stepper-explorer .se-tile b { font-variant-numeric: tabular-nums; white-space: nowrap; }
stepper-explorer .se-tile input { accent-color: var(--ue-mark); margin: 0 .2rem 0 0; vertical-align: -2px; }
stepper-explorer .se-tile:has(:checked) canvas { outline: 4px solid var(--ue-mark); outline-offset: -4px; }
stepper-explorer .se-tile:has(:focus-visible) { outline: 3px solid var(--ue-mark); outline-offset: 2px; }
stepper-explorer .se-charts { display: grid; gap: .5rem 1.5rem; margin-top: .5rem; grid-template-columns: minmax(0, 1fr); }
@container (min-width: 40rem) { stepper-explorer .se-charts { grid-template-columns: repeat(2, minmax(0, 1fr)); } }
stepper-explorer .se-code { max-width: 34rem; }
stepper-explorer p.se-head { margin: .8rem 0 .2rem; font-weight: 600; font-size: .95rem; }
stepper-explorer .se-stem { stroke: var(--ue-main); stroke-width: 4; }
stepper-explorer .se-past { fill: none; stroke: var(--ue-mark); stroke-width: 1.5; vector-effect: non-scaling-stroke; }
stepper-explorer svg [data-method] { --ue-colour: var(--ue-soft); --ue-dash: 2 4; stroke-width: 2; }
stepper-explorer svg [data-method="FISTA"] { --ue-dash: 8 4; }
stepper-explorer svg [data-method="Algorithm 1"] { --ue-colour: var(--ue-ink); --ue-dash: none; }
stepper-explorer svg [data-method="layers"] { --ue-colour: var(--ue-ink); --ue-dash: none; stroke-width: 4; }
stepper-explorer .se-tile svg.ue-swatch { width: 18px; }`;

  common.define("stepper-explorer", (Base) => class extends Base {
    static fields = {
      problem: { value: "" },
      step: { value: 0, valid: (value) => Number.isInteger(value) && value >= 0 },
      method: { value: LAYERS },
      objective: { value: "(3)", valid: (value) => value in FORMS },
    };
    static css = css;

    skeleton(id) {
      if (!this.data) return "";
      const { problems, frame } = this.data;
      const names = problems[0].methods.map(({ name }) => name);
      const tile = (name) => `<label class="se-tile"><canvas aria-hidden="true" data-frame="${name}"></canvas>
        <span><input type="radio" name="${id}-method" value="${name}">${name}</span>
        <i data-part="swatch-${names.indexOf(name)}"></i> <b data-psnr="${name}"></b><small data-active="${name}"></small></label>`;
      const chart = (part, what) => `<div><svg class="ue-drag" viewBox="0 0 ${CHART.width} ${CHART.height}" role="img" aria-labelledby="${id}-${part}"><title id="${id}-${part}">${what}</title>
        <desc></desc><g data-part="${part}"></g></svg></div>`;
      return `
        <div class="se-controls">
          <div class="se-choices">${common.choice({ name: "problem", label: "Problem defined by", options: problems.map(({ name }) => name) }, id)}
            ${common.choice({ name: "objective", label: "Objective", options: Object.entries(FORMS) }, id)}</div>
          <div class="ue-row" role="group" aria-label="Steps"><button type="button" data-by="-1">Back</button><button type="button" data-by="1">Next</button><button type="button" data-play>Play</button></div>
          ${common.slider({ name: "step", label: "k", hint: "step", min: 0, max: this.stops.length - 1, step: 1 }, id)}
        </div>
        <fieldset><legend>Frame ${frame}, reconstructed by each method at this step. Select a method to see its code.</legend>
          <div class="se-tiles"><div class="se-tile"><canvas role="img" aria-label="the true frame" data-truth></canvas><span>truth</span></div>${names.map(tile).join("")}</div></fieldset>
        <div class="se-charts">${chart("psnr", "PSNR against steps")}${chart("gap", "The objective above its minimum, against steps")}</div>
        <p class="se-head" data-part="head"></p>
        <div class="se-code"><svg viewBox="0 0 ${CODE.width} ${CODE.height}" role="img" aria-labelledby="${id}-code"><title id="${id}-code">The largest units of the code</title><desc></desc><g data-part="code"></g></svg></div>
        <p class="ue-words" data-part="words"></p>
        <p class="ue-note" data-part="note"></p>`;
    }

    get stops() {
      return this.data.problems[0].methods[0].steps;
    }

    start() {
      if (!this.data) return;
      this.decoded = decoded(this.data);
      const most = this.stops.at(-1);
      const across = common.scale([1, most + 1], [CHART.left, CHART.right], true);
      this.x = (step) => across(step + 1);
      common.paint(this.querySelector("[data-truth]"), this.decoded.truth);
      for (const radio of this.querySelectorAll("[type=radio]")) radio.addEventListener("change", () => this.choose({ method: radio.value }));
      for (const button of this.querySelectorAll("[data-by]")) button.addEventListener("click", () => { this.pause(); this.choose(this.moved(Number(button.dataset.by))); });
      for (const svg of this.querySelectorAll(".se-charts svg")) common.drag(svg, ({ x }) => { this.pause(); this.choose({ step: this.stops[stop(this.stops, Math.round(across.back(x) - 1))] }); });
    }

    moved(by) {
      const at = stop(this.stops, this.state.step) + by;
      return { step: this.stops[common.clamp(at, 0, this.stops.length - 1)] };
    }

    // The steps start again after the last one.
    following() {
      return this.state.step >= this.stops.at(-1) ? { step: this.stops[0] } : this.moved(1);
    }

    summary() {
      const psnr = (name) => this.querySelector(`[data-psnr="${CSS.escape(name)}"]`).textContent;
      return `Step ${this.words("step", this.state.step)}: ${this.decoded.problems[0].methods.map(({ name }) => `${name} ${psnr(name)}`).join(", ")}.`;
    }

    position(name, value) {
      return name === "step" ? stop(this.stops, value) : value;
    }

    value(name, position) {
      return name === "step" ? this.stops[position] : position;
    }

    words(name, value) {
      return `${this.stops[stop(this.stops, value)]} of ${this.stops.at(-1)}`;
    }

    draw() {
      if (!this.data) return;
      const { problems } = this.decoded;
      const problem = problems.find(({ name }) => name === this.state.problem) ?? problems[0];
      this.state.problem = problem.name;
      const chosen = problem.methods.find(({ name }) => name === this.state.method) ?? problem.methods.at(-1);
      this.state.method = chosen.name;
      problem.methods.forEach((method, i) => this.tile(problem, method, i));
      this.code(problem, chosen);
      this.charts(problem);
      this.tell(problem, chosen);
    }

    tile(problem, method, i) {
      const at = stop(method.steps, this.state.step);
      const pick = (attribute) => this.querySelector(`[${attribute}="${CSS.escape(method.name)}"]`);
      const unit = method.name === LAYERS ? "layer" : "iteration";
      common.paint(pick("data-frame"), method.frames[at]);
      pick("data-psnr").textContent = common.decibel(method.psnr[at]);
      pick("data-active").textContent = `${unit} ${method.steps[at]}, ${method.active[at]} of ${problem.hidden} active`;
      pick("value").checked = method.name === this.state.method;
      this.fill(`swatch-${i}`, swatch(looks(method, problem)));
    }

    code(problem, method) {
      const h = method.codes[stop(method.steps, this.state.step)];
      const past = method.codes[0];
      const most = Math.max(...problem.methods.flatMap(({ codes }) => codes.flat().map(Math.abs)));
      const x = common.scale([-1, h.length], [CODE.left, CODE.right]);
      const y = common.scale([-most, most], [CODE.bottom, CODE.top]);
      const stem = (v, i) => (v ? `<line class="se-stem" x1="${x(i)}" x2="${x(i)}" y1="${y(0)}" y2="${y(v).toFixed(1)}"/>` : "");
      const ring = (v, i) => `<circle class="se-past" r="4" cx="${x(i)}" cy="${y(v).toFixed(1)}"/>`;
      const axes = common.axes(CODE, { x, y, xTicks: [], yTicks: common.ticks(-most, most, 4), yName: "value" });
      this.fill("code", axes + h.map(stem).join("") + past.map(ring).join(""));
      this.fill("head", `The ${h.length} largest units of the code, ${common.escaped(method.name)} (bars), and the initial code ħ (rings)`);
      const silent = h.filter((v) => !v).length;
      this.querySelector(".se-code desc").textContent = `${silent} of these ${h.length} units are zero; the largest has size ${common.number(Math.max(...h.map(Math.abs)))}.`;
    }

    charts(problem) {
      const { objective, step } = this.state;
      const gaps = problem.methods.map((method) => above(method, objective, problem.least));
      const top = Math.max(...gaps.flat());
      const low = Math.max(Math.min(...gaps.flat().filter(Boolean)), top * 1e-6);
      const tens = common.ticks(Math.ceil(Math.log10(low)), Math.log10(top), 5, 1).map((power) => 10 ** power);
      const all = problem.methods.flatMap(({ psnr }) => psnr);
      const [least, most] = [5 * Math.floor(Math.min(...all) / 5), 5 * Math.ceil(Math.max(...all) / 5)];
      const xTicks = [0, 1, 2, 3, 5, 10, 30, 100, 300, 1000].filter((tick) => tick <= this.stops.at(-1));
      const shared = { x: this.x, xTicks, xName: "step" };
      const psnr = { ...shared, y: common.scale([least, most], [CHART.bottom, CHART.top]), yTicks: common.ticks(least, most, 5), yName: "PSNR (dB)" };
      const gap = { ...shared, y: common.scale([low, top], [CHART.bottom, CHART.top], true), yTicks: tens, yName: `objective ${objective} above its minimum`, yText: (tick) => `10${raised(Math.round(Math.log10(tick)))}` };
      this.fill("psnr", this.lines(problem, psnr, problem.methods.map((method) => method.psnr), step));
      this.fill("gap", this.lines(problem, gap, gaps.map((values) => values.map((value) => (value >= low ? value : null))), step));
    }

    lines(problem, scales, values, step) {
      const place = this.x(this.stops[stop(this.stops, step)]);
      const marker = `<line class="ue-marker" x1="${place}" x2="${place}" y1="${CHART.top}" y2="${CHART.bottom}"/>`;
      const drawn = problem.methods.map((method, k) => {
        const at = stop(method.steps, step);
        const dot = !Number.isFinite(values[k][at]) ? "" : `<circle class="ue-dot" ${looks(method, problem)} r="5.5" cx="${this.x(method.steps[at])}" cy="${scales.y(values[k][at])}"/>`;
        return `<path class="ue-line" ${looks(method, problem)} d="${common.path(method.steps.map((s, i) => [s, values[k][i]]), scales)}"/>${dot}`;
      });
      return common.axes(CHART, scales) + marker + drawn.join("");
    }

    tell(problem, chosen) {
      const said = verdict(problem, this.state.objective);
      this.fill("words", common.escaped(said));
      for (const node of this.querySelectorAll(".se-charts desc")) node.textContent = said;
      this.fill("note", `All methods use the same x, A, D, λ<sub>1</sub> = ${size(problem.lambda1)}, λ<sub>2</sub> = ${size(problem.lambda2)}, g = g<sub>d</sub> and ħ = Gh<sub>t−1</sub>, and the initial code ħ; both objectives are evaluated with these. ISTA and FISTA minimise (1), Algorithm 1 with Z = I minimises (3). The layers have their own Z, g and c and minimise neither.`);
    }
  });

  return { decoded, above, verdict, render: common.render("stepper-explorer", NAMES) };
})();

export default { render };
