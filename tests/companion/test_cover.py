"""The cover: six findings from committed results, thumbnails, and durations by one rule."""

import functools
import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from companion.build import freshness
from companion.plots import thumbnails
from companion.reproduction import findings
from companion.sphinx.overview import cover
from unfolded.provenance import ROOT

INTRO = (ROOT / "book" / "intro.md").read_text(encoding="utf-8")


known = functools.cache(findings.findings)


@pytest.fixture(params=range(6))
def finding(request):
    return known()[request.param]


def test_a_finding_has_sentences_a_named_picture_and_links_to_pages(finding):
    assert finding.sentence.endswith(".") and len(finding.sentence) < 260
    assert not re.search(r"\b(nan|inf|None)\b", finding.sentence + finding.picture)
    assert {page for page, _ in finding.links} <= set(freshness.pages(ROOT))
    picture = ElementTree.fromstring(finding.picture)
    assert picture.get("role") == "img" and picture.get("aria-label").strip()
    assert not re.search(r'(?:fill|stroke)="', finding.picture), "a colour of its own"


def test_bars_have_lengths_in_proportion_to_their_values():
    picture = ElementTree.fromstring(thumbnails.bars({"a": 2.0, "b": 4.0}, "Bars.", best=["b"]))
    bars = picture.findall("rect")
    short, long = (float(bar.get("width")) for bar in bars)
    assert long == pytest.approx(2 * short) and short > 0
    assert [bar.get("class") for bar in bars] == ["thumb-soft", "thumb-main"]


def test_curves_share_one_scale_and_larger_values_are_higher():
    lines = {"low": [(0, 0), (1, 0)], "high": [(0, 1), (1, 2)]}
    picture = ElementTree.fromstring(thumbnails.curves(lines, "Lines."))
    low, high = (line.get("points").split() for line in picture.findall("polyline")[:2])
    y = [[float(point.split(",")[1]) for point in points] for points in (low, high)]
    assert y[0][0] == y[0][1] > y[1][0] > y[1][1]


def test_frames_are_embedded_without_a_request():
    frame = np.zeros((16, 16))
    picture = thumbnails.frames({"a": frame, "b\n1 dB": frame + 255}, "Frames.")
    hrefs = re.findall(r'href="([^"]{22})', picture)
    assert hrefs == ["data:image/png;base64,"] * 2


def paths():
    """Return (title, pages) of each reading path of the cover."""
    return re.findall(r"^```\{reading-path\} (.+)\n:pages: (.+)$", INTRO, re.MULTILINE)


def test_three_reading_paths_name_pages_of_the_book_without_repetition():
    assert [title for title, _ in paths()] == ["Student", "Reuse", "Referee"]
    for _, names in paths():
        pages = names.split()
        assert set(pages) <= set(freshness.pages(ROOT)) and len(set(pages)) == len(pages)


def test_longer_paths_take_longer_and_reuse_takes_ten_minutes():
    def words(page):
        return cover.visible_words(cover.prose(cover.page_path(ROOT, page)))

    durations = {title: cover.minutes(sum(map(words, names.split()))) for title, names in paths()}
    assert durations["Reuse"] <= 15 < durations["Student"] <= 60
