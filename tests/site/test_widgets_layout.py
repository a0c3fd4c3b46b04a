"""All explorers on one page: target sizes, layout, and the picture without scripts."""

from types import SimpleNamespace

import pytest
from browser import load, severe
from explorer_page import open_all, phone
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait
from test_widgets_common import EXPLORERS

from companion import pretrained
from companion.widgets import base_widget, recovery_widget
from companion.widgets.base_widget import Explorer

pytestmark = pytest.mark.browser


DRAWN = "requestAnimationFrame(() => setTimeout(arguments[0], 100))"
LEAST = 24  # CSS pixels, WCAG 2.5.8

HEADER = 48  # pixels of the bar at the top of each page

# The height from the first chart or control to the last one, and the smallest font size in a chart.
REACH = """
const all = [...arguments[0].querySelectorAll(
  "svg.ue-drag, :is(scale-explorer, unroll-explorer) > svg, canvas, input, select, button")];
const boxes = all.filter(e => e.checkVisibility()).map(e => e.getBoundingClientRect());
return Math.max(...boxes.map(b => b.bottom)) - Math.min(...boxes.map(b => b.top));
"""
SMALLEST = """
return Math.min(99, ...[...arguments[0].querySelectorAll("svg:not(.ue-swatch) text")].map(text => {
  const svg = text.closest("svg.ue-drag") ?? text.closest("svg:not(svg svg)");
  const scale = svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;
  return parseFloat(getComputedStyle(text).fontSize) * scale;
}));
"""

# Controls whose own box and whose label are smaller than the least size.
SMALL = """
const low = ({ width, height }) => Math.min(width, height) < arguments[0];
const boxes = (e) => [e, ...(e.labels ?? [])].map((node) => node.getBoundingClientRect());
return [...document.querySelectorAll("input, button, select, summary, [role=button]")]
  .filter((e) => e.checkVisibility() && boxes(e).every(low))
  .map((e) => [e.closest(".ue").localName, e.outerHTML.slice(0, 120)]);
"""


@pytest.fixture(scope="module")
def explorers(browser, tmp_path_factory):
    """Every explorer on one page, after the scripts have started."""
    folder, cover = tmp_path_factory.mktemp("all"), SimpleNamespace(**vars(recovery_widget))
    cover._esm = base_widget.script("recovery.js").replace("export default { Recovery };", "")
    for model in pretrained.COVER:
        (folder / f"recovery-{model}.js").write_bytes(recovery_widget.weights_script(model))
    open_all(browser, folder, [*(make() for make in EXPLORERS.values()), cover])
    started = browser.find_elements(By.CLASS_NAME, "ue")
    script = "return arguments[0].every((explorer) => explorer.built)"
    WebDriverWait(browser, 30).until(lambda _: browser.execute_script(script, started))
    assert severe(browser) == []
    return started


def test_the_page_contains_every_class_of_explorers(explorers):
    tags = {kind.TAG for kind in Explorer.__subclasses__()}
    assert {e.tag_name for e in explorers} == tags | {recovery_widget.TAG} and len(tags) == 9


@pytest.mark.usefixtures("explorers")
@pytest.mark.parametrize("width", [390, 1280])
def test_every_control_or_its_label_has_the_minimum_target_size(browser, width):
    phone(browser, width)
    browser.execute_async_script(DRAWN)
    assert browser.execute_script(SMALL, LEAST) == []


@pytest.mark.parametrize(("width", "height"), [(690, 720), (358, 844)])
def test_chart_and_controls_are_visible_together_with_readable_labels(
    browser, explorers, width, height
):
    """The widths are those of the text on a screen of 1280 and of 390 pixels."""
    phone(browser, width + 16, height)
    browser.execute_async_script(DRAWN)
    for explorer in explorers:
        assert browser.execute_script(REACH, explorer) <= height - HEADER, explorer.tag_name
        assert browser.execute_script(SMALLEST, explorer) >= 12, explorer.tag_name


def test_a_page_without_scripts_shows_a_picture(browser, explorers):
    tags = [explorer.tag_name for explorer in explorers]
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        load(browser, browser.current_url)
        for tag in tags:
            image = browser.find_element(By.CSS_SELECTOR, f"{tag} img")
            assert image.size["width"] > 200 and image.size["height"] > 100
            assert len(image.get_attribute("alt")) > 60
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
