"""One path from configurations to records: for one run, or for a group of runs of one shape."""

import contextlib
import functools
import os
import re
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import joblib
import torch
from torch import Tensor

from unfolded import files
from unfolded.choices import GROUP_SIZE
from unfolded.errors import ConfigError, RecordError, TrainingError, complain
from unfolded.runs import input_frames, records
from unfolded.runs.config import RunConfig
from unfolded.runs.records import Record
from unfolded.runtime import flushed_denormals, keep_freed_memory, threads_for
from unfolded.training import checkpoint
from unfolded.training.stacking import SingleModel, StackedModels, mean_squared_errors
from unfolded.training.train_step import TrainSteps
from unfolded.training.trainer import Trainer

_NOT_STACKED = ("lstm", "gru")
"""Models whose cells PyTorch cannot stack."""


def run(config: RunConfig, **options) -> Record:
    """Return the record of a run, training it if there is none yet.

    Options: as :func:`fit`. Raises TrainingError if the run diverges; a failed record is kept.
    """
    (outcome,) = fit([config], **options)
    if isinstance(outcome, TrainingError):
        raise outcome
    return outcome


def run_all(configs: Iterable[RunConfig], *, store: str | Path | None = None, **options):
    """Return the records of several runs, in their order: list[Record].

    A run that diverges stops no other: its record has the status "failed". Options and errors:
    as :func:`fit_all`; of a folder that cannot be used the RecordError is raised.
    """
    configs, found = list(configs), {}
    for config, outcome in fit_all(configs, store=store, **options):
        if isinstance(outcome, RecordError):
            raise outcome
        diverged = isinstance(outcome, TrainingError)
        found[config] = records.load(records.folder_of(config, store)) if diverged else outcome
    return [found[config] for config in configs]


def fit_all(
    configs: Iterable[RunConfig],
    *,
    device: str = "cpu",
    together: int = GROUP_SIZE,
    jobs: int | None = None,
    **options,
) -> Iterator[tuple[RunConfig, Record | TrainingError | RecordError]]:
    """Yield each configuration, once, with its outcome, as runs end.

    By default one process per core on the CPU; on a GPU one process, with groups of at most
    ``together`` runs (see :func:`groups`). A folder in use or damaged stops no other run. Options
    and errors otherwise: as :func:`fit`.
    """
    on_gpu = resolve(device) != "cpu"
    queue = groups(configs, together if on_gpu else 1)
    options |= {"device": device}
    calls = (joblib.delayed(_attempt)(group, options, os.getpid()) for group in queue)
    work = joblib.Parallel(jobs or (1 if on_gpu else os.cpu_count()), return_as="generator")
    with contextlib.closing(work(calls)) as results:
        for group, outcomes in zip(queue, results, strict=True):
            yield from zip(group, outcomes, strict=True)


_CACHE = {}
"""The frames that a process has loaded, for its next runs."""


def _attempt(
    group: list[RunConfig], options: dict, caller: int
) -> list[Record | TrainingError | RecordError]:
    if os.getpid() != caller:
        _end_with(caller)
    try:
        return fit(group, cache=_CACHE, **options)
    except RecordError as error:
        return [error.with_traceback(None)] * len(group)


def fit(
    configs: Sequence[RunConfig],
    *,
    device: str = "cpu",
    store: str | Path | None = None,
    progress: bool = True,
    again: bool = False,
    cache: dict | None = None,
) -> list[Record | TrainingError]:
    """Return the outcome of each run of a group, training those that have no finished record.

    A finished run is read, not repeated; a failed one is tried again; an interrupted one continues
    after its last whole epoch and ends with the same numbers (on a GPU, after the last stored
    epoch, at most half a minute old). With ``again`` training starts anew, and an existing record
    stays until the first epoch is done. ``cache``, a dictionary, holds the frames on the device
    for the next call. Runs of a group take their steps at once; each ends with the record that it
    would have alone, up to rounding, and one that diverges does not stop the others.
    Raises RecordError if a folder is in use, damaged or cannot be written, and DataError or
    ConfigError on invalid input.
    """
    device, cache = resolve(device), {} if cache is None else cache
    folders = {config: records.folder_of(config, store) for config in configs}
    outcomes = {} if again else _finished(folders)
    hidden = max(config.hidden for config in configs)
    with threads_for(hidden), flushed_denormals(), keep_freed_memory(), _current(device):
        # Before the folders are touched: a run that cannot start leaves nothing behind.
        trainers = {
            config: Trainer(
                config, device, folder, progress, input_frames.on_device(config, device, cache)
            )
            for config, folder in folders.items()
            if config not in outcomes
        }
        with contextlib.ExitStack() as locks:
            for config in trainers:
                locks.enter_context(records.lock(folders[config]))
                if again:
                    files.drop(folders[config] / checkpoint.STATE)
            if not again:
                # Another process may have finished a run while this one loaded its data.
                outcomes |= _finished({config: folders[config] for config in trainers})
            left = {config: each for config, each in trainers.items() if config not in outcomes}
            outcomes |= zip(left, _train(list(left.values())), strict=True)
    return [outcomes[config] for config in configs]


def _train(trainers: Sequence[Trainer]) -> list[Record | TrainingError]:
    """Train runs of one shape to their ends; they need not be at the same epoch."""
    outcomes: dict[Trainer, Record | TrainingError] = {}
    with contextlib.ExitStack() as stack:
        left = {}
        for trainer in trainers:
            trainer.begin(group_size=len(trainers))
            left[trainer] = stack.enter_context(contextlib.closing(trainer.epochs()))
        group = None
        while left:
            turn = {trainer: next(epochs, None) for trainer, epochs in left.items()}
            for trainer in [trainer for trainer, epoch in turn.items() if epoch is None]:
                outcomes[trainer] = _outcome(trainer, trainer.end)
                del turn[trainer]
            if group is None or group.trainers != list(turn):
                group = None  # its memory is needed
                group = RunGroup(list(turn)) if turn else None
            results = group.epoch(list(turn.values())) if turn else []
            for (trainer, epoch), result in zip(turn.items(), results, strict=True):
                close = functools.partial(_close, trainer, epoch, *result)
                failure = _outcome(trainer, close)
                if failure is not None:
                    outcomes[trainer] = failure
            left = {each: epochs for each, epochs in left.items() if each not in outcomes}
    return [outcomes[trainer] for trainer in trainers]


def _close(trainer: Trainer, *result) -> None:
    trainer.close(*result)
    trainer.save()


def _outcome(trainer: Trainer, work: Callable[[], Record | None]) -> Record | TrainingError | None:
    try:
        with trainer.failure_recorded():
            return work()
    except TrainingError as error:
        # A traceback would keep the network and its memory.
        return error.with_traceback(None)


@functools.cache
def _end_with(parent: int) -> None:
    """End this process once its parent has ended: else it would keep the locks of its runs."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


class RunGroup:
    """Runs that take their steps at once; :attr:`steps` can be called with rows of their data."""

    def __init__(self, trainers: Sequence[Trainer]):
        self.trainers = list(trainers)
        networks = [trainer.network for trainer in trainers]
        several = len(networks) > 1
        self.models = StackedModels(networks) if several else SingleModel(networks[0])
        first, optimisers = trainers[0], [trainer.optimiser for trainer in trainers]
        scale = first.config.scale
        # ℓ sums what the penalty is weighed against: the error of a pixel, in grey levels of 255.
        unit = first.train[0].numel() * (scale.peak / 255) ** 2
        penalty = first.config.norm_penalty * unit
        options = {"batch": scale.batch, "clip": scale.clip, "penalty": penalty}
        self.steps = TrainSteps(self.models, optimisers, first.train, **options)

    def epoch(self, epochs: Sequence[int]) -> list[tuple[Tensor, float, float]]:
        """Train every run for its epoch of this number.

        Returns for each run its log, its validation error and its share of the seconds.
        """
        started, first = time.perf_counter(), self.trainers[0]
        orders = [each.order(epoch) for each, epoch in zip(self.trainers, epochs, strict=True)]
        orders = torch.stack(orders).view(*self.models.shape, -1).to(first.device)
        for trainer in self.trainers:
            trainer.network.train()
        log = self.steps.epoch(orders)
        for trainer in self.trainers:
            trainer.network.eval()
        validation = mean_squared_errors(self.models, first.validation, first.config.scale.peak)
        validation = validation.view(-1).tolist()
        logs = log.view(len(log), len(self.trainers), -1).unbind(1)
        seconds = (time.perf_counter() - started) / len(self.trainers)
        return [(*result, seconds) for result in zip(logs, validation, strict=True)]


def groups(configs: Iterable[RunConfig], most: int = GROUP_SIZE) -> list[list[RunConfig]]:
    """Return each configuration once, grouped with those that can be trained at once with it.

    A group has runs, except of LSTM and GRU, that differ in seed, learning rate, or the initial
    values of λ1 and λ2.

    >>> [len(group) for group in groups([RunConfig(seed=seed) for seed in range(10)])]
    [8, 2]
    """
    alike = defaultdict(list)
    for config in dict.fromkeys(configs):
        starts = {"lambda1": 1.0, "lambda2": float(config.lambda2 > 0)}
        common = replace(config, seed=0, learning_rate=RunConfig.learning_rate, **starts)
        alike[config if config.model in _NOT_STACKED else common].append(config)
    lists = alike.values()
    return [runs[first : first + most] for runs in lists for first in range(0, len(runs), most)]


@contextlib.contextmanager
def _current(device: str) -> Iterator[None]:
    """Make a GPU the current device, and compute all products in full single precision."""
    if device == "cpu":
        yield
        return
    # By default PyTorch rounds the products of its own cells, and of them alone, to TF32.
    before, torch.backends.cudnn.allow_tf32 = torch.backends.cudnn.allow_tf32, False
    try:
        with torch.cuda.device(device):
            yield
    finally:
        torch.backends.cudnn.allow_tf32 = before


def _finished(folders: dict[RunConfig, Path]) -> dict[RunConfig, Record]:
    """Return the records of the runs that are done."""
    found = {config: records.load(folder, config) for config, folder in folders.items()}
    found = {
        config: record for config, record in found.items() if record and record.status == "done"
    }
    for folder in map(folders.get, found):
        if (folder / checkpoint.STATE).exists():
            # Killed at the very end; a folder that is in use or read-only is left as it is.
            with contextlib.suppress(RecordError), records.lock(folder):
                files.drop(folder / checkpoint.STATE)
    return found


def resolve(device: str) -> str:
    """Return the device to use: "cpu", "cuda", "cuda:1", or "auto" for CUDA where there is one.

    Raises ConfigError if CUDA is requested and unavailable.
    """
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    named = re.fullmatch(r"cpu|cuda(?::([0-9]+))?", str(device))
    if named is None:
        want = "a device such as cpu, cuda, cuda:1 or auto"
        raise ConfigError(complain(want, repr(device), "choose one of them"))
    if device != "cpu" and int(named[1] or 0) >= torch.cuda.device_count():
        got = f"{torch.cuda.device_count()} CUDA devices"
        raise ConfigError(complain(f"the device {device}", got, "use --device cpu or auto"))
    return device
