"""Build the book from the executed notebooks; every warning is an error."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence

from companion.build import ROOT, freshness, options, search

BUILD = ROOT / "_build"
INDEX = BUILD / "html" / "index.html"
# This file exists only while the pages in _build/html are from a build without warnings; it
# contains the fingerprint of their inputs.
MARKER = BUILD / "whole"
# The pages that Sphinx has read; builds of the book and of the PDF share them. The marker exists
# only if the last of these builds had no warnings; it contains the name of the builder.
DOCTREES = BUILD / ".doctrees"
READ_MARKER = DOCTREES / "whole"
SOURCES = (
    "constraints.txt",
    "_config.yml",
    "_toc.yml",
    "CITATION.cff",
    "book",
    "notebooks",
    "_executed",
    "data",
    "lib",
    "_build/unfolded.pdf",
)


def main(arguments: Sequence[str] = ()) -> int:
    """Run Jupyter Book; print the path of the book, or the errors."""
    setting = {"action": "store_true", "help": "render every page again"}
    settings = options.parse("html", __doc__, arguments, all=setting)
    BUILD.mkdir(exist_ok=True)
    inputs_hash = fingerprint()
    if settings.all:
        remove_cache()
    elif INDEX.is_file() and MARKER.is_file() and MARKER.read_text("utf-8") == inputs_hash:
        print(f"book: nothing changed; open {INDEX}")
        return 0
    MARKER.unlink(missing_ok=True)
    print("book: building …", flush=True)
    is_successful, log = run_sphinx("html")
    (BUILD / "build.log").write_text(log, encoding="utf-8")
    if not is_successful:
        print(error_lines(log), file=sys.stderr)
        print("book: FAILED; the complete log is in _build/build.log", file=sys.stderr)
        return 1
    search.write_index(INDEX.parent, freshness.pages(ROOT))
    MARKER.write_text(inputs_hash, encoding="utf-8")
    print(f"book: open {INDEX}")
    return 0


def run_sphinx(builder: str) -> tuple[bool, str]:
    """Run Jupyter Book; return whether there was no warning, and the log."""
    if not READ_MARKER.is_file():
        # Sphinx does not read a page with a warning again, and an interrupted build may lose the
        # warnings of a page, so force a complete build.
        remove_cache()
    elif READ_MARKER.read_text("utf-8") != builder:
        # Sphinx does not write pages that the build with the other builder has read.
        shutil.rmtree(BUILD / builder, ignore_errors=True)
    READ_MARKER.unlink(missing_ok=True)
    call = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()"]
    call += ["build", ".", "-W", "-n", "--keep-going", "--builder", builder]
    pipe = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    process = subprocess.run(call, cwd=ROOT, encoding="utf-8", **pipe)
    if process.returncode == 0:
        READ_MARKER.write_text(builder, encoding="utf-8")
    return process.returncode == 0, re.sub(r"\x1b\[[0-9;]*m", "", process.stdout)


def fingerprint() -> str:
    """Return a hash of the names and contents of all files that pages may depend on."""
    digest = hashlib.sha256(sys.version.encode())
    for name in SOURCES:
        source = ROOT / name
        for path in [source] if source.is_file() else sorted(source.rglob("*")):
            if path.is_file() and path.suffix not in {".pyc", ".log"}:
                digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0")
                digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def error_lines(log: str) -> str:
    """Return the warnings, and the error that stopped the build, without its traceback."""
    lines = log.splitlines()
    warnings = [line for line in lines if re.search(r"\b(WARNING|ERROR|CRITICAL)\b", line)]
    for number, line in enumerate(lines):
        if line.startswith(("Extension error", "Exception occurred", "Configuration error")):
            end = next((i for i in range(number, len(lines)) if "Traceback" in lines[i]), None)
            warnings += lines[number:end]
            break
    return "\n".join(warnings) or "\n".join(lines[-40:])


def remove_cache() -> None:
    """Remove Sphinx's cache of the pages."""
    shutil.rmtree(DOCTREES, ignore_errors=True)
