"""The measured values in the repository, and the printed values of the paper."""

import os
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from companion import attribution
from unfolded.errors import RecordError, complain
from unfolded.provenance import ROOT
from unfolded.runs import records, results_table

# A commit or a hash may consist of digits only.
_NAMES = ("commit", "config_hash", "data_sha256")


def load_table(name: str = "runs.csv", missing: Sequence[str] | None = None) -> pd.DataFrame:
    """Return a table of measured values from data/results/.

    If it is not stored, return an empty table with the columns ``missing``, if these are given.
    A page that reads it is then executed again when the table exists.
    """
    path = results_table.RESULTS / name
    if missing is None or register_read(path).exists():
        return read(path)
    return pd.DataFrame(columns=list(missing))


def curves(config_hash: str) -> pd.DataFrame:
    """Return the committed learning curves of a run: one row per epoch, as in its record."""
    return read(results_table.RESULTS / "curves" / f"{config_hash}.csv")


def sequences(config_hash: str) -> pd.DataFrame | None:
    """Return the committed test errors of a run, one row per sequence, or None if not stored."""
    path = results_table.RESULTS / "sequences" / f"{config_hash}.csv"
    return read(path) if register_read(path).exists() else None


def paper_cells() -> pd.DataFrame:
    """Return the paper's Tables 1–3 as printed, one row per cell."""
    return read(ROOT / "data" / "paper" / "tables.csv")


def paper_values(number: int) -> pd.Series:
    """Return the PSNR in one table of the paper, in dB, by network and value.

    >>> float(paper_values(2)["gru", 128])
    23.55
    """
    cells = paper_cells().query("table == @number")
    values = cells.set_index([cells["model"].str.lower(), "value"])["psnr_db"]
    return attribution.mark(values, cells)


def collect(store: str | Path | None = None) -> pd.DataFrame:
    """Return all records in a folder of runs as a table, one row per run."""
    rows = [record.row() for record in records.stored(store)]
    return pd.DataFrame(rows, columns=records.COLUMNS)


def register_read(path: Path) -> Path:
    """Register a committed file as a dependency of the current page in the execution gate."""
    ledger = os.environ.get("UNFOLDED_READS")
    if ledger:
        with open(ledger, "a", encoding="utf-8") as file:
            file.write(f"{path.relative_to(ROOT).as_posix()}\n")
    return path


def read(path: Path) -> pd.DataFrame:
    """Return a committed table with its source, and register it in the execution gate.

    Raises RecordError if it does not exist.
    """
    register_read(path)
    if not path.exists():
        do = "run `python -m unfolded tables --commit` or check the file out again"
        raise RecordError(complain(f"the table {path.name}", "no such file", do))
    table = pd.read_csv(path, dtype=dict.fromkeys(_NAMES, str))
    return attribution.mark(table, attribution.mark(table, path))
