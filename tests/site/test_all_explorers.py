"""What every explorer has, on one page in a real browser: controls and labels of a good size."""

import pytest
import torch
from browser import chromium, load
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait
from test_stepper_widget import data as steps
from test_widgets import EXPORT, complaints
from test_widgets_page import HEAD, phone

from companion import pretrained
from companion.reproduction.ablation_effects import scale_levels
from companion.run_set import RunSet
from companion.widgets import (
    base_widget,
    player_widget,
    recovery_widget,
    scale_widget,
    table_widget,
    units_widget,
)
from companion.widgets.activation_widget import ActivationExplorer
from companion.widgets.base_widget import Explorer
from companion.widgets.bounds_widget import BoundsExplorer
from companion.widgets.player_widget import PlayerExplorer
from companion.widgets.scale_widget import ScaleExplorer
from companion.widgets.signs_widget import SignsExplorer
from companion.widgets.stepper_widget import StepperExplorer
from companion.widgets.table_widget import CellsExplorer
from companion.widgets.units_widget import UnitsExplorer
from companion.widgets.unroll_widget import UnrollExplorer

pytestmark = pytest.mark.browser
DRAWN = "requestAnimationFrame(() => setTimeout(arguments[0], 100))"
LEAST = 24  # CSS pixels, WCAG 2.5.8

HEADER = 48  # pixels of the bar at the top of each page

# The height from the first chart or control to the last one, and the smallest text of a chart.
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


def elements():
    """Return one explorer of each class, with little data."""
    frames, committed = 40 * torch.rand(3, 5, 256), RunSet.committed()
    groups = {"networks": {"gru": frames + 9, "lstm": frames + 5}, "solvers": {"ISTA": frames + 2}}
    return [
        ActivationExplorer(),
        BoundsExplorer(),
        SignsExplorer(),
        UnrollExplorer(),
        UnitsExplorer(data=units_widget.learned(frames)),
        ScaleExplorer(data=scale_widget.recorded(scale_levels(committed))),
        CellsExplorer(data=table_widget.recorded(committed)),
        StepperExplorer(data=steps()),
        PlayerExplorer(data=player_widget.recorded(frames, groups)),
    ]


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """A browser with a page that contains every explorer, after their scripts have started."""
    folder, driver = tmp_path_factory.mktemp("all"), chromium()
    scripts = {kind.TAG: (kind._esm, kind.element()) for kind in elements()}
    cover = base_widget.script("recovery.js").replace("export default { Recovery };", "")
    scripts[recovery_widget.TAG] = (cover, recovery_widget.element())
    for model in pretrained.COVER:
        (folder / f"recovery-{model}.js").write_bytes(recovery_widget.weights_script(model))
    for tag, (code, _) in scripts.items():
        (folder / f"{tag}.js").write_text(f"(() => {{{code}}})()".replace(EXPORT, ""), "utf-8")
    head = "".join(f"<script defer src={tag}.js></script>" for tag in scripts)
    body = "".join(f"<section>{markup}</section>" for _, markup in scripts.values())
    page = folder / "page.html"
    page.write_text(f"{HEAD}{head}<body style='margin: 8px'>{body}", "utf-8")
    complaints(driver)
    load(driver, page.as_uri())
    explorers = [driver.find_element(By.TAG_NAME, tag) for tag in scripts]
    script = "return arguments[0].every((explorer) => explorer.built)"
    WebDriverWait(driver, 30).until(lambda _: driver.execute_script(script, explorers))
    assert complaints(driver) == []
    yield driver
    driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    driver.get("about:blank")


def test_the_page_contains_every_class_of_explorers(browser):
    tags = {kind.TAG for kind in Explorer.__subclasses__()}
    page_tags = {tag for tag in tags if browser.find_elements(By.TAG_NAME, tag)}
    assert page_tags == tags and len(tags) == 9


@pytest.mark.parametrize("width", [390, 1280])
def test_every_control_or_its_label_is_large_enough_to_hit(browser, width):
    phone(browser, width)
    browser.execute_async_script(DRAWN)
    assert browser.execute_script(SMALL, LEAST) == []


@pytest.mark.parametrize(("width", "height"), [(690, 720), (358, 844)])
def test_chart_and_controls_are_visible_together_with_readable_labels(browser, width, height):
    """The widths are those of the text on a screen of 1280 and of 390 pixels."""
    phone(browser, width + 16, height)
    browser.execute_async_script(DRAWN)
    for explorer in browser.find_elements(By.CLASS_NAME, "ue"):
        assert browser.execute_script(REACH, explorer) <= height - HEADER, explorer.tag_name
        assert browser.execute_script(SMALLEST, explorer) >= 12, explorer.tag_name
