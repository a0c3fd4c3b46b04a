"""The paper's tables as line charts: the paper's values, ours, and the runs of each point."""

import math
from dataclasses import replace

import pandas as pd
import traitlets
from matplotlib.figure import Figure

from companion import attribution, results
from companion.labels import title
from companion.plots import table_plots
from companion.reproduction import paper_tables
from companion.run_set import RunSet
from companion.widgets.base_widget import Explorer, script
from unfolded.choices import COMPARED
from unfolded.errors import ConfigError, UnfoldedError, complain
from unfolded.runs.config import RunConfig
from unfolded.runs.grid import VARIED

PAGE = "../book/records.html"
WIDTH = 256
"""The width of the complete tables, because not every cell ran at the paper's width of 1024."""

VERDICTS = ("agrees", "higher", "lower", "did not train")
LABELS = {1: "CS rate", 2: "width h", 3: "layers d"}


class CellsExplorer(Explorer):
    """Selectors of table, runs and networks for a chart whose points show their runs.

    ``data`` comes from :func:`recorded`; ``table`` is 1, 2 or 3, ``runs`` the key of a set of runs
    in it; ``shown`` is a list of networks, separated by commas; ``model`` and ``at`` are the chosen
    point, a network and the index of a value in its row, from 0. Units: dB.
    Raises ConfigError for an unknown table, network or index.

    >>> explorer = CellsExplorer(data=recorded(RunSet.committed()), table=2, at=1)
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

    @staticmethod
    def check(name: str, value) -> None:
        """Raise ConfigError for a value that occurs in no table."""
        conditions = {
            "table": lambda: value in VARIED,
            "runs": lambda: isinstance(value, str),
            "shown": lambda: set(value.split(",")) <= set(COMPARED),
            "model": lambda: value in COMPARED,
            "at": lambda: value in range(6),
        }
        if isinstance(value, bool) or not conditions[name]():
            descriptions = {
                "table": "1, 2 or 3",
                "at": "a place from 0 to 5",
                "runs": "a key of a set",
            }
            expected = f"{name} to be {descriptions.get(name, 'among ' + ', '.join(COMPARED))}"
            raise ConfigError(complain(expected, repr(value), "choose another value"))

    def picture(self) -> tuple[Figure, str]:
        """Return all cells of the chosen table, one panel per network, over the two baselines."""
        sets = {entry["key"]: entry for entry in self.data["sets"]}
        selection = sets.get(self.runs, self.data["sets"][0])
        values, rows = VARIED[self.table][1], []
        for model, line in selection["cells"][self.table].items():
            for value, paper, cell in zip(values, self._paper(selection, model), line, strict=True):
                for start in paper_tables.starts_of(model):
                    result = (cell or {}).get(start) or {}
                    names = ("ours", "low", "high", "verdict")
                    rows.append({"table": self.table, "model": model,
                                 "start": start, "value": value, "psnr_db": paper,
                                 **{name: result.get(name) for name in names}})  # fmt: skip
        cells = pd.DataFrame(rows).astype(dict.fromkeys(["psnr_db", "ours", "low", "high"], float))
        cells = cells if selection["full"] else cells.drop(columns="psnr_db")
        count = cells.dropna(subset="ours").drop_duplicates(["model", "value"])
        alt = f"Table {self.table}: PSNR against {LABELS[self.table]}, a panel a network"
        alt += f" ({selection['label']}): {len(count)} of {9 * len(values)} cells were run."
        return table_plots.panels_by_network(cells, self._levels(selection)), alt

    def _paper(self, selection: dict, model: str) -> list:
        lines = self.data["printed"][self.table]
        return lines[model] if selection["full"] else [None] * len(lines[model])

    def _levels(self, selection: dict) -> pd.DataFrame | None:
        rows = [
            {"level": level, "value": value, "psnr": psnr}
            for level, line in selection["levels"][self.table].items()
            for value, psnr in zip(VARIED[self.table][1], line, strict=True)
        ]
        return pd.DataFrame(rows) if rows else None


def recorded(*run_sets: RunSet) -> dict:
    """Return the paper's cells and ours as plain lists, one set per scale and protocol that ran.

    ``run_sets``: sets of committed runs or of records. Only runs with otherwise default settings
    count. Runs of the paper's profile form two sets: with the paper's values at the paper's width,
    and separately at h = 256; a set of another profile has its most frequent width. Only the first
    set has verdicts and the paper's values.
    Numbers are those of the runs, not rounded, so that a display rounds only once.
    Raises ConfigError if there is no run.
    """
    sets, records, levels, sources = [], {}, [], []
    for run_set in run_sets:
        defaults = paper_tables.with_default_settings(run_set.runs)
        run_set = replace(run_set, runs=defaults)
        sources.append(defaults)
        for (profile, protocol, data), group in defaults.groupby(["profile", "protocol", "source"]):
            is_full = len(paper_tables.full_scale(group)) > 0
            base = RunConfig(profile=profile, protocol=protocol, source=data)
            width = WIDTH if is_full else int(group["hidden"].mode().iloc[0])
            bases = [(base, True)] if is_full else []
            for set_base, printed in [*bases, (replace(base, hidden=width), False)]:
                sets.append(_entry(run_set, records, levels, set_base, printed))
    sets = [entry for entry in sets if entry.pop("count")]
    if not sets:
        raise ConfigError(complain("at least one finished run", "none", "pass evidence with some"))
    sets.sort(key=lambda entry: (not entry["full"], entry["key"]))
    cells = results.paper_cells()
    paper = {number: results.paper_values(number) for number in VARIED}
    return {
        "page": PAGE,
        "starts": [paper_tables.SUCCESSOR, paper_tables.BEST],
        "names": {name.lower(): title(name) for name in cells["model"]},
        "tables": [{"number": number, "label": LABELS[number], "values": list(values)}
                   for number, (_, values) in VARIED.items()],
        "printed": {number: {model: [_number(paper[number][model, value]) for value in values]
                             for model in COMPARED}
                    for number, (_, values) in VARIED.items()},
        "sets": sets,
        "records": records,
        "source": attribution.of(cells, sources, levels)
        .only(entry["hash"] for entry in records.values()).stamp(),
    }  # fmt: skip


def _number(value: float) -> float | None:
    return None if pd.isna(value) else float(value)


def _entry(run_set: RunSet, records: dict, sources: list, base: RunConfig, printed: bool) -> dict:
    """Return the cells and baselines of one base as plain lists; "count" is the number of runs."""
    is_full = (
        base.profile == paper_tables.FULL.profile and base.protocol == paper_tables.FULL.protocol
    )
    levels = {number: _baselines(number, base, sources) for number in VARIED}
    # The mean frame depends neither on the protocol nor on the varied value of a table.
    floor = next((line["mean frame"][0] for line in levels.values() if line), -math.inf)
    full_size = base.size.count == paper_tables.FULL.size.count
    cells = {
        number: paper_tables.run_cells(run_set, number, base, floor=None if full_size else floor)
        for number in VARIED
    }
    if printed:
        paper = paper_tables.compare_with_paper(run_set)
        cells = {number: paper[paper["table"] == number] for number in VARIED}
    scale = f"profile {base.profile}, h = {base.hidden} where not varied"
    scale = f"h = {base.hidden} where not varied, 200 epochs" if is_full else scale
    scale, width_key = ("the paper's width", "paper") if printed else (scale, base.hidden)
    lines = {
        number: _lines(table, number, run_set.runs, records) for number, table in cells.items()
    }
    return {
        "key": f"{base.profile}/{base.protocol}/{base.source}/{width_key}",
        "label": f"{scale}; protocol {base.protocol}; {base.source}",
        "full": printed,
        "count": sum(cell is not None for table in lines.values() for line in table.values()
                     for cell in line),
        "levels": levels,
        "cells": lines,
    }  # fmt: skip


def _baselines(number: int, base: RunConfig, sources: list) -> dict[str, list[float]]:
    """Return both baselines along a table, or nothing if the frames are not available."""
    try:
        levels = paper_tables.baselines(number, base)
    except UnfoldedError:
        return {}
    sources.append(levels)
    names = dict.fromkeys(levels["level"])
    return {name: list(levels.loc[levels["level"] == name, "psnr"]) for name in names}


def _lines(cells: pd.DataFrame, number: int, runs: pd.DataFrame, records: dict) -> dict:
    """Return network -> its cells along a table, None for a cell without a run."""
    lines: dict[str, dict] = {name: {} for name in COMPARED}
    for row in cells.itertuples():
        cell = _cell(row, runs, records)
        if cell:
            lines[row.model.lower()].setdefault(row.value, {})[row.start] = cell
    values = VARIED[number][1]
    return {model: [line.get(value) for value in values] for model, line in lines.items()}


def _cell(row, runs_of_set: pd.DataFrame, records: dict) -> dict | None:
    """Return one value of a cell and add its runs to the records; None without a run."""
    if not row.runs and not row.untrained and not row.diverged:
        return None
    anchors = []
    runs = runs_of_set[runs_of_set["config_hash"].isin(row.config_hash.split())]
    for run, origin in zip(runs.itertuples(), attribution.of(runs).rows, strict=True):
        anchors.append(f"{'run' if origin.file else 'built'}-{origin.config_hash}")
        records[anchors[-1]] = {
            "hash": origin.config_hash, "seed": run.seed, "epochs": run.epochs,
            "seconds": round(run.seconds), "hardware": origin.hardware, "commit": origin.commit,
        }  # fmt: skip
    numbers = {name: _number(getattr(row, name)) for name in ("ours", "low", "high")}
    verdict = row.verdict if row.verdict in VERDICTS else None
    start = [row.lambda1, row.lambda2] if row.start else None
    counts = {"seeds": row.runs, "untrained": row.untrained, "diverged": row.diverged}
    counts = {name: int(count) for name, count in counts.items()}
    return {**numbers, **counts, "lambda": start, "verdict": verdict, "records": anchors}
