"""Runs of one second, and child processes that train them, are killed, or hold a lock."""

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
"""Forty training sequences: two steps an epoch."""

config.PROFILES["small"] = SMALL


def small(model: str = "reweighted-rnn", **fields) -> RunConfig:
    """Return the configuration of a run that takes a fraction of a second."""
    return RunConfig(model=model, profile="small", **fields)


def run(run_config, store, **options) -> Record:
    """Train a run in this process without a bar."""
    return training.run(run_config, store=store, progress=False, **options)


def made(run_config=None, store="unused", cache=None) -> Trainer:
    """Return the trainer of a run, with frames of the cache, before its first epoch."""
    run_config = run_config or small()
    frames = input_frames.on_device(run_config, "cpu", {} if cache is None else cache)
    return Trainer(run_config, "cpu", records.folder_of(run_config, store), False, frames)


def warm() -> None:
    """Pay once, before children are forked, for what every run imports and draws."""
    torch.set_num_threads(1)
    data.sequences(count=SMALL.count)
    parameter = torch.nn.Parameter(torch.zeros(1))
    parameter.grad = torch.zeros(1)
    torch.optim.Adam([parameter]).step()


def child(fields: dict, store: str, plan: tuple | None = None) -> None:
    """Train in this process; ``plan`` says at which write to be killed or to wait."""
    torch.set_num_threads(1)
    # A commit made while the tests run is no difference between two runs.
    trainer.stamp = lambda device, stamp=trainer.stamp: {**stamp(device), "commit": "of the tests"}
    if plan is not None:
        _plant(*plan)
    training.run(small(**fields), store=store, progress=False)


def _plant(name: str, moment: str) -> None:
    """Make the first write of this file the last thing that the process does."""
    replace = os.replace

    def planted(source, target):
        if Path(target).name != name:
            return replace(source, target)
        if moment == "half-way":
            os.truncate(source, os.path.getsize(source) // 2)
            os.kill(os.getpid(), signal.SIGKILL)
        replace(source, target)
        if moment == "moved":
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(60)  # "waits": the test ends it

    os.replace = planted


def start(fields: dict, store: Path, plan: tuple | None = None):
    """Start a child that trains; it is forked from a process that has already imported all."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["warm_runs"])
    process = context.Process(target=child, args=(fields, str(store), plan))
    # The server that forks does not take over the path of this process, only its variables.
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    try:
        process.start()
    finally:
        del os.environ["PYTHONPATH"]
        if before is not None:
            os.environ["PYTHONPATH"] = before
    return process


def end(process) -> int:
    """Wait for a child and return its exit status, negative for the signal that killed it."""
    process.join(60)
    status = process.exitcode
    process.close()
    return status


@contextlib.contextmanager
def interrupted(is_last=lambda trainer: True, after=lambda trainer: None):
    """Interrupt each run, like a user, after the first checkpoint for which ``is_last`` holds."""

    def stop(self, save=Trainer.save):
        save(self)
        after(self)
        if is_last(self):
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "save", stop)
        yield


def result(folder: Path) -> tuple[dict, dict[str, bytes]]:
    """Return a run's record without its times, and every other file that is not empty."""
    contents = {path.name: path.read_bytes() for path in Path(folder).iterdir()}
    record = json.loads(contents.pop("record.json"))
    record.pop("seconds")
    record["provenance"].pop("started")
    return record, {name: content for name, content in contents.items() if content}
