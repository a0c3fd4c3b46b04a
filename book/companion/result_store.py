"""Small committed tables that several trainings fill: rows merged in place, and their origin."""

import hashlib
import io
import json

import numpy as np
import pandas as pd

from companion import results
from unfolded import files
from unfolded.errors import RecordError, complain
from unfolded.provenance import stamp
from unfolded.runs import results_table

_ORIGIN = ("commit", "torch", "system", "processor", "cores", "threads", "device", "started")


def origin() -> dict[str, object]:
    """Return where the numbers of a training on one thread come from, for a row of a table."""
    facts = stamp()
    return {name: facts[name] for name in _ORIGIN} | {"threads": 1}


def key(fields: dict) -> str:
    """Return twelve hexadecimal digits that name a training, from what decides its numbers."""
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()[:12]


def stored(name: str) -> set[str]:
    """Return the first entries of the rows of a table of data/results/; none if there is none."""
    there = (results_table.RESULTS / name).exists()
    return set(results.committed(name).iloc[:, 0]) if there else set()


def merge(name: str, rows: list[dict]) -> None:
    """Put rows in the place of those of data/results/ that have the same first entry.

    Raises RecordError if the table is damaged or cannot be written; the old one stays.
    """
    key = next(iter(rows[0]))
    path, new = results_table.RESULTS / name, pd.DataFrame(rows)
    if path.exists():
        try:
            # Kept as text, so that what does not change keeps its every digit.
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
