"""The figures of the table pages: printed and measured PSNR, leads, learning curves.

Each figure carries the source of the table that it draws.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from unfolded import grid
from unfolded.config import RunConfig
from unfolded.evidence import Evidence
from unfolded.figures import FAINT, LOOKS, panels
from unfolded.sources import mark
from unfolded.tables import NAMES, title

_LABELS = {"cs_rate": "CS rate", "hidden": "width $h$", "depth": "layers $d$"}


def beside_print(cells: pd.DataFrame) -> Figure:
    """Draw one table of the paper, a panel a network: printed values faint, ours in its colour.

    ``cells``: rows of :func:`unfolded.tables.beside_print` of one table.
    What to see: whether ours rises and falls with what the table varies as the printed values do.
    """
    models = list(dict.fromkeys(cells["model"]))
    values = sorted(set(cells["value"]))
    places = {value: place for place, value in enumerate(values)}
    fig, axes = panels(3, 3, height=6.2, sharex=True, sharey=True)
    for ax, model in zip(axes.flat, models, strict=False):
        own = cells[cells["model"] == model].sort_values("value")
        at = [places[value] for value in own["value"]]
        ax.plot(at, own["psnr_db"], "D--", color=FAINT, mfc="none", lw=1, ms=4, label="printed")
        color = LOOKS[model.lower()]["color"]
        ax.plot(at, own["ours"], "o-", color=color, lw=1.4, ms=5, label="ours")
        ax.vlines(at, own["low"], own["high"], color=color, lw=3, alpha=0.4)
        ax.set_title(title(model), fontsize=11)
    axes.flat[0].legend(fontsize=9)
    for ax in axes[-1]:
        ticks = [f"{value:g}" for value in values]
        ax.set_xticks(range(len(values)), ticks, rotation=60 if len(ticks[-1]) > 3 else 0)
    fig.supxlabel(_LABELS[str(cells["varies"].iloc[0])], fontsize=12)
    fig.supylabel("PSNR (dB)", fontsize=12)
    return mark(fig, cells)


def leads(gaps: pd.DataFrame, *, ours: str, varies: str) -> Figure:
    """Draw by how much a network leads each other one, with intervals; a panel a value.

    ``gaps``: rows of :func:`unfolded.evidence.against_all` that have a run; ``varies``: what the
    table varies, a field of RunConfig.
    What to see: a bar right of the line is a lead; one that touches the line decides nothing.
    """
    values = list(dict.fromkeys(gaps["value"]))
    others = list(dict.fromkeys(gaps["other"]))
    height = 1.2 + 0.3 * len(others)
    fig, axes = panels(1, len(values), height=height, sharey=True, sharex=True, squeeze=False)
    for ax, value in zip(axes[0], values, strict=True):
        own = gaps[gaps["value"] == value].set_index("other").reindex(others)
        for place, (name, gap) in enumerate(own.iterrows()):
            color = LOOKS[name]["color"]
            ax.plot([gap["low"], gap["high"]], [place] * 2, "-", color=color, lw=4, alpha=0.5)
            ax.plot(gap["mean"], place, "o", color=color, ms=5)
        ax.axvline(0, color="#444444", lw=1)
        ax.set(title=f"{NAMES[varies]} {value:g}", ylim=(len(others) - 0.5, -0.5))
        ax.locator_params(axis="x", nbins=3)
    axes[0, 0].set_yticks(range(len(others)), map(title, others))
    fig.supxlabel(f"lead of {title(ours)} (dB)", fontsize=12)
    return mark(fig, gaps)


def curves_along(number: int, base: RunConfig, found: Evidence) -> dict[str, pd.DataFrame]:
    """Return learning curves of reweighted-RNN along what a table varies, where it has run.

    Keys such as "d = 3"; of several seeds the first. ``base`` holds what the table does not vary.
    """
    field, symbol = grid.VARIED[number][0], {1: "rate", 2: "h", 3: "d"}[number]
    runs = grid.table(number, base, ["reweighted-rnn"])
    each = {f"{symbol} = {getattr(run, field):g}": found.curve(run) for run in runs}
    return {name: curve for name, curve in each.items() if curve is not None}


def ends(curves: Mapping[str, pd.DataFrame]) -> str:
    """Return a sentence with the last validation error of each curve, for a figure's description.

    >>> ends({"gru": pd.DataFrame({"validation_mse": [9.0, 4.0]})})
    'Validation error at the end: gru: 4.'
    """
    last = {name: table["validation_mse"].iloc[-1] for name, table in curves.items()}
    said = ", ".join(f"{name}: {mse:.0f}" for name, mse in last.items())
    return f"Validation error at the end: {said}."


def learning(curves: Mapping[str, pd.DataFrame], *, title: str = "") -> Figure:
    """Draw training and validation error of several runs, side by side.

    ``curves``: name -> a table with a row an epoch, as :func:`unfolded.results.curves` gives it.
    What to see: which falls first, which ends lowest, and how far the two panels differ.
    """
    fig, axes = panels(1, 2, height=4.4, sharey=True)
    for ax, name in zip(axes, ("train", "validation"), strict=True):
        for number, (label, table) in enumerate(curves.items()):
            at = np.arange(1, len(table) + 1)
            look = LOOKS.get(label, {"color": f"C{number}"})
            ax.plot(at, table[f"{name}_mse"], label=label, lw=1.6, **look)
        ax.set(title=name, xlabel="epoch", yscale="log")
    axes[0].set_ylabel("mean squared error")
    handles, labels = axes[0].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside upper center", ncols=3, title=title or None)
    return mark(fig, curves)


def gains(found: pd.DataFrame, *, change: str) -> Figure:
    """Draw what a change brings to each network, with its interval.

    ``found``: :func:`unfolded.evidence.gains`; rows of several answers are drawn one by one.
    ``change`` says what was changed, in a few words.
    What to see: right of the line the change helps; a bar that touches the line decides nothing.
    """
    several = found["answer"].nunique() > 1
    fig, ax = panels(height=1.1 + 0.32 * max(len(found), 1))
    labels = []
    for place, gap in enumerate(found.itertuples()):
        color = LOOKS[gap.model]["color"]
        ax.plot([gap.low, gap.high], [place] * 2, "-", color=color, lw=4, alpha=0.5)
        ax.plot(gap.mean, place, "o", color=color, ms=6)
        name = title(gap.model)
        labels.append(f"{name}, {gap.answer}" if several else name)
    ax.axvline(0, color="#444444", lw=1)
    ax.locator_params(axis="x", nbins=6)
    ax.set(xlabel=f"gain by {change} (dB)", ylim=(max(len(found), 1) - 0.5, -0.5))
    ax.set_yticks(range(len(found)), labels)
    return mark(fig, found)
