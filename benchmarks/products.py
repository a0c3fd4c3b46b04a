"""The routines for the matrix products of a training step, against the one selected for each."""

import functools
import multiprocessing
from collections.abc import Iterable, Sequence

import torch

from benchmarks.records import Record
from benchmarks.workload import N, Step, conditions, frames
from companion.speed.interleaved_timing import Timing, interleave
from unfolded import networks
from unfolded.recurrence import matmul, routine_selection

PROCESSES = 15
"""Number of processes that measure: the addresses of memory pages differ between processes."""


def measure(
    record: Record, *, hidden: Sequence[int], models: Iterable[str], rounds: int, warm: int
) -> None:
    """Time all routines for each large product of a step, and add one row per routine.

    The rounds of ``PROCESSES`` new processes, one after the other, count together.
    """
    sequences = frames()
    for h in hidden:
        for model in models:
            Step(networks.build(model, n=N, hidden=h), sequences)()
    available = ", ".join(matmul.routines())
    selected = {}
    for product, name in sorted(routine_selection.selected.items()):
        shape, layouts = product.partition(",")[0].split()
        if layouts != "prepared" and product.endswith(f": {available}"):
            selected[*map(int, shape.split("x")), layouts] = name
    settings = record.origin["threads"], record.origin["allocator"], rounds, warm
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        tasks = [(list(selected), *settings)] * PROCESSES
        processes = pool.starmap(_timings, tasks, chunksize=1)
    for product, name in selected.items():
        size = dict(zip(("rows", "inner", "columns", "layouts"), product, strict=True))
        timings = {
            routine: sum((process[product][routine] for process in processes), Timing())
            for routine in matmul.routines()
        }
        for routine, timing in timings.items():
            row = timing.row(timings[name])
            record.add({"what": routine, "selected": routine == name, **size, **row})


def _timings(
    products: Sequence[tuple], threads: int, allocator: str, rounds: int, warm: int
) -> dict[tuple, dict[str, Timing]]:
    """Return the timings of each routine for each product (rows, inner, columns, layouts)."""
    timings, routines = {}, matmul.routines()
    with conditions(threads, allocator):
        for product in products:
            rows, inner, columns, layouts = product
            matrices = _matrix(rows, inner, layouts[0]), _matrix(columns, inner, layouts[1])
            calls = {name: functools.partial(call, *matrices) for name, call in routines.items()}
            timings[product] = interleave(calls, rounds=rounds, warm=warm)
    return timings


def _matrix(rows: int, columns: int, layout: str) -> torch.Tensor:
    return torch.randn(rows, columns) if layout == "n" else torch.randn(columns, rows).T
