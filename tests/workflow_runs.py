"""Functions that start, kill and resume a few smoke runs, and read the files that remain."""

import contextlib
import csv
import importlib.util
import json
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import psutil

from unfolded.runs import named_grids
from unfolded.runs.config import RunConfig

ROOT = Path(__file__).resolve().parent.parent
WORKFLOW = ROOT / "workflow"
if str(WORKFLOW) not in sys.path:
    sys.path.insert(0, str(WORKFLOW))

MODELS = ("reweighted-rnn", "gru", "lstm")
RUNS = [run for run in named_grids.named("smoke", RunConfig()) if run.model in MODELS]
NO_SNAKEMAKE = importlib.util.find_spec("snakemake") is None


def snakemake(store: Path, *more: str, profile: str = "local", **config: object) -> list[str]:
    """Return the command of a workflow for the smoke grid and a few models."""
    settings = {"grid": "smoke", "models": " ".join(MODELS), "store": store} | config
    assignments = [f"{name}={value}" for name, value in settings.items()]
    files = ["-s", str(WORKFLOW / "Snakefile"), "--profile", str(WORKFLOW / "profiles" / profile)]
    return [sys.executable, "-m", "snakemake", *files, *more, "--config", *assignments]


def start(command: list[str], cwd: Path, environment: dict | None = None) -> psutil.Popen:
    """Start a command whose output is appended to the file `output` of its folder."""
    variables = {"PYTHONPATH": str(ROOT / "lib"), "OMP_NUM_THREADS": "1"}
    with (cwd / "output").open("ab") as output:
        return psutil.Popen(
            command,
            cwd=cwd,
            env={**(environment or os.environ), **variables},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )


def run(command: list[str], cwd: Path, environment: dict | None = None) -> tuple[int, str]:
    """Return the exit status and the output of a command."""
    (cwd / "output").write_bytes(b"")
    process = start(command, cwd, environment)
    try:
        status = process.wait(200)
    finally:
        kill(process)
    return status, (cwd / "output").read_text(encoding="utf-8")


def kill(process: psutil.Popen, *, children: bool = True) -> None:
    """Kill the process of a command with signal 9, by default with all child processes."""
    processes = []
    with contextlib.suppress(psutil.NoSuchProcess):
        processes = process.children(recursive=True) if children else []
    for member in [process, *processes]:
        with contextlib.suppress(psutil.NoSuchProcess):
            member.kill()
    psutil.wait_procs([process, *processes], 10)


def kill_at_first_result(
    process: psutil.Popen, folder: Path, pattern: str, *, children: bool = True
) -> tuple[dict[Path, bytes], list[psutil.Process]]:
    """Kill a command after its first result; return its results and its child processes."""
    deadline, processes = time.monotonic() + 150, []
    try:
        while not any(folder.glob(pattern)):
            assert process.poll() is None, "the command ended without a result"
            assert time.monotonic() < deadline, "the command has no result after 150 s"
            time.sleep(0.02)
        assert process.poll() is None, "the command ended before it was killed"
        processes = process.children(recursive=True)
    finally:
        kill(process, children=children)
    return {path: path.read_bytes() for path in folder.glob(pattern)}, processes


def results(store: Path) -> dict[str, dict]:
    """Return the records of a store by hash, without the time and without the provenance."""
    records = {}
    for path in sorted(store.glob("*/record.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        del record["seconds"], record["provenance"]
        records[path.parent.name] = record
    return records


def epoch_counts(text: str) -> Counter:
    """Return how often each run has trained each epoch, according to the output of trainings."""
    lines = [line.split() for line in text.splitlines() if "  epoch " in line]
    return Counter((line[1], line[3]) for line in lines)


def logged_epochs(store: Path) -> Counter:
    """Return how often each run has trained each epoch, according to the logs of a store."""
    return epoch_counts("".join(log.read_text(encoding="utf-8") for log in store.glob("*/log")))


def table(store: Path) -> list[tuple[str, str]]:
    """Return the hash and the status of each run in the table of the workflow."""
    with (store / "smoke.csv").open(encoding="utf-8", newline="") as file:
        return sorted((row["config_hash"], row["status"]) for row in csv.DictReader(file))
