"""Bounds of networks compared: equal norms, norms of matrices and trained networks."""

import math

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.linalg import hadamard

from companion.theory import bound_comparison, equal_norms
from companion.widgets.bounds_widget import STATE, BoundsExplorer
from unfolded import bounds as library
from unfolded import networks
from unfolded.errors import ConfigError

USUAL = {name: getattr(BoundsExplorer(), name) for name in STATE}


@given(
    st.floats(0.1, 10),
    st.floats(0.1, 10),
    st.floats(0.1, 10),
    st.integers(1, 8),
    st.integers(1, 40),
)
def test_the_bound_of_sista_rnn_through_time_equals_the_unrolled_layer(alpha, beta, gamma, d, T):
    inputs, coupling = 0.0, 0.01 * gamma
    for _ in range(T):
        new, past = 0.0, 1.0
        for l in range(d):
            new, past = alpha * new + beta, alpha * past + (coupling if l else 0.0)
        inputs = past * inputs + new
    state = USUAL | {"alpha": alpha, "beta": beta, "gamma": gamma, "d": d, "T": T}
    roots = 2 * (4 * d * T * math.log(2) + math.log(state["n"]) + math.log(state["h"])) / state["m"]
    bound = equal_norms.log_bounds(**state)["sista-rnn"]
    assert bound == pytest.approx(math.log(inputs) + math.log(roots) / 2, abs=1e-9)
    # At T = 1 it is (17) itself, for a first frame without a past.
    rest = {"d": d, "m": state["m"], "n": state["n"], "h": state["h"], "B_x": 1.0, "B_h": 0.0}
    step = library.log_rademacher_step_sista(alpha, alpha, beta, coupling, **rest)
    assert equal_norms.log_bounds(**state | {"T": 1})["sista-rnn"] == pytest.approx(step, abs=1e-9)


@given(st.floats(0.1, 10), st.integers(1, 200))
def test_unfolded_networks_with_one_layer_have_equal_bounds(alpha, T):
    bounds = equal_norms.log_bounds(**USUAL | {"d": 1, "alpha": alpha, "T": T})
    rest = {"m": 8000, "n": 51, "h": 1024, "T": T, "B_x": 1.0}
    printed = library.log_rademacher_reweighted_one_layer(alpha, 1.0, **rest)
    for name in ("reweighted-rnn", "sista-rnn"):
        assert bounds[name] == pytest.approx(printed, abs=1e-9)


@given(st.floats(0.01, 3), st.floats(0.01, 3))
def test_growth_decides_which_of_51_and_55_is_lower_for_long_sequences(alpha, twice_frobenius):
    """The proposition of the page: growth decides, and where nothing grows, the root of time."""
    assume(all(abs(math.log(size)) > 0.02 for size in (alpha, twice_frobenius)))
    assume(abs(math.log(alpha / twice_frobenius)) > 0.02)
    rest = {"m": 100, "T": 10**7}
    ours = library.log_rademacher_reweighted_one_layer(alpha, 1.0, n=9, h=9, B_x=1.0, **rest)
    theirs = library.log_rademacher_fastrnn(twice_frobenius / 2, 1.0, a=1.0, B=3.0, **rest)
    if max(alpha, 1) < twice_frobenius:
        assert ours < theirs
    else:
        assert ours > theirs


@pytest.mark.parametrize("k", [1, 4, 16, 64])
def test_norms_of_spread_matrices_are_those_of_hadamard_blocks(k):
    blocks = torch.block_diag(*[torch.tensor(hadamard(k), dtype=torch.float64)] * (64 // k))
    for columns in (64, 32):
        # Two identities stand on one another where there are twice as many rows as columns.
        matrix = 1.7 / min(k, columns) * blocks[:, :64]
        if columns == 32:
            half = torch.block_diag(*[torch.tensor(hadamard(min(k, 32)), dtype=torch.float64)]
                                    * (32 // min(k, 32)))  # fmt: skip
            matrix = 1.7 / min(k, 32) * torch.cat([half, half])
        norms = equal_norms.spread(1.7, rows=64, columns=columns, k=k)
        assert norms == pytest.approx(bound_comparison.matrix_norms(matrix), rel=1e-12)


@given(st.integers(1, 30), st.integers(1, 30), st.integers(0, 2**32 - 1))
def test_the_norms_of_a_matrix_are_ordered(rows, columns, seed):
    matrix = torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))
    row, frobenius, spectral = bound_comparison.matrix_norms(matrix.double()).values()
    slack = 1 + 1e-9
    assert spectral <= frobenius * slack <= math.sqrt(min(rows, columns)) * spectral * slack**2
    assert frobenius <= math.sqrt(rows) * row * slack
    assert row <= math.sqrt(columns) * min(frobenius, math.sqrt(columns) * spectral) * slack


@pytest.mark.parametrize("name", ["reweighted-rnn", "l1-l1-rnn", "sista-rnn"])
def test_the_bound_of_an_unfolded_network_is_computed_from_its_norms(name):
    net = networks.build(name, n0=16, n=5, hidden=9, depth=3, seed=0)
    (alpha, beta), data = net.norms().values(), {"m": 100, "T": 7, "B_x": 2.0}
    if name == "sista-rnn":
        expected = library.log_rademacher_step_sista(
            alpha[0], alpha[1], *beta, d=3, m=100, n=5, h=9, B_x=2.0, B_h=0.0
        )
        first = bound_comparison.log_bound_of(net, **data | {"T": 1}, B=5.0)
        assert first == pytest.approx(expected, rel=1e-12)
    else:
        expected = library.log_rademacher_reweighted(alpha, beta, **data, n=5, h=9)
        assert bound_comparison.log_bound_of(net, **data, B=5.0) == expected


def test_the_bounds_of_fastrnn_and_spectralrnn_are_computed_from_their_matrices():
    data = {"m": 100, "T": 7, "B_x": 2.0, "B": 5.0}
    net = networks.build("fastrnn", n0=16, n=5, hidden=9, depth=1, seed=0)
    (layer,) = net.cells
    a, norms = torch.sigmoid(layer.alpha).item(), (layer.W.norm().item(), layer.U.norm().item())
    expected = library.log_rademacher_fastrnn(*norms, a=a, m=100, T=7, B=5.0)
    assert bound_comparison.log_bound_of(net, **data) == pytest.approx(expected, rel=1e-6)
    net = networks.build("spectralrnn", n0=16, n=5, hidden=9, depth=1, seed=0)
    U, Y = net.cells[0].U.detach(), net.readout.weight.detach()
    # Its W starts orthogonal: norm one, of Frobenius norm √h.
    widest = [torch.linalg.svdvals(matrix)[0].item() for matrix in (U, Y)]
    norms = (3.0, U.norm().item(), Y.norm().item(), 1.0, *widest)
    rest = {"m": 100, "n": 5, "n_y": 16, "h": 9, "T": 7, "B": 5.0, "gamma": 1.0, "delta": 0.05}
    expected = library.log_gap_spectralrnn(*norms, **rest)
    assert bound_comparison.log_bound_of(net, **data) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("name", "depth"), [("lstm", 1), ("fastrnn", 2), ("spectralrnn", 3)])
def test_networks_without_a_bound_are_rejected(name, depth):
    net = networks.build(name, n0=16, n=5, hidden=9, depth=depth)
    with pytest.raises(ConfigError, match=f"with {depth} layers; the paper quotes"):
        bound_comparison.log_bound_of(net, m=100, T=7, B_x=2.0, B=5.0)
