"""The figures of the page on speed: measured and theoretical growth, PSNR against speed."""

import itertools
import re
from collections.abc import Callable, Mapping

import pandas as pd
from matplotlib.figure import Figure

from companion.labels import title
from companion.plots.line_plots import FAINT, panels
from companion.plots.line_plots import STYLES as NETWORKS
from companion.plots.style import show
from companion.speed.measurements import NOT_RUN, processor, record, records_of
from companion.speed.targets import step_targets

_COLOURS = ("#0072B2", "#8C6D00", "#D55E00")
_AXES = {
    "time": "frames $T$",
    "depth": "layers $d$",
    "hidden": "width $h$",
    "batch": "batch $B$",
    "runs": "runs in parallel",
}


STYLES = {
    "stored": {"marker": "o", "ms": 4, "ls": "-"},
    "recomputed": {"marker": "s", "ms": 7, "ls": ":", "mfc": "none"},
}
"""Styles of stored and recomputed states, which differ in more than colour."""


def work(*, time: int, depth: int, hidden: int, batch: int, runs: int = 1, n: int = 51) -> float:
    r"""Return the number of multiplications and additions of the recurrence in one step.

    .. math:: 3 R B T\,\bigl((d + 1)\,2h^2 + 4 d n h\bigr)

    forward and backward, in the form (8)–(9) with all products per frame, without the products
    with A and D; R parallel runs. The engine forms W_l once per step.
    """
    return 3.0 * runs * batch * time * ((depth + 1) * 2 * hidden**2 + 4 * depth * n * hidden)


def states(*, time: int, depth: int, hidden: int, batch: int, runs: int = 1) -> float:
    r"""Return the bytes of the states and of the weight matrices, in single precision.

    .. math:: 4R\,\bigl(B\,(T(d + 1) + 1)\,h + (3d + 1)\,h^2\bigr)

    :math:`p_0, \dots, p_d` of every frame; W_l with its gradient, the gradients of Z_l and G.
    """
    matrices = (3 * depth + 1) * hidden**2
    return 4.0 * runs * (batch * (time * (depth + 1) + 1) * hidden + matrices)


def growth(
    measurements: pd.DataFrame, column: str, theory: Callable, *, unit: float = 1.0, ylabel: str
) -> tuple[Figure, str]:
    """Draw a column of the growth record on logarithmic scales; return figure and description.

    ``theory(time=, depth=, hidden=, batch=, runs=)`` is a line through the last point.
    What to see: whether the dots approach the dashed line.
    """
    sizes, parts = list(_AXES), []
    fig, axes = panels(2, 3, height=5.0, sharey=True)
    for ax, (axis, label) in zip(axes.flat, _AXES.items(), strict=False):
        rows = measurements[measurements["axis"] == axis]
        for recompute, (name, line_style) in zip((False, True), STYLES.items(), strict=True):
            points = rows[rows["recompute"] == recompute].sort_values(axis)
            ax.plot(points[axis], points[column] * unit, **line_style, lw=1, label=name)
        points = rows[~rows["recompute"]].sort_values(axis)
        line = points[sizes].apply(lambda row: theory(**row.astype(int)), axis=1)
        scale = points[column].iloc[-1] * unit / line.iloc[-1]
        ax.plot(points[axis], line * scale, color=FAINT, ls=(0, (4, 3)), lw=1, label="theory")
        ax.set(xscale="log", yscale="log", xlabel=label)
        ax.set_xticks(points[axis], points[axis].astype(str), fontsize=8)
        ax.minorticks_off()
        ends = points[column].iloc[[0, -1]] * unit
        parts.append(f"{axis} {points[axis].iloc[0]} to {points[axis].iloc[-1]}: "
                    f"{ends.iloc[0]:.3g} to {ends.iloc[1]:.3g}")  # fmt: skip
    for ax in axes[:, 0]:
        ax.set_ylabel(ylabel)
    axes.flat[-1].axis("off")
    axes.flat[-1].legend(*axes.flat[0].get_legend_handles_labels(), loc="center", frameon=False)
    return fig, f"{ylabel} against five sizes with the line of theory; {'; '.join(parts)}."


def show_ratios(measurement: str = "step") -> None:
    """Show the time of each competitor over that of our step, on each machine."""
    measurements = {name: record(name) for name in records_of(measurement)}
    if any(table is None for table in measurements.values()):
        print(NOT_RUN)
        return
    tables = {processor(table): step_targets(name) for name, table in measurements.items()}
    show(*ratios(tables), source=list(measurements.values()))


def ratios(tables: Mapping[str, pd.DataFrame]) -> tuple[Figure, str]:
    """Draw competitor / ours for all networks, a panel per machine and width, and describe it.

    ``tables``: by machine, the result of :func:`companion.speed.targets.step_targets`.
    What to see: a mark right of 1 is slower than our step; a filled mark meets its target.
    """
    first = next(iter(tables.values()))
    widths, models = sorted(first["h"].unique()), list(dict.fromkeys(first["model"]))
    names = {"plain / ours": "plain PyTorch", "ours / its products": "its products alone"}
    names |= {"ours / PyTorch's module": "PyTorch's module"}
    shape = {"sharex": True, "sharey": True, "squeeze": False}
    fig, axes = panels(len(tables), len(widths), height=1.0 + 2.2 * len(tables), **shape)
    parts = []
    for ax, (machine, h) in zip(axes.flat, itertools.product(tables, widths), strict=True):
        table = tables[machine]
        ax.axvline(1, color=FAINT, lw=1)
        for place, (ratio, label) in enumerate(names.items()):
            marker, colour = "osD"[place], _COLOURS[place]
            rows = table[(table["h"] == h) & (table["ratio"] == ratio)].dropna(subset="measured")
            values = rows["measured"] if ratio == "plain / ours" else 1 / rows["measured"]
            places = [models.index(model) + 0.22 * (place - 1) for model in rows["model"]]
            faces = [colour if met == "yes" else "white" for met in rows["met"]]
            ax.scatter(values, places, 30, faces, marker=marker, edgecolors=colour, zorder=3)
            ax.scatter([], [], 30, colour, marker=marker, label=label)
            counts = f"{(values > 1).sum()} of {len(rows)}", (rows["met"] == "yes").sum()
            parts.append(f"{machine}, h = {h}, {label}: slower for {counts[0]}, "
                         f"{counts[1]} targets met")  # fmt: skip
        ax.set(xscale="log", title=f"{machine}, h = {h}")
    for ax in axes[-1]:
        ax.set_xlabel("time / our time")
        ticks = [tick for tick in (0.5, 1, 2, 5, 10) if ax.get_xlim()[0] <= tick]
        ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        ax.minorticks_off()
    axes.flat[0].set_yticks(range(len(models)), [title(model) for model in models])
    axes.flat[0].invert_yaxis()
    keys = axes.flat[0].get_legend_handles_labels()
    fig.legend(*keys, loc="outside upper center", ncols=3, frameon=False, fontsize=9)
    return fig, f"Time of a training step over ours. {'; '.join(parts)}."


def show_times() -> None:
    """Show the growth of the time of a step."""
    _show_growth("growth", "median_ms", work, ylabel="step (ms)")


def show_memory() -> None:
    """Show the growth of the peak memory of a step."""
    _show_growth("growth", "peak", states, unit=1e-6, ylabel="peak (MB)")


def _show_growth(name: str, *column, **options) -> None:
    measurements = record(name)
    if measurements is None:
        print(NOT_RUN)
    else:
        show(*growth(measurements, *column, **options), source=measurements)


def show_recovery() -> None:
    """Show PSNR against speed."""
    measurements = record("inference")
    if measurements is None:
        print(NOT_RUN)
    else:
        show(*recovery(measurements), source=measurements)


def recovery(measurements: pd.DataFrame) -> tuple[Figure, str]:
    """Draw PSNR against frames per second, one panel per batch size; return it with a description.

    What to see: up and to the right is better; FISTA's connected dots are numbers of iterations.
    """
    batches, parts = sorted(measurements["batch"].unique()), []
    fig, axes = panels(1, len(batches), height=4.0, sharey=True, squeeze=False)
    for ax, batch in zip(axes.flat, batches, strict=True):
        rows = measurements[measurements["batch"] == batch]
        solver = rows["what"].str.startswith("fista")
        ax.plot(*_coordinates(rows[solver]), "o-", ms=4, color=FAINT, lw=1, label="FISTA")
        for name, mark in zip(rows[~solver]["what"], "sD^v", strict=False):
            colour = NETWORKS.get(name, {}).get("color")
            ax.plot(
                *_coordinates(rows[rows["what"] == name]), mark, color=colour, label=title(name)
            )
        for row in rows.itertuples():
            at = (row.frames_per_second, row.psnr_frame)
            text = f"{row.what}, batch {batch}: {at[0]:.0f} frames per second, {at[1]:.1f} dB"
            parts.append(text)
            if row.what.startswith("fista"):
                count = re.search(r"\d+", row.what)[0]
                ax.annotate(count, at, (0, 6), textcoords="offset points", ha="center", size=8)
        ax.set(xscale="log", xlabel="frames per second", title=f"batch {batch}")
        ax.margins(0.12, 0.12)
    axes.flat[0].set_ylabel("PSNR, frame (dB)")
    keys = axes.flat[0].get_legend_handles_labels()
    fig.legend(*keys, loc="outside upper center", ncols=3, frameon=False, fontsize=9)
    return fig, f"PSNR against frames per second. {'; '.join(parts)}."


def _coordinates(rows: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    return rows["frames_per_second"], rows["psnr_frame"]
