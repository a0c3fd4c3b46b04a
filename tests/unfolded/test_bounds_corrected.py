"""The bound of this companion: its proof step by step, its digits, and a search that tries it."""

import functools
import math

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mpmath import mp, mpf, workdps
from test_bounds_extreme import agree

from companion import claims
from companion.theory import counterexample
from companion.theory.norm_balls import Balls
from companion.theory.rademacher_search import lower_estimate, signs
from unfolded import bounds
from unfolded.errors import ConfigError
from unfolded.prox import prox_l1_l1

SIZES = {"m": 8000, "n": 51, "T": 20, "B_x": 1.0}
NAME = "test_sign_row_passes_the_theorem_with_g_fixed_for_either_order_of_thresholds"
value = st.floats(-4, 4)
threshold = st.floats(0, 3)
norm = st.one_of(st.sampled_from([1.0, 1e-3, 10.0, 1e-300, 1e300]), st.floats(1e-2, 1e2))
amount = st.one_of(st.sampled_from([0.0, 1e-300, 255.0, 1e300]), st.floats(0.0, 1e3))


def tensors(*numbers):
    return [torch.tensor(z, dtype=torch.float64) for z in numbers]


# --- the steps of the proof ---


@given(*[value] * 4, *[threshold] * 4)
def test_phi_moves_no_more_than_the_lemma_says(u, u2, hbar, hbar2, a, a2, b, b2):
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
    both = (patterns @ u.T)[:, None] + (patterns @ hbar.T)[None]
    return both.amax(-1).mean()


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
def test_learned_thresholds_cost_what_the_proof_says(m, size, tau1, tau2, p, seed):
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


# --- a search that tries the bound ---


def samples(m, T, n, kind, generator):
    x = torch.randn(m, T, n, generator=generator, dtype=torch.float64)
    if kind == "sparse":
        x = x * (torch.rand(m, T, n, generator=generator) < 0.3)
    elif kind == "corners":
        x = torch.eye(m, dtype=torch.float64)[:, None].repeat(1, T, 1)[..., :n]
    return x, (x.square().sum(0).amax() / m).sqrt().item()


positive = st.floats(0.01, 3)
span = st.one_of(st.floats(0, 2), st.tuples(st.just(0.0), st.floats(0.01, 2)))


@settings(max_examples=40)
@given(
    st.tuples(st.integers(1, 5), st.integers(1, 4), st.integers(1, 4), st.integers(1, 4)),
    st.lists(st.tuples(positive, positive), min_size=1, max_size=3),
    st.sampled_from([0.0, 0.1, 1.0, 3.0, 30.0]),
    st.sampled_from([0.0, 1.0, (-1.0, 1.0)]),
    st.tuples(span, span),
    st.sampled_from(["normal", "sparse", "corners"]),
)
def test_no_network_is_found_above_the_bound(sizes, layers, gamma, h0, taus, kind):
    m, T, n, h = sizes
    alpha, beta = zip(*layers, strict=True)
    balls = Balls(alpha, beta, gamma=gamma, h0=h0, tau1=taus[0], tau2=taus[1])
    x, B_x = samples(m, T, n, kind, torch.Generator().manual_seed(0))
    estimate = lower_estimate(x, balls, h=h, starts=4, steps=25)
    options = {"m": m, "n": x.shape[-1], "T": T, "B_x": B_x, "h0_inf": balls.h0_inf}
    bound = bounds.rademacher_repaired(alpha, beta, gamma=gamma, width=balls.width, **options)
    assert estimate.value <= bound * (1 + 1e-9)


@pytest.mark.parametrize("activation", [None, torch.tanh, torch.sin])
@pytest.mark.parametrize("depth", [1, 3])
def test_for_one_fixed_odd_activation_theorem_and_direct_bound_hold(activation, depth):
    generator = torch.Generator().manual_seed(depth)
    x, B_x = samples(5, 3, 3, "normal", generator)
    balls = Balls([0.8] * depth, [1.0] * depth, h0=(-1.0, 1.0), tau1=0.05)
    estimate = lower_estimate(x, balls, h=3, activation=activation, starts=4, steps=50)
    options = {"m": 5, "n": 3, "T": 3, "B_x": B_x, "h0_inf": 1.0}
    direct = bounds.rademacher_repaired(balls.alpha, balls.beta, gamma=0, **options)
    printed = bounds.rademacher_reweighted(balls.alpha, balls.beta, h=3, **options)
    assert 0.05 * direct < estimate.value <= direct < printed


def test_a_search_finds_networks_above_the_theorem_and_none_above_the_repair():
    x, B_x = samples(6, 4, 3, "normal", torch.Generator().manual_seed(0))
    options = {"m": 6, "n": 3, "T": 4, "B_x": B_x, "h0_inf": 1.0}
    for gamma in (1.0, 1.5, 3.0):
        balls = Balls([0.1], [0.1 / B_x], gamma=gamma, h0=1.0, tau2=3.0)
        estimate = lower_estimate(x, balls, h=3, starts=4, steps=50)
        printed = bounds.rademacher_reweighted(balls.alpha, balls.beta, h=3, **options)
        repaired = bounds.rademacher_repaired(balls.alpha, balls.beta, gamma=gamma, **options)
        assert 1.2 * printed < estimate.value <= repaired


@pytest.mark.parametrize("beta", [1e-1, 1e-3, 1e-6])
def test_sign_memory_stands_between_theorem_and_repair(beta):
    mean, m = 0.0, 6
    for pattern in signs(m):
        net, x = counterexample.sign_memory(pattern, beta)
        mean += (pattern @ net.codes(x)[:, -1, 0]).item() / m / len(signs(m))
    options = {"m": m, "n": m, "T": 2, "B_x": m**-0.5, "h0_inf": 1.0}
    assert mean == pytest.approx(0.9)
    assert mean > 5 * bounds.rademacher_reweighted([1e-300], [beta], h=m, **options)
    gamma = net.G.abs().sum(1).max()
    assert mean < bounds.rademacher_repaired([1e-300], [beta], gamma=gamma, **options)


@pytest.mark.parametrize("lambda2", [0.5, 1.0, 2.0])
def test_sign_gate_passes_the_theorem_as_m_grows_for_either_order_of_thresholds(lambda2):
    above, m = [], 400
    for size in (m // 4, m):
        pattern = signs(size, draws=2)[0]
        mean = 0.0
        # A pattern and its negative: their mean has no chance in it.
        for half in (pattern, -pattern):
            net, x = counterexample.sign_gate(half, lambda1=1.0, lambda2=lambda2)
            mean += (half @ net.codes(x)[:, -1, 0]).item() / size / 2
        options = {"m": size, "n": size + 1, "T": 2, "B_x": 1.0}
        beta, gamma = net.norms()["beta"], net.G.abs().sum(1).max()
        above.append(mean / bounds.rademacher_reweighted([1e-300], beta, h=size + 1, **options))
        assert mean == pytest.approx(lambda2)
        assert mean < bounds.rademacher_repaired([1e-300], beta, gamma=gamma, **options)
    assert above[1] > 1 and above[1] > 1.5 * above[0]


@functools.cache
def above_the_theorem(lambda1, lambda2, m):
    """Return what `sign_row` reaches over (14) and over our bound, for m samples."""
    half, mean = signs(m, draws=2)[0], 0.0
    for pattern in (half, -half):
        net, x = counterexample.sign_row(pattern, lambda1=lambda1, lambda2=lambda2)
        mean += (pattern @ net.codes(x)[:, -1, 0]).item() / m / 2
    assert mean == pytest.approx(lambda2, rel=1e-4)
    options, beta = {"m": m, "n": m + 1, "T": 2, "B_x": 1.0}, net.norms()["beta"]
    ours = bounds.rademacher_repaired([1e-300], beta, gamma=net.G.abs().sum(1).max(), **options)
    return mean / bounds.rademacher_reweighted([1e-300], beta, h=m + 1, **options), mean / ours


@pytest.mark.parametrize(("lambda1", "lambda2"), [(1.0, 3.0), (0.5, 0.5), (2.0, 1.0)])
def test_sign_row_passes_the_theorem_with_g_fixed_for_either_order_of_thresholds(lambda1, lambda2):
    few, many = (above_the_theorem(lambda1, lambda2, m) for m in (250, 1000))
    assert many[0] > 1.6 * few[0] and many[0] > 1
    assert few[1] < 1 and many[1] < 1


def test_the_verdict_on_the_theorem_follows_from_the_counter_example():
    """Refuted if networks with G fixed pass (14) for thresholds in either order."""
    passed = all(above_the_theorem(*pair, 1000)[0] > 1 for pair in ((1.0, 3.0), (2.0, 1.0)))
    (claim,) = (claim for claim in claims.claims() if claim.id == "theorem-3-1")
    assert claims.WORDS[claim.verdict].startswith("✗") == passed
    assert any(check.endswith(NAME) for check in claim.checks)


# --- digits ---


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
def test_twelve_digits_of_the_repaired_bound(net, gamma, m, n, T, B_x, h0_inf):
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
def test_twelve_digits_of_the_largest_code(net, gamma, T, x_inf, h0_inf):
    alpha, beta, _ = net
    with workdps(50):
        e = mpf(h0_inf)
        for _ in range(T):
            rows = [gamma * e]
            for a, b in zip(alpha, beta, strict=True):
                e = max(a * e + b * mpf(x_inf), rows[0])
        options = {"gamma": gamma, "T": T, "x_inf": x_inf, "h0_inf": h0_inf}
        agree("largest_code", (alpha, beta), options, e)


# --- limits and monotony ---


@given(st.lists(st.tuples(norm, norm), min_size=1, max_size=4), st.integers(1, 30), amount)
def test_without_g_it_is_the_direct_bound_and_below_the_theorem(layers, T, h0_inf):
    alpha, beta = zip(*layers, strict=True)
    options = {**SIZES, "T": T, "h0_inf": h0_inf}
    direct = bounds.log_rademacher_repaired(alpha, beta, gamma=0.0, **options)
    assert direct <= bounds.log_rademacher_reweighted(alpha, beta, h=1, **options)


def test_a_width_for_each_layer_or_one_for_all():
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
