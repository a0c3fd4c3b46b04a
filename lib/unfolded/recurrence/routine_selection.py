"""Selection of the fastest routine for a product: measured once, then read from a cache.

The cache is a file next to the compiled kernels, one for each processor, version of PyTorch and
compiled library. If the variable ``UNFOLDED_ROUTINE`` is one of ``NAMES``, nothing is measured:
that routine is used if it is available, else the first available one.
"""

import contextlib
import hashlib
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch

from unfolded import files
from unfolded.errors import RecordError, check_choice
from unfolded.recurrence.backends import native

NAMES = ("native", "gemm", "onednn", "onednn packed", "first")
_MIN_ROUNDS, _MIN_SECONDS, _MAX_SPREAD = 15, 20e-3, 1.5
"""Fewest rounds and shortest duration of a measurement of all routines, and the largest ratio of
the median to the shortest time of a measurement that is stored."""
selected: dict[str, str] = {}
"""The routines selected in this process by product, threads and available routines."""


def fastest(product: str, routines: dict[str, Callable], *arguments: torch.Tensor) -> str:
    """Return the name of the routine whose call with ``arguments`` takes the shortest time.

    ``product`` describes shapes and layouts. The routines alternate, and the median time of each
    counts. A disturbed measurement is not stored, so that the next process repeats it.
    Raises ConfigError if UNFOLDED_ROUTINE is not one of NAMES.
    """
    key = f"{product}, {torch.get_num_threads()} threads: {', '.join(routines)}"
    if forced := os.environ.get("UNFOLDED_ROUTINE"):
        check_choice("UNFOLDED_ROUTINE", forced, NAMES)
        return forced if forced in routines else next(iter(routines))
    if key not in selected:
        stored = str(_stored().get(key))  # a damaged cache may contain values of other types
        selected[key] = stored if stored in routines else _measured(key, routines, arguments)
    return selected[key]


def _measured(key: str, routines: dict[str, Callable], arguments) -> str:
    times = {name: [] for name in routines}
    for routine in routines.values():
        routine(*arguments)
    began = time.perf_counter()
    while min(map(len, times.values())) < _MIN_ROUNDS or time.perf_counter() - began < _MIN_SECONDS:
        for name, routine in routines.items():
            start = time.perf_counter()
            routine(*arguments)
            times[name].append(time.perf_counter() - start)
    name = min(times, key=lambda name: statistics.median(times[name]))
    if statistics.median(times[name]) <= _MAX_SPREAD * min(times[name]) and (path := _path()):
        with contextlib.suppress(RecordError):
            files.write_json(path, _stored() | {key: name})
    return name


def _path() -> Path | None:
    """Return the file of the selections, or None without a folder for it."""
    library = getattr(native.library(), "_name", "")
    names = "\n".join((torch.__version__, native.processor(), library))
    name = f"routines-{hashlib.sha256(names.encode()).hexdigest()[:16]}.json"
    with contextlib.suppress(*native.UNAVAILABLE):
        return native.cache_folder() / name
    return None


def _stored() -> dict[str, str]:
    with contextlib.suppress(RecordError):
        return (files.read_json(path) or {}) if (path := _path()) else {}
    return {}
