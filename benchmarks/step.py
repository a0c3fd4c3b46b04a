"""A training step: the engine against plain PyTorch, its products alone, LSTM and GRU.

LSTM and GRU are PyTorch's modules here; stacked.py compares our LSTM and GRU with them.
"""

import functools
from collections.abc import Callable, Iterable, Sequence

from torch import Tensor

from benchmarks import compile_time, plain, stacked
from benchmarks.configurations import (
    in_configuration,
    pytorch_alone,
    without_compiled_kernels,
    without_onednn,
)
from benchmarks.records import Record
from benchmarks.replay import record, replay
from benchmarks.workload import BATCH, DEPTH, TIME, N, Step, frames
from companion.speed.interleaved_timing import interleave
from unfolded import networks, recurrence
from unfolded.runs.config import usual_depth

_reference = functools.partial(recurrence.use, "reference")
MODELS = ("reweighted-rnn", "l1-l1-rnn", "sista-rnn")
GENERIC = ("lstm", "gru")


def measure(
    record: Record, *, hidden: Sequence[int], models: Iterable[str], rounds: int, warm: int
) -> None:
    """Measure each network at each width and add one row per competitor."""
    for name, seconds in compile_time.first_use().items():
        record.add({"what": f"compiling, {name} use", "median_ms": 1e3 * seconds})
    sequences = frames()
    for h in hidden:
        for model in models:
            competitors_of = stacked.competitors if model in stacked.MODELS else competitors
            timings = interleave(competitors_of(model, h, sequences), rounds=rounds, warm=warm)
            size = {"hidden": h, "n": N, "time": TIME, "batch": BATCH}
            for competitor, timing in timings.items():
                depth = usual_depth(competitor if competitor in GENERIC else model)
                row = timing.row(timings["engine"])
                record.add({"model": model, "what": competitor, **size, "depth": depth, **row})


def competitors(model: str, hidden: int, sequences: Tensor) -> dict[str, Callable[[], object]]:
    """Return the competitors by name; each training step has its own network and optimiser."""

    def step(*, name: str = model, **options) -> Step:
        depth = usual_depth(name) if name in GENERIC else DEPTH
        return Step(networks.build(name, n=N, hidden=hidden, depth=depth), sequences, **options)

    solver = step()
    solver.network.fast = False
    with without_compiled_kernels():  # products in C are not calls that can be recorded
        recorded = step()
        recorded()  # the first step also times the routines, with further products
        products = record(recorded)
    return {
        "engine": step(),
        "plain": step(recover=plain.recover),
        "solver's steps": solver,
        "engine without compiled kernels": in_configuration(without_compiled_kernels, step()),
        "engine without oneDNN": in_configuration(without_onednn, step()),
        "engine in PyTorch alone": in_configuration(pytorch_alone, step()),
        "its products alone": replay(products),
        **{name: in_configuration(_reference, step(name=name)) for name in GENERIC},
    }
