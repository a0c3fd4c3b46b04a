"""Records and the table of runs: merged without loss, the same bytes every time."""

import dataclasses
import itertools
from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import pytest

from companion import results
from unfolded import provenance
from unfolded.errors import RecordError
from unfolded.runs import records, results_table
from unfolded.runs.config import RunConfig
from unfolded.runs.records import COLUMNS, METRICS, Record


def record(*, started="2030-01-01T00:00:00+00:00", status="done", psnr=30.125, **fields):
    """Return a record as a run would write it, without a run."""
    run_config = RunConfig(profile="smoke", **fields)
    return Record(
        config=run_config.as_dict(),
        config_hash=run_config.hash,
        status=status,
        metrics=dict.fromkeys(METRICS, psnr) if status == "done" else {},
        curves={"train_mse": [2.0, 1.0]},
        parameters=123,
        seconds=1.5,
        data_sha256="0" * 64,
        reason="" if status == "done" else "expected a finite loss; got nan, so; try again",
        provenance={**provenance.stamp(), "started": started, "commit": "123456789012"},
    )


def save_runs(store, *runs):
    for run in runs:
        records.save(run, store / run.config_hash)
    return records.stored(store)


@pytest.fixture
def table(tmp_path, monkeypatch):
    """The path of a table of runs that is not the repository's."""
    monkeypatch.setattr(results_table, "RESULTS", tmp_path / "results")
    return tmp_path / "results" / "runs.csv"


@pytest.fixture
def store(tmp_path):
    return tmp_path / "runs"


# Records ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["done", "failed"])
def test_a_saved_record_is_read_unchanged(store, status):
    original = record(status=status)
    records.save(original, store / "x")
    assert records.load(store / "x") == original
    (store / "begun").mkdir()
    (store / "begun" / "state.pt").touch()
    assert records.stored(store) == [original]


def test_a_row_has_every_documented_column():
    row = record().row()
    promised = "model cs_rate hidden depth protocol profile source seed status epochs psnr_authors"
    promised += " psnr_frame psnr_sequence psnr_global test_mse parameters seconds device commit"
    assert list(row) == COLUMNS
    assert set(promised.split()) < {name for name, value in row.items() if value is not None}
    assert row["config_hash"] == RunConfig(profile="smoke").hash
    assert row["epochs"] == 2


def test_curves_are_stored_in_one_file_for_each_run(table):
    run = record()
    results_table.merge([run])
    path = table.parent / "curves" / f"{run.config_hash}.csv"
    assert path.read_text() == "epoch,train_mse\n1,2\n2,1\n"


def test_the_folder_of_runs_follows_the_variable_or_the_argument(monkeypatch, tmp_path):
    monkeypatch.delenv("UNFOLDED_RUNS", raising=False)
    assert records.store() == provenance.ROOT / "runs"
    monkeypatch.setenv("UNFOLDED_RUNS", str(tmp_path))
    assert records.store() == tmp_path
    assert records.store("other").name == "other"
    monkeypatch.setenv("HOME", str(tmp_path))
    assert records.store("~/mine") == tmp_path / "mine"


def test_an_absent_folder_of_runs_gives_an_empty_table_and_a_file_an_error(tmp_path):
    runs = results.collect(tmp_path / "nowhere")
    assert len(runs) == 0 and list(runs) == COLUMNS
    (tmp_path / "a file").touch()
    with pytest.raises(RecordError, match=r"expected a folder of runs at .*; got a file; correct"):
        results.collect(tmp_path / "a file")


# The table -------------------------------------------------------------------------------------


def test_merging_twice_changes_nothing(table, store):
    stored = save_runs(store, record(), record(seed=1, status="failed"), record(model="lstm"))
    assert results_table.merge(stored) == 3
    first = table.read_bytes()
    assert results_table.merge(records.stored(store)) == 3
    assert table.read_bytes() == first
    assert results_table.merge([]) == 3
    assert table.read_bytes() == first
    assert b"\r" not in first
    assert b"nan" not in first.replace(b"got nan", b"")


def test_rows_do_not_depend_on_the_order_of_merging(table, store, tmp_path):
    sizes = itertools.product((8, 64, 1024), (2, 10), (0, 1))
    all_of = [record(hidden=h, depth=d, seed=s) for h, d, s in sizes]
    save_runs(store, *all_of)
    results_table.merge(records.stored(store))
    content = table.read_bytes()
    table.unlink()
    for number, run in enumerate(reversed(all_of)):
        results_table.merge(save_runs(tmp_path / str(number), run))
    assert table.read_bytes() == content
    rows = pd.read_csv(table)[["hidden", "depth", "seed"]].values.tolist()
    assert rows == sorted(rows)


@pytest.mark.parametrize("newer_first", [False, True])
def test_the_newer_record_is_stored_in_either_order(table, store, tmp_path, newer_first):
    old = record(psnr=20.0, started="2029-12-31T23:59:59+00:00")
    new = record(psnr=21.0)
    for number, run in enumerate([new, old] if newer_first else [old, new]):
        assert results_table.merge(save_runs(tmp_path / str(number), run)) == 1
    assert pd.read_csv(table)["psnr_frame"].tolist() == [21.0]


def test_the_curves_and_errors_of_a_row_are_written_before_it(table, store, tmp_path, monkeypatch):
    new = dataclasses.replace(record(), curves={"train_mse": [1.0]}, sequence_mse=[1.0])
    old = record(started="2000-01-01T00:00:00+00:00")
    old = dataclasses.replace(old, curves={"train_mse": [2.0]}, sequence_mse=[2.0])
    paths = [table.parent / kind / f"{new.config_hash}.csv" for kind in ("curves", "sequences")]
    results_table.merge(save_runs(store, new))
    details = [path.read_text() for path in paths]
    results_table.merge(save_runs(tmp_path / "old", old))
    assert [path.read_text() for path in paths] == details
    written = []
    monkeypatch.setattr(results_table, "write", lambda path, *_: written.append(path))
    results_table.merge([new])
    assert written == [*paths, table]


def test_two_merges_do_not_run_at_the_same_time(table, store):
    stored = save_runs(store, record())
    with ThreadPoolExecutor() as pool, records.lock(table.parent):
        merging = pool.submit(results_table.merge, stored)
        with pytest.raises(TimeoutError):
            merging.result(timeout=0.5)
        assert not table.exists()
    assert merging.result() == 1


@pytest.mark.parametrize("cut", [1, 2, 20, 60, 200])
def test_a_truncated_or_too_long_row_is_an_error(table, store, cut):
    stored = save_runs(store, record())
    results_table.merge(stored)
    complete = table.read_text().rstrip("\n")
    for content in (complete[:-cut], complete + "," * cut):
        table.write_text(content)
        with pytest.raises(RecordError, match=r"expected a table of runs .*; restore it"):
            results_table.merge(stored)
        assert table.read_text() == content


def test_existing_rows_are_preserved_to_the_last_digit(table, store, tmp_path):
    results_table.merge(save_runs(tmp_path / "theirs", record(psnr=30.100000000000001, seed=9)))
    theirs = table.read_text().splitlines()[1]
    results_table.merge(save_runs(store, record(psnr=0.1 + 0.2)))
    assert theirs in table.read_text().splitlines()
    assert "0.30000000000000004" in table.read_text()


def test_a_column_missing_in_a_record_or_an_older_table_is_empty(table, store, tmp_path):
    old = record(seed=1)
    old.provenance.pop("threads")
    results_table.merge(save_runs(store, record(), old))
    read = {"dtype": str, "keep_default_na": False}
    threads = [str(record().provenance["threads"]), ""]  # whole numbers stay whole
    assert pd.read_csv(table, **read)["threads"].tolist() == threads
    pd.read_csv(table, **read).drop(columns="torch").to_csv(table, index=False)
    results_table.merge(save_runs(tmp_path / "ours", record(seed=2)))
    assert pd.read_csv(table, **read)["torch"].eq("").tolist() == [True, True, False]


@pytest.mark.parametrize("content", ["", "a,b\n1,2\n", "config_hash,started\nx\n", "\0"])
def test_a_damaged_table_is_not_changed(table, store, content):
    table.parent.mkdir()
    table.write_text(content)
    stored = save_runs(store, record())
    with pytest.raises(RecordError, match=r"\Aexpected a table of runs at .*; restore it.*\Z"):
        results_table.merge(stored)
    assert table.read_text() == content


def test_names_of_digits_are_read_as_text(table, store):
    with pytest.raises(RecordError, match=r"expected the table runs.csv; got no such file; run "):
        results.load_table()
    run = dataclasses.replace(record(), config_hash="012345678901")
    results_table.merge(save_runs(store, run))
    row = results.load_table().iloc[0]
    assert row["config_hash"] == "012345678901"
    assert row["commit"] == "123456789012"
    assert row["data_sha256"] == "0" * 64
    assert row["psnr_frame"] == 30.125
