"""The figures of the page that identifies the published experiment."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from companion.attribution import mark
from companion.labels import pair, title
from companion.plots.line_plots import FAINT, STYLES, panels
from unfolded.runs import grid

FILTERS = {"bilinear": "#0072B2", "area": "#D55E00", "antialiased": "#009E73"}
"""The colour of each filter in all figures of the page."""

STARTS = {
    "": "o",
    "earlier code": "o",
    "successor": "s",
    "earlier script": "^",
    "random search": "P",
}
"""The marker of a run by its initial λ1, λ2, see :data:`unfolded.runs.grid.STARTS`."""


def values_by_filter(cells: pd.DataFrame, levels: Mapping[str, float]) -> Figure:
    """Draw the values of the paper at one width, our runs by filter, and the linear levels.

    ``cells``: `identification.runs_by_filter`; ``levels``: filter -> dB.
    What to see: most values of the paper are at one of the vertical lines, and our runs with the
    same filter are next to them.
    """
    models = list(dict.fromkeys(cells["model"]))
    fig, ax = panels(height=4.2)
    for name, level in dict(levels).items():
        ax.axvline(level, color=FILTERS[name], lw=1.2, ls="--")
    for place, model in enumerate(models):
        rows = cells[cells["model"] == model]
        ax.axhline(place, color=FAINT, lw=0.4, zorder=0)
        for row in rows.itertuples():
            color = FILTERS[row.reduction]
            ax.plot([row.low, row.high], [place] * 2, "-", color=color, lw=3, alpha=0.4)
            ax.plot(row.ours, place, _marker(row.start), color=color, mfc="none", ms=7)
        if rows["untrained"].any():
            ends = rows.loc[rows["untrained"], "ours"].max(), place
            ax.annotate("did not train", ends, (7, -4), textcoords="offset points", fontsize=9)
        ax.plot(rows["printed"].iloc[0], place, "D", color="black", ms=5)
    ax.plot([], [], "D", color="black", label="the paper")
    ax.plot([], [], "--", color=FAINT, label="best linear reconstruction")
    for name in dict.fromkeys([*dict(levels), *cells["reduction"]]):
        ax.plot([], [], "o--", color=FILTERS[name], mfc="none", label=f"{name} frames")
    for name in filter(None, cells["start"].unique()):
        ax.plot([], [], _marker(name), color=FAINT, mfc="none", label=_start_label(name))
    ax.set_yticks(range(len(models)), map(title, models))
    ax.set(xlabel="PSNR (dB)", ylim=(len(models) - 0.5, -0.5))
    fig.legend(loc="outside upper center", ncols=3, fontsize=9)
    return mark(fig, cells)


def levels_by_rate(levels: pd.DataFrame, printed: pd.DataFrame) -> Figure:
    """Draw the linear level of each filter against the CS rate, and the values of Table 1.

    ``levels``: `identification.linear_levels`; ``printed``: rows of Table 1.
    What to see: how many values of the paper are above the line of each filter.
    """
    fig, ax = panels(height=4.0)
    for name, row in levels.iterrows():
        ax.plot(levels.columns, row, "o--", color=FILTERS[name], mfc="none", label=f"PCA, {name}")
    for model, rows in printed.groupby("model", sort=False):
        color = STYLES[model.lower()]["color"]
        ax.plot(rows["value"], rows["psnr_db"], "D-", color=color, ms=3, lw=0.8, label=title(model))
    ax.set(xlabel="CS rate", ylabel="PSNR (dB)")
    fig.legend(loc="outside upper center", ncols=4, fontsize=8)
    return mark(fig, levels, printed)


def replays(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """Draw the logged values at an iteration and the replays, one panel per network.

    ``tables``: network -> `log_comparison.compare_with_log`. Markers are labelled with n.
    What to see: which filter and which n are closest to the star, the log.
    """
    fig, axes = panels(1, len(tables), height=3.2, sharey=True, squeeze=False)
    for ax, (network, table) in zip(axes[0], tables.items(), strict=True):
        for row in table.iloc[1:].itertuples():
            ax.plot(row.psnr, row.zeros, "o", color=FILTERS[row.frames], mfc="none")
            where = (row.psnr, row.zeros), (3, 3)
            ax.annotate(f"{row.n:.0f}", *where, textcoords="offset points", fontsize=8)
        log = table.iloc[0]
        ax.plot(log["psnr"], log["zeros"], "*", color="black", ms=12, zorder=3)
        ax.set(title=title(network), xlabel="PSNR (dB)")
        ax.locator_params(axis="x", nbins=4)
    axes[0, 0].set_ylabel("fraction of zero codes")
    for name, color in FILTERS.items():
        axes[0, 0].plot([], [], "o", color=color, mfc="none", label=name)
    axes[0, 0].plot([], [], "*", color="black", label="the log")
    fig.legend(loc="outside upper center", ncols=4, fontsize=9)
    return mark(fig, *tables.values())


def plateaus(logs: pd.DataFrame, levels: Mapping[int, float]) -> Figure:
    """Draw logged PSNR against the iteration, and the linear level of several n.

    ``logs``: `log_comparison.stored_logs`; ``levels``: n -> dB with `area` frames.
    What to see: at which of the lines the curves of the unfolded networks become flat.
    """
    fig, ax = panels(height=3.2)
    for network, values in logs.groupby("network", sort=False):
        line_style = STYLES.get(network, {"color": FAINT})
        label = title(network) if network in STYLES else "stacked network"
        ax.plot(values["iteration"], values["psnr"], label=label, **line_style)
    top = logs["psnr"].max() + 2
    for n, level in levels.items():
        if level > top:
            continue
        ax.axhline(level, color=FILTERS["area"], lw=0.8, ls=":")
        ax.annotate(f"n = {n}", (0, level), (4, 2), ("axes fraction", "data"), "offset points")
    ax.set(xlabel="iteration", ylabel="PSNR (dB)", xscale="log")
    ax.legend(loc="lower right", fontsize=9)
    return mark(fig, logs)


def solutions(cells: Mapping[int, pd.DataFrame]) -> Figure:
    """Draw initial and final λ1 and λ2 and the resulting PSNR, one column per width.

    ``cells``: h -> rows of `identification.runs_by_filter` of unfolded networks.
    What to see: two solutions, one with large λ1 and small λ2 and one with small λ1 and large λ2,
    and the PSNR of each next to the value of the paper (diamonds).
    """
    fig, axes = panels(2, len(cells), height=5.4, sharey="row", squeeze=False)
    models = list(dict.fromkeys(model for rows in cells.values() for model in rows["model"]))
    for column, (hidden, rows) in zip(axes.T, cells.items(), strict=True):
        for row in rows.itertuples():
            color, style = STYLES[row.model]["color"], STARTS[row.start]
            x, y = (row.lambda1, row.learned_lambda1), (row.lambda2, row.learned_lambda2)
            column[0].plot(x, y, "-", color=color, lw=0.8)
            column[0].plot(x[0], y[0], "x", color=FAINT, ms=7)
            column[0].plot(x[1], y[1], style, color=color, ms=7)
            place = models.index(row.model)
            column[1].plot(place, row.ours, style, color=color, ms=7)
            column[1].plot(place, row.printed, "D", color="black", mfc="none", ms=6)
        column[0].set(title=f"h = {hidden}", xlabel="λ1", xscale="log", yscale="log")
        column[1].set_xticks(range(len(models)), map(title, models), rotation=20, fontsize=9)
        column[1].set_xlim(-0.5, len(models) - 0.5)
    axes[0, 0].set_ylabel("λ2")
    axes[1, 0].set_ylabel("PSNR (dB)")
    for name in dict.fromkeys(name for rows in cells.values() for name in rows["start"]):
        axes[1, 0].plot([], [], STARTS[name], color=FAINT, label=_start_label(name))
    axes[1, 0].plot([], [], "x", color=FAINT, label="initial value")
    axes[1, 0].plot([], [], "D", color="black", mfc="none", label="the paper")
    fig.legend(loc="outside upper center", ncols=3, fontsize=9)
    return mark(fig, *cells.values())


def search(draws: pd.DataFrame) -> Figure:
    """Draw the initial λ1, λ2 of a random search, with the validation PSNR of each, per network.

    ``draws``: `lambda_search.draws`. The validation PSNR in dB is written at each draw; the
    selected draw is a star.
    What to see: from which draws a network leaves the linear plateau.
    """
    models = list(dict.fromkeys(draws["model"]))
    fig, axes = panels(1, len(models), height=3.2, sharey=True, squeeze=False)
    for ax, model in zip(axes[0], models, strict=True):
        rows = draws[draws["model"] == model]
        for i, row in enumerate(rows.sort_values("lambda1").itertuples()):
            style = {"marker": "*", "ms": 13} if row.selected else {"marker": "o", "ms": 6}
            ax.plot(row.lambda1, row.lambda2, color=STYLES[model]["color"], ls="", **style)
            where = (row.lambda1, row.lambda2), (0, 8 if i % 2 else -17)
            text = f"{row.validation:.1f}"
            ax.annotate(text, *where, textcoords="offset points", ha="center", fontsize=9)
        ax.set(title=title(model), xlabel="initial λ1", xscale="log", yscale="log")
        ax.margins(0.16, 0.12)
    axes[0, 0].set_ylabel("initial λ2")
    return mark(fig, draws)


def _marker(start: str) -> str:
    return STARTS.get(start, "v")


def _start_label(start: str) -> str:
    if start not in grid.STARTS:
        return start
    lambda1, lambda2 = grid.STARTS[start]
    return f"from λ = {pair(lambda1, lambda2)}"
