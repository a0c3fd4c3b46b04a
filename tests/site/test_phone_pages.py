"""Every page on a small phone, opened once for all its properties."""

import re

import pytest
from browser import NEEDED, screen
from test_figures_page import OPEN, layout
from test_site import TOC
from test_site_pages import assert_light_and_still, assert_text_stays, opened

pytestmark = NEEDED


@pytest.fixture(scope="module", params=TOC)
def phone(request, browser, served):
    """A page that is open on a phone."""
    with screen(browser, 360):
        yield opened(browser, served, request.param)


def test_a_page_is_light_and_still_on_a_phone(browser, served, phone):
    assert_light_and_still(browser, served, phone.asked)


# Elements of the text that extend beyond the right edge, or of which a part is hidden.
CUT = """
const edge = document.documentElement.clientWidth + 1;
const shown = [...document.querySelectorAll(".bd-article :is(p, pre, table, img, svg, figure)")]
  .filter(e => e.checkVisibility() && !e.closest("mjx-container"));
return shown.filter(e => e.getBoundingClientRect().right > edge
    || (e.localName === "pre" && e.scrollWidth > e.clientWidth + 1))
  .map(e => e.outerHTML.slice(0, 200));
"""


def test_a_page_fits_a_small_phone_and_a_sheet_of_paper(browser, phone):
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 360
    with screen(browser, 672, media="print"):  # A4 less its margins
        assert browser.execute_script(CUT) == []


FIGURES = """return [...document.querySelectorAll(".bd-article img")].filter(e =>
  e.src.includes("/_images/") && !e.closest(".gallery")).map(e =>
  [e.src.split("/").pop(), e.getBoundingClientRect().width]);"""


def test_labels_of_every_figure_are_readable_on_a_phone(browser, phone):
    with screen(browser, 390):
        browser.execute_script(OPEN)
        figures = browser.execute_script(FIGURES)
        assert browser.execute_script("return document.documentElement.scrollWidth") <= 390
    sizes = {source: width * layout(source)["label"] for source, width in figures}
    assert {source: size for source, size in sizes.items() if size < 8.9} == {}


# Formulas, also in folded parts, that are wider than the text.
WIDE_FORMULAS = """return [...document.querySelectorAll("div.math")]
  .filter(e => e.scrollWidth > e.clientWidth + 1).map(e => e.textContent.slice(0, 80));"""
FIRST = re.compile("book/(intro|cheat_sheet)|notebooks/0[1-5]_.*")


def test_formulas_of_the_first_pages_fit_a_phone(browser, phone):
    if FIRST.fullmatch(phone.name):
        with screen(browser, 390):
            browser.execute_script(OPEN)
            assert browser.execute_script(WIDE_FORMULAS) == []


# The last test of a page, because it opens the page again.
def test_text_below_an_explorer_does_not_move_when_its_script_starts(browser, served, phone):
    if phone.ends:
        assert_text_stays(browser, served, phone, 360)
