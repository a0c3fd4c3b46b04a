"""The generic networks: initial values, options, and orthogonal factors."""

import inspect
import math
import re

import numpy as np
import pytest
import torch
from test_networks_stacked import CLASSES, SIZES, make

from unfolded import recurrence
from unfolded.data import sequences
from unfolded.errors import ConfigError
from unfolded.networks import build
from unfolded.networks.spectralrnn import compact_factor, directions
from unfolded.networks.srnn import SRNN, ElmanLayer
from unfolded.provenance import ROOT
from unfolded.seeds import derive


class LeakyLayer(ElmanLayer):
    def step(self, input_term, h, _, W):
        return 0.3 * h + 0.7 * torch.tanh(input_term + h @ W.T), None


class LeakyRNN(SRNN):
    layer = LeakyLayer


def test_a_layer_with_its_own_step_uses_that_step_with_every_backend(normal):
    network, x = LeakyRNN(**SIZES).double(), normal(20, 12, 4)
    assert not torch.allclose(network.codes(x), make("srnn").codes(x))
    with recurrence.use("reference"):
        expected = network.codes(x)
    for size in (20, 1):
        torch.testing.assert_close(network.codes(x[:size]), expected[:size])


def test_srnn_has_the_initial_values_of_pytorch():
    for layer in make("srnn", hidden=100).cells:
        for parameter in layer.parameters():
            assert 0.08 < parameter.abs().max() <= 0.1


def test_fastrnn_has_the_initial_values_of_the_code_of_its_authors():
    net = make("fastrnn", hidden=200)
    for layer in net.cells:
        _, a, b = layer.weights()
        assert a.item() == pytest.approx(1 / (1 + math.exp(3)))
        assert b.item() == pytest.approx(1 / (1 + math.exp(-3)))
        assert (layer.bias == 1).all()
        # Five standard errors of a deviation that is estimated from h² draws.
        assert abs(layer.W.std().item() - 0.1) < 5 * 0.1 / math.sqrt(2 * 200**2)


def test_indrnn_weights_never_exceed_the_bound(normal):
    bound = 2 ** (1 / 20)
    for layer in make("indrnn", hidden=500).cells:
        assert 0 <= layer.w.min() < 0.02 and bound - 0.02 < layer.w.max() <= bound
    assert all((layer.w == 1).all() for layer in make("indrnn", start="ones").cells)
    for layer in make("indrnn").cells:
        with torch.no_grad():
            layer.w.copy_(100 * normal(12))
        w = layer.weights()[0]
        assert w.abs().max() == bound
        w.sum().backward()
        assert torch.equal(layer.w.grad, (layer.w.abs() <= bound).double())
        layer.bound = None
        assert torch.equal(layer.weights()[0], layer.w)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("srnn", {"activation": "sigmoid"}),
        ("fastrnn", {"alpha": math.nan}),
        ("fastrnn", {"std": -0.1}),
        ("indrnn", {"start": "normal"}),
        *(("indrnn", {"bound": bound}) for bound in (0, math.inf)),
        *(("spectralrnn", {"margin": margin}) for margin in (-0.1, 1.5)),
        *(("spectralrnn", {"reflectors": number}) for number in (0, 13, 2.5)),
    ],
    ids=str,
)
def test_impossible_options_are_reported_in_one_line(name, options):
    with pytest.raises(ConfigError, match=r"^expected .*; got .*; \w"):
        make(name, **options)


@pytest.mark.parametrize(("name", "least"), [("srnn", 0.4), ("fastrnn", 0.8)])
def test_the_first_layer_is_initially_saturated_only_on_raw_pixels(name, least):
    frames = torch.as_tensor(sequences("digits", count=10)).view(10, -1, 256)
    for hidden in (256, 1024):
        net = build(name, hidden=hidden, depth=1)
        U, b = net.cells[0].U, net.cells[0].offset()
        inputs = [net.measure(f) @ U.T + b for f in (frames, frames / 255)]
        raw, unit = ((input_term.abs() > 3).float().mean().item() for input_term in inputs)
        assert raw > least and unit < 0.01


def test_the_initial_codes_of_indrnn_decrease_from_layer_to_layer():
    frames = torch.as_tensor(sequences("digits", count=10)).view(10, -1, 256)
    nets = [build("indrnn", depth=depth) for depth in (1, 2, 3)]
    sizes = [net.codes(net.measure(frames)).std().item() for net in nets]
    assert sizes[1] < sizes[0] / 4 and sizes[2] < sizes[1] / 4


@pytest.mark.parametrize("name", CLASSES)
def test_layers_have_independent_initial_values(name):
    _, second, third = (dict(layer.named_parameters()) for layer in build(name, **SIZES).cells)
    weights = dict(build(name, **SIZES | {"seed": 1}).cells[1].named_parameters())
    for key in {"U", "W", "w", "P", "Q"} & set(second):
        assert not torch.equal(second[key], third[key])
        assert not torch.equal(second[key], weights[key])


@pytest.mark.parametrize(("name", "cells"), [("lstm", torch.nn.LSTM), ("gru", torch.nn.GRU)])
def test_lstm_and_gru_have_the_initial_values_of_the_committed_runs(name, cells):
    net = build(name, **SIZES | {"seed": 3})
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(derive(3, "weights", name.upper()))
        drawn = cells(4, 12, num_layers=3, batch_first=True), torch.nn.Linear(12, 9)
    for ours, expected in zip((net.cells, net.readout), drawn, strict=True):
        for weight, target in zip(ours.parameters(), expected.parameters(), strict=True):
            assert torch.equal(weight, target)


def test_initial_input_weights_have_the_distribution_of_the_public_code():
    for name, std in {"indrnn": 0.001, "fastrnn": 0.1}.items():
        for layer in make(name, hidden=300).cells:
            # Five standard errors of a deviation estimated from that many draws.
            assert abs(layer.U.std() / std - 1) < 5 / math.sqrt(2 * layer.U.numel())
    for layer in make("spectralrnn", hidden=300).cells:
        bound = math.sqrt(6 / sum(layer.U.shape))
        assert 0.98 * bound < layer.U.abs().max() <= bound * (1 + 1e-6)
        assert not layer.bias.any() and not layer.p.any()


def test_the_page_of_the_protocol_names_the_defaults():
    text = (ROOT / "book" / "protocol.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+RNN)` \| `(\w+)` \| `(.+?)` \|", text, re.MULTILINE)
    printed = {(kind, option): eval(default) for kind, option, default in rows}
    defaults = {
        (kind.__name__, option): parameter.default
        for kind in CLASSES.values()
        for option, parameter in inspect.signature(kind.layer).parameters.items()
        if parameter.default is not inspect.Parameter.empty
    }
    assert printed == defaults and len(rows) == len(defaults)


# SpectralRNN: singular values within the margin, whatever is learned ----------------------------


def layer_of(**options):
    return make("spectralrnn", depth=1, **options).cells[0]


def defect(factor):
    """The distance of a matrix from orthogonality: the largest entry of QᵀQ − I."""
    return (factor.T @ factor - torch.eye(len(factor), dtype=factor.dtype)).abs().max().item()


def reflect(R):
    """Return the product of the reflections, (h, h)."""
    return torch.eye(R.shape[1], dtype=R.dtype) - R.T @ compact_factor(R)


def factors(layer):
    """Return the orthogonal P and Q, each (h, h)."""
    return [reflect(layer.unpacked(packed)) for packed in (layer.P, layer.Q)]


@torch.no_grad()
def move(layer, scale, seed):
    """Set every parameter of the factors to random values of this size."""
    generator = torch.Generator().manual_seed(derive(seed, "move"))
    for parameter in (layer.P, layer.Q, layer.p):
        parameter.copy_(scale * torch.randn(parameter.shape, generator=generator))


@pytest.mark.parametrize("scale", [1e-30, 1e-3, 1.0, 1e3, 1e30])
@pytest.mark.parametrize("reflectors", [1, 3, 11, 12])
@pytest.mark.parametrize("margin", [0.0, 0.01, 0.5, 1.0])
def test_factors_remain_orthogonal_and_within_the_margin_after_any_update(
    margin, reflectors, scale
):
    layer = layer_of(reflectors=reflectors, margin=margin)
    for seed in range(3):
        move(layer, scale, seed)
        assert max(map(defect, factors(layer))) < 1e-13
        values = torch.linalg.svdvals(layer.weights()[0])
        assert values.max() <= 1 + margin + 1e-13 and values.min() >= 1 - margin - 1e-13
        expected = layer.singular_values().sort(descending=True).values
        assert torch.allclose(values, expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_the_factors_are_orthogonal_in_single_precision(scale):
    layer = layer_of(hidden=200, reflectors=200).float()
    move(layer, scale, 0)
    # An entry sums h products, and k reflections turn it.
    assert max(map(defect, factors(layer))) < 200 * torch.finfo(torch.float32).eps


def test_steps_of_adam_remain_within_the_margin(normal):
    net = make("spectralrnn", depth=2, margin=0.05)
    optimiser, frames = torch.optim.Adam(net.parameters(), lr=0.5), 10 * normal(4, 3, 9)
    for _ in range(20):
        optimiser.zero_grad()
        (net(frames) - frames).square().sum().backward()
        optimiser.step()
    for layer in net.cells:
        assert max(map(defect, factors(layer))) < 1e-13
        values = torch.linalg.svdvals(layer.weights()[0])
        assert values.max() <= 1.05 + 1e-13 and values.min() >= 0.95 - 1e-13
        assert values.max() - values.min() > 0.05


def test_the_weights_equal_the_product_of_their_factors():
    layer = layer_of(reflectors=5, margin=0.5)
    move(layer, 1.0, 0)
    P, Q = factors(layer)
    assert torch.allclose(layer.weights()[0], P @ layer.singular_values().diag() @ Q.T, atol=1e-13)


@pytest.mark.parametrize("reflectors", [1, 4, 12])
def test_the_initial_weights_are_orthogonal(reflectors):
    layer = layer_of(reflectors=reflectors)
    assert (layer.singular_values() == 1).all()
    assert defect(layer.weights()[0]) < 1e-13


def test_the_compact_form_equals_the_product_of_reflectors(normal):
    R = directions(normal(5, 12))
    expected = np.eye(12)
    for r in R.numpy():
        expected = expected @ (np.eye(12) - 2 * np.outer(r, r))
    assert np.abs(reflect(R).numpy() - expected).max() < 1e-13


def test_the_product_of_equal_reflectors_is_the_identity(normal):
    R = directions(normal(1, 12)).expand(6, -1)
    assert (reflect(R) - torch.eye(12)).abs().max() < 1e-12
    assert (reflect(R[:5]) - reflect(R[:1])).abs().max() < 1e-12


def test_a_zero_reflector_is_the_identity_with_gradient_zero(normal):
    rows = normal(3, 12)
    rows[1] = 0
    rows.requires_grad_()
    matrix = reflect(directions(rows))
    assert torch.allclose(matrix, reflect(directions(rows[[0, 2]])), rtol=0, atol=1e-13)
    (matrix * normal(12, 12)).sum().backward()
    assert rows.grad.isfinite().all() and not rows.grad[1].any() and rows.grad[0].any()


def test_a_reflection_does_not_depend_on_the_length_of_the_reflector(normal):
    layer = layer_of()
    before = layer.weights()[0]
    with torch.no_grad():
        layer.P *= 7
        layer.Q *= 0.01
    assert torch.allclose(layer.weights()[0], before, rtol=0, atol=1e-13)


@pytest.mark.parametrize(("hidden", "k"), [(1, 1), (3, 1), (8, 2), (1024, 256)])
def test_the_default_number_of_reflectors_is_a_quarter_of_the_width(hidden, k):
    layer = layer_of(hidden=hidden)
    assert len(layer.P) == len(layer.Q) == k * hidden - k * (k - 1) // 2


def test_a_stream_computes_the_weights_once(normal, monkeypatch):
    net, x = make("spectralrnn", depth=2), 5 * normal(2, 6, 4)
    whole, state, parts = net.recover(x), net.start(2), []
    monkeypatch.setattr(type(net.cells[0]), "weights", None)
    for part in x.split(1, 1):
        frames, state = net.recover(part, state)
        parts.append(frames)
    assert torch.allclose(torch.cat(parts, 1), whole, rtol=1e-12, atol=1e-12)
