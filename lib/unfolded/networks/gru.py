"""Stacked GRU (Cho et al., 2014) on the measurements."""

from torch import Tensor, nn

from unfolded.networks.stacked import GatedNetwork
from unfolded.recurrence import cell_scan


def _step(input_term: Tensor, h: Tensor, _, W: Tensor, b_h: Tensor):
    """Return h_t and None as cell state; the gates are in PyTorch's order."""
    (r, z, n), (r_h, z_h, n_h) = input_term.chunk(3, -1), (h @ W.mT + b_h).chunk(3, -1)
    r, z = (r + r_h).sigmoid(), (z + z_h).sigmoid()
    return (1 - z) * (n + r * n_h).tanh() + z * h, None


class GRU(GatedNetwork):
    """PyTorch's GRU cells."""

    draws, module, cell = "GRU", nn.GRU, cell_scan.Cell("gru", _step)
