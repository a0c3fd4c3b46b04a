"""sRNN: the stacked plain recurrent network (Elman, 1990) on the measurements."""

import math

import torch
from torch import Tensor, nn

from unfolded.networks.stacked import Layer, LayeredNetwork


class ElmanLayer(Layer):
    """One layer of sRNN; ``W`` (h, h), and a second bias ``recurrent_bias`` (h,)."""

    def __init__(self, width: int, hidden: int, activation: str = "tanh"):
        super().__init__(width, hidden, activation)
        self.W = nn.Parameter(torch.empty(hidden, hidden))
        self.recurrent_bias = nn.Parameter(torch.empty(hidden))
        for parameter in (self.U, self.W, self.bias, self.recurrent_bias):
            nn.init.uniform_(parameter, -1 / math.sqrt(hidden), 1 / math.sqrt(hidden))

    def offset(self) -> Tensor:
        return self.bias + self.recurrent_bias

    def weights(self) -> tuple[Tensor]:
        return (self.W,)


class SRNN(LayeredNetwork):
    r"""Elman's layers: :math:`h_t = \varphi(W h_{t-1} + U x_t + b_x + b_h)`.

    The cell, its two biases and its initial values are those of PyTorch's ``RNN``, used in the
    paper: all uniform on :math:`\pm1/\sqrt h`. This implementation can also train several runs at
    once. Option: ``activation``, "tanh" (PyTorch's default), "relu" or "soft".
    """

    draws, layer = "SRNN", ElmanLayer
