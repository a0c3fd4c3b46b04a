"""The main Sphinx extension: executed notebooks, local assets, numbers and tables from files."""

from __future__ import annotations

import hashlib
from pathlib import Path

from sphinx.util.typing import ExtensionMetadata

from companion.build import freshness
from companion.sphinx import (
    assets,
    figure_layout,
    formulas,
    live_figure,
    numbers_from_files,
    outputs,
    run_records,
    stamps,
)
from companion.sphinx.overview import cover, downloads, gallery, page_metadata


def code_hash() -> str:
    """Return a hash of the extensions; if it changes, Sphinx reads every page again."""
    here = Path(__file__).parent
    folders = (here, here / "overview", Path(freshness.__file__).parent)
    files = sorted(path for folder in folders for path in folder.glob("*.[pc][ys]*"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


def setup(app) -> ExtensionMetadata:
    app.add_config_value("companion_code", code_hash(), "env", [str])
    app.connect("builder-inited", outputs.refuse_stale_pages)
    app.connect("source-read", outputs.use_executed_copy)
    app.connect("builder-inited", assets.install)
    app.connect("build-finished", assets.reduce_theme)
    parts = (formulas, numbers_from_files, cover, live_figure, gallery, downloads, run_records)
    for part in (*parts, stamps, page_metadata, figure_layout):
        part.setup(app)
    return {"version": "1", "parallel_read_safe": False, "parallel_write_safe": True}
