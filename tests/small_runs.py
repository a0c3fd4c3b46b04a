"""Runs of one second, child processes that train them, and controlled interruptions."""

import contextlib
import json
import multiprocessing
import os
import signal
import sys
import time
from pathlib import Path

import pytest
import torch

from unfolded import data, training
from unfolded.runs import config, input_frames, records
from unfolded.runs.config import Profile, RunConfig
from unfolded.runs.records import Record
from unfolded.training import trainer
from unfolded.training.trainer import Trainer

SMALL = Profile(count=50, epochs=3, hidden=9)
"""Forty training sequences, which are two steps per epoch."""

config.PROFILES["small"] = SMALL


def small(model: str = "reweighted-rnn", **fields) -> RunConfig:
    """Return the configuration of a run that takes a fraction of a second."""
    return RunConfig(model=model, profile="small", **fields)


def run(run_config, store, **options) -> Record:
    """Train a run in this process without a progress bar."""
    return training.run(run_config, store=store, progress=False, **options)


def new_trainer(run_config=None, store="unused", cache=None) -> Trainer:
    """Return the trainer of a run before its first epoch, with frames from the cache."""
    run_config = run_config or small()
    frames = input_frames.on_device(run_config, "cpu", {} if cache is None else cache)
    return Trainer(run_config, "cpu", records.folder_of(run_config, store), False, frames)


def preload() -> None:
    """Import the modules and generate the data of all runs, before children are forked."""
    torch.set_num_threads(1)
    data.sequences(count=SMALL.count)
    parameter = torch.nn.Parameter(torch.zeros(1))
    parameter.grad = torch.zeros(1)
    torch.optim.Adam([parameter]).step()


def child(fields: dict, store: str, fault: tuple | None = None) -> None:
    """Train in this process; ``fault``: the file name and the moment of a simulated fault."""
    torch.set_num_threads(1)
    # A fixed commit, so that a commit during the tests does not cause a difference of runs.
    trainer.stamp = lambda device, stamp=trainer.stamp: {**stamp(device), "commit": "of the tests"}
    if fault is not None:
        _install_fault(*fault)
    training.run(small(**fields), store=store, progress=False)


def _install_fault(name: str, moment: str) -> None:
    """Kill or stop the process at its first write of this file, half-way or after the move."""
    replace = os.replace

    def faulty_replace(source, target):
        if Path(target).name != name:
            return replace(source, target)
        if moment == "half-way":
            os.truncate(source, os.path.getsize(source) // 2)
            os.kill(os.getpid(), signal.SIGKILL)
        replace(source, target)
        if moment == "moved":
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(60)  # For the moment "waits", the test kills the process.

    os.replace = faulty_replace


def start(fields: dict, store: Path, fault: tuple | None = None):
    """Start a child that trains, forked from a server process with all imports."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["warm_runs"])
    process = context.Process(target=child, args=(fields, str(store), fault))
    # The server process inherits the environment of this process, but not sys.path.
    original = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    try:
        process.start()
    finally:
        del os.environ["PYTHONPATH"]
        if original is not None:
            os.environ["PYTHONPATH"] = original
    return process


def end(process) -> int:
    """Wait for a child; return its exit status, or the negative number of its signal."""
    process.join(60)
    status = process.exitcode
    process.close()
    return status


@contextlib.contextmanager
def interrupted(is_last=lambda trainer: True, after=lambda trainer: None):
    """Raise KeyboardInterrupt after the first checkpoint for which ``is_last`` is true."""

    def stop(self, save=Trainer.save):
        save(self)
        after(self)
        if is_last(self):
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "save", stop)
        yield


def result(folder: Path) -> tuple[dict, dict[str, bytes]]:
    """Return the record of a run without its times, and the contents of other non-empty files."""
    contents = {path.name: path.read_bytes() for path in Path(folder).iterdir()}
    record = json.loads(contents.pop("record.json"))
    record.pop("seconds")
    record["provenance"].pop("started")
    return record, {name: content for name, content in contents.items() if content}
