"""What a run is guarded by: a lock on its folder, flushed denormals, a named culprit."""

import contextlib
import math
from collections.abc import Iterator
from pathlib import Path

import filelock
import torch
from torch import nn

from unfolded import files
from unfolded.errors import RecordError, complain

_NARROW = 512


@contextlib.contextmanager
def held(folder: Path) -> Iterator[None]:
    """Keep a second process out of a run's folder; a killed process lets go by itself."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(folder / ".lock", timeout=0)
        lock.acquire()
    except filelock.Timeout as error:
        got = "another process trains this run"
        raise RecordError(complain(f"{folder.name} to be free", got, "wait for it")) from error
    except NotImplementedError as error:
        do = "choose another file system with UNFOLDED_RUNS or --store"
        raise RecordError(complain(f"to lock {folder}", "no locks there", do)) from error
    except OSError as error:
        raise files.cannot_write(folder, error) from error
    try:
        files.sweep(folder)
        yield
    finally:
        lock.release()


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


def blame(network: nn.Module, found: str, what: str) -> str:
    """Name the parameter that blew up: itself, or in its gradient, else the largest."""
    named = dict(network.named_parameters())
    sizes = {name: p.detach().abs().max().item() for name, p in named.items()}
    bad = [name for name, size in sizes.items() if not math.isfinite(size)]
    if what == "gradient" and not bad:
        bad = [name for name, p in named.items() if _is_bad(p.grad)]
    name = bad[0] if bad else max(sizes, key=sizes.__getitem__)
    got = f"{found}, with parameter {name} at {sizes[name]:g}"
    do = "keep positivity 'exp', or start from a smaller lambda1 and lambda2"
    return complain(f"a finite {what}", got, do)


def _is_bad(gradient: torch.Tensor | None) -> bool:
    return gradient is not None and not bool(torch.isfinite(gradient).all())
