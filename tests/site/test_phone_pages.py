"""Every page on a small phone, opened once for all tests of its properties."""

import re

import pytest
from browser import NEEDED, screen
from test_figures_page import OPEN, layout
from test_site import SITE, TOC
from test_site_pages import assert_cover_is_visible, assert_light_and_still, opened

pytestmark = NEEDED


@pytest.fixture(scope="module")
def phone_browser(browser):
    """The browser with the screen of a small phone, emulated once for all pages."""
    with screen(browser, 360):
        yield browser


@pytest.fixture(scope="module", params=TOC)
def phone(request, phone_browser):
    """A page that is open on a phone, without a server."""
    return opened(phone_browser, SITE.as_uri(), request.param)


def test_a_page_is_small_and_has_no_layout_shift_on_a_phone(browser, phone):
    assert_light_and_still(browser, phone)


# Of each visible formula: the scrolled distance, the place of its left end, the hidden width.
FORMULAS = """return [...document.querySelectorAll("div.math")].filter(e => e.checkVisibility())
  .map(e => [e.scrollLeft, e.firstElementChild.getBoundingClientRect().left
    - e.getBoundingClientRect().left, e.scrollWidth - e.clientWidth]);"""


def test_formulas_are_scrolled_to_their_left_end(browser, phone):
    formulas = browser.execute_script(FORMULAS)
    assert all(scroll == 0 and left >= -1 for scroll, left, _ in formulas)
    if phone.name in ("notebooks/15_theorem_3_1", "notebooks/16_a_bound_that_holds"):
        assert any(hidden > 0 for *_, hidden in formulas)


# The number of visible blocks of code, before and after the switch is used.
CODE = """
const visible = () => [...document.querySelectorAll(".cell_input")]
  .filter(e => e.checkVisibility()).length;
const before = visible(), button = document.querySelector(".code-switch");
button?.click();
const after = visible();
button?.click();
return [before, after];
"""


def test_code_is_folded_on_a_phone(browser, phone):
    folded, unfolded = browser.execute_script(CODE)
    assert folded == 0 and bool(unfolded) == ('class="code-switch' in phone.html)


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


# Formulas, also in folded parts, that are wider than the text.
WIDE_FORMULAS = """return [...document.querySelectorAll("div.math")]
  .filter(e => e.scrollWidth > e.clientWidth + 1).map(e => e.textContent.slice(0, 80));"""
FIRST = re.compile("book/(intro|cheat_sheet)|notebooks/0[1-5]_.*")


def test_cover_labels_and_formulas_are_readable_at_390_pixels(browser, phone):
    with screen(browser, 390):
        assert_cover_is_visible(browser, phone, 390, 780)
        browser.execute_script(OPEN)
        figures = browser.execute_script(FIGURES)
        assert browser.execute_script("return document.documentElement.scrollWidth") <= 390
        if FIRST.fullmatch(phone.name):
            assert browser.execute_script(WIDE_FORMULAS) == []
    sizes = {source: width * layout(source)["label"] for source, width in figures}
    assert {source: size for source, size in sizes.items() if size < 8.9} == {}
