"""Accessibility and stable layout of pages, in addition to the theme."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

from PIL import Image

# Replacements of a deprecated role, and of a label that hides the text of its element.
REPLACEMENTS = {
    'role="doc-biblioentry"': 'role="listitem"',
    '<summary aria-label="Toggle hidden content">': "<summary>",
}


# A cell whose code is visible: on a phone a switch shows the code.
CODE = re.compile(r'(<div class="cell [^"]*">\s*)(<div class="cell_input)')
SWITCH = r'\1<label class="code-switch"><input type="checkbox"> Code</label>\n\2'


def correct_labels(app, page, template, context, doctree) -> None:
    """Correct the accessible names of parts, and add the switch of the code on a phone."""
    if "body" not in context:
        return
    for original, replacement in REPLACEMENTS.items():
        context["body"] = context["body"].replace(original, replacement)
    context["body"] = CODE.sub(SWITCH, context["body"])


IMAGE = re.compile(r'<img\b(?![^>]*\bheight=)(?=[^>]*\bsrc="(?:\.\./)*_images/([^"]+)")')
LENGTH = r'\b{}="([\d.]+)(pt|px)?"'


def size_of(path: Path) -> tuple[int, int]:
    """Return the width and height of an image file in CSS pixels."""
    if path.suffix != ".svg":
        with Image.open(path) as image:
            return image.size
    tag = path.read_text(encoding="utf-8").partition("<svg")[2].partition(">")[0]
    matches = [re.search(LENGTH.format(name), tag) for name in ("width", "height")]
    return tuple(round(float(m[1]) * (96 / 72 if m[2] == "pt" else 1)) if m else 0 for m in matches)


def reserve_space(app, page, template, context, doctree) -> None:
    """Add the size to each image, so that loading the image does not shift the text."""
    sources = {name: Path(app.srcdir, source) for source, name in app.builder.images.items()}

    def replace(match):
        source = sources.get(unquote(match[1]))
        width, height = size_of(source) if source and source.is_file() else (0, 0)
        return f'<img width="{width}" height="{height}"' if width and height else match[0]

    if "body" in context and app.builder.format == "html":
        context["body"] = IMAGE.sub(replace, context["body"])


def name_sidebar(app, page, template, context, doctree) -> None:
    """Name each button of the sidebar that shows the sections of a chapter."""
    sidebar = context.get("generate_toctree_html")
    if sidebar is None:
        return

    def named_tree(*arguments, **options):
        tree = sidebar(*arguments, **options)
        for button in tree.select("li > details > summary") if hasattr(tree, "select") else ():
            chapter = button.find_parent("li").find("a").get_text(strip=True)
            button["aria-label"] = f"Sections of {chapter}"
        return tree

    context["generate_toctree_html"] = named_tree


FIGURE = re.compile(
    r"(<figure\b[^>]*>\n?)((?:(?!</?figure\b).)*?)"
    r'<figcaption>((?:(?!<div class="legend">|</figcaption>).)*)(.*?)</figcaption>',
    re.DOTALL,
)


def put_captions_first(app, page, template, context, doctree) -> None:
    """Put the caption of an explorer above it; the stamp with its source remains below.

    An explorer is often higher than the screen, and its caption explains its content.
    """

    def rearrange(match):
        start, content, caption, legend = match.groups()
        if "-explorer" not in content:
            return match[0]
        return f"{start}<figcaption>{caption}</figcaption>\n{content}{legend}"

    if "body" in context:
        context["body"] = FIGURE.sub(rearrange, context["body"])


def setup(app) -> dict:
    app.connect("html-page-context", correct_labels)
    app.connect("html-page-context", put_captions_first)
    app.connect("html-page-context", reserve_space)
    # Run after the theme, which adds the function.
    app.connect("html-page-context", name_sidebar, priority=900)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
