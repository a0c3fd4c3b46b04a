"""The recovery explorer in a browser: speed, controls, live region and layout."""

import shutil

import numpy as np
import pytest
from browser import load, serving, severe
from recovery_scripts import COMMON, MODULE, weights
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

from companion import pretrained
from companion.sphinx import assets
from companion.widgets import recovery_widget

PHONE = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
WIDE = {"width": 1280, "height": 720, "deviceScaleFactor": 1, "mobile": False}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A page with the figure, as the book writes it."""
    folder = tmp_path_factory.mktemp("cover")
    script = assets.classic(MODULE, "recovery.js", common=COMMON)
    (folder / "recovery.js").write_text(script, encoding="utf-8")
    for model in pretrained.COVER:
        (folder / f"recovery-{model}.js").write_bytes(weights(model))
    (folder / "page.html").write_text(
        "<!doctype html><html lang=en><meta charset=utf-8><title>x</title>"
        "<meta name=viewport content='width=device-width'><link rel=icon href=data:,>"
        "<style>body { font-family: sans-serif; margin: 16px; min-height: 3000px }</style>"
        f"<script defer src=recovery.js></script>{recovery_widget.element()}",
        encoding="utf-8",
    )
    return folder


def opened(browser, folder, size=WIDE, calm=True, address=None):
    """Open the page, by default with reduced motion, and return the figure."""
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    motion = {"name": "prefers-reduced-motion", "value": "reduce" if calm else "no-preference"}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [motion]})
    severe(browser)
    load(browser, f"{address or folder.as_uri()}/page.html")
    figure = browser.find_element(By.TAG_NAME, recovery_widget.TAG)
    wait(browser).until(lambda _: shown(figure, "many").endswith("dB"))
    return figure


def wait(browser):
    return WebDriverWait(browser, 30, poll_frequency=0.05)


def shown(figure, part: str) -> str:
    elements = figure.find_elements(By.CSS_SELECTOR, f"[data-part={part}]")
    return elements[0].get_attribute("textContent") if elements else ""


def decibels(figure) -> dict[str, float]:
    names = ("network", "few", "many")
    return {name: float(shown(figure, name).removesuffix(" dB")) for name in names}


def settled(browser, figure) -> str:
    """Wait until the solver has finished; return the words."""
    wait(browser).until(lambda _: browser.execute_script("return !arguments[0].job.left", figure))
    return shown(figure, "live")


def button(figure, name: str):
    return figure.find_element(By.CSS_SELECTOR, f"button[data-{name}]")


@pytest.mark.browser
class TestFigure:
    def test_the_figure_works_from_disk_and_requests_no_other_host(self, browser, folder):
        # The browser lists the requests of a page on a server only.
        with serving(folder) as site:
            for address in (folder.as_uri(), site):
                figure = opened(browser, folder, address=address)
                Select(figure.find_element(By.TAG_NAME, "select")).select_by_value("l1-l1-rnn")
                wait(browser).until(lambda _, f=figure: "ℓ1-ℓ1-RNN" in shown(f, "network-label"))
                assert figure.find_elements(By.CSS_SELECTOR, ":scope > img") == []
                assert severe(browser) == []
            entries = "return performance.getEntriesByType('resource').map((entry) => entry.name)"
            names = ["recovery", *(f"recovery-{model}" for model in pretrained.COVER)]
            addresses = browser.execute_script(entries)
            assert addresses == [f"{site}/{name}.js" for name in names]

    def test_a_frame_and_a_slice_of_the_solver_take_less_than_4_milliseconds(self, browser, folder):
        figure = opened(browser, folder)
        script = """const [figure] = arguments, frames = [], slices = [];
            const timed = (times, call) => {
              const start = performance.now();
              call();
              times.push(performance.now() - start);
            };
            for (let k = 0; k < 100; k++) timed(slices, () => figure.net.iterate(figure.few, 20));
            figure.solve = () => {};
            for (let t = 0; t < 300; t++) {
              figure.remember();
              figure.put([t % 36, (2 * t) % 36]);
              timed(frames, () => figure.show());
            }
            return [frames, slices].map((times) => times.sort((a, b) => a - b)[times.length / 2]);
            """
        assert max(browser.execute_script(script, figure)) < 4

    def test_the_network_has_a_higher_psnr_than_the_solver_on_each_preset(self, browser, folder):
        figure = opened(browser, folder)
        script = """return [...arguments[0].querySelectorAll("canvas[role=img]")].map((canvas) =>
            [...canvas.getContext("2d").getImageData(0, 0, 16, 16).data])"""
        for preset in figure.find_elements(By.CSS_SELECTOR, "[data-digit]"):
            preset.send_keys(Keys.ENTER)
            assert preset.get_attribute("aria-pressed") == "true"
            settled(browser, figure)
            values = decibels(figure)
            assert values["network"] > max(values["few"], values["many"]) + 5, preset.text
            pixels = np.array(browser.execute_script(script, figure), dtype=float)[:, ::4]
            psnr = 10 * np.log10(255**2 / ((pixels[1:] - pixels[0]) ** 2).mean(1))
            assert list(values.values()) == pytest.approx(psnr, abs=0.051)

    def test_layers_noise_and_memory_change_the_reconstruction(self, browser, folder):
        figure = opened(browser, folder)
        figure.find_element(By.CSS_SELECTOR, "canvas[data-scene]").send_keys(Keys.ARROW_DOWN)
        start = decibels(figure)
        layers = figure.find_element(By.NAME, "layers")
        layers.send_keys(Keys.HOME)
        assert shown(figure, "network-label") == "reweighted-RNN\n0 layers"
        assert decibels(figure)["network"] < start["network"] - 5
        layers.send_keys(Keys.END)
        assert decibels(figure)["network"] == start["network"]
        memory = figure.find_element(By.NAME, "memory")
        memory.click()
        wait(browser).until(lambda _: decibels(figure)["network"] != start["network"])
        memory.click()
        wait(browser).until(lambda _: decibels(figure)["network"] == start["network"])
        figure.find_element(By.NAME, "noise").send_keys(Keys.END)
        wait(browser).until(lambda _: decibels(figure)["network"] < start["network"] - 3)

    def test_one_live_region_changes_once_for_a_change(self, browser, folder):
        figure = opened(browser, folder)
        settled(browser, figure)
        live = figure.find_elements(By.CSS_SELECTOR, "[aria-live=polite], [role=status]")
        assert [node.get_attribute("data-part") for node in live] == ["live"]
        outputs = figure.find_elements(By.TAG_NAME, "output")
        assert {node.get_attribute("aria-live") for node in outputs} == {"off"}
        count = """window.changes = 0; new MutationObserver(() => { window.changes += 1; })
            .observe(arguments[0], { childList: true, characterData: true, subtree: true });"""
        browser.execute_script(count, live[0])
        before = shown(figure, "live")
        figure.find_element(By.NAME, "layers").send_keys(Keys.ARROW_LEFT)
        wait(browser).until(lambda _: shown(figure, "live") != before)
        settled(browser, figure)
        assert browser.execute_script("return window.changes") == 1
        assert shown(figure, "live").startswith("reweighted-RNN after 2 layers: ")

    def test_the_figure_moves_unless_reduced_motion_is_preferred(self, browser, folder):
        point = "return [...arguments[0].point]"
        figure = opened(browser, folder, calm=True)
        assert button(figure, "play").text == "Play"
        before = browser.execute_script(point, figure)
        browser.execute_async_script("setTimeout(arguments[0], 400)")
        assert browser.execute_script(point, figure) == before
        button(figure, "play").send_keys(Keys.SPACE)
        wait(browser).until(lambda _: browser.execute_script(point, figure) != before)
        figure = opened(browser, folder, calm=False)
        assert button(figure, "play").text == "Pause"
        before = browser.execute_script(point, figure)
        wait(browser).until(lambda _: browser.execute_script(point, figure) != before)
        button(figure, "play").click()
        before = browser.execute_script(point, figure)
        browser.execute_async_script("setTimeout(arguments[0], 400)")
        assert browser.execute_script(point, figure) == before

    def test_the_digit_is_dragged_and_moved_by_keys(self, browser, folder):
        figure = opened(browser, folder)
        corner = "return arguments[0].point.map((part) => Math.floor(36 * part))"
        scene = figure.find_element(By.CSS_SELECTOR, "canvas[data-scene]")
        ActionChains(browser, duration=20).click_and_hold(scene).move_by_offset(
            40, 20
        ).release().perform()
        width, half = scene.size["width"], 64 / 2 - 28 / 2
        row, column = browser.execute_script(corner, figure)
        assert column == pytest.approx(half + 40 * 64 / width, abs=1.5)
        assert row == pytest.approx(half + 20 * 64 / width, abs=1.5)
        scene.send_keys(Keys.ARROW_UP, Keys.ARROW_RIGHT)
        assert browser.execute_script(corner, figure) == [row - 2, column + 2]
        assert browser.execute_script("return String(getSelection())") == ""

    def test_a_drawn_digit_is_recovered(self, browser, folder):
        figure = opened(browser, folder)
        draw = button(figure, "draw")
        draw.click()
        assert draw.text == "Done" and "Draw a digit" in shown(figure, "hint")
        ink = "return arguments[0].digit.reduce((sum, level) => sum + level, 0)"
        assert browser.execute_script(ink, figure) == 0
        scene = figure.find_element(By.CSS_SELECTOR, "canvas[data-scene]")
        for across in (0, 40):
            ActionChains(browser, duration=20).move_to_element_with_offset(
                scene, across - 30, -70
            ).click_and_hold().move_by_offset(20, 70).move_by_offset(-20, 70).release().perform()
        assert browser.execute_script(ink, figure) > 255 * 50
        draw.click()
        assert draw.text == "Draw"
        settled(browser, figure)
        values = decibels(figure)
        assert values["network"] > max(values["few"], values["many"]) + 3
        pressed = figure.find_elements(By.CSS_SELECTOR, "[data-digit][aria-pressed=true]")
        assert pressed == []

    def test_an_empty_drawing_has_no_score(self, browser, folder):
        figure, parts = opened(browser, folder), ("network", "few", "many")
        button(figure, "draw").click()
        wait(browser).until(lambda _: [shown(figure, part) for part in parts] == ["–"] * 3)
        assert "dB" not in settled(browser, figure)
        scene = figure.find_element(By.CSS_SELECTOR, "canvas[data-scene]")
        ActionChains(browser, duration=20).click_and_hold(scene).move_by_offset(
            40, 20
        ).release().perform()
        wait(browser).until(lambda _: shown(figure, "many").endswith("dB"))
        assert min(decibels(figure).values()) > 0 and "dB" in settled(browser, figure)

    def test_a_touch_scrolls_the_page_except_on_the_scene(self, browser, folder):
        figure = opened(browser, folder, PHONE)

        def swipe(selector):
            box = figure.find_element(By.CSS_SELECTOR, selector).rect
            x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] - 10
            points = [("touchStart", y), *(("touchMove", y - k) for k in range(10, 101, 10))]
            for kind, at in points:
                touches = {"type": kind, "touchPoints": [{"x": x, "y": at}]}
                browser.execute_cdp_cmd("Input.dispatchTouchEvent", touches)
            end = {"type": "touchEnd", "touchPoints": []}
            browser.execute_cdp_cmd("Input.dispatchTouchEvent", end)
            return browser.execute_script("return [scrollY, ...arguments[0].point]", figure)

        start = browser.execute_script("return [...arguments[0].point]", figure)
        scrolled, *moved = swipe("canvas[data-scene]")
        assert scrolled == 0 and moved != start
        state = browser.execute_script("return { ...arguments[0].state }", figure)
        scrolled, *after = swipe("[data-tile=network] canvas")
        assert scrolled > 40 and after == moved
        assert browser.execute_script("return { ...arguments[0].state }", figure) == state

    @pytest.mark.parametrize("size", [PHONE, WIDE])
    def test_the_figure_is_visible_and_a_change_does_not_shift_the_page(
        self, browser, folder, size
    ):
        figure = opened(browser, folder, size)
        height = figure.size["height"]
        if size is PHONE:
            assert browser.execute_script("return document.documentElement.scrollWidth") <= 390
            assert height < 700
        figure.find_element(By.NAME, "layers").send_keys(Keys.HOME)
        Select(figure.find_element(By.TAG_NAME, "select")).select_by_value("l1-l1-rnn")
        wait(browser).until(lambda _: shown(figure, "network-label").startswith("ℓ1-ℓ1-RNN"))
        assert figure.size["height"] == height

    def test_the_picture_remains_without_weights(self, browser, folder, tmp_path):
        for name in ("page.html", "recovery.js"):
            shutil.copy(folder / name, tmp_path / name)
        load(browser, (tmp_path / "page.html").as_uri())
        browser.execute_async_script("setTimeout(arguments[0], 300)")
        assert browser.find_element(By.CSS_SELECTOR, "recovery-explorer > img").size["width"] > 200
