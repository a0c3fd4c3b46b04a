"""Stacked LSTM (Hochreiter and Schmidhuber, 1997) on the measurements."""

from torch import nn

from unfolded.networks.generic import GenericRNN


class LSTM(GenericRNN):
    """PyTorch's LSTM cells; the paper takes two layers where the others have three."""

    def __init__(self, **sizes):
        super().__init__(cells=nn.LSTM, **sizes)
