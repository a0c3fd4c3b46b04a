"""Every page on a wide screen, opened once for all its properties."""

import gzip
import re
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

import pytest
from browser import NEEDED, assert_whole, open_page, screen
from selenium.webdriver.common.keys import Keys
from test_site import SITE, TOC

AXE = Path(__file__).parents[1] / "vendor" / "axe.min.js"
HEADER = 48  # pixels of the bar at the top of each page
pytestmark = NEEDED


class Opened(NamedTuple):
    """A page in the browser: its name, its requests, and the ends of its explorers."""

    name: str
    asked: list[str]
    ends: list[float]

    @property
    def html(self):
        return (SITE / f"{self.name}.html").read_text(encoding="utf-8")


# The end of each explorer, within the first screen.
ENDS = """return [...document.querySelectorAll("*")].filter(e => e.localName.endsWith("-explorer"))
  .map(e => Math.min(e.getBoundingClientRect().bottom, innerHeight));"""


def opened(browser, served, name):
    asked = assert_whole(browser, served, name)
    return Opened(name, asked, browser.execute_script(ENDS))


@pytest.fixture(scope="module", params=[*TOC, "search", "genindex"])
def wide(request, browser, served):
    """A page that is open on a wide screen."""
    with screen(browser, 1280, media="screen"):
        yield opened(browser, served, request.param)


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
    assert_light_and_still(browser, served, wide.asked)


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


def test_an_explorer_is_visible_together_with_its_caption_and_controls(browser, wide):
    """At 1280x720; the first figure of a page has its caption and a part on the first screen."""
    live = ["-explorer" in figure for figure in FIGURE.findall(wide.html)]
    found = browser.execute_script(CAPTIONED)
    assert len(found) == sum(live)
    for first, top, height, start, end in found:
        assert first and start >= top + height and end - top <= 720 - HEADER
    if live and live[0]:
        assert found[0][3] + 200 <= 720


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


def test_tab_walks_through_an_explorer_in_order_and_shows_where_it_is(browser, wide):
    explorers = browser.execute_script(EXPLORERS)
    # The list of claims is an element that no script of an explorer draws.
    kinds = set(re.findall(r"<([a-z]+)-explorer\b", wide.html)) - {"claim"}
    assert bool(explorers) == bool(kinds), "an explorer was not brought to life"
    for explorer in explorers:
        controls = browser.execute_script(CONTROLS, explorer)
        assert controls, "an explorer without a control"
        browser.execute_script("arguments[0].focus()", controls[0])
        for here, following in zip(controls, [*controls[1:], None], strict=True):
            inside, seen = browser.execute_script(FOCUS)
            assert inside == here
            # The first was not reached by the keyboard, so the browser may show no ring yet.
            assert seen or here == controls[0], here.get_attribute("outerHTML")
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


def test_a_page_has_at_most_ten_screens_with_proofs_and_code_folded(browser, wide):
    assert browser.execute_script(FOLDED) <= 10 * 900


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


def assert_text_stays(browser, served, page, width):
    """Compare the ends of the explorers of an open page with those without their scripts."""
    kinds = set(re.findall(r"<([a-z]+)-explorer\b", page.html))
    blocked = [f"*/_static/{kind}*.js*" for kind in kinds]
    with screen(browser, width, media="" if width < 1000 else "screen"):
        browser.execute_cdp_cmd("Network.enable", {})
        try:
            browser.execute_cdp_cmd("Network.setBlockedURLs", {"urls": blocked})
            open_page(browser, served, page.name)
            still = browser.execute_script(ENDS)
        finally:
            browser.execute_cdp_cmd("Network.setBlockedURLs", {"urls": []})
    moves = [abs(after - before) for before, after in zip(still, page.ends, strict=True)]
    assert max(moves) <= 0.1 * 780


# The last test of a page, because it opens the page again.
def test_text_below_an_explorer_does_not_move_when_its_script_starts(browser, served, wide):
    if wide.ends:
        assert_text_stays(browser, served, wide, 1280)


def test_explorers_of_each_kind_are_on_the_pages():
    texts = [(SITE / f"{name}.html").read_text(encoding="utf-8") for name in TOC]
    assert len({kind for text in texts for kind in re.findall(r"<([a-z]+)-explorer\b", text)}) >= 9
    figures = [FIGURE.findall(text) for text in texts]
    assert sum(any("-explorer" in figure for figure in page) for page in figures) >= 6


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
