"""Time and memory of a training step against T, d, h, batch and the number of parallel runs."""

from collections.abc import Mapping, Sequence

from torch import nn

from benchmarks import workload
from benchmarks.memory import usage
from benchmarks.records import Record
from benchmarks.workload import BATCH, DEPTH, TIME, N, TrainingSteps
from companion.speed.interleaved_timing import interleave
from unfolded import networks

USUAL = {"time": TIME, "depth": DEPTH, "hidden": 256, "batch": BATCH, "runs": 1}
VARIED = {
    "time": (5, 10, 20, 40, 80),
    "depth": (1, 2, 3, 4, 6),
    "hidden": (64, 128, 256, 512, 1024),
    "batch": (8, 16, 32, 64, 128, 256),
    "runs": (1, 2, 4, 8),
}
QUICK = {"time": (2, 4), "depth": (1, 2), "hidden": (16, 32), "batch": (2, 4), "runs": (1, 2)}


def measure(
    record: Record, *, model: str, varied: Mapping[str, Sequence[int]], rounds: int, warm: int
) -> None:
    """Vary one size at a time; measure each size with stored and with recomputed states."""
    for axis, values in varied.items():
        for value in values:
            sizes = USUAL | {axis: value}
            steps = {
                recompute: step(model, recompute=recompute, **sizes) for recompute in (False, True)
            }
            timings = interleave(steps, rounds=rounds, warm=warm)
            for recompute, timing in timings.items():
                row = {"model": model, "axis": axis, **sizes, "recompute": recompute}
                steps[recompute].clear_gradients()
                memory = usage(steps[recompute].forward, steps[recompute].backward)
                row |= {**memory._asdict(), "peak_to_kept": memory.ratio}
                record.add(row | timing.row(timings[False]))


def step(model: str, *, time: int, depth: int, hidden: int, batch: int, runs: int, recompute: bool):
    """Return a training step of these sizes."""

    def network(seed: int) -> nn.Module:
        net = networks.build(model, n=N, hidden=hidden, depth=depth, seed=seed)
        net.recompute = recompute
        return net

    nets = [network(seed) for seed in range(runs)]
    return TrainingSteps(nets, workload.frames(batch, time), batch)
