"""Training of one network as the protocol says; what is interrupted goes on where it was."""

import contextlib
import os
import re
from collections.abc import Iterable
from pathlib import Path

import joblib
import torch
from torch import Tensor

from unfolded import checkpoints, metrics, results
from unfolded.config import RunConfig
from unfolded.errors import ConfigError, RecordError, complain
from unfolded.guards import flushed_denormals, held, threads_for
from unfolded.job import Job, learned, load
from unfolded.results import Record

__all__ = ["learned", "mean_frame_psnr", "resolve", "run", "run_all", "unseen_frames"]


def run(
    config: RunConfig,
    *,
    device: str = "cpu",
    store: str | Path | None = None,
    progress: bool = True,
    again: bool = False,
) -> Record:
    """Return the record of a run, training it if there is none yet.

    A finished run is read, not repeated; a failed one is tried anew; an interrupted one goes on
    after its last whole epoch and ends with the same numbers. With ``again`` it starts anew
    whatever there is, and an old record stays until the first epoch is done.
    Raises TrainingError on a non-finite loss (a failed record is kept), RecordError if the folder
    is in use, damaged or cannot be written, DataError or ConfigError on bad input.
    """
    device = resolve(device)
    folder = results.folder_of(config, store)
    done = None if again else _done(config, folder)
    if done is not None:
        return done
    with threads_for(config.hidden), flushed_denormals():
        # Before the folder is touched: what cannot start leaves nothing behind.
        job = Job(config, device, folder, progress)
        with held(folder):
            if again:
                checkpoints.drop_state(folder)
            # Another process may have finished the run while this one loaded its data.
            return (None if again else _done(config, folder)) or job.finish()


def run_all(configs: Iterable[RunConfig], *, device: str = "cpu", **options) -> list[Record]:
    """Return the records of several runs, trained side by side: one process a core on the CPU.

    On a GPU they are trained one after the other. Options and errors: as :func:`run`; a run that
    fails ends the others that have not begun.
    """
    device = resolve(device)
    processes = os.cpu_count() if device == "cpu" else 1
    each = (joblib.delayed(run)(config, device=device, **options) for config in configs)
    return joblib.Parallel(n_jobs=processes)(each)


def _done(config: RunConfig, folder: Path) -> Record | None:
    found = results.load(folder, config)
    if found is None or found.status != "done":
        return None
    if (folder / checkpoints.STATE).exists():
        # Killed at the very end; a folder that is in use or read-only is left as it is.
        with contextlib.suppress(RecordError), held(folder):
            checkpoints.drop_state(folder)
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


def unseen_frames(config: RunConfig) -> Tensor:
    """Return the test sequences of a configuration in the protocol's units: (count, 20, n0)."""
    return load(config)[0][2]


def mean_frame_psnr(config: RunConfig, average: str = "authors") -> float:
    """Return the test PSNR in dB of no network at all: of the mean of all training frames."""
    (train, _, test), _ = load(config)
    mean = train.mean((0, 1)).expand_as(test)
    return metrics.psnr(test, mean, peak=config.scale.peak, average=average)
