"""Replace each notebook by its executed copy; add alt texts to images and stamps to figures."""

from __future__ import annotations

import json
import re
from pathlib import Path

from sphinx.errors import ExtensionError

from companion.build import freshness
from companion.sphinx import stamps

WIDE_TABLE = re.compile(
    r"<thead>(?:(?!</thead>).)*?<tr[^>]*>(?:\s*<th(?:(?!</tr>).)*?</th>){9}", re.DOTALL
)
"""Start of a table with a header row of nine columns or more."""


def refuse_stale_pages(app) -> None:
    """Stop the build if any notebook of the book is missing, stale or failed.

    Raises
    ------
    ExtensionError
        Lists every such notebook with the reason and the remedy.
    """
    root = Path(app.srcdir)
    reasons = []
    for name in freshness.in_toc(root):
        place = freshness.Place(root, name)
        reason = freshness.stale(place) if place.source.is_file() else "there is no such notebook"
        if reason:
            reasons.append(f"notebooks/{name}.ipynb: {reason}")
    if reasons:
        raise ExtensionError(
            "expected fresh executions of all notebooks; got\n  "
            + "\n  ".join(reasons)
            + f"\n{freshness.REMEDY}"
        )


def use_executed_copy(app, docname: str, source: list[str]) -> None:
    """Replace the text of `notebooks/NAME.ipynb` by that of `_executed/NAME.ipynb`."""
    if not docname.startswith("notebooks/"):
        return
    place = freshness.Place(Path(app.srcdir), docname.removeprefix("notebooks/"))
    executed = place.executed(".ipynb")
    app.env.note_dependency(str(executed))
    notebook = json.loads(executed.read_text(encoding="utf-8"))
    default = stamps.default_provenance(freshness.read_record(place) or {})
    for number, cell in enumerate(notebook["cells"], start=1):
        if cell["cell_type"] == "code":
            move_alt(cell, f"notebooks/{place.name}.ipynb, cell {number}")
            typeset(cell)
            arrange(cell)
            stamps.add_stamps(cell, default, f"../book/status.html#made-{place.name}")
    # With saved widget state, every page would request a widget manager.
    notebook["metadata"].pop("widgets", None)
    source[0] = json.dumps(notebook)


def typeset(cell: dict) -> None:
    """Typeset the computed sentences of a cell with :func:`companion.labels.typeset`."""
    from companion import labels

    for output in cell.get("outputs", []):
        data = output.get("data", {})
        if "text/markdown" in data:
            data["text/markdown"] = labels.typeset("".join(data["text/markdown"]))


def arrange(cell: dict) -> None:
    """Hide the code of a cell with prose only, and set the full width for wide tables."""
    tags = cell["metadata"].setdefault("tags", [])
    data = [output.get("data", {}) for output in cell.get("outputs", [])]
    texts = ["".join(d.get("text/markdown", "|")) for d in data]
    if "hide-input" in tags and texts and not any("|" in text for text in texts):
        tags[tags.index("hide-input")] = "remove-input"
    if any(WIDE_TABLE.search("".join(d.get("text/html", ""))) for d in data):
        tags.append("full-width")


def alts_of(cell: dict, where: str) -> list[str]:
    """Return the alt text of each image of the cell.

    Raises
    ------
    ExtensionError
        An image without alt text, or an error output.
    """
    alts = []
    for output in cell.get("outputs", []):
        if output["output_type"] == "error":
            raise ExtensionError(
                f"{where}: expected no error; got {output['ename']}; correct the cell"
            )
        for mime in output.get("data", {}):
            if mime.startswith("image/"):
                alt = output.get("metadata", {}).get(mime, {}).get("alt", "").strip()
                if not alt:
                    raise ExtensionError(
                        f"{where}: expected alt text on its {mime} output; got none; "
                        "show the figure with figures.show(fig, alt=...)"
                    )
                alts.append(alt)
    return alts


def move_alt(cell: dict, where: str) -> None:
    """Copy the alt text of an output to the metadata of the cell, where MyST-NB reads it."""
    alts = alts_of(cell, where)
    if len(set(alts)) > 1:
        raise ExtensionError(
            f"{where}: expected one figure per cell; got {len(alts)}; split the cell"
        )
    if alts:
        settings = cell["metadata"].setdefault("mystnb", {})
        settings["image"] = {**settings.get("image", {}), "alt": alts[0]}
