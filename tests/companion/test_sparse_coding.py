"""The sparse coding problem of LISTA: optimal codes, and distances from them."""

import pytest
import torch

from companion.studies.lista import lista_tables, sparse_coding
from unfolded.errors import ConfigError, DataError


@pytest.fixture(scope="module")
def problem():
    return sparse_coding.usual(200, "test")


def test_targets_have_a_certificate_and_are_unique(problem):
    assert problem.certificate.max() <= 1e-6
    assert bool(problem.unique().all())
    twins = sparse_coding.solve(torch.full((1, 1), 2.0).double(), torch.ones(1, 2).double(), 0.5)
    assert not bool(twins.unique().any())


def test_a_problem_without_a_certified_solution_is_rejected(monkeypatch):
    monkeypatch.setattr(sparse_coding, "_ITERATIONS", (1,))
    with pytest.raises(DataError, match="certificate"):
        sparse_coding.usual(5, "test")


def test_the_truncated_target_is_not_optimal():
    draw = torch.Generator().manual_seed(0)
    D = torch.rand(64, 76, generator=draw, dtype=torch.float64)
    problem = sparse_coding.solve(sparse_coding.draw(8, "test"), D, 0.5)
    y = sparse_coding.truncated(problem, 300)
    assert lista_tables.relative(problem, y) > 0.05
    assert bool((problem.merit("objective", y) > 0).all())


def test_patches_of_the_parts_are_from_different_pictures_and_reproducible():
    train, test = sparse_coding.draw(50, "train"), sparse_coding.draw(50, "test")
    assert 0 <= float(train.min()) < float(train.max()) <= 1
    assert torch.equal(test, sparse_coding.draw(50, "test")) and not torch.equal(train, test)
    for bad in ((0, "test"), (10**7, "test"), (3, "all")):
        with pytest.raises(ConfigError):
            sparse_coding.draw(*bad)


def test_three_merits_vanish_only_at_the_optimum(problem):
    for name in ("distance", "residual", "objective"):
        assert problem.merit(name, problem.codes).abs().max() < 1e-5
        assert problem.merit(name, problem.codes + 0.01).min() > 1e-4
    with pytest.raises(ConfigError, match="merit"):
        problem.merit("sparsity", problem.codes)


def test_the_smooth_gradient_does_not_vanish_at_the_optimum(problem):
    active = (problem.codes != 0).sum(-1).double()
    least = problem.lambda1 * active.sqrt()
    assert bool((problem.merit("gradient", problem.codes) >= least - 1e-5).all())


def test_the_residual_remains_small_where_the_data_term_vanishes(problem):
    """A code can be arbitrarily large in the null space of D; the residual is at most λ1 √h."""
    null = torch.linalg.svd(problem.D).Vh[-1]
    fit = problem.x @ torch.linalg.pinv(problem.D).T
    far = fit + 1e3 * null
    assert problem.merit("distance", far).min() > 900
    assert problem.merit("residual", far).max() <= problem.lambda1 * 10 + 1e-9
