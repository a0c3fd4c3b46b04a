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
# This file exists only while the pages in _build/html come from a build without warnings; it
# contains the fingerprint of their inputs.
WHOLE = BUILD / "whole"
# The pages that Sphinx has read; builds of the book and of the PDF share them. The file in this
# folder exists only while the last of these builds had no warnings; it contains its builder.
DOCTREES = BUILD / ".doctrees"
READ = DOCTREES / "whole"
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
    every = {"action": "store_true", "help": "render every page again"}
    chosen = options.parse("html", __doc__, arguments, all=every)
    BUILD.mkdir(exist_ok=True)
    inputs_hash = fingerprint()
    if chosen.all:
        forget()
    elif INDEX.is_file() and WHOLE.is_file() and WHOLE.read_text("utf-8") == inputs_hash:
        print(f"book: nothing changed; open {INDEX}")
        return 0
    WHOLE.unlink(missing_ok=True)
    print("book: building …", flush=True)
    is_whole, log = run_sphinx("html")
    (BUILD / "build.log").write_text(log, encoding="utf-8")
    if not is_whole:
        print(complaints(log), file=sys.stderr)
        print("book: FAILED; the whole log is in _build/build.log", file=sys.stderr)
        return 1
    search.write_index(INDEX.parent, freshness.pages(ROOT))
    WHOLE.write_text(inputs_hash, encoding="utf-8")
    print(f"book: open {INDEX}")
    return 0


def run_sphinx(builder: str) -> tuple[bool, str]:
    """Run Jupyter Book; return whether there was no warning, and the log."""
    if not READ.is_file():
        # Sphinx would not read a page with a warning again, and an interrupted build may have
        # lost the warnings of a page, so force a full build.
        forget()
    elif READ.read_text("utf-8") != builder:
        # Sphinx would not write the pages that the other build has read again.
        shutil.rmtree(BUILD / builder, ignore_errors=True)
    READ.unlink(missing_ok=True)
    call = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()"]
    call += ["build", ".", "-W", "-n", "--keep-going", "--builder", builder]
    pipe = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    process = subprocess.run(call, cwd=ROOT, encoding="utf-8", **pipe)
    if process.returncode == 0:
        READ.write_text(builder, encoding="utf-8")
    return process.returncode == 0, re.sub(r"\x1b\[[0-9;]*m", "", process.stdout)


def fingerprint() -> str:
    """Return a hash of the names and contents of all files that pages may depend on."""
    digest = hashlib.sha256(sys.version.encode())
    for name in SOURCES:
        place = ROOT / name
        for path in [place] if place.is_file() else sorted(place.rglob("*")):
            if path.is_file() and path.suffix not in {".pyc", ".log"}:
                digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0")
                digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def complaints(log: str) -> str:
    """Return the warnings, and the error that stopped the build, without its traceback."""
    lines = log.splitlines()
    warnings = [line for line in lines if re.search(r"\b(WARNING|ERROR|CRITICAL)\b", line)]
    for number, line in enumerate(lines):
        if line.startswith(("Extension error", "Exception occurred", "Configuration error")):
            end = next((i for i in range(number, len(lines)) if "Traceback" in lines[i]), None)
            warnings += lines[number:end]
            break
    return "\n".join(warnings) or "\n".join(lines[-40:])


def forget() -> None:
    """Remove Sphinx's cache of the pages."""
    shutil.rmtree(DOCTREES, ignore_errors=True)
