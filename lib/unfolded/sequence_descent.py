"""Descending constraints for sequences: what each layer makes of the problem of its frame."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from unfolded import descent, metrics
from unfolded.networks.reweighted import ReweightedRNN
from unfolded.solvers import reweighted_step


def layers(
    net: ReweightedRNN, x: Tensor, disturb: Callable[[Tensor, int], Tensor] | None = None
) -> tuple[Tensor, Tensor]:
    r"""Return :math:`h_t^{(0)}, \dots, h_t^{(d)}` of every frame, and :math:`\hbar_t`.

    ``disturb(h, l)`` is what layer l + 1 reads instead of :math:`h_t^{(l)}`, 1 ≤ l < d.
    Shapes: x (batch, time, n); results (d + 1, batch, time, h) and (batch, time, h).
    Of reweighted-RNN and of ℓ1-ℓ1-RNN.

    >>> from unfolded.networks import build
    >>> net = build("l1-l1-rnn", n0=16, n=5, hidden=9, depth=2)
    >>> h, hbar = layers(net, torch.ones(1, 3, 5))
    >>> h.shape, bool((h[-1] == net.steps(torch.ones(1, 3, 5), net.h0.expand(1, -1))).all())
    (torch.Size([3, 1, 3, 9]), True)
    """
    a, b = net.thresholds()
    M, c, h = net.A @ net.D, net.value("c"), net.h0.expand(len(x), -1)
    frames, predicted = [], []
    for x_t in x.unbind(1):
        hbar = h @ net.G.T
        outputs = [hbar]
        for l in range(net.depth):
            Z_l = None if net.Z is None else net.Z[l]
            read = disturb(outputs[l], l) if disturb and l else outputs[l]
            outputs.append(reweighted_step(read, x_t, hbar, M=M, c=c, a=a[l], b=b[l], Z=Z_l))
        h = outputs[-1]
        frames.append(torch.stack(outputs))
        predicted.append(hbar)
    return torch.stack(frames, 2), torch.stack(predicted, 1)


def residual(net: ReweightedRNN, h: Tensor, hbar: Tensor, x: Tensor) -> Tensor:
    r"""Return how far codes are from solving (3) of their frame, with Z = I and the last g.

    It is :func:`unfolded.descent.residual` of the step of Algorithm 1, with all that the network
    has learned in it; 0 exactly at the minimiser. ħ counts as given, though it was learned too.
    Shapes: h (…, batch, time, h), hbar (batch, time, h), x (batch, time, n); result
    (…, batch, time). For :func:`unfolded.descent.slack`, flatten batch and time.
    """
    (a, b), c = net.thresholds(), net.value("c")
    step = partial(reweighted_step, x=x, hbar=hbar, M=net.A @ net.D, c=c, a=a[-1], b=b[-1])
    return descent.residual(h, step, c)


def objective(net: ReweightedRNN, h: Tensor, hbar: Tensor, x: Tensor) -> Tensor:
    r"""Return (3) at codes v = Zh, with the last g: what the layers should bring down.

    Shapes: as :func:`residual`. Units: those of a squared measurement.
    """
    (a, b), c = net.thresholds(), net.value("c")
    fit = (x - h @ (net.A @ net.D).T).square().sum(-1) / 2
    return fit + (c * a[-1] * h.abs() + c * b[-1] * (h - hbar).abs()).sum(-1)


@torch.no_grad()
def by_layer(net: ReweightedRNN, frames: Tensor, *, peak: float) -> pd.DataFrame:
    """Return a row a layer: PSNR of its output, and its merits with the share that descends.

    "objective" and "residual" are means over frames and sequences, in units of those of layer 0;
    each share counts the frames in which the layer is no worse than the one before it.
    Shapes: frames (batch, time, n0), with values of 0 to ``peak``. Units: PSNR in dB, global.
    """
    x = net.measure(frames)
    h, hbar = layers(net, x)
    reached = [metrics.psnr(frames, net.decode(y), peak=peak, average="global") for y in h]
    table = pd.DataFrame({"layer": range(len(h)), "PSNR": map(float, reached)})
    for name, merit in (("objective", objective), ("residual", residual)):
        values = merit(net, h, hbar, x).flatten(1)
        table[name] = (values.mean(1) / values[0].mean()).numpy()
        table[f"{name} descends"] = [np.nan, *descent.descending(values).tolist()]
    return table
