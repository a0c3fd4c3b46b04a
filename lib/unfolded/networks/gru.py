"""Stacked GRU (Cho et al., 2014) on the measurements."""

import torch
from torch import Tensor, nn

from unfolded.networks.stacked import GatedNetwork
from unfolded.recurrence import cell_scan


def _layer(x: Tensor, h: Tensor, _, U: Tensor, b: Tensor, W: Tensor, b_h: Tensor):
    """Return the codes of one layer and None as cell state; the gates are in PyTorch's order."""
    codes = []
    for drive in (x @ U.mT + b).unbind(1):
        pairs = zip(drive.chunk(3, -1), (h @ W.mT + b_h).chunk(3, -1), strict=True)
        (r, r_h), (z, z_h), (n, n_h) = pairs
        r, z = (r + r_h).sigmoid(), (z + z_h).sigmoid()
        h = (1 - z) * (n + r * n_h).tanh() + z * h
        codes.append(h)
    return torch.stack(codes, 1), None


class GRU(GatedNetwork):
    """PyTorch's GRU cells."""

    draws, cell = "GRU", cell_scan.Cell("gru", _layer)

    def __init__(self, **sizes):
        super().__init__(cells=nn.GRU, **sizes)
