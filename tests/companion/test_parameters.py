"""The parameters of the notebooks: types and descriptions, accepted and rejected values."""

import json

import papermill
import pytest
from test_repository import ROOT

from companion.parameters import ParameterError

PAGES = {
    path.stem[:2]: path
    for path in sorted((ROOT / "notebooks").glob("*.ipynb"))
    if '"parameters"' in path.read_text(encoding="utf-8")
}
PARAMETERS = {page: papermill.inspect_notebook(path) for page, path in PAGES.items()}


def code_of(page):
    """Return the sources of the code cells from the cell of parameters on."""
    cells = json.loads(PAGES[page].read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    tags = [cell["metadata"].get("tags", []) for cell in code]
    first = next(number for number, each in enumerate(tags) if "parameters" in each)
    return ["".join(cell["source"]) for cell in code[first:]]


def checked(page, **given):
    """Execute the cell of parameters, an injected cell as papermill writes it, and the check."""
    declared, check, *_ = code_of(page)
    lines = [f"{name} = {value!r}" for name, value in given.items()]
    injected = ["\n".join(["# Parameters", *lines, ""])] if given else []
    namespace = {"In": ["", declared, *injected, check]}
    for cell in namespace["In"]:
        exec(cell, namespace)
    return namespace


@pytest.mark.parametrize("page", PAGES)
class TestEveryPage:
    def test_parameters_have_a_type_and_a_description(self, page):
        declared = code_of(page)[0].strip().splitlines()
        assert len(PARAMETERS[page]) == len(declared)
        for each in PARAMETERS[page].values():
            assert each["inferred_type_name"] != "None", each
            assert each["help"] and each["default"]

    def test_defaults_pass_without_output(self, page, capsys):
        names = checked(page)
        assert not any(capsys.readouterr())
        for each in PARAMETERS[page].values():
            assert names[each["name"]] == eval(each["default"])

    def test_an_unknown_parameter_stops_the_page(self, page):
        known = list(PARAMETERS[page])
        with pytest.raises(ParameterError) as raised:
            checked(page, sourc="mnist")
        message = str(raised.value)
        assert "got sourc;" in message and "\n" not in message
        assert all(name in message for name in known)
        with pytest.raises(ParameterError, match="got x, y;"):
            checked(page, x=1, **{known[0]: 1}, y=2)

    def test_values_other_than_the_defaults_are_stated(self, page, capsys):
        declared = PARAMETERS[page].values()
        counts = [
            each["name"] for each in declared if each["inferred_type_name"] in ("int", "float")
        ]
        checked(page, **{counts[0]: 0.5 if page in ("01", "03", "04", "05", "07") else 12})
        said = capsys.readouterr().out
        assert f"{counts[0]} = " in said and said.count("\n") == 1
