"""The reweighting rule for g: its weights, its schedule, and its agreement with Algorithm 1."""

import pytest
import torch

from companion.theory.candes_weights import candes_weights, in_rounds
from unfolded.dictionaries import overcomplete_dct, sensing_matrix
from unfolded.errors import ConfigError
from unfolded.solvers import l1_l1, reweighted_l1_l1

DOUBLE = {"dtype": torch.float64}


@pytest.fixture
def problem():
    D, A = overcomplete_dct(16, 25, **DOUBLE), sensing_matrix(8, 16, seed=0, **DOUBLE)
    frames = torch.rand(2, 3, 16, generator=torch.Generator().manual_seed(0), **DOUBLE)
    return {"x": frames @ A.T, "A": A, "D": D, "G": torch.eye(25, **DOUBLE)}


def test_weights_decrease_with_magnitude_from_one_towards_zero():
    g = candes_weights(torch.tensor([0.0, -1.0, 9.0]), 1.0)
    torch.testing.assert_close(g, torch.tensor([1.0, 0.5, 0.1]))


def test_one_round_is_the_plain_algorithm(problem):
    weights = {"lambda1": 0.01, "lambda2": 0.005}
    result = in_rounds(**problem, **weights, epsilon=0.1, rounds=1, iterations=40)
    plain = l1_l1(**problem, **weights, iterations=40)
    torch.testing.assert_close(result.codes, plain.codes)
    torch.testing.assert_close(result.certificate, plain.certificate)


@pytest.mark.parametrize("iterations", [60, 61, 2])
def test_two_rounds_are_algorithm_1_with_the_weights_of_the_first_code(problem, iterations):
    half, rest = iterations // 2, iterations - iterations // 2
    weights = {"lambda1": 0.01, "lambda2": 0.005}
    first = problem | {"x": problem["x"][:1, :1]}
    two = in_rounds(**first, **weights, epsilon=0.1, iterations=iterations)
    code = l1_l1(**first, **weights, iterations=half).codes[0, 0]
    g = torch.cat([torch.ones(half, 25, **DOUBLE), candes_weights(code, 0.1).expand(rest, -1)])
    same = reweighted_l1_l1(**first, **weights, g=g, iterations=iterations)
    torch.testing.assert_close(two.codes, same.codes)
    torch.testing.assert_close(two.objective, same.objective)


def test_sequences_are_independent(problem):
    weights = {"lambda1": 0.01, "lambda2": 0.005, "epsilon": 0.1, "iterations": 20}
    batch = in_rounds(**problem, **weights)
    assert batch.codes.shape == (2, 3, 25) and batch.objective.shape == (2, 3, 21)
    alone = in_rounds(**problem | {"x": problem["x"][1:]}, **weights)
    torch.testing.assert_close(batch.codes[1:], alone.codes)


def test_the_certificate_of_the_last_round_falls(problem):
    first = problem | {"x": problem["x"][:1, :2]}
    weights = {"lambda1": 0.01, "lambda2": 0.005, "epsilon": 0.1}
    early, late = (in_rounds(**first, **weights, iterations=k).certificate for k in (40, 800))
    assert (late < 0.1 * early).all()


@pytest.mark.parametrize("wrong", [{"rounds": 0}, {"iterations": 1}, {"epsilon": 0.0}])
def test_invalid_options_are_reported(problem, wrong):
    choice = {"lambda1": 0.1, "lambda2": 0.1, "epsilon": 0.1, "iterations": 4} | wrong
    with pytest.raises(ConfigError, match=r"expected .*; got .*; "):
        in_rounds(**problem, **choice)
