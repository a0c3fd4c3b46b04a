"""The routines for the matrix products of a training step, against the one selected for each."""

import functools
from collections.abc import Iterable, Sequence

import torch

from benchmarks.records import Record
from benchmarks.workload import N, Step, frames
from companion.speed.interleaved_timing import interleave
from unfolded import networks
from unfolded.recurrence import matmul, routine_selection


def measure(
    record: Record, *, hidden: Sequence[int], models: Iterable[str], rounds: int, warm: int
) -> None:
    """Time all routines for each large product of a step, and add one row per routine."""
    sequences = frames()
    for h in hidden:
        for model in models:
            Step(networks.build(model, n=N, hidden=h), sequences)()
    available = ", ".join(matmul.routines())
    for product, name in sorted(routine_selection.selected.items()):
        shape, layouts = product.partition(",")[0].split()
        if layouts == "prepared" or not product.endswith(f": {available}"):
            continue
        rows, inner, columns = map(int, shape.split("x"))
        x, W = _matrix(rows, inner, layouts[0]), _matrix(columns, inner, layouts[1])
        routines = matmul.routines()
        calls = {key: functools.partial(call, x, W) for key, call in routines.items()}
        timings = interleave(calls, rounds=rounds, warm=warm)
        for routine, timing in timings.items():
            size = {"rows": rows, "inner": inner, "columns": columns, "layouts": layouts}
            row = timing.row(timings[name])
            record.add({"what": routine, "selected": routine == name, **size, **row})


def _matrix(rows: int, columns: int, layout: str) -> torch.Tensor:
    return torch.randn(rows, columns) if layout == "n" else torch.randn(columns, rows).T
