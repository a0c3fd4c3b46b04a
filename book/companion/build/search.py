"""The search index of the built site: one record per section, written by Pagefind.

The index contains prose, headings and captions, not code and formulas. A page that is opened from
disk cannot read the index and uses the search of Sphinx.
"""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
import sys
import tempfile
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from bs4 import BeautifulSoup

FOLDER = "pagefind"
# Other interfaces of Pagefind, which no page loads.
UNUSED = ("pagefind-component-ui.*", "pagefind-modular-ui.*", "pagefind-highlight.js")
EXCLUDED = (
    "script, style, pre, .math, .headerlink, .cell_input, .code-switch, .cell_output table, "
    ".toctree-wrapper, nav, button, input, noscript"
)
# Lists of files, runs and pages: only their titles are indexed.
LISTS = {"book/status", "book/records", "book/gallery", "book/changelog", "book/bibliography"}
# Sections that only link to other pages.
LINKS = {"Next steps"}
# A search for the words on the right also finds sections with a word that starts with the left one.
SYNONYMS = {
    "ablation": "remove component",
    "activation": "nonlinearity",
    "baseline": "reference comparison generic",
    "cosine": "DCT discrete cosine transform",
    "counter-example": "counterexample wrong false",
    "diverge": "explode unstable blow up nan",
    "download": "get files",
    "duration": "how long time takes",
    "generalisation": "generalization",
    "hyperparameter": "tuning setting",
    "initialis": "initialization initialize initial start",
    "ISTA": "iterative shrinkage thresholding",
    "normalis": "normalization normalize scaling",
    "overfit": "overfitting generalisation gap",
    "pixel": "intensity",
    "proximal": "prox",
    "PSNR": "accuracy quality peak signal to noise ratio decibel",
    "recover": "reconstruct reconstruction",
    "reconstruct": "recover recovery",
    "refuted": "wrong false incorrect",
    "regularis": "regularization penalty",
    "soft threshold": "soft thresholding shrinkage shrink",
    "unfold": "unroll unrolling unrolled",
    "ħ": "hbar h-bar",
    "λ": "lambda",
    "Φ": "phi",
    "ℓ1": "l1",
    "vacuous": "useless meaningless loose",
}
# The names of symbols in titles.
SYMBOL_NAMES = {
    ">": "larger than",
    "<": "smaller than",
    "ħ": "hbar",
    "ℓ": "l",
    "λ": "lambda",
    "Φ": "Phi",
    "α": "alpha",
    "β": "beta",
    "γ": "gamma",
    "σ": "sigma",
    "τ": "tau",
    "φ": "phi",
    "∞": "inf",
}


class Section(NamedTuple):
    """A heading with the text below it, up to the next heading."""

    url: str
    page: str
    title: str
    text: str


def sections(path: Path, site: Path) -> Iterator[Section]:
    """Yield the sections of a built page in order; the page itself is the first one."""
    match = re.search(r"<article\b.*</article>", path.read_text(encoding="utf-8"), re.DOTALL)
    if not match:
        return
    # The drawing of a formula is large, and the MathML contains the same symbols.
    text = re.sub(r"<mjx-math\b.*?</mjx-math>", "", match[0], flags=re.DOTALL)
    article = BeautifulSoup(text, "html.parser")
    for formula in article.select(":is(h1, h2, h3, h4) .math"):
        # The formulas of a title are text; their markup contains them a second time, as MathML.
        text = (formula.find("math") or formula).get_text("", strip=True)
        text = unicodedata.normalize("NFKC", text)
        formula.replace_with(re.sub(r"([<>=≤≥])", r" \1 ", text))
    for node in article.select(EXCLUDED):
        node.decompose()
    url = path.relative_to(site).as_posix()
    page = ""
    terms = [
        (term["id"], term.get_text(" ", strip=True), term.find_next_sibling("dd").get_text(" "))
        for term in article.select("dl.glossary dt[id]")
    ]
    # Inner sections are removed before the section that contains them is read.
    nodes = [node for node in article.find_all("section") if node.find(["h1", "h2", "h3", "h4"])]
    texts = {}
    for node in reversed(nodes):
        heading = node.find(["h1", "h2", "h3", "h4"])
        title = " ".join(heading.extract().get_text("").split())
        texts[id(node)] = title, " ".join(node.extract().get_text(" ").split())
    for number, node in enumerate(nodes):
        title, text = texts[id(node)]
        page = page or title
        anchor = f"#{node['id']}" if number else ""
        if title not in LINKS:
            is_list = url.removesuffix(".html") in LISTS
            yield Section(url + anchor, page, title, "" if is_list else text)
    for anchor, term, definition in terms:
        yield Section(f"{url}#{anchor}", page, term, definition)


def record(section: Section) -> str:
    """Return the section as a page for Pagefind, with synonyms of the words that it contains."""
    content = f"{section.title} {section.text}"
    hits = (re.search(rf"\b{key}", content, re.IGNORECASE) for key in SYNONYMS)
    words = " ".join(words for words, match in zip(SYNONYMS.values(), hits, strict=True) if match)
    title_in_words = section.title.translate(str.maketrans(SYMBOL_NAMES))
    if title_in_words != section.title:
        words = f"{title_in_words} {words}"
    page, title, text = map(html.escape, (section.page, section.title, section.text))
    # The title of a page counts more than those of its sections.
    title_weight, page_weight = (7, 2) if "#" in section.url else (10, 10)
    return (
        f'<html lang="en"><body><h1 data-pagefind-weight="{title_weight}">{title}</h1><p>{text}</p>'
        f'<p data-pagefind-meta="page" data-pagefind-weight="{page_weight}">{page}</p>'
        f'<p data-pagefind-weight="0.5">{words}</p></body></html>'
    )


def word_set(text: str) -> set[str]:
    """Return the words of a text in lower case, without accents, as the search page splits them.

    >>> sorted(word_set("Hölder's prox_l1 λ₁"))
    ['holder', 'l1', 'prox', 's', 'λ1']
    """
    plain = unicodedata.normalize("NFKD", text.lower())
    return set(re.findall(r"[^\W_]+", re.sub("[\u0300-\u036f]", "", plain)))


def write_index(site: Path, pages: list[str]) -> None:
    """Write the index of these pages into site/pagefind."""
    shutil.rmtree(site / FOLDER, ignore_errors=True)
    words = set()
    entries = (section for page in pages for section in sections(site / f"{page}.html", site))
    # Pagefind's interface for Python waits 0.1 s for each record and may end before all files are
    # written, so its command reads the records from files.
    with tempfile.TemporaryDirectory() as folder:
        for section in entries:
            content = record(section)
            words |= word_set(BeautifulSoup(content, "html.parser").get_text(" "))
            # The search page replaces PAGE/ANCHOR.html by PAGE.html#ANCHOR.
            page, _, anchor = section.url.partition(".html")
            path = Path(folder, page, f"{anchor[1:] or 'index'}.html")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
        call = [sys.executable, "-m", "pagefind", "--site", folder]
        call += ["--output-path", str(site / FOLDER)]
        subprocess.run(call, check=True, stdout=subprocess.DEVNULL)
    # Pagefind replaces a word that is not in its index by the longest prefix that is.
    (site / FOLDER / "words.json").write_text(json.dumps(sorted(words)), encoding="utf-8")
    for name in UNUSED:
        for path in (site / FOLDER).glob(name):
            path.unlink()
