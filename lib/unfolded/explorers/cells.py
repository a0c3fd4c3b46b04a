"""The paper's tables as lines, printed values beside ours, each point with its runs."""

import pandas as pd
import traitlets
from matplotlib.figure import Figure

from unfolded import networks, results, sources, table_figures, tables
from unfolded.config import PROFILES
from unfolded.errors import ConfigError, complain
from unfolded.explorers.element import Explorer, script
from unfolded.grid import VARIED

PAGE = "../book/records.html"
LABELS = {1: "CS rate", 2: "width h", 3: "layers d"}


class CellsExplorer(Explorer):
    """Choices of table, runs and networks over a chart whose points tell their runs.

    ``data`` comes from :func:`recorded`; ``table`` is 1, 2 or 3, ``runs`` the key of a set of runs
    there; ``shown`` names networks, with commas between; ``model`` and ``at`` are the chosen
    point, a network and the place of a value in its row, from 0. Units: dB.
    Raises ConfigError for a table, a network or a place that no table has.

    >>> explorer = CellsExplorer(data=recorded(results.committed()), table=2, at=1)
    >>> explorer.data["printed"][2]["reweighted-rnn"][1]
    31.46
    """

    TAG = "cells-explorer"
    NAMES = ("table", "runs", "shown", "model", "at")
    _esm = script("cells.js")
    data = traitlets.Dict().tag(sync=True)
    table = traitlets.Int(1).tag(sync=True)
    runs = traitlets.Unicode("").tag(sync=True)
    shown = traitlets.Unicode("reweighted-rnn,l1-l1-rnn,sista-rnn").tag(sync=True)
    model = traitlets.Unicode("reweighted-rnn").tag(sync=True)
    at = traitlets.Int(0).tag(sync=True)

    @traitlets.validate(*NAMES)
    def _valid(self, proposal):
        self.check(proposal["trait"].name, proposal["value"])
        return proposal["value"]

    @staticmethod
    def check(name: str, value) -> None:
        """Raise ConfigError for what no table has."""
        known = networks.names()
        fine = {
            "table": lambda: value in VARIED,
            "runs": lambda: isinstance(value, str),
            "shown": lambda: set(value.split(",")) <= set(known),
            "model": lambda: value in known,
            "at": lambda: value in range(6),
        }
        if isinstance(value, bool) or not fine[name]():
            want = {"table": "1, 2 or 3", "at": "a place from 0 to 5", "runs": "a key of a set"}
            expected = f"{name} to be {want.get(name, 'among ' + ', '.join(known))}"
            raise ConfigError(complain(expected, repr(value), "choose another value"))

    def picture(self) -> tuple[Figure, str]:
        """Return all cells of the chosen table, a panel a network, printed beside ours."""
        sets = {each["key"]: each for each in self.data["sets"]}
        chosen = sets.get(self.runs, self.data["sets"][0])
        rows = [
            {"model": self.data["names"][model], "varies": VARIED[self.table][0], "value": value,
             "psnr_db": printed, **{key: (cell or {}).get(key) for key in ("ours", "low", "high")}}
            for model, line in self.data["printed"][self.table].items()
            for value, printed, cell in zip(
                VARIED[self.table][1], line, chosen["cells"][self.table][model], strict=True
            )
        ]  # fmt: skip
        cells = pd.DataFrame(rows).astype(dict.fromkeys(["psnr_db", "ours", "low", "high"], float))
        count = cells["ours"].notna().sum()
        alt = f"Table {self.table}: PSNR against {LABELS[self.table]}, a panel a network, printed "
        alt += f"values beside ours ({chosen['label']}): {count} of {len(cells)} cells were run."
        return table_figures.beside_print(cells), alt


def recorded(*found: pd.DataFrame) -> dict:
    """Return printed cells and ours as plain lists, a set for each scale and protocol that ran.

    ``found``: tables of runs, committed or of records, with the columns of data/results/runs.csv.
    Only runs count that differ from the usual settings in nothing else; a set whose profile is not
    the paper's stands at its own most frequent width, and gets no verdicts.
    Raises ConfigError if there is no run at all.
    """
    done = [tables.as_usual(runs[runs["status"] == "done"]) for runs in found]
    sets, records = [], {}
    for runs in done:
        for (profile, protocol, data), own in runs.groupby(["profile", "protocol", "source"]):
            sets.append(_set(own, records, profile, protocol, data))
    if not sets:
        raise ConfigError(complain("at least one finished run", "none", "pass a table with some"))
    sets.sort(key=lambda each: (not each["full"], each["key"]))
    printed = results.printed()
    return {
        "page": PAGE,
        "names": {name.lower(): name for name in printed["model"]},
        "tables": [{"number": number, "label": LABELS[number], "values": list(values)}
                   for number, (_, values) in VARIED.items()],
        "printed": {number: {model: [_known(cells[value]) for value in VARIED[number][1]]
                             for model, cells in _rows(printed, number, "psnr_db").items()}
                    for number in VARIED},
        "sets": sets,
        "records": records,
        "source": sources.of(printed, done).only(each["hash"] for each in records.values()).stamp(),
    }  # fmt: skip


def _rows(cells: pd.DataFrame, number: int, column: str) -> dict[str, dict]:
    """Return network -> value -> an entry of a column, of one table."""
    own = cells[cells["table"] == number]
    lines = {name: {} for name in networks.names()}
    for model, value, entry in zip(own["model"], own["value"], own[column], strict=True):
        lines[model.lower()][value] = entry
    return lines


def _known(value: float) -> float | None:
    return None if pd.isna(value) else round(float(value), 3)


def _set(own: pd.DataFrame, records: dict, profile: str, protocol: str, data: str) -> dict:
    full = len(tables.full_scale(own)) > 0
    width = PROFILES["paper"].hidden if full else int(own["hidden"].mode().iloc[0])
    cells = tables.beside_print(own, hidden=width)
    cells = cells.assign(cell=[_cell(row, own, records, full) for row in cells.itertuples()])
    scale = "the paper's scale" if full else f"profile {profile}, h = {width} where not varied"
    return {
        "key": f"{profile}/{protocol}/{data}",
        "label": f"{scale}; protocol {protocol}; {data}",
        "full": full,
        "cells": {number: {model: [line[value] for value in VARIED[number][1]]
                           for model, line in _rows(cells, number, "cell").items()}
                  for number in VARIED},
    }  # fmt: skip


def _cell(row, own: pd.DataFrame, records: dict, full: bool) -> dict | None:
    """Return one cell, its runs added to the records; None if it was not run."""
    if not row.runs:
        return None
    anchors = []
    runs = own[own["config_hash"].isin(row.config_hash.split())]
    for run, made in zip(runs.itertuples(), sources.of(runs).rows, strict=True):
        anchors.append(f"{'run' if made.file else 'built'}-{made.config_hash}")
        records[anchors[-1]] = {
            "hash": made.config_hash, "seed": run.seed, "epochs": run.epochs,
            "seconds": round(run.seconds), "hardware": made.hardware, "commit": made.commit,
        }  # fmt: skip
    numbers = {name: _known(getattr(row, name)) for name in ("ours", "low", "high")}
    verdict = row.verdict if full and row.verdict != "lost" else None
    return {**numbers, "verdict": verdict, "records": anchors}
