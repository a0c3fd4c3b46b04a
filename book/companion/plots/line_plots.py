"""Line plots of the book: a function takes plain arrays and returns a `Figure`; `show` shows it.

Each docstring states what to see. Importing this module sets the book's matplotlib style.
"""

from collections.abc import Mapping

import numpy as np
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from companion.labels import title as label_of
from companion.plots.pixel_plots import atoms, frames, gallery, matrix, measurements, tracks
from companion.plots.style import array, figure_and_axes, panels, show

__all__ = [
    "activation",
    "atoms",
    "curves",
    "dots",
    "frames",
    "gallery",
    "histogram",
    "matrix",
    "measurements",
    "objective_paths",
    "panels",
    "show",
    "staircase",
    "tracks",
]

FAINT = "#8a8a8a"

_DOTS = {"markevery": 0.1, "ms": 4}

STYLES = {
    "reweighted-rnn": {"color": "#D55E00", "ls": "-"},
    "l1-l1-rnn": {"color": "#0072B2", "ls": "--"},
    "sista-rnn": {"color": "#009E73", "ls": "-."},
    "srnn": {"color": "#CC79A7", "ls": (0, (1, 1))},
    "lstm": {"color": "#8C6D00", "ls": (0, (5, 1, 1, 1, 1, 1))},
    "gru": {"color": "#222222", "ls": (0, (8, 2))},
    "indrnn": {"color": "#56B4E9", "ls": "-", "marker": "o", **_DOTS},
    "fastrnn": {"color": "#A65628", "ls": "--", "marker": "s", **_DOTS},
    "spectralrnn": {"color": "#7A4FBF", "ls": "-.", "marker": "^", **_DOTS},
}
"""The colour and the line style of each network in all figures."""
_VARIANTS = ({"ls": "-", "marker": "v", **_DOTS}, {"ls": ":", "marker": "x", **_DOTS})


def activation(
    u,
    phi,
    *,
    kinks=(),
    plateaus: Mapping | None = None,
    soft=None,
    title="",
    ax: Axes | None = None,
) -> Figure:
    r"""Draw $\Phi(u)$ over a faint identity line, with kinks as dots and labelled plateaus.

    u: (points,); phi: (points,) or name -> (points,); soft: (points,) a faint dotted reference;
    kinks: values of u; plateaus: name -> height.
    What to see: two flat pieces, at 0 and at ħ, joined by three lines of slope one.

    >>> u = np.linspace(-3.0, 3.0, 7)
    >>> activation(u, np.clip(u, 0, 2), kinks=[0, 2], plateaus={"ħ": 2}).axes[0].get_xlabel()
    '$u$'
    """
    u = array(u, "u", 1)
    family = phi if isinstance(phi, Mapping) else {r"$\Phi(u)$": phi}
    fig, ax = figure_and_axes(ax)
    ax.axline((0, 0), slope=1, color=FAINT, lw=1, ls=(0, (4, 3)), zorder=1)
    if soft is not None:
        ax.plot(u, array(soft, "soft", 1), color=FAINT, lw=1.4, ls=":", label="soft threshold")
    for name, values in family.items():
        (line,) = ax.plot(u, array(values, name, 1), label=name)
        at = np.sort(np.asarray(kinks, dtype=float))
        ax.plot(at, np.interp(at, u, values), "o", color=line.get_color(), mec="white", ms=7)
    for name, height in (plateaus or {}).items():
        ax.axhline(height, color=FAINT, lw=0.8, zorder=0)
        ax.annotate(name, (0, height), (4, 3), ("axes fraction", "data"), "offset points")
    ax.set(title=title, xlabel="$u$", xlim=(u[0], u[-1]))
    ax.locator_params(nbins=6, steps=[1, 2, 5, 10], min_n_ticks=3)
    if ax.get_subplotspec().is_first_col():
        ax.set_ylabel(r"$\Phi(u)$")
    if len(family) > 1 or soft is not None:
        ax.legend(loc="lower right")
    return fig


def curves(series: Mapping, *, xlabel: str, ylabel: str, x=None, log=False, title="", ax=None):
    """Draw named curves; several runs of one name become a mean with the band of their range.

    series: name -> (points,) or (runs, points); x: (points,), default 1, 2, ...; NaN leaves a gap.
    A registry name, or "network, variant", is drawn in the colour of the network; the
    legend has the name of the paper. Integers on the horizontal axis get integer ticks.
    What to see: which curve is higher, and whether the bands overlap.

    >>> fig = curves({"loss": [3.0, 2.0, 1.5]}, xlabel="epoch", ylabel="loss", log=True)
    >>> fig.axes[0].get_yscale()
    'log'
    """
    fig, ax = figure_and_axes(ax)
    cycle = len(rcParams["axes.prop_cycle"])
    for number, (name, values) in enumerate(series.items()):
        runs = array(np.atleast_2d(values), f"series {name!r}", 2)
        at = np.arange(1, runs.shape[1] + 1) if x is None else array(x, "x", 1)
        # After all colours and dashes are used, markers distinguish further curves.
        marks = {"marker": "o", **_DOTS} if number >= cycle else {}
        line_style = _line_style(str(name), list(series)[:number]) or marks
        (line,) = ax.plot(at, runs.mean(axis=0), label=label_of(str(name)), **line_style)
        if len(runs) > 1:
            band = runs.min(axis=0), runs.max(axis=0)
            ax.fill_between(at, *band, color=line.get_color(), alpha=0.18, lw=0)
        if np.array_equal(at, np.round(at)):  # layers, epochs and frames are integers
            ax.xaxis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 5, 10], integer=True))
    ax.set(xlabel=xlabel, ylabel=ylabel, title=title, yscale="log" if log else "linear")
    if len(series) > cycle:
        ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3)
    elif len(series) > 1:
        ax.legend()
    return fig


def _line_style(name: str, previous: list) -> dict:
    """Return the style of a network or its variant, after others; empty for another name."""
    network, _, variant = name.lower().partition(", ")
    base_style = STYLES.get(network, {})
    number = sum(str(series).lower().startswith(f"{network}, ") for series in previous)
    return base_style | _VARIANTS[number % len(_VARIANTS)] if base_style and variant else base_style


def objective_paths(paths: Mapping, *, optimum=None, ax: Axes | None = None) -> Figure:
    """Draw objectives against iterations on logarithmic scales.

    paths: name -> (iterations + 1,), the first entry before any step; optimum: None for the raw
    objective, or one value, or name -> value, that is then subtracted.
    What to see: a steeper line needs fewer iterations; a flat end is the floor it reached.

    >>> fig = objective_paths({"ISTA": [4.0, 2.0, 1.5]}, optimum=1.0)
    >>> fig.axes[0].get_ylabel()
    'objective above its minimum'
    """
    fig, ax = figure_and_axes(ax)
    for name, path in paths.items():
        values = array(path, f"path {name!r}", 1)
        floor = optimum.get(name) if isinstance(optimum, Mapping) else optimum
        gap = values - (0.0 if floor is None else float(floor))
        # A logarithmic axis cannot show zero or negative rounding errors: leave a gap.
        ax.plot(np.arange(1, len(gap) + 1), np.where(gap > 0, gap, np.nan), label=name)
    label = "objective" if optimum is None else "objective above its minimum"
    ax.set(xlabel="iteration + 1", ylabel=label, xscale="log", yscale="log")
    if len(paths) > 1:
        ax.legend()
    return fig


def dots(rows: Mapping, *, xlabel: str, printed: Mapping | None = None, ax=None) -> Figure:
    """Draw one dot with interval per row, and a hollow diamond at the value of the paper.

    rows: name -> value or (value, low, high), first row on top; printed: name -> value.
    What to see: whether the diamond lies inside the interval.

    >>> fig = dots({"gru": (22, 21, 23), "lstm": 21}, xlabel="PSNR (dB)", printed={"gru": 25})
    >>> [label.get_text() for label in fig.axes[0].get_yticklabels()]
    ['GRU', 'LSTM']
    """
    fig, ax = figure_and_axes(ax, height=1.1 + 0.45 * len(rows))
    for place, row in enumerate(rows.values()):
        value, low, high = row if np.ndim(row) else (row, row, row)
        ax.plot([low, high], [place, place], "-", color="#0072B2", lw=3, alpha=0.45)
        ax.plot(value, place, "o", color="#0072B2", label="ours" if place == 0 else None)
    for place, name in enumerate(rows):
        if printed and name in printed:
            ax.plot(printed[name], place, "D", mfc="none", mec="#D55E00", mew=1.8, ls="none")
    if printed:
        ax.plot([], [], "D", mfc="none", mec="#D55E00", mew=1.8, label="printed")
        ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    ax.set(xlabel=xlabel, ylim=(len(rows) - 0.5, -0.5))
    ax.set_yticks(range(len(rows)), [label_of(str(name)) for name in rows])
    return fig


def histogram(groups: Mapping, *, xlabel: str, bins: int = 40, ax: Axes | None = None) -> Figure:
    """Draw the distribution of the entries of each group with common bins.

    groups: name -> array of any shape.
    What to see: whether training moved the values, and whether it split them.

    >>> histogram({"before": [0.0, 1.0]}, xlabel="$g$").axes[0].get_ylabel()
    'count'
    """
    fig, ax = figure_and_axes(ax)
    flat = {name: array(np.ravel(values), name, 1) for name, values in groups.items()}
    entries = np.concatenate(list(flat.values())).astype(float)
    size = np.abs(entries).max()
    margin = (
        0.01 * size if np.ptp(entries) < 1e-9 * size else 0.0
    )  # equal values: one bin in the middle
    edges = np.histogram_bin_edges(entries, bins, (entries.min() - margin, entries.max() + margin))
    for name, values in flat.items():
        ax.hist(values, edges, histtype="step", lw=2, label=name)
    ax.set(xlabel=xlabel, ylabel="count")
    if len(flat) > 1:
        ax.legend()
    return fig


def staircase(hbar: float, tau1: float, tau2: float, u, phi) -> Figure:
    r"""Draw $v + \tau_1\partial|v| + \tau_2\partial|v-\hbar|$ over $v$, then with exchanged axes.

    u, phi: (points,) dots of the activation, drawn on the exchanged plot.
    What to see: vertical steps become plateaus, and the dots lie on them.

    >>> left, right = staircase(2.0, 1.0, 0.75, [0.0], [0.0]).axes
    >>> left.get_ylabel(), right.get_ylabel()
    ('$u$', '$v$')
    """
    low, high = sorted((0.0, hbar))
    middle = np.sign(hbar) * (tau1 - tau2)
    v = np.array([low - 3, low, low, high, high, high + 3])
    steps = v + np.repeat([-tau1 - tau2, middle, tau1 + tau2], 2)
    fig, (left, right) = panels(1, 2)
    left.plot(v, steps)
    left.set(title="the staircase", xlabel="$v$", ylabel="$u$")
    right.plot(steps, v)
    right.plot(array(u, "u", 1), array(phi, "phi", 1), "o", ms=4)
    right.set(title=r"axes exchanged: $\Phi$", xlabel="$u$", ylabel="$v$")
    return fig
