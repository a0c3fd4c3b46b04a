"""Descent constraints: their sign, gradient, duals and guarantee."""

import math
from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from companion.studies import descent_constraints
from unfolded import solvers
from unfolded.errors import ConfigError, TrainingError
from unfolded.solvers import ista_step, reweighted_step

rows = st.lists(st.lists(st.floats(1e-3, 1e3), min_size=4, max_size=4), min_size=2, max_size=8)
share = st.floats(0.0, 0.9)


def test_the_constraint_is_negative_where_every_layer_descends_and_positive_where_none_does():
    down, up = torch.tensor([[4.0], [2.0], [1.0]]), torch.tensor([[1.0], [2.0], [4.0]])
    for form in (descent_constraints.slack, descent_constraints.mean_of_ratios):
        assert bool((form(down, 0.05) < 0).all()) and bool((form(up, 0.05) > 0).all())


def test_constant_merits_violate_the_constraint_for_positive_epsilon():
    still = torch.ones(3, 5)
    assert torch.allclose(descent_constraints.slack(still, 0.05), torch.tensor(0.05))
    assert torch.equal(descent_constraints.slack(still, 0.0), torch.zeros(2))


@given(rows, share)
def test_both_forms_have_the_same_sign_for_one_sample(values, epsilon):
    sample = torch.tensor(values, dtype=torch.float64)[:, :1]
    slack, ratios = (
        descent_constraints.slack(sample, epsilon),
        descent_constraints.mean_of_ratios(sample, epsilon),
    )
    torch.testing.assert_close(slack, ratios * sample[:-1, 0], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("means_descend", [True, False])
def test_neither_form_implies_the_other_for_several_samples(means_descend):
    merits = [[1.0, 100.0], [3.0, 1.0]] if means_descend else [[10.0, 1.0], [11.5, 0.2]]
    slack, ratios = (
        f(torch.tensor(merits), 0.05)
        for f in (descent_constraints.slack, descent_constraints.mean_of_ratios)
    )
    assert (slack.item() < 0) == means_descend and (ratios.item() < 0) != means_descend


def test_a_sample_at_its_optimum_has_an_infinite_ratio_and_a_finite_slack():
    merits = torch.tensor([[1.0, 0.0], [0.5, 0.1]])
    assert math.isinf(descent_constraints.mean_of_ratios(merits, 0.05).item())
    assert math.isfinite(descent_constraints.slack(merits, 0.05).item())


def test_gradient_of_the_constraint_against_finite_differences(normal):
    M, x = normal(5, 8), normal(4, 5)
    c = torch.linalg.matrix_norm(M, 2) ** 2
    step = partial(ista_step, x=x, M=M, c=c, lambda1=0.3)

    def constraint(outputs):
        return descent_constraints.slack(descent_constraints.residual(outputs, step, c), 0.05)

    outputs = normal(4, 4, 8).requires_grad_()
    assert torch.autograd.gradcheck(constraint, outputs)


def test_the_gradient_of_the_residual_is_finite_at_the_optimum(normal):
    y = torch.zeros(2, 3, dtype=torch.float64, requires_grad=True)
    descent_constraints.residual(y, lambda v: v, 1.0).sum().backward()
    assert bool(y.grad.isfinite().all())


def test_the_residual_of_a_gradient_step_is_the_gradient(normal):
    M, x, y = normal(5, 8), normal(4, 5), normal(4, 8).requires_grad_()
    fidelity = 0.5 * (x - y @ M.T).square().sum()
    (gradient,) = torch.autograd.grad(fidelity, y)
    norms = descent_constraints.residual(y.detach(), partial(solvers.descend, x=x, M=M, c=7.0), 7.0)
    torch.testing.assert_close(norms, gradient.norm(dim=-1))


def test_the_proximal_residual_vanishes_at_the_minimiser_of_the_frame(normal):
    """Of ISTA's problem and of (3) with Z = I alike; away from it, it does not."""
    M, x = normal(5, 8), normal(4, 1, 5)
    identity, G = torch.eye(5, dtype=torch.float64), torch.eye(8, dtype=torch.float64)
    c, hbar = torch.linalg.matrix_norm(M, 2) ** 2, normal(8)
    plain = solvers.fista(x, identity, M, lambda1=0.3, iterations=3_000)
    step = partial(ista_step, x=x[:, 0], M=M, c=c, lambda1=0.3)
    assert descent_constraints.residual(plain.codes[:, 0], step, c).max() < 1e-7
    assert descent_constraints.residual(plain.codes[:, 0] + 0.1, step, c).min() > 1e-3
    a, b = torch.full((8,), 0.3) / c, torch.full((8,), 0.2) / c
    options = {"lambda1": 0.3, "lambda2": 0.2, "h0": hbar, "iterations": 3_000}
    pulled = solvers.l1_l1(x, identity, M, G, **options).codes[:, 0]
    step = partial(reweighted_step, x=x[:, 0], hbar=hbar, M=M, c=c, a=a, b=b)
    assert descent_constraints.residual(pulled, step, c).max() < 1e-7
    assert descent_constraints.residual(plain.codes[:, 0], step, c).min() > 1e-3


@given(rows, share)
def test_the_guarantee_holds_with_slack_and_is_tight_for_nonnegative_slack(values, epsilon):
    merits = torch.tensor(values, dtype=torch.float64)
    slack = descent_constraints.slack(merits, epsilon)
    right = descent_constraints.guarantee(merits[0].mean().item(), slack, epsilon)
    assert bool((merits.mean(1) <= right * (1 + 1e-12)).all())
    if bool((slack >= 0).all()):
        torch.testing.assert_close(merits.mean(1), right)


@given(st.floats(0.01, 0.5), st.floats(0, 2), st.integers(1, 60))
def test_the_guarantee_with_equal_slack_in_all_layers_has_a_closed_form(epsilon, zeta, depth):
    slacks = torch.full((depth,), zeta, dtype=torch.float64)
    right = descent_constraints.guarantee(3.0, slacks, epsilon)[-1].item()
    fade = (1 - epsilon) ** depth
    assert right == pytest.approx(fade * 3.0 + zeta * (1 - fade) / epsilon)


def test_duals_increase_where_the_constraint_is_violated_and_remain_nonnegative():
    duals = descent_constraints.Duals(3, rate=0.1)
    for _ in range(5):
        values = duals.ascend(torch.tensor([1.0, -1.0, 0.0]))
    torch.testing.assert_close(values, torch.tensor([0.5, 0.0, 0.0]))
    assert duals.price(torch.tensor([2.0, 5.0, 5.0])).item() == pytest.approx(1.0)
    assert duals.ascend(torch.tensor([-9.0, 0.0, 0.0]))[0] == 0


def test_primal_dual_steps_find_the_constrained_minimum():
    """Minimise (p − 2)² with the merit |p| no more than half of 1: p = 1/2, ν = 3 by KKT."""
    p = torch.tensor([0.0], requires_grad=True)

    def terms():
        return (p - 2).square().sum(), torch.stack([torch.ones(1), p.abs()])

    rates = {"rate": 0.05, "dual_rate": 0.05}
    history = descent_constraints.train([p], terms, 1500, epsilon=0.5, **rates)
    assert p.item() == pytest.approx(0.5, abs=0.05)
    assert history.duals[-1].item() == pytest.approx(3.0, abs=0.3)
    assert history.loss.shape == (1500,) and history.slack.shape == (1500, 1)


def test_training_with_dual_rate_zero_equals_plain_training():
    p = torch.tensor([0.0], requires_grad=True)

    def terms():
        return (p - 2).square().sum(), torch.stack([torch.ones(1), p.abs()])

    history = descent_constraints.train([p], terms, 300, rate=0.05)
    assert p.item() == pytest.approx(2.0, abs=0.02) and bool((history.duals == 0).all())


def test_a_loss_that_is_not_finite_stops_training():
    p = torch.tensor([1.0], requires_grad=True)
    with pytest.raises(TrainingError, match="step 1"):
        descent_constraints.train([p], lambda: (p.sum() / 0, torch.ones(2, 1)), 3, rate=0.1)


def test_noise_has_the_given_size_and_decays_over_layers():
    draw = torch.Generator().manual_seed(0)
    for fading, sizes in ((False, (2.0, 2.0)), (True, (2.0, 0.5))):
        disturb = descent_constraints.layer_noise(2.0, draw, fading=fading)
        for l, size in zip((1, 4), sizes, strict=True):
            y = torch.full((100, 100), 3.0)
            assert (disturb(y, l) - y).std().item() == pytest.approx(size, rel=0.05)


@pytest.mark.parametrize("bad", [torch.ones(1, 3), torch.ones(3), torch.ones(3, 0)])
def test_empty_merits_are_rejected(bad):
    for form in (descent_constraints.slack, descent_constraints.mean_of_ratios):
        with pytest.raises(ConfigError, match="merits"):
            form(bad, 0.05)


@pytest.mark.parametrize("epsilon", [-0.1, 1.0, math.nan])
def test_an_epsilon_outside_0_to_1_is_rejected(epsilon):
    with pytest.raises(ConfigError, match="epsilon"):
        descent_constraints.slack(torch.ones(2, 2), epsilon)
