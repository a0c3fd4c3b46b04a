"""The counterexample as coin flips: network and bound of the library, with labelled controls."""

import itertools
import re

import numpy as np
import pytest
from browser import chromium, severe
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from test_widgets import ENGINES, classic, computed, in_chromium

from companion.widgets import signs_widget
from companion.widgets.signs_widget import BETA, COINS, SignsExplorer

SCRIPT = classic("signs.js")
BETAS = np.geomspace(*BETA, 9).clip(*BETA).tolist()
SEE = """
  const [explorer] = document.getElementsByTagName("signs-explorer");
  const all = (selector) => [...explorer.querySelectorAll(selector)];
  const see = () => ({
    signs: explorer.state.signs,
    coins: all("[data-coin]").map((coin) => coin.textContent),
    outputs: all('[data-part="bars"] text').map((text) => text.textContent),
    words: explorer.querySelector('[data-part="verdict"]').textContent,
    beta: explorer.querySelector("output").value,
  });
"""


@ENGINES
def test_the_script_computes_the_network_and_the_bound_of_the_library(engine, tmp_path):
    patterns = ["".join(signs) for signs in itertools.product("+-", repeat=COINS)][::7]
    data = [[pattern, beta] for pattern in patterns for beta in BETAS]
    body = """data.map(([signs, beta]) =>
      [bound(beta), ...[...signs].map((c) => network(c === "+" ? 1 : -1, beta).output)])"""
    result = computed(engine, body, data, tmp_path, SCRIPT)
    for (signs, beta), (limit, *outputs) in zip(data, result, strict=True):
        assert limit == pytest.approx(signs_widget.bound(beta), rel=1e-9)
        # The network stores its thresholds in single precision.
        expected = SignsExplorer(signs=signs, beta=beta).outputs()
        np.testing.assert_allclose(outputs, expected, rtol=1e-6)


def test_every_sign_pattern_is_reproduced_and_the_bound_is_lower():
    for signs in itertools.product("+-", repeat=COINS):
        outputs = SignsExplorer(signs="".join(signs), beta=BETA[0]).outputs()
        assert [out > 0 for out in outputs] == [sign == "+" for sign in signs]
        assert np.abs(outputs).mean() > 1000 * signs_widget.bound(BETA[0])
    assert signs_widget.bound(BETA[1]) > 1


@pytest.mark.browser
def test_coins_and_slider_change_the_outputs_and_the_text(tmp_path):
    body = f"""(() => {{ {SEE}
      const steps = {{ start: see() }};
      all("[data-coin]")[1].click();
      steps.coin = see();
      pull("input[name=beta]", Math.log10(5));
      steps.beta = see();
      explorer.querySelector("[data-reset]").click();
      steps.reset = see();
      const flips = Array.from({{ length: 30 }}, () => {{
        explorer.querySelector("[data-flip]").click();
        return explorer.state.signs;
      }});
      return [steps, new Set(flips).size];
    }})()"""
    markup = SignsExplorer(signs="+--+++").element()
    steps, different = in_chromium(body, None, tmp_path, markup, SCRIPT)
    start = steps["start"]
    assert start["coins"] == ["+1", "−1", "−1", "+1", "+1", "+1"]
    assert start["outputs"] == ["+0.9", "−0.9", "−0.9", "+0.9", "+0.9", "+0.9"]
    assert "which the class exceeds by a factor of" in start["words"]
    assert steps["coin"]["signs"] == "++-+++" and steps["coin"]["outputs"][1] == "+0.9"
    assert "2 of 64" in steps["coin"]["words"]
    assert steps["beta"]["outputs"] == steps["coin"]["outputs"] and steps["beta"]["beta"] == "5"
    assert "is not exceeded" in steps["beta"]["words"]
    assert steps["reset"]["signs"] == start["signs"] and steps["reset"]["beta"] == start["beta"]
    assert different > 5


@pytest.mark.browser
def test_the_explorer_works_with_the_keyboard_alone(tmp_path):
    in_chromium("null", None, tmp_path, SignsExplorer().element(), SCRIPT)
    browser = chromium()
    controls = browser.find_elements(By.CSS_SELECTOR, "signs-explorer :is(button, input, summary)")
    assert len(controls) == COINS + 4
    state = "return document.querySelector('signs-explorer').state"
    before = browser.execute_script(state)
    coin, slider = controls[2], controls[-2]
    coin.send_keys(Keys.SPACE)
    slider.send_keys(Keys.ARROW_LEFT)
    after = browser.execute_script(state)
    assert before["signs"][0] == "+" and after["signs"] == "-" + before["signs"][1:]
    assert after["beta"] < before["beta"] and severe(browser) == []


def test_the_static_picture_is_described_with_the_bound():
    alt = re.search('alt="([^"]+)"', SignsExplorer().element())[1]
    assert f"falls from {signs_widget.bound(BETA[1]):.2g}" in alt
