"""A sensing matrix of the user, fixed or trained."""

import copy

import numpy as np
import pytest
import torch

from unfolded import networks
from unfolded.choices import UNFOLDED
from unfolded.errors import ConfigError

SIZES = {"hidden": 16, "depth": 2, "seed": 3}
NAMES = networks.names()


def matrix(n=5, n0=12):
    return np.random.default_rng(0).normal(size=(n, n0)) / n0


def frames(*shape, n0=12):
    return torch.from_numpy(np.random.default_rng(1).normal(size=(*shape, n0))).float()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy, np.ndarray.tolist])
def test_a_given_matrix_is_used_for_measuring_and_defines_the_sizes(name, kind):
    net = networks.build(name, A=kind(matrix()), **SIZES)
    assert (net.n, net.n0) == (5, 12)
    x = frames(2, 3)
    assert torch.allclose(net.measure(x), x @ torch.from_numpy(matrix()).float().T)
    assert net(x).shape == x.shape
    same = networks.build(name, A=matrix(), n=5, n0=12, **SIZES)
    assert torch.equal(same(x), net(x))


@pytest.mark.parametrize("name", NAMES)
def test_a_fixed_matrix_is_constant_while_all_other_parameters_are_trained(name):
    net = networks.build(name, A=matrix(), trainable_A=False, **SIZES)
    free = networks.build(name, A=matrix(), **SIZES)
    assert "A" not in dict(net.named_parameters()) and "A" in net.state_dict()
    assert next(iter(dict(free.named_parameters()))) == "A"
    x = frames(8, 9)
    for network in (net, free):
        (network(x) - x).square().mean().backward()
    parameters = dict(free.named_parameters())
    for key, parameter in net.named_parameters():
        assert torch.allclose(parameter.grad, parameters[key].grad, rtol=1e-4, atol=1e-7), key
    before = net.A.clone()
    torch.optim.SGD(net.requires_grad_(True).parameters(), 0.1).step()
    assert torch.equal(net.A, before) and not net.A.requires_grad


@pytest.mark.parametrize("name", NAMES)
def test_a_fixed_matrix_is_converted_and_loaded_with_the_network(name):
    net = networks.build(name, A=matrix(), trainable_A=False, **SIZES)
    twin = copy.deepcopy(net).double()
    assert twin.A.dtype == torch.float64 and net.A.dtype == torch.float32
    receiver = networks.build(name, n=5, n0=12, trainable_A=False, **SIZES)
    assert not torch.equal(receiver.A, net.A)
    receiver.load_state_dict(net.state_dict())
    assert torch.equal(receiver(frames(2, 3)), net(frames(2, 3)))


def test_a_given_matrix_is_copied_with_its_precision():
    array = matrix()
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        net = networks.build("gru", A=array, **SIZES)
    finally:
        torch.set_default_dtype(before)
    assert net.A.detach().numpy().tobytes() == array.tobytes()
    array[:] = 0
    assert net.A.abs().min() > 0


@pytest.mark.parametrize(
    "odd",
    [
        matrix().T.copy().T,
        matrix()[:, ::-1],
        matrix().astype(">f8"),
        (matrix() > 0),
        np.broadcast_to(matrix()[0], (5, 12)),  # read-only
        (matrix() * 99).astype(np.int16),
        torch.nn.Parameter(torch.from_numpy(matrix())),
        torch.from_numpy(matrix()).bfloat16(),
        torch.from_numpy(matrix()).to_sparse(),
        torch.from_numpy(matrix()).T.contiguous().T,
    ],
    ids=lambda A: f"{type(A).__name__} {A.dtype}",
)
def test_every_kind_of_real_matrix_is_accepted(odd):
    net = networks.build("l1-l1-rnn", A=odd, **SIZES)
    assert net.A.is_contiguous() and net.A.is_leaf and net.A.dtype == torch.float32
    assert torch.isfinite(net(frames(2, 3))).all()


@pytest.mark.parametrize(
    "wrong",
    [
        *({"A": A} for A in (matrix()[0], matrix()[None], np.zeros((0, 12)), np.zeros((5, 0)))),
        *({"A": matrix() * value} for value in (np.nan, np.inf, 1j)),
        *({"A": matrix().astype(kind)} for kind in (object, str)),
        *({"A": A} for A in ([[1.0], [1.0, 2.0]], "A.npy", 3, torch.nn.Linear(12, 5))),
        *({"A": A} for A in (torch.from_numpy(matrix() * 1j), torch.zeros(5, 12, device="meta"))),
        *({"A": matrix(), **sizes} for sizes in ({"n": 6}, {"n0": 256}, {"n": 12, "n0": 5})),
    ],
    ids=str,
)
def test_an_invalid_matrix_is_rejected_in_one_line(wrong):
    with pytest.raises(ConfigError, match=r"^expected .*; got .*; \w.*\Z"):
        networks.build("gru", **wrong, **SIZES)


@pytest.mark.parametrize("name", UNFOLDED)
@pytest.mark.parametrize("kind", ["binary", "signs", "normal", "large"])
def test_layers_do_not_diverge_with_a_matrix_of_any_scale(name, kind):
    generator = np.random.default_rng(0)
    A = {
        "binary": generator.random((40, 144)) < 0.5,
        "signs": generator.choice([-1, 1], (40, 144)),
        "normal": generator.normal(size=(40, 144)),
        "large": 1e3 * generator.normal(size=(40, 144)),
    }[kind]
    net = networks.build(name, A=A, trainable_A=False, hidden=64)
    frames = torch.from_numpy(generator.random((2, 20, 144)) * 255).float()
    recovered = net(frames)
    assert recovered.isfinite().all() and recovered.abs().max() < 1e4
    recovered.square().sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in net.parameters())


def test_the_initial_step_size_is_one_for_a_matrix_of_small_norm():
    for scale, least in ((1e-3, 1.0), (1e2, 1e2)):
        net = networks.build("l1-l1-rnn", A=scale * np.eye(12), hidden=12)
        norm = torch.linalg.matrix_norm(net.A @ net.D, 2).item() ** 2
        assert net.positive("c").item() == pytest.approx(max(1.0, norm), rel=1e-4)
        assert net.positive("c").item() >= least
