"""Small committed tables filled by several trainings: merging of rows, and provenance."""

import hashlib
import io
import json

import filelock
import numpy as np
import pandas as pd

from companion import results
from unfolded import files
from unfolded.errors import RecordError, complain
from unfolded.provenance import stamp
from unfolded.runs import records, results_table

_ORIGIN = ("commit", "torch", "system", "processor", "cores", "threads", "device", "started")


def origin() -> dict[str, object]:
    """Return the provenance of a training on one thread, for a row of a table."""
    facts = stamp()
    return {name: facts[name] for name in _ORIGIN} | {"threads": 1}


def key(fields: dict) -> str:
    """Return twelve hexadecimal digits that identify a training by its settings."""
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()[:12]


def stored_keys(name: str) -> set[str]:
    """Return the first entries of the rows of a table of data/results/; none if it is missing."""
    exists = (results_table.RESULTS / name).exists()
    return set(results.load_table(name).iloc[:, 0]) if exists else set()


def merge(name: str, rows: list[dict]) -> None:
    """Replace or add rows of data/results/, identified by the first entry.

    Raises RecordError if the table is damaged or not writable; the old table remains.
    """
    folder = records.store()
    folder.mkdir(parents=True, exist_ok=True)
    # Several commands may store results at the same time.
    with filelock.FileLock(folder / "results.lock"):
        _merge(name, rows)


def _merge(name: str, rows: list[dict]) -> None:
    key = next(iter(rows[0]))
    path, new = results_table.RESULTS / name, pd.DataFrame(rows)
    if path.exists():
        try:
            # Read as text, so that unchanged values keep all digits.
            old = pd.read_csv(path, dtype=str, keep_default_na=False)
            old = old[~old[key].isin(new[key])]
        except (OSError, KeyError, ValueError) as error:
            do = "restore it with git checkout"
            raise RecordError(complain(f"a table at {path}", repr(error), do)) from error
        new = pd.concat([old, _text(new)])
    content = io.StringIO()
    _text(new).fillna("").to_csv(content, index=False, lineterminator="\n")
    files.write(path, content.getvalue())


def _text(table: pd.DataFrame) -> pd.DataFrame:
    def text(value: object) -> str:
        if isinstance(value, float):
            return "" if np.isnan(value) else f"{value:.6g}"
        return "" if value is None else str(value)

    return table.map(text)
