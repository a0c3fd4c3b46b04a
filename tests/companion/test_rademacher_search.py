"""The search for lower estimates: projection, network, results and invalid arguments."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from companion.theory import counterexample
from companion.theory.norm_balls import Balls, Weights, outputs, project_rows
from companion.theory.rademacher_search import ALL_SIGNS, lower_estimate, signs
from unfolded import bounds, networks
from unfolded.errors import ConfigError
from unfolded.prox import soft_threshold

SMALL = {"starts": 4, "steps": 50}
entries = st.lists(st.floats(-5, 5), min_size=1, max_size=8)
radius = st.one_of(st.just(0.0), st.floats(1e-3, 20))


def samples(m, T, n, seed=0):
    """Draw samples with B_x = 1."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(m, T, n, generator=generator, dtype=torch.float64)
    return x / (x.square().sum(0).amax() / m).sqrt()


@given(entries, radius)
def test_projection_is_the_nearest_point(row, r):
    """No vertex ±r e_j of the ball lies beyond the plane through the projection."""
    w = torch.tensor(row, dtype=torch.float64)
    p = project_rows(w, r)
    assert p.abs().sum() <= r * (1 + 1e-12)
    away = w - p
    assert r * away.abs().max() <= away @ p + 1e-9
    if w.abs().sum() <= r:
        assert torch.equal(p, w)


def test_rows_are_projected_each_to_its_own_radius(normal):
    w, radii = 2 * normal(6, 5), torch.tensor([0.1, 0.5, 1.0, 2.0, 4.0, 50.0])[:, None].double()
    rows = torch.stack([project_rows(*pair) for pair in zip(w, radii, strict=True)])
    assert torch.equal(project_rows(w, radii), rows)


def inside(weights, balls, slack=1 + 1e-12):
    rows = [z.abs().sum(-1).amax((0, -1)) for z in weights[:3]]
    limits = (balls.alpha, balls.beta, balls.gamma)
    norms = [
        bool((r <= slack * torch.tensor(limit).double()).all())
        for r, limit in zip(rows, limits, strict=True)
    ]
    boxes = zip(weights[3:], balls.boxes, strict=True)
    return all(norms) and all(bool(((z >= low) & (z <= high)).all()) for z, (low, high) in boxes)


def test_draws_and_projections_lie_in_the_balls(normal):
    balls = Balls([0.5, 2], [1, 0.1], gamma=3.0, h0=(-1.0, 0.5), tau1=(0.1, 0.3), tau2=0.2)
    drawn = balls.draw(50, n=3, h=4, generator=torch.Generator().manual_seed(0))
    assert inside(drawn, balls, 1 + 1e-9)
    moved = Weights(*(z + normal(*z.shape) for z in drawn))
    assert not inside(moved, balls)
    nearest = balls.nearest(moved)
    assert inside(nearest, balls)
    assert all(torch.allclose(*pair) for pair in zip(balls.nearest(nearest), nearest, strict=True))


def test_the_searched_network_equals_that_of_the_library(normal):
    net = networks.build("reweighted-rnn", n0=7, n=4, hidden=5, depth=3, lambda2=0.3).double()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.3 * normal(*parameter.shape))
        x = 3 * normal(6, 4, 4)
        W, U = (torch.stack(z)[None] for z in net.layer_weights())
        tau1, tau2 = (z[None] for z in net.thresholds())
        weights = Weights(W, U, net.G[None], net.h0[None], tau1, tau2)
        assert torch.allclose(outputs(x, weights)[0], net.codes(x)[:, -1, 0], atol=1e-12)


def test_the_activation_without_G_is_the_soft_threshold(normal):
    balls = Balls([0.9, 0.7], [1.0, 1.0], h0=(-1.0, 1.0), tau1=0.1, tau2=0.2)
    weights = balls.draw(6, n=2, h=3, generator=torch.Generator().manual_seed(0))
    x = normal(5, 3, 2)
    fixed = outputs(x, weights, lambda u: soft_threshold(u, 0.3))
    assert torch.allclose(outputs(x, weights), fixed, atol=1e-15)


def test_the_search_reaches_the_dual_norm_for_a_linear_unit():
    x = samples(6, 1, 3)
    exact = 2.0 * (signs(6) @ x[:, 0]).abs().amax(1).mean().item() / 6
    estimate = lower_estimate(x, Balls([1.0], [2.0]), h=2)
    assert 0.999 * exact <= estimate.value <= exact * (1 + 1e-12)
    assert estimate.error == 0


def test_equal_arguments_give_equal_results():
    balls = Balls([0.8, 0.8], [1, 1], gamma=2.0, tau1=0.1, tau2=(0.0, 0.5))
    first, again = (lower_estimate(samples(4, 2, 3), balls, h=3, **SMALL) for _ in range(2))
    assert torch.equal(first.per_draw, again.per_draw)
    second = lower_estimate(samples(4, 2, 3), balls, h=3, seed=1, **SMALL)
    assert not torch.equal(first.per_draw, second.per_draw)


@pytest.mark.parametrize("gamma", [0.0, 1.0, 5.0])
def test_the_estimate_never_exceeds_the_largest_code(gamma):
    balls = Balls([0.8, 0.5], [1, 1], gamma=gamma, h0=(-0.5, 0.5), tau1=0.1, tau2=(0.0, 0.5))
    x = samples(5, 3, 2)
    estimate = lower_estimate(x, balls, h=3, **SMALL)
    options = {"gamma": gamma, "T": 3, "x_inf": x.abs().max(), "h0_inf": balls.h0_inf}
    assert 0 < estimate.per_draw.max() <= bounds.largest_code(balls.alpha, balls.beta, **options)


def test_the_mean_over_drawn_signs_estimates_the_mean_over_all_signs():
    balls, x = Balls([0.8], [1.0], gamma=1.0, tau1=0.1, tau2=0.1), samples(5, 2, 2)
    whole = lower_estimate(x, balls, h=3, **SMALL)
    drawn = lower_estimate(x, balls, h=3, draws=60, seed=2, **SMALL)
    assert drawn.per_draw.shape == (60,) and whole.per_draw.shape == (32,)
    assert drawn.error > 0 and abs(drawn.value - whole.value) < 4 * drawn.error


def test_signs_are_all_patterns_or_unbiased_draws():
    assert signs(4).unique(dim=0).shape == (16, 4)
    assert signs(4).sum() == 0
    drawn = signs(50, draws=2000)
    assert torch.equal(drawn.abs(), torch.ones(2000, 50).double())
    assert drawn.mean(0).abs().max() < 5 / math.sqrt(2000)


@settings(max_examples=20)
@given(st.integers(2, 9), st.floats(1e-6, 0.5), st.integers(0, 99))
def test_sign_memory_reproduces_any_signs(m, beta, seed):
    pattern = signs(m, draws=2, seed=seed)[0]
    net, x = counterexample.sign_memory(pattern, beta, lambda1=0.1, lambda2=0.6)
    assert torch.allclose(net.codes(x)[:, -1, 0], 0.5 * pattern, rtol=1e-5)
    norms = net.norms()
    assert norms["alpha"] == 0 and norms["beta"] <= beta * (1 + 1e-12)
    assert x.square().sum(0).max() == 1


@settings(max_examples=20)
@given(st.integers(2, 40), st.floats(0.01, 50), st.floats(0.01, 50), st.integers(0, 99))
def test_sign_row_reproduces_any_signs_with_one_row_of_weights(m, lambda1, lambda2, seed):
    pairs = []
    for pattern in signs(m, draws=2, seed=seed):
        net, x = counterexample.sign_row(pattern, lambda1=lambda1, lambda2=lambda2)
        apart = (net.codes(x)[:, -1, 0] - lambda2 * (1 + pattern)).abs().max()
        assert apart < 1e-6 * (lambda1 + lambda2)
        norms = net.norms()
        assert norms["alpha"] == 0 and norms["beta"] == pytest.approx(lambda1 + 3 * lambda2)
        assert net.G.abs().sum(1).max() == pytest.approx(4 * math.sqrt(m))
        assert x.square().sum(0).max() == pytest.approx(m)
        pairs.append((x, net))
    (x, first), (same, second) = pairs
    assert torch.equal(x, same)
    for name, left in first.named_parameters():
        right = second.get_parameter(name)
        assert torch.equal(left[0, 1:], right[0, 1:]) if name == "Z" else torch.equal(left, right)


@settings(max_examples=20)
@given(st.integers(2, 40), st.floats(0.01, 2), st.floats(0.01, 2), st.integers(0, 99))
def test_sign_gate_reproduces_any_signs_for_all_thresholds(m, lambda1, lambda2, seed):
    pattern = signs(m, draws=2, seed=seed)[0]
    net, x = counterexample.sign_gate(pattern, lambda1=lambda1, lambda2=lambda2)
    assert torch.allclose(net.codes(x)[:, -1, 0], lambda2 * (1 + pattern), atol=1e-5)
    norms, beta = net.norms(), lambda1 + lambda2
    assert norms["alpha"] == 0 and norms["beta"] == pytest.approx(beta)
    assert net.G.abs().sum(1).max() == pytest.approx(2 * lambda2 * m / beta / (math.sqrt(m) - 1))
    assert x.square().sum(0).max() == pytest.approx(m)


def test_an_invalid_search_is_rejected():
    balls, x = Balls([1.0], [1.0]), samples(3, 1, 2)
    for bad in (x.float(), x[0], x / 0):
        with pytest.raises(ConfigError, match="finite float64 samples"):
            lower_estimate(bad, balls, h=2)
    with pytest.raises(ConfigError, match=f"at most {ALL_SIGNS} samples"):
        lower_estimate(samples(ALL_SIGNS + 1, 1, 1), balls, h=2)
    for option in ({"h": 0}, {"h": 2, "starts": 0}, {"h": 2, "steps": 0}, {"h": 2, "draws": 1}):
        with pytest.raises(ConfigError, match="expected"):
            lower_estimate(x, balls, **option)


@pytest.mark.parametrize(
    "arguments",
    [{"alpha": [0.0]}, {"beta": [1.0, 1.0]}, {"gamma": -1.0}, {"tau1": -0.1},
     {"tau2": (0.3, 0.2)}, {"h0": (0.0, math.inf)}, {"h0": math.nan}],
)  # fmt: skip
def test_invalid_balls_are_rejected(arguments):
    with pytest.raises(ConfigError, match="expected"):
        Balls(**{"alpha": [1.0], "beta": [1.0], **arguments})


def test_invalid_arguments_of_a_counterexample_are_rejected():
    pattern = torch.tensor([1.0, -1.0])
    for bad in (pattern[:1], 2 * pattern, pattern[None]):
        with pytest.raises(ConfigError, match="two signs"):
            counterexample.sign_gate(bad)
    with pytest.raises(ConfigError, match="lambda1 < lambda2"):
        counterexample.sign_memory(pattern, 1e-3, lambda1=1.0, lambda2=1.0)
    with pytest.raises(ConfigError, match="beta"):
        counterexample.sign_memory(pattern, 3.0)
    with pytest.raises(ConfigError, match="lambda2 > 0"):
        counterexample.sign_gate(pattern, lambda2=0.0)
    with pytest.raises(ConfigError, match="lambda2 > 0"):
        counterexample.sign_row(pattern, lambda1=-1.0)
