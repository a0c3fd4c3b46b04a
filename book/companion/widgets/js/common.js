// Shared by all explorers: words, controls, axes, one style and the element itself. It precedes the
// module of each explorer, so it imports and exports nothing: it declares `common`.

const common = (() => {
  // ---- numbers ------------------------------------------------------------------------------
  const clamp = (x, low, high) => Math.max(low, Math.min(high, x));

  // The text of a number: whole ones in full, others with three digits, and a true minus.
  function number(x, digits = 3) {
    if (Number.isNaN(x)) return "none";
    if (!Number.isFinite(x)) return x > 0 ? "∞" : "−∞";
    const size = Math.abs(x);
    const whole = size < 1e7 && (Number.isInteger(x) || size >= 10 ** (digits - 1));
    const far = size >= 1e7 || (size > 0 && size < 1e-3);
    const text = whole ? String(Math.round(size)) : far ? size.toExponential(digits - 1).replace(/\.?0*e/, "e") : String(Number(size.toPrecision(digits)));
    return (x < 0 && Number(text) ? "−" : "") + text.replace("e+", "e").replace("e-", "e−");
  }

  const escaped = (text) => String(text).replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);

  // Φ in closed form, (6)–(7): the minimiser of τ1|v| + τ2|v − ħ| + (v − u)²/2.
  function prox(u, hbar, tau1, tau2) {
    const reach = tau1 + tau2;
    const middle = clamp(u - Math.sign(hbar) * (tau1 - tau2), Math.min(0, hbar), Math.max(0, hbar));
    return Math.max(u - reach, Math.min(middle, u + reach));
  }

  // ---- controls, as HTML ----------------------------------------------------------------------
  // `label` and `hint` are HTML. A slider has its value as text in its `output`; screen readers take
  // it from the slider itself, so the output is no live region.
  const slider = ({ name, label, hint = "", min = 0, max = 1, step = "any" }, id) => `
    <div class="ue-control">
      <label for="${id}-${name}"><b>${label}</b> <span>${hint}</span></label>
      <output for="${id}-${name}" data-for="${name}" aria-live="off"></output>
      <input type="range" id="${id}-${name}" name="${name}" min="${min}" max="${max}" step="${step}">
    </div>`;

  // A row of buttons: <button data-ATTRIBUTE="NAME">NAME</button>; presets know how to reset.
  const buttons = (names, attribute = "preset", label = "Settings to start from") => `
    <div class="ue-row" role="group" aria-label="${label}">
      ${names.map((name) => `<button type="button" data-${attribute}="${escaped(name)}" aria-pressed="false">${escaped(name)}</button>`).join("")}
      ${attribute === "preset" ? '<button type="button" data-reset>Reset</button>' : ""}
    </div>`;

  // `options`: names, or pairs [value, text].
  const choice = ({ name, label, options }, id) => `
    <p class="ue-choice"><label for="${id}-${name}">${label}</label>
      <select id="${id}-${name}" name="${name}">${options.map((option) => {
        const [value, text] = Array.isArray(option) ? option : [option, option];
        return `<option value="${escaped(value)}">${escaped(text)}</option>`;
      }).join("")}</select></p>`;

  // ---- small charts, as SVG ---------------------------------------------------------------------
  // A scale from values to pixels, straight or logarithmic; `.back` leads from pixels to values.
  function scale([low, high], [from, to], log = false) {
    const [warp, unwarp] = log ? [Math.log, Math.exp] : [(v) => v, (v) => v];
    const [first, last] = [warp(low), warp(high)];
    const place = (value) => from + ((warp(value) - first) / (last - first || 1)) * (to - from);
    place.back = (pixel) => unwarp(first + clamp((pixel - from) / (to - from), 0, 1) * (last - first));
    return place;
  }

  // Some `count` round values between low and high, no closer than `least`.
  function ticks(low, high, count = 6, least = 0) {
    const rough = (high - low) / count;
    const tens = 10 ** Math.floor(Math.log10(rough));
    const step = Math.max(least, tens * [1, 2, 5, 10].find((nice) => nice * tens >= rough * 0.999));
    const first = Math.ceil(low / step - 1e-9);
    return Array.from({ length: Math.max(0, Math.floor(high / step + 1e-9) - first + 1) }, (_, i) => (first + i) * step);
  }

  const rounded = (pixel) => Number(pixel.toFixed(2));

  // Grid, tick labels and names of both axes in a box {left, right, top, bottom}.
  function axes(box, { x, y, xTicks, yTicks, xName = "", yName = "", xText = number, yText = number }) {
    const line = (x1, y1, x2, y2, zero) =>
      `<line class="${zero ? "ue-axis" : "ue-grid"}" x1="${rounded(x1)}" y1="${rounded(y1)}" x2="${rounded(x2)}" y2="${rounded(y2)}"/>`;
    const text = (kind, at, down, anchor, words) =>
      `<text class="${kind}" x="${rounded(at)}" y="${rounded(down)}" text-anchor="${anchor}">${words}</text>`;
    return xTicks.map((tick) => line(x(tick), box.top, x(tick), box.bottom, tick === 0) + text("ue-tick", x(tick), box.bottom + 18, "middle", xText(tick))).join("") +
      yTicks.map((tick) => line(box.left, y(tick), box.right, y(tick), tick === 0) + text("ue-tick", box.left - 7, y(tick) + 5, "end", yText(tick))).join("") +
      text("ue-name", box.right, box.bottom + 39, "end", xName) + text("ue-name", 2, box.top - 11, "start", yName);
  }

  // The `d` of a line through [value, value] pairs; a NaN leaves a gap.
  function path(points, { x, y }) {
    let pen = "M";
    return points.map(([u, v]) => {
      if (Number.isNaN(u) || Number.isNaN(v) || v === null) { pen = "M"; return ""; }
      const step = `${pen}${rounded(x(u))},${rounded(y(v))}`;
      pen = "L";
      return step;
    }).join("");
  }

  // Follow a pointer that drags over an SVG: move({x, y} in its own units, event). A finger drags
  // after a horizontal movement or where touch-action is "none"; a vertical movement scrolls the page.
  function drag(svg, move, { start = () => {}, end = () => {} } = {}) {
    const INTENT = 8; // CSS pixels
    let [first, dragging] = [null, false];
    const place = ({ clientX, clientY }) => {
      const [box, view] = [svg.getBoundingClientRect(), svg.viewBox.baseVal];
      return { x: ((clientX - box.left) / box.width) * view.width, y: ((clientY - box.top) / box.height) * view.height };
    };
    const begin = (event) => {
      svg.setPointerCapture(event.pointerId);
      start(place(first), first);
      [first, dragging] = [null, true];
      move(place(event), event);
    };
    svg.addEventListener("pointerdown", (event) => {
      first = event;
      if (event.pointerType !== "touch" || getComputedStyle(event.target).touchAction === "none") begin(event);
    });
    svg.addEventListener("pointermove", (event) => {
      if (first) {
        const [across, down] = [Math.abs(event.clientX - first.clientX), Math.abs(event.clientY - first.clientY)];
        if (down >= INTENT && down > across) first = null;
        else if (across >= INTENT) begin(event);
      } else if (dragging && svg.hasPointerCapture(event.pointerId)) move(place(event), event);
    });
    // A tap, without a movement.
    svg.addEventListener("pointerup", (event) => { if (first) { begin(event); svg.releasePointerCapture(event.pointerId); } });
    svg.addEventListener("pointercancel", () => { first = null; });
    svg.addEventListener("lostpointercapture", () => {
      if (dragging) end();
      dragging = false;
    });
  }

  // ---- frames in whole grey levels ----------------------------------------------------------------
  // Bytes from their text: first which are not zero, a bit each, then those that are not.
  function unpack(text, count) {
    const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    let next = Math.ceil(count / 8);
    return Uint8Array.from({ length: count }, (_, i) => ((bytes[i >> 3] >> (7 - (i & 7))) & 1 ? bytes[next++] : 0));
  }

  // The PSNR of a frame in dB, as unfolded.metrics averages for "authors". An empty frame has none.
  function psnr(truth, frame) {
    if (!truth.some(Boolean)) return NaN;
    const error = truth.reduce((sum, level, i) => sum + (level - frame[i]) ** 2, 0);
    return error ? 10 * Math.log10((255 ** 2 * truth.length) / error) : 100;
  }

  const decibel = (value, digits = 1) => (Number.isFinite(value) ? `${value.toFixed(digits)} dB` : "–");

  // A frame on a canvas, one pixel each; the default is a square.
  function paint(canvas, frame, width = Math.sqrt(frame.length)) {
    canvas.width = width;
    canvas.height = frame.length / width;
    const image = new ImageData(canvas.width, canvas.height);
    image.data.forEach((_, i) => { image.data[i] = i % 4 === 3 ? 255 : frame[i >> 2]; });
    canvas.getContext("2d").putImageData(image, 0, 0);
  }

  // ---- one style --------------------------------------------------------------------------------
  // Colours and dashes by network are those of STYLES in line_plots.py, lighter in the dark.
  const NETWORKS = ["reweighted-rnn", "l1-l1-rnn", "sista-rnn", "srnn", "lstm", "gru", "indrnn", "fastrnn", "spectralrnn"];
  const LIGHT = ["#d55e00", "#0072b2", "#009e73", "#cc79a7", "#8c6d00", "#222222", "#56b4e9", "#a65628", "#7a4fbf"];
  const DARK = ["#f08a4b", "#56b4e9", "#3cc79b", "#e6a3c6", "#d3b54d", "#e8ebef", "#a9dcfa", "#dba27c", "#bda2f0"];
  const DASHES = ["none", "9 5", "9 4 2 4", "2 4", "12 3 3 3 3 3", "14 4", "none", "9 5", "9 4 2 4"];
  const named = (colours) => colours.map((colour, i) => `--ue-c${i}: ${colour};`).join(" ");

  const STYLE = `
.ue { display: block; container-type: inline-size; margin: 1rem 0; max-width: 56rem;
  --ue-ink: #1b1f24; --ue-soft: #57606a; --ue-rule: #d5dae0; --ue-main: #0072b2; --ue-mark: #b3134e; --ue-tint: #eaf3fa;
  --ue-paper: var(--pst-color-background, var(--jp-layout-color0, #fff)); ${named(LIGHT)}
  color: var(--ue-ink); background: var(--ue-paper); font-size: 1rem; line-height: 1.45; }
html[data-theme="dark"] .ue, body[data-jp-theme-light="false"] .ue, body.vscode-dark .ue {
  --ue-ink: #e8ebef; --ue-soft: #a9b3be; --ue-rule: #3d4651; --ue-main: #56b4e9; --ue-mark: #ff9ab8; --ue-tint: #1d2b38; ${named(DARK)} }
html[data-theme="dark"] div.cell_output .text_html:has(.ue) { background: none !important; padding: 0 !important; }
.ue *, .ue *::before { box-sizing: border-box; }
.ue .ue-body { display: grid; gap: 1rem 1.75rem; align-items: start; grid-template-columns: minmax(0, 1fr); }
@container (min-width: 40rem) { .ue .ue-body { grid-template-columns: minmax(0, 1.35fr) minmax(14rem, 1fr); } }
.ue .ue-row { display: flex; flex-wrap: wrap; gap: .4rem; margin: 0 0 .75rem; }
.ue :is(button, select) { font: inherit; font-size: .875rem; color: var(--ue-ink); background: var(--ue-paper); cursor: pointer;
  border: 1px solid var(--ue-soft); border-radius: 1rem; padding: .25rem .8rem; min-height: 2rem; max-width: 100%; }
.ue button:hover { background: var(--ue-tint); }
.ue button:disabled { color: var(--ue-soft); border-style: dotted; cursor: default; }
.ue button[aria-pressed="true"] { background: var(--ue-tint); border-color: var(--ue-main); box-shadow: inset 0 0 0 1px var(--ue-main); font-weight: 600; }
.ue button[data-reset] { border-style: dashed; }
.ue :is(button, input, select, summary, [tabindex]):focus-visible { outline: 3px solid var(--ue-mark); outline-offset: 2px; border-radius: 1rem; }
.ue p.ue-choice { display: flex; flex-wrap: wrap; gap: .2rem .6rem; align-items: center; margin: 0 0 .4rem; }
.ue label { margin: 0; }
.ue label:has(> input[type="checkbox"]) { display: inline-flex; align-items: center; gap: .4rem; min-height: 1.75rem; }
.ue input[type="checkbox"] { width: 1.5rem; height: 1.5rem; margin: 0; flex: none; accent-color: var(--ue-main); }
.ue summary { padding: .2rem 0; cursor: pointer; }
.ue .ue-control { display: grid; grid-template-columns: minmax(0, 1fr) auto; column-gap: .75rem; margin: 0 0 .45rem; }
.ue .ue-control label span { color: var(--ue-soft); font-size: .85rem; }
.ue .ue-control output { font-variant-numeric: tabular-nums; font-weight: 600; text-align: right; padding: 0; color: inherit; }
.ue input[type="range"] { grid-column: 1 / -1; width: 100%; height: 1.75rem; margin: 0; accent-color: var(--ue-main); cursor: pointer; }
.ue .ue-control[data-current] output { color: var(--ue-mark); }
.ue .ue-control[data-current] input { accent-color: var(--ue-mark); }
.ue svg:not(svg svg) { display: block; width: 100%; height: auto; overflow: visible; }
.ue svg.ue-drag { touch-action: pan-y; cursor: ew-resize; }
.ue :is(svg, canvas, .ue-row) { user-select: none; -webkit-user-select: none; }
.ue canvas { display: block; width: 100%; height: auto; image-rendering: pixelated; }
.ue :is(sub, sup) { line-height: 0; }
.ue svg text { font-family: inherit; fill: var(--ue-soft); font-size: calc(13px * var(--ue-unit, 1)); }
.ue svg .ue-name { font-size: calc(14px * var(--ue-unit, 1)); fill: var(--ue-ink); }
.ue svg :is(line, polyline, path.ue-line) { fill: none; vector-effect: non-scaling-stroke; }
.ue svg .ue-grid { stroke: var(--ue-rule); stroke-width: 1; opacity: .7; }
.ue svg .ue-axis { stroke: var(--ue-soft); stroke-width: 1.2; }
.ue svg .ue-marker { stroke: var(--ue-mark); stroke-width: 2; stroke-dasharray: 3 3; }
.ue svg .ue-line { stroke: var(--ue-colour, var(--ue-main)); stroke-width: 3; stroke-linejoin: round; stroke-dasharray: var(--ue-dash, none); }
.ue svg .ue-dot { fill: var(--ue-colour, var(--ue-main)); stroke: var(--ue-paper); stroke-width: 2; }
${NETWORKS.map((name, i) => `.ue [data-network="${name}"] { --ue-colour: var(--ue-c${i}); --ue-dash: ${DASHES[i]}; }`).join("\n")}
.ue svg.ue-swatch { display: inline-block; width: 34px; height: 8px; vertical-align: middle; }
.ue p.ue-words { margin: .5rem 0 0; padding: .5rem .75rem; background: var(--ue-tint); border-left: 3px solid var(--ue-main); }
.ue p.ue-note { margin: .5rem 0 0; font-size: .9rem; color: var(--ue-soft); }
.ue p.ue-key { display: flex; flex-wrap: wrap; gap: .1rem 1.1rem; margin: .25rem 0 .5rem; font-size: .85rem; color: var(--ue-soft); }
.ue .ue-wide { overflow-x: auto; }
.ue table.ue-table { width: 100%; margin: 1rem 0 0; border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; color: inherit; }
.ue table.ue-table caption { caption-side: top; text-align: left; padding: 0 0 .25rem; color: var(--ue-soft); }
.ue table.ue-table :is(th, td) { text-align: left; padding: .25rem .5rem; border: 0; border-bottom: 1px solid var(--ue-rule); background: none; color: inherit; font-weight: 400; white-space: normal; }
.ue table.ue-table thead th { font-weight: 600; }
.ue table.ue-table tr:is([aria-current], .ue-best) :is(th, td) { background: var(--ue-tint); font-weight: 600; }
.ue .ue-strip { display: grid; gap: 0 1.25rem; grid-template-columns: repeat(2, minmax(0, 1fr)); }
.ue .ue-strip .ue-control { margin: 0; align-content: end; }
@container (min-width: 34rem) { .ue .ue-strip { grid-template-columns: repeat(3, minmax(0, 1fr)); } }
@container (max-width: 30rem) { .ue .ue-control label span { display: none; } .ue .ue-row { gap: .3rem; margin-bottom: .4rem; } .ue .ue-row button { padding: .15rem .55rem; } }
.ue .ue-hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
@media print { .ue :is(input, .ue-row, .ue-choice, button) { display: none !important; } .ue { break-inside: avoid; } }
@media (prefers-reduced-motion: no-preference) { .ue button { transition: background-color .15s; } }
@media (forced-colors: active) { .ue svg .ue-line { stroke: CanvasText; } .ue svg :is(.ue-marker, .ue-dot) { stroke: Highlight; } }`;

  // The shared style and the explorer's own, once for each document or shadow root.
  function dress(element, tag, css = "") {
    const root = element.getRootNode();
    const place = root instanceof ShadowRoot ? root : document.head;
    for (const [name, text] of [["common", STYLE], [tag, css]]) {
      if (place.querySelector(`style[data-explorer="${name}"]`)) continue;
      const style = document.createElement("style");
      style.dataset.explorer = name;
      style.textContent = text;
      place.append(style);
    }
    element.classList.add("ue");
  }

  // ---- the element --------------------------------------------------------------------------------
  let count = 0;

  // A subclass has
  //   static fields = { name: { value, valid(value) } }   its state; attributes and traits by name
  //   static presets = { name: values }, static css
  //   skeleton(id), draw(), and where needed start() after each build,
  //   words(name, value), and position(name, value) with value(name, position) for sliders that
  //   do not stand at the value itself.
  // `this.state` holds the fields, `this.data` the JSON that came inside the element or by a trait.
  const base = (tag) => class extends HTMLElement {
    static css = "";
    static presets = {};
    static get observedAttributes() { return Object.keys(this.fields).map((name) => name.toLowerCase()); }

    static period = 300; // milliseconds per step while it plays

    state = Object.fromEntries(Object.entries(this.constructor.fields).map(([name, { value }]) => [name, value]));
    data = null;

    // Attributes lose their capitals in HTML: T is read from t.
    attributeChangedCallback(attribute, _, text) {
      this.set(this.typed(Object.keys(this.state).find((known) => known.toLowerCase() === attribute), text));
    }

    // The value of a field from a text.
    typed(name, text) {
      const kind = typeof this.constructor.fields[name].value;
      return { [name]: kind === "number" ? Number.parseFloat(text) : kind === "boolean" ? text.toLowerCase() === "true" : text };
    }

    connectedCallback() {
      if (this.built) return;
      if (document.readyState === "loading") {
        // What stands inside the element is not there yet.
        document.addEventListener("DOMContentLoaded", () => { if (this.isConnected) this.connectedCallback(); }, { once: true });
        return;
      }
      const json = this.querySelector('script[type="application/json"]');
      if (json) this.data = JSON.parse(json.textContent);
      dress(this, tag, this.constructor.css);
      this.built = true;
      const hear = ({ target }) => {
        if (!(target.name in this.state)) return;
        this.pause();
        this.choose({ [target.name]: this.read(target) });
      };
      this.addEventListener("input", hear);
      // Not every way to choose from a list sends "input".
      this.addEventListener("change", (event) => {
        const { target } = event;
        if (target.localName === "select" && target.value !== String(this.state[target.name])) hear(event);
      });
      this.addEventListener("click", ({ target }) => {
        const button = target.closest("[data-preset], [data-reset]");
        if (button) this.choose({ ...this.initial, ...this.constructor.presets[button.dataset.preset] });
        if (target.closest("[data-play]")) this.toggle();
      });
      this.build();
      this.initial = { ...this.state };
      if (!this.widget) {
        this.restore();
        addEventListener("hashchange", () => this.restore());
      }
    }

    disconnectedCallback() {
      this.pause();
    }

    build() {
      this.innerHTML = `${this.skeleton(`${tag}-${++count}`)}<p class="ue-hidden" role="status" aria-live="polite" data-part="live"></p>`;
      this.start();
      this.redraw();
      const pictures = new ResizeObserver((entries) => entries.forEach(({ target }) => this.measure(target)));
      for (const svg of this.querySelectorAll("svg[viewBox]:not(svg svg, .ue-swatch)")) pictures.observe(svg);
    }

    // Labels have one size on the screen, however large the picture is.
    measure(svg) {
      const { width } = svg.getBoundingClientRect();
      if (width) svg.style.setProperty("--ue-unit", rounded(svg.viewBox.baseVal.width / width));
    }

    // ---- the state in the address: #TAG?name=value&…, with the fields that differ from the start
    get key() {
      const same = [...document.getElementsByTagName(tag)].indexOf(this);
      return same ? `${tag}-${same + 1}` : tag;
    }

    restore() {
      const [key, query] = decodeURI(location.hash.slice(1)).split("?");
      if (key !== this.key) return;
      const values = [...new URLSearchParams(query)].filter(([name]) => name in this.state);
      this.set({ ...this.initial, ...Object.assign({}, ...values.map(([name, text]) => this.typed(name, text))) });
      this.scrollIntoView();
    }

    // After a change: the address, and one announcement. Both wait until the change is complete.
    settle() {
      clearTimeout(this.settling);
      this.settling = setTimeout(() => {
        if (this.timer || !this.isConnected) return;
        const changed = Object.entries(this.state).filter(([name, value]) => value !== this.initial?.[name]);
        const query = new URLSearchParams(changed.map(([name, value]) => [name, String(value)]));
        if (!this.widget) history.replaceState(history.state, "", `#${this.key}${changed.length ? `?${query}` : ""}`);
        this.announce();
      }, 400);
    }

    announce() {
      this.fill("live", escaped(this.summary()));
    }

    // What has changed, in a sentence.
    summary() {
      return this.querySelector('[data-part="words"]').textContent;
    }

    // ---- a sequence that plays: following() returns the values of the next step; slowly for readers who
    // want little motion
    toggle() {
      this.timer ? this.pause() : this.play();
    }

    play() {
      const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
      this.timer = setInterval(() => this.choose(this.following()), this.constructor.period * (calm ? 4 : 1));
      this.named();
    }

    pause() {
      if (!this.timer) return;
      clearInterval(this.timer);
      this.timer = null;
      this.named();
      this.settle();
    }

    named() {
      const button = this.querySelector("[data-play]");
      if (button) button.textContent = this.timer ? "Pause" : "Play";
    }

    // Set by the page or by Python: redraw, tell nobody. What a field cannot take is passed over.
    set(values) {
      for (const [name, value] of Object.entries(values)) {
        const field = this.constructor.fields[name];
        const fine = field && (typeof value !== "number" || Number.isFinite(value)) && (field.valid?.(value) ?? true);
        if (fine) this.state[name] = value;
      }
      const fresh = values.data && values.data !== this.data;
      if (fresh) this.data = values.data;
      if (this.built) fresh ? this.build() : this.redraw();
    }

    // Set by the reader: redraw and notify Python.
    choose(values) {
      this.set(values);
      this.settle();
      this.dispatchEvent(new CustomEvent("explorer-change", { detail: { ...this.state }, bubbles: true }));
    }

    start() {}
    words(name, value) { return typeof value === "number" ? number(value) : String(value); }
    position(name, value) { return value; }
    value(name, position) { return position; }

    read(control) {
      if (control.type === "checkbox") return control.checked;
      const kind = typeof this.constructor.fields[control.name].value;
      return kind === "number" ? this.value(control.name, Number(control.value)) : control.value;
    }

    redraw() {
      this.draw();
      for (const control of this.querySelectorAll("input, select")) if (control.name in this.state) this.write(control);
      for (const button of this.querySelectorAll("[data-preset]")) {
        const preset = Object.entries(this.constructor.presets[button.dataset.preset] ?? {});
        button.setAttribute("aria-pressed", String(preset.every(([name, value]) => this.state[name] === value)));
      }
    }

    write(control) {
      const value = this.state[control.name];
      if (control.type === "checkbox") { control.checked = value; return; }
      const position = this.position(control.name, value);
      if (control.type === "range") {
        // A value from Python may be beyond the slider: the slider is extended, the value is kept.
        if (position < Number(control.min)) control.min = Math.floor(position * 100) / 100;
        if (position > Number(control.max)) control.max = Math.ceil(position * 100) / 100;
        this.say(control, this.words(control.name, value));
      }
      if (control.value !== String(position)) control.value = position;
    }

    // The value of a slider as text, in its output and for screen readers.
    say(control, words) {
      const output = this.querySelector(`output[data-for="${control.name}"]`);
      if (output && output.textContent !== words) output.textContent = words;
      control.setAttribute("aria-valuetext", words);
    }

    // Fill a node by its data-part, and only where it changes: live text is read aloud once.
    fill(part, html) {
      const node = this.querySelector(`[data-part="${part}"]`);
      if (node.filled !== html) node.innerHTML = node.filled = html;
    }
  };

  // Where there is no browser (a test in Node) there is no element either.
  function define(tag, make) {
    if (typeof HTMLElement !== "undefined" && !customElements.get(tag)) customElements.define(tag, make(base(tag)));
  }

  // anywidget's `render`: the model's traits and the element's state stay in step.
  const render = (tag, names) => ({ model, el }) => {
    const all = model.get("data") ? [...names, "data"] : names;
    const explorer = document.createElement(tag);
    explorer.widget = true;
    const follow = () => explorer.set(Object.fromEntries(all.map((name) => [name, model.get(name)])));
    follow();
    explorer.addEventListener("explorer-change", ({ detail }) => {
      for (const name of names) model.set(name, detail[name]);
      model.save_changes();
    });
    for (const name of all) model.on(`change:${name}`, follow);
    el.append(explorer);
    return () => { for (const name of all) model.off(`change:${name}`, follow); };
  };

  return { clamp, number, prox, escaped, slider, buttons, choice, scale, ticks, axes, path, drag, unpack, psnr, decibel, paint, NETWORKS, dress, define, render };
})();
