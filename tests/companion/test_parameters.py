"""The parameters of the notebooks: descriptions, accepted and rejected values, whole pages."""

import json
import os
import re
import shlex

import matplotlib.pyplot as plt
import papermill
import pytest
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from papermill.translators import PythonTranslator
from test_repository import ROOT

from companion.parameters import ParameterError
from unfolded.choices import MODELS, SOURCES
from unfolded.runs import config

PAGES = {
    path.stem[:2]: path
    for path in sorted((ROOT / "notebooks").glob("*.ipynb"))
    if '"parameters"' in path.read_text(encoding="utf-8")
}
PARAMETERS = {page: papermill.inspect_notebook(path) for page, path in PAGES.items()}
EACH = [(page, name) for page, declared in PARAMETERS.items() for name in declared]


def cells_of(page):
    """Return the code cells of a page as pairs of source and tags."""
    cells = json.loads(PAGES[page].read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    return [("".join(cell["source"]), cell["metadata"].get("tags", [])) for cell in code]


def checked(page, **values):
    """Execute the cell of parameters, an injected cell, and the next cell, which checks."""
    cells = cells_of(page)
    first = next(k for k, (_, tags) in enumerate(cells) if "parameters" in tags)
    (declared, _), (check, _) = cells[first : first + 2]
    namespace = {
        "In": ["", declared, *([PythonTranslator.codify(values)] if values else []), check]
    }
    for cell in namespace["In"]:
        exec(cell, namespace)
    return namespace


def rejected(page, **values):
    """Return the message of the error of the check."""
    with pytest.raises(ParameterError) as raised:
        checked(page, **values)
    assert len(raised.value._render_traceback_()) == 1
    message = str(raised.value)
    assert re.fullmatch("expected .*; got .*; .*", message), message
    return message


WORDS = {
    "source": {"19": ("free", "caltech"), "21": ("digits", "mnist"), "": SOURCES},
    "model": {"": MODELS},
    "protocol": {"": tuple(config.PROTOCOLS)},
    "profile": {"": tuple(config.PROFILES)},
    "device": {"": ("auto", "cpu")},
}
"""The accepted words of a parameter, on single pages and on all others."""

OTHERS = {
    "cs_rate": ([1 / 256, 0.5, 0.999], [0, 0.003, 1, -0.2]),
    "seed": ([0, 1, 2**32 - 1, 7.0], [-1, 0.5, 2**32]),
    "hidden": ([None, 1, 32.0], [0, 0.5, -1]),
    "depth": ([None, 1, 2, 9], [0, 1.5]),
    "more": (
        [{}, {"lambda1": 0.003}, '{"lambda1": 0.003, "memory": "off"}', {"positivity": "free"}],
        ["{", "[1]", 3, {"hidden": 4}, {"lambda": 1}, {"lambda1": -1}, '{"memory": "of"}'],
    ),
    "widths": ([[128], [4096, 128], "[512]"], [[], [16, 32], [128, 300], 128, "[1"]),
    "rates": ([[0.1], [0.5, 0.1], "[0.2]"], [[], [0.15], 0.1, "[0.1"]),
    "depths": ([[1], [6, 2], "[3]"], [[], [7], 3, "[1"]),
    "penalties": ([[1], [3.5, 1e6, 1], "[2, 1]"], [[], [0], [-1.0], [1, None], 1]),
}
"""Accepted and rejected values of the parameters whose description has no range."""

NO_VALUE = [True, float("nan"), float("inf"), "x", {}, [None]]
"""Values that no number, word or list accepts."""


def values_of(page, name):
    """Return accepted and rejected values of a parameter, from its description or from above."""
    if name in WORDS:
        words = WORDS[name].get(page, WORDS[name][""])
        return list(words), [None, "", 1, "mist", words[0].upper(), [words[0]]]
    text = PARAMETERS[page][name]["help"]
    span = re.search(r"(-?[\d.]+) to ([\d.*]+)$", text)
    if not span:
        accepted, wrong = OTHERS[name]
        return accepted, wrong
    least, most = (eval(end) for end in span.groups())
    step = 1 if PARAMETERS[page][name]["inferred_type_name"] == "int" else 1e-3
    return [least, most, float(most)], [least - step, most + step, None]


@pytest.mark.parametrize("page", PAGES)
class TestEveryPage:
    def test_parameters_have_a_type_and_a_description(self, page):
        cell = next(source for source, tags in cells_of(page) if "parameters" in tags)
        assert len(PARAMETERS[page]) == len(cell.splitlines())
        for parameter in PARAMETERS[page].values():
            assert parameter["inferred_type_name"] != "None", parameter
            assert parameter["help"] and parameter["default"]

    def test_defaults_pass_without_output(self, page, capsys):
        names = checked(page)
        assert not any(capsys.readouterr())
        for parameter in PARAMETERS[page].values():
            assert names[parameter["name"]] == eval(parameter["default"])

    def test_an_unknown_parameter_is_an_error(self, page):
        message = rejected(page, sourc="mnist")
        assert "got sourc;" in message
        assert all(name in message for name in PARAMETERS[page])
        known = next(iter(PARAMETERS[page]))
        assert "got x, y;" in rejected(page, x=1, **{known: 1}, y=2)


@pytest.mark.parametrize(("page", "name"), EACH)
def test_a_value_is_accepted_or_rejected_in_one_line(page, name, capsys):
    accepted, wrong = values_of(page, name)
    default = eval(PARAMETERS[page][name]["default"])
    for value in accepted:
        result = checked(page, **{name: value})[name]
        assert type(result) is type(default) or None in (result, default), (result, default)
        message = capsys.readouterr().out
        assert message.count("\n") == (result != default)
        assert message == "" or f": {name} = {result!r} ({default!r})." in message
    for value in wrong + [item for item in NO_VALUE if item != {} or name != "more"]:
        assert name in rejected(page, **{name: value}) or name in ("device", "more")


NUMBERS = [
    (page, name)
    for page, name in EACH
    if PARAMETERS[page][name]["inferred_type_name"] in ("int", "float")
]


@settings(max_examples=5)
@pytest.mark.parametrize(("page", "name"), NUMBERS)
@given(data=st.data())
def test_any_number_inside_the_limits_is_accepted(page, name, data):
    accepted, _ = values_of(page, name)
    numbers = [value for value in accepted if value is not None]
    kind = st.integers if PARAMETERS[page][name]["inferred_type_name"] == "int" else st.floats
    value = data.draw(kind(min(numbers), max(numbers)))
    assert checked(page, **{name: value})[name] == value


def test_incompatible_settings_are_rejected_in_the_first_cell():
    assert "memory off" in rejected("07", model="gru", more={"memory": "off"})
    options = {"model": "spectralrnn", "more": {"variant": "few-reflectors"}}
    assert "hidden a whole number >= 16" in rejected("07", hidden=15, **options)
    assert checked("07", hidden=16, **options)["run"].variant == "few-reflectors"
    assert checked("07", profile="smoke")["run"].hidden == config.PROFILES["smoke"].hidden


def test_the_parameters_in_the_readme_are_accepted():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    commands = re.findall(r"^papermill notebooks/(\d\d)\S+ out.ipynb (.*)$", text, re.MULTILINE)
    assert sum(" -y " in f" {rest}" for _, rest in commands) >= 2
    for page, rest in commands:
        words, values = shlex.split(rest, comments=True), {}
        while words:
            option, *words = words
            if option == "-y":
                values |= yaml.safe_load(words.pop(0))
            else:
                name, text, *words = words
                values[name] = text
        names = checked(page, **{k: v for k, v in values.items() if v != "cuda"})
        assert page != "07" or names["run"].lambda1 == (0.003 if "more" in values else 1.0)


@pytest.fixture
def whole(monkeypatch, tmp_path_factory, capsys):
    """Execute a page with some parameters, and with runs of a single epoch in this process."""
    monkeypatch.setitem(config.PROFILES, "smoke", config.Profile(count=20, epochs=1, hidden=8))
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    monkeypatch.setenv("UNFOLDED_RUNS", str(tmp_path_factory.mktemp("runs")))
    threads, dtype = torch.get_num_threads(), torch.get_default_dtype()

    def execute(page, values, before=""):
        namespace = {"__name__": "__main__", "In": [""]}
        for source, tags in cells_of(page):
            if before and before in source:
                return
            for cell in [
                source,
                *([PythonTranslator.codify(values)] if "parameters" in tags else []),
            ]:
                namespace["In"].append(cell)
                exec(cell, namespace)
            plt.close("all")
        assert not before

    yield execute
    torch.set_num_threads(threads)
    torch.set_default_dtype(dtype)
    torch.set_grad_enabled(True)


EXTREMES = [
    ("01", {"hidden": 64, "cs_rate": 0.99, "seed": 3}),
    ("01", {"hidden": 1, "cs_rate": 1 / 256}),
    ("03", {"hbar": 0}),
    ("03", {"lambda1": 0, "lambda2": 10, "g": 10, "c": 0.1, "hbar": -1e-3}),
    ("03", {"lambda1": 10, "lambda2": 0, "g": 0.1, "c": 10, "hbar": 7}),
    ("05", {"depth": 1, "hidden": 1, "cs_rate": 0.99}),
    ("05", {"depth": 12, "hidden": 65, "cs_rate": 1 / 256, "seed": 3}),
    ("07", {"profile": "smoke", "hidden": 1, "more": '{"memory": "off", "lambda1": 1e30}'}),
    ("07", {"profile": "smoke", "model": "lstm", "depth": 1, "protocol": "normalised"}),
    ("17", {"hidden": 2, "T": 100_000, "m": 10**9, "seed": 5}),
]


@pytest.mark.parametrize(("page", "values"), EXTREMES, ids=str)
def test_a_page_works_with_extreme_values(whole, page, values):
    whole(page, values)


def test_the_solvers_of_a_page_accept_an_odd_number_of_iterations(whole):
    whole("04", {"hidden": 20, "iterations": 3}, before="short_run, long_run =")


def test_pages_of_small_runs_work_with_a_single_value(whole):
    small = {"profile": "smoke", "hidden": 4, "seed": 3}
    whole("18", {**small, "penalties": [1]})
    whole("11", {"profile": "smoke", "widths": [256]})
