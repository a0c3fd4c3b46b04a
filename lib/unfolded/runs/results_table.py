"""The table of finished runs in data/results/, with learning curves and test errors per run."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from unfolded import files
from unfolded.choices import SOURCES
from unfolded.errors import RecordError, complain, one_line
from unfolded.provenance import ROOT
from unfolded.runs.config import LATER
from unfolded.runs.records import COLUMNS, Record, lock

RESULTS = ROOT / "data" / "results"


def merge(records: Sequence[Record]) -> int:
    """Merge runs into data/results/; a newer record replaces an older one, with its details.

    Leaves out runs on own frames. Returns the number of rows of the table. Raises RecordError if
    the existing table is damaged, or the folder cannot be locked or written.
    """
    path, records = RESULTS / "runs.csv", [r for r in records if r.config["source"] in SOURCES]
    new_rows = [record.row() for record in records]
    with lock(RESULTS, wait=True):
        try:
            rows = sorted([*_rows(path), *new_rows], key=lambda row: row["started"] or "")
            newest = {row["config_hash"]: row for row in rows}
            rows = sorted(newest.values(), key=_order)
        except (OSError, KeyError, TypeError, ValueError, csv.Error) as error:
            want, do = f"a table of runs at {path}", "restore it with git checkout"
            raise RecordError(complain(want, one_line(error), do)) from error
        # Write the table last: each of its rows then has its details if the process is killed.
        pairs = zip(records, new_rows, strict=True)
        _write_details([record for record, row in pairs if newest[record.config_hash] is row])
        write(path, COLUMNS, rows)
    return len(rows)


def _rows(path: Path) -> list[dict]:
    """Return the rows of a table as text, so that unchanged values keep all digits."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        header, *lines = [line for line in csv.reader(file) if line] or [[]]
    if "config_hash" not in header or any(len(line) != len(header) for line in lines):
        raise ValueError("a file without the column config_hash, or with rows of another length")
    return [LATER | dict(zip(header, line, strict=True)) for line in lines]


def _write_details(records: Sequence[Record]) -> None:
    """Write curves/ and sequences/ of data/results/, one file per run, six digits per value."""
    for record in records:
        curves = {"epoch": range(1, len(record.curves.get("train_mse", [])) + 1)} | record.curves
        _write_columns("curves", record, curves)
        if record.sequence_mse:
            errors = {"sequence": range(len(record.sequence_mse)), "test_mse": record.sequence_mse}
            _write_columns("sequences", record, errors)


def _write_columns(kind: str, record: Record, columns: Mapping[str, Sequence]) -> None:
    texts = [[f"{value:.6g}" for value in values] for values in columns.values()]
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*texts, strict=True)]
    write(RESULTS / kind / f"{record.config_hash}.csv", list(columns), rows)


def write(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> None:
    """Write rows as a CSV file, completely or not at all; a missing value is left empty."""
    content = io.StringIO()
    table = csv.DictWriter(content, columns, "", extrasaction="ignore", lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    files.write(path, content.getvalue())


def _order(row: Mapping[str, object]) -> tuple:
    words = [row[name] for name in ("profile", "protocol", "source", "model")]
    numbers = [float(row[name]) for name in ("cs_rate", "hidden", "depth", "seed")]
    return *words, *numbers, row["config_hash"]
