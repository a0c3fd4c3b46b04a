"""The form of the built site: sizes, order of headings, length of outputs, buttons."""

import itertools
import json
import re
from urllib.parse import unquote, urlsplit

import pytest
import yaml
from browser import in_a_browser, open_page
from test_site import PAGES, ROOT, SITE, WHOLE, article

pytestmark = pytest.mark.skipif(
    not WHOLE.is_file(), reason="the book is not built: run `make book`"
)
EVERY = pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
NOTEBOOKS = [path for path in PAGES if path.parent.name == "notebooks"]
CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
ADDRESS = CONFIG["repository"]["url"]


def test_the_pages_are_at_most_25_megabytes_and_the_weights_to_download_10():
    files = [path for path in SITE.rglob("*") if path.is_file()]
    files = [path for path in files if path.suffix != ".pdf"]  # printed on request
    weights = sum(path.stat().st_size for path in files if path.suffix == ".safetensors")
    assert sum(path.stat().st_size for path in files) - weights <= 25e6
    assert 0 < weights <= 10e6
    assert not list(SITE.rglob("*.map"))


@EVERY
def test_a_page_with_its_pictures_is_at_most_2_megabytes(path):
    pictures = {values["src"] for _, values in PAGES[path].all("img")}
    files = {path.parent / unquote(urlsplit(src).path) for src in pictures if "_images/" in src}
    assert path.stat().st_size + sum(picture.stat().st_size for picture in files) <= 2e6


@EVERY
def test_headings_are_in_order(path):
    levels = [int(level) for level in re.findall(r"<h([1-6])\b", article(path))]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


@EVERY
def test_no_printed_output_is_longer_than_50_lines(path):
    printed = r'<div class="output (?:stream|text_plain)[^>]*>(.*?)</pre>'
    outputs = re.findall(printed, article(path), flags=re.DOTALL)
    assert [text[:200] for text in outputs if text.count("\n") > 51] == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_buttons_lead_to_the_clean_notebook(path):
    source = f"notebooks/{path.stem}.ipynb"
    links = [values.get("href", "") for _, values in PAGES[path].all("a")]
    owner = ADDRESS.removeprefix("https://github.com/")
    branch = CONFIG["repository"]["branch"]
    assert f"https://mybinder.org/v2/gh/{owner}/{branch}?urlpath=lab/tree/{source}" in links
    assert f"https://colab.research.google.com/github/{owner}/blob/{branch}/{source}" in links
    (download,) = {url for url in links if url.endswith(".ipynb") and "_sources" in url}
    notebook = json.loads((path.parent / download).read_text(encoding="utf-8"))
    assert notebook == json.loads((ROOT / source).read_text(encoding="utf-8"))
    assert all(not cell.get("outputs") for cell in notebook["cells"])


@in_a_browser
def test_a_link_to_a_run_scrolls_its_table(browser, served):
    runs = [i for i in PAGES[SITE / "book/records.html"].ids if re.fullmatch(r"run-\w{12}", i)]
    visible = """const row = document.getElementById(arguments[0]).getBoundingClientRect();
      return [row.top, row.bottom, innerHeight];"""
    open_page(browser, served, "book/records")
    for name in sorted(runs)[::60]:
        browser.execute_script(f"location.hash = '{name}'")
        top, bottom, height = browser.execute_script(visible, name)
        assert top >= 0 and bottom <= height


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_no_code_toggle_surrounds_a_sentence(path):
    for cell in re.split(r'(?=<div class="cell [^"]*tag_hide-input)', article(path))[1:]:
        kinds = re.findall(r'<div class="output ([\w ]+)"', cell.split('<div class="cell ', 2)[1])
        assert not kinds or set(kinds) != {"text_markdown"} or "<table" in cell
