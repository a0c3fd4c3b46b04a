"""The bounds explorer: the formulas of the library in JavaScript, with labelled controls."""

import itertools
import math
import re

import numpy as np
import pytest
from test_widgets import ENGINES, classic, computed, in_chromium, in_node

from companion import labels
from companion.plots import line_plots
from companion.theory import bound_comparison, equal_norms
from companion.widgets import bounds_widget
from companion.widgets.bounds_widget import LIMITS, REAL, STATE, BoundsExplorer

SCRIPT = classic("bounds.js")
USUAL = {name: getattr(BoundsExplorer(), name) for name in STATE}


def states() -> list[dict]:
    """Every control at its ends, one at a time and mixed; norms at one; and random states."""
    rng = np.random.default_rng(0)
    result = [USUAL | {name: end} for name in STATE for end in LIMITS[name]]
    for _ in range(600):
        exponents = {name: rng.uniform(*np.log(LIMITS[name])) for name in STATE}
        result.append({name: _value(name, math.exp(e)) for name, e in exponents.items()})
    for _ in range(200):
        ends = {name: _value(name, LIMITS[name][rng.integers(2)]) for name in STATE}
        result.append(ends | {"d": int(rng.integers(1, 9)), "T": int(rng.integers(1, 99))})
    near = (1.0, 1 + 2**-52, 1 - 2**-53, 0.5, 1.0000001)
    return result + [
        USUAL | {"alpha": alpha, "k": USUAL["h"], "d": d} for alpha in near for d in (1, 9)
    ]


def _value(name, value):
    low, high = LIMITS[name]
    return (
        float(np.clip(value, low, high)) if name in REAL else int(np.clip(round(value), low, high))
    )


@ENGINES
def test_the_script_computes_the_library_bounds(engine, tmp_path):
    data = states()
    ours = computed(engine, "data.map(logBounds)", data, tmp_path, SCRIPT)
    for state, bounds in zip(data, ours, strict=True):
        expected = equal_norms.log_bounds(**state)
        assert bounds.keys() == expected.keys()
        for name, value in expected.items():
            assert math.isfinite(value)
            assert bounds[name] == pytest.approx(value, rel=1e-9, abs=1e-9), (name, state)


def test_the_script_names_the_lowest_bound():
    data = states()
    for state, keys in zip(
        data, in_node("data.map(logBounds).map(lowest)", data, SCRIPT), strict=True
    ):
        bounds = equal_norms.log_bounds(**state)
        del bounds["spectralrnn"]  # the constant of (54) is unknown
        least = min(bounds.values())
        assert {name for name, value in bounds.items() if value <= least + 1e-12} <= set(keys)
        assert all(bounds[name] <= least + 1e-7 * max(1, abs(least)) for name in keys)


def test_curves_are_drawn_at_increasing_valid_values():
    cases = [(name, value) for name in STATE for value in (USUAL[name], *LIMITS[name])]
    scripts = in_node("data.map(([name, value]) => axis(name, value))", cases, SCRIPT)
    for (name, value), script in zip(cases, scripts, strict=True):
        for drawn in (script, bounds_widget.axis(name, value)):
            assert len(drawn) > 1 and drawn == sorted(set(drawn)), name
            assert name in REAL or all(point == int(point) for point in drawn)
            assert drawn[0] <= value * (1 + 1e-12) and value <= drawn[-1] * (1 + 1e-12)


def test_the_static_picture_is_described_with_the_bounds():
    markup = BoundsExplorer(T=7).element()
    assert markup.startswith('<bounds-explorer against="alpha" d="3" T="7"')
    alt = re.search('alt="([^"]+)"', markup)[1]
    line = equal_norms.against(
        "alpha", [0.1, 10.0], **{k: v for k, v in USUAL.items() if k != "alpha"} | {"T": 7}
    )
    first, last = line["fastrnn"]
    assert f"fastrnn from {first:.1f} to {last:.1f}" in alt


@pytest.mark.parametrize("name", STATE)
def test_the_static_picture_draws_the_library_bounds(name):
    (ax,) = bounds_widget.picture(name, **USUAL)[0].axes
    rest = {key: value for key, value in USUAL.items() if key != name}
    at = bounds_widget.axis(name, USUAL[name])
    lines = equal_norms.against(name, at, **rest).values()
    for line, values in zip(ax.lines, lines, strict=True):
        np.testing.assert_allclose(line.get_ydata(), values)


def test_a_network_has_the_same_colour_as_in_other_figures():
    (ax,) = bounds_widget.picture("T", **USUAL)[0].axes
    # ℓ1-ℓ1-RNN has the bound of reweighted-RNN, and no curve of its own.
    drawn = [name for name in bound_comparison.NETWORKS if name != "l1-l1-rnn"]
    colours = {name: line_plots.STYLES[name]["color"].lower() for name in drawn}
    assert len(ax.lines) == len(drawn) + 1
    for name, colour in {**colours, "repaired": "#222222"}.items():
        line = next(line for line in ax.lines if line.get_label() == labels.title(name))
        assert line.get_color().lower() == colour


# In a browser -----------------------------------------------------------------------------------


SEE = """
  const [explorer] = document.getElementsByTagName("bounds-explorer");
  const all = (selector) => [...explorer.querySelectorAll(selector)];
  const see = () => ({
    lines: all("svg svg path").map((line) => line.getAttribute("d")),
    values: all("[data-value]").map((cell) => cell.textContent),
    said: Object.fromEntries(all("output").map((output) => [output.dataset.for, output.value])),
    verdict: explorer.querySelector('[data-part="verdict"]').textContent,
    answer: explorer.querySelector('[data-part="answer"]').textContent,
    least: all(".ue-best").map((row) => row.dataset.row),
    against: explorer.querySelector("select").value,
  });
"""


@pytest.mark.browser
def test_controls_change_the_curves_and_the_text(tmp_path):
    body = f"""(() => {{ {SEE}
      const steps = {{ start: see() }};
      for (const [name, value] of data) {{
        pull(`[name=${{name}}]`, value);
        steps[name] = see();
      }}
      explorer.querySelector("[data-reset]").click();
      steps.reset = see();
      all("[data-preset]")[3].click();
      steps.preset = see();
      all("[data-preset]")[4].click();
      steps.answer = see();
      return steps;
    }})()"""
    moves = {"d": 2, "T": 5, "alpha": 0.5, "beta": -0.5, "gamma": 1, "m": 0, "n": 20, "h": 5,
             "k": 7, "a": -2, "against": "T"}  # fmt: skip
    markup = BoundsExplorer(alpha=1.1, T=25).element()
    seen = in_chromium(body, list(moves.items()), tmp_path, markup, SCRIPT)
    order = list(seen)
    for before, after in itertools.pairwise(order):
        # The axis alone moves no value, and a factor common to all moves no curve.
        part = "lines" if after == "against" else "values"
        assert seen[before][part] != seen[after][part], after
    assert not any("NaN" in str(step) or "Infinity" in str(step) for step in seen.values())
    started = seen["start"]["said"]
    assert (started["alpha"], started["T"], seen["start"]["against"]) == ("1.1", "25", "alpha")
    assert seen["a"]["said"] == {
        "d": "2", "T": "6", "alpha": "3.16", "beta": "0.316", "gamma": "10", "m": "100",
        "n": "20", "h": "4096", "k": "128", "a": "0.01",
    }  # fmt: skip
    assert seen["reset"] == seen["start"]
    assert seen["start"]["answer"].endswith("no, it is vacuous.")
    assert seen["preset"]["least"] == ["fastrnn"]
    assert seen["answer"]["answer"].endswith("yes, it is below 1.")
    assert seen["preset"]["verdict"].startswith("Lowest at T = 25: FastRNN. Along the axis: ")


@pytest.mark.browser
def test_dragging_on_the_picture_changes_the_value(tmp_path):
    body = f"""(() => {{ {SEE}
      const svg = explorer.querySelector("svg"), box = svg.getBoundingClientRect();
      let held = false;
      svg.setPointerCapture = () => {{ held = true; }};
      svg.hasPointerCapture = () => held;
      const point = (kind, share) => {{
        const clientX = box.left + share * box.width;
        svg.dispatchEvent(new PointerEvent(kind, {{ clientX, bubbles: true, pointerId: 1 }}));
        return see().said.alpha;
      }};
      const values = data.map((share, i) => point(i ? "pointermove" : "pointerdown", share));
      held = false;
      return [...values, point("pointermove", 0.3)];
    }})()"""
    values = in_chromium(body, [0.0, 0.5, 1.0], tmp_path, BoundsExplorer().element(), SCRIPT)
    assert values[0] == "0.1" and values[2] == values[3] == "10"
    assert 0.1 < float(values[1]) < 10
