"""The algorithm stepper: codes of the solvers and of the network, with common objectives."""

import functools
import json
import re

import numpy as np
import pytest
import torch
from browser import severe
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select
from test_player_widget import opened
from test_widgets import classic, in_node

from companion import pretrained
from companion.widgets import stepper_widget
from companion.widgets.frame_encoding import levels, unpacked
from companion.widgets.stepper_widget import METHODS, StepperExplorer
from unfolded import metrics, networks, solvers
from unfolded.errors import ConfigError
from unfolded.runs import input_frames
from unfolded.runs.config import RunConfig

SCRIPT = classic("stepper.js")
T = 3


@functools.cache
def frames() -> torch.Tensor:
    return input_frames.load(RunConfig(source="digits", profile="smoke")).test[:1, :4].double()


@functools.cache
def nets() -> dict:
    """Return two networks with perturbed parameters, so that Z, g and λ2 have an effect."""
    generator, result = torch.Generator().manual_seed(0), {}
    for name in ("reweighted-rnn", "l1-l1-rnn"):
        net = networks.build(name, n=20, hidden=64, depth=2, lambda2=0.4).double()
        for parameter in net.requires_grad_(False).parameters():
            noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
            parameter += 0.01 * noise
        result[name] = net
    return result


@functools.cache
def data() -> dict:
    return stepper_widget.recorded(nets(), frames(), T, iterations=40)


def problems():
    """Yield each network, the symbols that it poses, its past code, and what was recorded."""
    for (name, net), posed in zip(nets().items(), data()["problems"], strict=True):
        assert posed["name"] == name
        x = net.measure(frames())
        yield net, net.symbols(), x, net.codes(x)[0], posed


def method(posed: dict, name: str) -> dict:
    return next(entry for entry in posed["methods"] if entry["name"] == name)


# --- recorded codes and objectives ---


def test_the_layers_equal_those_of_the_network():
    for net, theta, _, codes, posed in problems():
        layers = method(posed, "layers")
        assert layers["steps"] == [0, 1, 2]
        shown = unpacked(layers["frames"], (3, 256))
        start = theta["G"] @ codes[T - 2]
        np.testing.assert_array_equal(shown[0], levels(theta["D"] @ start))
        np.testing.assert_array_equal(shown[2], levels(net(frames())[0, T - 1]))
        assert layers["active"][2] == int((codes[T - 1] != 0).sum())


def test_objectives_equal_those_of_the_solvers():
    """(1) along ISTA and FISTA, (3) along Algorithm 1: what the solvers themselves return."""
    for _, theta, x, codes, posed in problems():
        problem = {
            "x": x[:, T - 1 : T],
            "A": theta["A"],
            "D": theta["D"],
            "lambda1": theta["lambda1"],
        }
        past = {"G": theta["G"], "lambda2": theta["lambda2"], "h0": codes[T - 2]}
        start = theta["G"] @ codes[T - 2]
        whole = {
            "ISTA": solvers.ista(**problem, h0=start, iterations=40),
            "FISTA": solvers.fista(**problem, h0=start, iterations=40),
            "Algorithm 1": solvers.reweighted_l1_l1(
                **problem, **past, g=theta["g"][-1], iterations=40
            ),
        }
        for name, run in whole.items():
            entry = method(posed, name)
            key = "(3)" if name == "Algorithm 1" else "(1)"
            expected = run.objective[0, 0, entry["steps"]]
            np.testing.assert_allclose(entry["objective"][key], expected, rtol=1e-12)
            assert entry["active"][-1] == int((run.codes != 0).sum())


def test_both_objectives_have_the_same_definition_for_all_methods():
    for net, theta, x, _, posed in problems():
        start = {entry["objective"]["(3)"][0] for entry in posed["methods"]}
        assert max(start) - min(start) <= 1e-9 * max(start), "all methods start at ħ"
        h = net.codes(x)[0, T - 1]
        fidelity = (x[0, T - 1] - theta["A"] @ theta["D"] @ h).square().sum() / 2
        g, before = theta["g"][-1], theta["G"] @ net.codes(x)[0, T - 2]
        penalty = theta["lambda1"] * h.abs() + theta["lambda2"] * (h - before).abs()
        objectives = method(posed, "layers")["objective"]
        assert objectives["(1)"][-1] == pytest.approx(
            float(fidelity + theta["lambda1"] * h.abs().sum())
        )
        assert objectives["(3)"][-1] == pytest.approx(float(fidelity + (g * penalty).sum()))


def test_each_solver_descends_its_own_objective_towards_the_least_value():
    for *_, posed in problems():
        for name, key in (("ISTA", "(1)"), ("FISTA", "(1)"), ("Algorithm 1", "(3)")):
            path = np.array(method(posed, name)["objective"][key]) - posed["least"][key]
            if name != "FISTA":
                assert (np.diff(path) <= 0).all()
            assert path[-1] < 0.2 * path[0]
        for entry in posed["methods"]:
            for key, least in posed["least"].items():
                assert min(entry["objective"][key]) >= least - 1e-6 * abs(least)


def test_the_least_value_belongs_to_a_minimiser():
    _, theta, x, codes, _ = next(problems())
    g, hbar = theta["g"][-1], theta["G"] @ codes[T - 2]
    a, b = theta["lambda1"] * g, theta["lambda2"] * g
    form = stepper_widget.Objective(x[0, T - 1], theta["A"] @ theta["D"], hbar, a, b)
    h = form.minimiser()
    options = {"G": theta["G"], "lambda1": theta["lambda1"], "lambda2": theta["lambda2"], "g": g}
    ran = solvers.reweighted_l1_l1(
        x[:, T - 1 : T], theta["A"], theta["D"], h0=codes[T - 2], iterations=6_000, **options
    )
    assert float(form(h)) <= float(ran.objective[0, 0, -1]) * (1 + 1e-9)
    assert float(ran.certificate) < 1e-3


@pytest.mark.parametrize("most", [1, 3, 10, 11, 300, 1000])
def test_the_schedule_increases_to_its_end(most):
    counts = stepper_widget.schedule(most)
    assert counts == sorted(set(counts)) and counts[-1] == most
    assert counts[:10] == [*range(1, min(most, 10) + 1)]


def test_psnr_equals_that_of_the_library():
    explorer = StepperExplorer(data=data())
    for net, *_, posed in problems():
        pair = (part[:, T - 1 : T] for part in (frames(), net(frames())))
        expected = metrics.psnr(*pair, peak=255, average="authors")
        assert explorer.psnr(posed["name"], "layers")[-1] == pytest.approx(expected, rel=1e-12)


def test_the_page_agrees_with_the_trained_networks():
    """Fewer steps give a better frame than any iteration; the minimum is far and worse."""
    whole = input_frames.load(RunConfig(source="digits", profile="smoke")).test[:1].double()
    trained = {name: pretrained.pretrained(name)[0].double() for name in nets()}
    explorer = StepperExplorer(data=stepper_widget.recorded(trained, whole, 10, iterations=60))
    for posed in explorer.data["problems"]:
        *solved, layers = (explorer.psnr(posed["name"], name) for name in METHODS)
        assert layers[-1] > max(map(max, solved))
        assert max(map(max, solved)) > max(path[-1] for path in solved)
        for key, name in (("(1)", "FISTA"), ("(3)", "Algorithm 1")):
            reached = method(posed, name)["objective"][key][-1] - posed["least"][key]
            assert method(posed, "layers")["objective"][key][-1] - posed["least"][key] > reached


# --- Python ---


def test_the_element_is_small_and_has_a_description():
    text = StepperExplorer(data=data(), problem="l1-l1-rnn", step=2).element()
    inside = re.search('<script type="application/json">(.*?)</script>', text, re.S)[1]
    assert json.loads(inside) == data()
    assert text.startswith('<stepper-explorer problem="l1-l1-rnn" step="2" method="layers"')
    reached = StepperExplorer(data=data()).psnr("l1-l1-rnn", "ISTA")[-1]
    assert f"ISTA, 40 steps {reached:.1f} dB (l1-l1-rnn)" in text


@pytest.mark.parametrize(("t", "iterations"), [(1, 5), (5, 5), (2, 0)])
def test_a_frame_without_a_past_and_no_iterations_are_rejected(t, iterations):
    with pytest.raises(ConfigError, match=r"expected (t from 2 to 4|iterations >= 1); got "):
        stepper_widget.recorded(nets(), frames(), t, iterations=iterations)


# --- the script ---


def test_the_script_decodes_the_library_frames_and_psnr():
    body = "decoded(data).problems.map(({ methods }) => methods.map(({ psnr }) => psnr))"
    explorer = StepperExplorer(data=data())
    for name, paths in zip(nets(), in_node(body, data(), SCRIPT), strict=True):
        for label, path in zip(METHODS, paths, strict=True):
            assert path == pytest.approx(explorer.psnr(name, label), rel=1e-12)


@pytest.mark.parametrize("key", ["(1)", "(3)"])
def test_the_verdict_follows_from_the_numbers(key):
    body = f"decoded(data).problems.map((problem) => verdict(problem, '{key}'))"
    explorer = StepperExplorer(data=data())
    for posed, words in zip(data()["problems"], in_node(body, data(), SCRIPT), strict=True):
        *solved, layers = (explorer.psnr(posed["name"], name) for name in METHODS)
        best = max(zip(METHODS, solved, strict=False), key=lambda pair: max(pair[1]))
        at = method(posed, best[0])["steps"][int(np.argmax(best[1]))]
        assert f"The 2 layers reach {layers[-1]:.1f} dB." in words
        assert f"has {max(best[1]):.1f} dB ({best[0]} at step {at})" in words
        assert f"the solvers have {max(path[-1] for path in solved):.1f} dB or less" in words
        rival = method(posed, "ISTA" if key == "(1)" else "Algorithm 1")
        ours = method(posed, "layers")["objective"][key][-1]
        side = "below" if ours < rival["objective"][key][2] else "above"
        assert f"{side} that of {rival['name']} after as many steps" in words


def test_a_value_at_the_minimum_leaves_a_gap_on_the_logarithmic_axis():
    body = "above({ objective: { '(1)': [3, 2, 1.5] } }, '(1)', { '(1)': 2 })"
    assert in_node(body, None, SCRIPT) == [1, None, None]


TEXTS = """return Object.fromEntries([...document.querySelectorAll(`[data-${arguments[0]}]`)]
    .map((node) => [node.dataset[arguments[0]], node.innerText]))"""


@pytest.mark.browser
class TestStepper:
    def test_steps_change_frames_codes_and_marks(self, browser, tmp_path):
        explorer = opened(browser, tmp_path, StepperExplorer(data=data()).element(), SCRIPT)
        known = StepperExplorer(data=data())
        back, forward = explorer.find_elements(By.CSS_SELECTOR, "[data-by]")
        output = explorer.find_element(By.TAG_NAME, "output")
        steps = method(data()["problems"][0], "ISTA")["steps"]
        for i, step in enumerate(steps[:12]):
            assert output.text == f"{step} of 40"
            texts = browser.execute_script(TEXTS, "psnr")
            for name in METHODS:
                path = known.psnr("reweighted-rnn", name)
                value = path[min(i, len(path) - 1)]
                assert texts[name] == f"{value:.1f} dB"
            forward.click()
        captions = browser.execute_script(TEXTS, "active")
        active = method(data()["problems"][0], "ISTA")["active"][12]
        assert captions["ISTA"] == f"iteration {steps[12]}, {active} of 64 active"
        assert captions["layers"].startswith("layer 2, ")
        back.click()
        assert output.text == f"{steps[11]} of 40"
        slider = explorer.find_element(By.CSS_SELECTOR, "[type=range]")
        slider.send_keys(Keys.HOME)
        back.click()
        assert output.text == "0 of 40"
        slider.send_keys(Keys.END)
        forward.click()
        assert output.text == slider.get_attribute("aria-valuetext") == "40 of 40"
        assert severe(browser) == []

    def test_problem_method_and_objective_can_be_chosen(self, browser, tmp_path):
        start = StepperExplorer(data=data(), problem="l1-l1-rnn", step=3, objective="(1)")
        explorer = opened(browser, tmp_path, start.element(), SCRIPT)
        see = """const [e] = arguments, part = (name) => e.querySelector(`[data-part="${name}"]`);
            return { code: part("code").innerHTML, psnr: part("psnr").innerHTML,
                     gap: part("gap").innerHTML, words: part("words").textContent,
                     stems: e.querySelectorAll(".se-stem").length,
                     state: { ...e.state } };"""
        before = browser.execute_script(see, explorer)
        state = {"problem": "l1-l1-rnn", "step": 3, "method": "layers", "objective": "(1)"}
        assert before["state"] == state
        shown = method(data()["problems"][1], "layers")["codes"][2]
        assert before["stems"] == sum(value != 0 for value in shown)
        explorer.find_element(By.CSS_SELECTOR, "[value=layers]").send_keys(Keys.ARROW_LEFT)
        chosen = browser.execute_script(see, explorer)
        assert chosen["state"]["method"] == "Algorithm 1"
        assert chosen["code"] != before["code"] and chosen["gap"] == before["gap"]
        problem, objective = map(Select, explorer.find_elements(By.TAG_NAME, "select"))
        objective.select_by_value("(3)")
        view = browser.execute_script(see, explorer)
        assert view["gap"] != chosen["gap"] and view["psnr"] == chosen["psnr"]
        assert "objective (3) above its minimum" in view["gap"]
        problem.select_by_value("reweighted-rnn")
        assert browser.execute_script(see, explorer)["psnr"] != view["psnr"]
        assert not any("NaN" in str(values) for values in (before, chosen, view))
        assert severe(browser) == []
