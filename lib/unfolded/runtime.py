"""Settings of the process: denormal numbers, freed memory, threads, /proc/cpuinfo."""

import contextlib
import ctypes
import functools
from collections.abc import Iterator
from pathlib import Path

import torch

_SINGLE_THREAD_WIDTH = 512
# Parameters of mallopt(3), and the largest size that glibc allocates on the heap.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_THRESHOLD_MAX = -1, -3, 32 * 2**20


@contextlib.contextmanager
def flushed_denormals() -> Iterator[None]:
    """Flush denormal numbers to zero: they make a step several times slower without any benefit."""
    mode = torch.tensor(1e-38).div(16).item() == 0  # PyTorch can set this mode but not read it
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(mode)


@contextlib.contextmanager
def keep_freed_memory() -> Iterator[None]:
    """Let glibc keep freed memory: on a virtual machine, new pages can cost a third of a step.

    The previous settings cannot be read. Afterwards free memory is returned to the system, and
    the thresholds are the final values of glibc's dynamic rule. No effect without glibc.
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
    """Train narrow networks on one thread: their matrix products are too small for several threads.

    Under load a second thread makes a step many times slower; with one thread the results do
    not depend on the number of cores.
    """
    thread_count = torch.get_num_threads()
    torch.set_num_threads(1 if hidden <= _SINGLE_THREAD_WIDTH else thread_count)
    try:
        yield
    finally:
        torch.set_num_threads(thread_count)


@functools.cache
def cpuinfo() -> dict[str, str]:
    """Return the fields of the first processor in /proc/cpuinfo; none if there is no such file."""
    with contextlib.suppress(OSError):
        first = Path("/proc/cpuinfo").read_text(errors="replace").partition("\n\n")[0]
        fields = (line.split(":", 1) for line in first.splitlines() if ":" in line)
        return {name.strip(): value.strip() for name, value in fields}
    return {}
