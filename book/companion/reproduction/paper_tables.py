"""The paper's table cells and our runs: value, mean and interval over seeds, verdict.

Unfolded networks have two values in every cell: from the initial λ1, λ2 that the successor paper
of the same authors reports, and from the pair with the lowest validation error, the best λ.
"""

import math
from dataclasses import replace

import numpy as np
import pandas as pd

from companion import attribution, results
from companion.labels import NOT_RUN
from companion.reproduction import linear_baseline
from companion.run_set import RunSet
from companion.statistics import interval
from unfolded.choices import VARIANTS
from unfolded.runs import grid
from unfolded.runs.config import RunConfig, other_defaults

AGREES = 0.5
"""Tolerance in dB for equal values."""

SEEDS = 3
"""Minimum number of seeds for an interval; the interval of two seeds spans decibels."""

_SOURCES = ("moving-mnist", "mnist")
"""Sources comparable with the paper; a cell has runs of one source, preferably the first."""

FULL = RunConfig(profile="paper", source="mnist")
"""The common settings of the cells of the paper's tables, at the paper's width."""

SUCCESSOR, BEST = "λ of the successor paper", "best λ"
"""The two values of an unfolded network; the best initial λ is selected on validation data."""

NAMES = {"cs_rate": "rate", "hidden": "h =", "depth": "d ="}
"""Column headings of the varied quantity of a table."""

MEAN = "mean frame"
"""The label of the baseline that is equal for all values."""


def _names() -> tuple[str, ...]:
    """Return the networks in the order of the paper's tables."""
    return tuple(dict.fromkeys(results.paper_cells()["model"].str.lower()))


def is_garbled(cells: pd.DataFrame) -> pd.Series:
    """Return which values of the paper are present in the source in several forms."""
    return cells["status"].str.startswith("unreadable")


# Which runs count --------------------------------------------------------------------------------


def full_scale(runs: pd.DataFrame) -> pd.DataFrame:
    """Return the runs comparable with the paper: its scale and protocol, the default filter,
    Moving MNIST from either source, λ initialised at one of the pairs of `grid.STARTS`.
    """
    same = runs["profile"].eq(FULL.profile) & runs["protocol"].eq(FULL.protocol)
    return with_default_settings(runs[same & runs["source"].isin(_SOURCES)])


def with_default_settings(runs: pd.DataFrame) -> pd.DataFrame:
    """Return the runs with default values outside :data:`TABLE_FIELDS` and the initial λ.

    An unfolded network may have any pair of :data:`unfolded.runs.grid.STARTS`.
    """
    defaults = other_defaults()
    first, second = defaults.pop("lambda1"), defaults.pop("lambda2")
    matches = [runs[name].eq(value) for name, value in defaults.items()]
    pairs = runs["lambda1"].eq(first) & runs["lambda2"].eq(second)
    for lambda1, lambda2 in grid.STARTS.values():
        from_pair = runs["lambda1"].eq(lambda1) & runs["lambda2"].eq(lambda2)
        pairs |= runs["model"].isin(grid.UNFOLDED) & from_pair
    selection = runs[np.logical_and.reduce([*matches, pairs])]
    return attribution.mark(selection, selection)


def starts(run_set: RunSet, run: RunConfig) -> dict[str, RunConfig]:
    """Return the runs behind a table cell of this run: by :data:`SUCCESSOR` and :data:`BEST`.

    A stacked network has no λ: one run, with the name "".
    """
    if run.model not in grid.UNFOLDED:
        return {"": run}
    first, second = grid.SUCCESSOR
    return {SUCCESSOR: replace(run, lambda1=first, lambda2=second), BEST: run_set.best_start(run)}


def run_cells(
    run_set: RunSet,
    number: int,
    base: RunConfig = FULL,
    *,
    average: str = "authors",
    floor: float | None = None,
) -> pd.DataFrame:
    """Return our cells of one table, one row per network, value and initialisation, in order.

    ``base`` has the fixed settings. Columns: table, model, value, start ("" for a
    stacked network), ours, low, high (dB; the 95 % interval of Student's t over seeds, NaN below
    two), runs (seeds that trained), untrained and diverged (seeds that did not train, or diverged),
    pairs (initial pairs of λ that were run), lambda1, lambda2, verdict ("run", "did not train",
    "diverged", "not run"), config_hash (of each run with a result, separated by spaces). Means
    exclude runs that did not train; ``floor`` is the PSNR of the mean frame in dB, if it is not
    committed.
    """
    field, values = grid.VARIED[number]
    run_set, rows = replace(run_set, runs=with_default_settings(run_set.runs)), []
    started = pd.concat([run_set.runs[[*_PLACE]], run_set.failed[[*_PLACE]]])
    places = set(started.itertuples(index=False, name=None))
    for run in grid.row(base, _names()):
        for cell_config in (replace(run, **{field: value}) for value in values):
            cell = {"table": number, "model": run.model, "value": getattr(cell_config, field)}
            if tuple(getattr(cell_config, name) for name in _PLACE) not in places:
                rows += [cell | {"start": start} | _NO_RUN for start in starts_of(run.model)]
                continue
            for start, config in starts(run_set, _of_one_source(run_set, cell_config)).items():
                rows.append(cell | {"start": start} | _cell(run_set, config, average, floor))
    return attribution.mark(pd.DataFrame(rows), run_set.runs)


def variants_of(base: RunConfig) -> list[RunConfig]:
    """Return a run of each variant of a network of the paper, with the other settings of a run."""
    return [
        replace(run, variant=variant)
        for run in grid.row(base, VARIANTS)
        for variant in VARIANTS[run.model]
    ]


def variant_cells(run_set: RunSet, number: int, base: RunConfig = FULL) -> pd.DataFrame:
    """Return the cells of the variants of networks that have run: rows of :func:`run_cells`.

    ``start`` names the variant. They are not cells of the paper, and no count contains them.
    """
    field, values = grid.VARIED[number]
    rows = []
    for run in variants_of(base):
        cell = {"table": number, "model": run.model, "start": f"variant {run.variant}"}
        configs = {value: replace(run, **{field: value}) for value in values}
        if any(len(run_set.at(config)) for config in configs.values()):
            rows += [
                cell | {"value": value} | _cell(run_set, config, "authors", None)
                for value, config in configs.items()
            ]
    return attribution.mark(pd.DataFrame(rows), run_set.runs)


def small_run_cells(run_set: RunSet, number: int, base: RunConfig) -> pd.DataFrame:
    """Return the cells of small runs, which have one initial λ: rows of :func:`run_cells`.

    Cells without a run are omitted; the mean frame of ``base`` determines which runs did not train.
    """
    floor = linear_baseline.mean_frame_psnr(base)
    cells = run_cells(run_set, number, base, floor=floor)
    return cells[has_run(cells) & cells["start"].ne(SUCCESSOR)].assign(start="")


def has_run(cells: pd.DataFrame) -> pd.Series:
    """Return which cells of :func:`run_cells` have a run, with or without a result."""
    return cells[["runs", "untrained", "diverged"]].gt(0).any(axis=1)


def starts_of(model: str) -> tuple[str, ...]:
    """Return the names of the values of a network in a table.

    >>> starts_of("gru"), starts_of("sista-rnn")
    (('',), ('λ of the successor paper', 'best λ'))
    """
    return (SUCCESSOR, BEST) if model in grid.UNFOLDED else ("",)


_PLACE = ("model", "cs_rate", "hidden", "depth")

_NO_RUN = {
    **dict.fromkeys(("ours", "low", "high"), math.nan),
    **dict.fromkeys(("runs", "untrained", "diverged", "pairs"), 0),
    **dict.fromkeys(("lambda1", "lambda2"), math.nan),
    **{"verdict": NOT_RUN, "config_hash": ""},
}


def _of_one_source(run_set: RunSet, run: RunConfig) -> RunConfig:
    """Return this run with the released file as source, if such a run exists."""
    if run.source not in _SOURCES:
        return run
    released = replace(run, source=_SOURCES[0])
    ran = (run_set.no_result(config) != NOT_RUN for config in run_set.starts(released).values())
    return released if any(ran) else run


def _cell(run_set: RunSet, run: RunConfig, average: str, floor: float | None) -> dict:
    runs = run_set.at(run)
    untrained = linear_baseline.did_not_train(runs, floor)
    psnr = runs.loc[~untrained, f"psnr_{average}"].astype(float)
    low, high = interval(psnr)
    return {
        "ours": psnr.mean() if len(psnr) else math.nan,
        "low": low,
        "high": high,
        "runs": len(psnr),
        "untrained": int(untrained.sum()),
        "diverged": len(run_set.diverged(run)),
        "pairs": len(run_set.tested_starts(run)),
        "lambda1": run.lambda1,
        "lambda2": run.lambda2,
        "verdict": "run" if len(psnr) else run_set.no_result(run),
        "config_hash": " ".join(runs["config_hash"]),
    }


def compare_with_paper(run_set: RunSet, *, average: str = "authors") -> pd.DataFrame:
    """Return every cell of the paper with our runs, in two rows for an unfolded network.

    The columns of data/paper/tables.csv and of :func:`run_cells`, with the difference (ours minus
    the paper's value, in dB) and the verdict, a key of `labels.VERDICTS`.
    """
    cells = results.paper_cells()
    numbers = sorted(set(cells["table"]))
    ours = pd.concat([run_cells(run_set, number, average=average) for number in numbers])
    ours = ours.rename(columns={"model": "name"})
    table = cells.assign(name=cells["model"].str.lower())
    table = table.merge(ours, on=["table", "name", "value"], how="left").drop(columns="name")
    table["difference"] = table["ours"] - table["psnr_db"]
    enough = table["runs"] >= SEEDS
    sides = table["psnr_db"], table["ours"], table["low"].where(enough), table["high"].where(enough)
    verdicts = pd.Series([verdict(*side) for side in zip(*sides, strict=True)], table.index)
    table["verdict"] = table["verdict"].where(table["verdict"].ne("run"), verdicts)
    return attribution.mark(table, cells, run_set.runs)


def baselines(number: int, base: RunConfig = FULL, average: str = "authors") -> pd.DataFrame:
    """Return the two baselines for each value of a table, one row per baseline and value.

    Columns: level ("PCA" or "mean frame"), value, n (components, 0 for the mean frame), psnr (dB).
    """
    field, values = grid.VARIED[number]
    rates = values if field == "cs_rate" else (base.cs_rate,)
    linear_rows = linear_baseline.baselines_for(base, rates)
    rows = []
    for value in values:
        rate = value if field == "cs_rate" else base.cs_rate
        for level, baseline_rate in (("PCA", rate), (MEAN, 0.0)):
            row = linear_rows[linear_rows["cs_rate"].eq(baseline_rate)].iloc[0]
            psnr = float(row[f"psnr_{average}"])
            rows.append({"level": level, "value": value, "n": int(row["n"]), "psnr": psnr})
    return attribution.mark(pd.DataFrame(rows), linear_rows)


def verdict(printed: float, ours: float, low: float = math.nan, high: float = math.nan) -> str:
    """Return the verdict on our value next to the paper's, a key of `labels.VERDICTS`.

    Ours agrees within 0.5 dB, or if the paper's value is in our interval.

    >>> verdict(30.0, 30.4), verdict(30.0, 31.0), verdict(30.0, math.nan)
    ('agrees', 'higher', 'not run')
    """
    if math.isnan(printed):
        return "lost"
    if math.isnan(ours):
        return NOT_RUN
    if abs(ours - printed) <= AGREES or low <= printed <= high:
        return "agrees"
    return "higher" if ours > printed else "lower"
