"""The tables of the paper with our runs, as text and as displayed on a page."""

import math

import pandas as pd

from companion import attribution, labels
from companion.labels import DIVERGED, UNTRAINED, VERDICTS, signed, title
from companion.reproduction.paper_tables import BEST, MEAN, NAMES, has_run
from unfolded.runs import grid

LINEAR = "best linear reconstruction (PCA, {} components)"
"""The label of the other baseline, with its number of components."""

FROM_TABLE_1 = "*"
"""Marks a value of the paper from Table 1 that is lost in its own table."""


def label(model: str, start: str = "") -> str:
    """Return the label of a row: the network, and which of its two values.

    >>> label("gru"), label("sista-rnn", BEST)
    ('GRU', 'SISTA-RNN, best λ')
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
    """Return the mean ± half the 95 % interval over seeds, or the verdict of a cell without one."""
    if not cell.runs:
        return cell.verdict
    spread = f" ± {(cell.high - cell.low) / 2:.2f}" if cell.runs > 1 else ""
    return f"{cell.ours:.2f}{spread}"


def seeds_text(cell) -> str:
    """Return the number of seeds of a value, and of excluded seeds; "" without a run."""
    if not cell.runs:
        return ""
    others = {UNTRAINED: cell.untrained, DIVERGED: cell.diverged}
    parts = [f"{number} {word}" for word, number in others.items() if number]
    return ", ".join([labels.counted(cell.runs, "seed"), *parts])


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
    seeds = labels.part_of(cell.runs, cell.untrained + cell.diverged)
    if not hasattr(cell, "psnr_db"):
        return f"{cell.ours:.2f} ({seeds})" if cell.runs else ours_text(cell)
    if not cell.runs:
        return f"{_starred(cell)}\n{ours_text(cell)}"
    return f"{_starred(cell)} · {cell.ours:.2f}\n{_difference_text(cell)} ({seeds})".strip()


def _starred(cell) -> str:
    return paper_text(cell) + FROM_TABLE_1 * cell.status.startswith("default row")


def _difference_text(cell) -> str:
    """Return the symbol of a verdict and the difference, as far as they exist."""
    difference = getattr(cell, "difference", math.nan)
    symbol = VERDICTS[cell.verdict][0] if cell.verdict in VERDICTS else ""
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
