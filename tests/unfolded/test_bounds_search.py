"""Networks found by a search and counterexamples, compared with the theorem and its repair."""

import functools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from companion import claims
from companion.theory import counterexample
from companion.theory.norm_balls import Balls
from companion.theory.rademacher_search import lower_estimate, signs
from unfolded import bounds

NAME = "test_sign_row_exceeds_the_theorem_with_g_fixed_for_either_order_of_thresholds"


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
def test_theorem_and_direct_bound_hold_for_one_fixed_odd_activation(activation, depth):
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
def test_sign_memory_is_between_the_theorem_and_the_repair(beta):
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
def test_sign_gate_exceeds_the_theorem_as_m_grows_for_either_order_of_thresholds(lambda2):
    above, m = [], 400
    for size in (m // 4, m):
        pattern = signs(size, draws=2)[0]
        mean = 0.0
        # The mean over a pattern and its negative has no random error.
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
def test_sign_row_exceeds_the_theorem_with_g_fixed_for_either_order_of_thresholds(lambda1, lambda2):
    few, many = (above_the_theorem(lambda1, lambda2, m) for m in (250, 1000))
    assert many[0] > 1.6 * few[0] and many[0] > 1
    assert few[1] < 1 and many[1] < 1


def test_the_verdict_on_the_theorem_follows_from_the_counter_example():
    """Refuted if networks with G fixed pass (14) for thresholds in either order."""
    passed = all(above_the_theorem(*pair, 1000)[0] > 1 for pair in ((1.0, 3.0), (2.0, 1.0)))
    (claim,) = (claim for claim in claims.claims() if claim.id == "theorem-3-1")
    assert claims.WORDS[claim.verdict].startswith("✗") == passed
    assert any(check.endswith(NAME) for check in claim.checks)
