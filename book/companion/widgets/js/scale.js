// The ranking of the networks by pixel scale: one row per network, in the order of the PSNR at the
// scale of the slider, which stops only at scales that have run. Python passes the data as JSON.

const { ranking, verdict, render } = (() => {
  const OURS = common.NETWORKS[0];
  const BOX = { width: 480, left: 190, right: 388, top: 8, pitch: 26 };
  const decibel = (value) => common.decibel(value, 2);
  const span = ({ peak }) => `[0, ${common.number(peak)}]`;
  const seeds = (count) => `${count} seed${count === 1 ? "" : "s"}`;
  const state = ({ psnr, reason }) => (psnr !== null ? decibel(psnr) : reason);

  // The networks at one scale, best first; without a PSNR they are last and have no rank.
  function ranking(networks, at) {
    const all = Object.entries(networks).map(([model, line]) => ({ model, ...line[at] }));
    const ranked = all.filter(({ psnr }) => psnr !== null).sort((a, b) => b.psnr - a.psnr);
    return [...ranked.map((cell, i) => ({ ...cell, rank: i + 1 })), ...all.filter(({ psnr }) => psnr === null).map((cell) => ({ ...cell, rank: null }))];
  }

  // The first network and the rank of reweighted-RNN, in sentences.
  function verdict({ scales, names, cells }, size, at) {
    const rows = ranking(cells[size], at);
    const ranked = rows.filter(({ rank }) => rank);
    const [first, second] = ranked;
    const own = ranked.find(({ model }) => model === OURS);
    const value = ({ model, psnr }) => `${names[model]} with ${decibel(psnr)}`;
    const place = own === first ? `${value(own)} is first of ${ranked.length} networks${second ? `, ahead of ${value(second)}` : ""}` :
      own ? `${value(own)} has rank ${own.rank} of ${ranked.length}; the first is ${value(first)}` : `${names[OURS]} has no rank`;
    const others = ["diverged", "did not train", "not run"].map((word) => [word, rows.filter((row) => !row.rank && state(row) === word).map(({ model }) => names[model])])
      .filter(([, models]) => models.length).map(([word, models]) => ` ${word[0].toUpperCase()}${word.slice(1)}: ${models.join(", ")}.`);
    return `Pixels in ${span(scales[at])}, ${size}: ${place}.${others.join("")}`;
  }

  const css = `
scale-explorer .sc-controls { display: grid; gap: 0 1rem; grid-template-columns: auto minmax(0, 1fr); align-items: end; }
scale-explorer .sc-controls .ue-choice { grid-column: 1 / -1; }
scale-explorer .sc-controls button { min-width: 5.5rem; margin: 0 0 .5rem; }
scale-explorer.ue svg:not(svg svg) { max-width: 36rem; }
scale-explorer .sc-track { stroke: var(--ue-colour); stroke-width: 2; opacity: .6; }
scale-explorer .sc-other { fill: var(--ue-paper); stroke: var(--ue-colour); stroke-width: 2; }
scale-explorer .sc-row[data-network="${OURS}"] text { font-weight: 700; }
scale-explorer .sc-row[data-unranked] .ue-dot { visibility: hidden; }
scale-explorer .ue-words { min-height: 4.1em; }
@container (max-width: 30rem) { scale-explorer .ue-words { min-height: 6.9em; } }
scale-explorer.ue table.ue-table td { white-space: nowrap; }
@media (prefers-reduced-motion: no-preference) { scale-explorer :is(.sc-row, .ue-dot) { transition: transform .6s; } }`;

  common.define("scale-explorer", (Base) => class extends Base {
    static css = css;
    static period = 2000;
    static fields = {
      scale: { value: 255, valid: (value) => value > 0 },
      size: { value: "equal width", valid: (value) => ["equal width", "equal size"].includes(value) },
    };

    skeleton(id) {
      if (!this.data) return "";
      const { scales, names, cells } = this.data;
      const height = BOX.top + BOX.pitch * Object.keys(names).length;
      const row = (model) => `<g class="sc-row" data-network="${model}"><text class="ue-name" x="22" y="5" text-anchor="end" data-part="rank-${model}"></text>
        <text class="ue-name" x="32" y="5">${common.escaped(names[model])}</text><g data-part="track-${model}"></g><circle class="ue-dot" r="7"/>
        <text class="ue-name" x="${BOX.width - 2}" y="5" text-anchor="end" data-part="value-${model}"></text></g>`;
      return `
        <div class="sc-controls">
          ${common.choice({ name: "size", label: "Networks of", options: Object.keys(cells) }, id)}
          <button type="button" data-play>Play</button>
          ${common.slider({ name: "scale", label: "Pixel scale", max: scales.length - 1, step: 1 }, id)}
        </div>
        <svg viewBox="0 0 ${BOX.width} ${height + 44}" role="img" aria-labelledby="${id}-title ${id}-desc">
          <title id="${id}-title">The networks in the order of their PSNR at the chosen pixel scale</title><desc id="${id}-desc" data-part="desc"></desc>
          <g data-part="axes"></g>${Object.keys(names).map(row).join("")}</svg>
        <p class="ue-key"><span>● at this scale</span><span>○ at another scale</span></p>
        <p class="ue-words" data-part="words"></p>
        <p class="ue-note" data-part="note"></p>
        <details><summary>All values as a table</summary><div class="ue-wide" tabindex="0" role="region" aria-label="All values as a table" data-part="table"></div></details>`;
    }

    start() {
      if (!this.data) return;
      const { cells, names } = this.data;
      const all = Object.values(cells).flatMap((networks) => Object.values(networks).flat()).map(({ psnr }) => psnr).filter((psnr) => psnr !== null);
      const range = [Math.floor(Math.min(...all)), Math.ceil(Math.max(...all))];
      this.x = common.scale(range, [BOX.left, BOX.right]);
      const frame = { ...BOX, bottom: BOX.top + BOX.pitch * Object.keys(names).length };
      this.fill("axes", common.axes(frame, { x: this.x, y: () => 0, xTicks: common.ticks(...range, 4), yTicks: [], xName: "PSNR (dB)" }));
    }

    // The place of the chosen scale; the largest scale replaces one that has not run.
    get at() {
      const found = this.data.scales.findIndex(({ peak }) => peak === this.state.scale);
      return found < 0 ? this.data.scales.length - 1 : found;
    }

    position(name, value) { return name === "scale" ? this.at : value; }
    value(name, position) { return name === "scale" ? this.data.scales[position].peak : position; }
    words(name, value) { return name === "scale" ? span(this.data.scales[this.at]) : String(value); }

    // After the smallest scale the largest one.
    following() {
      const { scales } = this.data;
      return { scale: scales[(this.at || scales.length) - 1].peak };
    }

    draw() {
      if (!this.data) return;
      const { at, x } = this;
      this.state.scale = this.data.scales[at].peak;
      const networks = this.data.cells[this.state.size];
      ranking(networks, at).forEach((cell, i) => {
        const node = this.querySelector(`.sc-row[data-network="${cell.model}"]`);
        node.style.transform = `translateY(${BOX.top + BOX.pitch * (i + 0.5)}px)`;
        node.toggleAttribute("data-unranked", !cell.rank);
        if (cell.rank) node.querySelector(".ue-dot").style.transform = `translateX(${x(cell.psnr).toFixed(1)}px)`;
        this.fill(`rank-${cell.model}`, cell.rank ?? "–");
        this.fill(`value-${cell.model}`, state(cell));
        const places = networks[cell.model].map(({ psnr }) => psnr).filter((psnr) => psnr !== null).map((psnr) => x(psnr).toFixed(1));
        const track = places.length ? `<line class="sc-track" x1="${Math.min(...places)}" x2="${Math.max(...places)}"/>` : "";
        this.fill(`track-${cell.model}`, track + places.map((place) => `<circle class="sc-other" r="5" cx="${place}"/>`).join(""));
      });
      this.tell(networks);
    }

    tell(networks) {
      const { data, at } = this;
      const said = verdict(data, this.state.size, at);
      this.fill("words", common.escaped(said));
      this.fill("desc", common.escaped(`${said} ${ranking(networks, at).map((cell) => `${cell.rank ?? "–"} ${data.names[cell.model]}: ${state(cell)}`).join("; ")}.`));
      this.fill("note", common.escaped(`${data.scales.length} pixel scales have run: ${data.scales.map(span).join(", ")}. Nothing is interpolated. Values are means over seeds (${data.evidence}); the table contains the number of seeds.`));
      const orders = data.scales.map((_, i) => Object.fromEntries(ranking(networks, i).map((cell) => [cell.model, cell])));
      const text = (cell) => `<td>${cell.rank ? `${cell.rank} · ` : ""}${state(cell)}${cell.seeds ? ` (${seeds(cell.seeds)})` : ""}</td>`;
      this.fill("table", `<table class="ue-table"><caption>Rank and PSNR by pixel scale, ${this.state.size}</caption>
        <thead><tr><th scope="col">network</th>${data.scales.map((scale) => `<th scope="col">${span(scale)}</th>`).join("")}</tr></thead>
        <tbody>${Object.keys(networks).map((model) => `<tr><th scope="row">${common.escaped(data.names[model])}</th>${orders.map((order) => text(order[model])).join("")}</tr>`).join("")}</tbody></table>`);
    }
  });

  return { ranking, verdict, render: common.render("scale-explorer", ["scale", "size"]) };
})();

export default { render };
