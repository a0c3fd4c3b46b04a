"""The built site as a reader's browser and disk see it: sizes, order, length, buttons."""

import itertools
import json
import re
from urllib.parse import unquote, urlsplit

import pytest
import yaml
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
    own = {path.parent / unquote(urlsplit(src).path) for src in pictures if "_images/" in src}
    assert path.stat().st_size + sum(picture.stat().st_size for picture in own) <= 2e6


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
    (download,) = {link for link in links if link.endswith(".ipynb") and "_sources" in link}
    given = json.loads((path.parent / download).read_text(encoding="utf-8"))
    assert given == json.loads((ROOT / source).read_text(encoding="utf-8"))
    assert all(not cell.get("outputs") for cell in given["cells"])
