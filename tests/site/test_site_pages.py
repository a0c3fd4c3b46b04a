"""Every page on a wide screen, opened once for all tests of its properties."""

import functools
import gzip
import re
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

import pytest
from browser import NEEDED, assert_whole, open_page, screen, severe
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait
from test_site import SITE, TOC

AXE = Path(__file__).parents[1] / "vendor" / "axe.min.js"
HEADER = 48  # pixels of the bar at the top of each page
pytestmark = NEEDED


class Opened(NamedTuple):
    """A page in the browser: the address of its site, its name and its requests."""

    site: str
    name: str
    asked: list[str]

    @property
    def html(self):
        return (SITE / f"{self.name}.html").read_text(encoding="utf-8")


# Store the end of each explorer, within the first screen, before a script draws the first one.
BEFORE_SCRIPTS = """
window.ends = () => [...document.querySelectorAll("*")]
  .filter(e => e.localName.endsWith("-explorer"))
  .map(e => Math.min(e.getBoundingClientRect().bottom, innerHeight));
const define = customElements.define;
customElements.define = (...words) => {
  window.firstEnds ??= ends();
  return define.apply(customElements, words);
};
"""


def opened(browser, site, name):
    script = {"source": BEFORE_SCRIPTS}
    script = browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", script)
    try:
        return Opened(site, name, assert_whole(browser, site, name))
    finally:
        browser.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", script)


@pytest.fixture(scope="module", params=[*TOC, "search", "genindex"])
def wide_page(request, browser, served):
    """A page that is open on a wide screen."""
    with screen(browser, 1280, media="screen"):
        yield opened(browser, served, request.param)


# Layout shifts until half a second after loading, tab stops, and movements of the text below
# explorers; the observer also reports what happened before it started.
MEASURES = """
const done = arguments[0];
let shift = 0;
new PerformanceObserver(list => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) shift += entry.value;
}).observe({type: "layout-shift", buffered: true});
const measure = () => {
  const now = ends(), moves = now.map((end, k) => Math.abs(end - (window.firstEnds ?? now)[k]));
  const stops = document.querySelectorAll(".math :is([tabindex], a:not(.headerlink))").length;
  done([shift, stops, Math.max(0, ...moves)]);
};
const [{loadEventEnd}] = performance.getEntriesByType("navigation");
setTimeout(measure, Math.max(100, loadEventEnd + 500 - performance.now()));
"""
TEXT = {".html", ".css", ".js", ".svg", ".json"}


@functools.cache
def transferred(name):
    """Return the bytes of a file as a web server sends it: texts are compressed."""
    path = SITE / name
    content = path.read_bytes()
    return len(gzip.compress(content, 6) if path.suffix in TEXT else content)


def assert_light_and_still(browser, page):
    shift, stops, move = browser.execute_async_script(MEASURES)
    assert shift <= 0.1 and move <= 0.1 * 780
    assert stops == 0
    addresses = {address for address in page.asked if address.startswith(page.site)}
    names = [unquote(urlsplit(address).path) for address in addresses]
    root = unquote(urlsplit(page.site).path)
    assert sum(transferred(name.removeprefix(f"{root}/")) for name in names) <= 1.5e6


def test_a_page_is_small_without_layout_shift_and_formulas_are_not_tab_stops(browser, wide_page):
    assert_light_and_still(browser, wide_page)


COVER = TOC[0]
BUILT = "return document.querySelector('recovery-explorer').built"
BOX = """const box = document.querySelector("recovery-explorer").getBoundingClientRect();
return [box.left, box.right, box.bottom + scrollY];"""


def assert_cover_is_visible(browser, page, width, height):
    """Check that the live network of the cover is visible without scrolling."""
    if page.name == COVER:
        WebDriverWait(browser, 30).until(lambda b: b.execute_script(BUILT))
        left, right, bottom = browser.execute_script(BOX)
        assert left >= 0 and right <= width and bottom <= height
        assert severe(browser) == []


def test_the_live_figure_of_the_cover_is_visible_without_scrolling(browser, wide_page):
    assert_cover_is_visible(browser, wide_page, 1280, 720)


# The sizes and weights of the headings, the width of the text and that of wide tables.
LAYOUT = """
const article = document.querySelector(".bd-article");
const heads = ["h1", "h2", "h3"].map(tag => article.querySelector(`section > ${tag}`));
return [heads.filter(head => head).map(head => {
  const style = getComputedStyle(head);
  return [parseFloat(style.fontSize), Number(style.fontWeight)];
}), heads[0].clientWidth, [...article.querySelectorAll(".full-width")].map(e => e.clientWidth)];
"""


def test_headings_have_three_sizes_and_a_wide_table_is_wider_than_the_text(browser, wide_page):
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 1280
    if wide_page.name in TOC:
        heads, text, tables = browser.execute_script(LAYOUT)
        sizes, weights = zip(*heads, strict=True)
        assert sizes == (34, 25, 19)[: len(heads)]
        assert len(heads) < 3 or weights[1] >= weights[2]
        assert all(table > text + 200 for table in tables)
        assert tables or wide_page.name != "book/records"


# Of each figure with an explorer: its first element, and the ends of the caption and the explorer.
CAPTIONED = """return [...document.querySelectorAll("figure:has(.ue)")].map(figure => {
  const caption = figure.querySelector("figcaption"), explorer = figure.querySelector(".ue");
  const all = [...explorer.querySelectorAll("svg.ue-drag, canvas, input, select, button")];
  const boxes = all.filter(e => e.checkVisibility()).map(e => e.getBoundingClientRect());
  const top = caption.getBoundingClientRect().top + scrollY;
  return [figure.firstElementChild === caption, top, caption.offsetHeight,
    explorer.getBoundingClientRect().top + scrollY,
    Math.max(...boxes.map(box => box.bottom)) + scrollY];
});"""
FIGURE = re.compile(r"<figure(?:(?!</figure>).)*</figure>", re.DOTALL)


def test_an_explorer_is_visible_together_with_its_caption_and_controls(browser, wide_page):
    """At 1280x720; the first figure of a page has its caption and a part on the first screen."""
    live = ["-explorer" in figure for figure in FIGURE.findall(wide_page.html)]
    figures = browser.execute_script(CAPTIONED)
    assert len(figures) == sum(live)
    for first, top, height, start, end in figures:
        assert first and start >= top + height and end - top <= 720 - HEADER
    if live and live[0]:
        assert figures[0][3] + 200 <= 720


# A custom element that a script has taken over, the controls inside, and the one in focus.
EXPLORERS = """
return [...document.querySelectorAll(".bd-article *")]
  .filter(e => e.localName.includes("-") && customElements.get(e.localName))
"""
CONTROLS = """
const root = arguments[0].shadowRoot || arguments[0];
const all = "input, select, button, a[href], summary, [tabindex='0']";
return [...root.querySelectorAll(all)].filter(e => !e.disabled && e.tabIndex >= 0
  && e.checkVisibility({visibilityProperty: true})
  && (e.type !== "radio" || e.checked));
"""
FOCUS = """
const inside = document.activeElement.shadowRoot?.activeElement || document.activeElement;
const look = getComputedStyle(inside);
const ring = look.outlineStyle !== "none" && parseFloat(look.outlineWidth) > 0;
return [inside, ring || look.boxShadow !== "none"];
"""


def test_tab_visits_the_controls_of_an_explorer_in_order_with_visible_focus(browser, wide_page):
    explorers = browser.execute_script(EXPLORERS)
    # The list of claims is an element that no script of an explorer draws.
    kinds = set(re.findall(r"<([a-z]+)-explorer\b", wide_page.html)) - {"claim"}
    assert bool(explorers) == bool(kinds), "an explorer was not brought to life"
    for explorer in explorers:
        controls = browser.execute_script(CONTROLS, explorer)
        assert controls, "an explorer without a control"
        browser.execute_script("arguments[0].focus()", controls[0])
        for control, following in zip(controls, [*controls[1:], None], strict=True):
            inside, seen = browser.execute_script(FOCUS)
            assert inside == control
            # The first was not reached by the keyboard, so the browser may show no ring yet.
            assert seen or control == controls[0], control.get_attribute("outerHTML")
            if following is not None:
                inside.send_keys(Keys.TAB)


# The height of the page with closed parts and without code; the page is as before afterwards.
FOLDED = """
const open = [...document.querySelectorAll("details[open]")];
const code = [...document.querySelectorAll(".cell_input")].filter(e => !e.closest("details"));
const fold = folded => {
  open.forEach(e => { e.open = !folded; });
  code.forEach(e => { e.style.display = folded ? "none" : ""; });
};
fold(true);
const height = document.documentElement.scrollHeight;
fold(false);
return height;
"""


def test_a_page_has_at_most_ten_screens_with_proofs_and_code_folded(browser, wide_page):
    assert browser.execute_script(FOLDED) <= 10 * 900


# Transitions between themes are disabled, because their colours are not final. To save time, parts
# are removed: the drawing of a formula (a screen reader reads its MathML instead), rows of a long
# table after the twentieth, and, except on the cover, menu entries of other pages.
PREPARE = """
const style = document.createElement("style");
style.textContent = "*, ::before, ::after {transition: none !important; animation: none}";
document.head.append(style);
document.querySelectorAll("mjx-container > mjx-math").forEach(drawn => drawn.replaceChildren());
const menu = location.pathname.endsWith("/intro.html") ? "" : ", .bd-links li:not(.current)";
document.querySelectorAll(`tbody tr:nth-child(n + 21)${menu}`).forEach(part => part.remove());
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


@pytest.mark.usefixtures("wide_page")
def test_a_page_has_no_serious_violation(browser, axe):
    browser.execute_script(PREPARE + axe)
    assert violations(browser, "light") == []
    # Between the themes only colours differ.
    assert violations(browser, "dark", ["color-contrast"]) == []


def test_explorers_of_each_kind_are_on_the_pages():
    texts = [(SITE / f"{name}.html").read_text(encoding="utf-8") for name in TOC]
    assert len({kind for text in texts for kind in re.findall(r"<([a-z]+)-explorer\b", text)}) >= 9
    figures = [FIGURE.findall(text) for text in texts]
    assert sum(any("-explorer" in figure for figure in page) for page in figures) >= 6


def test_axe_detects_a_violation(browser, served, axe):
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
