"""The common basis of all figures: style, panels, and display."""

import base64
import json
from importlib.resources import files
from io import BytesIO, StringIO

import matplotlib
import matplotlib.pyplot as plt
import matplotlib.style
import numpy as np
from IPython import get_ipython
from IPython.display import display
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure
from matplotlib.text import Text

from companion import attribution, labels
from unfolded.errors import ConfigError, complain

WIDTH = 6.0
"""Width of every figure in inches; 12-point type remains readable on a phone."""

PIXELS_PER_INCH = 112
"""Width on a wide page; a pixel image has a higher resolution for sharp screens."""

FEW = 3000
"""Maximum number of points for a figure in SVG; figures with more points are PNG."""

matplotlib.style.use(str(files("companion.plots") / "unfolded.mplstyle"))


def panels(rows: int = 1, columns: int = 1, *, height: float = 3.6, **keywords) -> tuple:
    """Return an empty figure and its axes: one `Axes`, or an array of them as in pyplot.

    The figure is not registered in pyplot, so it is shown once and need not be closed.
    `height` is in inches; other keywords go to `Figure.subplots`.

    >>> fig, (left, right) = panels(1, 2, sharey=True)
    >>> fig.get_size_inches().tolist()
    [6.0, 3.6]
    """
    fig = Figure(figsize=(WIDTH, height))
    return fig, fig.subplots(rows, columns, **keywords)


def figure_and_axes(ax: Axes | None, height: float = 3.6) -> tuple[Figure, Axes]:
    """Return the figure of `ax` and `ax`, or a new pair if `ax` is None."""
    return panels(height=height) if ax is None else (ax.figure, ax)


def array(values, name: str, ndim: int) -> np.ndarray:
    """Return `values` (array or tensor) as a float array.

    Raises `ConfigError` unless it has `ndim` axes and at least one entry.
    """
    if hasattr(values, "detach"):
        values = values.detach().cpu()
    out = np.asarray(values, dtype=float)
    if out.ndim != ndim or out.size == 0:
        want = f"{name} with {ndim} axes and at least one entry"
        raise ConfigError(complain(want, f"shape {out.shape}", "pass an array of that shape"))
    return out


def layout(fig: Figure) -> dict:
    """Return the properties of a drawn figure that the pages of the book use.

    `label`: size of the smallest text divided by the width of the figure. `frames`: left, top,
    right and bottom of each image in grey, as fractions of width and height.

    >>> fig, ax = panels(height=6.0)
    >>> image = ax.imshow([[0, 1]])
    >>> ax.set_position([0.5, 0.25, 0.5, 0.5])
    >>> layout(fig)["frames"]
    [[0.5, 0.375, 1.0, 0.625]]
    """
    texts = [text for text in fig.findobj(Text) if text.get_visible() and text.get_text().strip()]
    width = fig.get_figwidth() * 72
    boxes = []
    for ax in fig.axes:
        if any(image.cmap.name == "gray" for image in ax.images):
            ax.apply_aspect()
            x0, y0, x1, y1 = ax.get_position().extents
            boxes.append([round(float(value), 5) for value in (x0, 1 - y1, x1, 1 - y0)])
    sizes = [text.get_fontsize() / width for text in texts]
    return {"label": round(min(sizes, default=1.0), 5), "frames": boxes}


def png(fig: Figure) -> bytes:
    """Return `fig` as a PNG file; the same figure gives the same bytes.

    >>> png(panels()[0])[1:4]
    b'PNG'
    """
    buffer = BytesIO()
    metadata = {"Software": None, "Description": json.dumps(layout(fig))}
    fig.savefig(buffer, format="png", metadata=metadata)
    return buffer.getvalue()


def svg(fig: Figure) -> str:
    """Return `fig` as SVG text with words as paths; the same figure gives the same text.

    >>> svg(panels()[0])[:5]
    '<?xml'
    """
    buffer = StringIO()
    with matplotlib.rc_context({"svg.hashsalt": "unfolded"}):
        metadata = {"Date": None, "Creator": None, "Description": json.dumps(layout(fig))}
        fig.savefig(buffer, format="svg", metadata=metadata)
    return buffer.getvalue()


def encode(fig: Figure) -> tuple[str, str]:
    """Return the preferred media type and the content of `fig`.

    SVG for few lines, because it is sharp at any size and in print; PNG for images, and for more
    than FEW points. The file contains the :func:`layout` of the figure as its description.
    """
    # The layout is computed once, so that the description and the picture agree.
    fig.draw_without_rendering()
    fig.set_layout_engine("none")
    points = 0
    for ax in fig.axes:
        if ax.images or any(isinstance(c, QuadMesh) for c in ax.collections):
            points = FEW + 1
        points += sum(len(line.get_xdata()) for line in ax.lines)
        points += sum(max(len(c.get_offsets()), len(c.get_paths())) for c in ax.collections)
        points += len(ax.patches)
    if points > FEW:
        return "image/png", base64.b64encode(png(fig)).decode("ascii")
    return "image/svg+xml", svg(fig)


def show(fig: Figure, alt: str, source=None) -> None:
    """Show `fig` in the notebook with the description `alt`, then close it.

    `alt` is a sentence that describes the figure for screen readers and in place of a missing
    image. It is stored under the media type of the image, as `{"image/svg+xml": {"alt": alt}}`,
    where the book reads it. Outside a notebook only the description is printed.
    `source` is the source of the numbers, if it is not attached to the figure: see
    `companion.attribution.of`. It is stored next to `alt`, and the book shows it as a stamp below.
    Raises `ConfigError` for an empty `alt` and for a `source` without provenance.

    >>> show(panels()[0], "Two axes and nothing between them.")
    Two axes and nothing between them.
    >>> show(panels()[0], "  ")
    Traceback (most recent call last):
    unfolded.errors.ConfigError: expected a description of the figure; got '  '; pass alt=...
    """
    if not isinstance(alt, str) or not alt.strip():
        raise ConfigError(complain("a description of the figure", repr(alt), "pass alt=..."))
    stamp, alt = attribution.resolve(fig, source).stamp(), labels.typeset(alt.strip())
    if get_ipython() is None:
        print(alt)
    else:
        # Set the width only: a fixed height would distort the image on a narrow page.
        width = round(fig.get_figwidth() * PIXELS_PER_INCH)
        mime, picture = encode(fig)
        display(
            {mime: picture, "text/plain": alt},
            metadata={mime: {"alt": alt, "width": width, "source": stamp}},
            raw=True,
        )
    plt.close(fig)
