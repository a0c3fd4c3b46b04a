"""A page with explorers for the browser tests."""

from test_widgets import EXPORT, open_explorers


def open_all(browser, folder, explorers):
    """Open a page with explorers, each script in a scope of its own, and return its address."""
    scripts = {e.TAG: f"(() => {{{e._esm}}})()".replace(EXPORT, "") for e in explorers}
    markup = "".join(f"<section>{explorer.element()}</section>" for explorer in explorers)
    return open_explorers(browser, folder, markup, **scripts)


def phone(browser, width=390, height=844):
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": True})
