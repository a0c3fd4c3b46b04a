"""The built site, read as files: every link, image and script, with no browser."""

import functools
import re
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

import pytest

from companion.build import freshness
from unfolded.provenance import ROOT

SITE = ROOT / "_build" / "html"
TOC = freshness.pages(ROOT)
WHOLE = ROOT / "_build" / "whole"

pytestmark = pytest.mark.skipif(
    not WHOLE.is_file(), reason="the book is not built: run `make book`"
)


class Page(HTMLParser):
    """The tags of a page, and the ids that a link may point to; the file is read at first use."""

    def __init__(self, path):
        super().__init__()
        self.path, self.found = path, []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    @functools.cached_property
    def tags(self):
        self.feed(self.path.read_text(encoding="utf-8"))
        return self.found

    @functools.cached_property
    def ids(self):
        return {values[key] for _, values in self.tags for key in ("id", "name") if values.get(key)}

    def all(self, *names):
        return [(tag, values) for tag, values in self.tags if tag in names]


PAGES = {path: Page(path) for name in TOC if (path := SITE / f"{name}.html").is_file()}
EVERY = pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)


def article(path):
    """Return the part of a page that the reader reads, without menus."""
    text = path.read_text(encoding="utf-8")
    return text[text.index("<article") : text.index("</article>")]


def test_every_page_of_the_contents_is_built():
    assert [name for name in TOC if not (SITE / f"{name}.html").is_file()] == []


def test_the_first_page_redirects_to_the_introduction():
    text = (SITE / "index.html").read_text(encoding="utf-8")
    assert "url=book/intro.html" in text


def test_the_live_figure_of_the_cover_is_the_first_element_below_its_title():
    text = article(SITE / f"{TOC[0]}.html")
    assert re.search(r"</h1>\s*<recovery-explorer\b[^>]*><img\b[^>]*alt=\"[^\"]*dB", text)


@EVERY
def test_a_page_has_one_title(path):
    assert len(re.findall(r"<h1\b", article(path))) == 1


@EVERY
def test_a_page_loads_nothing_from_elsewhere(path):
    loads = PAGES[path].all("script", "img", "iframe", "source", "video", "audio", "object")
    sources = [values.get("src") or values.get("data") or "" for _, values in loads]
    for tag, values in PAGES[path].all("link"):
        if values.get("rel") not in {"canonical", "next", "prev"}:
            sources.append(values.get("href") or f"<{tag}> without href")
    assert [source for source in sources if re.match(r"(https?:)?//", source)] == []


def test_no_style_sheet_loads_anything_from_elsewhere():
    faults = []
    for path in SITE.rglob("*.css"):
        text = path.read_text(encoding="utf-8")
        faults += re.findall(
            r"url\(\s*[\"']?(?:https?:)?//[^)]*\)|@import\s+[\"'](?:https?:)?//", text
        )
    assert faults == []


@EVERY
def test_every_image_exists_and_has_alt_text(path):
    for _, values in PAGES[path].all("img"):
        assert values.get("alt", "").strip(), values
        if not values["src"].startswith("data:"):
            assert (path.parent / unquote(urlsplit(values["src"]).path)).is_file(), values


@EVERY
def test_every_drawing_in_an_output_has_a_name(path):
    for svg in re.findall(r"<svg\b.*?</svg>", article(path), flags=re.DOTALL):
        named = "<title" in svg or "aria-label" in svg or 'aria-hidden="true"' in svg
        assert named, svg[:200]


@EVERY
def test_no_page_shows_an_error(path):
    text = article(path)
    for sign in ('class="output traceback', "system-message", "problematic", "Traceback (most"):
        assert sign not in text


@EVERY
def test_internal_links_and_anchors_resolve(path):
    faults = []
    for _, values in PAGES[path].all("a"):
        address = urlsplit(values.get("href") or "")
        if address.scheme or address.netloc or values.get("href", "#") == "#":
            continue
        target = (path.parent / unquote(address.path)).resolve() if address.path else path
        if not target.is_file():
            faults.append(values["href"])
        elif address.fragment and target.suffix == ".html":
            known = PAGES.get(target) or Page(target)
            if unquote(address.fragment) not in known.ids:
                faults.append(values["href"])
    assert faults == []


def test_search_index_and_favicon_exist():
    assert (SITE / "searchindex.js").is_file()
    assert (SITE / "_static" / "favicon.svg").is_file()


@EVERY
def test_every_formula_is_typeset_in_the_page(path):
    text = path.read_text(encoding="utf-8")
    formulas = re.findall(
        r'class="[^"]*\bmath notranslate nohighlight"[^>]*>\s*(<mjx-container)?', text
    )
    assert all(formulas)
    assert len(formulas) == text.count("<mjx-assistive-mml")
    assert "mathjax.css" in text or not formulas
    assert "mjx-merror" not in text and "NaNem" not in text


def test_every_character_of_a_formula_has_a_rule_and_a_font():
    style = (SITE / "_static" / "mathjax.css").read_text(encoding="utf-8")
    pages = [path.read_text(encoding="utf-8") for path in PAGES]
    used = {code for text in pages for code in re.findall(r"\bmjx-c([0-9A-F]+)\b", text)}
    assert used and used <= set(re.findall(r"mjx-c\.mjx-c([0-9A-F]+)", style))
    fonts = re.findall(r'url\("?([^")]+)', style)
    assert fonts and all((SITE / "_static" / name).is_file() for name in fonts)


def test_the_status_page_has_the_share_of_each_notebook():
    rows = re.findall(
        r'<tr[^>]*id="made-(?!all)[^"]*".*?</tr>', article(SITE / "book/status.html"), re.S
    )
    values = [float(value) for row in rows for value in re.findall(r">([\d.]+)%<", row)]
    assert len(values) == len([name for name in TOC if name.startswith("notebooks/")])
    assert abs(sum(values) - 100) < 0.05 * len(values) + 1e-9
