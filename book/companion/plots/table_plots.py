"""The figures of the table pages: PSNR of the paper and of our runs, leads, learning curves.

Each figure carries the source of its table.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from companion.attribution import mark
from companion.labels import title
from companion.plots.line_plots import FAINT, STYLES, panels
from companion.reproduction.paper_tables import BEST, MEAN, NAMES, SUCCESSOR
from unfolded.runs import grid

_LABELS = {"cs_rate": "CS rate", "hidden": "width $h$", "depth": "layers $d$"}


def overview(paper: pd.DataFrame, cells: pd.DataFrame, levels: pd.DataFrame, titles) -> Figure:
    """Draw the paper's table and ours side by side, one line per network, over the two baselines.

    ``paper``: rows of `paper_tables.compare_with_paper`, of which the paper's values are drawn;
    ``cells``: rows of :func:`companion.reproduction.paper_tables.run_cells`; ``levels``: those of
    `paper_tables.baselines`; all of one table. ``titles``: of the two panels.
    What to see: which networks are above the best linear reconstruction, and in which order. In our
    panel a solid line is the best λ, and small hollow marks are the λ of the successor paper.
    """
    fig, axes = panels(1, 2, height=4.6, sharey=True)
    values = sorted(set(levels["value"]))
    printed = paper.drop_duplicates(["model", "value"])
    for model, line in printed.groupby(printed["model"].str.lower(), sort=False):
        _draw_line(axes[0], line.set_index("value")["psnr_db"].reindex(values), model)
    for (model, start), line in cells[cells["runs"] > 0].groupby(["model", "start"], sort=False):
        _draw_line(axes[1], line.set_index("value")["ours"].reindex(values), model, start)
    for ax, name in zip(axes, titles, strict=True):
        _draw_baselines(ax, levels)
        _set_ticks(ax, values)
        ax.set(title=name, xlabel=_LABELS[grid.VARIED[int(cells["table"].iloc[0])][0]])
    axes[0].set_ylabel("PSNR (dB)")
    handles, labels = axes[0].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside upper center", ncols=3, fontsize=9)
    return mark(fig, paper, cells, levels)


def _draw_line(ax, values: pd.Series, model: str, start: str = "") -> None:
    """Draw one network along a table; the hollow markers of the successor's λ have no line."""
    line_style, at = STYLES[model], np.arange(len(values))
    if start == SUCCESSOR:
        ax.plot(at, values, "o", color=line_style["color"], mfc="none", ms=5, label="_")
        return
    line_style = {**line_style, "marker": "o", "ms": 3, "markevery": None}
    ax.plot(at, values, lw=1.5, label=title(model), **line_style)


def _draw_baselines(ax, levels: pd.DataFrame, label: bool = True) -> None:
    """Draw the best linear reconstruction and the mean frame along a table, in grey."""
    for name, style in (("PCA", "-"), (MEAN, ":")):
        rows = levels[levels["level"] == name].sort_values("value")
        words = {"PCA": "best linear (PCA)"}.get(name, name) if label else "_"
        ax.plot(range(len(rows)), rows["psnr"], style, color=FAINT, lw=2.5, zorder=0, label=words)


def _set_ticks(ax, values) -> None:
    ticks = [f"{value:g}" for value in values]
    ax.set_xticks(range(len(values)), ticks, rotation=60 if len(ticks[-1]) > 3 else 0)


def panels_by_network(cells: pd.DataFrame, levels: pd.DataFrame | None = None) -> Figure:
    """Draw one table, one panel per network: our values, both initialisations, over the baselines.

    ``cells``: rows of :func:`companion.reproduction.paper_tables.run_cells`, or of
    `paper_tables.compare_with_paper`, in which case the paper's values are drawn as well;
    ``levels``: :func:`companion.reproduction.paper_tables.baselines`.
    What to see: whether a network improves along the table, and above which baseline.
    """
    number = int(cells["table"].iloc[0])
    values = sorted(set(cells["value"]))
    fig, axes = panels(3, 3, height=6.4, sharex=True, sharey=True)
    for ax, (model, rows) in zip(axes.flat, cells.groupby("model", sort=False), strict=False):
        if "psnr_db" in rows:
            line = rows.drop_duplicates("value").set_index("value")["psnr_db"].reindex(values)
            ax.plot(range(len(values)), line, "D--", color=FAINT, mfc="none", lw=1, ms=4)
        if levels is not None:
            _draw_baselines(ax, levels, label=False)
            _draw_crosses(ax, rows, levels, values)
        for start, series in rows.groupby("start", sort=False):
            _draw_intervals(ax, series.set_index("value").reindex(values), model.lower(), start)
        ax.set_title(title(model), fontsize=11)
        _set_ticks(ax, values)
    fig.supxlabel(_LABELS[grid.VARIED[number][0]], fontsize=12)
    fig.supylabel("PSNR (dB)", fontsize=12)
    start_names = set(cells["start"])
    _add_legend(fig, paper="psnr_db" in cells, levels=levels is not None, start_names=start_names)
    return mark(fig, cells, *([] if levels is None else [levels]))


def _entry(label: str, color: str = "#222222", **style) -> Line2D:
    """Return an entry of a legend."""
    return Line2D([], [], color=color, label=label, **style)


def _draw_crosses(ax, cells: pd.DataFrame, levels: pd.DataFrame, values: list) -> None:
    """Draw a cross at the mean frame for a network that did not train."""
    untrained = sorted(set(cells.loc[cells["verdict"] == "did not train", "value"]))
    if not untrained:
        return
    mean = levels[levels["level"] == MEAN].set_index("value")["psnr"]
    at = [values.index(value) for value in untrained]
    color = STYLES[cells["model"].iloc[0].lower()]["color"]
    ax.plot(at, mean[untrained], "x", color=color, ms=7, mew=2)


def _draw_intervals(ax, line: pd.DataFrame, model: str, start: str) -> None:
    color, at = STYLES[model]["color"], np.arange(len(line))
    hollow = {"mfc": "white", "ls": "--"} if start == SUCCESSOR else {"ls": "-"}
    ax.plot(at, line["ours"], "o", color=color, lw=1.4, ms=5, **hollow)
    ends = (line[name].astype(float) for name in ("low", "high"))
    ax.vlines(at, *ends, color=color, lw=3, alpha=0.4)


def _add_legend(fig: Figure, *, paper: bool, levels: bool, start_names: set[str]) -> None:
    """Draw the common legend of all panels."""
    marks = [_entry("the paper", FAINT, marker="D", ls="--", mfc="none", ms=4)] * paper
    if SUCCESSOR in start_names:
        marks.append(_entry(f"ours, {SUCCESSOR}", marker="o", ls="--", mfc="white", ms=5))
    words = f"ours, {BEST}" if SUCCESSOR in start_names else "ours"
    marks.append(_entry(words, marker="o", ms=5))
    if levels:
        marks += [_entry("best linear (PCA)", FAINT, lw=2.5), _entry(MEAN, FAINT, lw=2.5, ls=":")]
        marks.append(_entry("did not train", ls="none", marker="x", mew=2))
    fig.legend(handles=marks, loc="outside upper center", ncols=3, fontsize=9)


def levels_at(cells: pd.DataFrame, levels: pd.DataFrame, values) -> Figure:
    """Draw the networks at some values of a table, one panel per value: paper, ours, baselines.

    ``cells``: rows of `paper_tables.compare_with_paper` of one table; ``levels``:
    :func:`companion.reproduction.paper_tables.baselines`.
    What to see: a filled dot in its diamond is a value that is reproduced from the λ of the
    successor paper; the grey lines need no network. A cross on the mean frame is a network that
    did not train.
    """
    fig, axes = panels(1, len(values), height=4.2, sharey=True, sharex=True, squeeze=False)
    models = list(dict.fromkeys(cells["model"]))
    for ax, value in zip(axes[0], values, strict=True):
        rows = cells[cells["value"] == value]
        baselines = levels[levels["value"] == value].set_index("level")["psnr"]
        for name, style in (("PCA", "-"), (MEAN, ":")):
            ax.axvline(baselines[name], color=FAINT, lw=2, ls=style, zorder=0)
        for cell in rows.itertuples():
            place, color = models.index(cell.model), STYLES[cell.model.lower()]["color"]
            ax.plot(cell.psnr_db, place, "D", mfc="none", mec="#222222", ms=9, mew=1.2)
            if cell.verdict == "did not train":
                ax.plot(baselines[MEAN], place, "x", color=color, ms=7)
            ax.plot([cell.low, cell.high], [place] * 2, "-", color=color, lw=3, alpha=0.5)
            square = {"marker": "s", "mfc": "none"} if cell.start == BEST else {"marker": "o"}
            ax.plot(cell.ours, place, ls="none", color=color, ms=6, **square)
        ax.set(title=f"$h$ = {value:g}", xlabel="PSNR (dB)", ylim=(len(models) - 0.5, -0.5))
        ax.locator_params(axis="x", nbins=5)
    axes[0, 0].set_yticks(range(len(models)), map(title, models))
    marks = [_entry("the paper", ls="none", marker="D", mfc="none")]
    marks.append(_entry(f"ours, {SUCCESSOR}", ls="none", marker="o"))
    marks.append(_entry(f"ours, {BEST}", ls="none", marker="s", mfc="none"))
    marks += [_entry("best linear (PCA)", FAINT, lw=2), _entry(MEAN, FAINT, lw=2, ls=":")]
    fig.legend(handles=marks, loc="outside upper center", ncols=3, fontsize=9)
    return mark(fig, cells, levels)


def leads(gaps: pd.DataFrame, *, varies: str) -> Figure:
    """Draw the lead of reweighted-RNN over each other network, with intervals; one panel per value.

    ``gaps``: rows of `agreement.leads`; ``varies``: the varied field of RunConfig.
    What to see: a marker right of the line is a lead; an interval that contains zero is undecided.
    Filled: λ of the successor paper; hollow: best λ.
    """
    values = sorted(set(gaps["value"]))
    competitors = [name for name in STYLES if name in set(gaps["other"])]
    height = 1.6 + 0.34 * max(len(competitors), 1)
    shape = {"height": height, "sharey": True, "sharex": True, "squeeze": False}
    fig, axes = panels(1, max(len(values), 1), **shape)
    for ax, value in zip(axes[0], values, strict=False):
        for gap in gaps[gaps["value"] == value].itertuples():
            best = gap.start == BEST
            place = competitors.index(gap.other) + (0.18 if best else -0.18)
            color = STYLES[gap.other]["color"]
            ax.plot([gap.low, gap.high], [place] * 2, "-", color=color, lw=4, alpha=0.5)
            ax.plot(gap.mean, place, "s" if best else "o", mec=color, ms=5,
                    mfc="white" if best else color)  # fmt: skip
        ax.axvline(0, color="#444444", lw=1)
        ax.set(title=f"{NAMES[varies]} {value:g}", ylim=(len(competitors) - 0.5, -0.5))
        ax.locator_params(axis="x", nbins=3)
    axes[0, 0].set_yticks(range(len(competitors)), map(title, competitors))
    fig.supxlabel(f"lead of {title('reweighted-rnn')} (dB, averaged by sequence)", fontsize=12)
    marks = [_entry(SUCCESSOR, ls="none", marker="o")]
    marks.append(_entry(BEST, ls="none", marker="s", mfc="none"))
    fig.legend(handles=marks, loc="outside upper center", ncols=2, fontsize=9)
    return mark(fig, gaps)


def learning_curves(
    curves: Mapping[str, pd.DataFrame], *, levels: Mapping[str, float] | None = None
) -> Figure:
    """Draw training and validation error of several runs, side by side.

    ``curves``: name -> a table with one row per epoch, as :func:`companion.results.curves` returns;
    ``levels``: name -> the error of a baseline, see `curve_findings.error_levels`.
    What to see: which error decreases first, which final error is lowest, the difference between
    the panels, and which networks stay at the best linear reconstruction.
    """
    fig, axes = panels(1, 2, height=4.4, sharey=True)
    for ax, name in zip(axes, ("train", "validation"), strict=True):
        for number, (key, table) in enumerate(curves.items()):
            at = np.arange(1, len(table) + 1)
            line_style = STYLES.get(key, {"color": f"C{number}"})
            ax.plot(at, table[f"{name}_mse"], label=title(key), lw=1.6, **line_style)
        for (level, mse), style in zip((levels or {}).items(), ("-", ":"), strict=False):
            ax.axhline(mse, color=FAINT, lw=2.5, ls=style, zorder=0, label=level)
        ax.set(title=name, xlabel="epoch", yscale="log")
    axes[0].set_ylabel("mean squared error (grey levels²)")
    handles, labels = axes[0].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside upper center", ncols=3)
    return mark(fig, curves)
