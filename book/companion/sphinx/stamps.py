"""Provenance on the pages: a stamp under each figure and table, a footer on each page."""

from __future__ import annotations

import functools
import html
import json
import re
import subprocess
from pathlib import Path

from companion.build import freshness

FIGURE_OR_TABLE = re.compile(r"<table\b|<svg\b|<img\b|<[a-z]+-explorer\b")
"""Pattern of a figure or a table in an HTML output."""

SOURCE_ATTRIBUTE = re.compile(r'\s*data-source="([^"]*)"')
"""The attribute with the source of a table, from companion.reproduction.paper_tables."""

SOURCES = ("lib", "notebooks", "book", "data", "_config.yml", "_toc.yml", "constraints.txt")


def stamp(text: str, href: str) -> str:
    """Return the line under a figure or a table.

    >>> stamp("runs.csv · 1 run", "records.html#run-1")
    '<p class="stamp">Source: <a href="records.html#run-1">runs.csv · 1 run</a></p>'
    """
    return f'<p class="stamp">Source: <a href="{html.escape(href)}">{html.escape(text)}</a></p>'


def source_of(output: dict) -> dict | None:
    """Return the source of an output, {} if it is unknown; None if it needs no stamp."""
    data = output.get("data", {})
    markup = "".join(data.get("text/html", ""))
    if FIGURE_OR_TABLE.search(markup):
        match = SOURCE_ATTRIBUTE.search(markup)
        return json.loads(html.unescape(match[1])) if match else {}
    for mime in data:
        if mime.startswith("image/"):
            return output.get("metadata", {}).get(mime, {}).get("source", {})
    return None


def add_stamps(cell: dict, default: str, here: str) -> None:
    """Add a stamp below each figure and table of a cell, inside the figure if it has a caption.

    ``default``: the text for results computed on this page; ``here``: the link to its record.
    """
    outputs, figure = [], cell.get("metadata", {}).get("mystnb", {}).get("figure", {})
    for output in cell.get("outputs", []):
        outputs.append(output)
        source = source_of(output)
        if source is None:
            continue
        text = source.get("text", default)
        href = f"../book/records.html#{source['anchor']}" if source else here
        if "caption" in figure:
            # MyST-NB inserts every output of such a cell into a figure with this caption.
            figure["caption"] += f"\n\n{stamp(text, href)}"
            continue
        content = {"text/html": stamp(text, href), "text/plain": f"Source: {text}"}
        outputs.append({"output_type": "display_data", "data": content, "metadata": {}})
    cell["outputs"] = outputs


def default_provenance(record: dict) -> str:
    """Return the provenance of a figure without an attached source.

    It does not list the files that the page reads, because the figures from files have a source.

    >>> reads = {"data/results/runs.csv": ""}
    >>> default_provenance({"machine": "Linux, AMD, 2 cores", "reads": reads})  # doctest: +ELLIPSIS
    'computed on this page · Linux, AMD, 2 cores · ...'
    """
    parts = ["computed on this page", record.get("machine", ""), checkout_version()[0][:7]]
    return " · ".join(filter(None, parts))


@functools.cache
def checkout_version() -> tuple[str, str]:
    """Return the commit of the checkout, with "+changes" if its files differ, and its date."""
    from unfolded import provenance

    def git(*arguments: str) -> str:
        command = ["git", "--no-optional-locks", "-C", str(provenance.ROOT), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    commit = provenance.commit().removesuffix("+changes")
    try:
        changes = git("status", "--porcelain", "--", *SOURCES)
        return commit + "+changes" * bool(changes), git("log", "-1", "--format=%cs")
    except (OSError, subprocess.CalledProcessError):
        return commit, ""


def profile_of(notebook: dict) -> str:
    """Return the profile in the parameters of a notebook, or "".

    >>> profile_of({"cells": [{"cell_type": "code", "source": 'profile = "laptop"'}]})
    'laptop'
    """
    code = (cell for cell in notebook["cells"] if cell["cell_type"] == "code")
    text = "\n".join("".join(cell["source"]) for cell in code)
    match = re.search(r"^profile\s*=\s*[\"'](\w+)[\"']$", text, re.MULTILINE)
    return match[1] if match else ""


def execution_footer(place: freshness.Place) -> str:
    """Return the footer of an executed notebook, as HTML."""
    record = freshness.read_record(place) or {}
    versions = record.get("versions", {})
    profile = profile_of(json.loads(place.source.read_text(encoding="utf-8")))
    finished = record.get("finished", "")[:16].replace("T", " ")
    seconds = record.get("seconds", 0.0)
    parts = [
        f"Executed {finished} UTC in {seconds:.1f} s on {record.get('machine', 'unknown')}",
        f"Python {versions.get('python')}, torch {versions.get('torch')}",
        f"profile {profile}" if profile else "",
        f"notebook {record.get('notebook', '')[:8]}",
        f"commit {checkout_version()[0]}",
    ]
    text = html.escape("; ".join(filter(None, parts)))
    return f'{text}. <a href="../book/status.html#made-{place.name}">Its record</a>.'


def add_footer(app, pagename: str, templatename: str, context: dict, doctree) -> None:
    """Add a footer to each page with the time, the method and the inputs of its execution."""
    if doctree is None or "body" not in context:
        return
    if pagename.startswith("notebooks/"):
        text = execution_footer(
            freshness.Place(Path(app.srcdir), pagename.removeprefix("notebooks/"))
        )
    else:
        commit, date = checkout_version()
        text = f"Built from commit {commit}{f' of {date}' if date else ''}."
    context["body"] += f'<p class="made">{text}</p>\n'


def setup(app) -> None:
    # A new commit changes the footer of every page, so all pages are written again.
    app.add_config_value("companion_commit", "+".join(checkout_version()), "html", [str])
    app.connect("html-page-context", add_footer)
