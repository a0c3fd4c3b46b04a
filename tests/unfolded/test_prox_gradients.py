"""The gradients of Φ: finite differences, kinks, shapes and types."""

import itertools

import torch
from scipy.optimize import nnls
from torch.autograd import gradcheck, gradgradcheck

from unfolded.prox import phi, prox_l1_l1, soft_threshold

F64 = torch.float64


def gradient(*point):
    """∂Φ by (u, ħ, τ1, τ2), each argument a list of numbers: (count, 4)."""
    leaves = [torch.as_tensor(z, dtype=F64).clone().requires_grad_() for z in point]
    prox_l1_l1(*leaves).sum().backward()
    return torch.stack([leaf.grad for leaf in leaves], -1)


def off_the_kinks(normal, count=400, margin=1e-2):
    u, hbar = 3 * normal(2, count)
    tau1, tau2 = 1.5 * normal(2, count).abs() + 0.05
    gaps = [
        hbar,
        *(
            u + s * tau1 + t * tau2 - k
            for s, t, k in itertools.product((-1, 1), (-1, 1), (torch.zeros_like(hbar), hbar))
        ),
    ]
    keep = torch.stack(gaps).abs().amin(0) > margin
    return [t[keep] for t in (u, hbar, tau1, tau2)]


def test_gradcheck_and_gradgradcheck_off_the_kinks(normal):
    case = [t[:60].requires_grad_() for t in off_the_kinks(normal)]
    assert len(case[0]) == 60
    assert gradcheck(prox_l1_l1, case)
    assert gradgradcheck(prox_l1_l1, case)
    assert gradcheck(soft_threshold, [case[0], case[2]])


def test_gradients_are_odd_or_even_exactly(normal):
    grid = torch.cartesian_prod(*[torch.arange(-4.0, 5.0, dtype=F64)] * 2)
    u, hbar = torch.cat([grid, 3 * normal(500, 2)]).T
    for tau1, tau2 in ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 2.0), (0.3, 0.1)):
        taus = torch.full_like(u, tau1), torch.full_like(u, tau2)
        values, mirror = gradient(u, hbar, *taus), gradient(-u, -hbar, *taus)
        assert torch.equal(values, mirror * torch.tensor([1.0, 1.0, -1.0, -1.0], dtype=F64))


def hull_distance(point, corners):
    """Distance of a point from the convex hull of the rows of ``corners``."""
    system = torch.cat([corners.T, torch.ones(1, len(corners), dtype=F64)]).numpy()
    return nnls(system, [*point.tolist(), 1.0])[1]


def generalised_gradient_error(function, points, normal):
    """Largest distance of the gradient from the hull of the gradients near each point."""
    moves = 1e-3 * normal(150, 4)
    worst = 0.0
    for point in points:
        near = point + moves
        near[:, 2:] = torch.where(point[2:] == 0, near[:, 2:].abs(), near[:, 2:])
        corners = torch.unique(gradient(*near.T), dim=0)
        worst = max(worst, hull_distance(function(*point[:, None])[0], corners))
    return worst


def kinks(taus):
    axes = [range(-5, 6), (-2, -1, 0, 1, 2), taus, taus]
    return torch.tensor(list(itertools.product(*axes)), dtype=F64)


def test_the_gradient_at_a_kink_is_an_element_of_the_generalised_gradient(normal):
    assert generalised_gradient_error(gradient, kinks((0, 1, 2)), normal) < 1e-6


def test_the_gradient_without_thresholds_is_that_of_the_identity(normal):
    u, hbar = normal(2, 200)
    zero = torch.zeros_like(u)
    for tau1, tau2 in ((zero, zero), (zero.clone(), -zero)):
        slopes = gradient(u, hbar, tau1, tau2)
        assert torch.equal(slopes[:, 0], torch.ones_like(u)) and not slopes[:, 1].any()
        assert torch.equal(slopes[:, 2], -u.sign())
        assert torch.equal(slopes[:, 3], -(u - hbar).sign())


def test_the_other_plateau_remains_if_one_threshold_is_zero(normal):
    u, hbar = 3 * normal(2, 500)
    unit, zero = torch.ones_like(u), torch.zeros_like(u)
    around_zero, around_hbar = gradient(u, hbar, unit, zero), gradient(u, hbar, zero, unit)
    assert torch.equal(around_zero[:, 0] == 0, u.abs() < 1) and not around_zero[:, 1].any()
    assert torch.equal(around_hbar[:, 1] == 1, (u - hbar).abs() < 1)
    assert torch.equal(around_hbar[:, :2].sum(1), unit)


def test_the_gradient_in_hbar_at_zero_vanishes_if_tau1_is_larger_than_tau2():
    u = torch.linspace(-4, 4, 33, dtype=F64)
    for zero in (0.0, -0.0):
        slopes = gradient(u, torch.full_like(u, zero), 2 * torch.ones_like(u), torch.ones_like(u))
        assert not slopes[:, 1].any()


def test_the_gradient_in_hbar_at_zero_is_one_if_tau2_is_larger_than_tau1():
    # |u| < τ2 − τ1: Φ = ħ on both sides of ħ = 0, so there is no kink and the slope is 1.
    u = torch.linspace(-0.9, 0.9, 7, dtype=F64)
    ones = torch.ones_like(u)
    ends = [prox_l1_l1(u, hbar, ones, 2 * ones) for hbar in (-1e-3, 1e-3)]
    assert torch.allclose((ends[1] - ends[0]) / 2e-3, ones)
    assert torch.equal(gradient(u, 0 * u, ones, 2 * ones)[:, 1], ones)


def test_gradients_have_the_shapes_of_their_arguments(normal):
    shapes = (3, 1, 4), (4,), (2, 1), ()
    leaves = [normal(*shape).abs().requires_grad_() for shape in shapes]
    weight = normal(3, 2, 4)
    (prox_l1_l1(*leaves) * weight).sum().backward()
    full = [leaf.detach().expand(3, 2, 4).clone().requires_grad_() for leaf in leaves]
    (prox_l1_l1(*full) * weight).sum().backward()
    for leaf, whole in zip(leaves, full, strict=True):
        assert leaf.grad.shape == leaf.shape
        assert torch.allclose(leaf.grad, whole.grad.sum_to_size(leaf.shape), atol=1e-14)


def test_gradients_have_the_type_of_the_argument():
    u = torch.tensor([3.0, 0.1], requires_grad=True)
    tau = torch.tensor(0.5, dtype=F64, requires_grad=True)
    prox_l1_l1(u, 1.0, tau, 0.25).sum().backward()
    assert u.grad.dtype == torch.float32 and tau.grad.dtype == F64
    half = torch.tensor([3.0, 0.1], dtype=torch.bfloat16, requires_grad=True)
    prox_l1_l1(half, 1.0, 0.5, 0.25).sum().backward()
    assert half.grad.tolist() == [1.0, 0.0]


def test_only_arguments_that_require_a_gradient_have_one(normal):
    point = [normal(5).abs() for _ in range(4)]
    whole = gradient(*point)
    for i in range(4):
        leaves = [t.clone().requires_grad_(j == i) for j, t in enumerate(point)]
        prox_l1_l1(*leaves).sum().backward()
        assert torch.equal(leaves[i].grad, whole[:, i])
        assert all(leaf.grad is None for j, leaf in enumerate(leaves) if j != i)


def test_vmap_of_grad_equals_the_batched_gradient(normal):
    point = off_the_kinks(normal)
    slopes = torch.func.vmap(torch.func.grad(phi, argnums=(0, 1, 2, 3)))(*point)
    assert torch.equal(torch.stack(slopes, -1), gradient(*point))


def test_gradients_for_negative_thresholds_equal_finite_differences(normal):
    # positivity="free" trains through this: the authors' logs end with λ2 < 0.
    u, hbar, tau1, _ = (t[:40].requires_grad_() for t in off_the_kinks(normal, margin=0.3))
    assert gradcheck(phi, [u, hbar, tau1, torch.full_like(u, -0.01).requires_grad_()])
