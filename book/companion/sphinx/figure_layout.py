"""Static figures in dark mode and on phones, according to the layout in each image file.

In dark mode the lightness of a figure is inverted; an overlay shows its frames unchanged. A figure
with small labels has a minimum width, below which it scrolls inside its frame; the link to the
image file makes it accessible by keyboard. See :func:`companion.plots.style.layout`.
"""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from urllib.parse import unquote

from PIL import Image

LABEL = 9.0
"""Size of the smallest label of a figure at its minimum width, in CSS pixels."""

NARROW = 358
"""Width of the text on a phone in CSS pixels: a figure that is readable there never scrolls."""

PICTURE = re.compile(
    r"(?P<link><a\b[^>]*\bimage-reference\b[^>]*>)?\s*"
    r'(?P<image><img\b[^>]*\bsrc="(?P<source>(?:\.\./)*_images/(?P<name>[^"]+))"[^>]*>)'
    r"(?(link)\s*</a>)"
)
DESCRIPTION = re.compile(r"<(?:dc:description|desc)>(\{.*?\})<", re.DOTALL)


def layout_of(path: Path) -> dict | None:
    """Return the layout in the metadata of an image file, or None."""
    if path.suffix == ".svg":
        match = DESCRIPTION.search(path.read_text(encoding="utf-8"))
        text = html.unescape(match[1]) if match else ""
    else:
        with Image.open(path) as image:
            text = image.info.get("Description", "")
    return json.loads(text) if text.startswith("{") else None


def polygon(boxes: list) -> str:
    """Return a CSS polygon of all boxes; the lines between them enclose no area.

    >>> polygon([[0.5, 0.25, 1.0, 0.75]])
    'polygon(0 0,50% 25%,100% 25%,100% 75%,50% 75%,50% 25%,0 0)'
    """
    points = ["0 0"]
    for left, top, right, bottom in boxes:
        corners = (left, top), (right, top), (right, bottom), (left, bottom), (left, top)
        points += [f"{100 * x:.5g}% {100 * y:.5g}%" for x, y in corners] + ["0 0"]
    return f"polygon({','.join(points)})"


def figure_html(picture: re.Match, layout: dict) -> str:
    """Return the HTML of an image with its overlay of frames and its minimum width."""
    overlay = ""
    if layout["frames"]:
        style = f"background-image:url({picture['source']});clip-path:{polygon(layout['frames'])}"
        overlay = f'<span class="frames" style="{style}"></span>'
    if not picture["link"]:  # A small picture without readable labels, as in the gallery.
        return f'<span class="drawing"><span>{picture["image"]}{overlay}</span></span>'
    text = f"{picture['link']}{picture['image']}{overlay}</a>"
    min_width = round(LABEL / layout["label"])
    if min_width <= NARROW:
        return f'<span class="drawing">{text}</span>'
    return (
        f'<span class="drawing small-labels" style="--least:{min_width}px"><span>{text}</span>'
        '<span class="scroll-hint">Scroll to the right to see the whole figure.</span></span>'
    )


def arrange(app, page, template, context, doctree) -> None:
    """Add the overlay and the minimum width to each image with a layout."""
    if "body" not in context or app.builder.format != "html":
        return
    sources = {name: Path(app.srcdir, source) for source, name in app.builder.images.items()}

    def replace(picture):
        source = sources.get(unquote(picture["name"]))
        layout = layout_of(source) if source and source.is_file() else None
        return figure_html(picture, layout) if layout else picture[0]

    context["body"] = PICTURE.sub(replace, context["body"])


def setup(app) -> None:
    app.connect("html-page-context", arrange)
