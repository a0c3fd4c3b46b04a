"""The gallery with one figure of each notebook: the figure with a caption, else the first."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from pathlib import Path

from docutils import nodes

from companion.build import freshness
from companion.sphinx.numbers_from_files import FromFiles
from companion.sphinx.overview.cover import page_link

SUFFIXES = {"image/svg+xml": ".svg", "image/png": ".png"}


def figures(notebook: dict) -> list[tuple[bool, bytes, str, str]]:
    """Return for each figure: has a caption, content, suffix and description."""
    entries = []
    for cell in notebook["cells"]:
        has_caption = "caption" in cell["metadata"].get("mystnb", {}).get("figure", {})
        for output in cell.get("outputs", []):
            for mime, content in output.get("data", {}).items():
                if mime in SUFFIXES:
                    alt = output["metadata"].get(mime, {}).get("alt", "")
                    entries.append((has_caption, _bytes(mime, content), SUFFIXES[mime], alt))
    return entries


def _bytes(mime: str, content: str | list[str]) -> bytes:
    """Return the content of the file that MyST-NB writes for an output; both pages share it."""
    text = "".join(content)
    if mime == "image/svg+xml":
        return os.linesep.join(text.splitlines()).encode("utf-8")
    return base64.b64decode("".join(text.splitlines()))


class FigureGallery(FromFiles):
    """`{figure-gallery}`: a card for each notebook with a figure and the link to its page."""

    def run(self) -> list[nodes.Node]:
        root = Path(self.env.srcdir)
        folder = Path(self.env.app.outdir).parent / "jupyter_execute"
        grid = nodes.container(classes=["cards", "gallery"])
        for name in freshness.in_toc(root):
            path = freshness.Place(root, name).executed(".ipynb")
            self.root(path.relative_to(root))
            candidates = figures(json.loads(path.read_text(encoding="utf-8")))
            if not candidates:
                continue
            _, content, suffix, alt = max(candidates, key=lambda figure: figure[0])
            folder.mkdir(parents=True, exist_ok=True)
            target = folder / (hashlib.sha256(content).hexdigest() + suffix)
            if not target.exists():
                target.write_bytes(content)
            card = nodes.container(classes=["card-item"])
            card += nodes.image(uri=f"/{os.path.relpath(target, root)}", alt=alt)
            card += nodes.paragraph("", "", page_link(f"notebooks/{name}"))
            grid += card
        return [grid]


def setup(app) -> None:
    app.add_directive("figure-gallery", FigureGallery)
