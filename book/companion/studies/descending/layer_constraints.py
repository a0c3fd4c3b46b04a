"""Descending constraints for sequences: the progress of each layer on the problem of a frame."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from companion.studies import descent_constraints
from unfolded import metrics
from unfolded.networks.base import UnfoldedNetwork
from unfolded.networks.sista import SistaRNN
from unfolded.solvers import reweighted_step, sista_step

MERITS = ("objective", "residual", "distance")
"""Quantities that a layer can be constrained to decrease."""


class _Frame(NamedTuple):
    """The problem of one frame, and the steps of a network on it."""

    prediction: Callable
    """h_{t−1} -> the link to the previous frame: ħ_t, or F D h_{t−1} for SISTA-RNN."""
    start: Callable
    """link -> h_t^(0)."""
    layer: Callable
    """(h, x, link, l) -> h_t^(l+1)."""
    step: Callable
    """(h, x, link) -> one step of the solver, with Z = I and the last g."""
    objective: Callable
    """(h, x, link) -> (3), or the objective of SISTA-RNN."""


def layers(
    net: UnfoldedNetwork, x: Tensor, disturb: Callable[[Tensor, int], Tensor] | None = None
) -> tuple[Tensor, Tensor]:
    r"""Return :math:`h_t^{(0)}, \dots, h_t^{(d)}` of every frame, and the link to the previous one.

    The link is :math:`\hbar_t = G h_{t-1}^{(d)}`, or for SISTA-RNN the frame
    :math:`F D h_{t-1}^{(d)}`. ``disturb(h, l)`` is the input of layer l + 1 instead of
    :math:`h_t^{(l)}`, 1 ≤ l < d.
    Shapes: x (batch, time, n); results (d + 1, batch, time, h) and (batch, time, h or n0).

    >>> from unfolded.networks import build
    >>> net = build("l1-l1-rnn", n0=16, n=5, hidden=9, depth=2)
    >>> h, hbar = layers(net, torch.ones(1, 3, 5))
    >>> h.shape, bool((h[-1] == net.run_reference(torch.ones(1, 3, 5), net.h0.expand(1, -1))).all())
    (torch.Size([3, 1, 3, 9]), True)
    """
    frame, h = _frame(net), net.h0.expand(len(x), -1)
    frames, predictions = [], []
    for x_t in x.unbind(1):
        prediction = frame.prediction(h)
        outputs = [frame.start(prediction)]
        for l in range(net.depth):
            layer_input = disturb(outputs[l], l) if disturb and l else outputs[l]
            outputs.append(frame.layer(layer_input, x_t, prediction, l))
        h = outputs[-1]
        frames.append(torch.stack(outputs))
        predictions.append(prediction)
    return torch.stack(frames, 2), torch.stack(predictions, 1)


def residual(net: UnfoldedNetwork, h: Tensor, prediction: Tensor, x: Tensor) -> Tensor:
    r"""Return the residual of codes in the problem of their frame, (3) with Z = I.

    It is `descent_constraints.residual` of the step of Algorithm 1 with the last g, or of SISTA,
    with all learned parameters; it is 0 exactly at the minimiser. The link is constant, although
    its parameters were learned too.
    Shapes: h (…, batch, time, h), link and x as of :func:`layers`; result (…, batch, time). For
    :func:`companion.studies.descent_constraints.slack`, flatten batch and time.
    """
    frame = _frame(net)
    return descent_constraints.residual(
        h, lambda y: frame.step(y, x, prediction), net.positive("c")
    )


def objective(net: UnfoldedNetwork, h: Tensor, prediction: Tensor, x: Tensor) -> Tensor:
    r"""Return (3) at codes v = Zh, with the last g: the objective of the layers.

    For SISTA-RNN: :math:`\tfrac12\|x - ADh\|^2 + \lambda_1\|h\|_1 + \tfrac{\lambda_2}2
    \|Dh - FDh_{t-1}\|^2`. Shapes: as :func:`residual`. Units: a squared measurement's.
    """
    return _frame(net).objective(h, x, prediction)


def merit(
    name: str, net: UnfoldedNetwork, h: Tensor, prediction: Tensor, x: Tensor, frames: Tensor
) -> Tensor:
    r"""Return one of MERITS: :func:`objective`, :func:`residual`, or :math:`\|Dh - s_t\|_2`.

    Shapes: as :func:`residual`, frames (batch, time, n0).
    """
    if name == "distance":
        return (net.decode(h) - frames).norm(dim=-1)
    return {"objective": objective, "residual": residual}[name](net, h, prediction, x)


@torch.no_grad()
def by_layer(
    net: UnfoldedNetwork,
    frames: Tensor,
    *,
    peak: float,
    merits: tuple[str, ...] = ("objective", "residual"),
) -> pd.DataFrame:
    """Return one row per layer: PSNR of its output, its merits, and the share that descends.

    Merits are means over frames and sequences, in units of those of layer 0;
    each share counts the frames in which the layer is not worse than the previous layer.
    Shapes: frames (batch, time, n0), with values of 0 to ``peak``. Units: PSNR in dB, global.
    """
    x = net.measure(frames)
    h, prediction = layers(net, x)
    psnr = [metrics.psnr(frames, net.decode(y), peak=peak, average="global") for y in h]
    table = pd.DataFrame({"layer": range(len(h)), "PSNR": map(float, psnr)})
    for name in merits:
        values = merit(name, net, h, prediction, x, frames).flatten(1)
        table[name] = (values.mean(1) / values[0].mean()).numpy()
        table[f"{name} descends"] = [np.nan, *descent_constraints.descending(values).tolist()]
    return table


def _frame(net: UnfoldedNetwork) -> _Frame:
    return _sista_frame(net) if isinstance(net, SistaRNN) else _algorithm_1_frame(net)


def _algorithm_1_frame(net: UnfoldedNetwork) -> _Frame:
    (a, b), c, M = net.thresholds(), net.positive("c"), net.A @ net.D

    def layer(h, x, hbar, l):
        Z_l = None if net.Z is None else net.Z[l]
        return reweighted_step(h, x, hbar, M=M, c=c, a=a[l], b=b[l], Z=Z_l)

    def step(h, x, hbar):
        return reweighted_step(h, x, hbar, M=M, c=c, a=a[-1], b=b[-1])

    def objective(h, x, hbar):
        fit = (x - h @ M.T).square().sum(-1) / 2
        return fit + (c * a[-1] * h.abs() + c * b[-1] * (h - hbar).abs()).sum(-1)

    return _Frame(lambda h: h @ net.G.T, lambda hbar: hbar, layer, step, objective)


def _sista_frame(net: SistaRNN) -> _Frame:
    M, D, FD = net.A @ net.D, net.D, net.F @ net.D
    shared = {name: net.positive(name) for name in ("c", "lambda1", "lambda2")}

    def step(h, x, prediction, l=None):
        return sista_step(h, x, prediction, M=M, D=D, **shared)

    def objective(h, x, prediction):
        fit = (x - h @ M.T).square().sum(-1) / 2
        temporal_term = (h @ D.T - prediction).square().sum(-1) / 2
        return fit + shared["lambda1"] * h.abs().sum(-1) + shared["lambda2"] * temporal_term

    return _Frame(lambda h: h @ FD.T, lambda prediction: prediction @ D, step, step, objective)
