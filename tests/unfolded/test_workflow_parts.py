"""Parts of the workflow: selection of runs, locks of a store, one job, and its table."""

import csv
import doctest
import json
import sys
import threading
import time

import filelock
import pytest
import workflow_runs as w
from small_runs import small

from unfolded.errors import ConfigError, RecordError
from unfolded.runs import named_grids, records
from unfolded.runs.config import RunConfig

sys.path.append(str(w.WORKFLOW))

import collect
import grids
import train_one


def failed(run: RunConfig) -> records.Record:
    return records.Record(run.as_dict(), run.hash, "failed", reason="a loss of nan")


def test_the_examples_in_docstrings_are_correct():
    assert doctest.testmod(grids, raise_on_error=True).attempted


# Which runs ------------------------------------------------------------------------------------


@pytest.mark.parametrize("seeds", ["1 0", "1,0", [1, 0]])
def test_the_runs_are_those_of_the_grid_for_each_seed(seeds):
    base = {"profile": "paper", "protocol": "normalised", "hidden": 64}
    runs = grids.runs("table-3", seed=seeds, models="gru lstm", **base)
    expected = [
        run for s in (1, 0) for run in named_grids.named("table-3", RunConfig(seed=s, **base))
    ]
    assert runs == [run for run in expected if run.model in ("gru", "lstm")]
    assert len(runs) == len(set(runs)) == 24


@pytest.mark.parametrize(
    ("name", "settings", "wrong"),
    [
        ("smok", {}, "got 'smok'; choose"),
        (None, {}, "a grid from .* got None; choose"),
        ("row", {"models": "gru elman"}, "models from .* got 'elman'; choose"),
        ("row", {"epochs": 3}, "settings from grid, .* got epochs; correct"),
        ("row", {"seed": "one"}, "seed a whole number"),
        ("row", {"protocol": "author"}, "protocol from authors, normalised"),
    ],
)
def test_unknown_names_are_reported_in_one_line(name, settings, wrong):
    with pytest.raises(ConfigError, match=wrong) as caught:
        grids.runs(name, **settings)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("options", [{"device": "gpu"}, {"threads": "0"}, {"retry": "yes"}])
def test_the_options_of_a_workflow_are_checked_before_a_job_starts(tmp_path, options):
    with pytest.raises(ConfigError, match=f"expected {next(iter(options))} "):
        opened(tmp_path / "runs", **options)
    assert not (tmp_path / "runs").exists()


# The store -------------------------------------------------------------------------------------


def opened(store, **settings):
    return grids.opened({"grid": "smoke", "store": store, **settings}, dry=False)


def test_a_second_workflow_on_the_same_store_is_rejected(tmp_path):
    with filelock.FileLock(tmp_path / ".workflow.lock"):
        with pytest.raises(RecordError, match="another workflow that runs on it; wait for it"):
            opened(tmp_path)
        grids.opened({"grid": "smoke", "store": tmp_path}, dry=True)
    assert not (tmp_path / ".plan.json").exists()


def test_a_plan_preserves_the_entries_of_earlier_jobs_and_a_damaged_one_is_rewritten(tmp_path):
    (tmp_path / ".plan.json").write_text("{", encoding="utf-8")
    runs, _ = opened(tmp_path, models="gru")
    grids.HELD.pop().release()
    more, _ = opened(tmp_path, models="lstm", seed=1)
    grids.HELD.pop().release()
    written = json.loads((tmp_path / ".plan.json").read_text(encoding="utf-8"))
    assert sorted(written) == sorted(run.hash for run in runs + more)
    assert written[runs[0].hash]["options"] == runs[0].arguments()


def test_only_failed_records_are_removed_and_only_on_request(tmp_path, capsys):
    runs = grids.runs("smoke", models="gru lstm")
    for run in runs:
        records.save(failed(run), records.folder_of(run, tmp_path))
    for retry, left in ((False, 2), ("false", 2), ("true", 0)):
        opened(tmp_path, models="gru lstm", retry=retry)
        grids.HELD.pop().release()
        assert len(list(tmp_path.glob("*/record.json"))) == left
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == f"0 of 2 done, 2 failed, 0 left in {tmp_path}"
    assert lines[1] == f"  {runs[0].hash} {runs[0].model} failed: a loss of nan"
    assert lines[-1] == f"0 of 2 done, 0 failed, 2 left in {tmp_path}"


def test_a_store_that_cannot_be_written_is_reported_in_one_line(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RecordError, match=r"expected to write .*/file/runs; got Not a directory"):
        opened(tmp_path / "file" / "runs")


# One job ---------------------------------------------------------------------------------------


def job(run, store, device="cpu"):
    return train_one.main(store / run.hash / "record.json", device, run.arguments())


def test_a_finished_run_is_not_repeated(tmp_path, monkeypatch):
    run = small("gru")
    records.save(failed(run), tmp_path / run.hash)
    monkeypatch.setattr(train_one, "train", None)
    assert job(run, tmp_path) == 0


def test_a_job_waits_for_a_process_of_an_earlier_workflow(tmp_path, capsys):
    run = small("gru")
    with filelock.FileLock(tmp_path / run.hash / ".lock"):
        waits = threading.Thread(target=job, args=(run, tmp_path), daemon=True)
        waits.start()
        while not (message := capsys.readouterr().err):
            time.sleep(0.01)
        records.save(failed(run), tmp_path / run.hash)
    waits.join(30)
    assert not waits.is_alive()
    assert message == f"{run.hash} waits for another process that trains it\n"
    assert not (tmp_path / run.hash / "log").exists()


def test_a_diverged_run_is_a_failed_record_and_not_a_failed_job(tmp_path, capsys):
    run = small("lstm", learning_rate=1e30)
    assert job(run, tmp_path) == 0
    record = records.load(tmp_path / run.hash, run)
    assert record.status == "failed"
    assert capsys.readouterr().err == f"unfolded: {record.reason}\n"


def test_a_job_that_cannot_start_reports_one_line_and_writes_no_record(tmp_path, capsys):
    assert job(small("gru"), tmp_path, device="cuda:99") == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert list(tmp_path.glob("*/record.json")) == []
    (tmp_path / "file").touch()
    assert job(small("gru"), tmp_path / "file") == 1
    assert capsys.readouterr().err.startswith("unfolded: expected to write ")


# The table -------------------------------------------------------------------------------------


def test_the_table_has_a_row_for_each_record(tmp_path):
    runs = [small("gru"), small("lstm")]
    for run in runs:
        records.save(failed(run), tmp_path / run.hash)
    paths = [tmp_path / run.hash / "record.json" for run in runs]
    assert collect.main(tmp_path / "small.csv", paths) == 0
    with (tmp_path / "small.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == records.COLUMNS
    assert [(row["config_hash"], row["reason"]) for row in rows] == [
        (run.hash, "a loss of nan") for run in runs
    ]
