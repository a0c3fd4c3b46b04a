"""Selection of the backend; the default is the fastest one for the machine and the sizes."""

import contextlib
import functools
import warnings
from collections.abc import Iterator
from types import ModuleType

import torch

from unfolded.errors import ConfigError, check_choice, complain
from unfolded.recurrence.backends import native, reference

BACKENDS = ("reference", "torch", "native", "triton")
_selections: list[list[str]] = []


@contextlib.contextmanager
def use(name: str) -> Iterator[None]:
    """Compute all recurrences inside the context with one backend, in all threads.

    "reference": step by step with autograd; "torch": the engine with PyTorch operations where they
    exist, else the reference; "native": the C loops wherever they can run, for any size; "triton":
    as "torch", with the Triton kernels on CUDA. Raises ConfigError if a backend is not available.

    >>> with use("reference"): chosen()
    'reference'
    """
    check_choice("a backend", name, BACKENDS)
    if name == "native" and native.library() is None:
        raise ConfigError(complain("compiled C kernels", "none (see the log)", 'choose "torch"'))
    if name == "triton" and not (torch.cuda.is_available() and _on_cuda() is not reference):
        raise ConfigError(complain("CUDA with Triton", "none", 'choose "native" or "torch"'))
    _selections.append(entry := [name])
    try:
        yield
    finally:
        # The contexts of several threads may overlap: remove the entry of this one.
        _selections[:] = [other for other in _selections if other is not entry]


def chosen() -> str | None:
    """Return the selected backend, or None for the default."""
    return _selections[-1][0] if _selections else None


def native_available() -> bool:
    """Return whether compiled kernels exist and no other backend is selected."""
    return chosen() in (None, "native") and native.library() is not None


def elementwise(rows: torch.Tensor, rho: torch.Tensor | None) -> ModuleType | native.NativeKernels:
    """Return the fastest implementation of reference.py for rows (…, batch, h)."""
    if rows.is_cuda:
        return _on_cuda() if chosen() in (None, "triton") else reference
    if rows.ndim == 2 and rows.dtype in native.SUFFIX and native_available():
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
        warnings.warn(f"Triton is not available ({error}); PyTorch is used", stacklevel=2)
        return reference
    return triton_kernels
