"""The built site in a real browser that can reach no other host."""

import contextlib
import functools
import json
import shutil
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.ui import WebDriverWait
from test_site import SITE, WHOLE, toc

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chrome"))), None)
DRIVER = shutil.which("chromedriver")
ACTIVATION = "notebooks/03_activation_shapes"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not WHOLE.is_file(), reason="the book is not built: run `make book`"),
    pytest.mark.skipif(
        not (CHROMIUM and DRIVER),
        reason="Chromium or its driver is missing: install chromium and chromedriver",
    ),
]

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--window-size=1280,900",
)


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def served():
    """Serve the site on loopback; yield its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=SITE))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    driver.set_page_load_timeout(60)
    driver.set_script_timeout(60)
    driver.get("about:blank")  # away from the browser's own start page and its requests
    yield driver
    driver.quit()


@pytest.fixture(params=["http", "file"])
def site(request, served):
    return served if request.param == "http" else SITE.as_uri()


def open_page(browser, site, name):
    """Open a page, wait for its maths, and return (requested addresses, console errors)."""
    with contextlib.suppress(Exception):
        browser.get_log("performance"), browser.get_log("browser")
    browser.get(f"{site}/{name}.html")
    if browser.execute_script("return document.querySelectorAll('.math').length"):
        browser.execute_async_script(
            "const done = arguments[0];"
            "const wait = () => window.MathJax?.startup?.promise"
            " ? MathJax.startup.promise.then(() => done()) : setTimeout(wait, 20); wait();"
        )
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [e["params"]["request"]["url"] for e in events if e["method"] == SENT]
    errors = [e["message"] for e in browser.get_log("browser") if e["level"] == "SEVERE"]
    return asked, errors


SENT = "Network.requestWillBeSent"


@pytest.mark.parametrize("name", toc())
def test_a_page_is_whole_without_any_other_host(browser, site, name):
    asked, errors = open_page(browser, site, name)
    assert errors == []
    inside = (site, "data:", "blob:" + site.split("/")[0])
    assert asked, "the browser reported no request at all"
    assert [url for url in asked if not url.startswith(inside)] == []
    formulas = browser.execute_script("return document.querySelectorAll('.math').length")
    typeset = browser.execute_script(
        "return [...document.querySelectorAll('.math')]"
        ".filter(e => e.querySelector('mjx-container')).length"
    )
    assert typeset == formulas
    failed = browser.execute_script("return document.querySelectorAll('mjx-merror').length")
    assert failed == 0


def test_a_page_with_maths_exists():
    text = (SITE / "book" / "notation.html").read_text(encoding="utf-8")
    assert text.count('class="math') > 20


MOVE = """
const input = document.querySelector('activation-explorer input[name="' + arguments[0] + '"]');
const far = Number(input.value) < (Number(input.min) + Number(input.max)) / 2;
input.value = far ? input.max : input.min;
input.dispatchEvent(new Event("input", {bubbles: true}));
input.dispatchEvent(new Event("change", {bubbles: true}));
"""
CURVES = (
    "return [...document.querySelectorAll('activation-explorer svg path')]"
    ".map(p => p.getAttribute('d')).join('|')"
)


def test_dragging_a_slider_moves_the_curve(browser, site):
    open_page(browser, site, ACTIVATION)
    WebDriverWait(browser, 10).until(lambda b: b.execute_script(CURVES))
    seen = [browser.execute_script(CURVES)]
    for slider in ("lambda1", "lambda2"):
        browser.execute_script(MOVE, slider)
        WebDriverWait(browser, 10).until(lambda b: b.execute_script(CURVES) != seen[-1])
        seen.append(browser.execute_script(CURVES))
    assert "NaN" not in "".join(seen)
    assert [e for e in browser.get_log("browser") if e["level"] == "SEVERE"] == []


@pytest.mark.parametrize("name", toc())
def test_a_page_fits_a_phone(browser, served, name):
    size = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        open_page(browser, served, name)
        wide = browser.execute_script("return document.documentElement.scrollWidth")
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert wide <= 390


def test_dark_mode_keeps_figures_on_white(browser, served):
    open_page(browser, served, ACTIVATION)
    browser.execute_script("document.documentElement.dataset.theme = 'dark'")
    grounds = browser.execute_script(
        "return [...document.querySelectorAll('.bd-article .cell_output img')]"
        ".map(e => getComputedStyle(e).backgroundColor)"
    )
    assert set(grounds) <= {"rgb(255, 255, 255)"}
    page = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert page != "rgb(255, 255, 255)"
