"""Interrupted sweeps, workflows and executions of pages resume with the same records."""

import json
import sys
from pathlib import Path

import psutil
import pytest
import workflow_runs as w
import yaml

from unfolded.runs.records import Record, save

snakemake = pytest.mark.skipif(w.NO_SNAKEMAKE, reason="Snakemake is not installed")
HASHES = sorted(run.hash for run in w.RUNS)


def no_epoch_is_repeated(counts) -> bool:
    """Return whether each run has trained each epoch at most once."""
    return set(counts.values()) <= {1} and {run for run, _ in counts} <= set(HASHES)


def unchanged(done: dict[Path, bytes]) -> bool:
    """Return whether the files still have these contents."""
    return all(path.read_bytes() == content for path, content in done.items())


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """The store of a sweep that was killed after its first result and then resumed."""
    cwd = tmp_path_factory.mktemp("sweep")
    store = cwd / "runs"
    sweep = [sys.executable, "-m", "unfolded", "sweep", "--grid", "smoke", "--models", *w.MODELS]
    sweep += ["--device", "cpu", "--store", str(store)]
    process = w.start(sweep, cwd)
    done, workers = w.kill_at_first_result(process, store, "*/record.json", children=False)
    assert workers and not psutil.wait_procs(workers, timeout=30)[1]
    first_output = (cwd / "output").read_text(encoding="utf-8")
    status, output = w.run(sweep, cwd)
    assert status == 0, output
    assert unchanged(done) and no_epoch_is_repeated(w.epoch_counts(first_output + output))
    return store


def test_a_killed_sweep_continues(swept):
    assert sorted(w.results(swept)) == HASHES


@snakemake
@pytest.mark.parametrize("children", [True, False], ids=["with children", "without children"])
def test_a_killed_workflow_continues(tmp_path, swept, children):
    store = tmp_path / "a store" / "of runs"
    command = w.snakemake(store)
    process = w.start(command, tmp_path)
    done, _ = w.kill_at_first_result(process, store, "*/record.json", children=children)
    assert 0 < len(done) < len(HASHES) or not children
    status, output = w.run(command, tmp_path)
    assert status == 0, output
    assert f"3 of 3 done, 0 failed, 0 left in {store}" in output
    assert unchanged(done) and no_epoch_is_repeated(w.logged_epochs(store))
    assert w.results(store) == w.results(swept)
    assert w.table(store) == [(run, "done") for run in HASHES]


@snakemake
def test_a_failed_run_is_stored_with_its_reason_until_it_is_repeated(tmp_path):
    run = w.RUNS[0]
    failed = Record(run.as_dict(), run.hash, "failed", reason="expected a finite loss; got nan")
    save(failed, tmp_path / run.hash)
    for more, done in (({}, 0), ({"retry": "true"}, 1)):
        status, output = w.run(w.snakemake(tmp_path, models=run.model, **more), tmp_path)
        assert status == 0, output
        assert f"{done} of 1 done, {1 - done} failed, 0 left in {tmp_path}" in output
        reason = f"  {run.hash} {run.model} failed: expected a finite loss; got nan"
        assert (reason in output) is not bool(done)
        assert w.table(tmp_path) == [(run.hash, "done" if done else "failed")]


@snakemake
def test_a_wrong_grid_ends_with_one_line(tmp_path):
    status, output = w.run(w.snakemake(tmp_path / "runs", grid="smok"), tmp_path)
    line = output.splitlines()[-1]
    assert status == 1 and "Traceback" not in output
    assert line.startswith("unfolded: expected a grid from ") and "got 'smok'; choose" in line
    assert not (tmp_path / "runs").exists()


@snakemake
def test_a_job_requests_its_threads_and_gpu(tmp_path):
    dry_run = ["-n", "--quiet", "host", "--cores", "8"]
    for config, requests in (
        ({"grid": "row", "hidden": 1024, "threads": 3}, ["threads: 3", "gpu=0"]),
        ({"grid": "row", "hidden": 1024, "device": "cuda"}, ["gpu=1"]),
    ):
        status, output = w.run(w.snakemake(tmp_path, *dry_run, models="gru", **config), tmp_path)
        assert status == 0, output
        possible = ("threads: 3", "gpu=0", "gpu=1")
        assert [request for request in possible if request in output] == requests
    assert not (tmp_path / ".plan.json").exists()


def test_killed_pages_are_executed_again(tmp_path, swept):
    out, store = tmp_path / "the pages", tmp_path / "runs"
    runs = [run for run in w.RUNS if run.model != "lstm"]
    arguments = ["--grid", "smoke", "--models", *(run.model for run in runs), "--device", "cpu"]
    arguments += ["--out", str(out), "--store", str(store)]
    command = [sys.executable, str(w.WORKFLOW / "notebooks.py"), *arguments]
    done, _ = w.kill_at_first_result(w.start(command, tmp_path), out, "[!.]*.ipynb")
    status, output = w.run(command, tmp_path)
    assert status == 0, output
    assert output.splitlines()[0] == f"1 of 2 pages done, 1 left in {out}"
    assert output.splitlines()[-1] == f"2 of 2 pages done, 0 failed in {out}"
    assert unchanged(done) and len(done) == 1
    expected = w.results(swept)
    assert w.results(store) == {run.hash: expected[run.hash] for run in runs}
    for run in runs:
        page = json.loads((out / f"{run.hash}.ipynb").read_text(encoding="utf-8"))
        parameters = page["metadata"]["papermill"]["parameters"]
        assert (parameters["model"], parameters["profile"]) == (run.model, "smoke")
        assert parameters["device"] == "cpu"
        assert parameters["more"]["lambda2"] == run.lambda2
    assert [path.name for path in out.glob(".*.ipynb")] == []


def test_profiles_share_the_settings_for_continuing_a_killed_workflow():
    profiles = {
        path.parent.name: yaml.safe_load(path.read_text(encoding="utf-8"))
        for path in (w.WORKFLOW / "profiles").glob("*/config.yaml")
    }
    shared = profiles["default"]
    assert set(profiles) == {"default", "local", "slurm"}
    assert shared["keep-incomplete"] and shared["rerun-incomplete"] and shared["nolock"]
    for profile in profiles.values():
        assert profile.items() >= shared.items()
