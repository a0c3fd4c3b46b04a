// The units explorer: the learned Φ of single units of trained networks, with the distributions of
// ħ and u on test data. common.js precedes it; the data are JSON inside the element
// <units-explorer network="reweighted-rnn" layer="1" unit="4">, or by a trait of the widget.

const { curves, shape, render } = (() => {
  const { clamp, number, prox } = common;
  const NAMES = ["network", "layer", "unit", "suppose"];
  const SUPPOSE = { learned: "as learned", start: "at its initial ratio to λ₁", equal: "equal to λ₁" };

  // ---- the mathematics: pure functions ----------------------------------------------------
  // The thresholds of a unit, with λ2 as learned, at its initial ratio to λ1, or equal to λ1.
  const shape = ({ tau1, tau2 }, start, suppose) => [tau1, { learned: tau2, start: start * tau1, equal: tau1 }[suppose]];

  // Φ at each u for each ħ: a list for each ħ.
  const curves = (u, past, tau1, tau2) => past.map((hbar) => u.map((x) => prox(x, hbar, tau1, tau2)));

  // ---- words --------------------------------------------------------------------------------
  function percent(share) {
    if (share === 0 || share === 1) return `${100 * share} %`;
    return share < 0.001 ? "less than 0.1 %" : `${number(100 * share, share > 0.99 ? 4 : 3)} %`;
  }

  const agreement = (gap, tau2) => (gap > 0.005
    ? `The five curves differ by up to ${number(gap)}: the activation depends on ħ, and its plateau at ħ is 2τ₂ = ${number(2 * tau2)} wide.`
    : `The five curves coincide: they differ by at most ${number(gap)}, because the plateau at ħ is only 2τ₂ = ${number(2 * tau2)} wide.`);

  const census = ([zero, past, between, rest], count) =>
    `In ${number(count)} test frames the output of this unit is exactly 0 in ${percent(zero)}, exactly ħ in ${percent(past)}, between 0 and ħ in ${percent(between)}, and another value in ${percent(rest)}.`;

  // ---- the picture --------------------------------------------------------------------------
  const BOX = { width: 520, height: 500, left: 62, right: 424, top: 100, bottom: 456 };
  const ABOVE = { low: 92, high: 32 };
  const BESIDE = { low: 432, high: 512 };

  const bars = ([low, high, ...shares], draw) => {
    const [most, wide] = [Math.max(...shares), (high - low) / shares.length];
    return shares.map((share, i) => (share ? draw(low + i * wide, low + (i + 1) * wide, share / most) : "")).join("");
  };

  const rect = (x, y, right, bottom) => `<rect x="${x.toFixed(1)}" y="${y.toFixed(1)}" width="${Math.max(right - x, 0.5).toFixed(1)}" height="${Math.max(bottom - y, 0.5).toFixed(1)}"/>`;

  const row = (name, value, note) => `<tr><th scope="row">${name}</th><td>${value}</td><td>${note}</td></tr>`;

  const STYLE = `
units-explorer.ue svg path { vector-effect: non-scaling-stroke; }
units-explorer.ue .un-band { fill: var(--ue-colour); opacity: .16; }
units-explorer.ue .un-curve { stroke-width: 1.4; stroke-dasharray: none; }
units-explorer.ue .un-curve.un-middle { stroke-width: 3.2; }
units-explorer.ue .un-identity { fill: none; stroke: var(--ue-soft); stroke-width: 1.2; stroke-dasharray: 7 5; }
units-explorer.ue .un-u { fill: var(--ue-soft); opacity: .75; }
units-explorer.ue .un-past { fill: var(--ue-mark); opacity: .75; }
units-explorer.ue .un-level { stroke: var(--ue-mark); stroke-width: 1; stroke-dasharray: 2 4; }
units-explorer.ue .un-other { stroke: var(--ue-ink); stroke-width: 2; stroke-dasharray: 9 5; }
units-explorer.ue svg text.un-name { fill: var(--ue-ink); }
units-explorer.ue .ue-words { min-height: 4.4em; }
units-explorer.ue select { font-size: .9rem; }
units-explorer.ue .ue-key span::before { content: ""; display: inline-block; width: 1.3em; height: .7em; margin-right: .4em; background: var(--ue-key); }
units-explorer.ue .ue-key .un-key-own::before { height: 0; background: none; border-top: 3px solid var(--ue-c0); vertical-align: middle; }
units-explorer.ue .ue-key .un-key-other::before { height: 0; background: none; border-top: 2px dashed var(--ue-ink); vertical-align: middle; }
units-explorer.ue .un-key-u { --ue-key: var(--ue-soft); }
units-explorer.ue .un-key-past { --ue-key: var(--ue-mark); }
units-explorer.ue table.ue-table td:nth-child(2) { text-align: right; font-weight: 600; white-space: nowrap; }`;

  // ---- the element --------------------------------------------------------------------------
  common.define("units-explorer", (Base) => class extends Base {
    static css = STYLE;
    static fields = {
      network: { value: "reweighted-rnn" },
      layer: { value: 1, valid: Number.isInteger },
      unit: { value: 4, valid: Number.isInteger },
      suppose: { value: "learned", valid: (value) => value in SUPPOSE },
    };

    get chosen() {
      const { network, layer, unit } = this.state;
      return this.data.networks[network].layers[layer - 1][unit];
    }

    skeleton(id) {
      const networks = Object.keys(this.data.networks);
      const { layers } = this.data.networks[networks[0]];
      return `
    <div class="ue-body">
      <div>
        <svg viewBox="0 0 ${BOX.width} ${BOX.height}" role="img" aria-labelledby="${id}-title ${id}-desc">
          <title id="${id}-title">The activation of one unit, after training and hypothetical, with histograms of u and ħ</title><desc id="${id}-desc" data-part="desc"></desc>
          <g data-part="frame"></g><g class="un-u" data-part="inputs"></g><g class="un-past" data-part="past"></g>
          <g data-part="levels"></g><path class="un-identity"/><g data-part="curves"></g><path class="ue-line un-other"/>
        </svg>
        <p class="ue-key"><span class="un-key-own" data-part="own"></span> <span class="un-key-other" data-part="other"></span> <span class="un-key-u">histogram of u (above)</span> <span class="un-key-past">histogram of ħ (right)</span></p>
      </div>
      <div>
        ${common.choice({ name: "network", label: "Network (initial λ₁, λ₂)", options: networks.map((name) => [name, this.data.networks[name].label]) }, id)}
        ${common.slider({ name: "layer", label: "layer", min: 1, max: layers.length, step: 1 }, id)}
        ${common.slider({ name: "unit", label: "unit", hint: "by ascending g", min: 0, max: layers[0].length - 1, step: 1 }, id)}
        ${common.choice({ name: "suppose", label: "Draw Φ with λ₂", options: Object.entries(SUPPOSE) }, id)}
      </div>
    </div>
    <p class="ue-words" data-part="agreement"></p>
    <p class="ue-note" data-part="census"></p>
    <table class="ue-table"><caption>This unit, in grey levels</caption>
      <thead><tr><th scope="col">quantity</th><th scope="col">value</th><th scope="col">meaning</th></tr></thead>
      <tbody data-part="rows"></tbody></table>`;
    }

    words(name, value) {
      if (name !== "unit") return number(value);
      return `no. ${this.chosen.index}, g = ${number(this.chosen.g)}`;
    }

    draw() {
      const { networks } = this.data;
      const state = this.state;
      if (!networks[state.network]) [state.network] = Object.keys(networks);
      const { layers, start } = networks[state.network];
      state.layer = clamp(state.layer, 1, layers.length);
      state.unit = clamp(state.unit, 0, layers[0].length - 1);
      const unit = this.chosen;
      const [tau1, tau2] = shape(unit, start, state.suppose);
      const [low, high] = unit.u;
      const grid = Array.from({ length: 321 }, (_, i) => low + (i / 320) * (high - low));
      const found = curves(grid, unit.quantiles, tau1, tau2);
      const gap = Math.max(...grid.map((_, i) => Math.max(...found.map((line) => line[i])) - Math.min(...found.map((line) => line[i]))));
      // The hypothetical activation and the one after training: one of them is dashed.
      const other = state.suppose === "learned" ? "equal" : "learned";
      const [, tau] = shape(unit, start, other);
      const far = unit.quantiles.reduce((a, b) => (Math.abs(b) > Math.abs(a) ? b : a));
      this.drawCurves(unit, grid, found, curves(grid, [far], tau1, tau)[0]);
      this.tell(unit, tau1, tau2, gap, { other, tau, far });
    }

    drawCurves(unit, grid, found, dashed) {
      const past = unit.hbar.slice(0, 2);
      const [least, most] = [Math.min(...found.flat(), ...dashed, ...past), Math.max(...found.flat(), ...dashed, ...past)];
      const room = 0.04 * (most - least);
      const x = common.scale(unit.u.slice(0, 2), [BOX.left, BOX.right]);
      const y = common.scale([least - room, most + room], [BOX.bottom, BOX.top]);
      const line = (points) => common.path(points, { x, y });
      const levels = this.data.levels;
      this.fill("frame", common.axes(BOX, {
        x, y, xTicks: common.ticks(...unit.u.slice(0, 2), 5), yTicks: common.ticks(least - room, most + room, 5), xName: "u", yName: "Φ(u)",
      }));
      const above = (share) => ABOVE.low - share * (ABOVE.low - ABOVE.high);
      const beside = (share) => BESIDE.low + share * (BESIDE.high - BESIDE.low);
      this.fill("inputs", bars(unit.u, (from, to, share) => rect(x(from), above(share), x(to) - 0.6, ABOVE.low)));
      this.fill("past", bars(unit.hbar, (from, to, share) => rect(BESIDE.low, y(to), beside(share), y(from) - 0.6)));
      this.fill("levels", unit.quantiles.map((hbar) => `<line class="un-level" x1="${BOX.left}" x2="${BOX.right}" y1="${y(hbar)}" y2="${y(hbar)}"/>`).join(""));
      this.querySelector(".un-other").setAttribute("d", line(grid.map((u, k) => [u, dashed[k]])));
      const [from, to] = [Math.max(unit.u[0], least - room), Math.min(unit.u[1], most + room)];
      this.querySelector(".un-identity").setAttribute("d", from < to ? line([[from, from], [to, to]]) : "");
      const band = (i, j) => `<path class="un-band" d="${line([...grid.map((u, k) => [u, found[j][k]]), ...grid.map((u, k) => [u, found[i][k]]).reverse()])}Z"/>`;
      const middle = levels.indexOf(0.5);
      this.fill("curves", `<g data-network="${this.data.networks[this.state.network].model}">${band(0, levels.length - 1)}${band(1, levels.length - 2)}${
        found.map((values, i) => `<path class="ue-line un-curve${i === middle ? " un-middle" : ""}" d="${line(grid.map((u, k) => [u, values[k]]))}"/>`).join("")}</g>`);
    }

    summary() {
      return `Unit ${this.chosen.index}. ${this.querySelector('[data-part="agreement"]').textContent}`;
    }

    tell(unit, tau1, tau2, gap, { other, tau, far }) {
      const { network, layer, suppose } = this.state;
      const said = census(unit.shares, this.data.count);
      const [first, , middle, , last] = unit.quantiles;
      this.fill("census", said);
      this.fill("agreement", (suppose === "learned" ? "" : "These curves are hypothetical, not learned. ") + agreement(gap, tau2) +
        (other === "equal" ? ` With λ₂ as large as λ₁ the plateau would be ${number(2 * tau)} wide (dashed, for ħ = ${number(far)}).` : ` After training the plateau is ${number(2 * tau)} wide (dashed, for ħ = ${number(far)}).`));
      this.fill("own", suppose === "learned" ? "after training" : "hypothetical");
      this.fill("other", other === "equal" ? "hypothetical, λ₂ as large as λ₁" : "after training");
      this.fill("desc", `Unit ${unit.index} of layer ${layer} of ${this.data.networks[network].label}, threshold ${number(tau1)}. ${said} The table below gives its values.`);
      this.fill("rows",
        row("τ<sub>1</sub>", number(tau1), "λ<sub>1</sub>g/c, half the width of the plateau at 0") +
        row("τ<sub>2</sub>", number(tau2), `λ<sub>2</sub>g/c, half the width of the plateau at ħ, ${suppose === "learned" ? "as learned" : "hypothetical"}`) +
        row("ħ", number(middle), `median; 90 % of the values are between ${number(first)} and ${number(last)}`) +
        row("u", number(unit.middle), `median; 99 % of the values are between ${number(unit.u[0])} and ${number(unit.u[1])}, the range of the figure`));
    }
  });

  return { curves, shape, render: common.render("units-explorer", NAMES) };
})();

export default { render };
