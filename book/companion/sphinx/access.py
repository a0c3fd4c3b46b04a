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


def name_sidebar(app, page, template, context, doctree) -> None:
    """Name each button of the sidebar that shows the sections of a chapter."""
    sidebar = context.get("generate_toctree_html")
    if sidebar is None:
        return

    def named(*arguments, **options):
        tree = sidebar(*arguments, **options)
        for button in tree.select("li > details > summary") if hasattr(tree, "select") else ():
            chapter = button.find_parent("li").find("a").get_text(strip=True)
            button["aria-label"] = f"Sections of {chapter}"
        return tree

    context["generate_toctree_html"] = named


def setup(app) -> dict:
    app.connect("html-page-context", name_parts)
    # After the theme, which adds the function.
    app.connect("html-page-context", name_sidebar, priority=900)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
