"""The execution gate, the execution and the glue of the book, on a tiny repository of their own."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from types import SimpleNamespace

import pandas as pd
import pytest
from sphinx.errors import ExtensionError

from companion import results
from companion.build import execute, freshness, html, import_graph
from companion.reproduction import linear_baseline, paper_tables
from companion.sphinx import assets, outputs, table_cells
from unfolded.provenance import ROOT
from unfolded.runs import records, results_table
from unfolded.runs.config import RunConfig

LIBRARY = {
    "__init__.py": "",
    "used.py": "from unfolded.deep import inner\nfrom . import lazy\n",
    "lazy.py": "def f():\n    import unfolded.late\n",
    "late.py": "",
    "unused.py": "",
    "style.mplstyle": "",
    "deep/__init__.py": "",
    "deep/inner.py": "from ..sibling import thing\n",
    "deep/other.py": "",
    "deep/table.json": "{}",
    "deep/kernel.c": "",
    "deep/kernel.h": "",
    "sibling.py": "thing = 1\n",
}


def notebook(*sources):
    code = [
        {"cell_type": "code", "id": f"c{i}", "metadata": {}, "outputs": [], "source": source}
        | {"execution_count": None}
        for i, source in enumerate(sources)
    ]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return json.dumps({"cells": code, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5})


@pytest.fixture
def place(tmp_path):
    """A repository with one notebook that was executed and read one file."""
    for name, text in LIBRARY.items():
        path = tmp_path / "lib" / "unfolded" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    place = freshness.Place(tmp_path, "01_one")
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "_executed").mkdir()
    (tmp_path / "runs.csv").write_text("a\n1\n")
    (tmp_path / "_toc.yml").write_text("chapters:\n  - file: notebooks/01_one\n")
    place.source.write_text(notebook("%time\nfrom unfolded import used", "print(2)"))
    place.executed(".ipynb").write_text(notebook("print(2)"))
    record = freshness.facts(place, [tmp_path / "runs.csv"])
    executed = freshness.sha256(place.executed(".ipynb"))
    freshness.write_record(place, record | {"status": "ok", "executed": executed, "seconds": 1.0})
    return place


def test_a_fresh_execution_is_fresh(place):
    assert freshness.stale(place) == ""


def test_the_import_graph_is_transitive_and_no_wider(place):
    paths = {p.relative_to(place.root / "lib" / "unfolded").as_posix() for p in reached(place)}
    assert paths == set(LIBRARY) - {"unused.py", "deep/other.py"}


def reached(place):
    return import_graph.reached(import_graph.code_of(place.source), place.root)


def test_a_module_found_by_name_brings_its_whole_package(place):
    inner = place.root / "lib/unfolded/deep/inner.py"
    inner.write_text("from importlib import import_module\n")
    assert place.root / "lib/unfolded/deep/other.py" in reached(place)


@pytest.mark.parametrize(
    "name", ["used.py", "late.py", "deep/inner.py", "sibling.py", "deep/kernel.c", "deep/kernel.h"]
)
def test_an_edit_of_a_reached_module_is_stale(place, name):
    path = place.root / "lib" / "unfolded" / name
    path.write_text(path.read_text() + "\n# edited\n")
    assert freshness.stale(place) == f"the library changed: lib/unfolded/{name}"


@pytest.mark.parametrize(
    "name", ["unused.py", "deep/other.py", "new.py", ".used.py.swp", "README~", "notes.txt"]
)
def test_an_edit_of_another_module_or_file_is_not(place, name):
    (place.root / "lib" / "unfolded" / name).write_text("edited = True\n")
    assert freshness.stale(place) == ""


def test_an_edited_notebook_result_or_copy_is_stale(place):
    source = place.source.read_text()
    place.source.write_text(source.replace("print(2)", "print(3)"))
    assert freshness.stale(place) == "the notebook changed"
    place.source.write_text(source)
    (place.root / "runs.csv").write_text("a\n2\n")
    assert freshness.stale(place) == "data it read changed: runs.csv"
    (place.root / "runs.csv").write_text("a\n1\n")
    place.executed(".ipynb").unlink()
    assert "executed copy is missing" in freshness.stale(place)


def test_another_version_of_a_package_is_stale(place, monkeypatch):
    old = freshness.versions() | {"numpy": "0.1"}
    monkeypatch.setattr(freshness, "versions", lambda: old)
    assert freshness.stale(place) == "a version changed: numpy"


def test_the_book_refuses_missing_stale_and_failed_pages(place):
    app = SimpleNamespace(srcdir=str(place.root))
    outputs.refuse_stale_pages(app)
    record = freshness.read_record(place)
    freshness.write_record(place, record | {"status": "failed", "error": "ValueError: no"})
    with pytest.raises(ExtensionError, match=r"execution failed .ValueError: no"):
        outputs.refuse_stale_pages(app)
    place.executed(".json").unlink()
    with pytest.raises(ExtensionError, match="never executed\nrun `make notebooks`"):
        outputs.refuse_stale_pages(app)
    place.source.unlink()
    with pytest.raises(ExtensionError, match="no such notebook"):
        outputs.refuse_stale_pages(app)


def test_builds_share_what_sphinx_has_read_unless_it_had_warnings(tmp_path, monkeypatch):
    doctrees, output = tmp_path / ".doctrees", tmp_path / "html"
    for name, path in (("BUILD", tmp_path), ("DOCTREES", doctrees), ("READ", doctrees / "whole")):
        monkeypatch.setattr(html, name, path)
    states = []

    def sphinx(call, **_):
        states.append(((doctrees / "page").is_file(), output.is_dir()))
        for folder in (doctrees, output):
            folder.mkdir(exist_ok=True)
        (doctrees / "page").touch()
        assert not html.READ.exists(), "an interrupted build counts as one with warnings"
        return SimpleNamespace(returncode=statuses.pop(0), stdout="")

    monkeypatch.setattr(html.subprocess, "run", sphinx)
    statuses = [0, 0, 0, 1, 0]
    builders = ["html", "html", "singlehtml", "html", "html"]
    assert [html.run_sphinx(builder)[0] for builder in builders] == [True, True, True, False, True]
    # Pages read for the PDF are written again for the book.
    assert states == [(False, False), (True, True), (True, True), (True, False), (False, True)]


def test_alt_text_moves_to_the_cell_and_is_demanded():
    image = {"output_type": "display_data", "data": {"image/svg+xml": "<svg/>"}}
    cell = {"metadata": {}, "outputs": [image | {"metadata": {"image/svg+xml": {"alt": "A line"}}}]}
    outputs.move_alt(cell, "here")
    assert cell["metadata"]["mystnb"]["image"]["alt"] == "A line"
    with pytest.raises(ExtensionError, match="expected alt text"):
        outputs.move_alt({"metadata": {}, "outputs": [image | {"metadata": {}}]}, "here")
    other = image | {"metadata": {"image/svg+xml": {"alt": "Another"}}}
    with pytest.raises(ExtensionError, match="one figure a cell"):
        outputs.move_alt({"metadata": {}, "outputs": [*cell["outputs"], other]}, "here")


def test_a_module_becomes_a_classic_script():
    script = assets.classic("export const a = 1;\nexport { a };\nexport default { a };\n", "a.js")
    assert script == "(() => {\nconst a = 1;\n\nvoid { a };\n})();\n"
    with pytest.raises(ExtensionError, match="without imports"):
        assets.classic('import b from "./b.js";\n', "a.js")


def test_cells_of_the_paper_are_compared_with_matching_runs_only(tmp_path, monkeypatch):
    usual = dataclasses.asdict(RunConfig(hidden=256, source="mnist", protocol="authors"))
    usual |= {"lambda1": 0.003, "lambda2": 0.02}
    rows = [("paper", 0, 31.0), ("paper", 1, 32.0), ("laptop", 2, 99.0)]
    runs = [
        usual
        | {"profile": profile, "seed": seed, "psnr_authors": psnr, "status": "done"}
        | {"config_hash": f"hash{seed}"}
        for profile, seed, psnr in rows
    ]
    (tmp_path / "curves").mkdir()
    for seed in (0, 1):
        (tmp_path / "curves" / f"hash{seed}.csv").write_text("epoch,validation_mse\n1,100\n")
    shutil.copy(results_table.RESULTS / linear_baseline.LEVELS, tmp_path)
    runs.append(runs[0] | {"positivity": "free", "psnr_authors": 99.0})
    runs.append(runs[0] | {"status": "failed", "psnr_authors": float("nan")})
    pd.DataFrame(runs, columns=records.COLUMNS).to_csv(tmp_path / "runs.csv", index=False)
    monkeypatch.setattr(results_table, "RESULTS", tmp_path)
    monkeypatch.setattr(results, "ROOT", tmp_path)
    (tmp_path / "data" / "paper").mkdir(parents=True)
    (tmp_path / table_cells.PAPER).write_text(
        "table,varies,value,model,psnr_db,status\n"
        "2,hidden,256,reweighted-RNN,31.46,printed\n2,hidden,512,reweighted-RNN,,lost\n"
    )
    cells = table_cells.cells()
    run = cells[cells["value"] == 256]
    assert list(run["start"]) == [paper_tables.SUCCESSOR, paper_tables.BEST]
    assert list(run["ours"]) == [31.5, 31.5] and list(run["runs"]) == [2, 2]
    assert set(run["verdict"]) == {"agrees"}
    assert set(cells.loc[cells["value"] == 512, "runs"]) == {0}


@pytest.mark.parametrize("damage", [b"[1]", b"\xff\xfe", b'{"reads": null}', b"{"])
def test_a_damaged_record_counts_as_none(place, damage):
    place.executed(".json").write_bytes(damage)
    assert freshness.stale(place) == "it was never executed"


def test_a_slip_of_syntax_is_left_to_whoever_runs_it(place):
    place.source.write_text(notebook("x = ("))
    assert freshness.stale(place) == "the notebook changed"
    (place.root / "lib" / "unfolded" / "used.py").write_text("def (")
    assert freshness.stale(place) == "the notebook changed"


def test_a_name_that_is_imported_at_first_use_is_followed():
    reached = import_graph.reached
    for name, module in import_graph.LAZY.items():
        place = ROOT.joinpath("lib", *module.split("."))
        files = {place.with_suffix(".py"), place / "__init__.py"}
        short = name.rpartition(".")[2]
        for source in (f"import unfolded\nunfolded.{short}", f"from unfolded import {short}"):
            assert files & set(reached(source, ROOT)), source
        assert not files & set(reached("import unfolded\nunfolded.__version__", ROOT))


# The execution of notebooks, as the Makefile calls it -------------------------------------------


@pytest.fixture
def call(tmp_path, monkeypatch):
    shutil.copytree(ROOT / "book", tmp_path / "book")
    (tmp_path / "lib" / "unfolded").mkdir(parents=True)
    (tmp_path / "notebooks").mkdir()
    spec = tmp_path / "share" / "kernels" / "python3"
    spec.mkdir(parents=True)
    kernel = {"argv": ["no-such-python"], "display_name": "Broken", "language": "python"}
    (spec / "kernel.json").write_text(json.dumps(kernel))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "share"))

    def run(*sources, **others):
        for name, text in {"01_one": notebook(*sources), **others}.items():
            (tmp_path / "notebooks" / f"{name}.ipynb").write_text(text)
        toc = "".join(f"  - file: notebooks/{name}\n" for name in ("01_one", *others))
        (tmp_path / "_toc.yml").write_text(toc)
        line = [sys.executable, "-m", "companion", "execute"]
        return subprocess.run(line, capture_output=True, text=True, cwd=tmp_path / "book")

    return run


def test_pages_run_simultaneously_and_once_and_a_failure_names_its_page(call, tmp_path):
    """Each of two pages waits for the other, where there are two cores."""
    waits = (
        "from pathlib import Path\nimport time\n"
        f"Path('{name}').touch()\n"
        f"while not Path('{other}').exists():\n    time.sleep(0.05)"
        for name, other in (("one", "two"), ("two", "one"))
    )
    first, second = waits if (os.cpu_count() or 1) > 1 else ("", "")
    read = "import os; open(os.environ['UNFOLDED_READS'], 'a').write('book/intro.md\\n')"
    sources = (read, "import sys; print(sys.executable); open('_toc.yml').close()", first)
    two = notebook("x = 1", second, "y = x / 0")
    done = call(*sources, two=two)
    assert done.returncode == 1
    assert "01_one: done in" in done.stdout and "[2/2] two: FAILED" in done.stderr
    assert "| y = x / 0" in done.stderr
    assert "ZeroDivisionError: division by zero" in done.stderr
    record = json.loads((tmp_path / "_executed" / "01_one.json").read_text())
    assert list(record["reads"]) == ["book/intro.md"]
    executed = json.loads((tmp_path / "_executed" / "01_one.ipynb").read_text())
    assert executed["cells"][1]["outputs"][0]["text"] == [sys.executable + "\n"]
    # What failed never counts as done, and what is done is not repeated.
    assert not (tmp_path / "_executed" / "two.ipynb").exists()
    assert "last execution failed" in call(*sources, two=two).stdout
    done = call(*sources)
    assert (done.returncode, done.stdout) == (0, "notebooks: 0 executed, 1 fresh\n")


def test_pages_that_train_are_in_sequence_and_a_page_that_measures_is_alone(tmp_path):
    sources = {
        "a": "measurements.measure_step(hidden=8)",
        "b": "training.run_all(runs)",
        "c": "print(1)",
        "d": "training.run(one)",
        "e": "print(2)",
    }
    (tmp_path / "notebooks").mkdir()
    places = [freshness.Place(tmp_path, name) for name in sources]
    for place in places:
        place.source.write_text(notebook(sources[place.name]))
    a, b, c, d, e = places
    assert execute.batches(places) == [[[b, d], [e], [c]], [[a]]]
    assert execute.batches([c]) == [[[c]]]


def test_the_page_that_measures_times_runs_alone_and_last():
    places = [freshness.Place(execute.ROOT, name) for name in freshness.in_toc(execute.ROOT)]
    timing = [place for place in places if place.name == "09_how_fast"]
    assert execute.batches(places)[-1] == [timing]
