"""Input to the explorers in a browser: keys, pointer, touch, address and live region."""

import re

import pytest
from browser import load, severe
from explorer_page import open_all, phone
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait
from test_widgets_common import EXPLORERS

from unfolded.prox import prox_l1_l1

TAGS = ("activation-explorer", "bounds-explorer", "units-explorer", "scale-explorer")
ALL_TAGS = (*TAGS, "unroll-explorer")


@pytest.fixture(scope="module")
def page(browser, tmp_path_factory):
    explorers = [EXPLORERS[f"{tag.removesuffix('-explorer')}.js"]() for tag in ALL_TAGS]
    return open_all(browser, tmp_path_factory.mktemp("page"), explorers)


@pytest.fixture
def opened(browser, page):
    size = {"width": 900, "height": 1200, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    severe(browser)
    load(browser, page)
    yield browser
    assert severe(browser) == []


def inside(browser, tag, selector):
    return browser.find_element(By.CSS_SELECTOR, f"{tag} {selector}")


def output_text(browser, tag, name):
    return inside(browser, tag, f'output[data-for="{name}"]').text


def state(browser, tag):
    return browser.execute_script(f"return document.querySelector('{tag}').state")


def test_keys_change_every_slider(opened):
    for tag in ALL_TAGS:
        for slider in opened.find_elements(By.CSS_SELECTOR, f"{tag} input[type=range]"):
            name = slider.get_attribute("name")
            up = float(slider.get_attribute("value")) < float(slider.get_attribute("max"))
            before = state(opened, tag)[name]
            slider.send_keys(Keys.ARROW_RIGHT if up else Keys.ARROW_LEFT)
            after = state(opened, tag)[name]
            assert (after > before) if up else (after < before), (tag, name)
            assert output_text(opened, tag, name) == slider.get_attribute("aria-valuetext")


def drag(browser, node, across, down):
    actions = ActionChains(browser, duration=20).click_and_hold(node)
    actions.move_by_offset(across // 2, down // 2).move_by_offset(across // 2, down // 2)
    actions.release().perform()


def test_dragging_changes_hbar_on_the_plot_and_u_on_the_curve(opened):
    tag = "activation-explorer"
    start, handle = state(opened, tag), inside(opened, tag, ".ae-knob")
    drag(opened, handle, 0, 60)
    lower = state(opened, tag)
    assert lower["hbar"] < start["hbar"] and lower["u"] == start["u"]
    value = prox_l1_l1(lower["u"], lower["hbar"], 1.0, 0.5).item()
    spoken = output_text(opened, tag, "u").replace("−", "-")
    assert float(spoken.split(" = ")[1]) == pytest.approx(value, abs=0.01)
    assert inside(opened, tag, "input[name=hbar]").get_attribute("value") == f"{lower['hbar']:g}"
    # Down through zero to a negative ħ: the plateaus change places.
    drag(opened, handle, 0, 60)
    assert state(opened, tag)["hbar"] < 0
    rows = [
        row.get_attribute("textContent").split()[0]
        for row in opened.find_elements(By.CSS_SELECTOR, f"{tag} tbody tr")
    ]
    assert (rows[1][0], rows[3][0]) == ("ħ", "0")
    drag(opened, inside(opened, tag, ".ae-marker"), -80, 0)
    after = state(opened, tag)
    assert after["u"] < lower["u"] and after["hbar"] < 0


def test_a_touch_drags_hbar_without_scrolling_the_page(opened):
    tag = "activation-explorer"
    box, start = inside(opened, tag, ".ae-knob").rect, state(opened, tag)
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    # A finger that starts here does not scroll; anywhere else on the plot it may.
    touched = "return getComputedStyle(document.elementFromPoint(...arguments)).touchAction"
    assert opened.execute_script(touched, x, y) == "none"
    touch(opened, "touchStart", (x, y))
    for step in range(10, 61, 10):
        touch(opened, "touchMove", (x, y + step))
    touch(opened, "touchEnd")
    after = state(opened, tag)
    assert after["hbar"] < start["hbar"] - 0.5 and after["u"] == start["u"]
    assert opened.execute_script("return scrollY") == 0


def test_pieces_are_shaded_and_named_and_the_minimiser_is_marked(opened):
    tag = "activation-explorer"
    for preset in opened.find_elements(By.CSS_SELECTOR, f"{tag} [data-preset]"):
        preset.click()
        assert preset.get_attribute("aria-pressed") == "true"
        values = state(opened, tag)
        tau = [values[name] * values["g"] / values["c"] for name in ("lambda1", "lambda2")]
        named = {node.text for node in opened.find_elements(By.CSS_SELECTOR, f"{tag} .ae-piece")}
        shaded = opened.find_elements(By.CSS_SELECTOR, f"{tag} rect")
        plateaus = 2 if tau[1] else 1
        assert len(shaded) == 3 + plateaus
        assert {"0"} <= named and ("ħ" in named) == (plateaus == 2)
        # The dot of the objective is at Φ(u) on the axis of v.
        dot = inside(opened, tag, '[data-part="minimum"]').get_attribute("cx")
        phi = prox_l1_l1(values["u"], values["hbar"], *tau).item()
        zero, two = opened.execute_script(
            f"return [...document.querySelectorAll('{tag} [data-part=side-frame] .ue-tick')]"
            ".filter(t => ['0', '2'].includes(t.textContent) && t.getAttribute('text-anchor') == 'middle')"  # noqa: E501
            ".map(t => Number(t.getAttribute('x')))"
        )
        assert float(dot) == pytest.approx(zero + phi * (two - zero) / 2, abs=0.1)


def test_the_minimum_is_at_a_kink_only_on_a_plateau(opened):
    tag, slider = "activation-explorer", inside(opened, "activation-explorer", "input[name=u]")
    assert "kink at v = ħ" in inside(opened, tag, '[data-part="reason"]').text
    for _ in range(12):
        slider.send_keys(Keys.ARROW_RIGHT)
    assert state(opened, tag)["u"] == pytest.approx(3.6)
    assert inside(opened, tag, '[data-part="reason"]').text.startswith("No kink")


def test_a_unit_is_chosen_and_λ2_supposed(opened):
    tag = "units-explorer"
    Select(inside(opened, tag, "select[name=network]")).select_by_value("l1-l1-rnn")
    inside(opened, tag, "input[name=layer]").send_keys(Keys.END)
    inside(opened, tag, "input[name=unit]").send_keys(Keys.HOME)
    values = state(opened, tag)
    assert (values["network"], values["layer"], values["unit"]) == ("l1-l1-rnn", 3, 0)
    assert output_text(opened, tag, "unit").endswith("g = 1")
    curves = "return [...document.querySelectorAll('units-explorer .un-curve')].map(p => p.getAttribute('d'))"  # noqa: E501
    learned = opened.execute_script(curves)
    assert "The five curves coincide" in inside(opened, tag, '[data-part="agreement"]').text
    Select(inside(opened, tag, "select[name=suppose]")).select_by_value("equal")
    assert opened.execute_script(curves) != learned
    agreement = inside(opened, tag, '[data-part="agreement"]').text
    assert agreement.startswith("These curves are hypothetical, not learned.")


def luminance(colour):
    parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first, second):
    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_and_lines_have_sufficient_contrast(opened, theme):
    opened.execute_script(f"document.documentElement.dataset.theme = '{theme}'")
    names = ["ink", "soft", "mark", "main", *(f"c{i}" for i in range(9))]
    colours = opened.execute_script(
        "const e = document.querySelector('units-explorer'), s = getComputedStyle(e), x = new Option().style;"  # noqa: E501
        "const probe = document.createElement('i'); e.append(probe);"
        "const rgb = (c) => { probe.style.color = c; return getComputedStyle(probe).color; };"
        "const found = Object.fromEntries(arguments[0].map((n) => [n, rgb(`var(--ue-${n})`)]));"
        "found.paper = s.backgroundColor; found.tint = rgb('var(--ue-tint)'); probe.remove(); return found;",  # noqa: E501
        names,
    )
    for name in ("ink", "soft", "mark"):
        assert contrast(colours[name], colours["paper"]) >= 4.5, name
    assert contrast(colours["ink"], colours["tint"]) >= 7
    # Two light colours of the book's figures are fainter than 3:1 on white: dashes help there.
    faint = {"c3", "c6"} if theme == "light" else set()
    for name in {"main", *names[4:]} - faint:
        assert contrast(colours[name], colours["paper"]) >= 3, name


def touch(browser, kind, *points):
    touches = [{"x": x, "y": y} for x, y in points]
    browser.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})


def swipe(browser, node, across, down):
    """Move a finger over a chart, from its middle."""
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", node)
    left, top, width, height = browser.execute_script(
        "const r = arguments[0].getBoundingClientRect(); return [r.x, r.y, r.width, r.height]", node
    )
    x, y = left + 0.55 * width, top + 0.4 * height
    touch(browser, "touchStart", (x, y))
    for step in range(1, 11):
        touch(browser, "touchMove", (x + across * step / 10, y + down * step / 10))
    touch(browser, "touchEnd")


@pytest.mark.parametrize("tag", TAGS[:2])
def test_a_vertical_swipe_scrolls_and_a_horizontal_one_drags(opened, tag):
    phone(opened)
    chart, before = inside(opened, tag, "svg.ue-drag"), state(opened, tag)
    swipe(opened, chart, 4, -120)
    assert state(opened, tag) == before
    swipe(opened, chart, 90, 4)
    assert state(opened, tag) != before


@pytest.mark.parametrize("tag", TAGS[:2])
def test_dragging_selects_no_text(opened, tag):
    drag(opened, inside(opened, tag, "svg.ue-drag"), -100, 40)
    assert opened.execute_script("return String(getSelection())") == ""


def test_the_address_contains_the_state_and_restores_it(opened, page):
    tag = "activation-explorer"
    inside(opened, tag, "[data-preset='τ₂ > τ₁']").click()
    inside(opened, tag, "input[name=hbar]").send_keys(Keys.ARROW_LEFT)
    wait = WebDriverWait(opened, 10)
    wait.until(lambda b: "hbar" in b.current_url)
    address, chosen = opened.current_url, state(opened, tag)
    opened.get("about:blank")
    load(opened, address)
    assert state(opened, tag) == chosen and chosen["hbar"] == 1.95
    inside(opened, tag, "[data-reset]").click()
    assert state(opened, tag)["hbar"] == 2
    wait.until(lambda b: b.current_url.endswith(f"#{tag}"))


def test_one_live_region_announces_a_change_once(opened):
    for tag in TAGS:
        regions = opened.find_elements(
            By.CSS_SELECTOR, f"{tag} :is([role=status], [aria-live=polite])"
        )
        assert len(regions) == 1
        outputs = opened.find_elements(By.CSS_SELECTOR, f"{tag} output:not([aria-live=off])")
        assert outputs == []
        count = """window.changes = 0; new MutationObserver(() => { window.changes += 1; })
            .observe(arguments[0], { childList: true, subtree: true });"""
        opened.execute_script(count, regions[0])
        slider = opened.find_elements(By.CSS_SELECTOR, f"{tag} input[type=range]")[-1]
        slider.send_keys(Keys.ARROW_LEFT, Keys.ARROW_LEFT)
        WebDriverWait(opened, 10).until(lambda b: b.execute_script("return window.changes"))
        opened.execute_async_script("setTimeout(arguments[0], 600)")
        assert opened.execute_script("return window.changes") == 1
        assert regions[0].get_attribute("textContent")


def test_the_units_explorer_compares_with_a_plateau(opened):
    tag = "units-explorer"
    line = "return document.querySelector(arguments[0]).getAttribute('d')"
    dashed, solid = (opened.execute_script(line, f"{tag} {c}") for c in (".un-other", ".un-middle"))
    assert dashed and dashed != solid
    said_widths = inside(opened, tag, '[data-part="agreement"]').text
    assert "With λ₂ as large as λ₁ the plateau would be" in said_widths
