"""Files that are either whole or absent: written beside, then moved into place."""

import json
import os
import tempfile
from pathlib import Path

from unfolded.errors import RecordError, complain


def write(path: Path, content: bytes | str) -> None:
    """Write a file so that a reader sees the old one or the new one, never a part.

    Raises RecordError if the folder cannot be written or the disk is full; nothing is left over.
    """
    content = content.encode() if isinstance(content, str) else content
    beside = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, beside = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except OSError as error:
        if beside is not None:
            Path(beside).unlink(missing_ok=True)
        do = "free some space or choose another folder with UNFOLDED_RUNS or --store"
        got = f"{error.strerror or error}"
        raise RecordError(complain(f"to write {path}", got, do)) from error


def write_json(path: Path, content: object) -> None:
    """Write JSON with sorted keys, whole or not at all."""
    write(path, json.dumps(content, indent=1, sort_keys=True) + "\n")


def read_json(path: Path) -> dict:
    """Read a JSON file. Raises RecordError if it is missing or damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        do = "delete its folder and run again"
        raise RecordError(complain(f"a JSON file at {path}", error, do)) from error
