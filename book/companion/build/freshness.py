"""The execution gate: a page is shown only if its inputs have not changed since execution.

`companion.build.execute` writes a record next to each executed notebook; the Sphinx extension reads
the record. Both use this module, so that their definitions of "fresh" are equal.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import platform
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from importlib import metadata
from pathlib import Path

from companion.build.import_graph import PACKAGES, notebook_code, reachable_files

REMEDY = "run `make notebooks`"


@dataclass(frozen=True)
class Place:
    """The paths of a notebook, its executed copy, its record and its log, below `root`."""

    root: Path
    name: str

    @property
    def source(self) -> Path:
        """The path of the notebook."""
        return self.root / "notebooks" / f"{self.name}.ipynb"

    def executed(self, suffix: str) -> Path:
        """Return the path of the file in `_executed` with this suffix."""
        return self.root / "_executed" / f"{self.name}{suffix}"


def sha256(path: Path) -> str:
    """Return the hex SHA-256 of a file's bytes, or "missing"."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "missing"


def relative_name(root: Path, path: Path) -> str:
    """Return `path` relative to the repository if it is inside, else unchanged."""
    path = Path(os.path.abspath(root / path))
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)


def hashes(root: Path, files) -> dict[str, str]:
    """Return {path: sha256}; paths inside the repository are relative to it."""
    names = sorted({relative_name(root, Path(file)) for file in files})
    return {name: sha256(root / name) for name in names}


def library(place: Place) -> dict[str, str]:
    """Return the hashes of all library files imported by the notebook, directly or indirectly."""
    return hashes(place.root, reachable_files(notebook_code(place.source), place.root))


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages required by library and companion."""
    version_of = {"python": platform.python_version()}
    required = [line for name in PACKAGES for line in metadata.requires(name) or []]
    for requirement in required:
        if "extra ==" not in requirement:
            name = re.split(r"[^A-Za-z0-9_.-]", requirement, maxsplit=1)[0]
            version_of[name] = metadata.version(name)
    return version_of


def facts(place: Place, reads) -> dict:
    """Return all facts that determine whether an execution is still valid."""
    return {
        "notebook": sha256(place.source),
        "library": library(place),
        "reads": hashes(place.root, reads),
        "versions": versions(),
    }


def read_record(place: Place) -> dict | None:
    """Return the execution record, or None if there is no readable record."""
    try:
        record = json.loads(place.executed(".json").read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    tables = ("library", "reads", "versions")
    is_valid = isinstance(record, dict) and all(isinstance(record.get(t, {}), dict) for t in tables)
    return record if is_valid else None


def write_record(place: Place, record: dict) -> None:
    """Write the record to a temporary file and move it, so that no partial record can remain."""
    part = place.executed(".json.part")
    part.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    part.replace(place.executed(".json"))


def elapsed(records: Iterable[dict]) -> float:
    """Return the seconds in which at least one of the recorded executions ran.

    Simultaneous executions count once: the result is the time that a build needed.

    >>> records = [{"finished": "2026-01-01T00:00:09+00:00", "seconds": 9.0},
    ...            {"finished": "2026-01-01T00:00:12+00:00", "seconds": 6.0}]
    >>> elapsed(records)
    12.0
    """
    ends = [(datetime.fromisoformat(record["finished"]).timestamp(), record) for record in records]
    total, latest_end = 0.0, -math.inf
    for start, end in sorted((end - record["seconds"], end) for end, record in ends):
        total += max(0.0, end - max(start, latest_end))
        latest_end = max(latest_end, end)
    return total


def difference(before: dict[str, str], now: dict[str, str]) -> str:
    """Name the first difference between two {name: value} tables, or return ""."""
    changed = [name for name in sorted(before.keys() | now) if before.get(name) != now.get(name)]
    more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
    return f"{changed[0]}{more}" if changed else ""


def stale(place: Place) -> str:
    """Return the reason why the executed copy is stale, or "" if it is fresh."""
    record = read_record(place)
    if record is None:
        return "it was never executed"
    if record.get("status") != "ok":
        return f"its last execution failed ({record.get('error', 'no reason recorded')})"
    if record.get("executed") != sha256(place.executed(".ipynb")):
        return "its executed copy is missing or was changed by hand"
    current_facts = facts(place, record.get("reads", {}))
    if record.get("notebook") != current_facts["notebook"]:
        return "the notebook changed"
    for key, word in (
        ("library", "the library"),
        ("reads", "data it read"),
        ("versions", "a version"),
    ):
        name = difference(record.get(key, {}), current_facts[key])
        if name:
            return f"{word} changed: {name}"
    return ""


def pages(root: Path) -> list[str]:
    """Return the files in the table of contents, without suffix, in reading order."""
    text = (root / "_toc.yml").read_text(encoding="utf-8")
    return re.findall(r"^\s*(?:- file|root):\s*([\w/-]+)\s*$", text, flags=re.MULTILINE)


def in_toc(root: Path) -> list[str]:
    """Return the names of the notebooks in the table of contents, in reading order."""
    folder = "notebooks/"
    return [page.removeprefix(folder) for page in pages(root) if page.startswith(folder)]
