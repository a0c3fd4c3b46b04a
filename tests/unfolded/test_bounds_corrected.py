"""The bound of this companion: each step of its proof, and its value to twelve digits."""

import math

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mpmath import mp, mpf, workdps
from test_bounds_extreme import agree

from companion.theory.rademacher_search import signs
from unfolded import bounds
from unfolded.errors import ConfigError
from unfolded.prox import prox_l1_l1

SIZES = {"m": 8000, "n": 51, "T": 20, "B_x": 1.0}
value = st.floats(-4, 4)
threshold = st.floats(0, 3)
norm = st.one_of(st.sampled_from([1.0, 1e-3, 10.0, 1e-300, 1e300]), st.floats(1e-2, 1e2))
amount = st.one_of(st.sampled_from([0.0, 1e-300, 255.0, 1e300]), st.floats(0.0, 1e3))


def tensors(*numbers):
    return [torch.tensor(z, dtype=torch.float64) for z in numbers]


# The steps of the proof


@given(*[value] * 4, *[threshold] * 4)
def test_phi_has_the_lipschitz_constants_of_the_lemma(u, u2, hbar, hbar2, a, a2, b, b2):
    first = prox_l1_l1(*tensors(u, hbar, a, b))
    second = prox_l1_l1(*tensors(u2, hbar2, a2, b2))
    sums = abs(a + b - a2 - b2), abs(a - b - a2 + b2)
    limit = max(abs(u - u2) + max(sums), abs(hbar - hbar2))
    assert max(sums) == pytest.approx(abs(a - a2) + abs(b - b2), abs=1e-12)
    assert abs(first - second) <= limit + 1e-12
    assert torch.equal(prox_l1_l1(*tensors(-u, -hbar, a, b)), -first)


def expected_sup(patterns, values):
    """Return E sup Σ ε v over a finite set: values (set, m), patterns (2^m, m)."""
    return (patterns @ values.T).amax(1).mean()


def pair_sup(u, hbar):
    """Return E sup Σ (ε u + ε' ħ) over a finite set of pairs, with independent signs."""
    patterns = signs(u.shape[1])
    sums = (patterns @ u.T)[:, None] + (patterns @ hbar.T)[None]
    return sums.amax(-1).mean()


@given(
    st.integers(1, 5), st.integers(1, 6), threshold, threshold, st.booleans(), st.integers(0, 99)
)
def test_contraction_of_pairs_has_constant_one(m, size, tau1, tau2, sparse, seed):
    generator = torch.Generator().manual_seed(seed)
    u, hbar = 4 * torch.randn(2, size, m, generator=generator, dtype=torch.float64)
    if sparse:
        u, hbar = torch.stack([u, hbar]) * (torch.rand(2, size, m, generator=generator) < 0.4)
    left = expected_sup(signs(m), prox_l1_l1(u, hbar, tau1, tau2))
    assert left <= pair_sup(u, hbar) + 1e-12


@pytest.mark.parametrize("m", [2, 5, 8])
def test_contraction_of_pairs_is_tight(m):
    """One tall entry in u, small ones everywhere in ħ: Φ lets both pass, but for 1/m each."""
    eye = torch.eye(m, dtype=torch.float64)
    tall, small = torch.cat([eye, -eye]), signs(m) / m
    # E sup Σ ε u and E sup Σ ε ħ are one each.
    assert expected_sup(signs(m), tall) == expected_sup(signs(m), small) == 1
    u, hbar = torch.broadcast_tensors(tall[:, None], small[None])
    left = expected_sup(signs(m), prox_l1_l1(u, hbar, 0.0, 1 / m).reshape(-1, m))
    assert left == pytest.approx(2 - 2 / m)


small = st.integers(1, 5)


@given(small, small, threshold, threshold, st.floats(1.05, 20), st.integers(0, 99))
def test_learned_thresholds_add_at_most_the_term_of_the_proof(m, size, tau1, tau2, p, seed):
    """The supremum over four corners and the centre of a box of thresholds is one of many."""
    generator = torch.Generator().manual_seed(seed)
    u, hbar = 4 * torch.randn(2, size, m, generator=generator, dtype=torch.float64)
    box = [(a * tau1, b * tau2) for a, b in ((0, 0), (1, 0), (0, 1), (1, 1), (0.5, 0.5))]
    images = torch.cat([prox_l1_l1(u, hbar, *pair) for pair in box])
    q = p / (p - 1)
    right = p * expected_sup(signs(m), u) + expected_sup(signs(m), hbar)
    assert expected_sup(signs(m), images) <= right + q * (tau1 + tau2) * math.sqrt(m / 2) + 1e-12


@given(st.integers(1, 8), st.integers(1, 5), st.integers(0, 99))
def test_massart_and_the_sums_of_signs(m, n, seed):
    x = torch.randn(m, n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    largest = (signs(m) @ x).abs().amax(1).mean()
    assert largest <= math.sqrt(2 * math.log(2 * n)) * x.square().sum(0).amax().sqrt()
    assert signs(m).sum(1).abs().mean() <= math.sqrt(m)
    two = signs(m).sum(1)[:, None] + signs(m).sum(1)[None]
    assert two.abs().mean() <= math.sqrt(2 * m)


# Digits


@st.composite
def cases(draw):
    depth = draw(st.integers(1, 5))
    layer = st.lists(norm, min_size=depth, max_size=depth)
    width = st.lists(amount, min_size=depth, max_size=depth)
    return draw(layer), draw(layer), draw(st.one_of(st.just([0.0] * depth), width))


sizes = st.integers(1, 10**4)


@given(cases(), amount, sizes, sizes, st.integers(1, 20), amount, amount)
@example(([10.0] * 20, [10.0] * 20, [0.0] * 20), 1.0, 1, 51, 1000, 10.0, 10.0)
@example(([0.5, 2.0], [1.0, 1.0], [0.0, 0.0]), 0.0, 8000, 51, 1000, 1.0, 1.0)
@example(([0.5, 0.5], [1.0, 1.0], [0.0, 0.0]), 0.5, 8000, 51, 1000, 1.0, 1.0)
@example(([0.5, 0.5], [1.0, 1.0], [1e-300, 0.0]), 0.5, 8000, 51, 100, 1.0, 1.0)
@example(([3.0], [1.0], [2.0]), 0.5, 8000, 1, 300, 1.0, 0.0)
@example(([1.0], [1e-300], [0.0]), 0.0, 1, 1, 1, 1e-300, 0.0)
@settings(max_examples=80)
def test_the_repaired_bound_is_exact_to_twelve_digits(net, gamma, m, n, T, B_x, h0_inf):
    """The reference picks, for each layer, the best of all p: 1/p + 1/q = 1."""
    alpha, beta, width = net
    with workdps(50):
        r = mpf(h0_inf)
        for _ in range(T):
            before = gamma * r
            for a, b, w in zip(alpha, beta, width, strict=True):
                line, spread = a * r + b * mpf(B_x) * mp.sqrt(2 * mp.log(2 * n)), w / mp.sqrt(2)
                share = mp.sqrt(spread / line) if line else mpf(1)
                r = (1 + share) * line + (1 + 1 / share if share else 0) * spread + before
                r = r if line else spread + before
        options = {"m": m, "n": n, "T": T, "B_x": B_x, "h0_inf": h0_inf}
        options |= {"gamma": gamma, "width": width if any(width) else 0.0}
        agree("rademacher_repaired", (alpha, beta), options, r / mp.sqrt(m))


@given(cases(), amount, st.integers(1, 20), amount, amount)
@example(([10.0] * 20, [10.0] * 20, []), 1.0, 1000, 10.0, 10.0)
@settings(max_examples=60)
def test_the_largest_code_is_exact_to_twelve_digits(net, gamma, T, x_inf, h0_inf):
    alpha, beta, _ = net
    with workdps(50):
        e = mpf(h0_inf)
        for _ in range(T):
            rows = [gamma * e]
            for a, b in zip(alpha, beta, strict=True):
                e = max(a * e + b * mpf(x_inf), rows[0])
        options = {"gamma": gamma, "T": T, "x_inf": x_inf, "h0_inf": h0_inf}
        agree("largest_code", (alpha, beta), options, e)


# Special cases


@given(st.lists(st.tuples(norm, norm), min_size=1, max_size=4), st.integers(1, 30), amount)
def test_the_repaired_bound_without_G_is_below_the_theorem(layers, T, h0_inf):
    alpha, beta = zip(*layers, strict=True)
    options = {**SIZES, "T": T, "h0_inf": h0_inf}
    direct = bounds.log_rademacher_repaired(alpha, beta, gamma=0.0, **options)
    assert direct <= bounds.log_rademacher_reweighted(alpha, beta, h=1, **options)


def test_one_width_for_all_layers_equals_equal_widths():
    options = {"gamma": 0.3, **SIZES}
    expected = bounds.rademacher_repaired([0.5, 0.7], [1.0, 2.0], width=0.2, **options)
    for width in ([0.2, 0.2], *tensors([0.2, 0.2], 0.2)):
        assert expected == bounds.rademacher_repaired(
            [0.5, 0.7], [1.0, 2.0], width=width, **options
        )
    assert expected > bounds.rademacher_repaired(
        [0.5, 0.7], [1.0, 2.0], width=[0.2, 0.0], **options
    )
    for form in (bounds.rademacher_repaired, bounds.log_rademacher_repaired):
        for bad in ([0.1], [0.1, -0.1], None):
            with pytest.raises(ConfigError, match="expected"):
                form([0.5, 0.7], [1.0, 2.0], width=bad, **options)
