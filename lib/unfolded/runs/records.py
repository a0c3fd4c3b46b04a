"""Records of runs: one folder per run, with its configuration, its results and a lock."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from itertools import chain
from pathlib import Path

import filelock

from unfolded import files
from unfolded.errors import RecordError, complain
from unfolded.provenance import ROOT
from unfolded.runs.config import FIRST_FIELDS, LATER, RunConfig

RECORD, STATE = "record.json", "state.pt"
METRICS = ("psnr_authors", "psnr_frame", "psnr_sequence", "psnr_global", "test_mse")
COLUMNS = [
    *("model", "cs_rate", "hidden", "depth", "protocol", "profile", "source", "reduction"),
    *("positivity", "lambda1", "lambda2", "reweighting", "norm_penalty", "learning_rate", "seed"),
    *("schedule", "memory", "variant", "status", "epochs"),
    *METRICS,
    *("learned_c", "learned_lambda1", "learned_lambda2"),
    *("parameters", "seconds", "device", "processor", "threads", "commit", "torch", "started"),
    *("data_sha256", "config_hash", "reason"),
]


@dataclass(frozen=True)
class Record:
    """The stored data of a finished or failed run.

    ``metrics``: psnr_* in dB and test_mse in squared grey levels of 255, on the test set.
    ``curves``: one value per epoch of train_mse, validation_mse (squared grey levels) and
    learning_rate, and of c, lambda1 and lambda2 of an unfolded network after the epoch (not in
    the oldest runs). ``sequence_mse``: the test error of each sequence, in file order, in squared
    grey levels. ``reason``: why a run failed. ``seconds``: training time over all attempts;
    runs of a group of size ``provenance["together"]`` have equal parts of the total time.
    """

    config: dict
    config_hash: str
    status: str
    metrics: dict[str, float] = field(default_factory=dict)
    curves: dict[str, list[float]] = field(default_factory=dict)
    sequence_mse: list[float] = field(default_factory=list)
    learned: dict[str, float] = field(default_factory=dict)
    parameters: int = 0
    seconds: float = 0.0
    data_sha256: str = ""
    reason: str = ""
    provenance: dict = field(default_factory=dict)

    def row(self) -> dict:
        """Return the record as one row of the table of runs."""
        entries = {**LATER, **self.config, **self.metrics, **self.provenance, **asdict(self)}
        entries |= {f"learned_{name}": value for name, value in self.learned.items()}
        entries["epochs"] = len(self.curves.get("train_mse", []))
        return {name: entries.get(name) for name in COLUMNS}


def store(folder: str | Path | None = None) -> Path:
    """Return the folder of runs: the argument, else UNFOLDED_RUNS, else runs/ in the checkout."""
    return Path(folder or os.environ.get("UNFOLDED_RUNS") or ROOT / "runs").expanduser()


def folder_of(config: RunConfig, runs: str | Path | None = None) -> Path:
    """Return the folder of one run."""
    return store(runs) / config.hash


def save(record: Record, folder: Path) -> None:
    """Write the record of a run atomically."""
    files.write_json(folder / RECORD, asdict(record))


def load(folder: Path, config: RunConfig | None = None) -> Record | None:
    """Return the record in this folder, or None if it does not exist.

    Raises RecordError if it is damaged or belongs to a configuration other than ``config``.
    """
    path = Path(folder) / RECORD
    content = files.read_json(path)
    if content is None:
        return None
    try:
        record = Record(**content)
        required = {"done": set(METRICS), "failed": set()}[record.status]
        columns = [record.metrics.values(), record.learned.values(), *record.curves.values()]
        numbers = [*chain(*columns), *record.sequence_mse, record.seconds, record.parameters]
        texts = record.reason, record.row()["started"] or ""
        is_valid = required <= set(record.metrics) and set(FIRST_FIELDS) <= set(record.config)
        is_valid &= all(isinstance(number, float | int) for number in numbers)
        is_valid &= len({len(curve) for curve in record.curves.values()}) <= 1
        if not (is_valid and all(isinstance(text, str) for text in texts)):
            raise TypeError
    except (AttributeError, KeyError, TypeError) as error:
        got, do = "one with missing or invalid entries", "delete its folder and run again"
        raise RecordError(complain(f"a record of a run at {path}", got, do)) from error
    if config is not None and record.config_hash != config.hash:
        want, do = f"the record of {config.hash} at {path}", "use one folder for each configuration"
        raise RecordError(complain(want, f"one of {record.config_hash}", do))
    return record


@contextlib.contextmanager
def lock(folder: Path, wait: bool = False) -> Iterator[None]:
    """Lock a folder for this process; a lock is released when its process ends.

    Raises RecordError if the folder cannot be locked or, without ``wait``, if another process holds
    the lock.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file_lock = filelock.FileLock(folder / ".lock", timeout=-1 if wait else 0)
        file_lock.acquire()
    except filelock.Timeout as error:
        got = "another process trains this run"
        raise RecordError(complain(f"{folder.name} to be free", got, "wait for it")) from error
    except NotImplementedError as error:
        do = "use a file system with locks (for runs, set UNFOLDED_RUNS or --store)"
        raise RecordError(complain(f"to lock {folder}", "no locks there", do)) from error
    except OSError as error:
        raise files.cannot_write(folder, error) from error
    try:
        files.sweep(folder)
        yield
    finally:
        file_lock.release()


def stored(
    runs: str | Path | None = None, damaged: list[RecordError] | None = None
) -> list[Record]:
    """Return all records in a folder of runs, sorted by name.

    Raises RecordError if the path is a file, or if a record is damaged; errors of records are
    appended to the list ``damaged`` instead if it is given.
    """
    if store(runs).is_file():
        do = "correct UNFOLDED_RUNS or --store"
        raise RecordError(complain(f"a folder of runs at {store(runs)}", "a file", do))
    records = []
    for path in sorted(store(runs).glob(f"*/{RECORD}")):
        try:
            records.append(load(path.parent))
        except RecordError as error:
            if damaged is None:
                raise
            damaged.append(error)
    return [record for record in records if record]
