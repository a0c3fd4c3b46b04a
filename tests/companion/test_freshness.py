"""The freshness of executed pages, tested in a small repository."""

from types import SimpleNamespace

import pytest
from notebook_sources import notebook
from sphinx.errors import ExtensionError

from companion.build import freshness, import_graph
from companion.sphinx import outputs
from unfolded.provenance import ROOT

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


def test_the_import_graph_is_transitive_and_minimal(place):
    paths = {
        p.relative_to(place.root / "lib" / "unfolded").as_posix() for p in reachable_files(place)
    }
    assert paths == set(LIBRARY) - {"unused.py", "deep/other.py"}


def reachable_files(place):
    return import_graph.reachable_files(import_graph.notebook_code(place.source), place.root)


def test_an_import_by_name_includes_the_whole_package(place):
    inner = place.root / "lib/unfolded/deep/inner.py"
    inner.write_text("from importlib import import_module\n")
    assert place.root / "lib/unfolded/deep/other.py" in reachable_files(place)


@pytest.mark.parametrize(
    "name", ["used.py", "late.py", "deep/inner.py", "sibling.py", "deep/kernel.c", "deep/kernel.h"]
)
def test_an_edit_of_an_imported_module_makes_a_page_stale(place, name):
    path = place.root / "lib" / "unfolded" / name
    path.write_text(path.read_text() + "\n# edited\n")
    assert freshness.stale(place) == f"the library changed: lib/unfolded/{name}"


@pytest.mark.parametrize(
    "name", ["unused.py", "deep/other.py", "new.py", ".used.py.swp", "README~", "notes.txt"]
)
def test_an_edit_of_another_module_or_file_leaves_a_page_fresh(place, name):
    (place.root / "lib" / "unfolded" / name).write_text("edited = True\n")
    assert freshness.stale(place) == ""


def test_an_edited_notebook_result_or_copy_makes_a_page_stale(place):
    source = place.source.read_text()
    place.source.write_text(source.replace("print(2)", "print(3)"))
    assert freshness.stale(place) == "the notebook changed"
    place.source.write_text(source)
    (place.root / "runs.csv").write_text("a\n2\n")
    assert freshness.stale(place) == "data it read changed: runs.csv"
    (place.root / "runs.csv").write_text("a\n1\n")
    place.executed(".ipynb").unlink()
    assert "executed copy is missing" in freshness.stale(place)


def test_another_version_of_a_package_makes_a_page_stale(place, monkeypatch):
    old = freshness.versions() | {"numpy": "0.1"}
    monkeypatch.setattr(freshness, "versions", lambda: old)
    assert freshness.stale(place) == "a version changed: numpy"


def test_the_build_rejects_missing_stale_and_failed_pages(place):
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


@pytest.mark.parametrize("damage", [b"[1]", b"\xff\xfe", b'{"reads": null}', b"{"])
def test_a_damaged_record_counts_as_none(place, damage):
    place.executed(".json").write_bytes(damage)
    assert freshness.stale(place) == "it was never executed"


def test_a_syntax_error_does_not_stop_the_check_of_freshness(place):
    place.source.write_text(notebook("x = ("))
    assert freshness.stale(place) == "the notebook changed"
    (place.root / "lib" / "unfolded" / "used.py").write_text("def (")
    assert freshness.stale(place) == "the notebook changed"


def test_a_lazily_imported_name_is_in_the_import_graph():
    reachable_files = import_graph.reachable_files
    for name, module in import_graph.LAZY.items():
        place = ROOT.joinpath("lib", *module.split("."))
        files = {place.with_suffix(".py"), place / "__init__.py"}
        short = name.rpartition(".")[2]
        for source in (f"import unfolded\nunfolded.{short}", f"from unfolded import {short}"):
            assert files & set(reachable_files(source, ROOT)), source
        assert not files & set(reachable_files("import unfolded\nunfolded.__version__", ROOT))
