"""Sparse coding of image patches: the problem, and its optima with a certificate."""

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from companion.studies import descent_constraints
from companion.studies.natural_images import FREE, patches, picture
from unfolded import runtime, solvers
from unfolded.dictionaries import overcomplete_dct
from unfolded.errors import ConfigError, DataError, complain
from unfolded.seeds import derive

MERITS = ("distance", "residual", "gradient", "objective")
_ITERATIONS = (250, 1000, 4000, 16000)


@dataclass(frozen=True)
class Problem:
    r"""Signals x and their codes :math:`y^* = \arg\min_y f(y) = \tfrac12\|x-Dy\|_2^2 +
    \lambda_1\|y\|_1`.

    ``D`` (n0, h); ``x`` (count, n0); ``codes`` (count, h); ``certificate`` (count,), the distance
    of 0 from the subdifferential of f at the code; ``c`` is :math:`\|D\|_2^2`.
    """

    D: Tensor
    lambda1: float
    c: float
    x: Tensor
    codes: Tensor
    certificate: Tensor

    def to(self, dtype: torch.dtype) -> "Problem":
        """Return the problem in another floating-point type."""
        names = ("D", "x", "codes", "certificate")
        return replace(self, **{name: getattr(self, name).to(dtype) for name in names})

    def only(self, i: Tensor) -> "Problem":
        """Return the problem restricted to the signals i."""
        names = ("x", "codes", "certificate")
        return replace(self, **{name: getattr(self, name)[i] for name in names})

    def merit(self, name: str, y: Tensor) -> Tensor:
        r"""Return a merit of MERITS at codes (…, count, h): (…, count).

        "distance" :math:`\|y-y^*\|`; "residual", that of the proximal-gradient step; "gradient",
        that of the smooth part, which is not zero at :math:`y^*`; "objective"
        :math:`f(y)-f(y^*)`.
        """
        shared = {"x": self.x, "M": self.D, "c": self.c}
        if name == "distance":
            return (y - self.codes).norm(dim=-1)
        if name == "objective":
            return self.objective(y) - self.objective(self.codes)
        if name == "residual":
            step = partial(solvers.ista_step, **shared, lambda1=self.lambda1)
            return descent_constraints.residual(y, step, self.c)
        if name == "gradient":
            return descent_constraints.residual(y, partial(solvers.descend, **shared), self.c)
        raise ConfigError(complain(f"a merit from {MERITS}", repr(name), "choose one"))

    def objective(self, y: Tensor) -> Tensor:
        """Return f at codes (…, count, h): (…, count)."""
        return (self.x - y @ self.D.T).square().sum(-1) / 2 + self.lambda1 * y.abs().sum(-1)

    def unique(self) -> Tensor:
        r"""Return for each signal whether its minimiser is proved to be unique: (count,).

        This holds if the atoms with :math:`|D_i^\top(x - Dy^*)| = \lambda_1` (here up to 1e-5) are
        linearly independent. Source: Tibshirani (2013), Lemma 2.
        """
        slope = ((self.x - self.codes @ self.D.T) @ self.D).abs()
        active = slope >= self.lambda1 - 1e-5
        with runtime.threads_for(self.D.shape[1]):
            rank = torch.linalg.matrix_rank(self.D * active[:, None], rtol=1e-6)
        return rank == active.sum(1)


def solve(x: Tensor, D: Tensor, lambda1: float, *, tolerance: float = 1e-6) -> Problem:
    """Solve the problem of each signal by FISTA until its certificate is below the tolerance.

    Shapes: x (count, n0), D (n0, h). Raises DataError if a certificate stays above
    ``tolerance``, ConfigError on bad input.

    >>> solve(torch.tensor([[1.0, 0.1]]), torch.eye(2), 0.25).codes
    tensor([[0.7500, 0.0000]])
    """
    identity = torch.eye(len(D), dtype=D.dtype)
    codes, certificate = x.new_zeros(len(x), D.shape[1]), x.new_full((len(x),), torch.inf)
    for iterations in _ITERATIONS:
        indices = (certificate > tolerance).nonzero()[:, 0]
        if len(indices):
            options = {"lambda1": lambda1, "iterations": iterations}
            with runtime.threads_for(D.shape[1]):
                solution = solvers.fista(x[indices, None], identity, D, **options)
            codes[indices], certificate[indices] = solution.codes[:, 0], solution.certificate[:, 0]
    if not bool((certificate <= tolerance).all()):
        actual = f"{certificate.max().item():.1e} after {_ITERATIONS[-1]} iterations"
        raise DataError(complain(f"certificates below {tolerance:g}", actual, "raise lambda1"))
    c = torch.linalg.matrix_norm(D, 2).item() ** 2
    return Problem(D, lambda1, c, x, codes, certificate)


def truncated(problem: Problem, iterations: int = 3000) -> Tensor:
    r"""Return the codes that the public code of Hadou et al. uses as optima: (count, h).

    They are the codes of ISTA after ``iterations`` steps of size :math:`1/(1.1\,\|D\|_F^2)`.
    """
    identity, c = torch.eye(len(problem.D), dtype=problem.D.dtype), 1.1 * problem.D.square().sum()
    options = {"lambda1": problem.lambda1, "c": c, "iterations": iterations}
    with runtime.threads_for(problem.D.shape[1]):
        return solvers.ista(problem.x[:, None], identity, problem.D, **options).codes[:, 0]


def draw(count: int, part: str, *, side: int = 8) -> Tensor:
    """Draw patches of free images, grey values 0..1; the parts of FREE share no image.

    Returns float64 (count, side²). Raises ConfigError for an unknown part or too many patches.

    >>> draw(3, "test").shape
    torch.Size([3, 64])
    """
    if part not in FREE:
        raise ConfigError(complain(f"a part from {tuple(FREE)}", repr(part), "choose one"))
    squares = np.concatenate([patches(picture(name), side, side) for name in FREE[part]])
    if not 1 <= count <= len(squares):
        raise ConfigError(complain(f"1 to {len(squares)} patches", count, "ask for fewer"))
    indices = np.random.default_rng(derive(0, "patches", part)).choice(len(squares), count, False)
    return torch.from_numpy(squares[indices].reshape(count, -1) / 255.0)


def usual(count: int, part: str) -> Problem:
    """Return the problem of the page: patches of 8x8, a cosine dictionary with 100 atoms."""
    D = overcomplete_dct(64, 100, dtype=torch.float64)
    return solve(draw(count, part), D, lambda1=0.05)
