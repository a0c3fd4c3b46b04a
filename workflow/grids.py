"""The runs of a workflow, the preparation of their store, and a summary of their progress."""

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

__all__ = ["FIELDS", "UnfoldedError", "failures", "lock", "plan", "prepare", "runs", "summary"]

FIELDS = tuple(field.name for field in fields(RunConfig))

EXECUTION_SETTINGS = {
    "store": (".*", "a folder"),
    "device": (r"cpu|cuda(:[0-9]+)?", "cpu, cuda or cuda:1"),
    "threads": (r"[1-9][0-9]*", "a whole number >= 1"),
    "retry": (r"true|false", "true or false"),
}
"""Name of each setting that does not change a result: pattern of its values, and description."""

LOCKS: list[filelock.BaseFileLock] = []
"""References to the acquired locks; a lock without a reference would be released."""


def runs(name: str | None, *, seed: object = 0, models: object = "", **base) -> list[RunConfig]:
    """Return the runs of a grid without duplicates; ``seed`` and ``models`` may be several.

    Raises ConfigError if a grid, a model, a field or a value is unknown.

    >>> [run.seed for run in runs("row", seed="0 1", models="gru", profile="smoke")]
    [0, 1]
    """
    for field in base:
        if field not in FIELDS:
            expected = ", ".join(("grid", "models", *FIELDS, *EXECUTION_SETTINGS))
            raise ConfigError(complain(f"settings from {expected}", field, "correct or remove it"))
    model_names = _values(models)
    for model in model_names:
        if model not in networks.names():
            expected = f"models from {', '.join(networks.names())}"
            raise ConfigError(complain(expected, repr(model), "choose some of them"))
    base |= {"model": model_names[0]} if model_names else {}
    bases = [RunConfig(seed=_integer(value), **base) for value in _values(seed)]
    grids = (named_grids.named(name, config, model_names or None) for config in bases)
    return list(dict.fromkeys(run for grid in grids for run in grid))


def _values(setting: object) -> list[str]:
    """Split a setting from a command line or a YAML file: 0, "0 1", "0,1" or [0, 1]."""
    values = setting if isinstance(setting, list) else str(setting).replace(",", " ").split()
    return [str(value) for value in values]


def _integer(value: str) -> object:
    return int(value) if value.isdecimal() else value


def prepare(settings: dict, *, dry_run: bool) -> tuple[list[RunConfig], Path]:
    """Return the runs and the store of a workflow, and prepare the store for its jobs.

    Unless ``dry_run``, lock the store until this process ends, remove the records of failed runs
    if the setting ``retry`` is true, and write the plan. Raises ConfigError as :func:`runs`, and
    RecordError if the store is in use or damaged, or if it cannot be written.
    """
    execution = {name: str(settings.pop(name)) for name in EXECUTION_SETTINGS if name in settings}
    for name, value in execution.items():
        pattern, expected = EXECUTION_SETTINGS[name]
        if not re.fullmatch(pattern, value, re.IGNORECASE | re.DOTALL):
            raise ConfigError(complain(f"{name} {expected}", repr(value), "correct it"))
    selected = runs(settings.pop("grid", None), **settings)
    store = records.store(execution.get("store")).resolve()
    if not dry_run:
        lock(store)
        retry = execution.get("retry", "").lower() == "true"
        for run in failures(selected, store) if retry else ():
            files.drop(records.folder_of(run, store) / records.RECORD)
        earlier = {}
        with contextlib.suppress(RecordError):  # A damaged plan is replaced.
            # Jobs of an earlier grid may still be in the queue of a cluster.
            earlier = files.read_json(store / ".plan.json") or {}
        files.write_json(store / ".plan.json", earlier | plan(selected))
    print(summary(selected, store), file=sys.stderr)
    return selected, store


def lock(folder: Path) -> None:
    """Lock a folder for this workflow until the process ends.

    Raises RecordError if another workflow uses the folder, or if it cannot be locked.
    """
    file_lock = filelock.FileLock(folder / ".workflow.lock")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file_lock.acquire(timeout=0)
    except filelock.Timeout as error:
        remedy = "wait for its end or choose another store"
        raise RecordError(
            complain(f"the store {folder} to be free", "another workflow that uses it", remedy)
        ) from error
    except NotImplementedError as error:
        remedy = "choose a store on another file system"
        raise RecordError(complain(f"to lock {folder}", "no support for locks", remedy)) from error
    except OSError as error:
        raise files.cannot_write(folder, error) from error
    LOCKS.append(file_lock)


def plan(selected: list[RunConfig]) -> dict[str, dict]:
    """Return the options and the width of each run by hash; a job reads them from a file."""
    return {run.hash: {"options": run.arguments(), "hidden": run.hidden} for run in selected}


def failures(selected: list[RunConfig], store: Path) -> dict[RunConfig, str]:
    """Return the reason for the failure of each run with a record of a failure."""
    stored = {run: records.load(records.folder_of(run, store), run) for run in selected}
    return {
        run: record.reason for run, record in stored.items() if record and record.status == "failed"
    }


def summary(selected: list[RunConfig], store: Path) -> str:
    """Return the numbers of done, failed and remaining runs, and the reason for each failure."""
    recorded = [
        run for run in selected if (records.folder_of(run, store) / records.RECORD).exists()
    ]
    reasons = failures(recorded, store)
    done, left = len(recorded) - len(reasons), len(selected) - len(recorded)
    counts = f"{done} of {len(selected)} done, {len(reasons)} failed, {left} left"
    lines = [f"{counts} in {store}"]
    lines += [f"  {run.hash} {run.model} failed: {reason}" for run, reason in reasons.items()]
    return "\n".join(lines + ["  retry=true repeats failed runs"] * bool(reasons))
