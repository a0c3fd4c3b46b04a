"""The script that executes a page for each run, with a replacement for papermill."""

import doctest
import errno
import sys

import papermill
import pytest
import workflow_runs as w

from unfolded.runs import records
from unfolded.runs.config import RunConfig

sys.path.append(str(w.WORKFLOW))

import grids
import notebooks


def test_the_examples_in_docstrings_are_correct():
    assert doctest.testmod(notebooks, raise_on_error=True).attempted


def test_a_page_accepts_every_field_of_a_run():
    known = set(papermill.inspect_notebook(notebooks.NOTEBOOK))
    run = RunConfig(lambda2=0.0, profile="smoke")
    arguments = notebooks.parameters(run, "cpu")
    assert set(arguments) == known
    arguments.pop("device")
    assert RunConfig(**arguments.pop("more"), **arguments) == run


@pytest.fixture
def page(tmp_path, monkeypatch):
    """Call the script for one run, with a papermill that ends as the test says."""
    run = grids.runs("smoke", models="gru")[0]
    words = ["--grid", "smoke", "--models", "gru", "--store", str(tmp_path / "runs")]
    monkeypatch.setattr(notebooks, "use_this_python", lambda store: None)

    def call(error: Exception | None, *more: str) -> int:
        def execute(source, target, parameters, **how):
            assert parameters["model"] == "gru"
            target.write_text("{}", encoding="utf-8")
            if error:
                raise error

        monkeypatch.setattr(papermill, "execute_notebook", execute)
        status = notebooks.main([*words, "--out", str(tmp_path / "out"), *more])
        grids.HELD.pop().release()
        return status

    call.run, call.store, call.out = run, tmp_path / "runs", tmp_path / "out"
    return call


def pages_in(out):
    return sorted(path.name for path in out.glob("*ipynb")) + [
        path.name for path in out.glob(".*b")
    ]


def test_a_failed_page_is_stored_separately_and_executed_by_the_next_call(page, capsys):
    name = page.run.hash
    full = OSError(errno.ENOSPC, "No space left on device")
    cell = papermill.PapermillExecutionError(0, 1, "f()", "DataError", "no data\nat all", [])
    for error, status, file_name, message in (
        (full, 1, f"{name}.failed.ipynb", "got No space left on device; free some space"),
        (cell, 1, f"{name}.failed.ipynb", "failed: DataError: no data"),
        (None, 0, f"{name}.ipynb", "1 of 1 pages there, 0 failed"),
    ):
        assert page(error) == status
        assert pages_in(page.out) == [file_name]
        assert message in capsys.readouterr().out.splitlines()[-1]
    assert page(cell) == 0  # what is there is not made again


def test_a_failed_run_has_no_page_until_it_is_repeated(page, capsys):
    facts = page.run.as_dict(), page.run.hash, "failed"
    records.save(records.Record(*facts, reason="a loss of nan"), page.store / page.run.hash)
    assert page(None) == 1
    assert capsys.readouterr().out.splitlines()[-1].endswith("gru failed: a loss of nan")
    assert pages_in(page.out) == []
    assert page(None, "--retry") == 0
    assert pages_in(page.out) == [f"{page.run.hash}.ipynb"]
