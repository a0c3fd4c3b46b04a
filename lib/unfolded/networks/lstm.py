"""Stacked LSTM (Hochreiter and Schmidhuber, 1997) on the measurements."""

import torch
from torch import Tensor, nn

from unfolded.networks.stacked import GatedNetwork
from unfolded.recurrence import cell_scan


def _layer(x: Tensor, h: Tensor, c: Tensor, U: Tensor, b: Tensor, W: Tensor, b_h: Tensor):
    """Run one layer by PyTorch's function: codes, and the last cell state."""
    state, weights = (h[None], c[None]), (U, W, b, b_h)
    codes, _, last = torch.lstm(x, state, weights, True, 1, 0.0, False, False, True)
    return codes, last[0]


class LSTM(GatedNetwork):
    """PyTorch's LSTM cells; the paper takes two layers where the others have three."""

    draws, cell = "LSTM", cell_scan.Cell("lstm", _layer)

    def __init__(self, **sizes):
        super().__init__(cells=nn.LSTM, **sizes)
