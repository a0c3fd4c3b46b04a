"""The records of the measurements: small tables, one row per measurement, with their origin."""

import contextlib
from pathlib import Path

import pandas as pd
import torch

from companion import result_store
from unfolded.runs import records, results_table

LEGEND = {
    "median_ms": "milliseconds per step (also min, q1, q3)",
    "ratio": "time over that of the engine, the selected routine or the first network in a round",
    "faults": "page faults per step",
    "kept": "bytes stored for the backward pass",
    "peak": "largest number of allocated bytes",
    "left": "bytes of the gradients",
}
"""The meaning and unit of each column that its name does not state."""


class Record:
    """A table that is written to disk completely after each new row."""

    def __init__(self, path: Path, *, device: str = "cpu", **conditions: object):
        self.path, self.rows = path, []
        origin = result_store.origin(device, torch.get_num_threads())
        self.origin = {**conditions, **origin}

    def add(self, *rows: dict[str, object]) -> None:
        """Add rows and rewrite the file."""
        self.rows += [{**row, **self.origin} for row in rows]
        result_store.write(self.path, self.table())

    def table(self) -> pd.DataFrame:
        """Return all rows."""
        return pd.DataFrame(self.rows)

    def show(self) -> None:
        """Print the table without its origin, its legend, the origin and the path of the record."""
        with contextlib.suppress(BrokenPipeError):
            table = self.table().drop(columns=list(self.origin))
            print(table.to_string(index=False, float_format="{:.4g}".format, na_rep="–"))
            legend = {name: text for name, text in LEGEND.items() if name in table}
            for facts in (legend, self.origin):
                print("; ".join(f"{name}: {value}" for name, value in facts.items()))
            print(f"record: {self.path}")


def record_path(name: str, out: str | None, commit: bool) -> Path:
    """Return the path in data/results/speed/ if ``commit``, else in ``out`` or next to the runs."""
    folder = results_table.RESULTS / "speed" if commit else Path(out or records.store() / "speed")
    return folder.expanduser() / f"{name}.csv"
