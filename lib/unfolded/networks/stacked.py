"""Common parts of the generic recurrent networks: a stack of layers and a linear read-out."""

import torch
from torch import Tensor, nn

from unfolded.errors import check_choice
from unfolded.networks.base import SequenceNetwork, State
from unfolded.recurrence import cell_scan, transforms
from unfolded.seeds import derive

ACTIVATIONS = {"tanh": torch.tanh, "relu": torch.relu, "soft": nn.functional.softshrink}
"""Activations by name; "soft" is the soft threshold of 1/2."""


class StackedNetwork(SequenceNetwork):
    """A stack of ``depth`` PyTorch cells on x_t, with ŝ_t = Y h_t + y_0 from the top layer.

    Layer 1 has input x_t; layer l > 1 has the hidden state of layer l − 1 at the same time step:
    the stacking rule of Pascanu et al. in §4. Codes are the hidden states of the top layer.
    ``fast=False`` runs PyTorch's module, or a loop with autograd, instead of the C scan.
    """

    draws: str
    """Key of the random initial weights; it must not change, so that seeds keep their weights."""

    def __init__(
        self, *, n0: int, n: int, hidden: int, depth: int, seed: int, fast: bool = True, **options
    ):
        super().__init__(n0=n0, n=n, hidden=hidden, depth=depth, seed=seed, fast=fast)
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(derive(int(seed), "weights", self.draws))
            self.cells = self.new_cells(**options)
            self.readout = nn.Linear(self.hidden, self.n0)

    def new_cells(self, **options) -> nn.Module:
        """Return the cells of all layers; each subclass implements this method."""
        raise NotImplementedError

    def decode(self, codes: Tensor) -> Tensor:
        """Return ŝ_t = Y h_t + y_0."""
        if codes.stride(0) < codes.stride(1):  # time-major, as returned by a scan
            return self.readout(codes.transpose(0, 1)).transpose(0, 1)
        return self.readout(codes)

    def decoder_matrix(self) -> Tensor:
        return self.readout.weight


class GatedNetwork(StackedNetwork):
    """A stack of PyTorch cells, LSTM or GRU, with PyTorch's parameters and initialisation."""

    cell: cell_scan.Cell
    module: type[nn.RNNBase]

    def new_cells(self) -> nn.Module:
        return self.module(self.n, self.hidden, num_layers=self.depth, batch_first=True)

    def start(self, batch: int = 1) -> State:
        """Return hidden states of zero, and for LSTM cell states of zero."""
        zeros = self.A.new_zeros(self.depth, batch, self.hidden)
        return State(batch, (zeros, zeros) if self.cell.kind == "lstm" else zeros)

    def unroll(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Run the layers by the scan or by PyTorch's module: (batch, time, n) -> (…, h)."""
        state = state or self.start(len(x))
        in_c = cell_scan.should_use_c_loops(self.cell, x, *self.cells.parameters())
        # PyTorch can neither compile nor vmap these modules.
        if transforms.has_values(x) and not (self.fast and in_c):
            codes, last_states = self.cells(x, state.codes)
            return codes, state._replace(codes=last_states)
        hs, cs = state.codes if self.cell.kind == "lstm" else (state.codes, [None] * self.depth)
        names, last_states = ("weight_ih", "bias_ih", "weight_hh", "bias_hh"), []
        for l, (h, c) in enumerate(zip(hs, cs, strict=True)):
            weights = (getattr(self.cells, f"{name}_l{l}") for name in names)
            x, c = cell_scan.run(self.cell, x, h, c, *weights)
            last_states.append((x[:, -1],) if c is None else (x[:, -1], c))
        last_states = tuple(torch.stack(tensors) for tensors in zip(*last_states, strict=True))
        return x, state._replace(codes=last_states if len(last_states) > 1 else last_states[0])


class Layer(nn.Module):
    """A recurrent layer, which computes h_t from the input term U x_t + b and from h_{t−1}.

    Parameters: ``U`` (h, width), ``bias`` (h,), and those of the subclass. Symbols as in (50) and
    (53): W is the recurrent matrix, U the input matrix. The paper prints no bias, but the code it
    used has one. ``kind`` is the cell of :mod:`unfolded.recurrence.cell_scan` with the same
    ``step``, ``phi`` its activation. A subclass with its own ``step`` states its ``kind``, or runs
    as a loop in PyTorch. Raises ConfigError on the name of an unknown activation.
    """

    kind: str | None = "elman"

    def __init_subclass__(cls):
        if "step" in vars(cls) and "kind" not in vars(cls):
            cls.kind = None

    def __init__(self, width: int, hidden: int, activation: str):
        super().__init__()
        check_choice("an activation", activation, ACTIVATIONS)
        self.phi = ACTIVATIONS[activation]
        self.U = nn.Parameter(torch.empty(hidden, width))
        self.bias = nn.Parameter(torch.zeros(hidden))

    def offset(self) -> Tensor:
        """Return b, or the sum of two biases."""
        return self.bias

    def weights(self) -> tuple[Tensor, ...]:
        """Return the other arguments of ``step``, computed once for each sequence."""
        raise NotImplementedError

    def step(self, input_term: Tensor, h: Tensor, _, *weights: Tensor) -> tuple[Tensor, None]:
        """Return h_t (batch, h) from the input term of frame t, h_{t−1} and the weights, here W.

        As in :class:`unfolded.recurrence.cell_scan.Cell`, the second result is the cell state.
        """
        (W,) = weights
        return self.phi(input_term + h @ W.T), None

    def forward(
        self, x: Tensor, h: Tensor, weights: tuple[Tensor, ...], fast: bool = True
    ) -> Tensor:
        """Run the layer from h (batch, h): (batch, time, width) -> (batch, time, h)."""
        run = cell_scan.run if fast else cell_scan.reference
        return run(self.cell(), x, h, None, self.U, self.offset(), *weights)[0]

    def cell(self) -> cell_scan.Cell:
        """Return this layer as a cell."""
        return cell_scan.Cell(self.kind, self.step, self.phi)


class LayeredNetwork(StackedNetwork):
    """A stack of layers of this library, for cells that PyTorch lacks or cannot batch over runs."""

    layer: type[Layer]
    """The layers, whose constructor has the options of the network."""

    def new_cells(self, **options) -> nn.ModuleList:
        widths = [self.n] + [self.hidden] * (self.depth - 1)
        return nn.ModuleList(self.layer(width, self.hidden, **options) for width in widths)

    def start(self, batch: int = 1) -> State:
        """Return hidden states of zero, and the weights of each layer."""
        zeros = self.A.new_zeros(batch, self.hidden)
        weights = tuple(layer.weights() for layer in self.cells)
        return State(batch, (zeros,) * self.depth, {"layers": weights})

    def unroll(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Run one layer after another over all frames: (batch, time, n) -> (…, h)."""
        state = state or self.start(len(x))
        last_codes = []
        for layer, h, weights in zip(self.cells, state.codes, state.weights["layers"], strict=True):
            x = layer(x, h, weights, self.fast)
            last_codes.append(x[:, -1])
        return x, state._replace(codes=tuple(last_codes))
