"""How the generic networks start, what their options allow, and how many numbers they learn."""

import inspect
import math
import re
from pathlib import Path

import pytest
import torch

from unfolded import recurrence
from unfolded.data import sequences
from unfolded.errors import ConfigError
from unfolded.networks import build
from unfolded.networks.fastrnn import FastRNN
from unfolded.networks.indrnn import IndRNN
from unfolded.networks.spectralrnn import SpectralRNN
from unfolded.networks.srnn import SRNN, ElmanLayer
from unfolded.seeds import derive

ROOT = Path(__file__).resolve().parents[2]
SIZES = {"n0": 9, "n": 4, "hidden": 12, "depth": 3, "seed": 0}
CLASSES = {"srnn": SRNN, "indrnn": IndRNN, "fastrnn": FastRNN, "spectralrnn": SpectralRNN}


def make(name, **options):
    return CLASSES[name](**SIZES | options).double()


class LeakyLayer(ElmanLayer):
    def step(self, drive, h, _, W):
        return 0.3 * h + 0.7 * torch.tanh(drive + h @ W.T), None


class LeakyRNN(SRNN):
    layer = LeakyLayer


def test_a_layer_with_its_own_step_takes_that_step_by_every_backend(normal):
    network, x = LeakyRNN(**SIZES).double(), normal(20, 12, 4)
    assert not torch.allclose(network.codes(x), make("srnn").codes(x))
    with recurrence.use("reference"):
        expected = network.codes(x)
    for size in (20, 1):
        torch.testing.assert_close(network.codes(x[:size]), expected[:size])


def test_srnn_starts_as_pytorchs_rnn():
    for layer in make("srnn", hidden=100).cells:
        for parameter in layer.parameters():
            assert 0.08 < parameter.abs().max() <= 0.1


def test_fastrnn_starts_as_its_authors_code():
    net = make("fastrnn", hidden=200)
    for layer in net.cells:
        _, a, b = layer.weights()
        assert a.item() == pytest.approx(1 / (1 + math.exp(3)))
        assert b.item() == pytest.approx(1 / (1 + math.exp(-3)))
        assert (layer.bias == 1).all()
        # Five standard errors of a deviation that is estimated from h² draws.
        assert abs(layer.W.std().item() - 0.1) < 5 * 0.1 / math.sqrt(2 * 200**2)


def test_indrnn_starts_within_the_bound_and_never_passes_it(normal):
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
        ("indrnn", {"bound": 0}),
        ("indrnn", {"bound": math.inf}),
        ("indrnn", {"start": "normal"}),
        ("spectralrnn", {"margin": -0.1}),
        ("spectralrnn", {"margin": 1.5}),
        ("spectralrnn", {"reflectors": 0}),
        ("spectralrnn", {"reflectors": 13}),
        ("spectralrnn", {"reflectors": 2.5}),
    ],
    ids=str,
)
def test_impossible_options_end_in_one_clear_line(name, options):
    with pytest.raises(ConfigError, match=r"^expected .*; got .*; \w"):
        make(name, **options)


@pytest.mark.parametrize(("name", "least"), [("srnn", 0.4), ("fastrnn", 0.8)])
def test_the_first_layer_starts_saturated_on_raw_pixels_only(name, least):
    frames = torch.as_tensor(sequences("digits", count=10)).view(10, -1, 256)
    for hidden in (256, 1024):
        net = build(name, hidden=hidden, depth=1)
        U, b = net.cells[0].U, net.cells[0].offset()
        inputs = [net.measure(f) @ U.T + b for f in (frames, frames / 255)]
        raw, unit = ((drive.abs() > 3).float().mean().item() for drive in inputs)
        assert raw > least and unit < 0.01


def test_the_codes_of_indrnn_shrink_from_layer_to_layer_at_the_start():
    frames = torch.as_tensor(sequences("digits", count=10)).view(10, -1, 256)
    nets = [build("indrnn", depth=depth) for depth in (1, 2, 3)]
    sizes = [net.codes(net.measure(frames)).std().item() for net in nets]
    assert sizes[1] < sizes[0] / 4 and sizes[2] < sizes[1] / 4


@pytest.mark.parametrize("name", CLASSES)
def test_layers_start_from_draws_of_their_own(name):
    _, second, third = (dict(layer.named_parameters()) for layer in build(name, **SIZES).cells)
    other = dict(build(name, **SIZES | {"seed": 1}).cells[1].named_parameters())
    for key in {"U", "W", "w", "P", "Q"} & set(second):
        assert not torch.equal(second[key], third[key])
        assert not torch.equal(second[key], other[key])


@pytest.mark.parametrize(("name", "cells"), [("lstm", torch.nn.LSTM), ("gru", torch.nn.GRU)])
def test_lstm_and_gru_start_as_in_the_committed_runs(name, cells):
    net = build(name, **SIZES | {"seed": 3})
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(derive(3, "weights", name.upper()))
        drawn = cells(4, 12, num_layers=3, batch_first=True), torch.nn.Linear(12, 9)
    for ours, expected in zip((net.cells, net.readout), drawn, strict=True):
        for weight, other in zip(ours.parameters(), expected.parameters(), strict=True):
            assert torch.equal(weight, other)


def test_the_input_weights_start_as_the_codes_do():
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
