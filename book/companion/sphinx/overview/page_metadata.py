"""Description and social preview of each page: `description`, `og:…` and `twitter:card`.

The description is the first sentence of the page. The image is one file for the site, a frame and
its reconstructions. Links are absolute if `html_baseurl` is set, else relative to the page.
"""

from __future__ import annotations

import html
import re
from pathlib import Path

from docutils import nodes

PREVIEW = "_static/preview.png"

SKIPPED = (nodes.Admonition, nodes.admonition, nodes.container, nodes.figure, nodes.table)
"""Nodes whose paragraphs are not the first paragraph of the text."""


def first_sentence(text: str) -> str:
    """Return the first sentence of a paragraph; formulas and line breaks become plain text.

    >>> first_sentence("The ratio is 1.5 here.\\nIt grows.")
    'The ratio is 1.5 here.'
    """
    flat = " ".join(text.split())
    return re.split(r"(?<=[.?!])\s+(?=[A-ZΑ-Ω“\"])", flat, maxsplit=1)[0]


def description(doctree: nodes.document) -> str:
    """Return the first sentence of the first paragraph outside boxes and figures.

    A page without such a paragraph is described by its title.
    """
    for paragraph in doctree.findall(nodes.paragraph):
        parent, inside = paragraph.parent, False
        while parent is not None:
            inside, parent = inside or isinstance(parent, SKIPPED), parent.parent
        if not inside and "stamp" not in paragraph["classes"]:
            return first_sentence(_plain(paragraph))
    titles = [title.astext() for title in doctree.findall(nodes.title)]
    return f"{titles[0]}: a page of the book Unfolded." if titles else ""


def _plain(node: nodes.Node) -> str:
    """Return the text of a node, formulas without the commands of TeX."""
    if isinstance(node, nodes.math):
        return re.sub(r"\\([A-Za-z]+) ?|[{}$]", r"\1", node.astext()).replace("ell_1", "ℓ1")
    if isinstance(node, nodes.Text):
        return node.astext()
    return "".join(map(_plain, node.children))


def add_metadata(app, page, template, context, doctree) -> None:
    """Add the meta elements to the head of a page."""
    if doctree is None:
        return
    base = app.config.html_baseurl
    address = context["pathto"] if not base else lambda path, resource=True: f"{base}{path}"
    title, text = re.sub(r"<[^>]+>", "", context.get("title", "")), description(doctree)
    rows = [
        ("name", "description", text),
        ("property", "og:title", html.unescape(title)),
        ("property", "og:description", text),
        ("property", "og:type", "article"),
        ("property", "og:image", address(PREVIEW, 1)),
        ("property", "og:image:alt", "A frame of moving digits and its reconstructions"),
        ("name", "twitter:card", "summary_large_image"),
    ]
    context["metatags"] = context.get("metatags", "") + "".join(
        f'<meta {kind}="{name}" content="{html.escape(value)}" />\n'
        for kind, name, value in rows
        if value
    )


def install_preview(app) -> None:
    """Write the image of the social preview, the static picture of the figure on the cover."""
    if app.builder.format != "html":
        return
    from companion.plots.style import png
    from companion.widgets import recovery_widget

    target = Path(app.outdir, PREVIEW)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(png(recovery_widget.picture()[0]))


def setup(app) -> None:
    app.connect("builder-inited", install_preview)
    app.connect("html-page-context", add_metadata)
