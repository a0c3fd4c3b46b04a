"""Figures of effects: a forest plot of ablations, and overfitting by width."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, LogLocator

from companion.attribution import mark
from companion.labels import title
from companion.plots.line_plots import FAINT, STYLES, panels
from companion.reproduction.ablation_effects import INITIALISATIONS, PRELIMINARY
from unfolded.runs.grid import SUCCESSOR

_PANELS = {
    "lead": "lead of reweighted-RNN over the best other network",
    "worth": "loss of reweighted-RNN without …",
}


def forest(effects: pd.DataFrame) -> Figure:
    """Draw effects with 95 % intervals, one row per effect, for both initialisations of λ.

    ``effects``: :func:`companion.reproduction.ablation_effects.summary`. Grey points are from
    preliminary runs; the right margin has the other network and the number of seeds.
    What to see: right of zero, reweighted-RNN as in the paper is better; an interval that contains
    zero is undecided.
    """
    names = {
        panel: list(dict.fromkeys(points["effect"])) for panel, points in effects.groupby("panel")
    }
    sizes = [max(len(names.get(panel, [])), 1) + 0.7 for panel in _PANELS]
    heights = {"height_ratios": sizes}
    fig, axes = panels(2, 1, height=1.3 + 0.26 * sum(sizes), sharex=True, gridspec_kw=heights)
    for ax, (panel, heading) in zip(axes, _PANELS.items(), strict=True):
        rows = names.get(panel, [])
        for point in effects[effects["panel"] == panel].itertuples():
            best = point.initialisation == INITIALISATIONS[1]
            place = rows.index(point.effect) + (0.15 if best else -0.15)
            preliminary = point.evidence == PRELIMINARY
            color = FAINT if preliminary else STYLES["reweighted-rnn"]["color"]
            ax.hlines(place, point.low, point.high, color=color, lw=3, alpha=0.5)
            ax.plot(point.mean, place, "o", color=color, mfc="white" if best else color, ms=5)
        for place, name in enumerate(rows):
            points = effects[(effects["panel"] == panel) & (effects["effect"] == name)]
            ax.annotate(_margin(points, panel), (1.01, place), xycoords=("axes fraction", "data"),
                        fontsize=8, va="center", annotation_clip=False)  # fmt: skip
        ax.axvline(0, color="#444444", lw=1)
        ax.set_yticks(range(len(rows)), rows, fontsize=9)
        ax.set_ylim(max(len(rows), 1) - 0.5, -0.5)
        ax.set_title(heading, fontsize=10, loc="left")
        if not rows:
            ax.text(0.5, 0.5, "not run", transform=ax.transAxes, ha="center")
    axes[-1].set_xlabel("difference in PSNR (dB)")
    color = STYLES["reweighted-rnn"]["color"]
    labels = ("from the λ of the successor paper", "from the best λ")
    for label, face in zip(labels, (color, "white"), strict=True):
        axes[0].plot([], [], "o", color=color, mfc=face, ms=5, label=label)
    axes[0].plot([], [], "o", color=FAINT, ms=5, label="short runs, bilinear frames")
    fig.legend(
        *axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=3, fontsize=8
    )
    return mark(fig, effects)


def _margin(points: pd.DataFrame, panel: str) -> str:
    others = " / ".join(dict.fromkeys(points["over"])) if panel == "lead" else ""
    others = f"only {others}" if others and points["ran"].max() == 1 else others
    evidence = points["evidence"].iloc[0]
    width = "" if evidence == PRELIMINARY else evidence
    seeds = sorted(set(points["seeds"]))
    count = "–".join(map(str, seeds)) + (" seed" if seeds == [1] else " seeds")
    return ", ".join(filter(None, [others, width, count]))


def pixel_scales(levels: pd.DataFrame) -> Figure:
    """Draw the PSNR of each network with pixels in [0, 255] and in [0, 1], joined by a line.

    ``levels``: :func:`companion.reproduction.ablation_effects.scale_levels`. One panel for equal
    width and one for equal size. The lines join two measured values; nothing is interpolated.
    What to see: which lines cross the line of reweighted-RNN.
    """
    fig, axes = panels(1, 2, height=4.2, sharey=True)
    order = ("authors", "normalised")
    for ax, size in zip(axes, ("equal width", "equal size"), strict=True):
        rows = levels[(levels["size"] == size) & levels["psnr"].notna()]
        for model, points in rows.groupby("model", sort=False):
            places = [order.index(protocol) for protocol in points["protocol"]]
            style = {"color": STYLES[model]["color"], "ls": STYLES[model]["ls"]}
            width = 2.4 if model == "reweighted-rnn" else 1.2
            ax.plot(places, points["psnr"], "o", lw=width, ms=5, label=title(model), **style)
        ax.set_xticks([0, 1], ["0 … 255", "0 … 1"])
        ax.set(title=size, xlabel="pixel scale", xlim=(-0.2, 1.2))
    axes[0].set_ylabel("PSNR (dB)")
    if levels.empty:
        axes[0].text(0.5, 0.5, "not run", transform=axes[0].transAxes, ha="center")
    else:
        fig.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return mark(fig, levels)


def overfitting(table: pd.DataFrame) -> Figure:
    """Draw the ratio of test and training error against width and number of parameters.

    ``table``: :func:`companion.reproduction.overfitting.error_ratios`.
    Hollow points have the initial λ of the successor paper.
    What to see: at one, test and training error are equal; a point above has overfitted.
    """
    fig, axes = panels(1, 2, height=3.8, sharey=True)
    ordered = table.sort_values("model", key=lambda names: names.map(list(STYLES).index))
    for ax, name in zip(axes, ("hidden", "parameters"), strict=True):
        labelled = set()
        for (model, lambda1), runs in ordered.groupby(["model", "lambda1"], sort=False):
            line_style, label = STYLES[model], None if model in labelled else title(model)
            runs, labelled = runs.sort_values(name), labelled | {model}
            mean = runs.groupby("hidden", as_index=False)[["parameters", "ratio"]].mean()
            face = "white" if lambda1 == SUCCESSOR[0] else line_style["color"]
            ax.plot(
                mean[name], mean["ratio"], color=line_style["color"], ls=line_style["ls"], lw=1.2
            )
            ax.plot(
                runs[name],
                runs["ratio"],
                "o",
                color=line_style["color"],
                mfc=face,
                ms=5,
                label=label,
            )
        ax.axhline(1, color="#444444", lw=1)
        ax.set_xscale("log")
        ax.minorticks_off()
    widths = sorted(set(table["hidden"]))
    axes[0].set_xticks(widths, [f"{width:g}" for width in widths], rotation=60)
    axes[1].xaxis.set_major_locator(LogLocator(subs=(1, 3)))
    axes[1].xaxis.set_major_formatter(EngFormatter(sep=""))
    axes[0].set(xlabel="width $h$", ylabel="test / training error")
    axes[1].set(xlabel="parameters")
    if table.empty:
        axes[0].text(0.5, 0.5, "not run", transform=axes[0].transAxes, ha="center")
    else:
        fig.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return mark(fig, table)


def lambda_paths(curves: dict[str, pd.DataFrame]) -> Figure:
    """Draw λ1 and λ2 by epoch from each initialisation, on a logarithmic scale.

    ``curves``: :func:`companion.reproduction.ablation_effects.lambda_curves`.
    What to see: one of the two weights vanishes, a different one from each initialisation.
    """
    fig, axes = panels(1, 2, height=3.6, sharey=True)
    for ax, name in zip(axes, ("lambda1", "lambda2"), strict=True):
        for number, (label, curve) in enumerate(curves.items()):
            ls = ("-", "--", ":", "-.")[number]
            ax.plot(np.arange(1, len(curve) + 1), curve[name], ls=ls, lw=1.6, label=label)
        ax.set(xlabel="epoch", yscale="log", title=rf"$\lambda_{name[-1]}$")
    axes[0].set_ylabel("value")
    if curves:
        fig.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=4)
    else:
        axes[0].text(0.5, 0.5, "not run", transform=axes[0].transAxes, ha="center")
    return mark(fig, curves)
