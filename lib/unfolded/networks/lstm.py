"""Stacked LSTM (Hochreiter and Schmidhuber, 1997) on the measurements."""

from torch import Tensor, nn

from unfolded.networks.stacked import GatedNetwork
from unfolded.recurrence import cell_scan


def _step(input_term: Tensor, h: Tensor, c: Tensor, W: Tensor, b_h: Tensor):
    """Return h_t and c_t; the gates are in PyTorch's order."""
    i, f, g, o = (input_term + h @ W.mT + b_h).chunk(4, -1)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


class LSTM(GatedNetwork):
    """PyTorch's LSTM cells; the paper uses two layers for LSTM and three for other networks."""

    draws, module, cell = "LSTM", nn.LSTM, cell_scan.Cell("lstm", _step)
