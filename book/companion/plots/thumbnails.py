"""Small SVG pictures with the colours of the page, for cards: bars, curves and frames.

Colours come from the classes `thumb-…` of `sphinx/overview/cards.css`: the pictures adapt to the
theme.
"""

import base64
import html
import io
from collections.abc import Collection, Mapping, Sequence

import matplotlib.image
import numpy as np

WIDTH, HEIGHT = 320, 130


def svg(content: str, alt: str, height: float = HEIGHT) -> str:
    """Return an SVG with an accessible name.

    >>> svg("<g/>", "A bar.")[:56]
    '<svg class="thumb" viewBox="0 0 320 130" role="img" aria'
    """
    return (
        f'<svg class="thumb" viewBox="0 0 {WIDTH} {height:g}" role="img" '
        f'aria-label="{html.escape(alt)}">{content}</svg>'
    )


def _text(x: float, y: float, words: str, anchor: str = "start", kind: str = "") -> str:
    classes = f' class="{kind}"' if kind else ""
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}"{classes}>{html.escape(words)}</text>'


def bars(
    values: Mapping[str, float], alt: str, *, best: Collection[str], label: str = "{:.1f}"
) -> str:
    """Return horizontal bars from zero, one per name; those in ``best`` have the main colour."""
    step, left, right = HEIGHT / len(values), 120, 52
    scale = (WIDTH - left - right) / max(max(values.values()), 1e-9)
    parts = []
    for number, (name, value) in enumerate(values.items()):
        y = number * step
        kind = "thumb-main" if name in best else "thumb-soft"
        box = f'x="{left}" y="{y + step * 0.18:.1f}" height="{step * 0.64:.1f}"'
        parts.append(f'<rect class="{kind}" {box} width="{max(value, 0) * scale:.1f}"/>')
        parts.append(_text(left - 8, y + step / 2 + 4.5, name, "end"))
        parts.append(_text(left + value * scale + 6, y + step / 2 + 4.5, label.format(value)))
    return svg("".join(parts), alt)


def curves(lines: Mapping[str, Sequence[tuple[float, float]]], alt: str, axes: str) -> str:
    """Return lines through points (x, y), all on one scale; each has its name as a legend entry.

    ``axes`` names both axes in the bottom line.
    """
    points = np.concatenate([np.asarray(line, float) for line in lines.values()])
    low, high = points.min(0), points.max(0)
    size = np.where(high > low, high - low, 1)
    box, legend, x = (WIDTH - 16, HEIGHT - 56), "", 8.0
    parts = [_text(WIDTH - 8, HEIGHT - 4, axes, "end")]
    for number, (name, line) in enumerate(lines.items()):
        kind = ("thumb-line-a", "thumb-line-b", "thumb-line-c")[number]
        places = (np.asarray(line, float) - low) / size
        path = " ".join(f"{8 + u * box[0]:.1f},{32 + (1 - v) * box[1]:.1f}" for u, v in places)
        parts.append(f'<polyline class="{kind}" points="{path}"/>')
        legend += f'<polyline class="{kind}" points="{x:g},12 {x + 18:g},12"/>'
        legend += _text(x + 23, 16.5, name)
        x += 34 + 6.6 * len(name)
    return svg("".join(parts) + legend, alt)


def frames(images: Mapping[str, np.ndarray], alt: str) -> str:
    """Return square frames of grey levels from 0 to 255 in a row, with names of two lines."""
    step, side, parts = WIDTH / len(images), 84, []
    for number, (name, image) in enumerate(images.items()):
        left = number * step + (step - side) / 2
        place = f'x="{left:.1f}" y="2" width="{side}" height="{side}"'
        parts.append(f'<image class="thumb-pixels" {place} href="{_png(image)}"/>')
        for line, words in enumerate(name.split("\n")):
            parts.append(_text(left + side / 2, 103 + 18 * line, words, "middle"))
    return svg("".join(parts), alt)


def _png(image: np.ndarray) -> str:
    buffer = io.BytesIO()
    options = {"cmap": "gray", "vmin": 0, "vmax": 255, "metadata": {"Software": None}}
    matplotlib.image.imsave(buffer, image, format="png", **options)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
