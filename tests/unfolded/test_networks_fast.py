"""The networks with the engine: single steps, streams, and several runs in parallel."""

import pytest
import torch

from unfolded.choices import UNFOLDED
from unfolded.errors import ConfigError
from unfolded.networks import build, names
from unfolded.recurrence import LowRank

F64 = torch.float64


def make(name, *, hidden=20, n0=9, n=4, depth=2, seed=0, **options):
    """A network in double precision with every parameter a little away from its start."""
    sizes = {"n0": n0, "n": n, "hidden": hidden, "depth": depth, "seed": seed}
    net = build(name, **sizes, **options).double()
    generator = torch.Generator().manual_seed(seed + 1)
    with torch.no_grad():
        for parameter in net.parameters():
            shift = torch.randn(parameter.shape, generator=generator, dtype=F64)
            parameter += 0.1 * shift / max(1, parameter.shape[-1] if parameter.ndim else 1) ** 0.5
    return net


def trained(net, frames):
    """Recovered frames, and the gradient of the squared error in every parameter."""
    net.zero_grad()
    recovered = net(frames)
    (recovered - frames).square().sum().backward()
    return recovered.detach(), {key: p.grad.clone() for key, p in net.named_parameters()}


def close(result, expected, tolerance=1e-10):
    pairs = [(result[0], expected[0]), *((result[1][key], expected[1][key]) for key in expected[1])]
    for value, target in pairs:
        assert (value - target).abs().max() <= tolerance * (1 + target.abs().max())


@pytest.mark.parametrize("recompute", [False, True], ids=["stored", "recomputed"])
@pytest.mark.parametrize("depth", [1, 3])
@pytest.mark.parametrize("hidden", [6, 40])  # where factors of I − KᵀK are the dearer, the cheaper
@pytest.mark.parametrize("option", [{}, {"lambda2": 0.0}, {"memory": False}], ids=str)
@pytest.mark.parametrize("name", UNFOLDED)
def test_training_with_the_engine_equals_training_by_steps(
    name, option, hidden, depth, recompute, normal
):
    net = make(name, hidden=hidden, depth=depth, lambda1=0.3, **option)
    frames = 3 * normal(3, 5, 9)
    if name != "reweighted-rnn":
        assert isinstance(net.weights()["W"], LowRank) == (hidden == 40)
    net.recompute = recompute
    result = trained(net, frames)
    net.fast = False
    close(result, trained(net, frames))


@pytest.mark.parametrize("frames_in_time", [3, 8])  # by PyTorch's calls, by the loops in C
@pytest.mark.parametrize("name", UNFOLDED)
def test_single_precision_agrees_with_double_precision(name, frames_in_time, normal):
    # Wide enough for the routines that serve single precision only. Φ never stretches an error.
    net = make(name, hidden=260, n0=16, n=6, lambda1=0.3)
    frames = 3 * normal(32, frames_in_time, 16)
    exact, single = net(frames), net.float()(frames.float())
    # A layer sums at most h + n terms three times; d·T layers stretch an error by at most 4.
    bound = 4 * 3 * 2 * frames_in_time * (260 + 6) * torch.finfo(torch.float32).eps
    assert (single - exact).abs().max() <= bound * exact.abs().max()


@pytest.mark.parametrize("fast", [True, False], ids=["fast", "plain"])
@pytest.mark.parametrize("cuts", [[9], [1] * 9, [1, 8], [2, 3, 4]], ids=str)
@pytest.mark.parametrize("name", names())
def test_a_stream_equals_the_whole_sequence(name, cuts, fast, normal):
    net = make(name)
    net.fast = fast
    x = 3 * normal(5, 9, 4)  # enough of both for the loops in C
    parts, state = [], net.start(5)
    for part in x.split(cuts, 1):
        frames, state = net.recover(part, state)
        parts.append(frames)
    whole = net.recover(x)
    assert torch.allclose(torch.cat(parts, 1), whole, rtol=1e-12, atol=1e-12)
    codes, _ = net.codes(x, net.start(5))
    assert torch.equal(net.decode(codes), whole)


@pytest.mark.parametrize("name", names())
def test_gradients_propagate_through_a_stream(name, normal):
    net, x = make(name), 3 * normal(2, 4, 4)
    net.recover(x).square().sum().backward()
    expected = {key: p.grad.clone() for key, p in net.named_parameters() if p.grad is not None}
    net.zero_grad()
    state, loss = net.start(2), 0
    for t in range(4):
        frames, state = net.recover(x[:, t : t + 1], state)
        loss = loss + frames.square().sum()
    loss.backward()
    for key, parameter in net.named_parameters():
        if key in expected:
            assert torch.allclose(parameter.grad, expected[key], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", names())
def test_a_state_of_another_precision_is_rejected(name):
    net = build(name, n0=16, n=6, hidden=9, depth=2).requires_grad_(False)
    state = net.start(batch=2)
    net.double()
    with pytest.raises(ConfigError, match="start another state after"):
        net.recover(torch.zeros(2, 1, 6, dtype=torch.float64), state)


@pytest.mark.parametrize("name", names())
def test_a_state_of_another_number_of_sequences_is_rejected(name):
    net = make(name)
    with pytest.raises(ConfigError, match=r"of the 2 sequences.*got measurements of 3"):
        net.recover(torch.zeros(3, 1, 4, dtype=F64), net.start(2))


@pytest.mark.parametrize("name", UNFOLDED)
def test_autocast_is_rejected(name):
    net = build(name, n0=16, n=6, hidden=20, depth=2)
    with torch.autocast("cpu"), pytest.raises(ConfigError, match="autocast"):
        net.unroll(torch.zeros(1, 2, 6))
