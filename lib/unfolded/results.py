"""Records of runs: one folder a run, and the table of runs that the book reads."""

import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pandas as pd

from unfolded import files
from unfolded.config import RunConfig
from unfolded.errors import RecordError, complain
from unfolded.provenance import ROOT

RESULTS = ROOT / "data" / "results"
RECORD = "record.json"
COLUMNS = [
    *("model", "cs_rate", "hidden", "depth", "protocol", "profile", "source", "reduction"),
    *("positivity", "lambda1", "lambda2", "seed", "status", "epochs"),
    *("psnr_authors", "psnr_frame", "psnr_sequence", "psnr_global", "test_mse"),
    *("parameters", "seconds", "device", "processor", "threads", "commit", "torch", "started"),
    *("data_sha256", "config_hash", "reason"),
]


@dataclass(frozen=True)
class Record:
    """What is kept of a run, finished or failed.

    ``metrics``: psnr_* in dB and test_mse in squared grey levels of 255, on the test set.
    ``curves``: one value an epoch of train_mse, validation_mse (squared grey levels) and
    learning_rate. ``reason``: why a failed run failed. ``seconds``: training time over all tries.
    """

    config: dict
    config_hash: str
    status: str
    metrics: dict[str, float] = field(default_factory=dict)
    curves: dict[str, list[float]] = field(default_factory=dict)
    learned: dict[str, float] = field(default_factory=dict)
    parameters: int = 0
    seconds: float = 0.0
    data_sha256: str = ""
    reason: str = ""
    provenance: dict = field(default_factory=dict)

    def row(self) -> dict:
        """Return the record as one row of the table of runs."""
        flat = {**self.config, **self.metrics, **self.provenance, **asdict(self)}
        flat["epochs"] = len(self.curves.get("train_mse", []))
        return {name: flat.get(name) for name in COLUMNS}


def store(folder: str | Path | None = None) -> Path:
    """Return the folder of runs: the argument, else UNFOLDED_RUNS, else runs/ in the checkout."""
    return Path(folder or os.environ.get("UNFOLDED_RUNS") or ROOT / "runs")


def folder_of(config: RunConfig, runs: str | Path | None = None) -> Path:
    """Return the folder of one run."""
    return store(runs) / config.hash


def save(record: Record, folder: Path) -> None:
    """Write the record of a run, whole or not at all."""
    files.write_json(folder / RECORD, asdict(record))


def load(folder: Path) -> Record | None:
    """Return the record in this folder, or None. Raises RecordError if it is damaged."""
    path = Path(folder) / RECORD
    if not path.exists():
        return None
    try:
        return Record(**files.read_json(path))
    except TypeError as error:
        do = "delete its folder and run again"
        raise RecordError(complain(f"a record of a run at {path}", error, do)) from error


def collect(runs: str | Path | None = None) -> pd.DataFrame:
    """Return every record of a folder of runs as a table, one row a run."""
    found = [load(path.parent) for path in sorted(store(runs).glob(f"*/{RECORD}"))]
    return pd.DataFrame([record.row() for record in found if record], columns=COLUMNS)


def committed(name: str = "runs.csv") -> pd.DataFrame:
    """Return a table of data/results/, the measured values that come with the repository."""
    return _read(RESULTS / name)


def printed() -> pd.DataFrame:
    """Return the paper's Tables 1–3 as printed, one row a cell."""
    return _read(ROOT / "data" / "paper" / "tables.csv")


def commit_runs(found: pd.DataFrame) -> int:
    """Merge runs into data/results/runs.csv, the newer record of a configuration winning."""
    path = RESULTS / "runs.csv"
    tables = [found[list(COLUMNS)]]
    if path.exists():
        tables.insert(0, pd.read_csv(path, keep_default_na=False, dtype=str))
    merged = pd.concat(tables).drop_duplicates("config_hash", keep="last")
    order = ["profile", "protocol", "source", "model", "cs_rate", "hidden", "depth", "seed"]
    files.write(path, merged.astype(str).sort_values([*order, "config_hash"]).to_csv(index=False))
    return len(merged)


def _read(path: Path) -> pd.DataFrame:
    """Read a committed table and tell the execution gate that a page depends on it."""
    ledger = os.environ.get("UNFOLDED_READS")
    if ledger:
        with open(ledger, "a", encoding="utf-8") as file:
            file.write(f"{path.relative_to(ROOT).as_posix()}\n")
    if not path.exists():
        do = "run `python -m unfolded tables` or check the file out again"
        raise RecordError(complain(f"the table {path.name}", "no such file", do))
    return pd.read_csv(path)
