"""A training step of a stacked network: the scan, its reference, PyTorch's module, its products."""

import functools
from collections.abc import Callable

import torch
from torch import Tensor, nn

from benchmarks.configurations import in_configuration
from benchmarks.workload import BATCH, N0, TIME, N, Step
from unfolded import networks, recurrence
from unfolded.runs.config import usual_depth

MODELS = ("srnn", "lstm", "gru", "indrnn", "fastrnn", "spectralrnn")
GATES = {"lstm": 4, "gru": 3}
_MODULES = {"lstm": nn.LSTM, "gru": nn.GRU}


def competitors(model: str, hidden: int, sequences: Tensor) -> dict[str, Callable[[], object]]:
    """Return the competitors by name; each training step has its own network and optimiser."""
    sizes = {"n": N, "hidden": hidden, "depth": usual_depth(model)}
    engine, reference = (Step(networks.build(model, **sizes), sequences) for _ in range(2))
    cells = _MODULES.get(model, nn.RNN)(N, hidden, usual_depth(model), batch_first=True)
    module = Step(_Module(networks.build(model, **sizes), cells), sequences)
    return {
        "engine": engine,
        "reference": in_configuration(lambda: recurrence.use("reference"), reference),
        "PyTorch's module": module,
        "its products alone": products(model, hidden),
    }


class _Module(nn.Module):
    """A network of PyTorch's cells; nn.RNN where PyTorch has no such cell."""

    def __init__(self, network: nn.Module, cells: nn.Module):
        super().__init__()
        self.A, self.cells, self.readout = network.A, cells, network.readout

    def run(self, x: Tensor) -> Tensor:
        """Recover frames from measurements."""
        return self.readout(self.cells(x)[0])


def products(model: str, hidden: int, batch: int = BATCH) -> Callable[[], None]:
    """Return the matrix products of a step by calls of PyTorch, with random operands.

    Products of equal shapes share their operands. Products with inputs and with weight gradients
    are computed once for all frames; recurrent products are computed frame by frame. The work to
    form W of SpectralRNN is not included.
    """
    rows, gate_width, h = TIME * batch, GATES.get(model, 1) * hidden, hidden
    matrix = functools.cache(torch.randn)  # one buffer per shape

    def multiply(rows: int, inner: int, columns: int) -> None:
        """Compute x Wᵀ and its gradients with respect to x and W."""
        dy, x, W = matrix(rows, columns), matrix(rows, inner), matrix(columns, inner)
        torch.mm(x, W.T)
        torch.mm(dy, W)
        torch.mm(dy.T, x)

    def run() -> None:
        torch.mm(matrix(rows, N0), matrix(N, N0).T)
        torch.mm(matrix(rows, N).T, matrix(rows, N0))
        for layer in range(usual_depth(model)):
            multiply(rows, h if layer else N, gate_width)
            if model == "indrnn":
                continue
            for _ in range(TIME):
                torch.mm(matrix(batch, h), matrix(gate_width, h).T)
                torch.mm(matrix(batch, gate_width), matrix(gate_width, h))
            torch.mm(matrix(rows, gate_width).T, matrix(rows, h))
        multiply(rows, h, N0)

    return run
