"""A few smoke runs: started, killed and continued, and their remaining files."""

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
    """Return what a reader types, for the smoke grid and a few models."""
    settings = {"grid": "smoke", "models": " ".join(MODELS), "store": store} | config
    words = [f"{name}={value}" for name, value in settings.items()]
    where = ["-s", str(WORKFLOW / "Snakefile"), "--profile", str(WORKFLOW / "profiles" / profile)]
    return [sys.executable, "-m", "snakemake", *where, *more, "--config", *words]


def start(command: list[str], cwd: Path, environment: dict | None = None) -> psutil.Popen:
    """Start a command that says into the file "said" of a folder."""
    env = {"PYTHONPATH": str(ROOT / "lib"), "OMP_NUM_THREADS": "1", "XDG_CACHE_HOME": str(cwd)}
    with (cwd / "said").open("ab") as said:
        return psutil.Popen(
            command,
            cwd=cwd,
            env={**(environment or os.environ), **env},
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
        )


def run(command: list[str], cwd: Path, environment: dict | None = None) -> tuple[int, str]:
    """Return the exit status of a command and what it said."""
    (cwd / "said").write_bytes(b"")
    process = start(command, cwd, environment)
    try:
        status = process.wait(200)
    finally:
        kill(process)
    return status, (cwd / "said").read_text(encoding="utf-8")


def kill(process: psutil.Popen, *, children: bool = True) -> None:
    """Kill a command with signal 9, and by default all that it has started with it."""
    family = []
    with contextlib.suppress(psutil.NoSuchProcess):
        family = process.children(recursive=True) if children else []
    for member in [process, *family]:
        with contextlib.suppress(psutil.NoSuchProcess):
            member.kill()
    psutil.wait_procs([process, *family], 10)


def killed(
    process: psutil.Popen, folder: Path, pattern: str, *, children: bool = True
) -> tuple[dict[Path, bytes], list[psutil.Process]]:
    """Kill a command as soon as a first result is there; return the results and its children."""
    deadline, family = time.monotonic() + 150, []
    try:
        while not any(folder.glob(pattern)):
            assert process.poll() is None, "it ended before it had a result"
            assert time.monotonic() < deadline, "it has no result in time"
            time.sleep(0.02)
        assert process.poll() is None, "it ended before it could be killed"
        family = process.children(recursive=True)
    finally:
        kill(process, children=children)
    return {path: path.read_bytes() for path in folder.glob(pattern)}, family


def results(store: Path) -> dict[str, dict]:
    """Return what the runs of a store found, by hash, without times and without the commit."""
    records = {}
    for path in sorted(store.glob("*/record.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        del record["seconds"], record["provenance"]
        records[path.parent.name] = record
    return records


def epochs(text: str) -> Counter:
    """Count which run has trained which epoch, from what a training says."""
    words = [line.split() for line in text.splitlines() if "  epoch " in line]
    return Counter((line[1], line[3]) for line in words)


def trained(store: Path) -> Counter:
    """Count which run has trained which epoch, from the logs next to the records."""
    return epochs("".join(log.read_text(encoding="utf-8") for log in store.glob("*/log")))


def table(store: Path) -> list[tuple[str, str]]:
    """Return hash and status of each run in the table that the workflow wrote."""
    with (store / "smoke.csv").open(encoding="utf-8", newline="") as file:
        return sorted((row["config_hash"], row["status"]) for row in csv.DictReader(file))
