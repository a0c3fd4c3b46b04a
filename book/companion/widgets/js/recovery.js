// The live figure on the cover: a digit moves, 51 numbers measure each frame, and a trained network
// and the solver that it unrolls recover the frame from them, in the browser alone.

const { halves, Recovery, scene, strokes, PRESETS } = (() => {
  const [SIDE, CANVAS, DIGIT] = [16, 64, 28];
  const [BLOCK, SPAN] = [CANVAS / SIDE, CANVAS - DIGIT];
  const ITERATIONS = [3, 300];
  const PATH = 0.1; // of the span per frame, as in the training sequences
  const PERIOD = 100; // milliseconds per frame
  const SLICE = 4; // milliseconds of iterations before the browser may draw
  const HISTORY = 8; // frames that build up the state after a change of network, memory or noise

  // ---- arithmetic ---------------------------------------------------------------------------
  // Half-precision numbers from a text with one character for each.
  function halves(text) {
    const power = Float64Array.from({ length: 31 }, (_, exponent) => 2 ** ((exponent || 1) - 25));
    const values = new Float32Array(text.length);
    for (let i = 0; i < text.length; i++) {
      const bits = text.charCodeAt(i);
      const exponent = (bits >> 10) & 31;
      const size = ((exponent ? 1024 : 0) + (bits & 1023)) * power[exponent];
      values[i] = bits & 0x8000 ? -size : size;
    }
    return values;
  }

  // y = W x, with W row by row; the number of columns is a multiple of four.
  function product(W, x, y) {
    const columns = x.length;
    for (let i = 0, at = 0; i < y.length; i++) {
      let a = 0, b = 0, c = 0, d = 0;
      for (let j = 0; j < columns; j += 4, at += 4) {
        a += W[at] * x[j];
        b += W[at + 1] * x[j + 1];
        c += W[at + 2] * x[j + 2];
        d += W[at + 3] * x[j + 3];
      }
      y[i] = a + b + c + d;
    }
  }

  // y += scale Wᵀ r
  function addTransposed(W, r, scale, y) {
    const columns = y.length;
    for (let i = 0, at = 0; i < r.length; i++) {
      const factor = scale * r[i];
      for (let j = 0; j < columns; j += 4, at += 4) {
        y[j] += factor * W[at];
        y[j + 1] += factor * W[at + 1];
        y[j + 2] += factor * W[at + 2];
        y[j + 3] += factor * W[at + 3];
      }
    }
  }

  // A network with its state and the solver that it unrolls. All buffers exist from the beginning.
  class Recovery {
    constructor({ depth, c, lipschitz, lambda1, lambda2, g, shapes, values }) {
      const all = halves(values);
      let at = 0;
      for (const [name, shape] of Object.entries(shapes)) {
        const size = shape.reduce((a, b) => a * b);
        this[name] = all.subarray(at, (at += size));
      }
      const [[n, n0], [, h]] = [shapes.A, shapes.D];
      Object.assign(this, { depth, c, lipschitz });
      this.layers = Array.from({ length: depth }, (_, l) => this.Z?.subarray(l * h * h, (l + 1) * h * h));
      const over = (lambda, step) => g.map((layer) => Float64Array.from(layer, (value) => (lambda * value) / step));
      this.thresholds = { layers: [over(lambda1, c), over(lambda2, c)], solver: [over(lambda1, lipschitz), over(lambda2, lipschitz)] };
      this.M = new Float64Array(n * h); // AD, row by row: a row is Dᵀ times a row of A
      for (let i = 0; i < n; i++) addTransposed(this.D, this.A.subarray(i * n0, (i + 1) * n0), 1, this.M.subarray(i * h, (i + 1) * h));
      const vector = (length) => new Float64Array(length);
      [this.pixels, this.x, this.normal, this.residual] = [vector(n0), vector(n), vector(n), vector(n)];
      [this.hbar, this.gradient, this.code] = [vector(h), vector(h), vector(h)];
      this.codes = Array.from({ length: depth + 1 }, () => vector(h));
      this.previous = Float64Array.from(this.h0);
    }

    // x = A s + noise, with a standard deviation relative to the root mean square of A s.
    measure(noise = 0) {
      const { x, normal } = this;
      product(this.A, this.pixels, x);
      let sum = 0;
      for (let i = 0; i < x.length; i++) sum += x[i] ** 2;
      const deviation = noise * Math.sqrt(sum / x.length);
      for (let i = 0; i < x.length; i++) x[i] += deviation * normal[i];
    }

    // An iteration of Algorithm 1 in place: v = Z (h + Mᵀ(x − M h)/c), then Φ.
    step(h, x, hbar, c, a, b, Z) {
      const { M, residual, gradient } = this;
      product(M, h, residual);
      for (let i = 0; i < x.length; i++) residual[i] = x[i] - residual[i];
      addTransposed(M, residual, 1 / c, h);
      if (Z) {
        product(Z, h, gradient);
        h.set(gradient);
      }
      for (let j = 0; j < h.length; j++) h[j] = common.prox(h[j], hbar[j], a[j], b[j]);
    }

    // The codes of the frame in `pixels` after 0, 1, … layers; the first one is ħ = G h_{t−1}.
    run(noise = 0) {
      this.measure(noise);
      product(this.G, this.previous, this.hbar);
      this.codes[0].set(this.hbar);
      const [a, b] = this.thresholds.layers;
      for (let l = 0; l < this.depth; l++) {
        this.codes[l + 1].set(this.codes[l]);
        this.step(this.codes[l + 1], this.x, this.hbar, this.c, a[l], b[l], this.layers[l]);
      }
    }

    // Iterations of the solver on h, for the same x and ħ, with Z = I and the last g.
    iterate(h, count, x = this.x, hbar = this.hbar) {
      const [a, b] = this.thresholds.solver;
      for (let k = 0; k < count; k++) this.step(h, x, hbar, this.lipschitz, a[this.depth - 1], b[this.depth - 1]);
    }

    // Advance to the next frame; without memory, each frame is the first one.
    next(memory = true) {
      this.previous.set(memory ? this.codes[this.depth] : this.h0);
      // Standard normal numbers by Box and Muller.
      for (let i = 0; i < this.normal.length; i++) this.normal[i] = Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());
    }
  }

  // ---- the digit and its frames -----------------------------------------------------------------
  // Control points of the strokes, in pixels of 28×28: each digit fills the box of 20×20 of MNIST.
  const PRESETS = {
    0: [[[14, 4.5], [9.5, 8], [8.3, 14], [9.5, 20], [14, 23.5], [18.5, 20], [19.7, 14], [18.5, 8], [14, 4.5]]],
    2: [[[8.8, 9], [10.5, 5.6], [14.5, 4.5], [18.6, 7], [18.4, 11], [14, 16.5], [8.5, 22.8]], [[8.5, 22.8], [14, 22.6], [20, 22.8]]],
    3: [[[8.8, 6.8], [13, 4.5], [17.8, 6.2], [17.6, 10.5], [13, 13]], [[13, 13], [18, 14.8], [19.2, 19], [15.8, 23], [11, 23.2], [8.3, 21]]],
    5: [[[19, 5], [10.5, 5]], [[10.5, 5], [9.6, 12.8]], [[9.6, 12.8], [14, 11.5], [18.5, 14], [18.9, 19], [15, 23], [8.8, 22]]],
    7: [[[8.3, 5.5], [19.5, 5.5]], [[19.5, 5.5], [15.6, 13], [12.3, 23.5]]],
    8: [[[14, 13.4], [9.6, 10], [10.5, 5.6], [14, 4.5], [17.5, 5.6], [18.4, 10], [14, 13.4], [8.9, 18], [10.4, 22.3], [14, 23.5], [17.6, 22.3], [19.1, 18], [14, 13.4]]],
  };

  const strokes = {
    // A segment with the width and the soft edge of a stroke of MNIST; the maximum where strokes cross.
    segment(digit, [x0, y0], [x1, y1]) {
      const [dx, dy] = [x1 - x0, y1 - y0];
      const length = dx * dx + dy * dy || 1;
      for (let row = 0; row < DIGIT; row++) {
        for (let column = 0; column < DIGIT; column++) {
          const [x, y] = [column + 0.5 - x0, row + 0.5 - y0];
          const along = common.clamp((x * dx + y * dy) / length, 0, 1);
          const level = 255 * common.clamp((1.9 - Math.hypot(x - along * dx, y - along * dy)) / 1.5, 0, 1);
          const at = row * DIGIT + column;
          if (level > digit[at]) digit[at] = level;
        }
      }
    },

    // A smooth curve through its control points (Catmull and Rom).
    curve(digit, points) {
      const point = (i) => points[common.clamp(i, 0, points.length - 1)];
      const between = (i, t) => [0, 1].map((axis) => {
        const [p, q, r, s] = [-1, 0, 1, 2].map((k) => point(i + k)[axis]);
        return q + 0.5 * t * (r - p + t * (2 * p - 5 * q + 4 * r - s + t * (3 * (q - r) + s - p)));
      });
      for (let i = 0; i + 1 < points.length; i++) {
        for (let k = 0; k < 4; k++) strokes.segment(digit, between(i, k / 4), between(i, (k + 1) / 4));
      }
    },

    preset(digit, name) {
      digit.fill(0);
      for (const points of PRESETS[name]) strokes.curve(digit, points);
    },
  };

  const scene = {
    // Draw the digit with its top left corner at whole pixels of a black canvas.
    draw(canvas, digit, row, column) {
      canvas.fill(0);
      for (let i = 0; i < DIGIT; i++) {
        for (let j = 0; j < DIGIT; j++) canvas[(row + i) * CANVAS + column + j] = digit[i * DIGIT + j];
      }
    },

    // The means of blocks of 4×4 pixels.
    reduce(canvas, frame) {
      frame.fill(0);
      for (let i = 0, at = 0; i < CANVAS; i++) {
        for (let j = 0; j < CANVAS; j++, at++) frame[Math.floor(i / BLOCK) * SIDE + Math.floor(j / BLOCK)] += canvas[at];
      }
      for (let k = 0; k < frame.length; k++) frame[k] /= BLOCK ** 2;
    },

    // Move a point of the unit square; at a wall it stops, and the velocity changes its sign.
    move(point, velocity) {
      for (const axis of [0, 1]) {
        point[axis] += velocity[axis];
        if (point[axis] <= 0 || point[axis] >= 1) velocity[axis] *= -1;
        point[axis] = common.clamp(point[axis], 0, 1);
      }
    },
  };

  // ---- the element --------------------------------------------------------------------------------
  const NAMES = { "reweighted-rnn": "reweighted-RNN", "l1-l1-rnn": "ℓ1-ℓ1-RNN" };
  const HERE = globalThis.document?.currentScript?.src;
  const loading = {};

  // The weights of a network are in a script of their own, which works on a page from disk as well.
  const load = (name) => (loading[name] ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = new URL(`recovery-${name}.js`, HERE);
    script.onload = () => resolve(new Recovery(globalThis.recoveryWeights[name]));
    script.onerror = reject;
    document.head.append(script);
  }));

  const times = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;

  // A picture of whole grey levels on a canvas, with a buffer of its own.
  class Picture {
    constructor(canvas, side) {
      canvas.width = canvas.height = side;
      this.levels = new Uint8Array(side * side);
      this.context = canvas.getContext("2d");
      this.image = new ImageData(side, side);
      this.image.data.fill(255);
    }

    // Show values clipped to 0..255 and truncated, as in the averaging "authors" of PSNR.
    show(values) {
      const { levels, image } = this;
      for (let i = 0; i < levels.length; i++) {
        levels[i] = common.clamp(values[i], 0, 255);
        image.data[4 * i] = image.data[4 * i + 1] = image.data[4 * i + 2] = levels[i];
      }
      this.context.putImageData(image, 0, 0);
    }
  }

  const css = `
recovery-explorer.ue { max-width: 60rem; margin: 0 0 .5rem; }
recovery-explorer .re-tiles { display: grid; gap: .5rem; grid-template-columns: repeat(3, minmax(0, 1fr)); grid-template-areas: "scene scene frame" "scene scene numbers" "network few many"; }
@container (min-width: 34rem) { recovery-explorer .re-tiles { grid-template-columns: repeat(5, minmax(0, 1fr)); grid-template-areas: "scene scene frame numbers numbers" "scene scene network few many"; } }
recovery-explorer .re-tile { font-size: .8rem; line-height: 1.3; min-width: 0; }
recovery-explorer .re-tile canvas { border: 1px solid var(--ue-soft); background: #000; aspect-ratio: 1; margin-bottom: .2rem; }
recovery-explorer .re-tile[data-tile=network] canvas { border-color: var(--ue-c0); outline: 2px solid var(--ue-c0); }
recovery-explorer .re-tile span { display: block; white-space: pre-line; }
recovery-explorer .re-tile b { font-size: .95rem; font-variant-numeric: tabular-nums; white-space: nowrap; }
recovery-explorer .re-tile[data-tile=numbers] { display: grid; grid-template-rows: minmax(0, 1fr) auto; gap: .2rem; }
recovery-explorer .re-bars { position: relative; min-height: 2.5rem; border: 1px solid var(--ue-rule); }
recovery-explorer .re-bars svg:not(svg svg) { position: absolute; inset: 0; height: 100%; }
recovery-explorer .re-bars path { stroke: var(--ue-main); stroke-width: 2; fill: none; vector-effect: non-scaling-stroke; }
recovery-explorer canvas[data-scene] { touch-action: none; user-select: none; -webkit-user-select: none; cursor: grab; margin: 0 0 .2rem; }
recovery-explorer canvas[data-scene]:focus-visible { border-radius: 0; }
recovery-explorer[data-mode=draw] canvas[data-scene] { cursor: crosshair; outline: 3px solid var(--ue-main); }
recovery-explorer .re-controls { display: grid; gap: .1rem 1.25rem; grid-template-columns: repeat(2, minmax(0, 1fr)); align-items: center; margin-top: .5rem; }
recovery-explorer .re-controls .ue-row { grid-column: 1 / -1; margin: 0 0 .3rem; gap: .3rem; }
recovery-explorer .re-controls .ue-row button { padding: .2rem .65rem; }
recovery-explorer .re-controls .ue-control { margin: 0; }
recovery-explorer .re-controls .ue-choice { margin: 0; }
recovery-explorer .re-controls .ue-choice label { font-weight: 600; }
recovery-explorer .re-controls .ue-choice select { width: 100%; }
@container (min-width: 34rem) { recovery-explorer .re-controls { grid-template-columns: repeat(4, minmax(0, 1fr)); } }`;

  common.define("recovery-explorer", (Base) => class extends Base {
    static fields = {
      network: { value: "reweighted-rnn", valid: (value) => value in NAMES },
      layers: { value: 3, valid: (value) => [0, 1, 2, 3].includes(value) },
      noise: { value: 0, valid: (value) => value >= 0 && value <= 20 },
      memory: { value: true },
      digit: { value: "3", valid: (value) => value in PRESETS || value === "drawn" },
    };
    static css = css;

    // The static picture stays until the weights are loaded.
    connectedCallback() {
      if (this.built) return;
      load(this.state.network).then((net) => {
        this.net ??= net;
        if (this.isConnected) super.connectedCallback();
      }, () => {});
    }

    disconnectedCallback() {
      clearInterval(this.clock);
    }

    skeleton(id) {
      const tile = (name, label, alt) => `<div class="re-tile" data-tile="${name}" style="grid-area: ${name}"><canvas role="img" aria-label="${alt}"></canvas>
        <span data-part="${name}-label">${label}</span><b data-part="${name}"></b></div>`;
      return `
        <div class="re-tiles">
          <div class="re-tile" data-tile="scene" style="grid-area: scene"><canvas data-scene tabindex="0" role="application" aria-label="Moving digit: drag it, or move it with the arrow keys"></canvas>
            <span data-part="hint"></span></div>
          ${tile("frame", "frame, 16×16", "the frame that is measured")}
          <div class="re-tile" data-tile="numbers" style="grid-area: numbers"><div class="re-bars"><svg viewBox="0 -1 51 2" preserveAspectRatio="none" role="img" aria-label="the 51 measurements as bars"><path data-bars /></svg></div>
            <span>51 measurements</span></div>
          ${tile("network", "", "the frame that the network recovers")}
          ${ITERATIONS.map((count, k) => tile(["few", "many"][k], `solver\n${times(count, "iteration")}`, `the frame that the solver recovers in ${times(count, "iteration")}`)).join("")}
        </div>
        <div class="re-controls">
          <div class="ue-row" role="group" aria-label="Digit">
            <button type="button" data-play>Pause</button><button type="button" data-draw>Draw</button>
            ${Object.keys(PRESETS).map((name) => `<button type="button" data-digit="${name}" aria-label="digit ${name}" aria-pressed="false">${name}</button>`).join("")}
          </div>
          ${common.slider({ name: "layers", label: "Layers", max: 3, step: 1 }, id)}
          ${common.slider({ name: "noise", label: "Noise", max: 20, step: 1 }, id)}
          ${common.choice({ name: "network", label: '<span class="ue-hidden">Network</span>', options: Object.entries(NAMES) }, id)}
          <p class="ue-choice"><label><input type="checkbox" name="memory"> Memory</label></p>
        </div>`;
    }

    start() {
      const canvas = (name) => this.querySelector(`[data-tile=${name}] canvas`);
      this.pictures = Object.fromEntries(["frame", "network", "few", "many"].map((name) => [name, new Picture(canvas(name), SIDE)]));
      this.views = { move: new Picture(canvas("scene"), CANVAS), draw: null };
      [this.digit, this.canvas] = [new Uint8Array(DIGIT ** 2), new Uint8Array(CANVAS ** 2)];
      [this.point, this.velocity] = [[0.1, 0.3], [PATH * Math.sin(0.6), PATH * Math.cos(0.6)]];
      this.decoded = new Float64Array(SIDE ** 2);
      this.few = new Float64Array(this.net.hbar.length);
      this.history = Array.from({ length: HISTORY }, () => new Float64Array(SIDE ** 2));
      this.seen = 0;
      this.mode = "move";
      this.visible = true;
      this.job = { h: this.few.slice(), x: this.net.x.slice(), hbar: this.few.slice(), truth: new Uint8Array(SIDE ** 2), left: 0 };
      this.job.work = this.work.bind(this);
      new IntersectionObserver(([{ isIntersecting }]) => { this.visible = isIntersecting; }).observe(this);
      this.querySelector("[data-draw]").addEventListener("click", () => this.setDrawing(this.mode !== "draw"));
      for (const button of this.querySelectorAll("[data-digit]")) {
        button.addEventListener("click", () => { this.setDrawing(false); this.choose({ digit: button.dataset.digit }); });
      }
      this.listen(canvas("scene"));
      this.clock = setInterval(() => this.tick(), PERIOD);
      this.calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
      this.play(!this.calm);
    }

    // A pointer or the arrow keys on the scene: draw a stroke, or drag the digit.
    listen(canvas) {
      const place = ({ clientX, clientY }, side) => {
        const box = canvas.getBoundingClientRect();
        return [((clientX - box.left) / box.width) * side, ((clientY - box.top) / box.height) * side];
      };
      const move = (event) => {
        if (this.mode === "draw") {
          const to = place(event, DIGIT);
          strokes.segment(this.digit, this.last, to);
          this.last = to;
        } else {
          const [x, y] = place(event, CANVAS);
          this.put([y - DIGIT / 2, x - DIGIT / 2]);
        }
        this.show();
      };
      canvas.addEventListener("pointerdown", (event) => {
        event.preventDefault();
        canvas.setPointerCapture(event.pointerId);
        canvas.focus({ preventScroll: true });
        this.pressed = true;
        this.last = place(event, DIGIT);
        move(event);
      });
      canvas.addEventListener("pointermove", (event) => { if (this.pressed) move(event); });
      canvas.addEventListener("lostpointercapture", () => { this.pressed = false; this.announce(); });
      canvas.addEventListener("keydown", (event) => {
        const steps = { ArrowUp: [-2, 0], ArrowDown: [2, 0], ArrowLeft: [0, -2], ArrowRight: [0, 2] }[event.key];
        if (!steps || this.mode === "draw") return;
        event.preventDefault();
        this.play(false);
        this.remember();
        this.put(steps.map((step, axis) => Math.floor(SPAN * this.point[axis]) + step));
        this.show();
      });
    }

    // Put the top left corner of the digit at a pixel of the scene.
    put(corner) {
      corner.forEach((pixel, axis) => { this.point[axis] = common.clamp((pixel + 1e-6) / SPAN, 0, 1); });
    }

    toggle() {
      this.play(!this.playing);
    }

    play(playing) {
      this.playing = playing;
      this.querySelector("[data-play]").textContent = playing ? "Pause" : "Play";
      if (playing) this.setDrawing(false);
      else this.announce();
    }

    setDrawing(on) {
      const canvas = this.querySelector("[data-scene]");
      if (on) {
        this.play(false);
        this.digit.fill(0);
      }
      if (on !== (this.mode === "draw")) {
        this.mode = on ? "draw" : "move";
        this.dataset.mode = this.mode;
        this.views[this.mode] = new Picture(canvas, on ? DIGIT : CANVAS);
        canvas.setAttribute("aria-label", on ? "Draw a digit here with a pointer" : "Moving digit: drag it, or move it with the arrow keys");
        this.querySelector("[data-draw]").textContent = on ? "Done" : "Draw";
        if (on) this.choose({ digit: "drawn" });
        else this.play(!this.calm);
      }
      this.show();
    }

    // A frame ends: its code is the state of the next one.
    tick() {
      if (!this.visible || !(this.playing || this.pressed)) return;
      this.remember();
      if (this.playing && !this.pressed) scene.move(this.point, this.velocity);
      this.show();
    }

    remember() {
      this.history[this.seen++ % HISTORY].set(this.net.pixels);
      this.net.next(this.state.memory);
    }

    // After a change of network, memory or noise, recover the last frames again.
    replay() {
      const { net, history, seen } = this;
      net.previous.set(net.h0);
      for (let t = Math.max(0, seen - HISTORY); t < seen; t++) {
        net.pixels.set(history[t % HISTORY]);
        net.run(this.state.noise / 100);
        net.next(this.state.memory);
      }
    }

    draw() {
      const { network, memory, noise, digit } = this.state;
      if (digit !== this.preset && digit !== "drawn") strokes.preset(this.digit, digit);
      this.preset = digit;
      for (const button of this.querySelectorAll("[data-digit]")) button.setAttribute("aria-pressed", String(button.dataset.digit === digit));
      load(network).then((net) => {
        if (this.state.network !== network) return;
        this.net = net;
        const settings = `${network} ${memory} ${noise}`;
        if (this.settings !== settings) this.replay();
        this.settings = settings;
        this.show();
        this.announce();
      }, () => {});
    }

    // Measure and recover the frame as it is now.
    show() {
      const { net, state, pictures } = this;
      scene.draw(this.canvas, this.digit, Math.floor(SPAN * this.point[0]), Math.floor(SPAN * this.point[1]));
      scene.reduce(this.canvas, net.pixels);
      net.run(state.noise / 100);
      this.views[this.mode].show(this.mode === "draw" ? this.digit : this.canvas);
      pictures.frame.show(net.pixels);
      this.decode(net.codes[state.layers], "network", pictures.frame.levels);
      this.few.set(net.hbar);
      net.iterate(this.few, ITERATIONS[0]);
      this.decode(this.few, "few", pictures.frame.levels);
      this.bars();
      this.part("network-label", `${NAMES[state.network]}\n${times(state.layers, "layer")}`);
      this.part("hint", this.mode === "draw" ? "Draw a digit, then press Done." : "Drag the digit.");
      this.solve();
    }

    decode(code, name, truth) {
      product(this.net.D, code, this.decoded);
      this.pictures[name].show(this.decoded);
      this.part(name, common.decibel(common.psnr(truth, this.pictures[name].levels)));
    }

    part(name, text) {
      const node = this.querySelector(`[data-part="${name}"]`);
      if (node.textContent !== text) node.textContent = text;
    }

    bars() {
      const { x } = this.net;
      let most = 1e-9;
      for (let i = 0; i < x.length; i++) most = Math.max(most, Math.abs(x[i]));
      let d = "";
      for (let i = 0; i < x.length; i++) d += `M${i + 0.5},0V${(-0.95 * x[i] / most).toFixed(3)}`;
      this.querySelector("[data-bars]").setAttribute("d", d);
    }

    // All iterations of the solver, in slices; a frame that comes in the meantime is recovered afterwards.
    solve() {
      const { job, net } = this;
      job.again = job.left > 0;
      if (job.again) return;
      job.net = net;
      job.h.set(this.few);
      job.x.set(net.x);
      job.hbar.set(net.hbar);
      job.truth.set(this.pictures.frame.levels);
      job.left = ITERATIONS[1] - ITERATIONS[0];
      setTimeout(job.work);
    }

    work() {
      const { job } = this;
      const end = performance.now() + SLICE;
      while (job.left > 0 && performance.now() < end) {
        const count = Math.min(20, job.left);
        job.net.iterate(job.h, count, job.x, job.hbar);
        job.left -= count;
      }
      if (job.left > 0) {
        setTimeout(job.work);
        return;
      }
      if (job.net === this.net) this.decode(job.h, "many", job.truth);
      if (job.again) this.solve();
      else if (this.pending) this.announce();
    }

    // What the figure shows now, in words, if it is paused and the solver has finished.
    announce() {
      this.pending = this.job.left > 0;
      if (this.playing || this.pressed || this.pending) return;
      const psnr = (name) => this.querySelector(`[data-part="${name}"]`).textContent;
      const { network, layers } = this.state;
      this.part("live", psnr("network") === "–" ? "The frame is empty: draw a digit." : `${NAMES[network]} after ${times(layers, "layer")}: ${psnr("network")}. ` +
        `Solver after ${ITERATIONS[0]} iterations: ${psnr("few")}, after ${ITERATIONS[1]}: ${psnr("many")}.`);
    }

    words(name, value) {
      return name === "noise" ? `${value} %` : `${value} of 3`;
    }
  });

  return { halves, Recovery, scene, strokes, PRESETS };
})();

export default { Recovery };
