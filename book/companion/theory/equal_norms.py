"""The bounds of five networks with equal norms, for the explorer of the bounds."""

import math
from collections.abc import Iterable

import numpy as np

from companion.theory.sista_bound import rademacher_sista
from unfolded import bounds

LINK = 0.01
"""λ2/c before training, the factor of the map of the past in upper layers of SISTA-RNN."""

READOUT = 256
"""Pixels of a frame, the rows of the output matrix Y of SpectralRNN: ‖Y‖_F = 16, ‖Y‖_2 = 1."""


def spread(row: float, *, rows: int, columns: int, k: int) -> dict[str, float]:
    r"""Return the three norms of a matrix with k entries ±α/k in every row.

    .. math:: \|W\|_{1,\infty} = \alpha, \qquad \|W\|_F = \alpha\sqrt{r/k}, \qquad
        \|W\|_2 = \|W\|_F / \sqrt s

    for r rows and s ≤ r orthogonal columns of equal length. It is a scaled identity for k = 1 and
    r = s, a scaled Hadamard matrix for k = s. Units: those of ``row``, which is α. Source: ours.

    >>> spread(2.0, rows=4, columns=4, k=4)
    {'row': 2.0, 'frobenius': 2.0, 'spectral': 1.0}
    """
    frobenius = row * math.sqrt(rows / min(k, columns))
    return {"row": row, "frobenius": frobenius, "spectral": frobenius / math.sqrt(columns)}


def log_bounds(
    *,
    d: int,
    T: int,
    alpha: float,
    beta: float,
    gamma: float,
    m: int,
    n: int,
    h: int,
    k: int,
    a: float,
) -> dict[str, float]:
    r"""Return the natural logarithms of five bounds for networks with the same norms.

    reweighted-RNN: (14) with :math:`\alpha_l = \alpha, \beta_l = \beta`, which is also the bound of
    ℓ1-ℓ1-RNN, because it does not depend on whether layers share weights; SISTA-RNN: (17) through T
    frames, with :math:`\beta_2 = 0.01\,\gamma`; FastRNN: (51) with weight a, one layer;
    SpectralRNN: the expression in (54), one layer, margin 1, δ = 0.05, ‖Y‖_F = 16 and ‖Y‖_2 = 1;
    ``repaired``: the bound of this companion for reweighted-RNN with fixed thresholds.
    Each coordinate of an input has size one, :math:`B_x = 1` and :math:`B = \sqrt n`; h_0 = 0.
    ``gamma`` bounds the row norm of the link to h_{t−1}, G or DᵀFD; ``k`` entries per row give the
    other norms for α and β, see `spread`. Units: none. Raises ConfigError as the bounds do.

    >>> state = dict(d=1, T=20, alpha=0.9, beta=1.0, gamma=1.0, m=8000, n=51, h=1024, k=16, a=1.0)
    >>> round(math.exp(log_bounds(**state)["reweighted-rnn"]), 6)
    1.131045
    """
    layers, data, B = ([alpha] * d, [beta] * d), {"m": m, "n": n, "T": T}, math.sqrt(n)
    W, U = spread(alpha, rows=h, columns=h, k=k), spread(beta, rows=h, columns=n, k=k)
    log_bound = bounds.log_rademacher_reweighted(*layers, **data, h=h, B_x=1.0)
    norms = (W["frobenius"], U["frobenius"], math.sqrt(READOUT), W["spectral"], U["spectral"], 1.0)
    return {
        "reweighted-rnn": log_bound,
        "sista-rnn": rademacher_sista.log(
            alpha, alpha, beta, LINK * gamma, d=d, **data, h=h, B_x=1.0
        ),
        "fastrnn": bounds.log_rademacher_fastrnn(*norms[:2], a=a, m=m, T=T, B=B),
        "spectralrnn": bounds.log_gap_spectralrnn(
            *norms, **data, n_y=READOUT, h=h, B=B, gamma=1.0, delta=0.05
        ),
        "repaired": bounds.log_rademacher_repaired(*layers, gamma=gamma, **data, B_x=1.0),
    }


def against(name: str, values: Iterable[float], **state) -> dict[str, np.ndarray]:
    """Return log10 of each bound for values of one argument of `log_bounds`, the others fixed.

    >>> state = dict(d=1, alpha=0.9, beta=1.0, gamma=1.0, m=8000, n=51, h=1024, k=16, a=1.0)
    >>> {name: line.shape for name, line in against("T", [1, 20], **state).items()}["fastrnn"]
    (2,)
    """
    points = [log_bounds(**state, **{name: value}) for value in values]
    return {key: np.array([point[key] for point in points]) / math.log(10) for key in points[0]}
