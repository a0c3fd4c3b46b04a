"""Stacked LSTM (Hochreiter and Schmidhuber, 1997) on the measurements."""

import torch
from torch import Tensor, nn

from unfolded.networks.stacked import GatedNetwork
from unfolded.recurrence import cell_scan


def _layer(x: Tensor, h: Tensor, c: Tensor, U: Tensor, b: Tensor, W: Tensor, b_h: Tensor):
    """Return the codes and the last cell state of one layer; the gates are in PyTorch's order."""
    codes = []
    for drive in (x @ U.mT + b + b_h).unbind(1):
        i, f, g, o = (drive + h @ W.mT).chunk(4, -1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * c.tanh()
        codes.append(h)
    return torch.stack(codes, 1), c


class LSTM(GatedNetwork):
    """PyTorch's LSTM cells; the paper uses two layers for LSTM and three for other networks."""

    draws, cell = "LSTM", cell_scan.Cell("lstm", _layer)

    def __init__(self, **sizes):
        super().__init__(cells=nn.LSTM, **sizes)
