"""The generic networks equal the definitions of their authors, written in NumPy."""

import numpy as np
import pytest
import torch
from torch.autograd import gradcheck

from unfolded.networks.fastrnn import FastRNN
from unfolded.networks.indrnn import IndRNN
from unfolded.networks.spectralrnn import SpectralRNN
from unfolded.networks.srnn import SRNN

F64 = torch.float64
SIZES = {"n0": 9, "n": 4, "hidden": 12, "depth": 3, "seed": 0}
CLASSES = {"srnn": SRNN, "indrnn": IndRNN, "fastrnn": FastRNN, "spectralrnn": SpectralRNN}


def make(name, normal=None, **options):
    """A network in double precision, each parameter moved far from its start if ``normal``."""
    net = CLASSES[name](**SIZES | options).double()
    with torch.no_grad():
        for parameter in net.parameters():
            if normal is not None:
                parameter += 0.4 * normal(*parameter.shape)
    return net


def sigmoid(value):
    return 1 / (1 + np.exp(-value))


def reflected(packed, vector, first_to_last):
    """Apply Householder reflectors of lengths h, h − 1, … one after the other."""
    h, rows, start = len(vector), [], 0
    while start < len(packed):
        rows.append(np.r_[np.zeros(len(rows)), packed[start : start + h - len(rows)]])
        start += h - len(rows) + 1
    for v in rows if first_to_last else rows[::-1]:
        vector = vector - 2 * v * (v @ vector) / (v @ v)
    return vector


def next_state(name, p, u, h, margin=0.01):
    """One step of one layer on one vector, from the layer's tensors ``p`` as arrays."""
    if name == "srnn":
        return np.tanh(p["W"] @ h + p["recurrent_bias"] + p["U"] @ u + p["bias"])
    if name == "indrnn":
        bound = 2 ** (1 / 20)
        return np.maximum(0, p["U"] @ u + np.clip(p["w"], -bound, bound) * h + p["bias"])
    if name == "fastrnn":
        update = np.tanh(p["W"] @ h + p["U"] @ u + p["bias"])
        return sigmoid(p["alpha"]) * update + sigmoid(p["beta"]) * h
    s = 2 * margin * (sigmoid(p["p"]) - 0.5) + 1
    turned = reflected(p["P"], s * reflected(p["Q"], h, True), False)
    return np.maximum(0, p["U"] @ u + turned + p["bias"])


def reference(name, net, x, margin=0.01):
    """Codes and frames of one sequence (time, n): frame by frame, then layer by layer."""
    layers = [{k: v.detach().numpy() for k, v in c.state_dict().items()} for c in net.cells]
    states, codes = [np.zeros(net.hidden) for _ in layers], []
    for u in x:
        for l, p in enumerate(layers):
            u = states[l] = next_state(name, p, u, states[l], margin)
        codes.append(u)
    Y, y0 = (p.detach().numpy() for p in (net.readout.weight, net.readout.bias))
    return np.array(codes), np.array(codes) @ Y.T + y0


def close(result, expected, tolerance=1e-12):
    error = np.abs(result.detach().numpy() - expected).max()
    assert error <= tolerance * (1 + np.abs(expected).max())


@pytest.mark.parametrize("moved", [False, True], ids=["start", "moved"])
@pytest.mark.parametrize("depth", [1, 3])
@pytest.mark.parametrize("name", CLASSES)
def test_each_step_of_a_network_equals_its_definition(name, depth, moved, normal):
    net, x = make(name, normal if moved else None, depth=depth), 5 * normal(2, 6, 4)
    codes, frames = net.codes(x), net.recover(x)
    for i in range(2):
        expected = reference(name, net, x[i].numpy())
        assert expected[0].any()
        close(codes[i], expected[0])
        close(frames[i], expected[1])


@pytest.mark.parametrize("name", CLASSES)
def test_gradients_equal_finite_differences(name, normal):
    net = make(name, normal, hidden=5, depth=2, n0=3)
    with torch.no_grad():
        for layer in net.cells:
            if name == "indrnn":
                layer.w.copy_(torch.linspace(-1, 1, 5))  # off the bound, where the slope jumps
    keys, values = zip(*net.named_parameters(), strict=True)
    frames = normal(2, 3, 3)

    def recovered(frames, *values):
        return torch.func.functional_call(net, dict(zip(keys, values, strict=True)), (frames,))

    values = [value.detach().requires_grad_() for value in values]
    assert gradcheck(recovered, (frames.requires_grad_(), *values))
