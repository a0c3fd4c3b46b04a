"""Every page on a wide screen and on a small phone, opened once on each for all its properties."""

import gzip
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from browser import NEEDED, assert_whole, open_page, screen
from test_site import SITE, TOC

AXE = Path(__file__).parents[1] / "vendor" / "axe.min.js"
pytestmark = NEEDED


@pytest.fixture(scope="module", params=[*TOC, "search", "genindex"])
def wide(request, browser, served):
    """The requests of a page that is open on a wide screen."""
    with screen(browser, 1280, media="screen"):
        yield assert_whole(browser, served, request.param)


@pytest.fixture(scope="module", params=TOC)
def phone(request, browser, served):
    """The requests of a page that is open on a phone."""
    with screen(browser, 360):
        yield assert_whole(browser, served, request.param)


# Layout shifts and tab stops; the observer also reports what happened before it started.
MEASURES = """
const done = arguments[0];
let shift = 0;
new PerformanceObserver(list => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) shift += entry.value;
}).observe({type: "layout-shift", buffered: true});
setTimeout(() => done([shift, document.querySelectorAll(
  ".math :is([tabindex], a:not(.headerlink))").length]), 500);
"""
TEXT = {".html", ".css", ".js", ".svg", ".json"}


def transferred(address, site):
    """Return the bytes of a file as a web server sends it: texts are compressed."""
    path = SITE / unquote(urlsplit(address.removeprefix(f"{site}/")).path)
    content = path.read_bytes()
    return len(gzip.compress(content, 6) if path.suffix in TEXT else content)


def assert_light_and_still(browser, served, asked):
    shift, stops = browser.execute_async_script(MEASURES)
    assert shift <= 0.1
    assert stops == 0
    local = {address for address in asked if address.startswith(served)}
    assert sum(transferred(address, served) for address in local) <= 1.5e6


def test_a_page_is_light_and_still_and_its_formulas_are_no_tab_stops(browser, served, wide):
    assert_light_and_still(browser, served, wide)


def test_a_page_is_light_and_still_on_a_phone(browser, served, phone):
    assert_light_and_still(browser, served, phone)


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


# Transitions between themes are disabled, because their colours are not final. The drawing of a
# formula is removed to save time: a screen reader reads its MathML instead.
PREPARE = """
const style = document.createElement("style");
style.textContent = "*, ::before, ::after {transition: none !important; animation: none}";
document.head.append(style);
document.querySelectorAll("mjx-container > mjx-math").forEach(drawn => drawn.replaceChildren());
"""
RUN = """
const [theme, rules, done] = arguments;
document.documentElement.dataset.theme = theme;
const options = {resultTypes: ["violations"], preload: false, ...(rules && {runOnly: rules})};
const place = node => `${node.target.join(" ")}: ${node.failureSummary}`;
axe.run(document, options).then(
  found => done(found.violations
    .filter(v => ["serious", "critical"].includes(v.impact))
    .map(v => `${v.id}: ${v.nodes.slice(0, 3).map(place).join("; ")}`)),
  error => done([`axe stopped: ${error}`]));
"""


def violations(browser, theme, rules=None):
    return browser.execute_async_script(RUN, theme, rules)


@pytest.fixture(scope="module")
def axe():
    return AXE.read_text(encoding="utf-8")


@pytest.mark.usefixtures("wide")
def test_a_page_has_no_serious_violation(browser, axe):
    browser.execute_script(PREPARE + axe)
    assert violations(browser, "light") == []
    # Between the themes only colours differ.
    assert violations(browser, "dark", ["color-contrast"]) == []


def test_axe_sees_a_fault_that_is_there(browser, served, axe):
    open_page(browser, served, "book/intro")
    browser.execute_script(PREPARE + axe)
    browser.execute_script(
        "const p = document.createElement('p'); p.textContent = 'faint'; p.id = 'faint';"
        "p.style = 'color: #777; background: #666'; document.querySelector('article').append(p);"
        "const b = document.createElement('button'); document.querySelector('article').append(b);"
    )
    light = " ".join(violations(browser, "light"))
    assert "color-contrast: #faint" in light and "button-name" in light
    assert "color-contrast: #faint" in violations(browser, "dark", ["color-contrast"])[0]
