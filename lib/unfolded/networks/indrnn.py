"""IndRNN (Li et al., 2018), stacked, on the measurements."""

import torch
from torch import Tensor, nn

from unfolded.errors import check_choice, real_number
from unfolded.networks.stacked import Layer, LayeredNetwork

FRAMES = 20
"""Frames of a sequence in §4, which determine the bound of the recurrent weights."""


class IndependentLayer(Layer):
    """One layer of IndRNN; ``w`` (h,), before it is clipped."""

    kind = "independent"

    def __init__(
        self, width, hidden, activation="relu", bound=2 ** (1 / FRAMES), start="uniform", std=0.001
    ):
        super().__init__(width, hidden, activation)
        self.bound = None if bound is None else real_number("bound", bound, 1e-3, 1e3)
        self.w = nn.Parameter(torch.ones(hidden))
        nn.init.normal_(self.U, std=real_number("std", std, 0, 1e3))
        check_choice("a start", start, ("uniform", "ones"))
        if start == "uniform":
            nn.init.uniform_(self.w, 0, 1 if bound is None else bound)

    def weights(self) -> tuple[Tensor]:
        """Return w, clipped."""
        return (self.w if self.bound is None else self.w.clamp(-self.bound, self.bound),)

    def step(self, input_term: Tensor, h: Tensor, _, w: Tensor):
        return self.phi(input_term + w * h), None


class IndRNN(LayeredNetwork):
    r"""Layers in which each unit depends only on its own previous state:

    .. math:: h_t = \varphi(U x_t + w \odot h_{t-1} + b), \qquad |w_i| \le \text{bound}

    with the bound :math:`2^{1/T}` of its authors for relu: a unit then at most doubles its state
    over T frames. Options: ``activation`` "relu"; ``bound`` 2^(1/20), or None for no bound;
    ``start`` "uniform", w uniform on [0, bound] ([0, 1] without a bound) in every layer as
    recommended by the authors, or "ones" as in the code used in the paper; ``std`` 0.001, the
    standard deviation of the normal initialisation of U in that code. The initial bias is 0.

    The bound is a clip in the forward pass, as in the code used in the paper: a weight outside
    the bound is clipped and has zero gradient. (The authors' code clips after each update.)
    """

    draws, layer = "IndRNN", IndependentLayer
