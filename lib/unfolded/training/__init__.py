"""Training of one network as the protocol says; what is interrupted goes on where it was."""

import contextlib
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import joblib
import torch

from unfolded.choices import GROUP_SIZE
from unfolded.errors import ConfigError, RecordError, TrainingError, complain
from unfolded.runs import input_frames, records
from unfolded.runs.config import RunConfig
from unfolded.runs.records import Record
from unfolded.runtime import flushed_denormals, keep_freed_memory, threads_for
from unfolded.training import checkpoint
from unfolded.training.stacking import finish, groups
from unfolded.training.trainer import Job, learned

__all__ = [
    "groups",
    "learned",
    "resolve",
    "run",
    "run_all",
    "run_together",
]


def run(
    config: RunConfig,
    *,
    device: str = "cpu",
    store: str | Path | None = None,
    progress: bool = True,
    again: bool = False,
    shelf: dict | None = None,
) -> Record:
    """Return the record of a run, training it if there is none yet.

    A finished run is read, not repeated; a failed one is tried anew; an interrupted one goes on
    after its last whole epoch and ends with the same numbers (on a GPU, after the last epoch that
    was kept, at most half a minute old). With ``again`` it starts anew whatever there is, and an
    old record stays until the first epoch is done. A ``shelf``, a dictionary, keeps the frames
    on the device for the next call.
    Raises TrainingError on a non-finite loss (a failed record is kept), RecordError if the folder
    is in use, damaged or cannot be written, DataError or ConfigError on bad input.
    """
    (outcome,) = _trained([config], device, store, progress, again, shelf)
    if isinstance(outcome, TrainingError):
        raise outcome
    return outcome


def run_together(
    configs: Sequence[RunConfig],
    *,
    device: str = "cpu",
    store: str | Path | None = None,
    progress: bool = True,
    again: bool = False,
    shelf: dict | None = None,
) -> list[Record | TrainingError]:
    """Return how each run of a group from :func:`unfolded.training.stacking.groups` ended.

    Their steps are taken together; each gets the record that it would get alone, up to rounding
    (so also if the group was interrupted), and one that fails does not stop the others. Options,
    and errors but TrainingError: as :func:`run`.
    """
    if len(configs) > 1:
        return _trained(configs, device, store, progress, again, shelf)
    options = {"device": device, "store": store, "progress": progress, "again": again}
    try:
        return [run(config, **options, shelf=shelf) for config in configs]
    except TrainingError as error:
        return [error]


def run_all(
    configs: Iterable[RunConfig],
    *,
    device: str = "cpu",
    together: int = GROUP_SIZE,
    store: str | Path | None = None,
    **options,
) -> list[Record]:
    """Return the records of several runs: one process a core on the CPU, side by side on a GPU.

    There at most ``together`` runs that differ only in seed or λ take their steps as one. A run
    that fails stops no other: its record has the status "failed". Options, and errors but
    TrainingError: as :func:`run`.
    """
    device, configs, found = resolve(device), list(configs), {}
    options |= {"device": device, "store": store}
    if device == "cpu":
        runs = list(dict.fromkeys(configs))
        each = (joblib.delayed(run_together)([config], **options) for config in runs)
        outcomes = joblib.Parallel(n_jobs=os.cpu_count())(each)
        found = {config: outcome for config, (outcome,) in zip(runs, outcomes, strict=True)}
    else:
        shelf = {}
        for group in groups(configs, together):
            found |= zip(group, run_together(group, shelf=shelf, **options), strict=True)
    for config, outcome in found.items():
        if isinstance(outcome, TrainingError):
            found[config] = records.load(records.folder_of(config, store), config)
    return [found[config] for config in configs]


def _trained(configs, device, store, progress, again, shelf) -> list[Record | TrainingError]:
    device, shelf = resolve(device), {} if shelf is None else shelf
    folders = {config: records.folder_of(config, store) for config in configs}
    found = {} if again else _all_done(folders)
    hidden = max(config.hidden for config in configs)
    with threads_for(hidden), flushed_denormals(), keep_freed_memory(), _current(device):
        # Before the folders are touched: what cannot start leaves nothing behind.
        jobs = {
            config: Job(
                config, device, folder, progress, input_frames.on_device(config, device, shelf)
            )
            for config, folder in folders.items()
            if config not in found
        }
        with contextlib.ExitStack() as locks:
            for config in jobs:
                locks.enter_context(records.lock(folders[config]))
                if again:
                    checkpoint.drop_state(folders[config])
            if not again:
                # Another process may have finished a run while this one loaded its data.
                found |= _all_done({config: folders[config] for config in jobs})
            left = {config: job for config, job in jobs.items() if config not in found}
            found |= zip(left, _finish(list(left.values())), strict=True)
    return [found[config] for config in configs]


def _finish(jobs: list[Job]) -> list[Record | TrainingError]:
    if len(jobs) > 1:
        return finish(jobs)
    try:
        return [job.finish() for job in jobs]
    except TrainingError as error:
        return [error.with_traceback(None)]


@contextlib.contextmanager
def _current(device: str) -> Iterator[None]:
    """Make a GPU the one on which streams and graphs are made, and all products alike exact."""
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


def _all_done(folders: dict[RunConfig, Path]) -> dict[RunConfig, Record]:
    done = {config: _done(config, folder) for config, folder in folders.items()}
    return {config: record for config, record in done.items() if record is not None}


def _done(config: RunConfig, folder: Path) -> Record | None:
    found = records.load(folder, config)
    if found is None or found.status != "done":
        return None
    if (folder / checkpoint.STATE).exists():
        # Killed at the very end; a folder that is in use or read-only is left as it is.
        with contextlib.suppress(RecordError), records.lock(folder):
            checkpoint.drop_state(folder)
    return found


def resolve(device: str) -> str:
    """Return the device to use: "cpu", "cuda", "cuda:1", or "auto" for CUDA where there is one.

    Raises ConfigError if CUDA is asked for and there is none.
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
