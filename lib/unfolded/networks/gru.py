"""Stacked GRU (Cho et al., 2014) on the measurements."""

from torch import nn

from unfolded.networks.generic import GenericRNN


class GRU(GenericRNN):
    """PyTorch's GRU cells."""

    def __init__(self, **sizes):
        super().__init__(cells=nn.GRU, **sizes)
