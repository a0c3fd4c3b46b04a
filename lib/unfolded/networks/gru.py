"""Stacked GRU (Cho et al., 2014) on the measurements."""

import torch
from torch import Tensor, nn

from unfolded.networks.stacked import GatedNetwork
from unfolded.recurrence import cell_scan


def _layer(x: Tensor, h: Tensor, _, U: Tensor, b: Tensor, W: Tensor, b_h: Tensor):
    """Run one layer by PyTorch's function: codes, and no cell state."""
    return torch.gru(x, h[None], (U, W, b, b_h), True, 1, 0.0, False, False, True)[0], None


class GRU(GatedNetwork):
    """PyTorch's GRU cells."""

    draws, cell = "GRU", cell_scan.Cell("gru", _layer)

    def __init__(self, **sizes):
        super().__init__(cells=nn.GRU, **sizes)
