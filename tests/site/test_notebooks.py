"""The sources of the notebooks: short cells, no outputs, and a common form."""

import ast
import json
import re

import pytest

from unfolded.provenance import ROOT

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
    def test_a_notebook_has_no_outputs(self, path):
        for cell in cells_of(path, "code"):
            assert cell["outputs"] == []
            assert cell["execution_count"] is None

    def test_a_notebook_states_kernel_and_format(self, path):
        notebook = json.loads(path.read_text(encoding="utf-8"))
        assert notebook["metadata"]["kernelspec"]["name"] == "python3"
        assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
        assert len({cell["id"] for cell in notebook["cells"]}) == len(notebook["cells"])

    def test_a_notebook_starts_with_a_title_and_has_short_cells(self, path):
        assert "".join(cells_of(path, "markdown")[0]["source"]).startswith("# ")
        for cell in cells_of(path, "code"):
            assert len(lines_of(cell)) <= 10, lines_of(cell)[0]

    def test_a_notebook_defines_only_small_functions_and_trains_nothing(self, path):
        for cell in cells_of(path, "code"):
            tree = ast.parse("".join(cell["source"]))
            for node in ast.walk(tree):
                if isinstance(node, ast.FunctionDef):
                    assert node.end_lineno - node.lineno < 5, node.name
                assert getattr(node, "attr", "") != "backward"


# The page of claims gives verdicts, and the page on own data gives instructions.
NO_LESSONS = ("23_claims", "25_use_it_on_your_own_data")
LESSONS = [path for path in NOTEBOOKS if path.stem not in NO_LESSONS]


NEED = "\n- **You need** "


def source_of(cell):
    return "".join(cell["source"])


def cells_from(path, heading):
    """Return the cells from the one that opens with a heading on."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    starts = [number for number, cell in enumerate(cells) if source_of(cell).startswith(heading)]
    assert len(starts) == 1, f"{path.name}: {heading} once, as the opening of a cell"
    return cells[starts[0] :]


def caption_of(cell):
    return cell["metadata"].get("mystnb", {}).get("figure", {}).get("caption", "")


def first_screen(path):
    """Return the bullets of the page by their bold label, and the text after them.

    They are in the first cell, or in a box below the first figure.
    """
    (cell,) = (text for text in map(source_of, cells_of(path, "markdown")) if NEED in text)
    first, *rest = cell[cell.index("\n- **") :].strip().split("\n\n", 1)
    return dict(re.findall(r"^- \*\*([\w ]+?):?\*\*:? (.+)$", first, re.MULTILINE)), rest


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
class TestFirstScreen:
    def test_the_box_states_topic_verdict_audience_duration_and_sources(self, path):
        bullets, rest = first_screen(path)
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        if NEED not in source_of(cells[0]):
            assert list(bullets) == ["You need", "It takes", "The numbers are"]
            assert rest[0].startswith("**What differs from the paper.** ")
            return
        shows = [label for label in bullets if label in ("This page shows", "This page asks")]
        verdict = ["The verdict"] if "The verdict" in bullets else []
        assert list(bullets) == [*shows, *verdict, "You need", "It takes", "The numbers are"]
        assert len(shows) == 1
        assert rest[0].startswith("**What differs from the paper.** ")
        # A verdict that holds numbers is computed, by the cell that follows.
        assert bool(verdict) != ("**The verdict" in source_of(cells[1]))

    def test_a_finding_and_a_figure_with_a_caption_precede_the_box(self, path):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        place = next(number for number, cell in enumerate(cells) if NEED in source_of(cell))
        if place:
            finding = source_of(cells[0]).split("\n\n")[1:]
            code = [cell for cell in cells[:place] if cell["cell_type"] == "code"]
            assert finding or any("Markdown(" in source_of(cell) for cell in code)
            captions = [caption_of(cell) for cell in code if caption_of(cell)]
            assert len(captions) == 1 and captions[0].endswith(".")
            for cell in code:
                assert {"hide-input", "remove-input"} & set(cell["metadata"]["tags"])

    def test_the_duration_is_that_of_the_record_and_the_gpu_is_named(self, path):
        takes = first_screen(path)[0]["It takes"]
        assert takes.startswith(f"{{seconds}}`{path.stem}` on a CPU")
        assert "GPU" in takes

    def test_the_box_links_to_the_notebook_the_library_and_existing_files(self, path):
        lie = first_screen(path)[0]["The numbers are"]
        links = re.findall(r"\]\((?:path:)?([^)]+)\)", lie)
        assert links[0] == path.name
        code = ("../lib/unfolded/", "../book/companion/")
        assert any(target.startswith(code) for target in links)
        for target in links:
            assert (path.parent / target).resolve().is_file(), target

    def test_the_box_is_short_and_contains_no_measured_number(self, path):
        text = re.sub(r"\]\([^)]*\)", "", source_of(cells_of(path, "markdown")[0]))
        assert len(text) < 1300
        assert not re.search(r"\d\s?(dB|%|s|seconds|minutes|hours|times)\b", text)


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
class TestExercises:
    def test_two_or_three_exercises_with_folded_solutions_precede_the_last_section(self, path):
        *work, last = cells_from(path, "## Exercises")
        assert source_of(last).startswith("## Next steps")
        asked = [cell for cell in work if re.search(r"^\*\*\d\. ", source_of(cell), re.MULTILINE)]
        assert len(asked) in (2, 3)
        for number, cell in enumerate(asked, start=1):
            place, text = work.index(cell), source_of(cell)
            after = [c for c in work[place + 1 : place + 2] if c["cell_type"] == "code"]
            assert f"**{number}. " in text
            assert f":::{{dropdown}} Solution {number}\n" in text or after
            for folded in re.findall(r"^:::\{dropdown\}.*?^:::$", text, re.MULTILINE | re.DOTALL):
                assert len(folded.splitlines()) <= 12
        for cell in work:
            if cell["cell_type"] == "code":
                assert cell["metadata"]["tags"] == ["hide-cell"]
                assert "assert" in source_of(cell) or "print(" in source_of(cell)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_code_that_only_writes_a_sentence_is_folded(path):
    for cell in cells_of(path, "code"):
        if re.search(r"^Markdown\($", source_of(cell), re.MULTILINE):
            tags = set(cell["metadata"].get("tags", []))
            assert {"hide-input", "hide-cell", "remove-input"} & tags
