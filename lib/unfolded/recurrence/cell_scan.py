"""One recurrent layer over all time steps as one autograd node, in C; see cell_scan.c."""

import ctypes
import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from unfolded.recurrence.backends import native, native_scan
from unfolded.recurrence.transforms import differentiable_gradients, has_values

KINDS = ("elman", "independent", "fast", "lstm", "gru")
PHI = (torch.tanh, torch.relu, torch.nn.functional.softshrink)
"""Cells, and activations of the first three cells, in the order of the enums in cell_scan.c."""

_ROWS, _BLOCK, _LONG_BLOCK, _CACHED_WEIGHTS = 64, 256, 640, 2**19
"""_CACHED_WEIGHTS: most weights that count as fitting in the cache. _ROWS: maximum rows per chunk
for such weights. _BLOCK, _LONG_BLOCK: rows per gradient block for small or large weights."""


class Cell(NamedTuple):
    r"""The computation of a layer at each time step from x_t and h_{t−1}; rows are samples.

    ``kind``, which is None without an implementation in C, and the weights after U and b:

    - "elman", W: :math:`h_t = \varphi(U x_t + W h_{t-1} + b)`
    - "independent", w: :math:`h_t = \varphi(U x_t + w \odot h_{t-1} + b)`
    - "fast", W, α, β: :math:`h_t = \alpha\varphi(U x_t + W h_{t-1} + b) + \beta h_{t-1}`
    - "lstm" and "gru", W and a second bias: the cells of PyTorch's modules

    ``step`` computes the same with autograd from (U x_t + b, h, c, *weights): it returns h_t and
    the cell state, or None. ``phi``: the activation of the first three kinds.
    """

    kind: str | None
    step: Callable[..., tuple[Tensor, Tensor | None]]
    phi: Callable[[Tensor], Tensor] = torch.tanh


def run(cell: Cell, x: Tensor, h0: Tensor, c0: Tensor | None, *weights: Tensor):
    """Return codes (batch, time, h) and, for LSTM, the last cell state (batch, h), else None.

    Shapes: x (batch, time, k); h0 and c0 (batch, h); U (gates h, k), W (gates h, h), biases
    (gates h,), with 3 gates for GRU and 4 for LSTM; w (h,); α and β (). Differentiable any number
    of times; higher derivatives use :func:`reference`.
    """
    scan = CellScan.apply if should_use_c_loops(cell, x, h0, *weights) else reference
    return scan(cell, x, h0, c0, *weights)


def reference(cell: Cell, x: Tensor, h: Tensor, c: Tensor | None, U: Tensor, b: Tensor, *weights):
    """Return the same as :func:`run`, step by step with autograd."""
    codes = []
    for input_term in torch.nn.functional.linear(x, U, b).unbind(1):
        h, c = cell.step(input_term, h, c, *weights)
        codes.append(h)
    return torch.stack(codes, 1), c


def should_use_c_loops(cell: Cell, x: Tensor, *tensors: Tensor) -> bool:
    """Return whether the C loops can run for x (batch, time, k) and, by default, whether the sizes
    reach the thresholds of native_scan.py, below which PyTorch operations are used.
    """
    return (
        (has_values(x) and x.numel() > 0)
        and cell.kind in KINDS
        and cell.phi in PHI
        and not torch.is_autocast_enabled(x.device.type)
        and native_scan.should_use_c_loops(x.transpose(0, 1))
        and all(tensor.dtype == x.dtype and tensor.device == x.device for tensor in tensors)
    )


class CellScan(torch.autograd.Function):
    """The layer of a `Cell` as a function of (cell, x, h0, c0, U, b, *weights)."""

    @staticmethod
    def forward(ctx, cell, x, h0, c0, *weights):
        xs = x.transpose(0, 1).contiguous()
        (T, B, _), h, new = xs.shape, h0.shape[1], xs.new_empty
        codes, cells = new(T + 1, B, h), None if c0 is None else new(T + 1, B, h)
        codes[0] = h0
        if c0 is not None:
            cells[0] = c0
        gates = 1 if cell.kind == "fast" else 4 if c0 is not None or cell.kind == "gru" else 0
        stored = new(T, B, gates * h) if gates and any(ctx.needs_input_grad) else None
        _scan(cell, xs, weights, codes=codes, cells=cells, stored=stored)
        ctx.set_materialize_grads(False)
        ctx.cell = cell
        ctx.save_for_backward(x, h0, c0, *weights, codes, cells, stored)
        return codes[1:].transpose(0, 1), None if c0 is None else cells[-1].clone()

    @staticmethod
    def backward(ctx, grad, grad_cell):
        *inputs, codes, cells, stored = ctx.saved_tensors
        needed = ctx.needs_input_grad[1:]
        if torch.is_grad_enabled():
            loop, grads = functools.partial(reference, ctx.cell), (grad, grad_cell)
            return None, *differentiable_gradients(loop, inputs, grads, needed)
        x, h0, c0, U, b, W, *_ = inputs
        xs, new, kind, h = x.transpose(0, 1).contiguous(), x.new_empty, ctx.cell.kind, h0.shape[1]
        dh0, dc0 = h0.new_zeros(h0.shape), None
        if c0 is not None:
            dc0 = torch.zeros_like(c0) if grad_cell is None else grad_cell.clone()
        sizes = zip((xs, U, W), (needed[0], needed[3], needed[5]), strict=True)
        dx, dU, dW = (new(tensor.shape) if need else None for tensor, need in sizes)
        dbias = new((4 if kind in ("lstm", "gru") else 1) * h)
        dab = new(2, h) if kind in ("independent", "fast") else None
        grads = torch.zeros_like(codes[1:]) if grad is None else grad.transpose(0, 1).contiguous()
        _scan(
            ctx.cell, xs, inputs[3:], codes=codes, cells=cells, stored=stored, grads=grads,
            dh0=dh0, dc0=dc0, dx=dx, dU=dU, dW=dW, dbias=dbias, dab=dab,
        )  # fmt: skip
        other_gradients = {
            "independent": lambda: [dab[0]],
            "fast": lambda: [dW, *dab.sum(1)],
            "lstm": lambda: [dW, dbias.clone()],  # no shared memory: clipping is in place
            "gru": lambda: [dW, torch.cat([dbias[: 2 * h], dbias[3 * h :]])],
        }.get(kind, lambda: [dW])()
        dx = None if dx is None else dx.transpose(0, 1)
        return None, dx, dh0, dc0, dU, dbias[: len(b)], *other_gradients


class _CellJob(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_long) for name in ("frames", "batch", "width", "features")),
        *((name, ctypes.c_long) for name in ("rows", "block", "cell", "phi")),
        *((name, ctypes.c_double) for name in ("a", "b")),
        *((name, ctypes.c_void_p) for name in ("x", "U", "W", "bias", "bias_h", "grads")),
        *((name, ctypes.c_void_p) for name in ("codes", "cells", "stored", "dh0", "dc0", "dx")),
        *((name, ctypes.c_void_p) for name in ("dU", "dW", "dbias", "dab", "workspace")),
        ("internal", ctypes.c_byte * 512),  # upper bound of the size of the internal C fields
    ]


def _scan(cell: Cell, xs: Tensor, weights: Sequence[Tensor], **buffers: Tensor | None) -> None:
    """Run the scan on x (time, batch, k): forward, or backward if ``grads`` is given."""
    (T, B, k), threads = xs.shape, torch.get_num_threads()
    U, bias, W, *other_weights = (weight.contiguous() for weight in weights)
    a, b = (weight.item() for weight in other_weights) if cell.kind == "fast" else (0.0, 0.0)
    tensors = {"x": xs, "U": U, "bias": bias, "W": W, **buffers}
    if other_weights and cell.kind != "fast":
        tensors["bias_h"] = other_weights[0]
    is_small = U.numel() + W.numel() <= _CACHED_WEIGHTS
    chunks = max(threads, -(-B // _ROWS)) if is_small else threads
    rows, block = -(-B // chunks), _BLOCK if is_small else _LONG_BLOCK
    job = _CellJob(
        frames=T, batch=B, width=buffers["codes"].shape[-1], features=k, rows=rows,
        block=min(T, max(1, block // B)),
        cell=KINDS.index(cell.kind), phi=PHI.index(cell.phi), a=a, b=b,
        **{name: None if t is None else t.data_ptr() for name, t in tensors.items()},
    )  # fmt: skip
    size = getattr(native.library(), f"cell_scan_workspace_{native.SUFFIX[xs.dtype]}")
    workspace = xs.new_empty(size(ctypes.addressof(job)))
    job.workspace = workspace.data_ptr()
    native.parallel_call("cell_scan", xs.dtype, job)
