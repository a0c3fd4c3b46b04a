"""FastRNN (Kusupati et al., 2018), stacked, on the measurements."""

import torch
from torch import Tensor, nn

from unfolded.errors import real_number
from unfolded.networks.stacked import Layer, LayeredNetwork


class FastLayer(Layer):
    """One layer of FastRNN; ``W`` (h, h), ``alpha`` and ``beta`` ()."""

    kind = "fast"

    def __init__(self, width, hidden, activation="tanh", alpha=-3.0, beta=3.0, std=0.1):
        super().__init__(width, hidden, activation)
        self.W = nn.Parameter(torch.empty(hidden, hidden))
        self.alpha = nn.Parameter(torch.tensor(real_number("alpha", alpha, -50, 50)))
        self.beta = nn.Parameter(torch.tensor(real_number("beta", beta, -50, 50)))
        std = real_number("std", std, 0, 1e3)
        nn.init.normal_(self.U, std=std)
        nn.init.normal_(self.W, std=std)
        nn.init.ones_(self.bias)

    def weights(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return W, a = σ(α) and b = σ(β)."""
        return self.W, torch.sigmoid(self.alpha), torch.sigmoid(self.beta)

    def step(self, input_term: Tensor, h: Tensor, _, W: Tensor, a: Tensor, b: Tensor):
        return a * self.phi(input_term + h @ W.T) + b * h, None


class FastRNN(LayeredNetwork):
    r"""A plain layer with a weighted residual connection, (50):

    .. math:: \tilde h_t = \varphi(W h_{t-1} + U x_t + \mathrm{bias}), \qquad
        h_t = a \tilde h_t + b h_{t-1}, \qquad a = \sigma(\alpha), \; b = \sigma(\beta)

    with two scalars α, β in each layer. Options, with the defaults of the authors' code
    (EdgeML): ``activation`` "tanh"; ``alpha`` −3 and ``beta`` 3, the initial scalars; ``std``
    0.1, the standard deviation of the normal initialisation of W and U. The initial bias is 1.
    The initial spectral radius of W is near 0.1 √h, far above 1 in wide layers.
    """

    draws, layer = "FastRNN", FastLayer
