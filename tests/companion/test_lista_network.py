"""LISTA: the network before training equals ISTA, and its parameters remain valid."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from companion.studies.lista.lista_network import LISTA, lista_step
from unfolded import solvers
from unfolded.errors import ConfigError

n, h = 6, 9


@pytest.fixture
def M(normal):
    return normal(n, h)


@given(st.integers(1, 12), st.floats(1e-3, 2.0), st.floats(0.5, 4.0), st.booleans())
@settings(max_examples=30)
def test_an_untrained_lista_equals_ista(depth, lambda1, c, tied):
    draw = torch.Generator().manual_seed(depth)
    M = torch.randn(n, h, generator=draw, dtype=torch.float64)
    x = torch.randn(5, n, generator=draw, dtype=torch.float64)
    c = c * torch.linalg.matrix_norm(M, 2).item() ** 2
    net = LISTA(M, lambda1=lambda1, depth=depth, c=c, tied=tied)
    identity = torch.eye(n, dtype=torch.float64)
    for l, y in enumerate(net.layers(x)):
        ista = solvers.ista(x[:, None], identity, M, lambda1=lambda1, c=c, iterations=l)
        torch.testing.assert_close(y, ista.codes[:, 0], rtol=1e-11, atol=1e-11)
    torch.testing.assert_close(net(x), net.layers(x)[-1], rtol=0, atol=0)
    usual = LISTA(M, lambda1=lambda1, depth=depth, tied=tied)(x)
    lipschitz = torch.linalg.matrix_norm(M, 2).item() ** 2
    assert torch.equal(LISTA(M, lambda1=lambda1, depth=depth, tied=tied, c=lipschitz)(x), usual)


def test_a_layer_equals_the_printed_formula(normal):
    W, U, y, x = normal(h, h), normal(h, n), normal(4, h), normal(4, n)
    gamma = normal(h).abs()
    u = torch.einsum("ij,bj->bi", W, y) + torch.einsum("ij,bj->bi", U, x)
    expected = u.sign() * (u.abs() - gamma).clamp(min=0)
    torch.testing.assert_close(lista_step(y, x @ U.T, W=W, gamma=gamma), expected)


def test_random_initial_weights_are_small_and_reproducible_and_tied_layers_share_them(M):
    first, same, third = (LISTA(M, lambda1=0.1, depth=2, start="random", seed=s) for s in (0, 0, 1))
    assert torch.equal(first.W, same.W) and not torch.equal(first.W, third.W)
    assert first.W.std().item() == pytest.approx(0.01, rel=0.2)
    assert bool((first.gamma > 0).all())
    nets = (LISTA(M, lambda1=0.1, depth=4, tied=tied) for tied in (True, False))
    counts = [sum(p.numel() for p in net.parameters()) for net in nets]
    assert counts == [h * h + h * n + h, 4 * (h * h + h * n + h)]


def test_noise_enters_the_next_layer_and_never_the_last_output(M, normal):
    net, x, seen = LISTA(M, lambda1=0.1, depth=4), normal(3, n), []
    outputs = net.layers(x, lambda y, l: seen.append(l) or torch.zeros_like(y))
    assert seen == [1, 2, 3]
    # Each layer has the input zero, so all outputs equal the first.
    for y in outputs[2:]:
        torch.testing.assert_close(y, outputs[1])


def test_thresholds_remain_positive_in_training(M, normal):
    net, x = LISTA(M, lambda1=0.01, depth=2), normal(16, n)
    optimiser = torch.optim.SGD(net.parameters(), lr=10.0)
    for _ in range(20):
        optimiser.zero_grad()
        net.gamma.sum().backward()
        optimiser.step()
    assert bool((net.gamma > 0).all()) and net.gamma.max() < 0.01 / net.depth
    assert bool(net(x).isfinite().all())


def test_invalid_options_and_signals_of_another_shape_are_rejected(M, normal):
    for bad in ({"depth": 0}, {"depth": True}, {"start": "zero"}, {"c": -1.0}, {"lambda1": 0.0}):
        with pytest.raises(ConfigError, match="expected"):
            LISTA(M, **{"lambda1": 0.1, "depth": 2, **bad})
    for bad in (normal(3, n + 1), normal(n), normal(3, n).float()):
        with pytest.raises(ConfigError, match="signals"):
            LISTA(M, lambda1=0.1, depth=2)(bad)
