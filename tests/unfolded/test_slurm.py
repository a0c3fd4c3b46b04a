"""A workflow on a Slurm cluster of one node is killed, and the same command resumes it."""

import subprocess
import time
from pathlib import Path

import psutil
import pytest
import slurm_cluster
import workflow_runs as w

from unfolded import training

SKIP_REASON = "Snakemake is not installed" if w.NO_SNAKEMAKE else slurm_cluster.obstacle()
pytestmark = pytest.mark.skipif(bool(SKIP_REASON), reason=SKIP_REASON)


@pytest.fixture(scope="module")
def cluster():
    with slurm_cluster.cluster() as environment:
        yield environment


def test_a_killed_workflow_on_a_cluster_continues(tmp_path, cluster):
    store = tmp_path / "a store"
    settings = ["--slurm-init-seconds-before-status-checks", "8"]
    settings += ["--seconds-between-status-checks", "1", "--default-resources", "mem_mb=500"]
    command = w.snakemake(store, *settings, profile="slurm")
    process = w.start(command, tmp_path, cluster)
    done, _ = w.kill_at_first_result(process, store, "*/record.json")
    # The jobs of the first call continue; the unfinished runs share one job of the second call.
    group = ["--groups", "run=runs", "--group-components", f"runs={len(w.RUNS)}", "--cores", "1"]
    command = w.snakemake(store, *settings, *group, profile="slurm")
    status, output = w.run(command, tmp_path, cluster)
    assert status == 0, output
    assert f"3 of 3 done, 0 failed, 0 left in {store}" in output
    assert "has been submitted with SLURM jobid" in output
    assert all(path.read_bytes() == content for path, content in done.items())
    assert set(w.logged_epochs(store).values()) == {1}
    assert w.table(store) == sorted((run.hash, "done") for run in w.RUNS)
    for run in w.RUNS:
        training.run(run, store=tmp_path / "here", progress=False)
    assert w.results(store) == w.results(tmp_path / "here")


def test_no_process_or_file_of_a_cluster_remains_after_its_end(tmp_path):
    with slurm_cluster.cluster() as environment:
        folder = Path(environment["SLURM_CONF"]).parent
        job = ["sbatch", "--output=/dev/null", f"--wrap=touch '{tmp_path}/runs'; srun sleep 600"]
        subprocess.run(job, env=environment, cwd=tmp_path, check=True, stdout=subprocess.DEVNULL)
        for _ in range(300):
            if (tmp_path / "runs").exists():
                break
            time.sleep(0.1)
        assert (tmp_path / "runs").exists()
        processes = [p for p in psutil.process_iter() if slurm_cluster.belongs(p, folder)]
        assert len(processes) >= 5  # three daemons, the job and its monitor
    assert not folder.exists()
    assert psutil.wait_procs(processes, 5)[1] == []
