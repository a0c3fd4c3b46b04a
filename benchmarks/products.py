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

PROCESSES = 5
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
    products = {
        product.partition(",")[0]: name
        for product, name in sorted(routine_selection.selected.items())
        if product.endswith(f": {available}") and " prepared," not in product
    }
    settings = torch.get_num_threads(), record.conditions["allocator"], rounds, warm
    tasks = [(list(products), *settings)] * PROCESSES
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        measurements = pool.starmap(_timings, tasks, chunksize=1)
    for product, name in products.items():
        shape, layouts = product.split()
        size = dict(zip(("rows", "inner", "columns"), map(int, shape.split("x")), strict=True))
        timings = {
            routine: sum((timings[product][routine] for timings in measurements), Timing())
            for routine in matmul.routines()
        }
        for routine, timing in timings.items():
            row = timing.row(timings[name])
            record.add(
                {"what": routine, "selected": routine == name, **size, "layouts": layouts, **row}
            )


def _timings(
    products: Sequence[str], threads: int, allocator: str, rounds: int, warm: int
) -> dict[str, dict[str, Timing]]:
    """Return the timings of each routine for each product, by product."""
    with conditions(threads, allocator):
        return {product: _interleaved(product, rounds, warm) for product in products}


def _interleaved(product: str, rounds: int, warm: int) -> dict[str, Timing]:
    shape, layouts = product.split()
    rows, inner, columns = map(int, shape.split("x"))
    matrices = _matrix(rows, inner, layouts[0]), _matrix(columns, inner, layouts[1])
    calls = {
        name: functools.partial(routine, *matrices) for name, routine in matmul.routines().items()
    }
    return interleave(calls, rounds=rounds, warm=warm)


def _matrix(rows: int, columns: int, layout: str) -> torch.Tensor:
    return torch.randn(rows, columns) if layout == "n" else torch.randn(columns, rows).T
