"""One set of norms for all: the bounds of five networks, as the comparison and its explorer use."""

import math
from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from unfolded import bounds
from unfolded.errors import ConfigError, complain
from unfolded.networks.base import SequenceNetwork, UnfoldedNetwork
from unfolded.networks.fastrnn import FastRNN
from unfolded.networks.sista import SistaRNN
from unfolded.networks.spectralrnn import SpectralRNN

NETWORKS = ("reweighted-rnn", "l1-l1-rnn", "sista-rnn", "fastrnn", "spectralrnn")
"""Those that App. D.1 and §3 compare, by their names in the registry."""

LINK = 0.01
"""What λ2/c is before training: SISTA-RNN's upper layers see λ2/c times its map of the past."""

READOUT = 256
"""Pixels of a frame: SpectralRNN's read-out is given as many rows, norm 16 in all, 1 at most."""


def rulers(matrix: Tensor) -> dict[str, float]:
    r"""Return three norms of one matrix: the rulers that the bounds measure with.

    ``row`` :math:`\|W\|_{1,\infty} = \max_i \sum_j |W_{ij}|`, ``frobenius`` :math:`\|W\|_F`,
    ``spectral`` :math:`\|W\|_2`. Shapes: matrix (any, any). Units: those of the entries.
    Sources: Theorem 3.1; (51); (54).

    >>> rulers(torch.tensor([[3.0, 4.0], [0.0, 0.0]]))
    {'row': 7.0, 'frobenius': 5.0, 'spectral': 5.0}
    """
    norms = {
        "row": matrix.abs().sum(1).max(),
        "frobenius": torch.linalg.matrix_norm(matrix),
        "spectral": torch.linalg.matrix_norm(matrix, 2),
    }
    return {name: float(norm) for name, norm in norms.items()}


def spread(row: float, *, rows: int, columns: int, k: int) -> dict[str, float]:
    r"""Return the three norms of a matrix with k equal entries, up to signs, in every row.

    .. math:: \|W\|_{1,\infty} = \alpha, \qquad \|W\|_F = \alpha\sqrt{r/k}, \qquad
        \|W\|_2 = \|W\|_F / \sqrt s

    for r rows and s ≤ r columns, orthogonal and of one length. k = 1 is a scaled identity if
    r = s, k = s a scaled Hadamard matrix. Units: those of ``row``. Source: ours.

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
    r"""Return the natural logarithms of six bounds for networks with the same norms.

    reweighted-RNN: (14) with :math:`\alpha_l = \alpha, \beta_l = \beta`; ℓ1-ℓ1-RNN: the same, for
    (14) does not see that its layers share weights; SISTA-RNN: (17), followed through T frames,
    with :math:`\beta_2 = 0.01\,\gamma`; FastRNN: (51) with weight a, one layer; SpectralRNN: what
    stands in (54), one layer, margin 1, δ = 0.05, a read-out with ‖Y‖_F = 16 and ‖Y‖_2 = 1;
    ``repaired``: the companion's own bound for reweighted-RNN, thresholds fixed.
    Inputs are of size one in each coordinate, :math:`B_x = 1` and :math:`B = \sqrt n`; h_0 = 0.
    ``gamma`` bounds the rows of what carries h_{t−1} on, G or DᵀFD; ``k`` entries a row turn α
    and β into the other norms, see `spread`. Units: none. Raises ConfigError as the bounds do.

    >>> state = dict(d=1, T=20, alpha=0.9, beta=1.0, gamma=1.0, m=8000, n=51, h=1024, k=16, a=1.0)
    >>> round(math.exp(log_bounds(**state)["reweighted-rnn"]), 6)
    1.131045
    """
    data = {"m": m, "n": n, "h": h, "T": T, "B_x": 1.0}
    W, U = spread(alpha, rows=h, columns=h, k=k), spread(beta, rows=h, columns=n, k=k)
    same = bounds.log_rademacher_reweighted([alpha] * d, [beta] * d, **data)
    sista = log_rademacher_sista(alpha, alpha, beta, LINK * gamma, d=d, **data)
    B = math.sqrt(n)
    norms = (W["frobenius"], U["frobenius"], math.sqrt(READOUT), W["spectral"], U["spectral"], 1.0)
    rest = {"m": m, "n": n, "n_y": READOUT, "h": h, "T": T, "B": B, "gamma": 1.0, "delta": 0.05}
    return {
        "reweighted-rnn": same,
        "l1-l1-rnn": same,
        "sista-rnn": sista,
        "fastrnn": bounds.log_rademacher_fastrnn(*norms[:2], a=a, m=m, T=T, B=B),
        "spectralrnn": bounds.log_gap_spectralrnn(*norms, **rest),
        "repaired": bounds.log_rademacher_repaired(
            [alpha] * d, [beta] * d, gamma=gamma, m=m, n=n, T=T, B_x=1.0
        ),
    }


def log_rademacher_sista(
    alpha1: float, alpha2: float, beta1: float, beta2: float, *, d: int, **data
) -> float:
    r"""Return the logarithm of (17), followed through T frames from h_0 = 0.

    A frame takes up at most :math:`\beta_1 \sum_{l<d} \alpha_2^l` of its measurement and
    :math:`\Lambda_0 = \alpha_1\alpha_2^{d-1} + \beta_2 \sum_{l<d-1} \alpha_2^l` of its past: the
    brackets of (17). Through time these two enter as in (14), and so do m, n, h, T and ``B_x``.
    Errors: as (14) and (17). Source: ours; T = 1 is (17).

    >>> data = dict(m=8000, n=51, h=1024, B_x=1.0)
    >>> round(log_rademacher_sista(0.9, 0.8, 1.0, 0.1, d=2, T=1, **data), 6)
    -2.160339
    """
    powers = [float(alpha2) ** l for l in range(d)]
    past = float(alpha1) * powers[-1] + float(beta2) * math.fsum(powers[:-1])
    each = float(beta1) * math.fsum(powers) / d
    # (14) reads from the layers only their number, the sum of β_l Λ_l and Λ_0.
    return bounds.log_rademacher_reweighted([past] + [1.0] * (d - 1), [each] * d, **data)


def log_bound_of(net: SequenceNetwork, *, m: int, T: int, B_x: float, B: float) -> float:
    r"""Return the logarithm of the bound of a network with its own norms, for h_0 = 0.

    reweighted-RNN and ℓ1-ℓ1-RNN: (14). SISTA-RNN: (17) through T frames. FastRNN: (51) with its
    own a. SpectralRNN: what stands in (54), with its read-out, margin 1 and δ = 0.05.
    ``B_x`` bounds the root mean square of a measurement's coordinates over the m sequences, ``B``
    the length of a measurement. Units: those of the code; of an error rate for (54).
    Raises ConfigError for another network, and for two layers of FastRNN or SpectralRNN.
    """
    data = {"m": m, "n": net.n, "h": net.hidden, "T": T, "B_x": B_x}
    if isinstance(net, UnfoldedNetwork):
        alpha, beta = net.norms().values()
        if not isinstance(net, SistaRNN):
            return bounds.log_rademacher_reweighted(alpha, beta, **data)
        return log_rademacher_sista(alpha[0], alpha[-1], *beta, d=net.depth, **data)
    if not isinstance(net, FastRNN | SpectralRNN) or net.depth > 1:
        got = f"{type(net).__name__} with {net.depth} layers"
        want = "an unfolded network, or one layer of FastRNN or SpectralRNN"
        raise ConfigError(complain(want, got, "the paper quotes a bound for no other"))
    (layer,) = net.cells
    W, *scalars = layer.weights()
    W, U, Y = (rulers(matrix.detach()) for matrix in (W, layer.U, net.readout.weight))
    if scalars:
        a = float(scalars[0].detach())
        return bounds.log_rademacher_fastrnn(W["frobenius"], U["frobenius"], a=a, m=m, T=T, B=B)
    norms = [norm[kind] for kind in ("frobenius", "spectral") for norm in (W, U, Y)]
    rest = {"n_y": net.n0, "B": B, "gamma": 1.0, "delta": 0.05}
    return bounds.log_gap_spectralrnn(*norms, m=m, n=net.n, h=net.hidden, T=T, **rest)


def against(name: str, values: Iterable[float], **state) -> dict[str, np.ndarray]:
    """Return log10 of each bound along values of one argument of `log_bounds`, the others fixed.

    >>> state = dict(d=1, alpha=0.9, beta=1.0, gamma=1.0, m=8000, n=51, h=1024, k=16, a=1.0)
    >>> {name: line.shape for name, line in against("T", [1, 20], **state).items()}["fastrnn"]
    (2,)
    """
    points = [log_bounds(**state, **{name: value}) for value in values]
    names = points[0]
    return {key: np.array([point[key] for point in points]) / math.log(10) for key in names}
