"""The measured values that come with the repository, and the printed ones beside them."""

import csv
import io
import os
from pathlib import Path

import pandas as pd

from unfolded import files, sources
from unfolded.config import LATER
from unfolded.errors import RecordError, complain
from unfolded.provenance import ROOT
from unfolded.records import COLUMNS, Record

RESULTS = ROOT / "data" / "results"
_COUNTS = ("hidden", "depth", "seed", "epochs", "parameters", "threads")
# A commit or a hash may happen to be made of digits only.
_NAMES = ("commit", "config_hash", "data_sha256")


def committed(name: str = "runs.csv") -> pd.DataFrame:
    """Return a table of data/results/, the measured values that come with the repository."""
    return read(RESULTS / name)


def curves(config_hash: str) -> pd.DataFrame:
    """Return the committed learning curves of a run: one row an epoch, as in its record."""
    return read(RESULTS / "curves" / f"{config_hash}.csv")


def sequences(config_hash: str) -> pd.DataFrame | None:
    """Return the committed test errors of a run, one row a sequence, or None if it kept none."""
    path = RESULTS / "sequences" / f"{config_hash}.csv"
    return read(path) if path.exists() else None


def printed() -> pd.DataFrame:
    """Return the paper's Tables 1–3 as printed, one row a cell."""
    return read(ROOT / "data" / "paper" / "tables.csv")


def commit_runs(found: pd.DataFrame) -> int:
    """Merge runs into data/results/runs.csv, the newer record of a configuration winning.

    Returns how many rows the table then has. Raises RecordError if the table there is damaged.
    """
    path = RESULTS / "runs.csv"
    rows = [{name: _text(name, row[name]) for name in COLUMNS} for row in found.to_dict("records")]
    try:
        if path.exists():
            # Kept as text, so that what does not change keeps its every digit.
            with path.open(encoding="utf-8", newline="") as file:
                table = csv.DictReader(file)
                if "config_hash" not in (table.fieldnames or ["config_hash"]):
                    raise KeyError("config_hash")
                rows = [*(LATER | row for row in table), *rows]
        newest = {row["config_hash"]: row for row in sorted(rows, key=lambda row: row["started"])}
        rows = sorted(newest.values(), key=_place)
    except (OSError, KeyError, TypeError, ValueError, csv.Error) as error:
        do = "restore it with git checkout"
        raise RecordError(complain(f"a table of runs at {path}", repr(error), do)) from error
    content = io.StringIO()
    table = csv.DictWriter(content, COLUMNS, "", extrasaction="ignore", lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    files.write(path, content.getvalue())
    return len(rows)


def commit_details(found: list[Record]) -> None:
    """Write curves/ and sequences/ of data/results/, one file a run, six digits a value."""
    for record in found:
        epochs = pd.DataFrame(record.curves)
        _write("curves", record, epochs.set_axis(range(1, len(epochs) + 1)), "epoch")
        if record.sequence_mse:
            tested = pd.DataFrame({"test_mse": record.sequence_mse})
            _write("sequences", record, tested, "sequence")


def _write(kind: str, record: Record, table: pd.DataFrame, index: str) -> None:
    content = table.to_csv(index_label=index, float_format="%.6g", lineterminator="\n")
    files.write(RESULTS / kind / f"{record.config_hash}.csv", content)


def _text(name: str, value: object) -> str:
    if pd.isna(value):
        return ""
    return str(int(value) if name in _COUNTS else value)


def _place(row: dict[str, str]) -> tuple:
    words = [row[name] for name in ("profile", "protocol", "source", "model")]
    numbers = [float(row[name]) for name in ("cs_rate", "hidden", "depth", "seed")]
    return *words, *numbers, row["config_hash"]


def note(path: Path) -> Path:
    """Tell the execution gate that the page being made depends on a committed file."""
    ledger = os.environ.get("UNFOLDED_READS")
    if ledger:
        with open(ledger, "a", encoding="utf-8") as file:
            file.write(f"{path.relative_to(ROOT).as_posix()}\n")
    return path


def read(path: Path) -> pd.DataFrame:
    """Return a committed table that carries its source, and tell the gate.

    Raises RecordError if there is none.
    """
    note(path)
    if not path.exists():
        do = "run `python -m unfolded tables --commit` or check the file out again"
        raise RecordError(complain(f"the table {path.name}", "no such file", do))
    table = pd.read_csv(path, dtype=dict.fromkeys(_NAMES, str))
    return sources.mark(table, sources.mark(table, path))
