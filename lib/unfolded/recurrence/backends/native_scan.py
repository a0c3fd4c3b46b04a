"""The forward and backward loops in C on the CPU; each thread processes a chunk of the batch."""

import ctypes
from collections.abc import Sequence

import torch
from torch import Tensor

from unfolded.recurrence.backends import native, selection

MIN_SAMPLES_PER_THREAD, MIN_TIME_STEPS = 4, 8
"""Fewest samples per thread and fewest time steps for which the C loops are faster: with fewer
samples, parallel matrix products are faster; with fewer time steps, packing takes too long."""


class _Matrix(ctypes.Structure):
    _fields_ = [("first", ctypes.c_void_p), ("second", ctypes.c_void_p), ("inner", ctypes.c_long)]


class _ScanJob(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_long) for name in ("frames", "batch", "width", "depth", "features")),
        *((name, ctypes.c_long) for name in ("rows", "soft", "residual")),
        ("rho", ctypes.c_double),
        ("transition", _Matrix),
        *((name, ctypes.POINTER(_Matrix)) for name in ("layers", "inputs")),
        *((name, ctypes.c_void_p) for name in ("a", "b", "x", "values", "du", "grads", "dhbar")),
        *((name, ctypes.c_void_p) for name in ("carry", "dx", "scratch", "threshold_gradients")),
        *((name, ctypes.c_long) for name in ("scratch_size", "next")),
        ("environment", ctypes.c_byte * 256),  # upper bound of the size of fenv_t
    ]


def should_use_c_loops(xs: Tensor) -> bool:
    """Return whether the C loops can run for xs (…, T, batch, n) and, by default, whether T and
    batch reach the thresholds below which PyTorch operations are used.
    """
    (T, batch), threads = xs.shape[-3:-1], torch.get_num_threads()
    is_large = T >= MIN_TIME_STEPS and batch >= MIN_SAMPLES_PER_THREAD * threads
    return (
        xs.ndim == 3
        and xs.device.type == "cpu"
        and xs.dtype in native.SUFFIX
        and selection.native_available()
        and (threads == 1 or native.openmp_launcher() is not None)
        and (is_large or selection.chosen() == "native")
    )


class NativeScan:
    """The C loops of one `Scan` in one direction, with their packed matrices; see scan.c."""

    def __init__(self, scan, transition: Sequence, layers: Sequence, inputs: Sequence[Tensor]):
        """Pack the matrices of all products: x ↦ x W₁ᵀ, or (x W₁ᵀ) W₂ᵀ for two factors.

        ``transition`` and each entry of ``layers`` are lists of factors: (h, h), or (k, h) and
        (h, k). Layers may share one list. ``inputs``: U_l, or U_lᵀ backward, per layer or for all.
        """
        depth, _, batch, width = scan.sizes
        self._threads, features = torch.get_num_threads(), scan.xs.shape[-1]
        self._buffers, self._example = [], scan.xs
        inputs = (_Matrix * depth)(*(self._matrix([U]) for U in inputs))
        packed = {id(factors): self._matrix(factors) for factors in layers}
        layers = (_Matrix * depth)(*(packed[id(factors)] for factors in layers))
        rows, transition = -(-batch // self._threads), self._matrix(transition)
        inner = max(features, *(matrix.inner for matrix in (transition, *layers)))
        size = rows * (2 * width + inner)
        scratch = self._example.new_empty(self._threads * size)
        self._buffers.append(scratch)
        self._job = _ScanJob(
            batch=batch, width=width, depth=depth, features=features, rows=rows,
            soft=scan.soft, residual=scan.residual,
            rho=0.0 if scan.rho_rows is None else scan.rho_rows.item(),
            transition=transition, layers=layers, inputs=inputs,
            a=scan.a[0].data_ptr(), b=scan.b[0].data_ptr(),
            scratch=scratch.data_ptr(), scratch_size=size,
        )  # fmt: skip

    def forward(self, x: Tensor, values: Sequence[Tensor]) -> None:
        """Compute p_0 … p_d (frames, batch, h) from x (frames, batch, n) and the previous code."""
        self._run("scan_forward", values, x=x)

    def backward(self, values, grads: Tensor, du, dhbar: Tensor, carry: Tensor, dx) -> list[Tensor]:
        """Compute du and dhbar; replace the last code's gradient in carry by the previous one's.

        Adds to ``dx`` unless it is None. Returns the gradients of a and b, (d, h) each.
        """
        depth, width = self._job.depth, self._job.width
        sums = self._example.new_zeros(self._threads, 2, depth, width, dtype=torch.float64)
        pointers = _pointers(du)
        self._job.du = ctypes.addressof(pointers)
        arguments = {"grads": grads, "dhbar": dhbar, "carry": carry, "dx": dx}
        self._run("scan_backward", values, **arguments, threshold_gradients=sums)
        return [gradient.clone() for gradient in sums.sum(0).to(grads.dtype)]

    def _run(self, name: str, values: Sequence[Tensor], **arguments: Tensor | None) -> None:
        pointers = _pointers(values)
        self._job.frames, self._job.values = len(values[0]), ctypes.addressof(pointers)
        for field, tensor in arguments.items():
            setattr(self._job, field, None if tensor is None else tensor.data_ptr())
        native.parallel_call(name, self._example.dtype, self._job)

    def _matrix(self, factors: Sequence[Tensor]) -> _Matrix:
        packed = [native.packed(W) for W in factors]
        self._buffers += packed
        inner = len(factors[0]) if len(factors) > 1 else 0
        return _Matrix(*(matrix.data_ptr() for matrix in packed), inner=inner)


def _pointers(tensors: Sequence[Tensor]) -> ctypes.Array:
    return (ctypes.c_void_p * len(tensors))(*(tensor.data_ptr() for tensor in tensors))
