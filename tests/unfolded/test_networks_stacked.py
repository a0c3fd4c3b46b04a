"""The generic networks take the steps that their authors define, written once more in NumPy."""

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


def close(found, expected, tolerance=1e-12):
    error = np.abs(found.detach().numpy() - expected).max()
    assert error <= tolerance * (1 + np.abs(expected).max())


@pytest.mark.parametrize("moved", [False, True], ids=["start", "moved"])
@pytest.mark.parametrize("depth", [1, 3])
@pytest.mark.parametrize("name", CLASSES)
def test_a_network_is_its_definition_step_by_step(name, depth, moved, normal):
    net, x = make(name, normal if moved else None, depth=depth), 5 * normal(2, 6, 4)
    codes, frames = net.codes(x), net.recover(x)
    for i in range(2):
        expected = reference(name, net, x[i].numpy())
        assert expected[0].any()
        close(codes[i], expected[0])
        close(frames[i], expected[1])


@pytest.mark.parametrize("nonlinearity", ["tanh", "relu"])
def test_srnn_is_pytorchs_rnn(nonlinearity, normal):
    net, x = make("srnn", normal, activation=nonlinearity), 5 * normal(3, 6, 4)
    native = torch.nn.RNN(4, 12, 3, nonlinearity, batch_first=True, dtype=F64)
    for l, layer in enumerate(net.cells):
        for parts, ours in {
            "weight_ih": layer.U,
            "weight_hh": layer.W,
            "bias_ih": layer.bias,
            "bias_hh": layer.recurrent_bias,
        }.items():
            getattr(native, f"{parts}_l{l}").data.copy_(ours)
    close(net.codes(x), native(x)[0].detach().numpy())


@pytest.mark.parametrize("name", CLASSES)
def test_gradients_are_those_of_finite_differences(name, normal):
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


@pytest.mark.parametrize("name", CLASSES)
def test_runs_side_by_side_train_each_as_alone(name, normal):
    nets, frames = [make(name, normal, seed=seed) for seed in range(3)], 3 * normal(3, 2, 4, 9)
    stacked = {
        key: torch.stack([dict(net.named_parameters())[key].detach() for net in nets])
        for key, _ in nets[0].named_parameters()
    }
    leaves = {key: value.requires_grad_() for key, value in stacked.items()}
    template = Unchecked(nets[0])

    def one(leaves, frames):
        leaves = {f"network.{key}": value for key, value in leaves.items()}
        return torch.func.functional_call(template, leaves, (frames,))

    found = torch.func.vmap(one)(leaves, frames)
    (found - frames).square().sum().backward()
    for r, net in enumerate(nets):
        recovered = net(frames[r])
        (recovered - frames[r]).square().sum().backward()
        close(found[r], recovered.detach().numpy(), 1e-11)
        for key, parameter in net.named_parameters():
            close(leaves[key].grad[r], parameter.grad.numpy(), 1e-11)


class Unchecked(torch.nn.Module):
    """Recovery without a look at the values, which side by side cannot be had."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, frames):
        return self.network.decode(self.network.unroll(frames @ self.network.A.T)[0])
