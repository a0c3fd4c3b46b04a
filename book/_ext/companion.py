"""The Sphinx glue of the book: executed notebooks in, local assets beside, numbers from files."""

from __future__ import annotations

import hashlib
from pathlib import Path

import assets
import numbers_from_files
import outputs
import run_records
import stamps
from sphinx.util.typing import ExtensionMetadata


def own_code() -> str:
    """Return a hash of this folder, so that an edit of the glue re-reads every page."""
    files = sorted(Path(__file__).parent.glob("*.[pc][ys]*"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


def setup(app) -> ExtensionMetadata:
    app.add_config_value("companion_code", own_code(), "env", [str])
    app.connect("builder-inited", outputs.refuse_stale_pages)
    app.connect("source-read", outputs.use_executed_copy)
    app.connect("builder-inited", assets.install)
    numbers_from_files.setup(app)
    run_records.setup(app)
    stamps.setup(app)
    return {"version": "1", "parallel_read_safe": False, "parallel_write_safe": True}
