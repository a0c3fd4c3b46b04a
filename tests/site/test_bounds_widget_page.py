"""The bounds explorer on a page: its controls, its words, a phone, the dark, a live notebook."""

import itertools

import pytest
from test_bounds_widget import SCRIPT
from test_widgets import in_chromium

from companion.widgets.bounds_widget import BoundsExplorer

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
def test_controls_move_the_curves_and_the_words(tmp_path):
    body = f"""(() => {{ {SEE}
      const pull = (name, value) => {{
        const input = explorer.querySelector(`[name=${{name}}]`);
        input.value = value;
        input.dispatchEvent(new Event("input", {{ bubbles: true }}));
        return see();
      }};
      const steps = {{ start: see() }};
      for (const [name, value] of data) steps[name] = pull(name, value);
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
def test_the_picture_can_be_dragged(tmp_path):
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
