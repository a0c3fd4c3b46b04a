"""The reconstruction player: encoding of frames, PSNR, recovered frames, and its controls."""

import functools
import json
import re

import numpy as np
import pytest
import torch
from browser import severe
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait
from test_widgets import classic, in_node, open_explorers

from companion import pretrained
from companion.widgets import player_widget
from companion.widgets.frame_encoding import levels, packed, unpacked
from companion.widgets.player_widget import PlayerExplorer
from unfolded import metrics, networks
from unfolded.errors import ConfigError
from unfolded.networks.positivity import to_raw
from unfolded.runs import input_frames
from unfolded.runs.config import RunConfig

SCRIPT = classic("player.js")


@functools.cache
def small() -> dict:
    """Return two sequences of five frames and three rows of them, some values out of range."""
    generator = torch.Generator().manual_seed(0)
    truth = (torch.rand(2, 5, 256, generator=generator) * 400 - 150).clamp(0, 255)
    noise = torch.randn(3, *truth.shape, generator=generator)
    first, gru, ista = (truth + size * draw for size, draw in zip((90, 20, 60), noise, strict=True))
    groups = {"networks": {"gru": gru, "reweighted-rnn": first}, "solvers": {"ISTA": ista}}
    return {"truth": truth, "rows": {"gru": gru, "reweighted-rnn": first, "ISTA": ista},
            "data": player_widget.recorded(truth, groups)}  # fmt: skip


# --- encoding ---


@given(arrays(np.uint8, st.tuples(st.integers(0, 5), st.integers(1, 19))))
def test_encoded_bytes_are_decoded_unchanged(grey):
    np.testing.assert_array_equal(unpacked(packed(grey), grey.shape), grey)


def test_the_script_reads_the_bytes_that_python_wrote():
    rng = np.random.default_rng(0)
    for size in (768, 765):
        cases = [rng.integers(0, 256, size) * (rng.random(size) < share) for share in (0, 0.3, 1)]
        texts = [packed(case.astype(np.uint8)) for case in cases]
        code = f"data.map((text) => [...common.unpack(text, {size})])"
        np.testing.assert_array_equal(in_node(code, texts, SCRIPT), cases)


@pytest.mark.parametrize("shape", [(3, 7, 5, 9), (2, 1, 1, 1), (2, 3, 25)])
def test_frames_of_any_size_are_played(shape):
    grey = torch.from_numpy(np.random.default_rng(0).integers(0, 256, shape)).float()
    data = player_widget.recorded(grey, {"networks": {"gru": (grey + 9).clamp(0, 255)}})
    last = PlayerExplorer(data=data, sequence=shape[0], frame=shape[1])
    assert torch.equal(last.frames("truth").flatten(2), grey[-1:].flatten(2))
    expected = metrics.psnr(grey[-1:], (grey[-1:] + 9).clamp(0, 255), peak=255, average="authors")
    assert last.psnr("gru") == pytest.approx(expected)
    assert "data:image/png" in last.element()
    pixels = in_node("unpacked(data).map(({ at }) => [...at(data.sequences, 1)])", data, SCRIPT)
    np.testing.assert_array_equal(pixels[0], grey[-1, 0].flatten())


def test_the_script_computes_the_library_psnr():
    truth, rows, data = small().values()
    same = dict(data, rows=[*data["rows"], {**data["rows"][0], "name": "copy"}])
    result = in_node("quality(unpacked(data), data)", same, SCRIPT)
    for name, row in {**rows, "copy": truth}.items():
        for s, t in np.ndindex(2, 5):
            pair = (frames[s : s + 1, t : t + 1] for frames in (truth, row))
            expected = metrics.psnr(*pair, peak=255, average="authors")
            assert result[name][s][t] == pytest.approx(expected, rel=1e-12), (name, s, t)
    assert result["copy"] == [[100] * 5] * 2


def test_the_frames_are_those_of_the_library():
    truth, rows, data = small().values()
    explorer = PlayerExplorer(data=data, sequence=2)
    for name, row in {"truth": truth, **rows}.items():
        expected = row[1:].double().clamp(0, 255).trunc().unflatten(2, (16, 16))
        np.testing.assert_array_equal(explorer.frames(name).numpy(), expected)
        if name != "truth":
            whole = metrics.psnr(truth[1:], row[1:], peak=255, average="authors")
            assert explorer.psnr(name) == pytest.approx(whole, rel=1e-12)


def test_grey_levels_are_scaled_by_the_peak():
    grey = torch.tensor([0.0, 40.3, 255.0])
    assert levels(grey).tolist() == [0, 40, 255]
    assert levels(grey / 255, peak=1).tolist() == [0, 40, 255]


# --- recovered frames ---


@functools.cache
def recovered(iterations: int = 4):
    frames = input_frames.load(RunConfig(source="digits", profile="smoke")).test[:2, :6]
    return frames, player_widget.recoveries(frames, iterations=iterations)


def test_the_least_norm_estimate_has_the_measurements_and_no_null_space_component():
    frames, groups = recovered()
    net, setup = pretrained.pretrained("reweighted-rnn")
    start = networks.build("reweighted-rnn", n=setup.n, hidden=setup.hidden, seed=setup.seed)
    for name, A in {"random A": start.A.detach(), "learned A": net.A}.items():
        row = groups["measurements alone"][name]
        torch.testing.assert_close(row @ A.T, frames @ A.T, rtol=1e-3, atol=1e-2)
        # Orthogonal to the kernel of A: what is left of the truth has no part along the frame.
        along = (row * (frames - row)).sum(-1).abs()
        assert (along <= 1e-3 * frames.square().sum(-1)).all()


def test_networks_recover_the_same_frames_as_in_the_library():
    frames, groups = recovered()
    rows = groups["trained networks"]
    assert list(rows) == list(pretrained.stored_weights()["model"])
    for model, row in rows.items():
        torch.testing.assert_close(row, pretrained.pretrained(model)[0](frames), rtol=0, atol=0.01)


@pytest.mark.parametrize(
    ("name", "model"), [("Algorithm 1", "reweighted-rnn"), ("SISTA", "sista-rnn")]
)
def test_a_solver_equals_the_untrained_network_with_the_longest_stable_step(name, model):
    frames, groups = recovered()
    _, setup = pretrained.pretrained(model)
    net = networks.build(model, n=setup.n, hidden=setup.hidden, depth=4, seed=setup.seed)
    c = torch.linalg.matrix_norm(net.A @ net.D, 2) ** 2
    if name == "SISTA":
        c = c + net.positive("lambda2") * torch.linalg.matrix_norm(net.D, 2) ** 2
    net.raw["c"].data = to_raw(c.detach(), net.positivity, "c")
    (solvers,) = (rows for group, rows in groups.items() if group.startswith("solvers, 4 "))
    torch.testing.assert_close(solvers[name], net(frames).detach(), rtol=1e-4, atol=1e-2)


def test_the_element_is_small_and_has_a_description():
    frames = input_frames.load(RunConfig(source="digits", profile="laptop")).test[:3]
    data = player_widget.recorded(frames, player_widget.recoveries(frames, iterations=2))
    text = PlayerExplorer(data=data, frame=10).element()
    inside = re.search('<script type="application/json">(.*?)</script>', text, re.S)[1]
    assert json.loads(inside) == data
    assert len(inside) < 200_000
    assert re.search('alt="Frame 10 of test sequence 1, .*: random A [0-9.]+ dB, .*GRU', text)


def test_rows_of_another_shape_are_rejected():
    truth = small()["truth"]
    with pytest.raises(ConfigError, match=r"gru of shape \(2, 5, 256\); got \(2, 4, 256\)"):
        player_widget.recorded(truth, {"networks": {"gru": truth[:, 1:]}})


# --- in a browser ---


def opened(browser, folder, element: str, code: str):
    """Open an element on a page of its own, as the book serves it, and return it."""
    open_explorers(browser, folder, element, explorer=f"(() => {{ {code} }})();")
    return browser.find_element(By.CSS_SELECTOR, re.match("<([a-z-]+)", element)[1])


def shown(explorer) -> dict:
    """The text of the player: frame, PSNR by row, the marked row and the position of the marker."""
    cells = explorer.find_elements(By.CSS_SELECTOR, "[data-psnr]")
    marker = explorer.find_element(By.CSS_SELECTOR, ".ue-marker")
    return {
        "frame": explorer.find_element(By.TAG_NAME, "output").text,
        "psnr": {cell.get_attribute("data-psnr"): cell.text for cell in cells},
        "place": marker.get_attribute("x1"),
        "words": explorer.find_element(By.CSS_SELECTOR, "[data-part=words]").text,
    }


@pytest.mark.browser
class TestPlayer:
    def test_slider_and_choice_show_the_values_of_the_library(self, browser, tmp_path):
        truth, rows, data = small().values()
        markup = PlayerExplorer(data=data).element().replace(" ", " all=true ", 1)
        explorer = opened(browser, tmp_path, markup, SCRIPT)
        slider = explorer.find_element(By.CSS_SELECTOR, "[type=range]")
        places = set()
        for sequence in (1, 2):
            Select(explorer.find_element(By.TAG_NAME, "select")).select_by_value(str(sequence))
            slider.send_keys(Keys.HOME)
            for t in range(1, 6):
                seen = shown(explorer)
                assert seen["frame"] == f"{t} of 5"
                for name, row in rows.items():
                    pair = (f[sequence - 1 : sequence, t - 1 : t] for f in (truth, row))
                    value = metrics.psnr(*pair, peak=255, average="authors")
                    assert seen["psnr"][name] == f"{value:.1f} dB"
                assert seen["words"].startswith(f"Frame {t} of sequence {sequence}. Best of each")
                places.add(seen["place"])
                slider.send_keys(Keys.ARROW_RIGHT)
        assert len(places) == 5
        assert severe(browser) == []

    def test_an_empty_frame_has_no_score(self, browser, tmp_path):
        truth = small()["truth"].clone()
        truth[0, 0] = 0
        data = player_widget.recorded(truth, {"networks": small()["rows"]})
        explorer = opened(browser, tmp_path, PlayerExplorer(data=data).element(), SCRIPT)
        seen = shown(explorer)
        assert set(filter(None, seen["psnr"].values())) == {"–"}
        assert "is empty" in seen["words"] and "dB" not in seen["words"]
        explorer.find_element(By.CSS_SELECTOR, "[type=range]").send_keys(Keys.ARROW_RIGHT)
        assert "dB" in shown(explorer)["words"]
        assert severe(browser) == []

    def test_the_canvases_show_the_frames(self, browser, tmp_path):
        truth, rows, data = small().values()
        marks = {"sequence": 2, "frame": 3}
        opened(browser, tmp_path, PlayerExplorer(data=data, **marks).element(), SCRIPT)
        read = """return [...document.querySelectorAll("canvas")].map((canvas) =>
            [...canvas.getContext("2d").getImageData(0, 0, 16, 16).data])"""
        images = np.array(browser.execute_script(read)).reshape(-1, 256, 4)
        for pixels, row in zip(images, (truth, *rows.values()), strict=True):
            assert (pixels[:, 3] == 255).all()
            np.testing.assert_array_equal(pixels[:, :3], levels(row[1, 2])[:, None].repeat(3, 1))

    def test_playback_starts_only_on_request_and_pauses(self, browser, tmp_path):
        explorer = opened(
            browser, tmp_path, PlayerExplorer(data=small()["data"], frame=4).element(), SCRIPT
        )
        button = explorer.find_element(By.CSS_SELECTOR, "[data-play]")
        assert (button.text, browser.execute_script("return arguments[0].timer", explorer)) == (
            "Play", None)  # fmt: skip
        wait = WebDriverWait(browser, 30, poll_frequency=0.05)
        button.send_keys(Keys.SPACE)
        assert button.text == "Pause"
        live = explorer.find_element(By.CSS_SELECTOR, "[aria-live=polite]")
        wait.until(lambda _: shown(explorer)["frame"] == "5 of 5")
        wait.until(lambda _: shown(explorer)["frame"] == "2 of 5")  # it starts again
        assert live.get_attribute("textContent") == ""  # nothing is announced while it plays
        button.click()
        assert button.text == "Play"
        wait.until(lambda _: live.get_attribute("textContent").startswith("Frame "))
        stood = shown(explorer)["frame"]
        assert browser.execute_script("return arguments[0].timer", explorer) is None
        assert shown(explorer)["frame"] == stood
        assert severe(browser) == []

    def test_the_keyboard_reaches_every_control_and_a_row_can_be_marked(self, browser, tmp_path):
        markup = PlayerExplorer(data=small()["data"]).element().replace(" ", " all=true ", 1)
        explorer = opened(browser, tmp_path, markup, SCRIPT)
        order = []
        for _ in range(5):
            browser.switch_to.active_element.send_keys(Keys.TAB)
            control = browser.switch_to.active_element
            order.append(control.get_attribute("type") or control.tag_name)
            style = "return getComputedStyle(arguments[0]).outlineStyle"
            assert browser.execute_script(style, control) == "solid"
        assert order == ["select-one", "checkbox", "button", "range", "radio"]
        marked = "return document.querySelector('path[data-marked]').dataset.network"
        assert browser.execute_script(marked) == "gru"  # the first network
        browser.switch_to.active_element.send_keys(Keys.ARROW_RIGHT)
        assert browser.execute_script(marked) == "reweighted-rnn"
        svg = explorer.find_element(By.CSS_SELECTOR, ".pe-chart desc").get_attribute("textContent")
        assert svg.startswith("reweighted-RNN goes from ")

    def test_playback_is_slower_with_reduced_motion(self, browser, tmp_path):
        explorer = opened(browser, tmp_path, PlayerExplorer(data=small()["data"]).element(), SCRIPT)
        script = """const [element, calm] = arguments, asked = [];
            window.matchMedia = (query) => ({ matches: calm && query.includes("reduce") });
            const before = window.setInterval;
            window.setInterval = (f, pause) => { asked.push(pause); return before(f, 1e6); };
            element.play(); element.pause(); window.setInterval = before;
            return asked[0];"""
        usual, calm = (browser.execute_script(script, explorer, calm) for calm in (False, True))
        assert calm > 2 * usual
