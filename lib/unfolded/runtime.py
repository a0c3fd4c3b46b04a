"""The process and its processor: denormal numbers, freed memory, threads, /proc/cpuinfo."""

import contextlib
import ctypes
import functools
from collections.abc import Iterator
from pathlib import Path

import torch

_NARROW = 512
# The numbers of mallopt(3), and the largest size that glibc lets a heap serve.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_THRESHOLD_MAX = -1, -3, 32 * 2**20


@contextlib.contextmanager
def flushed_denormals() -> Iterator[None]:
    """Treat denormal numbers as zero: they slow a step several times over and mean nothing."""
    before = torch.tensor(1e-38).div(16).item() == 0  # PyTorch can set this mode but not tell it
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)


@contextlib.contextmanager
def keep_freed_memory() -> Iterator[None]:
    """Ask glibc to keep what is freed: on a virtual machine fresh pages can cost a third of a step.

    What it was asked before nobody can tell. Afterwards free memory goes back to the system, and
    the thresholds are those at which glibc's own rule ends. Elsewhere this does nothing.
    """
    try:
        libc = ctypes.CDLL(None)
        mallopt, malloc_trim = libc.mallopt, libc.malloc_trim
    except (AttributeError, OSError, TypeError):
        yield
        return
    mallopt(_MMAP_THRESHOLD, _MMAP_THRESHOLD_MAX)
    mallopt(_TRIM_THRESHOLD, -1)
    try:
        yield
    finally:
        mallopt(_TRIM_THRESHOLD, 2 * _MMAP_THRESHOLD_MAX)
        malloc_trim(0)


@contextlib.contextmanager
def threads_for(hidden: int) -> Iterator[None]:
    """Train narrow networks on one thread: their products are too small to share.

    Under load a second thread makes a step many times slower; and with one thread the numbers
    do not depend on how many cores the machine has.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1 if hidden <= _NARROW else before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@functools.cache
def cpuinfo() -> list[str]:
    """Return the lines of /proc/cpuinfo, or none where there is no such file."""
    with contextlib.suppress(OSError):
        return Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
    return []
