"""Atomic file operations: write a temporary file, then move it into place."""

import contextlib
import errno
import json
import os
import secrets
from pathlib import Path

from unfolded.errors import RecordError, complain

_PART_SUFFIX = ".part"


def write(path: Path, content: bytes | str) -> None:
    """Write a file atomically: a reader sees either the old file or the new file.

    Raises RecordError if the folder is not writable or the disk is full, without a temporary file,
    and if the path is a symbolic link or a special file, which stay unchanged.
    """
    content = content.encode() if isinstance(content, str) else content
    part_path = path.with_name(f".{path.name}.{secrets.token_hex(4)}{_PART_SUFFIX}")
    try:
        if path.is_symlink() or (path.exists() and not path.is_file() and not path.is_dir()):
            got = "a symbolic link or a special file"
            raise RecordError(complain(f"a regular file at {path}", got, "choose another path"))
        path.parent.mkdir(parents=True, exist_ok=True)
        with part_path.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part_path, path)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            part_path.unlink(missing_ok=True)


def write_json(path: Path, content: object) -> None:
    """Write JSON with sorted keys, atomically."""
    write(path, json.dumps(content, indent=1, sort_keys=True) + "\n")


def read_json(path: Path) -> dict | None:
    """Read a JSON object, or return None if the file is missing. Raises RecordError if damaged."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise ValueError(f"a {type(content).__name__}")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, RecursionError) as error:
        got = getattr(error, "strerror", None) or error
        do = "make it readable, or delete this file and run again"
        raise RecordError(complain(f"a JSON object at {path}", got, do)) from error
    return content


def drop(path: Path) -> None:
    """Remove a file if it exists. Raises RecordError if the folder is not writable."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise cannot_write(path, error) from error


def sweep(folder: Path) -> None:
    """Remove the temporary files of terminated processes."""
    for path in folder.glob(f".*{_PART_SUFFIX}"):
        drop(path)


def cannot_write(path: Path, error: OSError) -> RecordError:
    """Return the error for a file or folder that cannot be written."""
    do = "choose a writable folder (for runs with UNFOLDED_RUNS or --store)"
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        do = f"free some space or {do}"
    return RecordError(complain(f"to write {path}", error.strerror or error, do))
