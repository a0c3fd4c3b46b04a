"""Recovery frame by frame: frames per second and PSNR, against an LSTM and against FISTA."""

import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import pairwise

import torch
from torch import Tensor, nn

from benchmarks.records import Record
from companion.speed.interleaved_timing import interleave
from unfolded import data, metrics, solvers, training
from unfolded.runs import records
from unfolded.runs.config import RunConfig
from unfolded.training import checkpoint

MODELS = ("reweighted-rnn", "l1-l1-rnn", "sista-rnn", "lstm")
ITERATIONS = (3, 30, 300)
LAMBDA1_GRID = (0.0, 1e-6, 1e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
"""The values of λ1 of which FISTA uses the best on the validation set, for frames in 0..1."""
_AVERAGES = ("authors", "frame", "global")


def measure(record: Record, base: RunConfig, *, batches: Iterable[int], rounds: int, warm: int):
    """Train or read the networks, then stream the test set and add one row per competitor."""
    nets = {model: _trained_network(replace(base, model=model, depth=None)) for model in MODELS}
    validation, test = _evaluation_sequences(base)
    with torch.no_grad():
        rows = {name: _network(net, test, base) for name, (net, _) in nets.items()}
        for name, (_, config) in nets.items():
            rows[name]["config_hash"] = config.hash
        problem = nets[MODELS[0]][0]
        settings = {
            f"fista, {count} iterations": (count, _choose(problem, validation, count, base))
            for count in ITERATIONS
        }
        for name, (count, lambda1) in settings.items():
            rows[name] = {"lambda1": lambda1, "config_hash": nets[MODELS[0]][1].hash}
            rows[name] |= _scores(test, _solve(problem, test, count, lambda1), base)
        for batch in batches:
            frames = test[:batch]
            streams = {name: _stream(net, frames) for name, (net, _) in nets.items()}
            streams |= {
                name: _iterate(problem, frames, *setting) for name, setting in settings.items()
            }
            timings = interleave(streams, rounds=rounds, warm=warm)
            for name, timing in timings.items():
                row = timing.row(timings[MODELS[0]])
                rate = 1e3 * frames[..., 0].numel() / row["median_ms"]
                labels = {"what": name, "batch": batch, "frames_per_second": rate}
                record.add({**labels, **rows[name], **_facts(base), **row})


def _trained_network(config: RunConfig) -> tuple[nn.Module, RunConfig]:
    training.run(config)
    network, config = checkpoint.load_network(records.folder_of(config))
    return network.eval(), config


def _evaluation_sequences(base: RunConfig) -> list[Tensor]:
    """Return the validation and test sequences in the protocol's units: (count, 20, n0)."""
    frames = data.sequences(base.source, count=base.size.count, reduction=base.reduction)
    unit = base.scale.peak / 255
    return [torch.from_numpy(part).flatten(2) * unit for part in data.split(frames)[1:]]


def _facts(base: RunConfig) -> dict[str, object]:
    names = ("protocol", "profile", "source", "hidden", "seed")
    return {name: getattr(base, name) for name in names}


def _scores(frames: Tensor, estimate: Tensor, base: RunConfig) -> dict[str, float]:
    peak = base.scale.peak
    return {
        f"psnr_{average}": metrics.psnr(frames, estimate, peak=peak, average=average)
        for average in _AVERAGES
    }


def _network(network: nn.Module, test: Tensor, base: RunConfig) -> dict[str, object]:
    return _scores(test, network(test), base)


def _stream(network: nn.Module, frames: Tensor) -> Callable[[], None]:
    """Return a function that recovers a batch of sequences frame by frame."""
    x = network.measure(frames)
    start = network.start(len(x))

    def run() -> None:
        state = start
        for x_t in x.split(1, 1):
            _, state = network.recover(x_t, state)

    return run


def _iterate(network: nn.Module, frames: Tensor, count: int, lambda1: float):
    """Return a function that solves (1) for a batch of sequences frame by frame."""
    x, M = network.measure(frames), network.A @ network.D
    c = torch.linalg.matrix_norm(M, 2) ** 2

    def run() -> None:
        for x_t in x.unbind(1):
            fista(x_t, M, c, lambda1, count) @ network.D.T

    return run


def fista(x: Tensor, M: Tensor, c: Tensor, lambda1: float, count: int) -> Tensor:
    """Return the codes of solvers.fista without the objectives that it also computes."""
    h = y = x.new_zeros(len(x), M.shape[-1])
    momenta = [1.0]
    for _ in range(count):
        momenta.append((1 + math.sqrt(1 + 4 * momenta[-1] ** 2)) / 2)
    for momentum, next_momentum in pairwise(momenta):
        iterate = solvers.ista_step(y, x, M=M, c=c, lambda1=lambda1)
        h, y = iterate, iterate + (momentum - 1) / next_momentum * (iterate - h)
    return h


def _solve(network: nn.Module, frames: Tensor, count: int, lambda1: float) -> Tensor:
    x, M = network.measure(frames), network.A @ network.D
    c = torch.linalg.matrix_norm(M, 2) ** 2
    return fista(x.flatten(0, 1), M, c, lambda1, count).unflatten(0, x.shape[:2]) @ network.D.T


def _choose(network: nn.Module, validation: Tensor, count: int, base: RunConfig) -> float:
    """Return the λ1 of LAMBDA1_GRID with the smallest validation error, in the protocol's units."""

    def error(lambda1: float) -> float:
        return (_solve(network, validation, count, lambda1) - validation).square().mean().item()

    return min((weight * base.scale.peak for weight in LAMBDA1_GRID), key=error)
