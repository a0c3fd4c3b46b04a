"""The measured values that come with the repository, and the printed ones beside them."""

import os
from pathlib import Path

import pandas as pd

from companion import attribution
from unfolded.errors import RecordError, complain
from unfolded.provenance import ROOT
from unfolded.runs import records, results_table

# A commit or a hash may happen to be made of digits only.
_NAMES = ("commit", "config_hash", "data_sha256")


def committed(name: str = "runs.csv") -> pd.DataFrame:
    """Return a table of data/results/, the measured values that come with the repository."""
    return read(results_table.RESULTS / name)


def curves(config_hash: str) -> pd.DataFrame:
    """Return the committed learning curves of a run: one row an epoch, as in its record."""
    return read(results_table.RESULTS / "curves" / f"{config_hash}.csv")


def sequences(config_hash: str) -> pd.DataFrame | None:
    """Return the committed test errors of a run, one row a sequence, or None if it kept none."""
    path = results_table.RESULTS / "sequences" / f"{config_hash}.csv"
    return read(path) if path.exists() else None


def printed() -> pd.DataFrame:
    """Return the paper's Tables 1–3 as printed, one row a cell."""
    return read(ROOT / "data" / "paper" / "tables.csv")


def collect(store: str | Path | None = None) -> pd.DataFrame:
    """Return every record of a folder of runs as a table, one row per run."""
    rows = [record.row() for record in records.stored(store)]
    return pd.DataFrame(rows, columns=records.COLUMNS)


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
    return attribution.mark(table, attribution.mark(table, path))
