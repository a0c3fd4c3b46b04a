"""Directives of the cover: the findings as cards, and reading paths with durations."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx import addnodes
from sphinx.util.docutils import SphinxRole

from companion.sphinx.numbers_from_files import FromFiles, depend, stamp_node

WORDS_PER_MINUTE = 200
"""Reading speed; figures, code and folded blocks are not counted."""

FOLDED = re.compile(r"^(:{3,})\{(?:dropdown|prf:proof)\}.*?^\1$", re.MULTILINE | re.DOTALL)


def visible_words(text: str) -> int:
    """Return the number of words of a Markdown text without folded blocks.

    >>> visible_words("One two.\\n:::{dropdown} Proof\\nThree.\\n:::\\nFour.")
    3
    """
    return len(FOLDED.sub("", text).split())


def page_path(root: Path, page: str) -> Path:
    """Return the source of a page of the contents."""
    return root / f"{page}{'.ipynb' if page.startswith('notebooks/') else '.md'}"


def prose(path: Path) -> str:
    """Return the Markdown of a page, without code cells."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".ipynb":
        return text
    cells = json.loads(text)["cells"]
    return "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")


def minutes(words: int) -> int:
    """Return the reading time of a number of words, rounded up to five minutes.

    >>> minutes(8900), minutes(1700)
    (45, 10)
    """
    return 5 * math.ceil(words / WORDS_PER_MINUTE / 5)


def page_link(page: str, text: str = "") -> nodes.Node:
    """Return a link to a page, with its title as text unless another text is given."""
    options = {"refdomain": "std", "reftype": "doc", "reftarget": f"/{page}"}
    inner = nodes.inline(text=text, classes=["xref", "std", "std-doc"])
    return addnodes.pending_xref("", inner, refexplicit=bool(text), refwarn=True, **options)


class Findings(FromFiles):
    """`{findings}`: the six findings as cards with a picture, a sentence and links."""

    def run(self) -> list[nodes.Node]:
        from companion import attribution
        from companion.reproduction import findings

        self.root(*findings.FILES)
        grid = nodes.container(classes=["cards"])
        results = findings.findings()
        for finding in results:
            card = nodes.container(classes=["card-item"])
            card += nodes.rubric(text=finding.heading)
            card += nodes.raw("", finding.picture, format="html")
            card += nodes.paragraph(text=finding.sentence)
            links = nodes.paragraph(classes=["card-links"])
            for number, (page, text) in enumerate(finding.links):
                links += [nodes.Text(" · ")] * bool(number) + [page_link(page, text)]
            card += links
            grid += card
        stamp = attribution.of(*(finding.source for finding in results)).stamp()
        return [grid, stamp_node(stamp)]


class ReadingPath(FromFiles):
    """`{reading-path} TITLE`: pages to read in order, with the duration of their prose.

    ``:pages:`` lists pages of the contents; the content is a sentence about the intended readers.
    """

    required_arguments = 1
    final_argument_whitespace = True
    has_content = True
    option_spec = {"pages": directives.unchanged_required}  # noqa: RUF012

    def run(self) -> list[nodes.Node]:
        pages = self.options["pages"].split()
        root = Path(self.env.srcdir)
        paths = [page_path(root, page) for page in pages]
        depend(self.env, root, paths)
        duration = minutes(sum(visible_words(prose(path)) for path in paths))
        card = nodes.container(classes=["card-item"])
        card += nodes.rubric(text=f"{self.arguments[0]}: {duration} minutes")
        self.state.nested_parse(self.content, self.content_offset, card)
        steps = nodes.enumerated_list()
        for page in pages:
            steps += nodes.list_item("", nodes.paragraph("", "", page_link(page)))
        card += steps
        return [card]


class Speed(SphinxRole):
    """`{reading-speed}`words``: the reading speed from which the durations are computed."""

    def run(self):
        return [nodes.Text(f"{WORDS_PER_MINUTE} {self.text} per minute")], []


def setup(app) -> None:
    app.add_directive("findings", Findings)
    app.add_directive("reading-path", ReadingPath)
    app.add_role("reading-speed", Speed())
