"""Accessibility of pages, in addition to the theme."""

from __future__ import annotations

import re

# A deprecated role, and a label that hides the text of its element.
BETTER = {
    'role="doc-biblioentry"': 'role="listitem"',
    '<summary aria-label="Toggle hidden content">': "<summary>",
}


# A cell whose code is visible: on a phone a switch shows the code.
CODE = re.compile(r'(<div class="cell [^"]*">\s*)(<div class="cell_input)')
SWITCH = r'\1<label class="code-switch"><input type="checkbox"> Code</label>\n\2'


def name_parts(app, page, template, context, doctree) -> None:
    """Give each part of a page an accessible name that corresponds to its content."""
    if "body" not in context:
        return
    for original, replacement in BETTER.items():
        context["body"] = context["body"].replace(original, replacement)
    context["body"] = CODE.sub(SWITCH, context["body"])


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
