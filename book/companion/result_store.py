"""Tables of data/results/: stored rows, their provenance, and computation of missing rows."""

import contextlib
import functools
import hashlib
import json
import sys
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from pathlib import Path

import joblib
import numpy as np
import pandas as pd

from unfolded import files
from unfolded.errors import RecordError, complain
from unfolded.provenance import stamp
from unfolded.runs import records, results_table

_ORIGIN = ("commit", "torch", "system", "processor", "cores", "threads", "device", "started")

Task = Callable[[], tuple[str, Mapping[str, Sequence[dict]]]]
"""A computation: it returns a line of text, and its rows by name of the table."""


def origin(device: str = "cpu", threads: int = 1) -> dict[str, object]:
    """Return the provenance of a computation, for a row of a table."""
    facts = stamp(device)
    return {name: facts[name] for name in _ORIGIN} | {"threads": threads}


def timed(call: Callable[[], object]) -> tuple[object, dict[str, object]]:
    """Return the result of a call, and its provenance with the duration as ``seconds``."""
    facts, start = origin(), time.perf_counter()
    result = call()
    return result, facts | {"seconds": round(time.perf_counter() - start, 1)}


def key(fields: dict) -> str:
    """Return twelve hexadecimal digits that identify a training by its settings."""
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()[:12]


def stored_keys(name: str, *columns: str) -> set[Hashable]:
    """Return the first entries of the rows of a table, or tuples of the entries in ``columns``.

    Entries are texts. Returns an empty set if the table is missing. Raises RecordError if the table
    is damaged.
    """
    path = results_table.RESULTS / name
    if not path.exists():
        return set()
    table = _read(path, columns)
    return set(
        table[list(columns)].itertuples(index=False, name=None) if columns else table.iloc[:, 0]
    )


def merge(name: str, rows: Sequence[dict]) -> None:
    """Replace or add rows of data/results/, identified by the first entry.

    Raises RecordError if the table is damaged or not writable; the old table remains.
    """
    key = next(iter(rows[0]))
    path, table = results_table.RESULTS / name, _text(pd.DataFrame(rows))
    # Several commands may store results at the same time, with different folders of runs.
    with records.lock(results_table.RESULTS, wait=True):
        if path.exists():
            old = _read(path, [key])
            table = pd.concat([old[~old[key].isin(table[key])], table])
        write(path, table)


def write(path: Path, table: pd.DataFrame, digits: int = 6) -> None:
    """Write a table as CSV, completely or not at all, with this number of significant digits."""
    text = _text(table, digits).fillna("")
    results_table.write(path, list(text), text.to_dict("records"))


def complete(
    name: str,
    tasks: Mapping[Hashable, Task],
    searched: str,
    *,
    columns: Sequence[str] = (),
    jobs: int = 1,
    folder: Path | None = None,
) -> list[dict]:
    """Run the tasks whose keys are missing in a table; return the rows added to this table.

    The keys of ``tasks`` are entries as in :func:`stored_keys`. Rows are stored after each task, in
    the order of its tables; if that of ``name`` is last, an interrupted task is repeated. A task
    that stores its rows itself returns no tables. Prints one line per task, and a summary on
    standard error. ``searched`` is the summary without any task: where tasks were searched and what
    to do; ``jobs``: number of processes, -1 for all cores. ``folder`` has one folder per key for
    the checkpoint of a task: it is locked during the task, so that several commands may run
    different tasks of a table; the rows of these tasks are not returned.
    """
    if folder:
        tasks = {key: functools.partial(_locked, name, key, task, folder / key)
                 for key, task in tasks.items()}  # fmt: skip
    stored = stored_keys(name, *columns)
    missing = [joblib.delayed(task)() for key, task in tasks.items() if key not in stored]
    added = []
    for text, tables in joblib.Parallel(jobs, return_as="generator_unordered")(missing):
        for table, rows in tables.items():
            merge(table, rows)
        added += tables.get(name, [])
        print(text, flush=True)
    counts = f"{len(missing)} computed, {len(tasks) - len(missing)} already in data/results/{name}"
    print(f"companion: {counts if tasks else searched}", file=sys.stderr)
    return added


def _locked(name: str, key: str, task: Task, folder: Path) -> tuple[str, dict]:
    """Run a task and store its rows, unless another process runs it or has stored it."""
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(records.lock(folder))
        except RecordError as error:
            return str(error), {}
        text = f"{key} is stored by another process"
        if key not in stored_keys(name):
            text, tables = task()
            for table, rows in tables.items():
                merge(table, rows)
        files.drop(folder / records.STATE)
    return text, {}


def _read(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """Return a table as text, so that unchanged values keep all digits."""
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
        table[list(columns)]
    except (OSError, KeyError, ValueError) as error:
        do = "restore it with git checkout"
        raise RecordError(complain(f"a table at {path}", repr(error), do)) from error
    return table


def _text(table: pd.DataFrame, digits: int = 6) -> pd.DataFrame:
    def text(value: object) -> str:
        if isinstance(value, float):
            return "" if np.isnan(value) else f"{value:.{digits}g}"
        return "" if value is None else str(value)

    return table.map(text)
