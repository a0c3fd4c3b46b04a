"""What the generic recurrent networks share: a stack of cells and a linear read-out."""

import torch
from torch import Tensor, nn

from unfolded.networks.base import SequenceNetwork
from unfolded.seeds import derive


class GenericRNN(SequenceNetwork):
    """A stack of ``depth`` PyTorch cells on x_t, and ŝ_t = Y h_t + y_0 from the top one.

    Layer 1 reads x_t, layer l > 1 reads the hidden state of layer l − 1 at the same time: the
    stacking rule of Pascanu et al. that §4 names. Codes are the top layer's hidden states.
    """

    def __init__(self, *, cells: type[nn.RNNBase], **sizes):
        super().__init__(**sizes)
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(derive(sizes["seed"], "weights", cells.__name__))
            self.cells = cells(self.n, self.hidden, num_layers=self.depth, batch_first=True)
            self.readout = nn.Linear(self.hidden, self.n0)

    def unroll(self, x: Tensor) -> Tensor:
        """Run the cells: (batch, time, n) -> (batch, time, h)."""
        return self.cells(x)[0]

    def decode(self, codes: Tensor) -> Tensor:
        """Return ŝ_t = Y h_t + y_0."""
        return self.readout(codes)

    def atoms(self) -> Tensor:
        """Return Y."""
        return self.readout.weight
