"""What a screen reader and the search page need and the writer of pages does not give."""

from __future__ import annotations

# Sphinx fetches each page it found for an excerpt: a browser refuses that on pages opened from
# disk, and an entry of the index has no text of its own, at which its script would stop.
SEARCH = """
document.addEventListener("DOMContentLoaded", () => {
  if (typeof Search === "undefined") return;
  if (location.protocol === "file:") DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;
  const excerpt = Search.makeSearchSummary;
  Search.makeSearchSummary = (...found) => excerpt(...found) ?? document.createTextNode("");
});
"""


# A role that is deprecated, and a label that hides the words on what it labels.
BETTER = {
    'role="doc-biblioentry"': 'role="listitem"',
    '<summary aria-label="Toggle hidden content">': "<summary>",
}


def name_parts(app, page, template, context, doctree) -> None:
    """Let every part of a page be called by what it is and says."""
    for given, better in BETTER.items():
        if "body" in context:
            context["body"] = context["body"].replace(given, better)


def setup(app) -> dict:
    app.connect("html-page-context", name_parts)
    app.add_js_file(None, body=SEARCH)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
