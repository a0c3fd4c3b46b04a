"""Execute the notebooks whose results are stale, each in a fresh kernel, with papermill.

Notebooks run simultaneously, at most one per core, except those that :func:`batches` separates.

    python -m companion execute            the stale notebooks of the table of contents
    python -m companion execute 07_…       only this notebook (a name or a path), even if fresh
    python -m companion execute --force    all notebooks

The executed copy, its record and its log are written to `_executed/`, and the runs that pages train
to `_executed/runs/`. The sources remain without outputs.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from datetime import UTC, datetime
from pathlib import Path

from companion.build import ROOT, freshness, import_graph
from companion.build.options import Parser

MAX_JOBS = 4
"""Largest number of simultaneous notebooks; each needs about half a gigabyte."""


def select_interpreter(environment) -> None:
    """Register this interpreter as kernel python3, independent of the user's kernels."""
    environment.pop("JUPYTER_PATH", None)
    # Inline figures require ipykernel's default backend.
    environment.pop("MPLBACKEND", None)
    environment["JUPYTER_PREFER_ENV_PATH"] = "1"
    environment["JUPYTER_DATA_DIR"] = str(ROOT / "_executed" / ".jupyter")
    environment["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"


def select_run_folder(environment) -> None:
    """Select the run folder of the current library for the notebooks, and remove older folders.

    Notebooks read finished runs from it, and must not read runs of another library version.
    """
    code = freshness.reachable_files("from unfolded import training", ROOT)
    facts = [*freshness.hashes(ROOT, code).items(), *freshness.versions().items()]
    name = hashlib.sha256(repr(facts).encode()).hexdigest()[:12]
    folder = ROOT / "_executed" / "runs"
    for old_folder in folder.glob("*"):
        if old_folder.name != name:
            shutil.rmtree(old_folder)
    environment["UNFOLDED_RUNS"] = str(folder / name)


def machine() -> str:
    """Return a description of the machine without its name."""
    from unfolded.provenance import stamp  # deferred import: fast if nothing is stale

    return "{system}, {processor}, {cores} cores".format(**stamp())


def call_papermill(place: freshness.Place) -> None:
    """Execute one notebook into NAME.part.ipynb, from the repository root."""
    import papermill  # deferred import: fast if nothing is stale

    papermill.execute_notebook(
        place.source.relative_to(ROOT).as_posix(),
        place.executed(".part.ipynb").relative_to(ROOT).as_posix(),
        kernel_name="python3",
        progress_bar=False,
        request_save_on_cell_execute=False,  # One write at the end is faster.
        cwd=str(ROOT),
    )


def failure_report(error: Exception) -> str:
    """Return the failed cell and its error as indented text."""
    if not hasattr(error, "ename"):
        return f"{type(error).__name__}: {error}"
    cell = "\n".join(f"    | {line}" for line in error.source.splitlines())
    tail = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(error.traceback)).splitlines()[-12:]
    trace = "\n".join(f"    {line}" for line in tail)
    return f"  cell {error.exec_count}:\n{cell}\n  {error.ename}: {error.evalue}\n{trace}"


def first_line(error: Exception) -> str:
    """Return the name and the first line of an error, at most 200 characters."""
    name = getattr(error, "ename", type(error).__name__)
    return f"{name}: {getattr(error, 'evalue', error)}".splitlines()[0][:200]


def execute(place: freshness.Place) -> tuple[dict, Exception | None]:
    """Execute one notebook and write its record; return the record and the error, if any."""
    place.executed("").parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, place.executed(".log").open("wb") as log:
        os.dup2(log.fileno(), 2)  # The kernel inherits the standard error of this process.
        read_list = Path(folder, "reads")
        os.environ["UNFOLDED_READS"] = str(read_list)
        initial_facts = freshness.facts(place, [])
        start, error = time.monotonic(), None
        try:
            call_papermill(place)
        except Exception as problem:
            error = problem
        reads = read_list.read_text(encoding="utf-8").splitlines() if read_list.exists() else []
    # Sources are hashed before the execution, so that the next build detects edits during it.
    record = initial_facts | {
        "reads": freshness.hashes(ROOT, reads),
        "status": "ok" if error is None else "failed",
        "machine": machine(),
    }
    record["seconds"] = round(time.monotonic() - start, 1)
    record["finished"] = datetime.now(UTC).isoformat(timespec="seconds")
    if error is None:
        place.executed(".part.ipynb").replace(place.executed(".ipynb"))
        record["executed"] = freshness.sha256(place.executed(".ipynb"))
    else:
        record["error"] = first_line(error)
    freshness.write_record(place, record)
    return record, error


def requested_places(arguments) -> list[freshness.Place]:
    """Return the named notebooks, or those of the table of contents; exit if one is missing."""
    names = [Path(name).stem for name in arguments.names] or freshness.in_toc(ROOT)
    places = [freshness.Place(ROOT, name) for name in names]
    for place in places:
        if not place.source.is_file():
            sys.exit(
                f"expected a notebook at notebooks/{place.name}.ipynb; got no such file; "
                "name an existing notebook or correct _toc.yml"
            )
    return places


def batches(places: Sequence[freshness.Place]) -> list[list[list[freshness.Place]]]:
    """Return batches to run one after another, each with chains of pages to run simultaneously.

    The pages that train are one chain, in reading order, because they share runs and a run is
    locked during its training. The other pages start in reverse order: the first pages are the
    shortest, so that no core is idle at the end. A page that measures times runs alone, after all
    others.
    """
    training, timing, remainder = [], [], []
    for place in places:
        code = import_graph.notebook_code(place.source)
        chain = (
            training
            if "training.run" in code
            else timing
            if "measurements.measure_step(" in code
            else remainder
        )
        chain.append(place)
    chains = [chain for chain in (training, *([place] for place in reversed(remainder))) if chain]
    return [batch for batch in (chains, [timing]) if any(batch)]


def execute_in_order(chain: list[tuple[freshness.Place, str, str]], jobs: int) -> str:
    """Execute notebooks until one fails; return a description of the failure, or "".

    ``chain``: notebook, its name in messages, and the reason to execute it. With several
    simultaneous ``jobs`` the cores are divided between them.
    """
    if jobs > 1:
        cores = str(max(1, (os.cpu_count() or 1) // jobs))
        # The second variable limits the processes of joblib in a page.
        os.environ |= {"OMP_NUM_THREADS": cores, "LOKY_MAX_CPU_COUNT": cores}
    for place, head, reason in chain:
        print(f"{head}: executing ({reason}) …", flush=True)
        record, error = execute(place)
        if error is not None:
            return (
                f"{head}: FAILED after {record['seconds']} s\n{failure_report(error)}\n"
                f"  the log is in _executed/{place.name}.log"
            )
        print(f"{head}: done in {record['seconds']} s", flush=True)
    return ""


def main(arguments: Sequence[str] | None = None) -> int:
    """Execute the requested or stale notebooks; return 1 after the first failure."""
    parser = Parser(prog="python -m companion execute", description=__doc__)
    parser.add_argument("names", nargs="*", help="notebooks to execute, even if fresh")
    parser.add_argument("--force", action="store_true", help="execute also the fresh notebooks")
    options = parser.parse_args(arguments)
    os.chdir(ROOT)
    select_interpreter(os.environ)
    select_run_folder(os.environ)
    is_requested = bool(options.names) or options.force
    places = requested_places(options)
    reasons = {
        place: reason
        for place in places
        if (reason := "requested" if is_requested else freshness.stale(place))
    }
    heads = {place: f"[{k}/{len(places)}] {place.name}" for k, place in enumerate(places, start=1)}
    for batch in batches(list(reasons)):
        jobs = min(MAX_JOBS, os.cpu_count() or 1, len(batch))
        with ProcessPoolExecutor(jobs) as pool:
            try:
                calls = [
                    pool.submit(execute_in_order, [(p, heads[p], reasons[p]) for p in chain], jobs)
                    for chain in batch
                ]
                for call in as_completed(calls):
                    if failure := call.result():
                        print(failure, file=sys.stderr)
                        return 1
            finally:
                pool.shutdown(cancel_futures=True)
    print(f"notebooks: {len(reasons)} executed, {len(places) - len(reasons)} fresh")
    return 0
