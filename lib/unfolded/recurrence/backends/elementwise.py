"""Selection of the element-wise kernels: C on the CPU, Triton on CUDA, else PyTorch."""

import functools
import warnings
from types import ModuleType

import torch

from unfolded.recurrence.backends import native, reference


def select(rows: torch.Tensor, rho: torch.Tensor | None) -> ModuleType | native.NativeKernels:
    """Return the fastest implementation of reference.py for rows (…, batch, h)."""
    if rows.is_cuda:
        return _on_cuda()
    if rows.ndim == 2 and rows.dtype in native.SUFFIX and native.serves():
        return native.NativeKernels(rows.dtype, 0.0 if rho is None else rho.item())
    return reference


@functools.cache
def _on_cuda() -> ModuleType:
    try:
        from unfolded.recurrence.backends import triton_kernels

        # Triton needs a separate compiler and reports a missing one only at the first launch.
        rows, row = torch.ones(5, 2, 3, device="cuda").unbind(), torch.ones(1, 3, device="cuda")
        triton_kernels.forward(*rows[:2], None, rows[2], None, rows[2], row, row, rows[3])
        triton_kernels.backward(rows[0], None, *rows[2:4], None, row, row, rows[1], rows[4])
    except Exception as error:
        warnings.warn(f"no Triton, PyTorch's own kernels serve: {error}", stacklevel=2)
        return reference
    return triton_kernels
