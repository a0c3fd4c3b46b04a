"""The bounds of one trained network, and its gap between training and test error."""

import math
from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from companion.theory.sista_bound import sista_layers
from unfolded import bounds
from unfolded.bounds.decimals import Numbers, bound, not_negative, per_layer, whole
from unfolded.data import FRAMES
from unfolded.errors import ConfigError, complain
from unfolded.networks.base import SequenceNetwork, UnfoldedNetwork
from unfolded.networks.sista import SistaRNN
from unfolded.networks.srnn import SRNN
from unfolded.training.stacking import SingleModel, estimates

DELTA = 0.05
"""The probability of failure of a guaranteed gap."""

_LN10 = math.log(10)


class Balls(NamedTuple):
    """The smallest class that contains a network, as arguments of `bounds`.

    ``alpha``, ``beta`` (d,): row norms of W_l and of U_l A, because frames are the data if A is
    learned. ``gamma``: of G. ``h0_inf``: the largest entry of h_0. ``width`` (d,): the sum of the
    lengths of the intervals that contain the two thresholds of a layer.
    """

    alpha: list[float]
    beta: list[float]
    gamma: float
    h0_inf: float
    width: list[float]


@torch.no_grad()
def balls(net: UnfoldedNetwork) -> Balls:
    """Return the norms of an unfolded network; for SISTA-RNN, those of `sista_layers`.

    The activation of SISTA-RNN does not depend on ħ, and its single threshold has no width.
    """
    W, U = net.layer_weights()
    alpha, h0 = [row_norm(w) for w in W], _max_abs(net.h0)
    if isinstance(net, SistaRNN):
        d, beta = net.depth, (row_norm(U[0] @ net.A), row_norm(U[1]))
        return Balls(*sista_layers(alpha[0], alpha[-1], *beta, d=d), 0.0, h0, [0.0] * d)
    spread = sum(tau.amax(1) - tau.amin(1) for tau in net.thresholds())
    return Balls(alpha, [row_norm(u @ net.A) for u in U], row_norm(net.G), h0, spread.tolist())


def log10_bounds(
    net: SequenceNetwork, *, m: int, T: int = FRAMES, peak: float = 255.0
) -> dict[str, float]:
    r"""Return log10 of the proved, printed and trivial bounds of a network.

    ``ours``: the Rademacher complexity of one unit of :math:`h_T`, by the valid bound;
    ``printed``: the same by (14), for SISTA-RNN by (17) extended to T frames; NaN for sRNN without
    a printed bound; ``largest code``: a bound on every unit, hence on the complexity; ``guaranteed
    gap``: the gap of the loss, relative to its range, see :func:`log_guaranteed_gap`.
    ``m`` training sequences of ``T`` frames with pixels in [0, ``peak``], the only assumption on
    them. Units: those of the code, the last one none. Thresholds and norms are the current values
    of the network; a statement for all networks also needs a union bound.
    Raises ConfigError for a network that is neither unfolded nor an sRNN with tanh.
    Sources: the corollaries of the page "A bound that holds", (14), (17).

    >>> from unfolded.networks import build
    >>> {key: round(x, 1) for key, x in log10_bounds(build("l1-l1-rnn", hidden=64), m=800).items()}
    {'ours': 21.7, 'printed': 16.1, 'largest code': 16.2, 'guaranteed gap': 21.5}
    """
    data = {"m": m, "n": net.n0, "B_x": peak}
    if isinstance(net, UnfoldedNetwork):
        alpha, beta, gamma, h0_inf, width = balls(net)
        state_norms = {"gamma": gamma, "h0_inf": h0_inf}
        complexities = [
            bounds.log_rademacher_repaired(alpha, beta, **data, **state_norms, T=t, width=width)
            for t in range(1, T + 1)
        ]
        printed_bound = bounds.log_rademacher_reweighted(
            alpha, beta, **data, h=net.hidden, T=T, h0_inf=h0_inf
        )
        code_bound = bounds.log_largest_code(alpha, beta, **state_norms, T=T, x_inf=peak)
    else:
        norms = _stacked_norms(net)
        complexities = [log_rademacher_stacked(*norms, **data, T=t) for t in range(1, T + 1)]
        printed_bound, code_bound = math.nan, 0.0  # |tanh| ≤ 1
    gap_bound = log_guaranteed_gap(
        complexities, row_norm(net.decoder_matrix()), m=m, n0=net.n0, peak=peak
    )
    logarithms = {"ours": complexities[-1], "printed": printed_bound, "largest code": code_bound}
    return {
        name: value / _LN10 for name, value in (logarithms | {"guaranteed gap": gap_bound}).items()
    }


def log_guaranteed_gap(
    complexities: Iterable[float], zeta: float, *, m: int, n0: int, peak: float
) -> float:
    r"""Return the logarithm of the guaranteed gap, relative to the range of the loss.

    .. math:: \frac{L_{\mathcal D} - L_S}{\eta} \le \frac{4\sqrt2\, n_0 \zeta}{\sqrt\eta}
        \sum_{t=1}^T \Re_t + 4\sqrt{\frac{2\log(4/\delta)}{m}}, \qquad
        \eta = T n_0 \,\mathrm{peak}^2

    for the squared error of sequences with outputs clipped to [0, peak], with probability
    0.95. ``complexities``: :math:`\log\Re_t` of a unit at each of the T frames; ``zeta``: the row
    norm of the decoder. A value of one is trivial.
    Source: the corollary "From one unit to the loss" with :math:`L = 2\sqrt\eta`.

    >>> round(math.exp(log_guaranteed_gap([-100.0] * 20, 1.0, m=8000, n0=256, peak=255.0)), 3)
    0.132
    """
    logs = np.array(list(complexities))
    eta = len(logs) * n0 * peak**2
    log_factor = math.log(4 * math.sqrt(2) * n0 * zeta / math.sqrt(eta))
    log_confidence = math.log(4 * math.sqrt(2 * math.log(4 / DELTA) / m))
    return float(np.logaddexp(log_factor + np.logaddexp.reduce(logs), log_confidence))


@bound
def rademacher_stacked(W: Numbers, U: Numbers, bias: Numbers, *, m, n, T, B_x) -> Decimal:
    r"""Return our bound on the Rademacher complexity of a stack of plain layers.

    .. math:: \Re_S \le \frac{r_T^{(d)}}{\sqrt m}, \qquad r_t^{(l)} = \|W_l\|_{1,\infty}
        r_{t-1}^{(l)} + \|U_l\|_{1,\infty} r_t^{(l-1)} + \|b_l\|_\infty, \qquad
        r_t^{(0)} = B_x\sqrt{2\log 2n}, \quad r_0^{(l)} = 0

    for :math:`h_t^{(l)} = \varphi(W_l h_{t-1}^{(l)} + U_l h_t^{(l-1)} + b_l)` with an odd,
    1-Lipschitz φ. ``W``, ``U``, ``bias`` (d,): the norms. Raises ConfigError as the other bounds.
    Proof: that of one fixed activation, with a third term; the bias is a weight on the input one,
    :math:`\mathbb E|\sum_i \epsilon_i| \le \sqrt m`, and changes sign with its row.

    >>> round(rademacher_stacked([0.5], [1.0], [0.0], m=100, n=5, T=1, B_x=1.0), 6)
    0.214597
    """
    W, U = per_layer("W", W), per_layer("U", U)
    bias = [not_negative(f"bias[{l}]", b) for l, b in enumerate(bias)]
    x = not_negative("B_x", B_x) * (2 * Decimal(2 * whole("n", n)).ln()).sqrt()
    radii = [Decimal(0)] * len(W)
    for _ in range(whole("T", T)):
        r, new_radii = x, []
        for w, u, b, radius in zip(W, U, bias, radii, strict=True):
            r = w * radius + u * r + b
            new_radii.append(r)
        radii = new_radii
    return radii[-1] / Decimal(whole("m", m)).sqrt()


log_rademacher_stacked = rademacher_stacked.log


@torch.no_grad()
def _stacked_norms(net: SequenceNetwork) -> tuple[list[float], list[float], list[float]]:
    if not isinstance(net, SRNN) or any(layer.phi is not torch.tanh for layer in net.cells):
        expected = "an unfolded network, or sRNN with tanh"
        raise ConfigError(
            complain(expected, type(net).__name__, "no bound is known for others here")
        )
    inputs = [net.cells[0].U @ net.A, *(layer.U for layer in net.cells[1:])]
    bias = [_max_abs(layer.bias + layer.recurrent_bias) for layer in net.cells]
    return [row_norm(layer.W) for layer in net.cells], [row_norm(u) for u in inputs], bias


def errors(net: SequenceNetwork, frames: Tensor, peak: float = 255.0) -> np.ndarray:
    """Return the squared error of each sequence, in squared grey levels of 255 a pixel.

    frames: (sequences, time, n0) in [0, ``peak``]; result (sequences,).
    """
    error = (estimates(SingleModel(net), frames) - frames) * (255 / peak)
    return error.double().square().mean((1, 2)).numpy()


class Gap(NamedTuple):
    """Training error, test error, test minus training error, and its standard error."""

    train: float
    test: float
    gap: float
    standard_error: float


def gap(seen: np.ndarray, unseen: np.ndarray) -> Gap:
    """Return the gap of a network from its errors on training and on test sequences.

    For differences of the errors of two networks, it is the difference of their gaps. The standard
    error includes both means. Units: those of the errors.

    >>> gap(np.array([1.0, 3.0]), np.array([4.0, 4.0])).gap
    2.0
    """
    error = math.hypot(*(part.std(ddof=1) / math.sqrt(len(part)) for part in (seen, unseen)))
    means = float(seen.mean()), float(unseen.mean())
    return Gap(*means, means[1] - means[0], error)


def recorded_gap(curves: pd.DataFrame, sequences: pd.DataFrame) -> Gap:
    """Return the gap of a committed run from its learning curves and its test errors.

    The training error is that of the last epoch, measured while weights still changed, hence too
    high by the gain of one epoch. The standard error is that of the test sequences only.
    """
    train_error, test_errors = float(curves["train_mse"].iloc[-1]), sequences["test_mse"]
    error = float(test_errors.std() / math.sqrt(len(test_errors)))
    return Gap(
        train_error, float(test_errors.mean()), float(test_errors.mean() - train_error), error
    )


def row_norm(matrix: Tensor) -> float:
    r"""Return :math:`\|W\|_{1,\infty}`, the largest row sum of absolute values."""
    return float(matrix.detach().double().abs().sum(1).max())


def _max_abs(vector: Tensor) -> float:
    return float(vector.detach().abs().max())
