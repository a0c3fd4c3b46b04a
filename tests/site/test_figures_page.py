"""Static figures in the built site: dark mode, and wide figures on a phone."""

import io
from urllib.parse import unquote

import numpy as np
import pytest
from browser import NEEDED, open_page, screen, severe
from PIL import Image
from selenium.webdriver.common.keys import Keys
from test_site import SITE

from companion.sphinx import figure_layout

pytestmark = NEEDED

# Folded parts are opened, so that each figure has a size.
OPEN = """document.querySelectorAll("details").forEach(e => { e.open = true; });
document.querySelectorAll(".toggle-hidden").forEach(e => e.classList.remove("toggle-hidden"));"""


def layout(name):
    return figure_layout.layout_of(SITE / "_images" / unquote(name))


SCROLL = """const box = arguments[0].firstElementChild, hint = arguments[0].lastElementChild;
return [box.scrollWidth - box.clientWidth, box.scrollLeft, hint.getBoundingClientRect().height];"""


def test_a_wide_figure_scrolls_with_a_hint_and_by_keyboard_on_a_phone_only(browser, served):
    name = "notebooks/24_which_experiment_was_reported"
    open_page(browser, served, name)
    for figure in browser.find_elements("css selector", ".small-labels"):
        assert browser.execute_script(SCROLL, figure) == [0, 0, 0]
    with screen(browser, 390):
        open_page(browser, served, name)
        figure = browser.find_element("css selector", ".small-labels")
        hidden, start, hint = browser.execute_script(SCROLL, figure)
        assert hidden > 20 and start == 0 and hint > 10
        assert "Scroll" in figure.text
        anchor = figure.find_element("css selector", "a")
        browser.execute_script("arguments[0].focus()", anchor)
        anchor.send_keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
        assert browser.execute_async_script(
            "const done = arguments[1], box = arguments[0].firstElementChild;"
            "setTimeout(() => done(box.scrollLeft), 500)",
            figure,
        )
        assert severe(browser) == []


STEADY = """document.documentElement.style.scrollBehavior = "auto";
arguments[0].scrollIntoView({block: "center", behavior: "instant"});"""


def pixels(browser, element):
    browser.execute_script(STEADY, element)
    with Image.open(io.BytesIO(element.screenshot_as_png)) as image:
        return np.asarray(image.convert("RGB"), dtype=int)


@pytest.fixture
def tall(browser):
    """A window in which whole figures are visible."""
    browser.set_window_size(1280, 1600)
    yield
    browser.set_window_size(1280, 900)


@pytest.mark.usefixtures("tall")
@pytest.mark.parametrize(
    "name",
    ["book/intro", "book/gallery", "notebooks/01_sequential_recovery",
     "notebooks/06_data_and_measurements", "notebooks/19_sista_rnn_on_its_own_task"],
)  # fmt: skip
def test_dark_mode_inverts_figures_and_keeps_the_grey_values_of_frames(browser, served, name):
    open_page(browser, served, name)
    browser.execute_script(OPEN + "document.documentElement.dataset.theme = 'light'")
    elements = [
        e for e in browser.find_elements("css selector", ".drawing :is(a, span):has(> .frames)")
    ]
    elements = [e for e in elements if e.is_displayed()][:2]
    assert elements
    for element in elements:
        source = element.find_element("css selector", "img").get_attribute("src")
        shots = {}
        for theme in ("light", "dark"):
            browser.execute_script(f"document.documentElement.dataset.theme = '{theme}'")
            shots[theme] = pixels(browser, element)
        height = min(len(shot) for shot in shots.values())  # rounded to whole pixels
        light, dark = shots["light"][:height], shots["dark"][:height]
        width = light.shape[1]
        inside = np.zeros((height, width), bool)
        for left, top, right, bottom in layout(source.split("/")[-1])["frames"]:
            rows = slice(round(top * height) + 3, round(bottom * height) - 3)
            columns = slice(round(left * width) + 3, round(right * width) - 3)
            inside[rows, columns] = True
        # The overlay may be resampled at other fractions of a pixel, which changes single edges.
        assert np.abs(light - dark)[inside].mean() <= 1
        assert light[inside].max() - light[inside].min() > 100
        # The ground of the figure becomes that of the page; the text becomes light.
        ground = (light.min(axis=-1) > 250) & ~inside
        assert ground.mean() > 0.05 and np.median(dark[ground]) < 60
        assert dark[~inside].max() > 180
