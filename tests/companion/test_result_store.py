"""Small tables of trainings: merging, interruption, and rows of other trials unchanged."""

from dataclasses import asdict

import joblib
import pandas as pd
import pytest

from companion import __main__ as command_line
from companion import claims, result_store, results
from companion.speed import measurements
from companion.studies.descending.constrained_training import Trial
from companion.studies.lista import lista_runs
from unfolded.errors import RecordError
from unfolded.runs import records, results_table


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(results_table, "RESULTS", tmp_path)
    return tmp_path


def test_merged_rows_replace_only_rows_of_the_same_trial(folder):
    result_store.merge("t.csv", [{"trial": "a", "x": 0.1 + 0.2}, {"trial": "b", "x": 1}])
    result_store.merge("t.csv", [{"trial": "b", "x": 2.5, "y": None}, {"trial": "b", "x": 3}])
    lines = (folder / "t.csv").read_text().splitlines()
    assert lines == ["trial,x,y", "a,0.3,", "b,2.5,", "b,3,"]


def test_simultaneous_commands_with_different_folders_lose_no_rows(folder, monkeypatch):
    monkeypatch.setenv("UNFOLDED_RUNS", str(folder / "runs"))
    merge = joblib.delayed(result_store.merge)
    joblib.Parallel(8, backend="threading")(merge("t.csv", [{"trial": f"{k}"}]) for k in range(32))
    assert result_store.stored_keys("t.csv") == {f"{k}" for k in range(32)}
    assert not (folder / "runs").exists()  # so no lock can depend on this folder


def test_tables_that_cannot_be_written_are_an_error_in_one_line(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(results_table, "RESULTS", tmp_path / "file")
    with pytest.raises(RecordError, match=r"expected to write .*file; got"):
        result_store.merge("t.csv", [{"trial": "a"}])


@pytest.mark.parametrize("content", [b"", b"other,x\n1,2\n", b'trial,x\n"a', b"\xff\xfe\n"])
def test_a_damaged_table_is_reported_and_not_changed(folder, content):
    (folder / "t.csv").write_bytes(content)
    with pytest.raises(RecordError, match=r"expected a table at .*git checkout"):
        result_store.merge("t.csv", [{"trial": "a", "x": 1}])
    assert (folder / "t.csv").read_bytes() == content


def test_the_name_of_a_trial_depends_on_all_fields():
    trials = [Trial(), Trial(seed=1), Trial(merit="objective"), Trial(noise=0.1)]
    assert len({result_store.key(asdict(trial)) for trial in trials}) == 4
    assert result_store.key(asdict(Trial())) == result_store.key(asdict(Trial(seed=0)))


COMMITTED = results_table.RESULTS
TABLES = sorted(path.name for path in COMMITTED.glob("*.csv") if path.name != "runs.csv")
TEXTS = ("trial", "config_hash", "commit", "solution", "data_sha256", "weights_sha256")


@pytest.mark.parametrize("name", TABLES)
def test_merging_a_committed_table_with_its_rows_changes_no_byte(folder, name):
    (folder / name).write_bytes((COMMITTED / name).read_bytes())
    table = pd.read_csv(COMMITTED / name, dtype=dict.fromkeys(TEXTS, str))
    result_store.merge(name, table.astype(object).where(table.notna(), None).to_dict("records"))
    assert (folder / name).read_bytes() == (COMMITTED / name).read_bytes()


@pytest.mark.parametrize(
    ("kind", "digits"), [("results/memory", 4), ("results/speed", 6), ("weights", 6)]
)
def test_writing_a_committed_table_again_changes_no_byte(folder, kind, digits):
    for path in (COMMITTED.parent / kind).glob("*.csv"):
        table = pd.read_csv(path, dtype=dict.fromkeys(TEXTS, str))
        result_store.write(folder / "t.csv", table, digits)
        assert (folder / "t.csv").read_bytes() == path.read_bytes()


def test_only_missing_tasks_run_and_each_is_stored_immediately(folder, capsys):
    def task(name):
        return lambda: (f"{name} done", {"t.csv": [{"trial": name, "x": 1}]})

    def fail():
        raise RecordError("interrupted")

    with pytest.raises(RecordError, match="interrupted"):
        result_store.complete("t.csv", {"a": task("a"), "b": fail}, "")
    capsys.readouterr()
    rows = result_store.complete("t.csv", {"a": fail, "b": task("b")}, "")
    assert rows == [{"trial": "b", "x": 1}] and result_store.stored_keys("t.csv") == {"a", "b"}
    assert result_store.stored_keys("t.csv", "trial", "x") == {("a", "1"), ("b", "1")}
    output = capsys.readouterr()
    assert output.out == "b done\n" and "1 computed, 1 already" in output.err


def test_a_task_that_another_process_runs_is_skipped(folder, capsys):
    runs, calls = folder / "runs", []

    def train():
        calls.append("a")
        (runs / "a" / records.STATE).write_bytes(b"a checkpoint")
        return "a done", {"t.csv": [{"trial": "a"}]}

    with records.lock(runs / "a"):
        result_store.complete("t.csv", {"a": train}, "", folder=runs)
    assert "another process" in capsys.readouterr().out and not calls
    result_store.complete("t.csv", {"a": train}, "", folder=runs)
    assert capsys.readouterr().out == "a done\n" and result_store.stored_keys("t.csv") == {"a"}
    assert not (runs / "a" / records.STATE).exists()
    result_store.complete("t.csv", {"a": train}, "", folder=runs)
    assert calls == ["a"]


READERS = {
    "data/paper/tables.csv": results.paper_cells,
    "data/claims.toml": claims.claims,
    "data/results/speed/absent.csv": lambda: measurements.record("absent"),
    "data/results/sequences/absent.csv": lambda: results.sequences("absent"),
    f"data/results/{lista_runs.TRIALS}": lista_runs.stored_rows,
    f"data/results/{lista_runs.CURVES}": lambda: lista_runs.stored_rows(lista_runs.CURVES),
}


@pytest.mark.parametrize("name", READERS)
def test_a_page_depends_on_the_files_that_it_reads_or_does_not_find(name, tmp_path, monkeypatch):
    monkeypatch.setenv("UNFOLDED_READS", str(tmp_path / "reads"))
    READERS[name]()
    trials = {f"data/results/{lista_runs.TRIALS}"} if "lista" in name else set()
    assert set((tmp_path / "reads").read_text().splitlines()) == {name} | trials


@pytest.mark.parametrize("command", ["memory-value", "solutions"])
def test_a_command_without_matching_runs_states_what_it_searched(folder, capsys, command):
    assert command_line.main([command, "--store", str(folder)]) == 0
    output = capsys.readouterr()
    assert output.out == "" and len(output.err.splitlines()) == 1
    assert output.err.startswith("companion: expected finished runs")
    assert f"none in {folder}; train one" in output.err
