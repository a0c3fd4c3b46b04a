"""Which runs a workflow makes, in which store, and how far it is."""

import contextlib
import re
import sys
from dataclasses import fields
from pathlib import Path

import filelock

from unfolded import files, networks
from unfolded.errors import ConfigError, RecordError, UnfoldedError, complain
from unfolded.runs import named_grids, records
from unfolded.runs.config import RunConfig

__all__ = ["FIELDS", "UnfoldedError", "claimed", "failed", "opened", "plan", "runs", "summary"]

FIELDS = tuple(field.name for field in fields(RunConfig))
HOW = ("store", "device", "threads", "retry")


def runs(name: str | None, *, seed: object = 0, models: object = "", **base) -> list[RunConfig]:
    """Return the runs of a grid, each once; ``seed`` and ``models`` may name several.

    Raises ConfigError on a grid, a model, a field or a value that is not known.

    >>> [run.seed for run in runs("row", seed="0 1", models="gru", profile="smoke")]
    [0, 1]
    """
    for given in base:
        if given not in FIELDS:
            want = ", ".join(("grid", "models", *FIELDS, *HOW))
            raise ConfigError(complain(f"settings from {want}", given, "correct or drop it"))
    wanted = _words(models)
    for model in wanted:
        if model not in networks.names():
            want = f"models from {', '.join(networks.names())}"
            raise ConfigError(complain(want, repr(model), "choose some of them"))
    base |= {"model": wanted[0]} if wanted else {}
    bases = [RunConfig(seed=_whole(word), **base) for word in _words(seed)]
    configs = [run for config in bases for run in named_grids.named(name, config, wanted or None)]
    return list(dict.fromkeys(configs))


def _words(given: object) -> list[str]:
    """Split what a command line or a YAML file may hold: 0, "0 1", "0,1" or [0, 1]."""
    several = given if isinstance(given, list) else str(given).replace(",", " ").split()
    return [str(word) for word in several]


def _whole(word: str) -> object:
    return int(word) if word.isdecimal() else word


def opened(settings: dict, *, dry: bool) -> tuple[list[RunConfig], Path]:
    """Return the runs and the store of a workflow, ready for its jobs.

    Unless ``dry``, a second workflow is kept out until this process ends, however it ends; with
    the setting ``retry`` the records of failed runs are dropped, and the plan is written.
    Raises ConfigError as :func:`runs`, and RecordError if the store is in use, damaged or cannot
    be written.
    """
    how = {name: str(settings.pop(name)) for name in HOW if name in settings}
    for name, (pattern, want) in _FORMS.items():
        if name in how and not re.fullmatch(pattern, how[name], re.IGNORECASE):
            raise ConfigError(complain(f"{name} {want}", repr(how[name]), "correct it"))
    chosen = runs(settings.pop("grid", None), **settings)
    store = records.store(how.get("store")).resolve()
    if not dry:
        claimed(store)
        for run in failed(chosen, store) if how.get("retry", "").lower() == "true" else ():
            files.drop(records.folder_of(run, store) / records.RECORD)
        known = {}
        with contextlib.suppress(RecordError):  # written anew, if it is damaged
            # Jobs of an earlier grid may still wait in the queue of a cluster.
            known = files.read_json(store / ".plan.json") or {}
        files.write_json(store / ".plan.json", known | plan(chosen))
    print(summary(chosen, store), file=sys.stderr)
    return chosen, store


_FORMS = {
    "device": (r"cpu|cuda(:[0-9]+)?", "cpu, cuda or cuda:1"),
    "threads": (r"[1-9][0-9]*", "a whole number >= 1"),
    "retry": (r"true|false", "true or false"),
}


def claimed(store: Path) -> None:
    """Keep other workflows out of a store until this process ends, however it ends."""
    lock = filelock.FileLock(store / ".workflow.lock")
    try:
        store.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except filelock.Timeout as error:
        want, got = f"the store {store} to be free", "another workflow that runs on it"
        raise RecordError(complain(want, got, "wait for it or choose another store")) from error
    except NotImplementedError as error:
        do = "choose a store on another file system"
        raise RecordError(complain(f"to lock {store}", "no locks there", do)) from error
    except OSError as error:
        raise files.cannot_write(store, error) from error
    HELD.append(lock)


HELD: list[filelock.BaseFileLock] = []
"""What keeps others out; a lock that nobody holds on to is let go."""


def plan(chosen: list[RunConfig]) -> dict[str, dict]:
    """Return what a job must know of each run, by hash; it need not ask the library for it."""
    return {run.hash: {"options": run.arguments(), "hidden": run.hidden} for run in chosen}


def failed(chosen: list[RunConfig], store: Path) -> dict[RunConfig, str]:
    """Return the reasons of those runs whose record says that they failed."""
    stored = {run: records.load(records.folder_of(run, store), run) for run in chosen}
    return {
        run: record.reason for run, record in stored.items() if record and record.status == "failed"
    }


def summary(chosen: list[RunConfig], store: Path) -> str:
    """Return how many runs are done, failed and left, and why which one failed."""
    there = [run for run in chosen if (records.folder_of(run, store) / records.RECORD).exists()]
    reasons = failed(there, store)
    done, left = len(there) - len(reasons), len(chosen) - len(there)
    count = f"{done} of {len(chosen)} done, {len(reasons)} failed, {left} left"
    lines = [f"{count} in {store}"]
    lines += [f"  {run.hash} {run.model} failed: {reason}" for run, reason in reasons.items()]
    return "\n".join(lines + ["  retry=true tries failed runs anew"] * bool(reasons))
