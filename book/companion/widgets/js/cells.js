// The explorer of the paper's tables: the paper's values as hollow diamonds, ours as dots with their
// intervals, two of them for an unfolded network, over two baselines in grey. Data, inside the
// element or by a trait: { tables, printed, starts, sets, records }, see cells.py.

const { describe, place, render } = (() => {
  const NAMES = ["table", "runs", "shown", "model", "at"];
  const GROUPS = {
    "unfolded networks": common.NETWORKS.slice(0, 3).join(),
    "stacked networks": common.NETWORKS.slice(3).join(),
    "all nine": common.NETWORKS.join(),
  };
  const SIGNS = { agrees: "≈ agrees", higher: "▲ higher", lower: "▼ lower" };
  const LEVELS = { PCA: "best linear reconstruction (PCA)", "mean frame": "mean frame" };
  const SUCCESSOR = "λ of the successor paper";
  const BOX = { width: 560, height: 400, left: 52, right: 546, top: 30, bottom: 354 };
  // Values come as they were measured; they are rounded here, once.
  const decibel = (x) => `${x < 0 ? "−" : ""}${Math.abs(x).toFixed(2)}`;
  const seedsOf = (count) => `${count} seed${count === 1 ? "" : "s"}`;

  // ---- words --------------------------------------------------------------------------------
  // What is known of one value of a cell: PSNR, seeds, interval, initial λ, difference.
  function oneWords(start, own, printed) {
    const named = start ? `${start} ` : "ours ";
    if (own.ours === null) return named + (own.untrained ? "did not train: it is within 0.05 dB of the mean frame" : "diverged");
    const spread = own.low === null ? "" : `, 95 % interval ${decibel(own.low)} to ${decibel(own.high)}`;
    const left = (own.untrained ? `, ${seedsOf(own.untrained)} did not train` : "") + (own.diverged ? `, ${seedsOf(own.diverged)} diverged` : "");
    const lambda = own.lambda ? `, initial λ ${own.lambda.map((x) => common.number(x)).join(" and ")}` : "";
    const gap = own.verdict && printed !== null ? `, ${SIGNS[own.verdict]} (${own.ours > printed ? "+" : ""}${decibel(own.ours - printed)} dB)` : "";
    return `${named}${decibel(own.ours)} dB (${seedsOf(own.seeds)}${spread}${left}${lambda})${gap}`;
  }

  // What is known of one cell, in a sentence; `full`: whether the paper's values belong to this set.
  function describe({ name, label, value, number, printed, cell, full }) {
    const paper = !full ? [] : [printed === null ? "the paper's value is lost in the source" : `the paper ${decibel(printed)} dB`];
    const ours = cell ? Object.entries(cell).map(([start, own]) => oneWords(start, own, full ? printed : null)) : ["not run with these settings"];
    return `${name}, ${label} ${value} (Table ${number}): ${[...paper, ...ours].join("; ")}.`;
  }

  // Where a cell is in the picture: at our value, at the mean frame if nothing trained, else at the
  // paper's value, else nowhere.
  function place(cell, printed, floor = null) {
    const own = Object.values(cell ?? {});
    const values = own.map(({ ours }) => ours).filter((ours) => ours !== null);
    return values.at(-1) ?? (own.some(({ untrained }) => untrained) ? floor : null) ?? printed;
  }

  // ---- the picture --------------------------------------------------------------------------
  const diamond = (x, y) => `M${x},${y - 6}L${x + 6},${y}L${x},${y + 6}L${x - 6},${y}Z`;
  const round = (x) => Number(x.toFixed(1));

  const cross = (x, y) => `M${x - 5},${y - 5}L${x + 5},${y + 5}M${x - 5},${y + 5}L${x + 5},${y - 5}`;
  const inside = (value) => value !== null && value !== undefined;

  function drawn(model, { x, y }, printed, cells, floor) {
    const along = (read) => printed.map((_, at) => [at, read(at)]);
    const marks = printed.map((value, at) => (inside(value) ? `<path class="ce-printed" d="${diamond(round(x(at)), round(y(value)))}"/>` : "")).join("");
    const starts = [...new Set(cells.flatMap((cell) => Object.keys(cell ?? {})))];
    const series = starts.map((start) => {
      const own = cells.map((cell) => cell?.[start]);
      const hollow = start === SUCCESSOR ? " ce-reported" : "";
      const bars = own.map((one, at) => (inside(one?.low) ? `<line class="ce-bar" x1="${round(x(at))}" x2="${round(x(at))}" y1="${round(y(one.low))}" y2="${round(y(one.high))}"/>` : "")).join("");
      const dots = own.map((one, at) => (inside(one?.ours) ? `<circle class="ue-dot${hollow}" data-network="${model}" r="6" cx="${round(x(at))}" cy="${round(y(one.ours))}"/>` : "")).join("");
      const lost = own.map((one, at) => (one && one.ours === null && one.untrained && inside(floor) ? `<path class="ce-untrained" d="${cross(round(x(at)), round(y(floor)))}"/>` : "")).join("");
      return `<path class="ue-line${hollow}" data-network="${model}" d="${common.path(along((at) => own[at]?.ours ?? null), { x, y })}"/>${bars}${dots}${lost}`;
    });
    return `<g data-network="${model}" aria-hidden="true">
      <path class="ue-line ce-faint" data-network="${model}" d="${common.path(along((at) => printed[at]), { x, y })}"/>${marks}${series.join("")}</g>`;
  }

  // The two baselines, each with its name at its left end.
  const baselines = (levels, { x, y }) => Object.entries(levels).map(([name, line]) =>
    `<g class="ce-level" data-level="${name}" aria-hidden="true"><path d="${common.path(line.map((value, at) => [at, value]), { x, y })}"/>
      <text x="${round(x(line.length - 1))}" y="${round(y(line.at(-1)) - 6)}" text-anchor="end">${LEVELS[name]}</text></g>`).join("");

  const swatch = (model) => `<svg class="ue-swatch" viewBox="0 0 34 8" aria-hidden="true"><path class="ue-line" data-network="${model}" d="M0,4L34,4"/></svg>`;

  const STYLE = `
cells-explorer.ue svg[role="group"] { max-width: 34rem; }
cells-explorer.ue .ce-toggles { gap: .2rem .3rem; }
cells-explorer.ue .ce-toggles button { padding: .1rem .5rem; font-size: .8rem; }
cells-explorer.ue .ce-faint { stroke-width: 1.2; opacity: .55; }
cells-explorer.ue .ce-printed { fill: var(--ue-paper); stroke: var(--ue-colour); stroke-width: 1.8; vector-effect: non-scaling-stroke; }
cells-explorer.ue circle.ce-reported { fill: var(--ue-paper); stroke: var(--ue-colour); stroke-width: 2; }
cells-explorer.ue path.ce-reported { stroke-dasharray: 5 4; stroke-width: 1.6; }
cells-explorer.ue .ce-untrained { fill: none; stroke: var(--ue-colour); stroke-width: 2.5; }
cells-explorer.ue .ce-level path { fill: none; stroke: var(--ue-soft); stroke-width: 3; opacity: .5; vector-effect: non-scaling-stroke; }
cells-explorer.ue .ce-level[data-level="mean frame"] path { stroke-dasharray: 2 4; }
cells-explorer.ue .ce-level text { fill: var(--ue-soft); }
cells-explorer.ue .ce-bar { stroke: var(--ue-colour); stroke-width: 5; opacity: .4; }
cells-explorer.ue .ce-hit { r: calc(12.5px * var(--ue-unit, 1)); fill: none; stroke: none; outline: none; }
cells-explorer.ue .ce-hit:focus-visible { stroke: var(--ue-mark); stroke-width: 4; }
cells-explorer.ue .ce-chosen { fill: none; stroke: var(--ue-mark); stroke-width: 2.5; }
cells-explorer.ue .ce-toggles button:not([aria-pressed="true"]) { color: var(--ue-soft); }
cells-explorer.ue .ue-words { min-height: 3.4em; overflow-wrap: anywhere; }
cells-explorer.ue ul.ce-records { margin: .5rem 0; padding-left: 1.25rem; font-size: .9rem; }
cells-explorer.ue ul.ce-records code { font-size: inherit; background: none; border: 0; padding: 0; color: inherit; }
cells-explorer.ue a { color: var(--ue-main); text-decoration: underline; }
cells-explorer.ue details { margin-top: .75rem; }
cells-explorer.ue table.ue-table td { white-space: nowrap; }
cells-explorer.ue table.ue-table :is(th:first-child) { position: sticky; left: 0; background: var(--ue-paper); white-space: nowrap; }`;

  // ---- the element --------------------------------------------------------------------------
  common.define("cells-explorer", (Base) => class extends Base {
    static css = STYLE;
    static fields = {
      table: { value: 1, valid: (value) => [1, 2, 3].includes(value) },
      runs: { value: "" },
      shown: { value: GROUPS["unfolded networks"], valid: (value) => value.split(",").every((name) => common.NETWORKS.includes(name)) },
      model: { value: "reweighted-rnn", valid: (value) => common.NETWORKS.includes(value) },
      at: { value: 0, valid: (value) => Number.isInteger(value) && value >= 0 },
    };

    skeleton(id) {
      const tables = this.data.tables.map(({ number, label }) => [number, `Table ${number}: ${label}`]);
      const sets = this.data.sets.map(({ key, label }) => [key, label]);
      return `
        ${common.choice({ name: "table", label: "Show", options: tables }, id)}
        ${common.choice({ name: "runs", label: "with our runs", options: sets }, id)}
        ${common.buttons(Object.keys(GROUPS), "group", "Networks to show")}
        <div class="ue-row ce-toggles" role="group" aria-label="Networks, one by one">
          ${common.NETWORKS.map((model) => `<button type="button" data-toggle="${model}">${swatch(model)} ${this.data.names[model]}</button>`).join("")}
        </div>
        <div class="ce-chart"><svg viewBox="0 0 ${BOX.width} ${BOX.height}" role="group" aria-labelledby="${id}-title ${id}-desc">
          <title id="${id}-title"></title><desc id="${id}-desc">One point a cell: the arrow keys go from value to value and from network to network.</desc>
          <g data-part="frame" aria-hidden="true"></g><g data-part="lines"></g><circle class="ce-chosen" r="11" aria-hidden="true"/><g data-part="points"></g>
        </svg></div>
        <p class="ue-key"><span>◇ the paper</span><span>○ ours, λ of the successor paper</span><span>● ours, best λ</span><span>× did not train</span><span>bar: 95 % interval over seeds</span></p>
        <p class="ue-words" data-part="words"></p>
        <div data-part="records"></div>
        <p class="ue-note" data-part="count"></p>
        <details><summary>All cells as a table</summary><div class="ue-wide" tabindex="0" role="region" aria-label="All cells as a table" data-part="alternative"></div></details>`;
    }

    start() {
      if (!this.data.sets.some(({ key }) => key === this.state.runs)) this.state.runs = this.data.sets[0].key;
      for (const button of this.querySelectorAll("[data-group]")) button.addEventListener("click", () => this.choose({ shown: GROUPS[button.dataset.group] }));
      // Chromium lets Tab stop at an SVG node that hears of focus, so the box around it does.
      const chart = this.querySelector(".ce-chart");
      this.querySelector(".ce-toggles").addEventListener("click", ({ target }) => this.toggle(target.closest("button")?.dataset.toggle));
      chart.addEventListener("pointermove", (event) => { if (event.pointerType === "mouse") this.set(this.nearest(event) ?? {}); });
      chart.addEventListener("click", (event) => { const found = this.nearest(event); if (found) this.choose(found); });
      chart.addEventListener("focusin", ({ target }) => this.choose({ model: target.dataset.model, at: Number(target.dataset.at) }));
      chart.addEventListener("keydown", (event) => this.step(event));
    }

    toggle(model) {
      if (!model) return;
      const shown = new Set(this.state.shown.split(","));
      shown.has(model) && shown.size > 1 ? shown.delete(model) : shown.add(model);
      this.choose({ shown: common.NETWORKS.filter((name) => shown.has(name)).join() });
    }

    // The nearest point to a pointer, if it is near.
    nearest({ clientX, clientY }) {
      const near = [...this.querySelectorAll(".ce-hit")].map((node) => {
        const box = node.getBoundingClientRect();
        return { node, far: Math.hypot(clientX - box.left - box.width / 2, clientY - box.top - box.height / 2) };
      }).sort((a, b) => a.far - b.far)[0];
      return near && near.far < 28 ? { model: near.node.dataset.model, at: Number(near.node.dataset.at) } : null;
    }

    // Left and right: along a network; up and down: to the network above or below.
    step(event) {
      const points = [...this.querySelectorAll(".ce-hit")];
      const here = points.indexOf(event.target);
      const own = points.filter((node) => node.dataset.model === event.target.dataset.model);
      const column = points.filter((node) => node.dataset.at === event.target.dataset.at).sort((a, b) => b.cy.baseVal.value - a.cy.baseVal.value);
      const to = {
        ArrowRight: own[own.indexOf(points[here]) + 1], ArrowLeft: own[own.indexOf(points[here]) - 1], Home: own[0], End: own.at(-1),
        ArrowUp: column[column.indexOf(points[here]) + 1], ArrowDown: column[column.indexOf(points[here]) - 1],
      };
      if (!(event.key in to)) return;
      event.preventDefault();
      to[event.key]?.focus();
    }

    draw() {
      const { tables, sets, printed, names } = this.data;
      const { table, runs, shown, model } = this.state;
      const { values, label } = tables.find(({ number }) => number === table);
      const set = sets.find(({ key }) => key === runs) ?? sets[0];
      const print = set.full ? printed[table] : Object.fromEntries(common.NETWORKS.map((name) => [name, values.map(() => null)]));
      const [cells, levels] = [set.cells[table], set.levels[table]];
      const floor = levels["mean frame"]?.[0] ?? null;
      const models = shown.split(",");
      this.state.at = Math.min(this.state.at, values.length - 1);
      const { at } = this.state;
      const scale = this.scale(models, print, cells, levels, values.length);
      this.fill("frame", common.axes(BOX, {
        x: scale.across, y: scale.y, xTicks: values.map((_, i) => i + 1), yTicks: common.ticks(...scale.range, 6),
        xText: (tick) => common.number(values[tick - 1]), xName: label, yName: "PSNR (dB)",
      }));
      this.fill("lines", baselines(levels, scale) + models.map((name) => drawn(name, scale, print[name], cells[name], floor)).join(""));
      const about = (name, i) => describe({ name: names[name], label, value: common.number(values[i]), number: table, printed: print[name][i], cell: cells[name][i], full: set.full });
      const points = models.flatMap((name) => values.map((_, i) => ({ name, i, y: place(cells[name][i], print[name][i], floor) })).filter(({ y }) => y !== null));
      this.fill("points", points.map(({ name, i, y }) =>
        `<circle class="ce-hit" role="button" tabindex="-1" data-model="${name}" data-at="${i}" r="11" cx="${round(scale.x(i))}" cy="${round(scale.y(y))}" aria-label="${about(name, i)}"/>`).join(""));
      this.choosePoint(points, scale);
      this.fill("words", about(model, at));
      this.fill("records", this.records(cells[model][at]));
      this.fill("count", this.count(table, print, cells, set.full));
      this.fill("alternative", this.alternative(table, label, values, print, cells, levels, set.full));
      this.querySelector("svg title").textContent = `Table ${table}: PSNR against ${label}, ${set.full ? "the paper's values and ours" : "our values"}`;
      for (const button of this.querySelectorAll("[data-group]")) button.setAttribute("aria-pressed", String(shown === GROUPS[button.dataset.group]));
      for (const button of this.querySelectorAll("[data-toggle]")) button.setAttribute("aria-pressed", String(models.includes(button.dataset.toggle)));
    }

    scale(models, print, cells, levels, count) {
      const ours = (cell) => Object.values(cell ?? {}).flatMap(({ ours, low, high }) => [ours, low, high]);
      const all = [...Object.values(levels).flat(), ...models.flatMap((name) => [...print[name], ...cells[name].flatMap(ours)])].filter(inside);
      const range = all.length ? [Math.min(...all) - 1, Math.max(...all) + 1] : [0, 1];
      // Values stand one step apart, however far they are from each other.
      const across = common.scale([1, count], [BOX.left + 18, BOX.right - 18]);
      return { range, across, x: (i) => across(i + 1), y: common.scale(range, [BOX.bottom, BOX.top]) };
    }

    // One point can be reached by Tab, the others by arrows from it.
    choosePoint(points, { x, y }) {
      const { model, at } = this.state;
      const mine = points.find(({ name, i }) => name === model && i === at);
      const ring = this.querySelector(".ce-chosen");
      ring.style.display = mine ? "" : "none";
      if (mine) for (const [name, value] of Object.entries({ cx: x(at), cy: y(mine.y) })) ring.setAttribute(name, round(value));
      const reached = mine ?? points[0];
      for (const node of this.querySelectorAll(".ce-hit")) {
        const here = node.dataset.model === reached?.name && Number(node.dataset.at) === reached?.i;
        node.setAttribute("tabindex", here ? "0" : "-1");
        node.setAttribute("aria-pressed", String(Boolean(mine) && here));
      }
    }

    link(anchor, text) {
      return `<a href="${this.data.page}#${anchor}">${text}</a>`;
    }

    records(cell) {
      const lines = Object.entries(cell ?? {}).flatMap(([start, own]) => own.records.map((anchor) => {
        const { hash, seed, epochs, seconds, hardware, commit } = this.data.records[anchor];
        const named = start ? `${start}: ` : "";
        return `<li>${named}run ${this.link(anchor, `<code>${hash}</code>`)}, seed ${seed}: ${epochs} epochs in ${common.number(seconds)} s on ${common.escaped(hardware)}, commit <code>${commit}</code></li>`;
      }));
      return lines.length ? `<ul class="ce-records">${lines.join("")}</ul>` : "";
    }

    count(table, print, cells, full) {
      const every = common.NETWORKS.flatMap((name) => print[name].map((value, i) => ({ lost: value === null, run: Boolean(cells[name][i]) })));
      const ran = every.filter(({ run }) => run).length;
      const lost = every.filter((cell) => cell.lost).length;
      const said = `Of ${every.length} cells of Table ${table}, ${ran} were run with these settings and ${every.length - ran} were not run`;
      return full ? `${said}; ${lost} of the paper's values ${lost === 1 ? "is" : "are"} lost in the source.` : `${said}. The paper's values are of another scale, so they are not shown.`;
    }

    // A row a network and initialisation, and one a baseline.
    alternative(table, label, values, print, cells, levels, full) {
      const text = (name, start, i) => {
        const own = cells[name][i]?.[start];
        const spread = own && own.low !== null ? ` ± ${decibel((own.high - own.low) / 2)}` : "";
        const result = !own ? "not run" : own.ours !== null ? decibel(own.ours) : own.untrained ? "did not train" : "diverged";
        const ours = own?.records.length ? this.link(own.records[0], result) + spread : result;
        const paper = !full ? "" : `${print[name][i] === null ? "lost" : decibel(print[name][i])} · `;
        return `<td>${paper}${ours}</td>`;
      };
      const unfolded = GROUPS["unfolded networks"].split(",");
      const rows = common.NETWORKS.flatMap((name) => (unfolded.includes(name) ? this.data.starts : [""]).map((start) =>
        `<tr><th scope="row">${this.data.names[name]}${start ? `, ${start}` : ""}</th>${values.map((_, i) => text(name, start, i)).join("")}</tr>`));
      const grey = Object.entries(levels).map(([name, line]) => `<tr><th scope="row">${LEVELS[name]}</th>${line.map((value) => `<td>${decibel(value)}</td>`).join("")}</tr>`);
      return `<table class="ue-table"><caption>Table ${table}, PSNR in dB${full ? ": the paper · ours" : ""}; ${label} in the head</caption>
        <thead><tr><th scope="col">network</th>${values.map((value) => `<th scope="col">${common.number(value)}</th>`).join("")}</tr></thead>
        <tbody>${rows.join("")}${grey.join("")}</tbody></table>`;
    }
  });

  return { describe, place, render: common.render("cells-explorer", NAMES) };
})();

export default { render };
