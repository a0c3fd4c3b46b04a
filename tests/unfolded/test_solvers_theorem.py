"""Theorems about Algorithm 1: for which Z it minimises (3), and the relation of W and U."""

import cvxpy
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unfolded import networks, solvers

F64 = torch.float64
N, N0, H = 4, 6, 9
L1, L2 = 0.3, 0.2


@pytest.fixture
def problem(normal):
    """One small random problem (3) with G = I, so that ħ = h_0."""
    # ISTA converges fast with orthonormal rows; the factor 1.3 makes c differ from 1.
    A, D = (torch.linalg.qr(normal(*size))[0].T for size in ((N0, N), (H, N0)))
    tensors = {"x": 2 * normal(1, 1, N), "A": 1.3 * A, "D": D, "G": torch.eye(H, dtype=F64)}
    weights = {"g": normal(H).abs() + 0.1, "lambda1": L1, "lambda2": L2}
    return tensors | weights | {"h0": normal(H)}


def lipschitz(problem):
    return torch.linalg.matrix_norm(problem["A"] @ problem["D"], 2) ** 2


def smooth_gradient(problem, h):
    M = problem["A"] @ problem["D"]
    return (h @ M.T - problem["x"][0, 0]) @ M


def distance_to_subdifferential(problem, gradient, h):
    """Distance of 0 from gradient + ∂r(h), unit by unit: an interval at 0 and at ħ."""
    low, high = gradient.clone(), gradient.clone()
    for weight, kink in ((L1, torch.zeros_like(h)), (L2, problem["h0"])):
        slope, width = torch.sign(h - kink), (h == kink).to(h.dtype)
        low += weight * problem["g"] * (slope - width)
        high += weight * problem["g"] * (slope + width)
    return torch.maximum(low.clamp(min=0), (-high).clamp(min=0)).norm()


def test_algorithm_1_with_the_identity_has_the_rate_of_proximal_gradient_methods(problem):
    best = solvers.reweighted_l1_l1(**problem, iterations=5000)
    assert best.certificate < 1e-6
    far = (best.codes[0, 0] - problem["h0"]).square().sum()
    path = solvers.reweighted_l1_l1(**problem, iterations=300).objective[0, 0]
    guarantee = lipschitz(problem) * far / (2 * torch.arange(1, 301, dtype=F64))
    assert (path[1:] - best.objective[0, 0, -1] <= guarantee + 1e-9).all()
    assert (path.diff() <= 1e-12).all()


def test_the_minimum_of_3_does_not_depend_on_an_invertible_Z(problem, normal):
    M = (problem["A"] @ problem["D"]).numpy()
    x, g, hbar = (problem[name].flatten().numpy() for name in ("x", "g", "h0"))

    def minimum(Z):
        h = cvxpy.Variable(H)
        v = Z.numpy() @ h
        norms = L1 * cvxpy.norm1(cvxpy.multiply(g, v)) + L2 * cvxpy.norm1(
            cvxpy.multiply(g, v - hbar)
        )
        cvxpy.Problem(cvxpy.Minimize(cvxpy.sum_squares(x - M @ v) / 2 + norms)).solve()
        return norms.value + ((x - M @ v.value) ** 2).sum() / 2

    Z = torch.eye(H, dtype=F64) + 0.5 * normal(H, H)
    least = minimum(torch.eye(H, dtype=F64))
    assert minimum(Z) == pytest.approx(least, rel=1e-5)
    run = solvers.reweighted_l1_l1(**problem, iterations=5000)
    assert run.objective[0, 0, -1].item() == pytest.approx(least, rel=1e-5)
    Z[:, 0] = 0  # no longer onto
    assert minimum(Z) > least * 1.001


@pytest.mark.parametrize("zeta", [0.3, 0.8, 0.95])
def test_a_smaller_Z_solves_another_problem(problem, zeta):
    c, eye = lipschitz(problem), torch.eye(H, dtype=F64)
    run = solvers.reweighted_l1_l1(**problem, Z=zeta * eye, c=c, iterations=3000)
    ridge = torch.cat([zeta**0.5 * problem["A"] @ problem["D"], (c * (1 - zeta)) ** 0.5 * eye])
    padded = torch.cat([zeta**0.5 * problem["x"], torch.zeros(1, 1, H, dtype=F64)], -1)
    ridge_problem = problem | {"x": padded, "A": ridge, "D": eye}
    solution = solvers.reweighted_l1_l1(**ridge_problem, c=c, iterations=3000)
    assert torch.allclose(run.codes, solution.codes, atol=1e-12)
    assert solution.certificate < 1e-9 < 1e-2 < run.certificate


def test_a_limit_solves_its_own_inclusion_and_not_that_of_3(problem, normal):
    Z = 0.7 * torch.eye(H, dtype=F64) + 0.05 * normal(H, H)
    c = 1.5 * lipschitz(problem)
    h = solvers.reweighted_l1_l1(**problem, Z=Z, c=c, iterations=3000).codes[0, 0]
    again = solvers.reweighted_l1_l1(**problem, Z=Z, c=c, iterations=3001).codes[0, 0]
    assert torch.allclose(h, again, atol=1e-13)
    gradient = smooth_gradient(problem, h)
    fixed_point = c * (h - Z @ h) + Z @ gradient
    assert distance_to_subdifferential(problem, fixed_point, h) < 1e-9
    assert distance_to_subdifferential(problem, gradient, h) > 1e-2


def test_a_larger_Z_diverges_in_the_null_space_of_the_measurements(problem):
    zeta, c = 1.05, lipschitz(problem)
    w = torch.linalg.svd(problem["A"] @ problem["D"])[2][-1]
    step = ((L1 + L2) * problem["g"] / c).norm()
    start = problem | {"h0": 2 * step / (zeta - 1) * w}
    Z = zeta * torch.eye(H, dtype=F64)
    along = [
        (solvers.reweighted_l1_l1(**start, Z=Z, c=c, iterations=l).codes[0, 0] @ w).item()
        for l in (0, 1, 10, 100, 500)
    ]
    assert along == sorted(along) and along[-1] > 1e6 * along[0]
    assert along[1] >= zeta * along[0] - step


@given(st.integers(1, 4), st.integers(0, 2**31))
def test_the_error_of_the_coupling_of_a_layer_is_Z_minus_I(depth, seed):
    net = networks.build("reweighted-rnn", n0=16, n=5, hidden=9, depth=depth).double()
    net.requires_grad_(False)
    draw = torch.Generator().manual_seed(seed)
    net.Z += torch.randn(net.Z.shape, generator=draw, dtype=F64)
    (W, U), M, eye = net.layer_weights(), net.A @ net.D, torch.eye(9, dtype=F64)
    truth = torch.randn(9, generator=draw, dtype=F64)
    for l in range(1, depth):
        assert torch.allclose(W[l] - (eye - U[l] @ M), net.Z[l] - eye, atol=1e-12)
        assert torch.allclose(W[l] @ truth + U[l] @ M @ truth, net.Z[l] @ truth, atol=1e-12)


def test_the_coupling_without_learned_Z_is_exact():
    net = networks.build("l1-l1-rnn", n0=16, n=5, hidden=9, depth=3).double()
    (W, U), M = net.layer_weights(), net.A @ net.D
    assert torch.allclose(W[1], torch.eye(9, dtype=F64) - U[1] @ M, atol=1e-12)
