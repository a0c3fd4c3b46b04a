"""Lower estimates of the empirical Rademacher complexity by a search for matching networks.

A valid bound is above a supremum over all networks in given balls. Each network found in the
balls has a value below that supremum: a search can refute a bound, but cannot prove one.
"""

import itertools
import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from companion.theory.norm_balls import Balls, Weights, outputs
from unfolded import bounds, runtime
from unfolded.bounds.decimals import whole
from unfolded.errors import ConfigError, complain

ALL_SIGNS = 10
"""Maximum number of samples for the use of all sign patterns."""


class Estimate(NamedTuple):
    """The mean over sign patterns, its standard error, and the value of each pattern.

    ``error`` is zero if all patterns were used.
    """

    value: float
    error: float
    per_draw: Tensor


def signs(m: int, draws: int | None = None, seed: int = 0) -> Tensor:
    """Return ``draws`` draws of m random signs, or for None all patterns of m signs.

    Shape: (draws, m), float64. Raises ConfigError if there are too many patterns.

    >>> signs(2).tolist()
    [[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]]
    """
    m = whole("m", m)
    if draws is not None:
        if whole("draws", draws) < 2:
            raise ConfigError(complain("draws of at least 2", draws, "one has no standard error"))
        generator = torch.Generator().manual_seed(seed)
        return torch.randint(2, (draws, m), generator=generator).double() * 2 - 1
    if m > ALL_SIGNS:
        expected = f"at most {ALL_SIGNS} samples for all patterns of signs"
        raise ConfigError(complain(expected, m, "pass draws=…"))
    return torch.tensor(list(itertools.product((1.0, -1.0), repeat=m)), dtype=torch.float64)


def mean_supremum(sets: Tensor) -> Tensor:
    r"""Return the mean over all signs of :math:`\sup_v \sum_i \epsilon_i v_i` over a set.

    Shapes: sets (…, vectors, m), float64, result (…). Raises ConfigError if m is too large.

    >>> mean_supremum(torch.tensor([[1.0, 0.0], [-1.0, 0.0]], dtype=torch.float64)).item()
    1.0
    """
    return (sets @ signs(sets.shape[-1]).T).amax(-2).mean(-1)


def lower_estimate(
    x: Tensor,
    balls: Balls,
    *,
    h: int,
    draws: int | None = None,
    starts: int = 8,
    steps: int = 100,
    seed: int = 0,
    activation: Callable | None = None,
) -> Estimate:
    r"""Search the balls for networks that match sign patterns, and return their mean correlation.

    .. math:: \Re_S \ge \mathbb E_\epsilon\ \frac1m \sum_{i=1}^m \epsilon_i f_\epsilon(x_i)

    where :math:`f_\epsilon` is one unit of :math:`h_T^{(d)}`, see `norm_balls.outputs`, of the best
    network found by projected gradient steps for the signs ε. A step changes the weight with the
    steepest gradient in each row by a fraction of the row's radius, which decreases from 1 to 0.01.
    ``x`` (m, T, n) of float64; ``h`` units per layer; ``draws`` as in :func:`signs`; ``starts``
    networks for each sign pattern, ``steps`` for each network. The result is deterministic.
    Units: those of the code. Raises ConfigError on samples of another kind. Up to rounding, the
    value is below the complexity; for random signs, also up to its ``error``.

    >>> x = torch.eye(4, dtype=torch.float64)[:, None]
    >>> round(lower_estimate(x, Balls([1.0], [1.0]), h=2).value, 3)  # a row of U spells the signs
    0.25
    """
    if x.dtype != torch.float64 or x.ndim != 3 or not bool(torch.isfinite(x).all()):
        actual = f"{x.dtype} of shape {tuple(x.shape)}"
        raise ConfigError(complain("finite float64 samples (m, T, n)", actual, "pass x.double()"))
    patterns, starts = signs(len(x), draws, seed), whole("starts", starts)
    target = patterns.repeat_interleave(starts, 0)
    weights = balls.draw(len(target), x.shape[-1], h, torch.Generator().manual_seed(seed))
    best = torch.full((len(target),), -math.inf, dtype=torch.float64)
    with runtime.threads_for(h):
        for fraction in torch.logspace(0, -2, whole("steps", steps)).tolist():
            variables = [z.requires_grad_() for z in weights]
            value = (target * outputs(x, Weights(*variables), activation)).mean(1)
            best = torch.maximum(best, value.detach())
            slopes = torch.autograd.grad(value.sum(), variables, materialize_grads=True)
            updates = map(_step, variables, slopes, [fraction * radius for radius in balls.radii])
            weights = balls.nearest(Weights(*updates))
    per_draw = best.view(-1, starts).amax(1)
    error = 0.0 if draws is None else float(per_draw.std() / math.sqrt(len(per_draw)))
    return Estimate(float(per_draw.mean()), error, per_draw)


def beside_bounds(x: Tensor, balls: Balls, *, h: int, **search) -> dict[str, float]:
    r"""Return the result of a search, with (14), our bound and the largest code.

    Arguments as in :func:`lower_estimate`; :math:`B_x` and :math:`\|x\|_\infty` are those of ``x``.
    (14) is below the result of the search if it does not hold.

    >>> x = torch.eye(4, dtype=torch.float64)[:, None]
    >>> values = beside_bounds(x, Balls([1.0], [1.0]), h=2)
    >>> {name: round(value, 3) for name, value in values.items()}
    {'found': 0.25, '(14)': 0.779, 'ours': 0.51, 'largest': 1.0}
    """
    m, T, n = x.shape
    estimate = lower_estimate(x, balls, h=h, **search).value
    B_x = float((x.square().sum(0).max() / m).sqrt())
    norms, G = (balls.alpha, balls.beta), {"gamma": balls.gamma}
    common_arguments = {"T": T, "h0_inf": balls.h0_inf}
    data = {"m": m, "n": n, "B_x": B_x, **common_arguments}
    return {
        "found": estimate,
        "(14)": bounds.rademacher_reweighted(*norms, h=h, **data),
        "ours": bounds.rademacher_repaired(*norms, **G, width=balls.width, **data),
        "largest": bounds.largest_code(*norms, **G, x_inf=x.abs().max(), **common_arguments),
    }


def _step(z: Tensor, slope: Tensor, step_size: Tensor | float) -> Tensor:
    slope_norm = slope.abs().amax(-1, keepdim=True).clamp(min=torch.finfo(slope.dtype).tiny)
    return z.detach() + step_size * slope / slope_norm
