"""Statements of the paper about its bounds: growth in time, the quoted (52), and validity."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from companion.theory import fastrnn_bounds
from unfolded import bounds

SIZES = {"m": 8000, "n": 51, "h": 1024}
norm = st.floats(1e-2, 1e2)
pairs = st.lists(st.tuples(norm, norm), min_size=1, max_size=6)

# Growth in time, as in D.1


def one_layer(alpha1, T):
    return bounds.rademacher_reweighted_one_layer(alpha1, 1.0, **SIZES, T=T, B_x=1.0)


@given(st.floats(1e-3, 0.999))
def test_the_bound_below_norm_one_grows_like_the_root_of_time(alpha1):
    # Twice the root, and never more than what the whole geometric series allows.
    sizes = math.log(SIZES["n"]) + math.log(SIZES["h"])
    for T in (1, 20, 10**6):
        root = math.sqrt(2 * (4 * T * math.log(2) + sizes) / SIZES["m"])
        assert one_layer(alpha1, T) <= root / (1 - alpha1) * (1 + 1e-12)
    assert one_layer(alpha1, 4 * 10**8) / one_layer(alpha1, 10**8) == pytest.approx(2, rel=1e-6)


def test_the_bound_at_norm_one_grows_like_time_to_the_power_of_one_and_a_half():
    assert one_layer(1.0, 4 * 10**8) / one_layer(1.0, 10**8) == pytest.approx(8, rel=1e-6)
    for T in (1, 5, 20, 100):
        assert 4 < one_layer(1.0, 4 * T) / one_layer(1.0, T) < 8


@given(st.floats(1.01, 10), st.integers(1, 60))
def test_the_bound_above_norm_one_grows_exponentially(alpha1, T):
    assert one_layer(alpha1, 2 * T) >= alpha1**T * one_layer(alpha1, T) * (1 - 1e-12)


@given(st.floats(1e-2, 0.49), norm, st.floats(1e-3, 1), st.integers(1, 10**6))
def test_the_bound_of_a_contracting_fastrnn_is_bounded_in_time(alpha_F, beta_F, a, T):
    value = bounds.rademacher_fastrnn(alpha_F, beta_F, a=a, m=100, T=T, B=1.0)
    assert value <= 2 * beta_F / (10 * (1 - 2 * alpha_F)) * (1 + 1e-12)


def spectral(W_2, T):
    sizes = {"m": 100, "n": 51, "n_y": 10, "h": 64, "B": 1.0, "gamma": 1.0, "delta": 0.05}
    return bounds.log_gap_spectralrnn(16.0, 1.0, 1.0, W_2, 1.0, 1.0, T=T, **sizes)


def test_spectralrnn_grows_like_time_squared_or_exponentially():
    assert spectral(0.9, 20_000) - spectral(0.9, 10_000) == pytest.approx(math.log(4), rel=1e-6)
    grown = spectral(1.5, 20_000) - spectral(1.5, 10_000)
    assert grown == pytest.approx(10_000 * math.log(1.5) + math.log(4), rel=1e-9)


@given(st.floats(0.501, 1e2), norm, st.floats(1e-3, 1), st.integers(1, 10**4))
def test_printed_52_is_below_the_exact_bound_and_the_form_of_its_source_above(
    alpha_F, beta_F, share, T
):
    a = min(1.0, share / (2 * (2 * alpha_F - 1) * T))
    options = {"a": a, "m": 100, "T": T, "B": 1.0}
    exact = bounds.rademacher_fastrnn(alpha_F, beta_F, **options)
    source = fastrnn_bounds.short_form(alpha_F, beta_F, **options)
    assert exact <= source <= 2 * exact * (1 + 1e-12)
    assert fastrnn_bounds.printed_form(alpha_F, beta_F, **options) < exact
    negative = 2 * a * (2 * alpha_F - 1) * (T + 1) < 1 - 1e-12
    assert (fastrnn_bounds.printed_form(alpha_F, beta_F, **options) < 0) or not negative


@given(st.floats(0.501, 1e2))
def test_the_source_form_with_the_limit_of_a_does_not_grow_with_time(alpha_F):
    values = []
    for T in (100, 1000, 10_000):
        a = 1 / (2 * (2 * alpha_F - 1) * T)
        if a <= 1:
            options = {"a": a, "m": 100, "T": T, "B": 1.0}
            values.append(fastrnn_bounds.short_form(alpha_F, 1.0, **options))
    assert values == sorted(values, reverse=True)


@given(pairs, st.integers(1, 30), st.integers(1, 99), st.integers(1, 99), norm, norm)
def test_the_bounds_hold_strictly_for_one_fixed_odd_activation(net, T, n, h, B_x, start):
    """Contraction, Hölder and Massart, layer by layer, give less than (14) and (17).

    For Φ odd and fixed, E sup |Σ ε Φ(wᵀf + uᵀx)| = E sup Σ ε Φ(…) ≤ α E sup ‖Σ ε f‖∞
    + β E ‖Σ ε x‖∞ with no factor for signs. Unrolled, with E ‖Σ ε x‖∞ ≤ √(2 m log 2n) B_x and
    E |Σ ε| ≤ √m, this leaves no 4 d T log 2.
    """
    alpha, beta = zip(*net, strict=True)
    inputs, first, before = 0.0, 1.0, 1.0
    for _ in range(T):
        for a, b in net:
            inputs, first = a * inputs + b, a * first
    m = 100
    direct = inputs * B_x * math.sqrt(2 * math.log(2 * n) / m) + first * start / math.sqrt(m)
    sizes = {"m": m, "n": n, "h": h}
    assert direct <= bounds.rademacher_reweighted(
        alpha, beta, **sizes, T=T, B_x=B_x, h0_inf=start
    ) * (1 + 1e-12)
    # One step of SISTA-RNN: its upper layers have a third term, that of the state before.
    inputs, before = beta[0], alpha[0]
    for _ in range(T - 1):
        inputs, before = alpha[-1] * inputs + beta[0], alpha[-1] * before + beta[-1]
    direct = inputs * B_x * math.sqrt(2 * math.log(2 * n) / m)
    direct += before * start * math.sqrt(2 * math.log(2 * h) / m)
    norms = (alpha[0], alpha[-1], beta[0], beta[-1])
    printed = bounds.rademacher_step_sista(*norms, d=T, **sizes, B_x=B_x, B_h=start)
    assert direct <= printed * (1 + 1e-12)
