"""Small tables that trainings fill: rows in the place of their trials, nothing else touched."""

from dataclasses import asdict

import pytest

from companion import result_store
from companion.studies.descending.constrained_training import Trial
from unfolded.errors import RecordError
from unfolded.runs import results_table


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(results_table, "RESULTS", tmp_path)
    return tmp_path


def test_merged_rows_take_the_place_of_their_trials_alone(folder):
    result_store.merge("t.csv", [{"trial": "a", "x": 0.1 + 0.2}, {"trial": "b", "x": 1}])
    result_store.merge("t.csv", [{"trial": "b", "x": 2.5, "y": None}, {"trial": "b", "x": 3}])
    lines = (folder / "t.csv").read_text().splitlines()
    assert lines == ["trial,x,y", "a,0.3,", "b,2.5,", "b,3,"]


@pytest.mark.parametrize("content", [b"", b"other,x\n1,2\n", b'trial,x\n"a', b"\xff\xfe\n"])
def test_a_damaged_table_is_left_and_told(folder, content):
    (folder / "t.csv").write_bytes(content)
    with pytest.raises(RecordError, match=r"expected a table at .*git checkout"):
        result_store.merge("t.csv", [{"trial": "a", "x": 1}])
    assert (folder / "t.csv").read_bytes() == content


def test_a_trial_is_named_by_its_fields():
    trials = [Trial(), Trial(seed=1), Trial(merit="objective"), Trial(noise=0.1)]
    assert len({result_store.key(asdict(trial)) for trial in trials}) == 4
    assert result_store.key(asdict(Trial())) == result_store.key(asdict(Trial(seed=0)))
