// The explorer of the paper's tables: printed values as hollow diamonds, ours as dots with their
// intervals. Data, inside the element or by a trait: { tables, printed, sets, records }, see cells.py.

const { describe, place, render } = (() => {
  const NAMES = ["table", "runs", "shown", "model", "at"];
  const GROUPS = {
    "unfolded networks": common.NETWORKS.slice(0, 3).join(),
    "generic networks": common.NETWORKS.slice(3).join(),
    "all nine": common.NETWORKS.join(),
  };
  const SIGNS = { agrees: "≈ agrees", higher: "▲ higher", lower: "▼ lower" };
  const BOX = { width: 560, height: 400, left: 52, right: 546, top: 30, bottom: 354 };
  const decibel = (x) => `${x < 0 ? "−" : ""}${Math.abs(x).toFixed(2)}`;

  // ---- words --------------------------------------------------------------------------------
  const printedWords = (value) => (value === null ? "the printed value is lost in the source" : `printed ${decibel(value)} dB`);

  function oursWords(cell) {
    if (!cell) return "not run with these settings";
    const many = cell.records.length;
    const spread = cell.low === null ? "no interval from one seed" : `95 % interval ${decibel(cell.low)} to ${decibel(cell.high)}`;
    return `ours ${decibel(cell.ours)} dB from ${many} run${many > 1 ? "s" : ""}, ${spread}`;
  }

  // What is known of one cell, in a sentence; only runs at the paper's scale get a verdict.
  function describe({ name, label, value, number, printed, cell }) {
    const gap = cell && printed !== null ? cell.ours - printed : null;
    const against = gap === null ? "" : cell.verdict
      ? `; ${SIGNS[cell.verdict]} (${gap > 0 ? "+" : ""}${decibel(gap)} dB)`
      : "; runs of another scale, so no verdict";
    return `${name}, ${label} ${value} (Table ${number}): ${printedWords(printed)}; ${oursWords(cell)}${against}.`;
  }

  // Where a cell stands in the picture: at our value, else at the printed one, else nowhere.
  const place = (cell, printed) => cell?.ours ?? printed;

  // ---- the picture --------------------------------------------------------------------------
  const diamond = (x, y) => `M${x},${y - 6}L${x + 6},${y}L${x},${y + 6}L${x - 6},${y}Z`;
  const round = (x) => Number(x.toFixed(1));

  function drawn(model, i, { x, y }, printed, cells) {
    const pairs = (read) => printed.map((_, at) => [at, read(at)]);
    const inside = (value) => value !== null && value !== undefined;
    const marks = printed.map((value, at) => (inside(value) ? `<path class="ce-printed" d="${diamond(round(x(at)), round(y(value)))}"/>` : "")).join("");
    const bars = cells.map((cell, at) => (inside(cell?.low) ? `<line class="ce-bar" x1="${round(x(at))}" x2="${round(x(at))}" y1="${round(y(cell.low))}" y2="${round(y(cell.high))}"/>` : "")).join("");
    const dots = cells.map((cell, at) => (cell ? `<circle class="ue-dot" data-network="${model}" r="6" cx="${round(x(at))}" cy="${round(y(cell.ours))}"/>` : "")).join("");
    return `<g data-network="${model}" aria-hidden="true">
      <path class="ue-line ce-faint" data-network="${model}" d="${common.path(pairs((at) => printed[at]), { x, y })}"/>${marks}
      <path class="ue-line" data-network="${model}" d="${common.path(pairs((at) => cells[at]?.ours ?? null), { x, y })}"/>${bars}${dots}</g>`;
  }

  const swatch = (model) => `<svg class="ue-swatch" viewBox="0 0 34 8" aria-hidden="true"><path class="ue-line" data-network="${model}" d="M0,4L34,4"/></svg>`;

  const STYLE = `
cells-explorer.ue svg[role="group"] { max-width: 44rem; }
cells-explorer.ue .ce-faint { stroke-width: 1.2; opacity: .55; }
cells-explorer.ue .ce-printed { fill: var(--ue-paper); stroke: var(--ue-colour); stroke-width: 1.8; vector-effect: non-scaling-stroke; }
cells-explorer.ue .ce-bar { stroke: var(--ue-colour); stroke-width: 5; opacity: .4; }
cells-explorer.ue .ce-hit { fill: none; stroke: none; outline: none; }
cells-explorer.ue .ce-hit:focus-visible { stroke: var(--ue-mark); stroke-width: 4; }
cells-explorer.ue .ce-chosen { fill: none; stroke: var(--ue-mark); stroke-width: 2.5; }
cells-explorer.ue .ce-toggles button:not([aria-pressed="true"]) { color: var(--ue-soft); }
cells-explorer.ue .ue-words { min-height: 3.4em; overflow-wrap: anywhere; }
cells-explorer.ue ul.ce-records { margin: .5rem 0; padding-left: 1.25rem; font-size: .9rem; }
cells-explorer.ue ul.ce-records code { font-size: inherit; background: none; border: 0; padding: 0; color: inherit; }
cells-explorer.ue a { color: var(--ue-main); text-decoration: underline; }
cells-explorer.ue details { margin-top: .75rem; }
cells-explorer.ue summary { cursor: pointer; }
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
        <p class="ue-key"><span>◇ printed</span><span>● ours</span><span>bar: 95 % interval over seeds</span></p>
        <p class="ue-words" data-part="words" role="status" aria-live="polite"></p>
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
      const [print, cells] = [printed[table], set.cells[table]];
      const models = shown.split(",");
      this.state.at = Math.min(this.state.at, values.length - 1);
      const { at } = this.state;
      const scale = this.scale(models, print, cells, values.length);
      this.fill("frame", common.axes(BOX, {
        x: scale.across, y: scale.y, xTicks: values.map((_, i) => i + 1), yTicks: common.ticks(...scale.range, 6),
        xText: (tick) => common.number(values[tick - 1]), xName: label, yName: "PSNR (dB)",
      }));
      this.fill("lines", models.map((name, i) => drawn(name, i, scale, print[name], cells[name])).join(""));
      const about = (name, i) => describe({ name: names[name], label, value: common.number(values[i]), number: table, printed: print[name][i], cell: cells[name][i] });
      const points = models.flatMap((name) => values.map((_, i) => ({ name, i, y: place(cells[name][i], print[name][i]) })).filter(({ y }) => y !== null));
      this.fill("points", points.map(({ name, i, y }) =>
        `<circle class="ce-hit" role="button" tabindex="-1" data-model="${name}" data-at="${i}" r="11" cx="${round(scale.x(i))}" cy="${round(scale.y(y))}" aria-label="${about(name, i)}"/>`).join(""));
      this.choosePoint(points, scale);
      this.fill("words", about(model, at));
      this.fill("records", this.records(cells[model][at]));
      this.fill("count", this.count(table, print, cells));
      this.fill("alternative", this.alternative(table, label, values, print, cells));
      this.querySelector("svg title").textContent = `Table ${table}: PSNR against ${label}, printed and ours`;
      for (const button of this.querySelectorAll("[data-group]")) button.setAttribute("aria-pressed", String(shown === GROUPS[button.dataset.group]));
      for (const button of this.querySelectorAll("[data-toggle]")) button.setAttribute("aria-pressed", String(models.includes(button.dataset.toggle)));
    }

    scale(models, print, cells, count) {
      const all = models.flatMap((name) => [...print[name], ...cells[name].flatMap((cell) => (cell ? [cell.ours, cell.low, cell.high] : []))]).filter((y) => y !== null);
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
      if (!cell) return "";
      const lines = cell.records.map((anchor) => {
        const { hash, seed, epochs, seconds, hardware, commit } = this.data.records[anchor];
        return `<li>run ${this.link(anchor, `<code>${hash}</code>`)}, seed ${seed}: ${epochs} epochs in ${common.number(seconds)} s on ${common.escaped(hardware)}, commit <code>${commit}</code></li>`;
      });
      return `<ul class="ce-records">${lines.join("")}</ul>`;
    }

    count(table, print, cells) {
      const every = common.NETWORKS.flatMap((name) => print[name].map((value, i) => ({ lost: value === null, run: Boolean(cells[name][i]) })));
      const ran = every.filter(({ run }) => run).length;
      const lost = every.filter((cell) => cell.lost).length;
      return `Of ${every.length} cells of Table ${table}, ${ran} were run with these settings and ${every.length - ran} were not run; ${lost} printed value${lost === 1 ? " is" : "s are"} lost in the source.`;
    }

    alternative(table, label, values, print, cells) {
      const text = (name, i) => {
        const cell = cells[name][i];
        const ours = cell ? this.link(cell.records[0], decibel(cell.ours)) + (cell.low === null ? "" : ` ± ${decibel((cell.high - cell.low) / 2)}`) : "not run";
        return `<td>${print[name][i] === null ? "lost" : decibel(print[name][i])} · ${ours}</td>`;
      };
      return `<table class="ue-table"><caption>Table ${table}, PSNR in dB: printed · ours; ${label} in the head</caption>
        <thead><tr><th scope="col">network</th>${values.map((value) => `<th scope="col">${common.number(value)}</th>`).join("")}</tr></thead>
        <tbody>${common.NETWORKS.map((name) => `<tr><th scope="row">${this.data.names[name]}</th>${values.map((_, i) => text(name, i)).join("")}</tr>`).join("")}</tbody></table>`;
    }
  });

  return { describe, place, render: common.render("cells-explorer", NAMES) };
})();

export default { render };
