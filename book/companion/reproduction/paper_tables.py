"""The paper's table cells and our runs: value, mean and interval over seeds, verdict.

Unfolded networks have two values in every cell: from the initial λ1, λ2 that the successor paper
of the same authors reports, and from the pair with the lowest validation error, the best λ.
"""

import base64
import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from companion import attribution, labels, results
from companion.labels import signed, title
from companion.reproduction import linear_baseline
from companion.statistics import interval
from unfolded.choices import VARIANTS
from unfolded.runs import grid
from unfolded.runs.config import RunConfig, other_defaults

if TYPE_CHECKING:
    from companion.run_set import RunSet

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

FROM_TABLE_1 = "*"
"""Marks a value of the paper from Table 1 that is lost in its own table."""

NOT_RUN, UNTRAINED, DIVERGED = "not run", "did not train", "diverged"
"""Texts in place of a value: no run, runs as the mean frame, a run that ended without a result."""

SYMBOLS = {
    "agrees": "≈ agrees",
    "higher": "▲ higher",
    "lower": "▼ lower",
    UNTRAINED: "○ did not train",
    NOT_RUN: "– not run",
    "lost": "? lost in the source",
}

LINEAR, MEAN = "best linear reconstruction (PCA, {} components)", "mean frame"
"""The two baselines of every table, by row label."""


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


def starts(run_set: "RunSet", run: RunConfig) -> dict[str, RunConfig]:
    """Return the runs behind a table cell of this run: by :data:`SUCCESSOR` and :data:`BEST`.

    A stacked network has no λ: one run, with the name "".
    """
    if run.model not in grid.UNFOLDED:
        return {"": run}
    first, second = grid.SUCCESSOR
    return {SUCCESSOR: replace(run, lambda1=first, lambda2=second), BEST: run_set.best_start(run)}


def run_cells(
    run_set: "RunSet",
    number: int,
    base: RunConfig = FULL,
    *,
    average: str = "authors",
    floor: float | None = None,
) -> pd.DataFrame:
    """Return our cells of one table, one row per network, value and initialisation, in order.

    ``base`` has the fixed settings. Columns: table, model, value, start ("" for a
    stacked network), ours, low, high (dB; the 95 % interval of Student's t over seeds, NaN below
    two), runs (seeds that trained), untrained (seeds that did not), pairs (initial pairs of λ that
    were run), lambda1, lambda2, verdict ("run", "did not train", "not run"), config_hash (of each
    run, separated by spaces). Means exclude runs that did not train; ``floor`` is the PSNR of the
    mean frame in dB, if it is not committed.
    """
    field, values = grid.VARIED[number]
    run_set, rows = replace(run_set, runs=with_default_settings(run_set.runs)), []
    places = set(zip(*(run_set.runs[name] for name in _PLACE), strict=True))
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


def variant_cells(run_set: "RunSet", number: int, base: RunConfig = FULL) -> pd.DataFrame:
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


def small_run_cells(run_set: "RunSet", number: int, base: RunConfig) -> pd.DataFrame:
    """Return the cells of small runs, which have one initial λ: rows of :func:`run_cells`.

    Cells without a run are omitted; the mean frame of ``base`` determines which runs did not train.
    """
    floor = linear_baseline.mean_frame_psnr(base)
    cells = run_cells(run_set, number, base, floor=floor)
    return cells[has_run(cells) & cells["start"].ne(SUCCESSOR)].assign(start="")


def has_run(cells: pd.DataFrame) -> pd.Series:
    """Return which cells of :func:`run_cells` have a run, trained or not."""
    return cells["runs"].gt(0) | cells["untrained"].gt(0)


def starts_of(model: str) -> tuple[str, ...]:
    """Return the names of the values of a network in a table.

    >>> starts_of("gru"), starts_of("sista-rnn")
    (('',), ('λ of the successor paper', 'best λ'))
    """
    return (SUCCESSOR, BEST) if model in grid.UNFOLDED else ("",)


_PLACE = ("model", "cs_rate", "hidden", "depth")

_NO_RUN = {
    **dict.fromkeys(("ours", "low", "high"), math.nan),
    **dict.fromkeys(("runs", "untrained", "pairs"), 0),
    **dict.fromkeys(("lambda1", "lambda2"), math.nan),
    **{"verdict": NOT_RUN, "config_hash": ""},
}


def _of_one_source(run_set: "RunSet", run: RunConfig) -> RunConfig:
    """Return this run with the released file as source, if such a run exists."""
    if run.source not in _SOURCES:
        return run
    released = replace(run, source=_SOURCES[0])
    has_run = any(len(run_set.at(config)) for config in run_set.starts(released).values())
    return released if has_run else run


def _cell(run_set: "RunSet", run: RunConfig, average: str, floor: float | None) -> dict:
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
        "pairs": sum(len(run_set.at(config)) > 0 for config in run_set.starts(run).values()),
        "lambda1": run.lambda1,
        "lambda2": run.lambda2,
        "verdict": "run" if len(psnr) else UNTRAINED if len(runs) else NOT_RUN,
        "config_hash": " ".join(runs["config_hash"]),
    }


def compare_with_paper(run_set: "RunSet", *, average: str = "authors") -> pd.DataFrame:
    """Return every cell of the paper with our runs, in two rows for an unfolded network.

    The columns of data/paper/tables.csv and of :func:`run_cells`, with the difference (ours minus
    the paper's value, in dB) and the verdict, a key of :data:`SYMBOLS`.
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


# Verdicts and display ----------------------------------------------------------------------------


def verdict(printed: float, ours: float, low: float = math.nan, high: float = math.nan) -> str:
    """Return the result of the comparison of ours with the paper: a key of SYMBOLS.

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


def label(model: str, start: str = "") -> str:
    """Return the label of a row: the network, and which of its two values.

    >>> label("gru"), label("sista-rnn", SUCCESSOR)
    ('GRU', 'SISTA-RNN, λ of the successor paper')
    """
    return f"{title(model)}, {start}" if start else title(model)


def matrix(cells: pd.DataFrame, *, brief: bool = False) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return one table: one row per network and initialisation, one column per value.

    ``cells``: rows of :func:`compare_with_paper` or :func:`run_cells` of one table. The first
    result contains the texts: the paper's value, if the cells have it, ours, the seeds, and the
    verdict's symbol with the difference; the second contains the verdicts. A ``brief`` text has at
    most two lines, and a network without any run has one row.
    """
    cells = _without_empty_rows(cells) if brief else cells
    rows = [label(cell.model, cell.start) for cell in cells.itertuples()]
    texts = [(_brief_text if brief else _text)(cell) for cell in cells.itertuples()]
    labelled = cells.assign(row=rows, text=texts)
    order = {"index": list(dict.fromkeys(rows)), "columns": sorted(set(cells["value"]))}
    labelled = labelled.pivot(index="row", columns="value", values=["text", "verdict"])
    return labelled["text"].reindex(**order), labelled["verdict"].reindex(**order)


def _without_empty_rows(cells: pd.DataFrame) -> pd.DataFrame:
    """Return the cells with one row for each unfolded network that has no run in the table."""
    empty = ~cells["model"].isin(cells.loc[has_run(cells), "model"])
    return cells.assign(start=cells["start"].mask(empty, ""))[~(empty & cells["start"].eq(BEST))]


def paper_text(cell) -> str:
    """Return the paper's value of a cell as text, or "lost" or "unreadable"."""
    if not math.isnan(cell.psnr_db):
        return f"{cell.psnr_db:.2f}"
    return "unreadable" if cell.status.startswith("unreadable") else "lost"


def ours_text(cell) -> str:
    """Return "not run", "did not train", or the mean ± half the 95 % interval over seeds."""
    if not cell.runs:
        return UNTRAINED if cell.untrained else NOT_RUN
    spread = f" ± {(cell.high - cell.low) / 2:.2f}" if cell.runs > 1 else ""
    return f"{cell.ours:.2f}{spread}"


def seeds_text(cell) -> str:
    """Return the number of seeds of a value, and of excluded seeds; "" without a run."""
    count = labels.counted(cell.runs, "seed") if cell.runs else ""
    return f"{count}, {cell.untrained} did not train" if count and cell.untrained else count


def _text(cell) -> str:
    lines = [ours_text(cell)]
    if hasattr(cell, "psnr_db"):
        lines = [f"paper {_starred(cell)}", f"ours {lines[0]}" if cell.runs else lines[0]]
    if cell.runs:
        lines += [seeds_text(cell), _difference_text(cell)]
        lines += [f"λ {cell.lambda1:g}, {cell.lambda2:g}"] * (cell.start == BEST)
    return "\n".join(line.strip() for line in lines if line.strip())


def _brief_text(cell) -> str:
    """Return "paper · ours" over the difference, or ours alone, with the seeds in parentheses."""
    if not hasattr(cell, "psnr_db"):
        return f"{cell.ours:.2f} ({cell.runs})" if cell.runs else ours_text(cell)
    if not cell.runs:
        return f"{_starred(cell)}\n{ours_text(cell)}"
    return f"{_starred(cell)} · {cell.ours:.2f}\n{_difference_text(cell)} ({cell.runs})".strip()


def _starred(cell) -> str:
    return paper_text(cell) + FROM_TABLE_1 * cell.status.startswith("default row")


def _difference_text(cell) -> str:
    """Return the symbol of a verdict and the difference, as far as they exist."""
    difference = getattr(cell, "difference", math.nan)
    symbol = SYMBOLS[cell.verdict][0] if cell.verdict in SYMBOLS else ""
    return f"{symbol} {'' if math.isnan(difference) else signed(difference)}".strip()


def style_matrix(
    cells: pd.DataFrame,
    levels: pd.DataFrame | None = None,
    *,
    variants: pd.DataFrame | None = None,
    brief: bool = False,
):
    """Return :func:`matrix` as displayed on a page: colour and symbol show the verdict.

    If the cells have no verdict against the paper, the largest value of a column is bold.
    ``levels``: :func:`baselines` of the same table, as the last rows; ``variants``:
    :func:`variant_cells`, each below its network; ``brief``: short cells.
    """
    if "psnr_db" not in cells:
        best = cells["ours"].eq(cells.groupby("value")["ours"].transform("max"))
        cells = cells.assign(verdict=cells["verdict"].mask(best, "best"))
    texts, verdicts = matrix(cells, brief=brief)
    headings = column_headings(cells)
    origin = attribution.of(cells)
    if variants is not None and len(variants):
        own_texts, own_verdicts = matrix(variants, brief=True)
        order = [
            name
            for row in texts.index
            for name in (row, *(label for label in own_texts.index if label.startswith(f"{row}, ")))
        ]
        texts = pd.concat([texts, own_texts]).reindex(order)
        verdicts = pd.concat([verdicts, own_verdicts]).reindex(order)
        origin |= attribution.of(variants)
    if levels is not None:
        texts = pd.concat([texts, baseline_rows(levels)])
        verdicts = verdicts.reindex(texts.index, fill_value="baseline")
        origin |= attribution.of(levels)
    texts, verdicts = texts.rename(columns=headings), verdicts.rename(columns=headings)
    texts.index.name = texts.columns.name = None
    classes = verdicts.map(lambda word: f"is-{word.split()[0]}")
    styled = texts.style.set_td_classes(classes)
    stamp = attribution.attribute(origin.stamp())
    kind = "dataframe beside-print" + " brief" * bool(brief)
    return styled.set_table_attributes(f'class="{kind}"{stamp}')


def column_headings(cells: pd.DataFrame) -> dict[float, str]:
    """Return the column heading of each value of a table."""
    varied = NAMES[grid.VARIED[int(cells["table"].iloc[0])][0]]
    return {value: f"{varied} {value:g}" for value in sorted(set(cells["value"]))}


def baseline_rows(levels: pd.DataFrame) -> pd.DataFrame:
    """Return :func:`baselines` as texts, two rows and one column per value.

    If the number of components varies, each cell contains it.
    """
    linear, mean = (levels[levels["level"] == name].set_index("value") for name in ("PCA", MEAN))
    count = linear["n"].nunique()
    name = LINEAR.format(linear["n"].iloc[0] if count == 1 else "n")
    texts = [f"{row.psnr:.2f}" + f"\nn = {row.n}" * (count > 1) for row in linear.itertuples()]
    rows = {name: texts, MEAN: [f"{psnr:.2f}" for psnr in mean["psnr"]]}
    return pd.DataFrame.from_dict(rows, orient="index", columns=list(linear.index))


def download(table: pd.DataFrame, name: str) -> str:
    """Return a link that saves a table as CSV; it needs no other file.

    >>> download(pd.DataFrame({"a": [1]}), "a.csv")
    '<a download="a.csv" href="data:text/csv;base64,YQoxCg==">Download a.csv</a>'
    """
    content = table.to_csv(index=False, lineterminator="\n").encode()
    address = f"data:text/csv;base64,{base64.b64encode(content).decode()}"
    return f'<a download="{name}" href="{address}">Download {name}</a>'


def style_table(table: pd.DataFrame, digits: str = ".2f", index: bool = False, source=None):
    """Return a table as displayed on a page: one number format, verdicts as symbols, "–" for NaN.

    ``source``: the source of the numbers, if it is no longer attached to the table: tables,
    records or files, see :func:`companion.attribution.of`. The book shows it as a stamp below.
    The class of a plain data frame tells the theme that it has separate colours for dark mode.
    """
    stamp = attribution.attribute(attribution.resolve(table, source).stamp())
    out = labels.readable(table)
    if "verdict" in out:
        out["verdict"] = out["verdict"].map(lambda word: SYMBOLS.get(word, word))

    def text(value) -> str:
        return labels.typeset(format(value, digits) if isinstance(value, float) else str(value))

    styled = out.style.format(text, na_rep="–")
    styled = styled.set_table_attributes(f'class="dataframe"{stamp}')
    return styled if index else styled.hide()
