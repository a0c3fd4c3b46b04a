"""Print the whole book into one document, `_build/unfolded.pdf`, with Chromium.

Sphinx joins the pages into one page; without scripts, explorers remain static figures.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from companion.build import ROOT, options
from companion.build.html import BUILD, error_lines, run_sphinx

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--no-pdf-header-footer",
    "--generate-pdf-document-outline",
    # The virtual time of the page must suffice for typesetting formulas; it is not wall time.
    "--virtual-time-budget=300000",
)


def main(arguments: Sequence[str] = ()) -> int:
    """Join and print the pages; report the path of the document or the error."""
    options.parse("pdf", __doc__, arguments)
    browser = next(filter(None, map(shutil.which, NAMES)), None)
    if browser is None:
        print(
            f"expected a browser that prints ({' or '.join(NAMES)}); got none; "
            "install Chromium, or read the pages that `make book` builds",
            file=sys.stderr,
        )
        return 1
    page = join()
    if page is None:
        return 1
    target = BUILD / "unfolded.pdf"
    with tempfile.TemporaryDirectory() as profile:
        part = target.with_suffix(".part.pdf")
        call = [browser, *FLAGS, f"--user-data-dir={profile}", f"--print-to-pdf={part}"]
        process = subprocess.run(
            [*call, page.as_uri()], capture_output=True, text=True, timeout=900
        )
    if process.returncode or not part.is_file():
        print(f"pdf: FAILED to print\n{process.stderr[-2000:]}", file=sys.stderr)
        return 1
    part.replace(target)
    print(f"pdf: open {target}")
    return 0


def join() -> Path | None:
    """Build the book as one page with corrected links, or report the reason and return None."""
    print("pdf: joining the pages …", flush=True)
    is_successful, log = run_sphinx("singlehtml")
    if not is_successful:
        print(f"{error_lines(log)}\npdf: FAILED to join the pages", file=sys.stderr)
        return None
    output = BUILD / "singlehtml"
    page = output / "whole.html"
    scripts = [path.name for path in (ROOT / "book" / "companion" / "widgets" / "js").glob("*.js")]
    text = (output / "book" / "intro.html").read_text(encoding="utf-8")
    page.write_text(corrected_links(text, scripts), encoding="utf-8")
    return page


def corrected_links(text: str, scripts: list[str]) -> str:
    """Return the single page with links to its own anchors, and without scripts of explorers.

    >>> corrected_links('<body id="a"><a href="../notebooks/02_x.html#y">', [])
    '<body class="whole" id="a"><a href="#y">'
    >>> corrected_links('<script src="_static/a.js?v=1"></script><p>', ["a.js"])
    '<p>'
    >>> corrected_links('<a href="../notebooks/02_x.html">', [])
    '<a href="#document-notebooks/02_x">'
    """
    for name in scripts:
        text = re.sub(rf'<script[^>]*src="_static/{re.escape(name)}[^>]*></script>\s*', "", text)
    pattern = r'href="(?:\.\./)?((?:book|notebooks)/[\w-]+)\.html'
    text = re.sub(pattern + r'#([^"]+)"', r'href="#\2"', text)
    text = re.sub(pattern + '"', r'href="#document-\1"', text)
    # Files outside the page are not part of the document, so remove links to them.
    text = re.sub(r'(<a\b[^>]*?)\shref="(?!#|https?:|mailto:)[^"]*"', r"\1", text)
    mark = '<div class="toctree-wrapper'
    text = text.replace(mark, contents(text) + mark, 1)
    return text.replace("<body ", '<body class="whole" ', 1)


def contents(text: str) -> str:
    """Return a list of links to the pages in the single page."""
    headings = re.findall(
        r'<span id="(document-[^"]+)"></span>.*?<h2>(.*?)<a', text, flags=re.DOTALL
    )
    items = "".join(f'<li><a href="#{place}">{title}</a></li>' for place, title in headings)
    return f'<h2 class="contents">Contents</h2><ol>{items}</ol>'
