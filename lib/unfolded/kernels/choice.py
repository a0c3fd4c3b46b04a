"""Which element-wise kernels serve a tensor: C on the CPU, Triton on CUDA, else PyTorch's."""

import functools
import warnings
from types import ModuleType

import torch

from unfolded.kernels import native, portable


def choose(rows: torch.Tensor, pull: torch.Tensor | None) -> ModuleType | native.Native:
    """Return what has the functions of portable.py, the fastest for such rows (…, batch, h)."""
    if rows.is_cuda:
        return _on_cuda()
    if rows.ndim == 2 and rows.dtype in native.SUFFIX and native.serves():
        return native.Native(rows.dtype, 0.0 if pull is None else pull.item())
    return portable


@functools.cache
def _on_cuda() -> ModuleType:
    try:
        from unfolded.kernels import fused

        # Triton needs a compiler of its own, and only says so at the first launch.
        rows, row = torch.ones(5, 2, 3, device="cuda").unbind(), torch.ones(1, 3, device="cuda")
        fused.forward(*rows[:2], None, rows[2], None, rows[2], row, row, rows[3])
        fused.backward(rows[0], None, *rows[2:4], None, row, row, rows[1], rows[4])
    except Exception as error:
        warnings.warn(f"no Triton, PyTorch's own kernels serve: {error}", stacklevel=2)
        return portable
    return fused
