"""Every page under axe-core: no serious or critical violation, in the light and the dark theme."""

from pathlib import Path

import pytest
from browser import NEEDED, open_page
from test_site import TOC

AXE = Path(__file__).parents[1] / "vendor" / "axe.min.js"
pytestmark = NEEDED

# A colour that is still on its way from one theme to the other is no fault. What is drawn of a
# formula is hidden from a screen reader, which reads the MathML beside it: it only takes time.
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


@pytest.mark.parametrize("name", [*TOC, "search", "genindex"])
def test_a_page_has_no_serious_violation(browser, served, axe, name):
    open_page(browser, served, name)
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
