"""A folder of results that is not the repository's."""

import pytest

from companion import results
from unfolded.runs import results_table


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty data/results/ of the test's own."""
    monkeypatch.setattr(results, "ROOT", tmp_path)
    monkeypatch.setattr(results_table, "RESULTS", tmp_path)
    monkeypatch.setenv("UNFOLDED_RUNS", str(tmp_path / "runs"))
    return tmp_path
