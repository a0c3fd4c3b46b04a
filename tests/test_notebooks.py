"""The notebooks as sources: thin, without outputs, and of one form."""

import ast
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def cells_of(path, kind):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    return [cell for cell in notebook["cells"] if cell["cell_type"] == kind]


def lines_of(cell):
    """Return a cell's lines of code, without comments and lines that only close brackets."""
    lines = "".join(cell["source"]).splitlines()
    return [line for line in lines if line.strip(" )]},") and not line.strip().startswith("#")]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
class TestNotebook:
    def test_has_no_outputs(self, path):
        for cell in cells_of(path, "code"):
            assert cell["outputs"] == []
            assert cell["execution_count"] is None

    def test_names_the_kernel_and_the_format(self, path):
        notebook = json.loads(path.read_text(encoding="utf-8"))
        assert notebook["metadata"]["kernelspec"]["name"] == "python3"
        assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
        assert len({cell["id"] for cell in notebook["cells"]}) == len(notebook["cells"])

    def test_opens_with_a_title_and_keeps_its_cells_short(self, path):
        assert "".join(cells_of(path, "markdown")[0]["source"]).startswith("# ")
        for cell in cells_of(path, "code"):
            assert len(lines_of(cell)) <= 10, lines_of(cell)[0]

    def test_defines_only_small_functions_and_trains_nothing(self, path):
        for cell in cells_of(path, "code"):
            tree = ast.parse("".join(cell["source"]))
            for node in ast.walk(tree):
                if isinstance(node, ast.FunctionDef):
                    assert node.end_lineno - node.lineno < 5, node.name
                assert getattr(node, "attr", "") != "backward"

    def test_parameters_are_plain_assignments(self, path):
        for cell in cells_of(path, "code"):
            if "parameters" in cell["metadata"].get("tags", []):
                tree = ast.parse("".join(cell["source"]))
                assert all(isinstance(node, ast.Assign) for node in tree.body)
                assert all(isinstance(node.targets[0], ast.Name) for node in tree.body)
