"""Parts of pages: descriptions, archives, gallery, cards of claims, the search index, the cover."""

import functools
import re
import xml.etree.ElementTree as ElementTree
import zipfile

import numpy as np
import pandas as pd
import pytest
from docutils import nodes
from test_claims import JUDGED

from companion.build import freshness, search
from companion.claims import cards
from companion.plots import thumbnails
from companion.reproduction import findings
from companion.sphinx import access
from companion.sphinx.overview import cover, downloads, gallery, page_metadata
from unfolded.provenance import ROOT


def document(*children):
    doctree = nodes.Element()
    doctree += list(children)
    return doctree


def test_a_description_is_the_first_sentence_outside_boxes():
    box = nodes.admonition("", nodes.paragraph(text="In a box."))
    formula = nodes.paragraph("", "", nodes.Text("Set "), nodes.math(text=r"\lambda_2"))
    formula += nodes.Text(" to 0.5 here. Then train.")
    assert page_metadata.description(document(box, formula)) == "Set lambda_2 to 0.5 here."
    assert page_metadata.description(document(box)) == ""
    title = nodes.title(text="Status")
    assert page_metadata.description(document(title, box)).startswith("Status: ")


@pytest.mark.parametrize("name", downloads.ARCHIVES)
def test_an_archive_contains_unchanged_files_and_the_licences(name, tmp_path):
    paths = downloads.archive_files(ROOT, name)
    for target in (tmp_path / "a.zip", tmp_path / "b.zip"):
        downloads.write_archive(ROOT, name, target)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        names = archive.namelist()
        assert names == ["LICENSE", "LICENSE-prose", *(path.as_posix() for path in paths)]
        assert archive.read(names[-1]) == (ROOT / names[-1]).read_bytes()
    assert len(paths) > 2 and (tmp_path / "a.zip").stat().st_size < 1.5e6


def test_the_errors_by_sequence_are_one_table_with_the_stored_values(tmp_path):
    target = tmp_path / downloads.ERRORS
    downloads.write_errors(ROOT, target)
    errors, first = pd.read_csv(target, index_col="sequence"), target.read_bytes()
    assert len(errors.columns) == len(downloads.error_files(ROOT)) > 2
    for path in downloads.error_files(ROOT):
        stored = pd.read_csv(ROOT / path, index_col="sequence")["test_mse"]
        pd.testing.assert_series_equal(errors[path.stem].dropna(), stored, check_names=False)
    downloads.write_errors(ROOT, target)
    assert target.read_bytes() == first and len(first) < 1.5e6


def test_the_caption_of_an_explorer_is_above_it_and_the_stamp_below():
    stamp = '<div class="legend">\n<p class="stamp">Source</p>\n</div>\n'
    caption, end = "<figcaption>\n<p>A line.</p>\n", "</figcaption>\n"
    explorer, image = '<div><signs-explorer beta="1.0">\n</div>\n', "<img>\n"
    figure = f"<figure>\n{image}{caption}{stamp}{end}</figure>\n"
    context = {"body": f"{figure}<figure>\n{explorer}{caption}{stamp}{end}</figure>\n{figure}"}
    access.put_captions_first(None, "page", None, context, None)
    moved = f"<figure>\n{caption}{end}{explorer}{stamp}"
    assert context["body"].replace("\n", "") == (
        f"{figure}{moved}</figure>{figure}".replace("\n", "")
    )


def test_the_pdf_is_linked_or_the_commands_that_make_it_are_stated(tmp_path):
    assert downloads.document_link(tmp_path).astext().endswith("run make pdf && make book")
    (tmp_path / downloads.PDF).parent.mkdir()
    (tmp_path / downloads.PDF).write_bytes(bytes(3_000_000))
    paragraph = downloads.document_link(tmp_path)
    assert paragraph.astext() == "Download this book as PDF (3 MB)"
    assert paragraph.next_node(nodes.reference)["refuri"] == "../_static/unfolded.pdf"


def test_the_gallery_prefers_the_figure_with_a_caption():
    def cell(alt, **figure):
        mime = "image/svg+xml"
        output = {"data": {mime: "<svg/>\n"}, "metadata": {mime: {"alt": alt}}}
        return {"metadata": {"mystnb": {"figure": figure}}, "outputs": [output]}

    notebook = {"cells": [cell("plain"), cell("captioned", caption="A line."), cell("last")]}
    figures = gallery.figures(notebook)
    assert [alt for *_, alt in figures] == ["plain", "captioned", "last"]
    assert max(figures, key=lambda figure: figure[0])[1:] == (b"<svg/>", ".svg", "captioned")


def test_a_card_has_verdict_share_sections_anchor_and_the_claim_as_link():
    html = cards.Cards(JUDGED)._repr_html_()
    assert '<span aria-hidden="true">✓</span> confirmed so far (2 of 6 widths)' in html
    assert '<a href="../notebooks/11_table_2.html">A &lt; B.</a>' in html
    assert re.findall(r'data-section="([^"]+)"', html) == ["§1|App. D", "§4"]
    assert re.findall(r'<li id="(\w+)"', html) == ["a", "b"]
    assert "is-refuted" in html and html.count("<li") == html.count("</li>") == 2


def test_the_figure_of_the_verdicts_counts_every_claim():
    fig = cards.draw_counts(JUDGED)
    widths = [bar.get_width() for bar in fig.axes[0].patches]
    assert sum(widths) == len(JUDGED) and widths.count(1) == 2


# The search index -------------------------------------------------------------------------------


PAGE = """<html><body><article><section id="page"><h1>Page<a class="headerlink">#</a></h1>
<p>An opening with <span class="math">\\(x\\)</span>.</p>
<section id="inner"><h2>Inner</h2><p>Networks diverge.</p><pre>code()</pre></section>
<section id="links"><h2>Next steps</h2><p>Elsewhere.</p></section>
<dl class="glossary"><dt id="term-a">atom</dt><dd>A column of D.</dd></dl>
</section></section></article></body></html>"""


def test_each_section_is_a_search_record_with_its_own_prose(tmp_path):
    (tmp_path / "page.html").write_text(PAGE)
    opening, inner, term = search.sections(tmp_path / "page.html", tmp_path)
    assert (opening.url, opening.title) == ("page.html", "Page")
    assert "opening" in opening.text and "diverge" not in opening.text and "(x" not in opening.text
    assert inner == ("page.html#inner", "Page", "Inner", "Networks diverge.")
    assert term.url == "page.html#term-a" and term.title == "atom"


def test_a_record_contains_synonyms_of_its_words():
    section = search.Section("page.html", "Page", "A < B", "Networks diverge.")
    record = search.record(section)
    assert "explode" in record and "penalty" not in record and "A &lt; B" in record


def test_a_synonym_is_added_for_a_word_and_not_for_a_part_of_another_word():
    words = {text: search.record(search.Section("", "", "", text)) for text in ("ISTA", "distance")}
    assert "shrinkage" in words["ISTA"] and "shrinkage" not in words["distance"]


TITLE = """<html><body><article><section id="a"><h1>A</h1><section id="b"><h2>For
<span class="math"><mjx-container><mjx-math></mjx-math><mjx-assistive-mml><math>
<msub><mi>λ</mi><mn>2</mn></msub><mo>&gt;</mo><mi>ℏ</mi></math>
</mjx-assistive-mml></mjx-container></span>, the coins</h2>
</section></section></article></body></html>"""


def test_a_title_with_a_formula_is_found_by_words(tmp_path):
    (tmp_path / "page.html").write_text(TITLE)
    *_, section = search.sections(tmp_path / "page.html", tmp_path)
    assert section.title == "For λ2 > ħ, the coins"
    assert "lambda2 larger than hbar" in search.record(section)


# The cover: findings, thumbnails, and durations by one rule -------------------------------------


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
    picture = ElementTree.fromstring(thumbnails.curves(lines, "Lines.", "across: x, up: y"))
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
    assert [title for title, _ in paths()] == ["Student", "Reuse", "Reviewer"]
    for _, names in paths():
        pages = names.split()
        assert set(pages) <= set(freshness.pages(ROOT)) and len(set(pages)) == len(pages)


def test_reading_times_increase_with_length_and_reuse_takes_ten_minutes():
    def words(page):
        return cover.visible_words(cover.prose(cover.page_path(ROOT, page)))

    durations = {title: cover.minutes(sum(map(words, names.split()))) for title, names in paths()}
    assert durations["Reuse"] <= 15 < durations["Student"] <= 60
