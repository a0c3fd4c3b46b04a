"""Solvers on cases with a known solution, Algorithm 1 step by step, and invalid input."""

import math

import numpy as np
import pytest
import torch

from unfolded import solvers
from unfolded.errors import ConfigError
from unfolded.prox import prox_l1_l1, soft_threshold

F64 = torch.float64


def eye(size):
    return torch.eye(size, dtype=F64)


def test_one_step_solves_the_problem_with_orthonormal_atoms(normal):
    x, I, h0 = normal(2, 3, 5), eye(5), normal(5)
    assert torch.allclose(
        solvers.ista(x, I, I, lambda1=0.3, iterations=1).codes, soft_threshold(x, 0.3)
    )
    first = solvers.l1_l1(x, I, I, I, lambda1=0.3, lambda2=0.1, iterations=1, h0=h0).codes[:, 0]
    assert torch.allclose(first, prox_l1_l1(x[:, 0], h0, 0.3, 0.1))
    net = solvers.sista(x, I, I, 0 * I, lambda1=0.3, lambda2=0.5, iterations=60, h0=h0)
    assert torch.allclose(net.codes, soft_threshold(x, 0.3) / 1.5)  # the elastic net
    assert net.certificate.max() < 1e-12


def test_the_past_with_lambda2_zero_determines_only_the_initial_code(normal):
    x, A, D, h0 = normal(2, 1, 4), normal(4, 6), normal(6, 8), normal(8)
    start = {"lambda1": 0.2, "iterations": 10, "c": 50.0}
    plain = solvers.ista(x, A, D, **start, h0=h0)
    solution = solvers.l1_l1(x, A, D, eye(8), **start, lambda2=0.0, h0=h0)
    assert torch.allclose(solution.codes, plain.codes, atol=1e-12)
    pulled = solvers.sista(x, A, D, eye(6), **start, lambda2=0.0, h0=h0)
    again = solvers.ista(x, A, D, **start, h0=D.T @ D @ h0)
    assert torch.allclose(pulled.codes, again.codes, atol=1e-12)


def test_l1_l1_equals_algorithm_1_with_unit_weights(normal):
    x, A, D, G = normal(2, 3, 4), normal(4, 6), normal(6, 8), normal(8, 8) / 4
    options = {"lambda1": 0.2, "lambda2": 0.1, "iterations": 9}
    plain = solvers.l1_l1(x, A, D, G, **options)
    full = solvers.reweighted_l1_l1(
        x, A, D, G, **options, Z=eye(8).expand(9, 8, 8), g=torch.ones(9, 8, dtype=F64)
    )
    assert torch.allclose(plain.codes, full.codes, atol=1e-12)
    assert torch.allclose(plain.objective, full.objective, atol=1e-12)


def test_ista_can_be_continued(normal):
    x, A, D = 2 * normal(1, 1, 4), normal(4, 6), normal(6, 8)
    whole, half = (solvers.ista(x, A, D, lambda1=0.2, iterations=k) for k in (12, 5))
    rest = solvers.ista(x, A, D, lambda1=0.2, iterations=7, h0=half.codes[0, 0])
    assert torch.equal(whole.codes, rest.codes)
    assert torch.allclose(whole.objective, torch.cat([half.objective, rest.objective[..., 1:]], -1))


def test_fista_step_by_step(normal):
    x, A, D, c, lambda1 = 2 * normal(1, 1, 4), normal(4, 6), normal(6, 8), 40.0, 0.3
    M, h, y, t = A @ D, torch.zeros(8, dtype=F64), torch.zeros(8, dtype=F64), 1.0
    for k in range(8):
        code = solvers.fista(x, A, D, lambda1=lambda1, c=c, iterations=k).codes[0, 0]
        assert torch.allclose(code, h, atol=1e-12)
        after = (1 + math.sqrt(1 + 4 * t * t)) / 2
        new = soft_threshold(y - M.T @ (M @ y - x[0, 0]) / c, lambda1 / c)
        y, h, t = new + (t - 1) / after * (new - h), new, after


def test_algorithm_1_step_by_step(normal):
    d, c, lambda1, lambda2 = 4, 7.0, 0.4, 0.15
    x, A, D, G, h0 = normal(2, 3, 4), normal(4, 5), normal(5, 6), normal(6, 6) / 3, normal(6)
    Z, g = eye(6) + 0.3 * normal(d, 6, 6), normal(d, 6).abs()
    solution = solvers.reweighted_l1_l1(
        x, A, D, G, lambda1=lambda1, lambda2=lambda2, Z=Z, g=g, c=c, iterations=d, h0=h0
    )
    for i in range(2):
        h = h0
        for t in range(3):
            hbar = G @ h
            h = hbar
            for l in range(d):
                gradient = D.T @ A.T @ (A @ D @ h - x[i, t])
                u = Z[l] @ h - Z[l] @ gradient / c
                h = prox_l1_l1(u, hbar, lambda1 / c * g[l], lambda2 / c * g[l])
            assert torch.allclose(solution.codes[i, t], h, atol=1e-12)


def test_gradients_propagate_through_a_solver(normal):
    x, A, D = normal(1, 2, 3).requires_grad_(), normal(3, 4), normal(4, 5).requires_grad_()
    lambda1 = torch.tensor(0.1, dtype=F64, requires_grad=True)
    G = eye(5).requires_grad_()
    solvers.l1_l1(x, A, D, G, lambda1=lambda1, lambda2=0.05, iterations=3).codes.sum().backward()
    assert all(t.grad is not None and t.grad.isfinite().all() for t in (x, D, G, lambda1))


def test_single_precision_is_preserved(normal):
    x, A, D = (t.float() for t in (normal(1, 2, 3), normal(3, 4), normal(4, 5)))
    for run in (
        solvers.fista(x, A, D, lambda1=0.1, iterations=2),
        solvers.sista(x, A, D, eye(4).float(), lambda1=0.1, lambda2=0.1, iterations=2),
        solvers.l1_l1(x, A, D, eye(5).float(), lambda1=0.1, lambda2=0.1, iterations=2),
    ):
        assert run.codes.dtype == run.objective.dtype == run.certificate.dtype == torch.float32


X, A, D, G = torch.ones(1, 2, 3), torch.ones(3, 4), torch.ones(4, 5), torch.eye(5)
FINE = {"x": X, "A": A, "D": D, "G": G, "lambda1": 0.1, "lambda2": 0.1, "iterations": 2}
BAD = {
    "x of two dimensions": {"x": X[0]},
    "x of another width": {"x": torch.ones(1, 2, 4)},
    "A and D that do not fit": {"D": torch.ones(5, 5)},
    "A of one dimension": {"A": A[0]},
    "lambda1 negative": {"lambda1": -0.1},
    "lambda1 NaN": {"lambda1": math.nan},
    "lambda2 negative": {"lambda2": -0.1},
    "g negative": {"g": torch.tensor([1.0, -1.0, 1.0, 1.0, 1.0])},
    "c zero": {"c": 0.0},
    "c negative": {"c": -1.0},
    "c NaN": {"c": math.nan},
    "nothing measured": {"A": 0 * A},
    "D of one dimension": {"D": D[:, 0]},
    "G of another size": {"G": torch.eye(4)},
    "h0 of another size": {"h0": torch.zeros(4)},
    "Z for too few iterations": {"Z": torch.eye(5).expand(1, 5, 5).repeat(3, 1, 1)},
    "g for too few iterations": {"g": torch.ones(3, 5)},
    "g negative and long": {"g": -torch.ones(3, 50)},
    "no frame at all": {"x": X[:, :0]},
    "iterations negative": {"iterations": -1},
    "x in double precision": {"x": X.double()},
    "x with NaN": {"x": X * math.nan},
    "D with infinity": {"D": D / 0},
    "x as a list": {"x": X.tolist()},
    "G as an array": {"G": G.numpy()},
}


@pytest.mark.parametrize("case", BAD)
def test_invalid_input_is_reported_in_one_line(case):
    call = {**FINE, **BAD[case]}
    positional = [call.pop(name) for name in ("x", "A", "D", "G")]
    with pytest.raises(ConfigError, match=r"^expected .*; got .*; \w.*\Z"):
        solvers.reweighted_l1_l1(*positional, **call)


@pytest.mark.parametrize("iterations", [2.0, np.int64(2)])
def test_whole_numbers_of_other_types_are_iterations(iterations):
    positional = [FINE[name] for name in ("x", "A", "D", "G")]
    weights = {"lambda1": 0.1, "lambda2": 0.1, "Z": torch.eye(5).expand(2, 5, 5)}
    reference = solvers.reweighted_l1_l1(*positional, iterations=2, **weights)
    codes = solvers.reweighted_l1_l1(*positional, iterations=iterations, **weights).codes
    assert torch.equal(codes, reference.codes)
    without = solvers.l1_l1(*positional, lambda1=0.1, lambda2=0.1, iterations=iterations)
    assert without.objective.shape[-1] == 3
    fista = solvers.fista(X, A, D, lambda1=0.1, iterations=iterations)
    assert fista.objective.shape[-1] == 3


def test_zero_weights_are_allowed():
    assert solvers.ista(X, A, D, lambda1=0.0, iterations=1).codes.isfinite().all()
