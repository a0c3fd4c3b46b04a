"""Figures of effects: a forest plot of ablations, and overfitting by width."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, LogLocator

from companion.attribution import mark
from companion.labels import title
from companion.plots.line_plots import STYLES, panels
from companion.reproduction.ablation_effects import INITIALISATIONS
from unfolded.runs.grid import AS_REPORTED

_PANELS = {
    "lead": "Lead over the best other network",
    "worth": "Loss without a part",
}


def forest(effects: pd.DataFrame) -> Figure:
    """Draw effects with 95 % intervals, one row per effect, for both initialisations of λ.

    ``effects``: :func:`companion.reproduction.ablation_effects.summary`.
    What to see: right of zero, reweighted-RNN as printed is better; an interval that contains
    zero is undecided.
    """
    names = {
        panel: list(dict.fromkeys(points["effect"])) for panel, points in effects.groupby("panel")
    }
    sizes = [max(len(names.get(panel, [])), 1) + 0.7 for panel in _PANELS]
    height = 1.6 + 0.36 * sum(sizes)
    fig, axes = panels(2, 1, height=height, gridspec_kw={"height_ratios": sizes})
    for ax, (panel, heading) in zip(axes, _PANELS.items(), strict=True):
        rows = names.get(panel, [])
        for init, face, shift in zip(INITIALISATIONS, (None, "white"), (-0.15, 0.15), strict=True):
            points = effects[(effects["panel"] == panel) & (effects["initialisation"] == init)]
            places = [rows.index(name) + shift for name in points["effect"]]
            color = STYLES["reweighted-rnn"]["color"]
            ax.hlines(places, points["low"], points["high"], color=color, lw=3, alpha=0.5)
            ax.plot(points["mean"], places, "o", color=color, mfc=face or color, ms=6, label=init)
        ax.axvline(0, color="#444444", lw=1)
        ax.set_yticks(range(len(rows)), rows)
        ax.set_ylim(max(len(rows), 1) - 0.5, -0.5)
        ax.set_title(heading, fontsize=11)
        if not rows:
            ax.set_xticks([])
            ax.text(0.5, 0.5, "not run yet", transform=ax.transAxes, ha="center")
    axes[-1].set_xlabel("difference in PSNR (dB)")
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return mark(fig, effects)


def overfitting(table: pd.DataFrame) -> Figure:
    """Draw the ratio of test and training error against width and number of parameters.

    ``table``: :func:`companion.reproduction.ablation_effects.overfitting`.
    Hollow points have the initial λ as reported.
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
            face = "white" if lambda1 == AS_REPORTED[0] else line_style["color"]
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
        axes[0].text(0.5, 0.5, "not run yet", transform=axes[0].transAxes, ha="center")
    else:
        fig.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return mark(fig, table)


def lambda_paths(curves: dict[str, pd.DataFrame]) -> Figure:
    """Draw λ1 and λ2 by epoch from each initialisation, on a logarithmic scale.

    ``curves``: :func:`companion.reproduction.ablation_effects.lambda_curves`.
    What to see: from each initialisation one of the two vanishes, not the same one.
    """
    fig, axes = panels(1, 2, height=3.6, sharey=True)
    for ax, name in zip(axes, ("lambda1", "lambda2"), strict=True):
        for number, (label, curve) in enumerate(curves.items()):
            ls = ("-", "--", ":")[number]
            ax.plot(np.arange(1, len(curve) + 1), curve[name], ls=ls, lw=1.6, label=label)
        ax.set(xlabel="epoch", yscale="log", title=rf"$\lambda_{name[-1]}$")
    axes[0].set_ylabel("value")
    if curves:
        fig.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    else:
        axes[0].text(0.5, 0.5, "not run yet", transform=axes[0].transAxes, ha="center")
    return mark(fig, curves)
