"""Pixel figures: frames of a sequence, atoms of a dictionary, a matrix."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from companion.labels import title as label_of
from companion.plots.style import WIDTH, array, panels
from unfolded.errors import ConfigError, complain


def _remove_axes(ax) -> None:
    ax.set(xticks=[], yticks=[])
    ax.grid(False)
    for spine in ax.spines.values():
        spine.set(visible=True, color="#999999", linewidth=0.5)


def frames(
    rows: Mapping, *, columns: int = 6, peak: float = 255.0, first: int = 1, label: str = "$t$ = "
) -> Figure:
    """Draw sequences below each other, one named row per sequence, at the same time steps.

    rows: name -> (time, height, width), grey values 0..peak; `columns` time steps are shown, evenly
    spaced from the first to the last; `first` is the number of the first frame,
    `label` the text before the number.
    What to see: whether a row looks like the truth above it, and from which frame on.
    Raises `ConfigError` for no row, or rows of different lengths.

    >>> fig = frames({"truth": np.zeros((20, 16, 16))}, columns=4)
    >>> [ax.get_xlabel() for ax in fig.axes]
    ['$t$ = 1', '7', '14', '20']
    """
    stacks = {name: array(stack, f"row {name!r}", 3) for name, stack in rows.items()}
    lengths = {len(stack) for stack in stacks.values()}
    if len(lengths) != 1:
        raise ConfigError(
            complain("rows of one length", f"lengths {sorted(lengths)}", "cut them alike")
        )
    times = np.unique(np.linspace(0, lengths.pop() - 1, columns).round().astype(int))
    # The name is above its row, because a narrow screen has no space next to the row.
    cell = WIDTH / len(times)
    fig, axes = panels(len(stacks), len(times), height=len(stacks) * (cell + 0.32), squeeze=False)
    for line, (name, stack) in zip(axes, stacks.items(), strict=True):
        for ax, t in zip(line, times, strict=True):
            ax.imshow(stack[t], vmin=0.0, vmax=peak)
            _remove_axes(ax)
            ax.set_title(" ")
        title = line[0].annotate(
            label_of(str(name)), (0, 1), (0, 4), "axes fraction", "offset points"
        )
        title.set_in_layout(False)
    for ax, t in zip(axes[-1], times, strict=True):
        ax.set_xlabel(f"{label}{t + first}" if t == times[0] else str(t + first), fontsize=11)
    return fig


def atoms(D, *, count: int = 48, order=None) -> Figure:
    """Draw columns of a dictionary as small images, each on a separate scale, zero in white.

    D: (n0, h) with n0 a square number; `order`: which columns, most interesting first (default:
    `count` evenly spaced columns in 0..h-1).
    What to see: smooth waves before training, and what training made of them.
    Raises `ConfigError` if n0 is not a square.

    >>> len(atoms(np.eye(16), count=8).axes)
    8
    """
    matrix = array(D, "D", 2)
    side = round(matrix.shape[0] ** 0.5)
    if side * side != matrix.shape[0]:
        raise ConfigError(complain("a square number of pixels", matrix.shape[0], "pass D (n0, h)"))
    if order is None:
        order = np.unique(np.linspace(0, matrix.shape[1] - 1, count).astype(int))
    columns = np.asarray(order, dtype=int)[:count]
    wide = min(len(columns), 8)
    tall = -(-len(columns) // wide)
    fig, axes = panels(tall, wide, height=tall * WIDTH / wide, squeeze=False)
    for ax in axes.flat[len(columns) :]:
        ax.remove()
    for ax, k in zip(axes.flat, columns, strict=False):
        atom = matrix[:, k].reshape(side, side)
        bound = np.abs(atom).max() or 1.0
        ax.imshow(atom, cmap="PuOr", vmin=-bound, vmax=bound)
        _remove_axes(ax)
    return fig


def matrix(values, *, title: str = "", xlabel: str = "", ylabel: str = "") -> Figure:
    """Draw a matrix as an image: purple below zero, white at zero, orange above.

    values: (rows, columns).
    What to see: whether it stays near a diagonal, and where it does not.

    >>> matrix(np.eye(3), title="$G$").axes[0].get_title(loc="left")
    '$G$'
    """
    table = array(values, "values", 2)
    fig, ax = panels(height=4.6)
    bound = np.abs(table).max() or 1.0
    image = ax.imshow(table, cmap="PuOr_r", vmin=-bound, vmax=bound)
    ax.grid(False)
    ax.set(title=title, xlabel=xlabel, ylabel=ylabel)
    fig.colorbar(image, ax=ax, shrink=0.85)
    return fig


def gallery(pictures: Mapping, *, columns: int = 3, peak: float = 255.0) -> Figure:
    """Draw images side by side, each with its name above, on one grey scale 0..peak.

    pictures: name -> (height, width); sizes may differ.
    What to see: one scene treated in several ways. Raises `ConfigError` for no picture.

    >>> len(gallery({"fine": np.zeros((64, 64)), "coarse": np.zeros((16, 16))}).axes)
    2
    """
    if not pictures:
        raise ConfigError(complain("at least one picture", "none", "pass name -> array"))
    wide = min(columns, len(pictures))
    tall = -(-len(pictures) // wide)
    fig, axes = panels(tall, wide, height=tall * (WIDTH / wide + 0.3), squeeze=False)
    for ax in axes.flat[len(pictures) :]:
        ax.remove()
    for ax, (name, picture) in zip(axes.flat, pictures.items(), strict=False):
        ax.imshow(array(picture, f"picture {name!r}", 2), vmin=0.0, vmax=peak)
        ax.set_title(label_of(str(name)))
        _remove_axes(ax)
    return fig


def tracks(paths: Mapping, *, span: float, label: str = "pixels") -> Figure:
    """Draw paths within a square: a hollow dot at the start, a full dot at each later frame.

    paths: name -> (time, 2), rows downwards and columns to the right; span: side of the square.
    What to see: straight lines of equal steps that turn at the walls.

    >>> tracks({"one": [[0, 0], [3, 4]]}, span=36).axes[0].get_ylabel()
    'row (pixels)'
    """
    fig, ax = panels(height=4.4)
    for name, path in paths.items():
        rows, columns = array(path, f"path {name!r}", 2).T
        (line,) = ax.plot(columns, rows, marker="o", ms=5, lw=1.2, label=name)
        shade = line.get_color()
        ax.plot(columns[0], rows[0], "o", color=shade, ms=10, mfc="white", mec=shade, mew=2)
    limits = -1, span + 1
    ax.set(xlim=limits, ylim=limits[::-1], aspect="equal", xlabel=f"column ({label})")
    ax.set_ylabel(f"row ({label})")
    ax.legend(loc="center left", bbox_to_anchor=(1.02, 0.5))
    return fig


def measurements(truth, x, estimate, *, columns: int = 6, peak: float = 255.0) -> Figure:
    """Draw frames, their measurements as bars, and recovered frames, at the same time steps.

    truth, estimate: (time, height, width), grey values 0..peak; x: (time, n).
    What to see: how few numbers are left of a frame, and that the eye can read nothing in them.

    >>> zeros = np.zeros((5, 8, 8))
    >>> len(measurements(zeros, np.zeros((5, 12)), zeros, columns=3).axes)
    9
    """
    rows = {"truth": truth, "measured": truth, "recovered": estimate}
    fig = frames(rows, columns=columns, peak=peak)
    numbers = array(x, "x", 2)
    times = np.unique(np.linspace(0, len(numbers) - 1, columns).round().astype(int))
    bound = np.abs(numbers).max() or 1.0
    for ax, t in zip(fig.axes[len(times) : 2 * len(times)], times, strict=True):
        ax.images[0].remove()
        ax.bar(np.arange(numbers.shape[1]), numbers[t], width=1.0, color="#0072B2")
        ax.set(xlim=(-1, numbers.shape[1]), ylim=(-bound, bound), aspect="auto", box_aspect=1)
    return fig
