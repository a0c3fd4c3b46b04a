"""The algorithms on the task without training: three iterations, or up to a tolerance."""

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from companion.studies.sista_images.image_task import LAMBDA1, LAMBDA2, Task
from unfolded import solvers
from unfolded.runtime import threads_for
from unfolded.solvers import Solution

TOLERANCE = 1e-3
"""Tolerance of the certificate, relative to the largest gradient at zero."""
_MAX_ITERATIONS = 2**12
_GRID1, _GRID2 = (0.02, 0.1, 0.5, 2.0), (0.01, 0.1, 1.0)
_SEARCH = {"pictures": 16, "iterations": 32}


@dataclass(frozen=True)
class Way:
    """A method of recovery: ``lambda2`` None is ISTA, which ignores the previous column.

    ``iterations`` None iterates to :data:`TOLERANCE`. ``estimated``: F by least squares, else I.
    """

    iterations: int | None = 3
    lambda1: float = LAMBDA1
    lambda2: float | None = LAMBDA2
    estimated: bool = False

    @property
    def name(self) -> str:
        """The label in a table."""
        stopping = "to tolerance" if self.iterations is None else f"{self.iterations} iterations"
        F = ", F estimated" if self.estimated else ""
        return f"{'ISTA' if self.lambda2 is None else 'SISTA'}, {stopping}{F}"


def transition(on: Task) -> Tensor:
    r"""Return the F that predicts a column best from the previous one: (N, N).

    :math:`\hat F = \arg\min_F \sum_t \|s_t - F s_{t-1}\|_2^2` over the training columns: the
    maximum-likelihood estimate in :math:`s_t = F s_{t-1} + v_t` with white Gaussian :math:`v_t`.
    """
    inputs, targets = (s.flatten(0, 1).double() for s in (on.train[:, :-1], on.train[:, 1:]))
    return torch.linalg.lstsq(inputs.T @ inputs, inputs.T @ targets).solution.T.to(on.D.dtype)


def solve(way: Way, on: Task, x: Tensor) -> Solution:
    """Return the solution of this method for measurements x (batch, T, n).

    Three iterations use the step of the public code, 1/α = 1; iteration to tolerance uses the
    solvers' safe step, and for ISTA the momentum of FISTA, which has the same minimiser.
    """
    solver = _solver(way, on, x)
    if way.iterations is not None:
        return solver(iterations=way.iterations, c=1.0)
    level = TOLERANCE * (x @ (on.A @ on.D)).norm(dim=-1).max()
    iterations, solution = 32, None
    while solution is None or (
        solution.certificate.max() > level and iterations <= _MAX_ITERATIONS
    ):
        solution, iterations = solver(iterations=iterations), 2 * iterations
    return solution


def _solver(method: Way, task: Task, x: Tensor) -> Callable[..., Solution]:
    arguments = {"x": x, "A": task.A, "D": task.D, "lambda1": method.lambda1}
    if method.lambda2 is None:
        step = solvers.fista if method.iterations is None else solvers.ista
        return lambda **options: step(**arguments, **options)
    arguments["F"] = transition(task) if method.estimated else torch.eye(len(task.D))
    return lambda **options: solvers.sista(**arguments, lambda2=method.lambda2, **options)


def recovered(way: Way, on: Task, columns: Tensor) -> Tensor:
    """Return the columns recovered by this method: (batch, T, N)."""
    return solve(way, on, on.measure(columns)).codes @ on.D.T


def searched(way: Way, on: Task) -> Way:
    """Return the method with the λ1, λ2 of a grid that are best on some validation images."""
    columns = on.validation[: _SEARCH["pictures"]]
    x, errors = on.measure(columns), {}
    for lambda1, lambda2 in itertools.product(_GRID1, _GRID2 if way.lambda2 else [None]):
        candidate = Way(way.iterations, lambda1, lambda2, way.estimated)
        codes = _solver(candidate, on, x)(iterations=_SEARCH["iterations"]).codes
        errors[candidate] = (codes @ on.D.T - columns).square().mean().item()
    return min(errors, key=errors.get)


def row(way: Way, on: Task, columns: Tensor) -> dict[str, object]:
    """Return the table row of a method on test columns; ``seconds`` are those of one core."""
    with threads_for(len(on.D)):
        started = time.process_time()
        solution = solve(way, on, on.measure(columns))
        seconds = time.process_time() - started
    facts = {"lambda1": way.lambda1, "lambda2": way.lambda2, "seconds": seconds}
    facts |= {"iterations": solution.objective.shape[-1] - 1}
    facts |= {"certificate": solution.certificate.max().item()}
    return {"name": way.name, **on.scores(columns, solution.codes @ on.D.T), **facts}
