// The signs explorer: six coins, the network of the proposition "Signs remembered" that follows
// them, and the bound (14) of its class against β. common.js is put before this file. Without its
// last line it is a classic script, so the book also works opened from disk.

const { network, bound, render } = (() => {
  const { number } = common;
  const [COINS, LAMBDA1, LAMBDA2] = [6, 0.1, 1];
  const STEP = LAMBDA2 - LAMBDA1;
  const BETA = [1e-4, 5];
  const OUTCOMES = 2 ** COINS;

  // ---- the mathematics: pure functions ----------------------------------------------------
  // One sample: the trace of its sign after frame 1, then ħ and the output of unit 1 at frame 2.
  function network(sign, beta) {
    const gain = 2 * STEP * (1 + COINS / beta);
    const [first, second] = [(sign * beta) / COINS, 0].map((u) => common.prox(u, gain, LAMBDA1, LAMBDA2));
    const hbar = gain * (first - second);
    return { trace: first - second, hbar, output: common.prox(0, hbar, LAMBDA1, LAMBDA2) };
  }

  // (14) for d = 1, T = 2, α = 0, n = h = m coins and B_x = 1/√m.
  const bound = (beta) => (beta / COINS) * Math.sqrt(2 * (8 * Math.LN2 + 2 * Math.log(COINS)));

  const signsOf = (text) => [...text].map((c) => (c === "+" ? 1 : -1));
  const signed = (x) => (x > 0 ? "+" : "") + number(x);

  // ---- the pictures -------------------------------------------------------------------------
  const BARS = { width: 480, height: 222, left: 0, right: 480, top: 38, bottom: 208 };
  const CURVE = { width: 400, height: 270, left: 52, right: 392, top: 30, bottom: 226 };
  const LOW = 1e-5;
  const place = { x: common.scale(BETA, [CURVE.left, CURVE.right], true), y: common.scale([LOW, 10], [CURVE.bottom, CURVE.top], true) };
  const height = common.scale([-1.2, 1.2], [BARS.bottom, BARS.top]);

  const bar = ({ output }, i) => {
    const [x, tip, zero] = [(i + 0.5) * (BARS.width / COINS), height(output), height(0)];
    return `<rect class="${output > 0 ? "si-heads" : "si-tails"}" x="${x - 22}" width="44" y="${Math.min(tip, zero)}" height="${Math.abs(tip - zero)}"/>` +
      `<text class="ue-name" x="${x}" y="${output > 0 ? tip - 6 : tip + 18}" text-anchor="middle">${signed(output)}</text>`;
  };

  const power = (x) => `10${String(Math.round(Math.log10(x))).replace(/[-\d]/g, (c) => (c === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[c]))}`;
  const axes = common.axes(CURVE, {
    ...place, xTicks: [1e-4, 1e-3, 1e-2, 0.1, 1], yTicks: [1e-4, 1e-2, 1], xText: power, yText: power, xName: "β, norm of the rows of U₁", yName: "Rademacher complexity",
  });
  const line = (value) => common.path(BETA.map((beta) => [beta, value(beta)]), place);

  const STYLE = `
signs-explorer.ue .si-coins { display: grid; grid-template-columns: repeat(${COINS}, minmax(0, 1fr)); justify-items: center; }
signs-explorer.ue .si-coins button { width: min(3.4rem, 92%); aspect-ratio: 1; padding: 0; border-radius: 50%; font-weight: 600; line-height: 1.15; border-width: 2px; }
signs-explorer.ue .si-coins button[data-sign="1"] { border-color: var(--ue-main); color: var(--ue-main); }
signs-explorer.ue .si-coins button[data-sign="-1"] { border-color: var(--ue-mark); color: var(--ue-mark); }
signs-explorer.ue .si-heads { fill: var(--ue-main); }
signs-explorer.ue .si-tails { fill: var(--ue-mark); }
signs-explorer.ue .si-bound { stroke: var(--ue-mark); stroke-dasharray: 9 5; }
signs-explorer.ue .si-bound-name { fill: var(--ue-mark) !important; }
signs-explorer.ue .ue-words { min-height: 5.8em; }
signs-explorer.ue table.ue-table :is(th, td) + td { text-align: right; }`;

  // ---- the element --------------------------------------------------------------------------
  common.define("signs-explorer", (Base) => class extends Base {
    static css = STYLE;
    static fields = {
      signs: { value: "+-++-+", valid: (text) => new RegExp(`^[+-]{${COINS}}$`).test(text) },
      beta: { value: 0.1, valid: (beta) => BETA[0] <= beta && beta <= BETA[1] },
    };

    tried = new Set();

    position = (name, value) => (name === "beta" ? Math.log10(value) : value);
    value = (name, position) => common.clamp(Number((10 ** position).toPrecision(3)), ...BETA);

    skeleton = (id) => `
    <div class="ue-row" role="group" aria-label="All coins"><button type="button" data-flip>Flip all ${COINS} coins</button><button type="button" data-reset>Reset</button></div>
    <div class="ue-body">
      <div>
        <div class="si-coins" role="group" aria-label="Coins, one sign for each sample">${Array.from({ length: COINS }, (_, i) => `<button type="button" data-coin="${i}"></button>`).join("")}</div>
        <svg viewBox="0 0 ${BARS.width} ${BARS.height}" role="img" aria-labelledby="${id}-title ${id}-desc">
          <title id="${id}-title">Output of the network for each sample</title><desc id="${id}-desc" data-part="desc"></desc>
          <text class="ue-name" x="2" y="19">output of the network</text><line class="ue-axis" x1="0" x2="${BARS.width}" y1="${height(0)}" y2="${height(0)}"/><g data-part="bars"></g>
        </svg>
      </div>
      <div>
        <svg viewBox="0 0 ${CURVE.width} ${CURVE.height}" role="img" aria-label="The complexity that is reached does not depend on β; the bound (14) is proportional to β.">
          ${axes}<line class="ue-marker" y1="${CURVE.top}" y2="${CURVE.bottom}"/><path class="ue-line" d="${line(() => STEP)}"/><path class="ue-line si-bound" d="${line(bound)}"/>
          <text class="ue-name" x="${CURVE.left + 8}" y="${place.y(STEP) - 8}">reached by the class</text>
          <text class="ue-name si-bound-name" x="${place.x(1.5e-4)}" y="${place.y(0.05)}">bound (14)</text><g data-part="dots"></g>
        </svg>
        ${common.slider({ name: "beta", label: "β", hint: "norm of the rows of U₁", min: Math.log10(BETA[0]), max: 0.7, step: 0.01 }, id)}
      </div>
    </div>
    <p class="ue-words" data-part="verdict"></p>
    <details><summary>What this network computes</summary><div class="ue-wide"><table class="ue-table">
      <thead><tr><th scope="col">coin</th>${Array.from({ length: COINS }, (_, i) => `<th scope="col">${i + 1}</th>`).join("")}</tr></thead><tbody data-part="rows"></tbody></table></div></details>`;

    start() {
      const flip = (keep) => this.choose({ signs: [...this.state.signs].map((c, i) => (keep(i) ? c : c === "+" ? "-" : "+")).join("") });
      this.querySelector("[data-flip]").addEventListener("click", () => flip(() => Math.random() < 0.5));
      this.querySelector("[data-reset]").addEventListener("click", () => this.tried.clear());
      for (const button of this.querySelectorAll("[data-coin]")) button.addEventListener("click", () => flip((i) => i !== Number(button.dataset.coin)));
    }

    draw() {
      const { signs, beta } = this.state;
      const coins = signsOf(signs);
      const found = coins.map((sign) => network(sign, beta));
      this.tried.add(signs);
      for (const [i, button] of this.querySelectorAll("[data-coin]").entries()) {
        button.dataset.sign = coins[i];
        button.textContent = coins[i] > 0 ? "+1" : "−1";
        button.setAttribute("aria-label", `Coin ${i + 1}: ${coins[i] > 0 ? "heads, plus 1" : "tails, minus 1"}`);
      }
      this.fill("bars", found.map(bar).join(""));
      const marker = this.querySelector(".ue-marker");
      for (const end of ["x1", "x2"]) marker.setAttribute(end, place.x(beta));
      this.fill("dots", [STEP, bound(beta)].map((value) => `<circle class="ue-dot" r="6" cx="${place.x(beta)}" cy="${place.y(value)}"/>`).join(""));
      this.report(coins, found, beta);
    }

    summary() {
      return this.querySelector('[data-part="verdict"]').textContent;
    }

    report(coins, found, beta) {
      const reached = coins.reduce((sum, sign, i) => sum + (sign * found[i].output) / COINS, 0);
      const relation = reached > bound(beta) ? `which the class exceeds by a factor of ${number(reached / bound(beta), 2)}` : "which is not exceeded: choose a smaller β";
      this.fill("verdict", `Output and coin agree in sign for all ${COINS} samples; their mean product is ${number(reached)}. Outcomes tried: ${this.tried.size} of ${OUTCOMES}, each with the same result. At β = ${number(beta)} the bound of Theorem 3.1 is ${number(bound(beta))}, ${relation}.`);
      this.fill("desc", found.map(({ output }, i) => `coin ${i + 1}: ${signed(coins[i])}, output ${signed(output)}`).join("; "));
      const row = (label, value) => `<tr><th scope="row">${label}</th>${found.map((sample, i) => `<td>${signed(value(sample, i))}</td>`).join("")}</tr>`;
      this.fill("rows", row("sign ε<sub>i</sub>", (_, i) => coins[i]) + row("frame 1: trace of the sign in h<sub>1</sub>", ({ trace }) => trace) +
        row("frame 2: ħ = G h<sub>1</sub>", ({ hbar }) => hbar) + row("frame 2: output Φ<sub>ħ</sub>(0)", ({ output }) => output));
    }
  });

  return { network, bound, render: common.render("signs-explorer", ["signs", "beta"]) };
})();

export default { render };
