"""One recurrent layer through all frames as one node of the graph, in C; see scan.c."""

import ctypes
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from unfolded.kernels import native, shares
from unfolded.kernels.runs import transformed

PHI = {torch.tanh: 0, torch.relu: 1, torch.nn.functional.softshrink: 2}
"""Activations of a plain cell, by their number in scan.c."""

_CHUNK = 128
"""Rows of an input product: what it returns should stay in the cache until the cells take it."""


class Cell(NamedTuple):
    r"""What a layer computes for each frame from x_t and h_{t−1}, rows being samples.

    ``kind`` and its weights after U and bias:

    - "elman", W: :math:`h_t = \varphi(U x_t + W h_{t-1} + b)`
    - "independent", w: :math:`h_t = \varphi(U x_t + w \odot h_{t-1} + b)`
    - "fast", W, α, β: :math:`h_t = \alpha\varphi(U x_t + W h_{t-1} + b) + \beta h_{t-1}`
    - "lstm" and "gru", W and a second bias: the cells of PyTorch's modules

    ``reference`` computes the same under autograd, from (x, h0, c0, U, bias, *weights), and
    returns (codes, last cell state or None). ``phi``: the activation of the first three.
    """

    kind: str
    reference: Callable[..., tuple[Tensor, Tensor | None]]
    phi: Callable[[Tensor], Tensor] = torch.tanh

    @property
    def gates(self) -> int:
        """How many numbers a unit has between product and state."""
        return 4 if self.kind in ("lstm", "gru") else 1


def run(cell: Cell, x: Tensor, h0: Tensor, c0: Tensor | None, *weights: Tensor):
    """Return codes (batch, time, h) and, of LSTM, the last cell state (batch, h).

    Shapes: x (batch, time, k); h0 and c0 (batch, h); U (gates h, k), W (gates h, h), biases
    (gates h,), with 3 gates for GRU; w (h,); α and β (). Differentiable twice: the first gradient
    comes from C, and one that is to be differentiated again from the cell's reference.
    """
    if not serves(cell, x, h0, *weights):
        return cell.reference(x, h0, c0, *weights)
    return Scan.apply(cell, x, h0, c0, *weights)


def serves(cell: Cell, x: Tensor, *tensors: Tensor) -> bool:
    """Return whether the loops in C are the fastest for x (batch, time, k)."""
    return (
        not transformed()
        and cell.phi in PHI
        and not torch.is_autocast_enabled(x.device.type)
        and shares.serves(x.transpose(0, 1))
        and all((each.dtype, each.device) == (x.dtype, x.device) for each in tensors)
    )


class Scan(torch.autograd.Function):
    """The layer of a `Cell`, from (cell, x, h0, c0, U, bias, *weights)."""

    @staticmethod
    def forward(ctx, cell, x, h0, c0, *weights):
        keep = any(ctx.needs_input_grad) and cell.kind in ("fast", "lstm", "gru")
        layer = _Layer(cell, x, *weights)
        codes, cells, gates = layer.forward(h0, c0, keep)
        ctx.set_materialize_grads(False)
        ctx.cell = cell
        ctx.save_for_backward(x, h0, c0, *weights, codes, cells, gates)
        return codes[1:].transpose(0, 1), None if cells is None else cells[-1].clone()

    @staticmethod
    def backward(ctx, grad, grad_cell):
        *inputs, codes, cells, gates = ctx.saved_tensors
        needed = ctx.needs_input_grad[1:]
        if torch.is_grad_enabled():
            return None, *_again(ctx.cell, inputs, (grad, grad_cell), needed)
        x, _, _, *weights = inputs
        layer = _Layer(ctx.cell, x, *weights)
        return None, *layer.backward(codes, cells, gates, grad, grad_cell, needed)


def _again(cell: Cell, inputs, grads, needed) -> list[Tensor | None]:
    """Return gradients that can be differentiated again, from the reference."""
    outputs = cell.reference(*inputs)
    pairs = [pair for pair in zip(outputs, grads, strict=True) if pair[1] is not None]
    wanted = [each for each, need in zip(inputs, needed, strict=True) if need]
    outputs, grads = zip(*pairs, strict=True)
    found = iter(torch.autograd.grad(outputs, wanted, grads, create_graph=True, allow_unused=True))
    return [next(found) if need else None for need in needed]


class _Job(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_long) for name in ("frames", "batch", "width", "features", "gates")),
        *((name, ctypes.c_long) for name in ("rows", "chunk", "cell", "phi", "leaky")),
        *((name, ctypes.c_double) for name in ("a", "b")),
        *((name, ctypes.c_void_p) for name in ("x", "input", "recurrent", "second", "bias", "w")),
        *((name, ctypes.c_void_p) for name in ("codes", "cells", "kept", "scratch", "grads")),
        *((name, ctypes.c_void_p) for name in ("carry", "carry_cell", "dgates", "dx", "sums")),
        ("next", ctypes.c_long),
        ("environment", ctypes.c_byte * 256),  # a fenv_t, which is shorter everywhere
    ]


class _Layer:
    """One layer with its weights, forward and backward; time lies before the batch."""

    def __init__(self, cell: Cell, x: Tensor, U: Tensor, bias: Tensor, *weights: Tensor):
        self.cell, self.U, self.bias = cell, U, bias.detach()
        self.xs = x.transpose(0, 1).contiguous()
        self.W = None if cell.kind == "independent" else weights[0]
        self.weights = weights
        (T, B, k), threads = self.xs.shape, torch.get_num_threads()
        self.sizes = T, B, k, len(U) // (3 if cell.kind == "gru" else cell.gates)
        rows = -(-B // threads)
        self.threads, self.rows, self.chunk = threads, rows, min(T, max(1, _CHUNK // rows))

    def _job(self, **tensors: Tensor | None) -> None:
        T, B, k, h = self.sizes
        kind = self.cell.kind
        leaky = kind == "fast"
        a, b = (each.item() for each in self.weights[1:]) if leaky else (1.0, 0.0)
        tensors["w"] = self.weights[0] if kind == "independent" else None
        tensors = {name: None if t is None else t.contiguous() for name, t in tensors.items()}
        job = _Job(
            frames=T, batch=B, width=h, features=k, gates=self.cell.gates, rows=self.rows,
            chunk=self.chunk, cell=("lstm", "gru").index(kind) + 1 if self.cell.gates > 1 else 0,
            phi=PHI[self.cell.phi], leaky=leaky, a=a, b=b,
            **{name: None if t is None else t.data_ptr() for name, t in tensors.items()},
        )  # fmt: skip
        native.together("scan", self.xs.dtype, job)

    def _packed(self, back: bool) -> dict[str, Tensor | None]:
        """Return what the loops multiply with; GRU's W_r and W_z lie apart from its W_n."""
        W = [] if self.W is None else [self.W]
        if self.cell.kind == "gru":
            W = self.W.split([2 * self.sizes[-1], self.sizes[-1]])
        matrices = dict(zip(("input", "recurrent", "second"), (self.U, *W), strict=False))
        return {name: native.packed(each.T if back else each) for name, each in matrices.items()}

    def forward(self, h0: Tensor, c0: Tensor | None, keep: bool):
        """Return h_0 … h_T (T + 1, batch, h), the same of LSTM's cells, and the gates if kept."""
        T, B, _, h = self.sizes
        new, width = self.xs.new_empty, self.cell.gates * h
        codes = new(T + 1, B, h)
        codes[0] = h0
        cells = None
        if c0 is not None:
            cells = new(T + 1, B, h)
            cells[0] = c0
        gates = new(T, B, width) if keep else None
        scratch = None if keep else new(self.threads * self.chunk * self.rows * width)
        bias = self.bias
        if self.cell.kind == "lstm":
            bias = bias + self.weights[1]
        elif self.cell.kind == "gru":
            rz, n = self.weights[1].split([2 * h, h])
            bias = torch.cat([bias[: 2 * h] + rz, bias[2 * h :], n])
        self._job(
            x=self.xs, bias=bias, codes=codes, cells=cells, kept=gates, scratch=scratch,
            **self._packed(back=False),
        )  # fmt: skip
        return codes, cells, gates

    def backward(self, codes, cells, gates, grad, grad_cell, needed) -> list[Tensor | None]:
        """Return the gradients in x, h0, c0, U, bias and the weights, None where none is needed."""
        (T, B, k, h), kind, new = self.sizes, self.cell.kind, self.xs.new_empty
        grads = torch.zeros_like(codes[1:]) if grad is None else grad.transpose(0, 1).contiguous()
        carry, carry_cell = torch.zeros_like(codes[0]), None
        if cells is not None:
            carry_cell = torch.zeros_like(carry) if grad_cell is None else grad_cell.clone()
        d = new(T, B, self.cell.gates * h)
        dx = new(T, B, k) if needed[0] else None
        sums = carry.new_zeros(self.threads, 2, h, dtype=torch.float64)
        self._job(
            grads=grads, codes=codes, cells=cells, kept=gates, carry=carry, carry_cell=carry_cell,
            dgates=d, dx=dx, sums=sums, **self._packed(back=True),
        )  # fmt: skip
        d, x, before = d.flatten(0, 1), self.xs.flatten(0, 1), codes[:-1].flatten(0, 1)
        dU, db = native.correlate(d[:, : len(self.U)], x) if any(needed[3:5]) else (None, None)
        found = [None if dx is None else dx.transpose(0, 1), carry, carry_cell, dU, db]
        sums = sums.sum(0).to(d.dtype)
        if kind == "independent":
            return [*found, sums[0]]
        if not any(needed[5:]):
            return found + [None] * len(self.weights)
        if kind != "gru":
            dW, db = native.correlate(d, before)
            return [*found, dW, *{"lstm": [db], "fast": sums.sum(1)}.get(kind, ())]
        parts = [native.correlate(each, before) for each in (d[:, : 2 * h], d[:, 3 * h :])]
        return [*found, *(torch.cat(each) for each in zip(*parts, strict=True))]
