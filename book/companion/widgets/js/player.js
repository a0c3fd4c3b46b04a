// The reconstruction player: test sequences next to their reconstructions by networks and solvers,
// frame by frame, with a slider and a play button. Python passes the data as JSON.

const { unpacked, quality, render } = (() => {
  const NAMES = ["sequence", "frame", "marked"];
  const BOX = { width: 520, height: 300, left: 40, right: 504, top: 34, bottom: 252 };
  const whole = (value) => Number.isInteger(value) && value >= 1;

  // The frames as bytes: the truth and one row for each method, sequence by sequence.
  function unpacked({ sequences, time, height, width, rows }) {
    const [size, count] = [height * width, sequences * time * height * width];
    return rows.map(({ name, group, frames }) => {
      const bytes = common.unpack(frames, count);
      const at = (sequence, frame) => bytes.subarray(((sequence - 1) * time + frame - 1) * size).subarray(0, size);
      return { name, group, at };
    });
  }

  // PSNR of each row, frame by frame, in each sequence: the first row is the truth.
  function quality([truth, ...rows], { sequences, time }) {
    const [each, frames] = [sequences, time].map((count) => Array.from({ length: count }, (_, i) => i + 1));
    return Object.fromEntries(rows.map(({ name, at }) => [name, each.map((s) => frames.map((t) => common.psnr(truth.at(s, t), at(s, t))))]));
  }

  const swatch = (name, group) => `<svg class="ue-swatch" viewBox="0 0 34 8" aria-hidden="true"><polyline class="ue-line" data-network="${name}" data-group="${group}" points="0,4 34,4"/></svg>`;

  const css = `
player-explorer { max-width: 60rem; }
player-explorer .pe-controls { background: var(--ue-paper); padding: .4rem 0 .1rem; border-bottom: 1px solid var(--ue-rule); display: grid; gap: 0 1rem; grid-template-columns: auto minmax(0, 1fr); align-items: end; }
player-explorer .pe-controls .pe-choices { grid-column: 1 / -1; display: flex; flex-wrap: wrap; gap: 0 1.5rem; }
player-explorer .pe-controls button { min-width: 5.5rem; margin: 0 0 .5rem; }
player-explorer fieldset { border: 0; margin: 0; padding: 0; min-width: 0; }
player-explorer legend { float: none; width: auto; font-size: .9rem; color: var(--ue-soft); padding: 0; margin: .6rem 0 0; }
player-explorer p.pe-group { margin: .7rem 0 .3rem; font-weight: 600; font-size: .95rem; }
player-explorer .pe-tiles { display: grid; gap: .6rem .7rem; grid-template-columns: repeat(auto-fill, minmax(5.2rem, 1fr)); }
@container (min-width: 30rem) { player-explorer .pe-tiles { grid-template-columns: repeat(auto-fill, minmax(7.2rem, 1fr)); } }
player-explorer .pe-tile { display: block; max-width: 7.5rem; font-size: .8rem; line-height: 1.3; border-radius: .3rem; }
player-explorer label.pe-tile { cursor: pointer; }
player-explorer .pe-tile canvas { border: 1px solid var(--ue-soft); margin-bottom: .35rem; }
player-explorer .pe-tile span { display: block; overflow-wrap: anywhere; }
player-explorer .pe-tile b { font-variant-numeric: tabular-nums; white-space: nowrap; }
player-explorer .pe-tile input { accent-color: var(--ue-mark); margin: 0 .2rem 0 0; vertical-align: -2px; }
player-explorer .pe-tile:has(:checked) canvas { outline: 4px solid var(--ue-mark); outline-offset: -4px; }
player-explorer .pe-tile:has(:focus-visible) { outline: 3px solid var(--ue-mark); outline-offset: 2px; }
player-explorer .pe-chart { margin-top: .5rem; max-width: 30rem; }
player-explorer:not([data-all]) :is(.pe-more, .pe-group) { display: none; }
player-explorer:not([data-all]) .pe-groups { display: grid; gap: .6rem .7rem; grid-template-columns: repeat(4, minmax(0, 1fr)); }
player-explorer:not([data-all]) .pe-tiles { display: contents; }
player-explorer svg .ue-line { --ue-colour: var(--ue-soft); --ue-dash: 7 4; stroke-width: 1.75; }
player-explorer svg .ue-line[data-group="0"] { --ue-dash: 2 4; }
player-explorer svg .ue-line[data-marked] { stroke-width: 5; }
player-explorer .pe-tile svg.ue-swatch { width: 18px; }`;

  common.define("player-explorer", (Base) => class extends Base {
    static fields = { sequence: { value: 1, valid: whole }, frame: { value: 1, valid: whole }, marked: { value: "" }, all: { value: false } };
    static css = css;

    // The name of a row for readers: of a network, the name in the paper.
    label(name) {
      return this.data.labels?.[name] ?? name;
    }

    skeleton(id) {
      if (!this.data) return "";
      const { rows, sequences, time } = this.data;
      const groups = [...new Set(rows.slice(1).map(({ group }) => group))];
      const truth = '<div class="pe-tile"><canvas role="img" aria-label="the true frame" data-truth></canvas><span>truth</span></div>';
      const tile = ({ name, group }) => `<label class="pe-tile${this.main.includes(name) ? "" : " pe-more"}"><canvas aria-hidden="true" data-row="${common.escaped(name)}"></canvas>
        <span><input type="radio" name="${id}-mark" value="${common.escaped(name)}">${common.escaped(this.label(name))}</span>
        ${swatch(common.escaped(name), groups.indexOf(group))} <b data-psnr="${common.escaped(name)}"></b></label>`;
      return `
        <div class="pe-controls">
          <div class="pe-choices">${common.choice({ name: "sequence", label: "Test sequence", options: Array.from({ length: sequences }, (_, i) => String(i + 1)) }, id)}
            <p class="ue-choice"><label><input type="checkbox" name="all"> all ${rows.length - 1} reconstructions</label></p></div>
          <button type="button" data-play>Play</button>
          ${common.slider({ name: "frame", label: "t", hint: "frame", min: 1, max: time, step: 1 }, id)}
        </div>
        <fieldset><legend>Select a reconstruction to highlight its curve below.</legend><div class="pe-groups">
          ${groups.map((group, k) => `<p class="pe-group" id="${id}-${k}">${common.escaped(group)}</p>
            <div class="pe-tiles" role="group" aria-labelledby="${id}-${k}">${k ? "" : truth}${rows.filter((row) => row.group === group).map(tile).join("")}</div>`).join("")}
        </div></fieldset>
        <div class="pe-chart"><svg class="ue-drag" viewBox="0 0 ${BOX.width} ${BOX.height}" role="img" aria-labelledby="${id}-title ${id}-desc">
          <title id="${id}-title">PSNR of each frame, one curve for each reconstruction</title><desc id="${id}-desc"></desc>
          <g data-part="axes"></g><g data-part="curves"></g><line class="ue-marker"/><g data-part="dot"></g></svg></div>
        <p class="ue-words" data-part="words"></p>`;
    }

    // One row of each group, shown first: the first network, or the last of other rows.
    get main() {
      const groups = [...new Set(this.data.rows.slice(1).map(({ group }) => group))].map((name) => this.data.rows.filter(({ group }) => group === name));
      return groups.map((rows) => (rows.find(({ name }) => name === common.NETWORKS[0]) ?? rows.at(-1)).name);
    }

    start() {
      if (!this.data) return;
      this.rows = unpacked(this.data);
      this.psnr = quality(this.rows, this.data);
      const all = Object.values(this.psnr).flat(2).filter((value) => value < 100);
      const { time } = this.data;
      const [low, high] = [5 * Math.floor(Math.min(...all) / 5), 5 * Math.ceil(Math.max(...all) / 5)];
      this.x = common.scale([1, time], [BOX.left, BOX.right]);
      this.y = common.scale([low, high], [BOX.bottom, BOX.top]);
      const xTicks = [1, ...common.ticks(1, time, 5).filter((tick) => tick > 1)];
      this.fill("axes", common.axes(BOX, { x: this.x, y: this.y, xTicks, yTicks: common.ticks(low, high, 5), xName: "frame", yName: "PSNR (dB)" }));
      for (const radio of this.querySelectorAll("[type=radio]")) radio.addEventListener("change", () => this.choose({ marked: radio.value }));
      common.drag(this.querySelector(".pe-chart svg"), ({ x }) => { this.pause(); this.choose({ frame: Math.round(this.x.back(x)) }); });
    }

    // The sequence starts again after its last frame.
    following() {
      return { frame: (this.state.frame % this.data.time) + 1 };
    }

    words(name, value) {
      return `${value} of ${this.data.time}`;
    }

    draw() {
      if (!this.data) return;
      const [{ sequences, time, width }, [truth, ...rows]] = [this.data, this.rows];
      this.state.sequence = common.clamp(this.state.sequence, 1, sequences);
      this.state.frame = common.clamp(this.state.frame, 1, time);
      const { sequence, frame } = this.state;
      const marked = (rows.find(({ name }) => name === this.state.marked) ?? rows.find(({ name }) => common.NETWORKS.includes(name)) ?? rows[0]).name;
      const now = Object.fromEntries(rows.map(({ name }) => [name, this.psnr[name][sequence - 1][frame - 1]]));
      common.paint(this.querySelector("[data-truth]"), truth.at(sequence, frame), width);
      rows.forEach(({ at }, i) => common.paint(this.querySelectorAll("[data-row]")[i], at(sequence, frame), width));
      for (const node of this.querySelectorAll("[data-psnr]")) node.textContent = common.decibel(now[node.dataset.psnr]);
      for (const radio of this.querySelectorAll("[type=radio]")) radio.checked = radio.value === marked;
      this.toggleAttribute("data-all", this.state.all);
      const { main } = this;
      this.curves(this.state.all ? rows : rows.filter(({ name }) => name === marked || main.includes(name)), marked, now[marked]);
      this.tell(now, rows, marked);
    }

    curves(rows, marked, value) {
      const { sequence, frame } = this.state;
      const groups = [...new Set(rows.map(({ group }) => group))];
      const line = ({ name, group }) => `<path class="ue-line" data-network="${common.escaped(name)}" data-group="${groups.indexOf(group)}"${name === marked ? " data-marked" : ""} d="${common.path(this.psnr[name][sequence - 1].map((v, i) => [i + 1, v]), this)}"/>`;
      // The marked curve lies on top of all others.
      this.fill("curves", [...rows].sort((a, b) => (a.name === marked) - (b.name === marked)).map(line).join(""));
      const place = this.x(frame);
      for (const [name, at] of Object.entries({ x1: place, x2: place, y1: BOX.top, y2: BOX.bottom })) this.querySelector(".ue-marker").setAttribute(name, at);
      this.fill("dot", Number.isNaN(value) ? "" : `<circle class="ue-dot" data-network="${common.escaped(marked)}" r="6" cx="${place}" cy="${this.y(value)}"/>`);
    }

    tell(now, rows, marked) {
      const { sequence, frame } = this.state;
      const groups = [...new Set(rows.map(({ group }) => group))].map((name) => rows.filter(({ group }) => group === name));
      const best = groups.map((members) => members.reduce((a, b) => (now[b.name] > now[a.name] ? b : a)));
      const words = Number.isNaN(now[marked]) ? `Frame ${frame} of sequence ${sequence} is empty and has no PSNR.` : `Frame ${frame} of sequence ${sequence}. Best of each group: ${best.map(({ name, group }) => `${this.label(name)} with ${common.decibel(now[name])} (${group})`).join("; ")}.`;
      this.fill("words", common.escaped(words));
      const [first, last] = [this.psnr[marked][sequence - 1][0], this.psnr[marked][sequence - 1].at(-1)];
      this.querySelector(".pe-chart desc").textContent = `${this.label(marked)} goes from ${common.decibel(first)} at the first frame to ${common.decibel(last)} at the last. ${words}`;
    }
  });

  return { unpacked, quality, render: common.render("player-explorer", NAMES) };
})();

export default { render };
