"""Accessibility of pages and of the search page, in addition to the theme."""

from __future__ import annotations

# Sphinx fetches each found page for an excerpt: browsers reject this for pages opened from disk,
# and an index entry without text would stop the script.
SEARCH = """
document.addEventListener("DOMContentLoaded", () => {
  if (typeof Search === "undefined") return;
  if (location.protocol === "file:") DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;
  const excerpt = Search.makeSearchSummary;
  Search.makeSearchSummary = (...found) => excerpt(...found) ?? document.createTextNode("");
});
"""


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
    app.add_js_file(None, body=SEARCH)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
