"""The unrolling explorer: which parts each step shows, with the labels of the static diagram."""

import functools
import itertools
import re

import pytest
from test_widgets import classic, in_chromium, in_node

from companion.plots.network_diagram import PLANS
from companion.widgets import unroll_widget
from companion.widgets.unroll_widget import UnrollExplorer

SCRIPT = classic("unroll.js")
CASES = list(itertools.product(unroll_widget.NETWORKS, range(1, unroll_widget.DEEPEST + 1)))
SUBSCRIPTS = dict(zip("₀₁₂₃₄⁽¹ˡ⁾", "01234(1l)", strict=True))


def plain(label):
    """Return a label without markup of TeX and with digits in place of indices."""
    text = "".join(SUBSCRIPTS.get(character, character) for character in label)
    return re.sub(r"[_^{}\\$]", "", text).replace("hbar", "ħ")


@functools.cache
def drawn():
    """Return labels, parts and stages of every case from the script."""
    body = """data.map(([network, depth]) => {
      const { phi, climb, inject, past, carry, own } = PLANS[network];
      const layers = Array.from({ length: depth }, (_, i) => i + 1);
      const labels = { past, carry, own,
        phi: layers.map(phi), climb: layers.map(climb), inject: layers.map(inject) };
      const parts = scene(network, depth).map(({ from, markup }) => [from, markup]);
      return [labels, parts, stages(network, depth)];
    })"""
    return dict(zip(CASES, in_node(body, CASES, SCRIPT), strict=True))


@pytest.mark.parametrize(("network", "depth"), CASES)
def test_labels_are_those_of_the_static_diagram(network, depth):
    parts, *_ = drawn()[network, depth]
    plan, layers = PLANS[network], range(1, depth + 1)
    expected = {
        "phi": [plan.activation.format(l=l) for l in layers],
        "climb": [plan.first.format(), *(plan.climb.format(l=l) for l in layers[1:])],
        "inject": [plan.inject.format(l=l) for l in layers],
    }
    for part, labels in expected.items():
        assert list(map(plain, parts[part])) == list(map(plain, labels)), part
    assert (parts["past"], plain(parts["carry"])) == (plain(plan.past), plain(plan.carry.format()))
    assert parts["own"] is plan.layer_specific


@pytest.mark.parametrize(("network", "depth"), CASES)
def test_each_step_adds_one_layer_and_then_one_frame(network, depth):
    _, parts, _ = drawn()[network, depth]
    activation = f">{PLANS[network].activation[0]}[₁-₉]?</text>"
    visible = [
        sum(len(re.findall(activation, markup)) for start, markup in parts if start <= step)
        for step in range(depth + unroll_widget.FURTHER + 1)
    ]
    assert visible == [1, *range(1, depth + 1), 2 * depth, 3 * depth, 3 * depth]
    whole = "".join(markup for _, markup in parts)
    assert whole.count(">ħ<") == (3 * depth if PLANS[network].past else 0)
    measured = sum(whole.count(f">U{t}<") for t in "₁₂₃₄")
    assert measured == {"sista-rnn": 0, "stacked": 3}.get(network, 3 * depth)
    assert all(f">ŝ{t}<" in whole for t in "₁₂₃")


@pytest.mark.parametrize(("network", "depth"), CASES)
def test_every_step_has_a_title_and_a_sentence(network, depth):
    *_, stages = drawn()[network, depth]
    assert len(stages) == depth + unroll_widget.FURTHER + 1
    assert len({stage["title"] for stage in stages}) == len(stages)
    assert all(stage["words"].endswith(".") for stage in stages)
    assert ("blue" in stages[-1]["words"]) is PLANS[network].layer_specific


def test_the_element_contains_a_static_picture():
    markup = UnrollExplorer(network="l1-l1-rnn", depth=2).element()
    assert markup.startswith('<unroll-explorer network="l1-l1-rnn" depth="2" step="5">')
    assert "2 layers (upwards)" in re.search('alt="([^"]+)"', markup)[1]


@pytest.mark.browser
def test_the_slider_shows_parts_and_playback_restarts_at_the_loop(tmp_path):
    body = """(() => {
      const el = document.querySelector("unroll-explorer"), input = el.querySelector("[name=step]");
      const seen = () => el.querySelectorAll("[data-part=scene] > .ro-part:not(.ro-off)").length;
      const at = (step) => {
        pull("[name=step]", step);
        return [seen(), el.querySelector("svg").hasAttribute("data-learned")];
      };
      const steps = [0, 3, 6].map(at), button = el.querySelector("[data-play]");
      button.click();
      const played = [el.following().step, button.textContent];
      button.click();
      el.choose({ depth: 1 });
      return { steps, played, stopped: button.textContent, step: el.state.step, max: input.max };
    })()"""
    markup = UnrollExplorer().element()
    result = in_chromium(body, {}, tmp_path, markup, code=SCRIPT)
    assert result["steps"] == [[2, False], [5, False], [7, True]]
    assert result["played"] == [0, "Pause"] and result["stopped"] == "Play"
    assert (result["step"], result["max"]) == (4, "4")
