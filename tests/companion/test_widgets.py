"""The explorer computes Φ of the library: equal numbers, live element, a script without imports."""

import itertools
import json
import shutil
import subprocess

import numpy as np
import pytest
from browser import chromium, load, severe

from companion.widgets import activation_widget, base_widget
from companion.widgets.activation_widget import ActivationExplorer, kinks, sliders
from unfolded.errors import ConfigError
from unfolded.prox import prox_l1_l1

EXPORT = "export default { render };"
DARK = "--pst-color-background: #14181e; background: #14181e"
HEAD = (
    "<!doctype html><html lang=en><meta charset=utf-8><title>x</title><link rel=icon href=data:,>"
    "<meta name=viewport content='width=device-width'><style>body { margin: 8px } "
    f":root {{ --pst-color-background: #fff }} [data-theme=dark] {{ {DARK} }}</style>"
)
"""The head of a page with the colours of the book."""

# Replaces anywidget: a model that stores `data`, reports changes and counts saves.
WIDGET = """
      const values = { ...data }, heard = {}, el = document.createElement("div");
      let saved = 0;
      const model = { get: (name) => values[name], set: (name, value) => { values[name] = value; },
        save_changes: () => { saved += 1; }, on: (name, f) => { heard[name] = f; },
        off: (name) => { delete heard[name]; } };
      document.body.append(el);
      const stop = render({ model, el });
"""


def classic(name: str) -> str:
    """Return the script of an explorer as a page loads it."""
    return base_widget.script(name).replace(EXPORT, "")


SCRIPT = classic("activation.js")


def in_node(body: str, data, code: str = SCRIPT) -> object:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    source = f"{code}\nconst data = {json.dumps(data)};\nconsole.log(JSON.stringify({body}));"
    ran = subprocess.run([node, "-"], input=source, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def open_explorers(browser, folder, markup: str, **scripts: str) -> str:
    """Open a page with this markup and these scripts, and return its address."""
    for name, code in scripts.items():
        (folder / f"{name}.js").write_text(code, encoding="utf-8")
    tags = "".join(f"<script defer src={name}.js></script>" for name in scripts)
    (folder / "page.html").write_text(f"{HEAD}{tags}{markup}", encoding="utf-8")
    severe(browser)
    load(browser, (folder / "page.html").as_uri())
    assert severe(browser) == []
    return browser.current_url


# Change a control as a reader does.
PULL = """const pull = (selector, value) => {
  const control = document.querySelector(selector);
  control.value = value;
  control.dispatchEvent(new Event("input", { bubbles: true }));
};"""


def in_chromium(body: str, data, folder, markup: str = "", code: str = SCRIPT) -> object:
    markup += (
        f"<script>const data = {json.dumps(data)}; let answer; {PULL}"
        "document.addEventListener('DOMContentLoaded', () => {"
        f"try {{ answer = {body}; }} catch (error) {{ answer = error.stack; }} }});</script>"
    )
    open_explorers(chromium(), folder, markup, explorer=code)
    return json.loads(chromium().execute_script("return JSON.stringify(answer)"))


ENGINES = pytest.mark.parametrize(
    "engine", ["node", pytest.param("chromium", marks=pytest.mark.browser)]
)


def computed(engine: str, body: str, data, folder, code: str = SCRIPT) -> object:
    """Evaluate an expression of the module and of `data` in one of the engines."""
    if engine == "node":
        return in_node(body, data, code)
    return in_chromium(body, data, folder, code=code)


def in_widget(steps: str, start: dict, folder, code: str = SCRIPT) -> object:
    """Render a widget from the values ``start``, run the steps, and return what they return."""
    return in_chromium(f"(() => {{{WIDGET}{steps}}})()", start, folder, code=code)


def cases() -> list[list[float]]:
    """Every mix of a few values, kinks and extremes among them, and random ones."""
    signed = [0.0, -0.0, 0.5, -0.5, 1.5, -1.5, 2.0, -2.0, 1e-300, -1e-300, 1e8, -1e8, 1e300, -1e300]
    weights = [0.0, -0.0, 0.5, 1.0, 1e-300, 1e8]
    mixed = [list(case) for case in itertools.product(signed, signed, weights, weights)]
    rng = np.random.default_rng(0)
    draws = np.hstack([rng.normal(0, 4, (2000, 2)), rng.uniform(0, 3, (2000, 2))])
    return mixed + draws.tolist()


@ENGINES
def test_the_script_computes_the_library_prox(engine, tmp_path):
    data = cases()
    body = "data.map(([u, hbar, tau1, tau2]) => prox(u, hbar, tau1, tau2))"
    ours = computed(engine, body, data, tmp_path)
    u, hbar, tau1, tau2 = np.array(data).T
    theirs = prox_l1_l1(u, hbar, tau1, tau2).numpy()
    size = np.maximum.reduce([abs(u), abs(hbar), tau1 + tau2])
    worst = np.abs(np.array(ours, dtype=float) - theirs) / np.spacing(size)
    assert worst.max() <= 4, data[int(worst.argmax())]


def test_the_five_pieces_form_the_prox():
    data = [case for case in cases() if max(map(abs, case)) < 100]
    body = """data.map(([u, hbar, tau1, tau2]) => {
      const piece = pieces(hbar, tau1, tau2).find(({ from, to }) => from <= u && u <= to);
      return piece.level ?? u + piece.shift;
    })"""
    u, hbar, tau1, tau2 = np.array(data).T
    expected = prox_l1_l1(u, hbar, tau1, tau2).numpy()
    np.testing.assert_allclose(in_node(body, data), expected, rtol=0, atol=1e-13)


def test_python_and_script_agree_on_the_kinks():
    data = [case for case in cases() if max(map(abs, case)) < 100]
    body = "data.map(([, ...rest]) => pieces(...rest).slice(1).map(({ from }) => from))"
    expected = [kinks(hbar, tau1, tau2) for _, hbar, tau1, tau2 in data]
    np.testing.assert_allclose(in_node(body, data), expected, rtol=0, atol=1e-13)
    assert all(at == sorted(at) for at in np.round(expected, 12).tolist())


def test_the_minimiser_is_where_the_slope_changes_its_sign():
    data = [case for case in cases() if max(map(abs, case)) < 100]
    body = """data.map(([u, ...rest]) => {
      const v = prox(u, ...rest), grid = Array.from({ length: 41 }, (_, i) => v + (i - 20) / 10);
      const least = objective(v, u, ...rest);
      const others = grid.map((w) => objective(w, u, ...rest));
      return [...slopes(v, u, ...rest), Math.min(...others) - least];
    })"""
    left, right, gap = np.array(in_node(body, data)).T
    assert (left <= 1e-12).all() and (right >= -1e-12).all()
    assert gap.min() >= -1e-9
    # On a plateau, and only there, the slope jumps.
    u, hbar, tau1, tau2 = np.array(data).T
    phi = prox_l1_l1(u, hbar, tau1, tau2).numpy()
    jump = 2 * tau1 * (phi == 0) + 2 * tau2 * (phi == hbar)
    np.testing.assert_allclose(right - left, jump, rtol=0, atol=1e-12)


@pytest.mark.browser
def test_sliders_change_the_curve_and_the_text(tmp_path):
    body = """(() => {
      const [explorer] = document.getElementsByTagName("activation-explorer");
      const see = () => ({
        d: explorer.querySelector(".ae-phi").getAttribute("d"),
        taus: explorer.querySelector('[data-part="taus"]').textContent,
        said: Object.fromEntries(
          [...explorer.querySelectorAll("output")].map((o) => [o.dataset.for, o.value])),
        rows: explorer.querySelectorAll("tbody tr").length,
        kinks: explorer.querySelectorAll(".ae-kink").length,
      });
      const steps = { start: see() };
      for (const [name, value] of data) {
        pull(`input[name=${name}]`, value);
        steps[name] = see();
      }
      explorer.querySelector("[data-reset]").click();
      steps.reset = see();
      return steps;
    })()"""
    moves = [["u", 4], ["lambda1", 2], ["lambda2", 0.25], ["g", 2], ["hbar", -1], ["c", 2]]
    markup = ActivationExplorer(hbar=2.5).element()
    seen = in_chromium(body, moves, tmp_path, markup)
    curves = [step["d"] for name, step in seen.items() if name not in ("u", "reset")]
    assert len(set(curves)) == len(curves), "each slider changes the curve"
    assert all(step["rows"] == 5 and 2 <= step["kinks"] <= 4 for step in seen.values())
    # The expected values are those of the library.
    value = prox_l1_l1(4.0, 2.5, 1.0, 0.5).item()
    assert seen["u"]["said"]["u"] == f"Φ(4) = {value:g}"
    assert seen["c"]["said"]["hbar"] == "−1"
    assert "= 2" in seen["c"]["taus"] and "= 0.25" in seen["c"]["taus"]
    assert seen["reset"]["d"] == seen["start"]["d"]


@pytest.mark.parametrize(
    "bad", [dict(lambda1=-1), dict(lambda2=float("nan")), dict(g=0), dict(c=0), dict(hbar="x")]
)
def test_values_without_a_prox_are_rejected(bad):
    for make in (ActivationExplorer, sliders):
        with pytest.raises(ConfigError, match=rf"expected {next(iter(bad))} .*; got .*; choose"):
            make(**bad)


def test_stock_sliders_redraw_with_the_library():
    box = sliders(lambda1=3.0)
    lambda1, picture = box.children[0].children[0], box.children[1]
    assert lambda1.max >= lambda1.value == 3.0
    before = picture.value
    lambda1.value = 1.25
    assert picture.value[1:4] == b"PNG" and picture.value != before
    lambda1.value = 3.0
    assert picture.value == before


def test_the_live_figure_shows_the_library_prox():
    (ax,) = activation_widget._figure(lambda1=1.0, lambda2=0.5, g=2.0, hbar=-1.0, c=1.0).axes
    drawn = next(line for line in ax.lines if len(line.get_xdata()) > 10)
    u, phi = drawn.get_xydata().T
    np.testing.assert_array_equal(phi, prox_l1_l1(u, -1.0, 2.0, 1.0).numpy())
