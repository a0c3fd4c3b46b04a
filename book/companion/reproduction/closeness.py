"""Closeness of our runs to the paper's values: the answer, the agreement, the differences.

``cells`` are rows of :func:`companion.reproduction.paper_tables.compare_with_paper`. Levels and
differences use the averaging of these cells.
"""

import pandas as pd

from companion import attribution
from companion.labels import DIVERGED, UNTRAINED, listing, signed, span, title
from companion.reproduction import linear_baseline, paper_tables
from companion.reproduction.agreement import MODEL
from companion.reproduction.paper_tables import AGREES, BEST, FULL, NAMES, SUCCESSOR
from companion.run_set import RunSet
from unfolded import metrics
from unfolded.runs import grid

AVERAGINGS = {
    "authors": "as the authors' earlier code averages",
    "frame": "by frame",
    "sequence": "by sequence",
    "global": "over all pixels",
}
"""The names of the PSNR averagings."""

_VARIED_NAMES = {"cs_rate": "CS rate", "hidden": "width", "depth": "depth"}


def answer(cells: pd.DataFrame, number: int = 2) -> str:
    """Return whether reweighted-RNN has the highest PSNR at each value of a table, in words.

    ``cells``: also rows of `paper_tables.run_cells`. From each initial λ, reweighted-RNN is
    compared with the runs of the other networks that trained. "Yes" and "no" without "so far"
    require every cell with three seeds.
    """
    rows = cells[cells["table"] == number]
    done = rows[rows["runs"] > 0]
    ours = done[done["model"].str.lower() == MODEL]
    total, names = rows["value"].nunique(), f"{_VARIED_NAMES[grid.VARIED[number][0]]}s"
    if ours.empty:
        return f"**Not tested.** reweighted-RNN has been run at none of the {total} {names}."
    first = {}
    for row in ours.itertuples():
        others = done[done["value"].eq(row.value) & done["model"].str.lower().ne(MODEL)]
        others = others[others["start"].isin(["", row.start])]
        if len(others):
            first[row.value, row.start] = row.ours >= others["ours"].max()
    if not first:
        return "**Not tested.** No other network has a result where reweighted-RNN has one."
    firm = len(done) == len(rows) and done["runs"].min() >= paper_tables.SEEDS
    word = "yes" if all(first.values()) else "not always" if any(first.values()) else "no"
    word = word.capitalize() if firm else f"So far, {word}"
    values, starts = (dict.fromkeys(key[at] for key in first) for at in (0, 1))
    text = f"At {len(values)} of the {total} {names}, other networks have been run as well; "
    if all(first.values()):
        text += f"{'there' if len(values) == 1 else 'at each of them'} reweighted-RNN has the "
        text += "highest PSNR of the networks that trained, "
        text += f"{listing(f'from the {start}' for start in starts)}."
    else:
        text += f"reweighted-RNN has the highest PSNR in {sum(first.values())} of {len(first)} "
        text += "comparisons by value and initialisation of λ."
    return f"**{word}.** {text}" + ("" if firm else f" {_caveat(done)}")


def _caveat(done: pd.DataFrame) -> str:
    return f"With {span(done['runs'], 'seed')} in each cell, this is provisional."


def finding(cells: pd.DataFrame) -> str:
    """Return the ranking of a table in the paper, and how much of it has been run, in words.

    If values are lost, the ranking is unknown; then the steps of reweighted-RNN are counted.
    """
    entries = cells.drop_duplicates(["model", "value"])
    paper = entries.dropna(subset="psnr_db")
    ran = coverage_of(cells, "" if "hidden" in set(cells["varies"]) else " at the paper's width")
    if len(paper) == len(entries):
        first = paper.loc[paper.groupby("value")["psnr_db"].idxmax(), "model"]
        return f"In the paper, {winners(first)}. {ran}"
    ours = paper[paper["model"].str.lower() == MODEL].sort_values("value")
    steps = ours["psnr_db"].diff().dropna()
    return (
        f"Our copy of the paper has {len(paper)} of the {len(entries)} values of this table; in "
        f"it, reweighted-RNN improves at {steps.gt(0).sum()} of {len(steps)} known "
        f"steps. {ran}"
    )


def winners(models: pd.Series) -> str:
    """Return which networks have the highest PSNR, and at how many values, in words.

    >>> winners(pd.Series(["gru", "gru", "srnn"]))
    'GRU has the highest PSNR at 2 of 3 values and sRNN at 1'
    """
    count = models.map(title).value_counts()
    parts = [f"{name} at {number}" for name, number in count.items()]
    number = f"all {len(models)}" if len(count) == 1 else f"{count.iloc[0]} of {len(models)}"
    parts[0] = f"{count.index[0]} has the highest PSNR at {number} values"
    return listing(parts)


def coverage_of(cells: pd.DataFrame, where: str = "") -> str:
    """Return how many cells of a table have been run, and with how many seeds, in a sentence.

    ``where``: the common setting, such as " at h = 256".
    """
    place = ["model", "value"]
    count, run = (len(rows.drop_duplicates(place)) for rows in (cells, _ran(cells)))
    if not run:
        return f"None of the {count} cells has been run{where}."
    trained = cells[cells["runs"] > 0]
    failed = run - len(trained.drop_duplicates(place))
    text = f"We have run {run} of the {count} cells{where}"
    text += f", with {span(trained['runs'], 'seed')} in each" if len(trained) else ""
    without = f"; in {failed} of them the network diverged or did not train" if failed else ""
    return f"{text}{without}."


def _ran(cells: pd.DataFrame) -> pd.DataFrame:
    return cells[paper_tables.has_run(cells)]


def summary(cells: pd.DataFrame) -> str:
    """Return the number of cells that agree with the paper, and the largest differences."""
    count = len(cells.drop_duplicates(["table", "model", "value"]))
    rows = _compared(cells)
    if rows.empty:
        return f"None of the paper's {count} cells has been run at full scale."
    wrong = _ordered_disagreements(rows)
    trained = cells[cells["runs"] > 0].drop_duplicates(["table", "model", "value"])
    text = (
        f"Of the {count} values in the paper's three tables, {len(trained)} have a full-scale run "
        f"that trained. With the {SUCCESSOR}, {len(rows)} have one, and {len(rows) - len(wrong)} "
        f"of these agree with the paper, within {AGREES} dB or within our interval."
    )
    names = [
        f"{_cell_label(cell, ' at ')} ({signed(cell.difference)} dB)" for cell in wrong.itertuples()
    ]
    if not names:
        return text
    verb = "differences are" if names[1:] else "difference is"
    return f"{text} The largest {verb} {listing(names[:3])}."


def _ordered_disagreements(rows: pd.DataFrame) -> pd.DataFrame:
    wrong = rows[rows["verdict"] != "agrees"]
    return wrong.sort_values("difference", key=abs, ascending=False)


def _cell_label(cell, separator: str = ", ") -> str:
    return f"{title(cell.model)}{separator}{NAMES[cell.varies]} {cell.value:g}"


def _compared(cells: pd.DataFrame) -> pd.DataFrame:
    """Return the cells with a run and a known value of the paper, from the λ of the successor."""
    return cells[cells["start"].ne(BEST) & cells["runs"].gt(0) & cells["psnr_db"].notna()]


def closeness(cells: pd.DataFrame) -> pd.DataFrame:
    """Return how closely each column of the paper's tables is matched, one row per column.

    A column without a run is omitted. A value is at the linear level if it is within 0.5 dB of the
    best linear reconstruction from as many measurements.
    """
    rows = {}
    for (varied, value), group in cells[cells["start"].ne(BEST)].groupby(["varies", "value"]):
        compared = _compared(group)
        if compared.empty:
            continue
        level = _level(varied, value)
        no_result = group.loc[group["verdict"].isin([UNTRAINED, DIVERGED]), "model"].map(title)
        rows[f"{NAMES[varied]} {value:g}"] = {
            "agree with the paper": f"{compared['verdict'].eq('agrees').sum()} of {len(compared)}",
            "median absolute difference (dB)": f"{compared['difference'].abs().median():.2f}",
            "paper at the linear level": _near(group["psnr_db"], level),
            "ours at the linear level": _near(compared["ours"], level),
            "diverged or did not train": ", ".join(no_result) or "–",
        }
    return attribution.mark(pd.DataFrame.from_dict(rows, orient="index"), cells)


def _near(values: pd.Series, level: float) -> str:
    return f"{((values - level).abs() <= AGREES).sum()} of {values.notna().sum()}"


def _level(varied: str, value: float) -> float:
    return linear_baseline.level(cs_rate=value if varied == "cs_rate" else FULL.cs_rate)


def disagreements(cells: pd.DataFrame, variants: pd.DataFrame | None = None) -> pd.DataFrame:
    """Return the cells that do not agree from the λ of the successor paper.

    ``variants``: rows of :func:`companion.reproduction.paper_tables.variant_cells`. The largest
    difference is first. The last column has what is known: our run is at the linear level while the
    paper is above it, our value from the initial λ with the least validation error agrees, or a
    variant is closer to the paper.
    """
    place = ["table", "model", "value"]
    best = cells[cells["start"].eq(BEST)].set_index(place)
    rows = []
    for cell in _ordered_disagreements(_compared(cells)).itertuples():
        key, level = (cell.table, cell.model, cell.value), _level(cell.varies, cell.value)
        other = best.loc[key] if key in best.index else None
        known = []
        if abs(cell.ours - level) <= AGREES < cell.psnr_db - level:
            known.append("our run stays at the linear level")
        if other is not None and other["verdict"] == "agrees":
            known.append("agrees from another initial λ")
        known += _closer_variants(cell, variants)
        rows.append({
            "cell": _cell_label(cell),
            "paper (dB)": cell.psnr_db, f"{SUCCESSOR} (dB)": cell.ours,
            "difference (dB)": signed(cell.difference),
            f"{BEST} (dB)": float("nan") if other is None else other["ours"],
            "what is known": "; ".join(known) or "not explained",
        })  # fmt: skip
    return attribution.mark(pd.DataFrame(rows), cells, variants)


def _closer_variants(cell, variants: pd.DataFrame | None) -> list[str]:
    if variants is None or variants.empty:
        return []
    place = {"table": cell.table, "model": cell.model.lower(), "value": cell.value}
    rows = variants[variants[[*place]].eq(pd.Series(place)).all(axis=1)]
    gaps = {row.start: row.ours - cell.psnr_db for row in rows.itertuples()}
    closer = {start: gap for start, gap in gaps.items() if abs(gap) < abs(cell.difference)}
    return [f"difference of {signed(gap)} dB with the {start}" for start, gap in closer.items()]


def start_effects(cells: pd.DataFrame) -> pd.DataFrame:
    """Return PSNR from both initialisations, one row per cell with several pairs of λ.

    The last rows have the lead of reweighted-RNN over ℓ1-ℓ1-RNN at each width with both.
    """
    place = ["table", "model", "value"]
    sides = [cells[cells["start"].eq(start) & cells["runs"].gt(0)].set_index(place)
             for start in (SUCCESSOR, BEST)]  # fmt: skip
    best = sides[1][["ours", "pairs", "lambda1", "lambda2"]].add_suffix("_best")
    table = sides[0].join(best, how="inner")
    table = table[table["pairs_best"] > 1]
    rows = {
        f"{title(model)}, {NAMES[cell['varies']]} {value:g}": _start_row(
            cell["psnr_db"],
            cell["ours"],
            cell["ours_best"],
            f"{cell['lambda1_best']:g}, {cell['lambda2_best']:g}",
        )
        for (_, model, value), cell in table.iterrows()
    }
    columns = table[["psnr_db", "ours", "ours_best"]]
    for value in sorted(table.index.get_level_values("value").unique()):
        keys = [(2, name, value) for name in ("reweighted-RNN", "l1-l1-RNN")]
        if all(key in columns.index for key in keys):
            lead = columns.loc[keys[0]] - columns.loc[keys[1]]
            rows[f"lead of reweighted-RNN over ℓ1-ℓ1-RNN, h = {value:g}"] = _start_row(*lead, "–")
    return attribution.mark(pd.DataFrame.from_dict(rows, orient="index"), cells)


def _start_row(paper: float, reported: float, best: float, pair: str) -> dict[str, str]:
    levels = {"paper (dB)": paper, f"{SUCCESSOR} (dB)": reported, f"{BEST} (dB)": best}
    texts = {name: f"{psnr:.2f}" for name, psnr in levels.items()}
    return texts | {"change (dB)": signed(best - reported), "selected initial λ1, λ2": pair}


def averagings(run_set: RunSet) -> pd.DataFrame:
    """Return the number of cells that agree with the paper, one row per averaging of PSNR."""
    rows = {}
    for average in metrics.AVERAGES:
        matched = _compared(paper_tables.compare_with_paper(run_set, average=average))
        gap = matched["difference"]
        rows[AVERAGINGS[average]] = {
            "cells compared": f"{len(matched)}",
            "agree": f"{matched['verdict'].eq('agrees').sum()}",
            "median difference (dB)": signed(gap.median()) if len(gap) else "–",
            "median absolute difference (dB)": f"{gap.abs().median():.2f}" if len(gap) else "–",
        }
    return attribution.mark(pd.DataFrame(rows).T, paper_tables.full_scale(run_set.runs))


def coverage(cells: pd.DataFrame, complete: dict[int, pd.DataFrame]) -> pd.DataFrame:
    """Return the number of cells with a run that trained, one row per table.

    ``complete``: the rows of `paper_tables.run_cells` of each table at the width that can be run
    completely, by number.
    """
    rows = {}
    for number, (field, _) in grid.VARIED.items():
        table_cells = cells[cells["table"] == number]
        entries = table_cells.drop_duplicates(["model", "value"])
        rows[f"Table {number}: {_VARIED_NAMES[field]}"] = {
            "cells": f"{len(entries)}",
            "trained at the paper's width": _run(table_cells, 1),
            f"with {paper_tables.SEEDS} seeds": _run(table_cells, paper_tables.SEEDS),
            "trained at h = 256": _run(complete[number], 1) if number in complete else "–",
            "paper's value lost": f"{entries['psnr_db'].isna().sum()}",
        }
    return attribution.mark(pd.DataFrame.from_dict(rows, orient="index"), cells)


def _run(cells: pd.DataFrame, seeds: int) -> str:
    return f"{len(cells[cells['runs'] >= seeds].drop_duplicates(['model', 'value']))}"
