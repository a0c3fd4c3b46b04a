"""A sweep, a workflow and pages are killed; they continue with the same records."""

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


def once(counted) -> bool:
    """Tell whether no run has trained an epoch twice."""
    return set(counted.values()) <= {1} and {run for run, _ in counted} <= set(HASHES)


def untouched(done: dict[Path, bytes]) -> bool:
    return all(path.read_bytes() == content for path, content in done.items())


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """The store of a sweep that was killed in the middle, with its workers, and started again."""
    cwd = tmp_path_factory.mktemp("sweep")
    store, words = cwd / "runs", ["sweep", "--grid", "smoke", "--models", *w.MODELS]
    sweep = [sys.executable, "-m", "unfolded", *words, "--device", "cpu", "--store", str(store)]
    done, workers = w.killed(w.start(sweep, cwd), store, "*/record.json", children=False)
    assert workers and not psutil.wait_procs(workers, timeout=30)[1]
    before = (cwd / "said").read_text(encoding="utf-8")
    status, said = w.run(sweep, cwd)
    assert status == 0, said
    assert untouched(done) and once(w.epochs(before + said))
    return store


def test_a_killed_sweep_continues(swept):
    assert sorted(w.results(swept)) == HASHES


@snakemake
@pytest.mark.parametrize("children", [True, False], ids=["all of it", "only its head"])
def test_a_killed_workflow_continues(tmp_path, swept, children):
    store = tmp_path / "a store" / "of runs"
    command = w.snakemake(store)
    done, _ = w.killed(w.start(command, tmp_path), store, "*/record.json", children=children)
    assert 0 < len(done) < len(HASHES) or not children
    status, said = w.run(command, tmp_path)
    assert status == 0, said
    assert f"3 of 3 done, 0 failed, 0 left in {store}" in said
    assert untouched(done) and once(w.trained(store))
    assert w.results(store) == w.results(swept)
    assert w.table(store) == [(run, "done") for run in HASHES]


@snakemake
def test_a_failed_run_is_stored_with_its_reason_until_it_is_repeated(tmp_path):
    run = w.RUNS[0]
    failed = Record(run.as_dict(), run.hash, "failed", reason="expected a finite loss; got nan")
    save(failed, tmp_path / run.hash)
    for more, done in (({}, 0), ({"retry": "true"}, 1)):
        status, said = w.run(w.snakemake(tmp_path, models=run.model, **more), tmp_path)
        assert status == 0, said
        assert f"{done} of 1 done, {1 - done} failed, 0 left in {tmp_path}" in said
        reason = f"  {run.hash} {run.model} failed: expected a finite loss; got nan"
        assert (reason in said) is not bool(done)
        assert w.table(tmp_path) == [(run.hash, "done" if done else "failed")]


@snakemake
def test_a_wrong_grid_ends_with_one_line(tmp_path):
    status, said = w.run(w.snakemake(tmp_path / "runs", grid="smok"), tmp_path)
    line = said.splitlines()[-1]
    assert status == 1 and "Traceback" not in said
    assert line.startswith("unfolded: expected a grid from ") and "got 'smok'; choose" in line
    assert not (tmp_path / "runs").exists()


@snakemake
def test_a_job_requests_its_threads_and_gpu(tmp_path):
    plan = ["-n", "--quiet", "host", "--cores", "8"]
    for config, wants in (
        ({"grid": "row", "hidden": 1024, "threads": 3}, ["threads: 3", "gpu=0"]),
        ({"grid": "row", "hidden": 1024, "device": "cuda"}, ["gpu=1"]),
    ):
        status, said = w.run(w.snakemake(tmp_path, *plan, models="gru", **config), tmp_path)
        assert status == 0, said
        assert [word for word in ("threads: 3", "gpu=0", "gpu=1") if word in said] == wants
    assert not (tmp_path / ".plan.json").exists()


def test_killed_pages_are_executed_again(tmp_path, swept):
    out, store = tmp_path / "the pages", tmp_path / "runs"
    two = [run for run in w.RUNS if run.model != "lstm"]
    words = ["--grid", "smoke", "--models", *(run.model for run in two), "--device", "cpu"]
    words += ["--out", str(out), "--store", str(store)]
    command = [sys.executable, str(w.WORKFLOW / "notebooks.py"), *words]
    done, _ = w.killed(w.start(command, tmp_path), out, "[!.]*.ipynb")
    status, said = w.run(command, tmp_path)
    assert status == 0, said
    assert said.splitlines()[0] == f"1 of 2 pages done, 1 left in {out}"
    assert said.splitlines()[-1] == f"2 of 2 pages done, 0 failed in {out}"
    assert untouched(done) and len(done) == 1
    expected = w.results(swept)
    assert w.results(store) == {run.hash: expected[run.hash] for run in two}
    for run in two:
        page = json.loads((out / f"{run.hash}.ipynb").read_text(encoding="utf-8"))
        given = page["metadata"]["papermill"]["parameters"]
        assert (given["model"], given["profile"], given["device"]) == (run.model, "smoke", "cpu")
        assert given["more"]["lambda2"] == run.lambda2
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
