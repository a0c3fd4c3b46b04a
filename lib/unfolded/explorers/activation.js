// The activation explorer: Φ of Prop. B.1 against u, with a slider for each of λ1, λ2, g, ħ and c.
// One file serves the live notebook (anywidget's `render`) and every static page (the element
// <activation-explorer lambda1="1" ...>). Without its last line it is a classic script, so the
// book also works opened from disk, where browsers refuse modules.

const { prox, pieces, render } = (() => {
  const CONTROLS = [
    { name: "lambda1", label: "λ<sub>1</sub>", hint: "pull towards 0", min: 0, max: 2, step: 0.01, value: 1 },
    { name: "lambda2", label: "λ<sub>2</sub>", hint: "pull towards ħ", min: 0, max: 2, step: 0.01, value: 0.5 },
    { name: "g", label: "g", hint: "weight of this unit", min: 0.05, max: 3, step: 0.05, value: 1 },
    { name: "hbar", label: "ħ", hint: "what the past predicts", min: -4, max: 4, step: 0.05, value: 2 },
    { name: "c", label: "c", hint: "inverse step size", min: 0.25, max: 4, step: 0.05, value: 1 },
  ];
  const NAMES = CONTROLS.map((control) => control.name);
  const PRESETS = {
    "Fig. 1, ħ ≥ 0": { lambda1: 1, lambda2: 0.5, g: 1, hbar: 2, c: 1 },
    "Fig. 1, ħ < 0": { lambda1: 1, lambda2: 0.5, g: 1, hbar: -2, c: 1 },
    "soft threshold": { lambda1: 1, lambda2: 0, g: 1, hbar: 2, c: 1 },
    "λ₂ > λ₁": { lambda1: 0.5, lambda2: 1, g: 1, hbar: 2, c: 1 },
  };

  // A negative threshold or a zero c is no proximal operator: such an attribute is passed over.
  const valid = (name, value) =>
    Number.isFinite(value) && (name === "hbar" || value > 0 || (value === 0 && name.startsWith("lambda")));

  // ---- the mathematics: pure functions ----------------------------------------------------
  const clamp = (x, low, high) => Math.max(low, Math.min(high, x));

  function prox(u, hbar, tau1, tau2) {
    const reach = tau1 + tau2;
    const middle = clamp(u - Math.sign(hbar) * (tau1 - tau2), Math.min(0, hbar), Math.max(0, hbar));
    return Math.max(u - reach, Math.min(middle, u + reach));
  }

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

  // ---- words --------------------------------------------------------------------------------
  function number(x) {
    if (!Number.isFinite(x)) return x > 0 ? "∞" : "−∞";
    const size = Math.abs(x);
    const text = size && (size < 0.1 || size >= 1e4) ? String(Number(size.toPrecision(3))) : String(Number(size.toFixed(2)));
    return (x < 0 && Number(text) ? "−" : "") + text;
  }

  const formula = ({ level, shift }, hbar) => {
    if (level !== undefined) return level === hbar && hbar !== 0 ? `ħ = ${number(level)}` : "0";
    return shift ? `u ${shift < 0 ? "−" : "+"} ${number(Math.abs(shift))}` : "u";
  };

  function regime(hbar, tau1, tau2) {
    if (hbar === 0) return "ħ is 0, so both penalties pull to one place: Φ is the soft threshold with τ₁ + τ₂.";
    if (tau2 === 0) return "τ₂ is 0, so the past has no say: Φ is the soft threshold with τ₁.";
    if (tau1 === 0) return "τ₁ is 0: Φ is a soft threshold centred on ħ.";
    const rest = prox(0, hbar, tau1, tau2);
    if (rest === 0) return "τ₁ ≥ τ₂: without input the unit stays silent, Φ(0) = 0.";
    return `τ₂ > τ₁: without input the unit follows its past, Φ(0) = ${number(rest)}.`;
  }

  // ---- the picture --------------------------------------------------------------------------
  const BOX = { width: 480, height: 400, left: 42, right: 468, top: 12, bottom: 362 };

  function scales(span) {
    const perUnit = (BOX.right - BOX.left) / (2 * span);
    const tall = (BOX.bottom - BOX.top) / (2 * span);
    return {
      x: (u) => BOX.left + (u + span) * perUnit,
      y: (v) => BOX.bottom - (v + span) * tall,
      u: (pixel) => clamp((pixel - BOX.left) / perUnit - span, -span, span),
    };
  }

  function path(points, { x, y }) {
    return "M" + points.map(([u, v]) => `${x(u).toFixed(2)},${y(v).toFixed(2)}`).join("L");
  }

  function frame(span, { x, y }) {
    const marks = [-2, -1, 0, 1, 2].map((k) => (k * span) / 3);
    const line = (x1, y1, x2, y2, kind) =>
      `<line class="${kind}" x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}"/>`;
    return marks.map((m) =>
      line(x(m), BOX.top, x(m), BOX.bottom, m ? "ae-grid" : "ae-axis") +
      line(BOX.left, y(m), BOX.right, y(m), m ? "ae-grid" : "ae-axis") +
      `<text class="ae-tick" x="${x(m)}" y="${BOX.bottom + 18}" text-anchor="middle">${number(m)}</text>` +
      `<text class="ae-tick" x="${BOX.left - 7}" y="${y(m) + 5}" text-anchor="end">${number(m)}</text>`).join("") +
      `<text class="ae-name" x="${BOX.right}" y="${BOX.bottom + 32}" text-anchor="end">u</text>` +
      `<text class="ae-name" x="${BOX.left - 36}" y="${BOX.top + 12}">Φ(u)</text>` +
      line(x(-span), y(-span), x(span), y(span), "ae-identity");
  }

  // The lower plateau is named below to its right, the upper one above to its left: a rising
  // curve is in neither place, so the names never lie on it.
  function names(hbar, tau1, tau2, { x, y }) {
    const [, lower, , upper] = pieces(hbar, tau1, tau2);
    const label = (piece, dy, anchor, text) =>
      `<text class="ae-plateau" text-anchor="${anchor}" x="${x((piece.from + piece.to) / 2)}" y="${y(piece.level) + dy}">${text}</text>`;
    if (hbar === 0) return label({ ...lower, to: upper.to }, 22, "start", "0 = ħ");
    return (lower.empty ? "" : label(lower, 22, "start", hbar < 0 ? "ħ" : "0")) +
      (upper.empty ? "" : label(upper, -11, "end", hbar < 0 ? "0" : "ħ"));
  }

  const slider = ({ name, label, hint, min, max, step }, id) => `
    <div class="ae-control">
      <label for="${id}-${name}"><b>${label}</b> <span>${hint}</span></label>
      <output for="${id}-${name}" data-for="${name}" aria-live="polite"></output>
      <input type="range" id="${id}-${name}" name="${name}" min="${min}" max="${max}" step="${step}">
    </div>`;

  const skeleton = (id) => `
    <div class="ae-presets" role="group" aria-label="Settings to start from">
      ${Object.keys(PRESETS).map((name) => `<button type="button" data-preset="${name}" aria-pressed="false">${name.replace("<", "&lt;")}</button>`).join("")}
      <button type="button" data-reset>Reset</button>
    </div>
    <div class="ae-body">
      <div class="ae-figure">
        <svg viewBox="0 0 ${BOX.width} ${BOX.height}" role="img" aria-labelledby="${id}-title ${id}-desc">
          <title id="${id}-title">The activation Φ against u</title><desc id="${id}-desc"></desc>
          <g data-part="frame"></g><polyline class="ae-soft"/><path class="ae-phi"/>
          <g data-part="kinks"></g><g data-part="names"></g>
          <polyline class="ae-guide"/><circle class="ae-marker" r="8"/>
        </svg>
        <p class="ae-key"><span class="ae-key-phi">Φ(u)</span> <span class="ae-key-soft">soft threshold τ<sub>1</sub> + τ<sub>2</sub></span> <span class="ae-key-identity">identity</span></p>
        ${slider({ name: "u", label: "u", hint: "drag the dot or this slider", min: -6, max: 6, step: 0.05 }, id)}
      </div>
      <div class="ae-panel">${CONTROLS.map((control) => slider(control, id)).join("")}
        <p class="ae-taus" data-part="taus"></p><p class="ae-regime" data-part="regime"></p></div>
    </div>
    <table class="ae-table"><caption>The five pieces of Φ</caption>
      <thead><tr><th scope="col">u from</th><th scope="col">to</th><th scope="col">Φ(u)</th></tr></thead>
      <tbody></tbody></table>`;

  const STYLE = `
activation-explorer { display: block; container-type: inline-size; margin: 1rem 0; max-width: 56rem;
  --ae-ink: #1b1f24; --ae-soft-ink: #57606a; --ae-rule: #d5dae0; --ae-phi: #0072b2; --ae-mark: #b84e00; --ae-tint: #eaf3fa;
  --ae-paper: var(--pst-color-background, var(--jp-layout-color0, #fff));
  color: var(--ae-ink); background: var(--ae-paper); font-size: 1rem; line-height: 1.45; }
html[data-theme="dark"] activation-explorer, body[data-jp-theme-light="false"] activation-explorer, body.vscode-dark activation-explorer {
  --ae-ink: #e8ebef; --ae-soft-ink: #a9b3be; --ae-rule: #3d4651; --ae-phi: #56b4e9; --ae-mark: #f2a65a; --ae-tint: #1d2b38; }
html[data-theme="dark"] div.cell_output .text_html:has(activation-explorer) { background: none !important; padding: 0 !important; }
activation-explorer .ae-body { display: grid; gap: 1rem 1.75rem; align-items: start; }
@container (min-width: 40rem) { activation-explorer .ae-body { grid-template-columns: minmax(0, 1.35fr) minmax(14rem, 1fr); } }
activation-explorer .ae-presets { display: flex; flex-wrap: wrap; gap: .4rem; margin: 0 0 .75rem; }
activation-explorer button { font: inherit; font-size: .875rem; color: var(--ae-ink); background: var(--ae-paper); cursor: pointer;
  border: 1px solid var(--ae-soft-ink); border-radius: 1rem; padding: .25rem .8rem; min-height: 2rem; }
activation-explorer button:hover { background: var(--ae-tint); }
activation-explorer button[aria-pressed="true"] { background: var(--ae-tint); border-color: var(--ae-phi); box-shadow: inset 0 0 0 1px var(--ae-phi); font-weight: 600; }
activation-explorer button[data-reset] { border-style: dashed; }
activation-explorer :is(button, input):focus-visible { outline: 3px solid var(--ae-mark); outline-offset: 2px; border-radius: 1rem; }
activation-explorer svg { display: block; width: 100%; height: auto; touch-action: pan-y; cursor: ew-resize; overflow: visible; }
activation-explorer svg text { font-family: inherit; fill: var(--ae-soft-ink); font-size: 14px; }
activation-explorer sub { line-height: 0; }
@container (max-width: 26rem) { activation-explorer svg text.ae-tick { font-size: 17px; } activation-explorer svg text.ae-name { font-size: 19px; } activation-explorer svg text.ae-plateau { font-size: 22px; } }
activation-explorer svg .ae-name { font-style: italic; font-size: 16px; fill: var(--ae-ink); }
activation-explorer svg .ae-plateau { fill: var(--ae-phi); font-size: 18px; font-weight: 700; paint-order: stroke; stroke: var(--ae-paper); stroke-width: 5px; stroke-linejoin: round; }
activation-explorer svg :is(line, polyline, path) { fill: none; vector-effect: non-scaling-stroke; }
activation-explorer .ae-grid { stroke: var(--ae-rule); stroke-width: 1; opacity: .7; }
activation-explorer .ae-axis { stroke: var(--ae-soft-ink); stroke-width: 1.2; }
activation-explorer .ae-identity { stroke: var(--ae-soft-ink); stroke-width: 1.2; stroke-dasharray: 7 5; }
activation-explorer .ae-soft { stroke: var(--ae-soft-ink); stroke-width: 2; stroke-dasharray: 1 5; stroke-linecap: round; }
activation-explorer .ae-phi { stroke: var(--ae-phi); stroke-width: 3.5; stroke-linejoin: round; }
activation-explorer .ae-kink { fill: var(--ae-paper); stroke: var(--ae-phi); stroke-width: 2.5; }
activation-explorer .ae-guide { stroke: var(--ae-mark); stroke-width: 1.5; stroke-dasharray: 3 3; }
activation-explorer .ae-marker { fill: var(--ae-mark); stroke: var(--ae-paper); stroke-width: 2.5; }
activation-explorer p.ae-key { display: flex; flex-wrap: wrap; gap: .1rem 1.1rem; margin: .25rem 0 .5rem; font-size: .85rem; color: var(--ae-soft-ink); }
activation-explorer .ae-key span::before { content: ""; display: inline-block; width: 1.6em; margin-right: .4em; vertical-align: middle; border-top: 3px solid var(--ae-phi); }
activation-explorer .ae-key .ae-key-soft::before { border-top: 2px dotted var(--ae-soft-ink); }
activation-explorer .ae-key .ae-key-identity::before { border-top: 1.5px dashed var(--ae-soft-ink); }
activation-explorer .ae-control { display: grid; grid-template-columns: 1fr auto; column-gap: .75rem; margin: 0 0 .55rem; }
activation-explorer .ae-control label { margin: 0; }
activation-explorer .ae-control label span { color: var(--ae-soft-ink); font-size: .85rem; }
activation-explorer .ae-control output { font-variant-numeric: tabular-nums; font-weight: 600; text-align: right; padding: 0; color: inherit; }
activation-explorer input[type="range"] { grid-column: 1 / -1; width: 100%; height: 1.75rem; margin: 0; accent-color: var(--ae-phi); cursor: pointer; }
activation-explorer input[name="u"] { accent-color: var(--ae-mark); }
activation-explorer output[data-for="u"] { color: var(--ae-mark); }
activation-explorer p.ae-taus { margin: .4rem 0 .6rem; font-variant-numeric: tabular-nums; }
activation-explorer p.ae-regime { margin: 0; padding: .5rem .75rem; background: var(--ae-tint); border-left: 3px solid var(--ae-phi); min-height: 4.4em; }
activation-explorer table.ae-table { width: 100%; max-width: 36rem; margin: 1rem 0 0; border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; color: inherit; }
activation-explorer table.ae-table caption { caption-side: top; text-align: left; padding: 0 0 .25rem; color: var(--ae-soft-ink); }
activation-explorer table.ae-table :is(th, td) { text-align: right; padding: .25rem .75rem; border: 0; border-bottom: 1px solid var(--ae-rule); background: none; color: inherit; width: 33%; }
activation-explorer table.ae-table tr[aria-current] td { background: var(--ae-tint); font-weight: 600; }
activation-explorer table.ae-table tr.ae-empty td { color: var(--ae-soft-ink); font-style: italic; }
@media print { activation-explorer :is(input, .ae-presets) { display: none !important; } activation-explorer { break-inside: avoid; } }
@media (prefers-reduced-motion: no-preference) { activation-explorer button { transition: background-color .15s; } }
@media (forced-colors: active) { activation-explorer .ae-phi { stroke: Highlight; } activation-explorer .ae-marker { fill: Highlight; } }`;

  function dress(element) {
    const root = element.getRootNode();
    const place = root instanceof ShadowRoot ? root : document.head;
    if (place.querySelector("style[data-activation-explorer]")) return;
    const style = document.createElement("style");
    style.dataset.activationExplorer = "";
    style.textContent = STYLE;
    place.append(style);
  }

  // ---- the element --------------------------------------------------------------------------
  let count = 0;

  function makeElement() {
    return class ActivationExplorer extends HTMLElement {
      static observedAttributes = NAMES;

      state = Object.fromEntries(CONTROLS.map(({ name, value }) => [name, value]));
      u = 1.5;
      span = 6;

      attributeChangedCallback(name, _, text) {
        const value = Number.parseFloat(text);
        if (valid(name, value)) this.set({ [name]: value });
      }

      connectedCallback() {
        if (this.built) return;
        this.built = true;
        dress(this);
        this.innerHTML = skeleton(`ae-${++count}`);
        this.initial = { ...this.state };
        this.addEventListener("input", ({ target }) => {
          if (target.name === "u") this.mark(Number(target.value));
          else if (NAMES.includes(target.name)) this.choose({ [target.name]: Number(target.value) });
        });
        this.addEventListener("click", ({ target }) => {
          const button = target.closest("button");
          if (button) this.choose(PRESETS[button.dataset.preset] ?? this.initial);
        });
        this.followPointer(this.querySelector("svg"));
        this.draw();
      }

      // Set by the page or by Python: redraw, tell nobody.
      set(values) {
        Object.assign(this.state, values);
        if (this.built) this.draw();
      }

      // Set by the reader: redraw and tell Python.
      choose(values) {
        this.set(values);
        this.dispatchEvent(new CustomEvent("explorer-change", { detail: { ...this.state }, bubbles: true }));
      }

      mark(u) {
        this.u = u;
        this.draw();
      }

      followPointer(svg) {
        const move = ({ clientX }) => {
          const box = svg.getBoundingClientRect();
          const u = scales(this.span).u(((clientX - box.left) / box.width) * BOX.width);
          this.mark(Math.round(u * 20) / 20);
        };
        svg.addEventListener("pointerdown", (event) => { svg.setPointerCapture(event.pointerId); move(event); });
        svg.addEventListener("pointermove", (event) => { if (svg.hasPointerCapture(event.pointerId)) move(event); });
      }

      draw() {
        const { lambda1, lambda2, g, hbar, c } = this.state;
        const [tau1, tau2] = [(lambda1 * g) / c, (lambda2 * g) / c];
        const list = pieces(hbar, tau1, tau2);
        // Widen in steps of two, so that the curve and not the paper moves under the hand.
        this.span = 6;
        while (this.span < Math.max(-list[0].to, list[4].from) + 0.4 && this.span < 1e6) this.span *= 2;
        this.u = clamp(this.u, -this.span, this.span);
        this.drawCurve(hbar, tau1, tau2);
        this.drawMarker(prox(this.u, hbar, tau1, tau2));
        this.write(list, hbar, tau1, tau2);
      }

      drawCurve(hbar, tau1, tau2) {
        const [scale, { span }] = [scales(this.span), this];
        const at = kinks(hbar, tau1, tau2);
        const curve = [-span, ...at, span].map((u) => [u, prox(u, hbar, tau1, tau2)]);
        const reach = Math.min(tau1 + tau2, span);
        const flat = [-span, -reach, reach, span].map((u) => [u, soft(u, tau1 + tau2)]);
        const part = (name) => this.querySelector(`[data-part="${name}"]`);
        part("frame").innerHTML = frame(span, scale);
        part("names").innerHTML = names(hbar, tau1, tau2, scale);
        part("kinks").innerHTML = at.map((u) => `<circle class="ae-kink" r="4.5" cx="${scale.x(u)}" cy="${scale.y(prox(u, hbar, tau1, tau2))}"/>`).join("");
        this.querySelector(".ae-soft").setAttribute("points", path(flat, scale).slice(1).replaceAll("L", " "));
        this.querySelector(".ae-phi").setAttribute("d", path(curve, scale));
      }

      drawMarker(value) {
        const scale = scales(this.span);
        const guide = [[this.u, 0], [this.u, value], [0, value]];
        this.querySelector(".ae-guide").setAttribute("points", path(guide, scale).slice(1).replaceAll("L", " "));
        const dot = this.querySelector(".ae-marker");
        dot.setAttribute("cx", scale.x(this.u));
        dot.setAttribute("cy", scale.y(value));
      }

      write(list, hbar, tau1, tau2) {
        const value = prox(this.u, hbar, tau1, tau2);
        const words = regime(hbar, tau1, tau2);
        for (const input of this.querySelectorAll("input")) this.writeControl(input, value);
        for (const button of this.querySelectorAll("[data-preset]")) {
          const preset = PRESETS[button.dataset.preset];
          button.setAttribute("aria-pressed", String(NAMES.every((name) => preset[name] === this.state[name])));
        }
        this.querySelector('[data-part="taus"]').innerHTML =
          `τ<sub>1</sub> = λ<sub>1</sub>g/c = <b>${number(tau1)}</b> &emsp; τ<sub>2</sub> = λ<sub>2</sub>g/c = <b>${number(tau2)}</b>`;
        this.querySelector('[data-part="regime"]').textContent = words;
        this.querySelector("desc").textContent =
          `A rising curve with flat pieces at 0 and at ħ = ${number(hbar)}. ${words} The table below gives its pieces.`;
        const here = list.findIndex((piece) => !piece.empty && this.u <= piece.to);
        this.querySelector("tbody").innerHTML = list.map((piece, i) =>
          `<tr${i === here ? ' aria-current="true"' : ""}${piece.empty ? ' class="ae-empty"' : ""}><td>${number(piece.from)}</td><td>${number(piece.to)}</td><td>${piece.empty ? "no width" : formula(piece, hbar)}</td></tr>`).join("");
      }

      writeControl(input, value) {
        const shown = input.name === "u" ? this.u : this.state[input.name];
        if (input.name === "u") [input.min, input.max] = [-this.span, this.span];
        // A value from Python may lie beyond the slider: the slider gives way, the value stays.
        if (shown < Number(input.min)) input.min = shown;
        if (shown > Number(input.max)) input.max = shown;
        if (Number(input.value) !== shown) input.value = shown;
        const words = input.name === "u" ? `Φ(${number(shown)}) = ${number(value)}` : number(shown);
        const output = this.querySelector(`output[data-for="${input.name}"]`);
        if (output.textContent !== words) output.textContent = words;
        input.setAttribute("aria-valuetext", words);
      }
    };
  }

  if (typeof HTMLElement !== "undefined" && !customElements.get("activation-explorer")) {
    customElements.define("activation-explorer", makeElement());
  }

  // ---- the live notebook --------------------------------------------------------------------
  function render({ model, el }) {
    const explorer = document.createElement("activation-explorer");
    explorer.set(Object.fromEntries(NAMES.map((name) => [name, model.get(name)])));
    explorer.addEventListener("explorer-change", ({ detail }) => {
      for (const name of NAMES) model.set(name, detail[name]);
      model.save_changes();
    });
    const follow = () => explorer.set(Object.fromEntries(NAMES.map((name) => [name, model.get(name)])));
    for (const name of NAMES) model.on(`change:${name}`, follow);
    el.append(explorer);
    return () => { for (const name of NAMES) model.off(`change:${name}`, follow); };
  }

  return { prox, pieces, render };
})();

export default { render };
