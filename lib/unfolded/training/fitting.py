"""Training of configurations to records, for one run or a group of runs of equal shape."""

import contextlib
import functools
import os
import re
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import joblib
import torch

from unfolded import files
from unfolded.choices import GROUP_SIZE
from unfolded.errors import ConfigError, RecordError, TrainingError, complain
from unfolded.networks import storage
from unfolded.runs import input_frames, records
from unfolded.runs.config import RunConfig
from unfolded.runs.records import Record
from unfolded.runtime import flushed_denormals, keep_freed_memory, threads_for
from unfolded.training import checkpoint
from unfolded.training.trainer import Trainer, train_runs

Outcome = Record | TrainingError | RecordError
_UNSTACKABLE_MODELS = ("lstm", "gru")
"""Models whose cells PyTorch cannot batch over runs."""


def run(config: RunConfig, **options) -> Record:
    """Return the record of a run; train the run if it has no record.

    Options: as :func:`fit`. Raises TrainingError if the run diverges; the failed record is stored.
    """
    (outcome,) = fit([config], **options)
    if isinstance(outcome, TrainingError):
        raise outcome
    return outcome


def run_all(
    configs: Iterable[RunConfig], *, store: str | Path | None = None, **options
) -> list[Record]:
    """Return the records of several runs, in order.

    A run that diverges does not stop the others: its record has the status "failed". Options and
    errors: as :func:`fit_all`; raises RecordError for a folder that cannot be used.
    """
    configs, options["frames"] = input_frames.user_frames(configs, options.get("frames"), store)
    outcomes = {}
    for config, outcome in fit_all(configs, store=store, **options):
        if isinstance(outcome, RecordError):
            raise outcome
        if isinstance(outcome, TrainingError):
            outcome = records.load(records.folder_of(config, store), config)
        outcomes[config] = outcome
    return [outcomes[config] for config in configs]


def fit_all(
    configs: Iterable[RunConfig],
    *,
    device: str = "cpu",
    together: int = GROUP_SIZE,
    jobs: int | None = None,
    frames: input_frames.Given = None,
    **options,
) -> Iterator[tuple[RunConfig, Outcome]]:
    """Yield each configuration once, with its result, in the order of the groups.

    The default is one process per core on the CPU; a GPU has one process with groups of at most
    ``together`` runs (see :func:`groups`). A locked or damaged folder does not stop other runs.
    Other options and errors: as :func:`fit`.
    """
    on_gpu = resolve(device) != "cpu"
    configs, frames = input_frames.user_frames(configs, frames, options.get("store"))
    queue = groups(configs, together if on_gpu else 1)
    options |= {"device": device, "frames": frames}
    calls = (joblib.delayed(_attempt)(group, options, os.getpid()) for group in queue)
    work = joblib.Parallel(jobs or (1 if on_gpu else joblib.cpu_count()), return_as="generator")
    with contextlib.closing(work(calls)) as results:
        for group, outcomes in zip(queue, results, strict=True):
            yield from zip(group, outcomes, strict=True)


_CACHE = {}
"""Cache of the frames loaded by a process, for its next runs."""


def _attempt(group: list[RunConfig], options: dict, caller: int) -> list[Outcome]:
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
    frames: input_frames.Given = None,
) -> list[Record | TrainingError]:
    """Return the result of each run of one of the :func:`groups`; train those without a record.

    A finished run is not repeated; a failed run is repeated; an interrupted run resumes after its
    last complete epoch with the same result (on a GPU, after the last checkpoint, at most half a
    minute old). With ``again`` training restarts, and an existing record stays until the first
    epoch is complete. ``cache``, a dictionary, stores the frames on the device for the next call.
    ``frames``: own frames of all runs, see :func:`unfolded.runs.input_frames.user_frames`.
    The runs of a group take their steps simultaneously; each has the same record as a single run,
    up to rounding, and a run that diverges does not stop the others.
    Raises RecordError if a folder is locked, damaged or not writable, and DataError or
    ConfigError on invalid input.
    """
    device, cache = resolve(device), {} if cache is None else cache
    configs, frames = input_frames.user_frames(configs, frames, store)
    if len(groups(configs, len(configs) or 1)) > 1:
        raise ConfigError(complain("runs of one group", "several groups", "use training.fit_all"))
    folders = {config: records.folder_of(config, store) for config in configs}
    outcomes = {} if again else _finished_records(folders)
    hidden = max((config.hidden for config in configs), default=1)
    load = functools.partial(input_frames.on_device, device=device, shelf=cache, frames=frames)
    with threads_for(hidden), flushed_denormals(), keep_freed_memory(), _device_settings(device):
        # Build the trainers first: a run that cannot start must not create folders.
        trainers = {
            config: Trainer(config, device, folder, progress, load(config))
            for config, folder in folders.items()
            if config not in outcomes
        }
        with contextlib.ExitStack() as locks:
            for config in trainers:
                locks.enter_context(records.lock(folders[config]))
                if again:
                    files.drop(folders[config] / checkpoint.STATE)
            if not again:
                # Another process may have finished a run while the data was loading.
                outcomes |= _finished_records({config: folders[config] for config in trainers})
            queue = [config for config in trainers if config not in outcomes]
            outcomes |= zip(queue, train_runs([trainers[config] for config in queue]), strict=True)
    return [outcomes[config] for config in configs]


@functools.cache
def _end_with(parent: int) -> None:
    """End this process when its parent ends, so that it releases the locks of its runs."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def groups(configs: Iterable[RunConfig], most: int = GROUP_SIZE) -> list[list[RunConfig]]:
    """Return each configuration once, grouped with configurations that can be trained together.

    The runs of a group differ in seed, learning rate, or the initial values of λ1 and λ2. LSTM
    and GRU have groups of one run.

    >>> [len(group) for group in groups([RunConfig(seed=seed) for seed in range(10)])]
    [8, 2]
    """
    runs_by_key = defaultdict(list)
    for config in dict.fromkeys(configs):
        starts = {"lambda1": 1.0, "lambda2": float(config.lambda2 > 0)}
        common_config = replace(config, seed=0, learning_rate=RunConfig.learning_rate, **starts)
        runs_by_key[config if config.model in _UNSTACKABLE_MODELS else common_config].append(config)
    lists = runs_by_key.values()
    return [runs[first : first + most] for runs in lists for first in range(0, len(runs), most)]


@contextlib.contextmanager
def _device_settings(device: str) -> Iterator[None]:
    """Make a GPU the current device, and compute all products in full single precision."""
    if device == "cpu":
        yield
        return
    # By default PyTorch uses TF32 for the products in its recurrent cells.
    allow_tf32, torch.backends.cudnn.allow_tf32 = torch.backends.cudnn.allow_tf32, False
    try:
        with torch.cuda.device(device):
            yield
    finally:
        torch.backends.cudnn.allow_tf32 = allow_tf32


def _finished_records(folders: dict[RunConfig, Path]) -> dict[RunConfig, Record]:
    """Return the records of the finished runs; a run without complete weights is not finished."""
    finished = {}
    for config, folder in folders.items():
        record = records.load(folder, config)
        if record and record.status == "done" and storage.is_complete(folder / checkpoint.WEIGHTS):
            finished[config] = record
            if (folder / checkpoint.STATE).exists():
                # A process was killed at the end; skip a folder that is locked or read-only.
                with contextlib.suppress(RecordError), records.lock(folder):
                    files.drop(folder / checkpoint.STATE)
    return finished


def resolve(device: str) -> str:
    """Return the device: "cpu", "cuda", "cuda:1", or "auto" for CUDA if it is available.

    Raises ConfigError if CUDA is requested and unavailable.
    """
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    device_match = re.fullmatch(r"cpu|cuda(?::([0-9]+))?", str(device))
    if device_match is None:
        want = "a device such as cpu, cuda, cuda:1 or auto"
        raise ConfigError(complain(want, repr(device), "choose one of them"))
    if device != "cpu" and int(device_match[1] or 0) >= torch.cuda.device_count():
        got = f"{torch.cuda.device_count()} CUDA devices"
        raise ConfigError(complain(f"the device {device}", got, "use --device cpu or auto"))
    return device
