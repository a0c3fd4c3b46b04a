"""Accessibility of pages, in addition to the theme."""

from __future__ import annotations

# A deprecated role, and a label that hides the text of its element.
BETTER = {
    'role="doc-biblioentry"': 'role="listitem"',
    '<summary aria-label="Toggle hidden content">': "<summary>",
}


def name_parts(app, page, template, context, doctree) -> None:
    """Give each part of a page an accessible name that corresponds to its content."""
    for original, replacement in BETTER.items():
        if "body" in context:
            context["body"] = context["body"].replace(original, replacement)


def setup(app) -> dict:
    app.connect("html-page-context", name_parts)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
