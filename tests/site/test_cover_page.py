"""The cover: a live network is the first element, and it is visible without scrolling."""

import re

import pytest
from browser import NEEDED, assert_whole, screen, severe
from selenium.webdriver.support.ui import WebDriverWait
from test_site import SITE, TOC, article

COVER = TOC[0]
pytestmark = NEEDED

BUILT = "return document.querySelector('recovery-explorer').built"
BOX = """const box = document.querySelector("recovery-explorer").getBoundingClientRect();
return [box.left, box.right, box.bottom + scrollY];"""


@pytest.fixture(params=["http", "file"])
def site(request, served):
    return served if request.param == "http" else SITE.as_uri()


def test_the_figure_is_the_first_element_below_the_title():
    text = article(SITE / f"{COVER}.html")
    assert re.search(r"</h1>\s*<recovery-explorer\b[^>]*><img\b[^>]*alt=\"[^\"]*dB", text)


@pytest.mark.parametrize(("width", "height"), [(1280, 720), (390, 780)])
def test_the_live_figure_is_visible_without_scrolling(browser, site, width, height):
    with screen(browser, width):
        assert_whole(browser, site, COVER)
        WebDriverWait(browser, 30).until(lambda b: b.execute_script(BUILT))
        left, right, bottom = browser.execute_script(BOX)
        assert left >= 0 and right <= width and bottom <= height
        assert severe(browser) == []
