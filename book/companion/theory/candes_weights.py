"""A published rule for the weights g of Algorithm 1, which the network learns."""

import itertools

import torch
from torch import Tensor

from unfolded.errors import ConfigError, complain
from unfolded.solvers import Solution, reweighted_l1_l1


def candes_weights(h: Tensor, epsilon: float) -> Tensor:
    r"""Return smaller weights for larger entries, which then shrink less.

    .. math:: g_i = \frac{\varepsilon}{|h_i| + \varepsilon}

    The published weight is :math:`1/(|h_i|+\varepsilon)`; the factor ε only rescales λ1 and λ2,
    and gives g = 1 for a zero entry.

    Shapes: that of h. Units: ε has those of h, g has none. Raises ConfigError unless ε > 0.
    Source: Candès, Wakin and Boyd (2008), (6).

    >>> candes_weights(torch.tensor([0.0, 3.0]), 1.0)
    tensor([1.0000, 0.2500])
    """
    if not epsilon > 0:
        raise ConfigError(complain("epsilon > 0", epsilon, "pass the size of a small entry"))
    return epsilon / (h.abs() + epsilon)


def in_rounds(
    x, A, D, G, *, lambda1, lambda2, epsilon, rounds=2, iterations=100, c=None, h0=None
) -> Solution:
    r"""Run Algorithm 1 with Z = I and updates of g from the current code within each frame.

    The first round has g = 1; each later round uses :func:`candes_weights` of the current code and
    continues from it. The ``iterations`` of a frame are divided equally between its rounds; if they
    are no multiple, some rounds have one iteration more.

    Shapes, objective, certificate and errors: as :func:`unfolded.solvers.reweighted_l1_l1`; both
    belong to the weights of the frame's last round.

    >>> x, A, D = torch.ones(1, 2, 3), torch.eye(3), torch.eye(3)
    >>> some = {"lambda1": 0.5, "lambda2": 0.0, "iterations": 4}
    >>> in_rounds(x, A, D, D, epsilon=0.1, **some).codes[0, 0]
    tensor([0.9167, 0.9167, 0.9167])
    """
    if not 1 <= rounds <= iterations:
        expected = "at least one round, and at least one iteration in each"
        actual = f"{iterations} iterations, {rounds} rounds"
        raise ConfigError(complain(expected, actual, "choose other numbers"))
    start = torch.zeros_like(D[0]) if h0 is None else h0
    ends = [iterations * k // rounds for k in range(rounds + 1)]
    lengths = [end - first for first, end in itertools.pairwise(ends)]
    arguments = {"lambda1": lambda1, "lambda2": lambda2, "c": c}
    rows = []
    for sequence in x.split(1):
        h, frames = start, []
        for x_t in sequence.split(1, dim=1):
            g = torch.ones_like(h).expand(lengths[0], -1)
            for length in lengths[1:]:
                code = reweighted_l1_l1(
                    x_t, A, D, G, g=g, iterations=len(g), h0=h, **arguments
                ).codes[0, 0]  # fmt: skip
                g = torch.cat([g, candes_weights(code, epsilon).expand(length, -1)])
            solution = reweighted_l1_l1(x_t, A, D, G, g=g, iterations=len(g), h0=h, **arguments)
            h = solution.codes[0, 0]
            frames.append(solution)
        rows.append([torch.cat(parts, 1) for parts in zip(*map(_parts, frames), strict=True)])
    return Solution(*(torch.cat(parts) for parts in zip(*rows, strict=True)))


def _parts(solution: Solution) -> tuple[Tensor, Tensor, Tensor]:
    return solution.codes, solution.objective, solution.certificate
