"""Chromium without access to other hosts, and a server of the built site on loopback."""

import atexit
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
from test_site import SITE, WHOLE

NAMES = ("chromium", "google-chrome", "chrome")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
DRIVER = shutil.which("chromedriver")

# The marks of each test of the built site in a browser.
NEEDED = [
    pytest.mark.browser,
    pytest.mark.skipif(not WHOLE.is_file(), reason="the book is not built: run `make book`"),
    pytest.mark.skipif(
        not (CHROMIUM and DRIVER),
        reason="Chromium or its driver is missing: install chromium and chromedriver",
    ),
]


def in_a_browser(test):
    """Mark a test that needs the built site and Chromium."""
    for mark in NEEDED:
        test = mark(test)
    return test


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
REQUEST_EVENT = "Network.requestWillBeSent"


class QuietHandler(SimpleHTTPRequestHandler):
    """A handler without messages."""

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def serving(folder=SITE):
    """Serve a folder on loopback; yield its address."""
    server = ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(QuietHandler, directory=folder)
    )
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@functools.cache
def chromium():
    """Start one Chromium with a fresh profile for all tests of this process; return its driver."""
    if not (CHROMIUM and DRIVER):
        pytest.skip("Chromium or its driver is not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in FLAGS:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    options.add_experimental_option("perfLoggingPrefs", {"enablePage": False})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    atexit.register(driver.quit)
    driver.set_page_load_timeout(60)
    driver.set_script_timeout(60)
    return driver


def reset(driver):
    """Open an empty page without emulation, in a window of the initial size."""
    driver.get("about:blank")
    driver.set_window_size(1280, 900)
    driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})
    driver.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": False})


SCREENS = []
"""The widths and media of the emulated screens, the current one last."""


@contextlib.contextmanager
def screen(browser, width, media=""):
    """Emulate a screen of this width in CSS pixels, of a phone or, with ``media``, of a sheet."""
    SCREENS.append((width, media))
    emulate(browser)
    try:
        yield
    finally:
        SCREENS.pop()
        emulate(browser)


def emulate(browser):
    """Emulate the last screen of the list, if the list is not empty."""
    width, media = SCREENS[-1] if SCREENS else (None, "")
    size = {"width": width, "height": 780, "deviceScaleFactor": 1, "mobile": not media}
    command = "setDeviceMetricsOverride" if width else "clearDeviceMetricsOverride"
    browser.execute_cdp_cmd(f"Emulation.{command}", size if width else {})
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media})


def load(browser, address):
    """Open an address, and wait for its deferred scripts.

    On a busy machine the driver may return before the page has loaded.
    """
    browser.get(address)
    complete = "return document.readyState === 'complete'"
    WebDriverWait(browser, 60).until(lambda _: browser.execute_script(complete))


def severe(browser):
    """Return the errors on the console since the last call."""
    return [e["message"] for e in browser.get_log("browser") if e["level"] == "SEVERE"]


def open_page(browser, site, name):
    """Open a page, and return (requested addresses, console errors)."""
    with contextlib.suppress(Exception):
        browser.get_log("performance"), browser.get_log("browser")
    path, _, query = name.partition("?")
    load(browser, f"{site}/{path}.html" + (f"?{query}" if query else ""))
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    requests = [e["params"]["request"]["url"] for e in events if e["method"] == REQUEST_EVENT]
    return requests, severe(browser)


def assert_whole(browser, site, name):
    """Open a page without requests to other hosts and without errors; return its requests."""
    requests, errors = open_page(browser, site, name)
    assert errors == []
    internal = (site, "data:", "blob:" + site.split("/")[0])
    assert requests, "expected requests of the page; got none"
    assert [url for url in requests if not url.startswith(internal)] == []
    return requests
