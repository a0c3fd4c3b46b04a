"""The units explorer: what trained networks compute inside, and the same curves in JavaScript."""

import json
import re

import numpy as np
import pytest
import torch
from test_widgets import classic, in_node, in_widget

from companion.pretrained import pretrained
from companion.widgets import units_widget
from companion.widgets.units_widget import UnitsExplorer
from unfolded import networks
from unfolded.prox import prox_l1_l1
from unfolded.runs import input_frames
from unfolded.runs.config import RunConfig

SCRIPT = classic("units.js")


@pytest.fixture(scope="module")
def frames():
    config = RunConfig(source="digits", profile="smoke", protocol="authors")
    return input_frames.load(config).test[:4]


@pytest.fixture(scope="module")
def data(frames):
    return units_widget.learned(frames)


@pytest.mark.parametrize("name", ["reweighted-rnn", "l1-l1-rnn"])
def test_the_activation_of_the_recorded_inputs_equals_the_code(name, frames):
    net = networks.build(name, n0=256, n=9, hidden=17, depth=3, seed=0).double()
    for parameter in net.parameters():
        parameter.data += 0.01 * torch.randn_like(parameter)
    with torch.no_grad():
        hbar, u = units_widget.inside(net, frames.double())
        a, b = net.thresholds()
        codes = net.codes(net.measure(frames.double()))
        # Frames of all sequences follow one another: time first.
        last = prox_l1_l1(u[-1], hbar, a[-1], b[-1]).unflatten(0, (codes.shape[1], -1))
        torch.testing.assert_close(last.transpose(0, 1), codes)
        past = torch.cat([net.h0.expand(len(codes), 1, -1), codes[:, :-1]], 1) @ net.G.T
        torch.testing.assert_close(hbar.unflatten(0, (codes.shape[1], -1)).transpose(0, 1), past)


@pytest.mark.parametrize("name", units_widget.NETWORKS)
def test_the_facts_agree_with_the_network(name, frames, data):
    net, config = pretrained(*units_widget.NETWORKS[name])
    g, count = net.symbols()["g"], frames.shape[0] * frames.shape[1]
    facts = data["networks"][name]
    assert data["count"] == count and facts["start"] == config.lambda2 / config.lambda1
    assert facts["label"].endswith(f" ({config.lambda1:g}, {config.lambda2:g})")
    for layer, chosen in enumerate(facts["layers"]):
        weights = [unit["g"] for unit in chosen]
        assert len(chosen) == units_widget.UNITS == len({unit["index"] for unit in chosen})
        assert weights == sorted(weights)
        # From the smallest weight of the layer to the largest.
        ends = torch.aminmax(g[layer])
        np.testing.assert_allclose([weights[0], weights[-1]], [e.item() for e in ends], rtol=1e-4)
        for unit in chosen:
            a, b = (taus[layer, unit["index"]].item() for taus in net.thresholds())
            np.testing.assert_allclose([unit["tau1"], unit["tau2"]], [a, b], rtol=1e-4)
            assert sum(unit["shares"]) == pytest.approx(1, abs=1e-4)
            assert unit["quantiles"] == sorted(unit["quantiles"])
            for low, high, *fractions in (unit["u"], unit["hbar"]):
                assert low < high and len(fractions) == units_widget.BINS
                assert 0.97 <= sum(fractions) <= 1 + 1e-9
            assert unit["u"][0] <= unit["middle"] <= unit["u"][1]


def test_shares_are_the_frequencies_of_the_pieces():
    net = networks.build("l1-l1-rnn", n0=256, n=9, hidden=4, depth=1, seed=0).double()
    with torch.no_grad():
        a, b = (taus[0, 0].item() for taus in net.thresholds())
        hbar = torch.full((5,), 3.0, dtype=torch.float64)
        # Silent, at ħ, between the two, above ħ, below 0.
        u = torch.tensor([0.0, 3.0 + a, 1.5 + a - b, 9.0, -9.0], dtype=torch.float64)
        facts = units_widget._facts(net, 0, 0, hbar, u)
    assert facts["shares"] == [0.2, 0.2, 0.2, 0.4]


def test_the_data_are_small(data):
    assert len(json.dumps(data, separators=(",", ":"))) < 150_000
    assert "NaN" not in json.dumps(data)


def test_the_script_draws_the_library_activation(data):
    """Every unit, under each supposition, over all that was seen of u and ħ."""
    facts = data["networks"]["reweighted-rnn"]
    chosen = [unit for layer in facts["layers"] for unit in layer]
    body = """data.units.flatMap((unit) => data.suppose.map((suppose) => {
      const [low, high] = unit.u, steps = Array.from({ length: 50 }, (_, i) => i / 49);
      const grid = steps.map((step) => low + step * (high - low));
      const taus = shape(unit, data.start, suppose);
      return [...taus, ...curves(grid, unit.quantiles, ...taus).flat()];
    }))"""
    payload = {"units": chosen, "suppose": units_widget.SUPPOSE, "start": facts["start"]}
    results = iter(in_node(body, payload, SCRIPT))
    for unit in chosen:
        tau = unit["tau1"]
        for tau2 in (unit["tau2"], facts["start"] * tau, tau):
            first, second, *values = next(results)
            assert (first, second) == (tau, pytest.approx(tau2))
            u = unit["u"][0] + np.arange(50) / 49 * (unit["u"][1] - unit["u"][0])
            expected = prox_l1_l1(u, np.array(unit["quantiles"])[:, None], tau, second)
            np.testing.assert_allclose(values, expected.numpy().ravel(), rtol=0, atol=1e-9)


def test_the_element_contains_data_and_a_picture(data):
    explorer = UnitsExplorer(data=data, network="l1-l1-rnn", layer=3, unit=0)
    markup = explorer.element()
    assert markup.startswith('<units-explorer network="l1-l1-rnn" layer="3" unit="0" suppose=')
    inside = re.search(r'<script type="application/json">(.*?)</script>', markup, re.S)[1]
    assert json.loads(inside) == data
    alt = re.search('alt="([^"]+)"', markup)[1]
    assert f"a threshold of {explorer.tau1:.3g};" in alt
    top, below = explorer.picture()[0].axes
    u, phi = next(line for line in top.lines if len(line.get_xdata()) > 10).get_xydata().T
    (lowest, *_), tau = explorer.chosen["quantiles"], (explorer.tau1, explorer.tau2)
    np.testing.assert_allclose(phi, prox_l1_l1(u, lowest, *tau).numpy())
    assert below.get_xlim() == top.get_xlim()


def test_text_in_the_data_cannot_end_the_script_element():
    explorer = UnitsExplorer(data={"networks": "</script><b>"})
    assert "</script><b>" not in explorer._json() and "\\u003c/script>" in explorer._json()


def test_a_hypothetical_lambda2_changes_only_the_second_threshold(data):
    learned, equal = (UnitsExplorer(data=data, suppose=s) for s in ("learned", "equal"))
    assert equal.tau1 == learned.tau1 == equal.tau2 > learned.tau2


@pytest.mark.browser
def test_the_widget_and_python_are_synchronised(tmp_path, data):
    steps = """
      pull("input[name=layer]", 3);
      values.network = "l1-l1-rnn";
      heard["change:network"]();
      const said = () => el.querySelector('output[data-for="unit"]').value;
      const first = said();
      values.data = structuredClone(values.data);
      values.data.networks["l1-l1-rnn"].layers[2][4].g = 7;
      heard["change:data"]();
      return { layer: values.layer, first, second: said() };
    """
    state = {name: getattr(UnitsExplorer(), name) for name in UnitsExplorer.NAMES} | {"data": data}
    seen = in_widget(steps, state, tmp_path, code=SCRIPT)
    assert seen["layer"] == 3
    assert (seen["first"].split(", ")[1], seen["second"].split(", ")[1]) == ("g = 1", "g = 7")
