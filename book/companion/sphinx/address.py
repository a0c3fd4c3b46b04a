"""The address of the repository and the citation of the companion.

In prose pages and their listings, `repository.url` of _config.yml replaces `{{ repository }}`.
"""

from __future__ import annotations

from pathlib import Path

import yaml
from docutils import nodes
from sphinx.util.docutils import SphinxDirective

PLACEHOLDER = "{{ repository }}"


def address(config) -> str:
    """Return the address of the repository from _config.yml."""
    return config.html_theme_options["repository_url"]


def insert_address(app, page, source: list[str]) -> None:
    """Replace the placeholder of the address in a prose page."""
    if page.startswith("book/"):
        source[0] = source[0].replace(PLACEHOLDER, address(app.config))


def bibtex(citation: dict, url: str) -> str:
    r"""Return the BibTeX entry of a CITATION.cff.

    >>> ada = {"name": "Ada"}
    >>> print(bibtex({"title": "T", "version": "1.0", "authors": [ada]}, "https://a.b"))
    @software{unfolded,
      author  = {{Ada}},
      title   = {T},
      version = {1.0},
      url     = {https://a.b}
    }
    """
    names = [
        f"{a['family-names']}, {a['given-names']}" if "family-names" in a else f"{{{a['name']}}}"
        for a in citation["authors"]
    ]
    rows = {"author": " and ".join(names), "title": citation["title"]}
    rows |= {"version": citation["version"], "url": url}
    lines = ",\n".join(f"  {key:7} = {{{value}}}" for key, value in rows.items())
    return f"@software{{unfolded,\n{lines}\n}}"


class CiteCompanion(SphinxDirective):
    """`{cite-companion}`: this companion as BibTeX, from CITATION.cff."""

    def run(self) -> list[nodes.Node]:
        path = Path(self.env.srcdir, "CITATION.cff")
        self.env.note_dependency(str(path))
        entry = bibtex(yaml.safe_load(path.read_text(encoding="utf-8")), address(self.config))
        return [nodes.literal_block(entry, entry, language="bibtex")]


def setup(app) -> dict:
    app.connect("source-read", insert_address)
    app.add_directive("cite-companion", CiteCompanion)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
