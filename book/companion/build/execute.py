"""Execute the notebooks whose results are stale, each in a fresh kernel, with papermill.

    python -m companion execute            the stale notebooks of the table of contents
    python -m companion execute 07_…       only this one (a name or a path), stale or not
    python -m companion execute --force    all of them

The executed copy, its record and its log go to `_executed/`, the runs that pages train to
`_executed/runs/`.  The sources stay without outputs.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from companion.build import ROOT, freshness


@contextlib.contextmanager
def kernel_chatter_to(log: Path):
    """Redirect the stderr of kernels to a log, but keep Python's own stderr for progress."""
    sys.stderr.flush()
    terminal = os.dup(2)
    with log.open("wb") as file, os.fdopen(terminal, "w", closefd=False, buffering=1) as stream:
        os.dup2(file.fileno(), 2)
        ours, sys.stderr = sys.stderr, stream
        try:
            yield
        finally:
            sys.stderr = ours
            os.dup2(terminal, 2)
            os.close(terminal)


def use_this_python(environment) -> None:
    """Register this interpreter as kernel python3, independent of the user's kernels."""
    environment.pop("JUPYTER_PATH", None)
    # Inline figures require ipykernel's default backend.
    environment.pop("MPLBACKEND", None)
    environment["JUPYTER_PREFER_ENV_PATH"] = "1"
    environment["JUPYTER_DATA_DIR"] = str(ROOT / "_executed" / ".jupyter")
    environment["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"


def keep_runs_of_this_code(environment) -> None:
    """Give the notebooks a run folder for the current library, and remove older run folders.

    A finished run is read and not repeated; a page must not show a run of another library version.
    """
    code = freshness.reached("from unfolded import training", ROOT)
    facts = [*freshness.hashes(ROOT, code).items(), *freshness.versions().items()]
    name = hashlib.sha256(repr(facts).encode()).hexdigest()[:12]
    folder = ROOT / "_executed" / "runs"
    for older in folder.glob("*"):
        if older.name != name:
            shutil.rmtree(older)
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
        progress_bar=sys.stderr.isatty(),
        cwd=str(ROOT),
    )


def explain(error: Exception) -> str:
    """Return the failing cell and its error in a readable form."""
    if not hasattr(error, "ename"):
        return f"{type(error).__name__}: {error}"
    cell = "\n".join(f"    | {line}" for line in error.source.splitlines())
    tail = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(error.traceback)).splitlines()[-12:]
    trace = "\n".join(f"    {line}" for line in tail)
    return f"  cell {error.exec_count}:\n{cell}\n  {error.ename}: {error.evalue}\n{trace}"


def first_line(error: Exception) -> str:
    name = getattr(error, "ename", type(error).__name__)
    return f"{name}: {getattr(error, 'evalue', error)}".splitlines()[0][:200]


def execute(place: freshness.Place) -> tuple[dict, Exception | None]:
    """Execute one notebook and write its record; return the record and the error, if any."""
    place.executed("").parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        ledger = Path(folder, "reads")
        os.environ["UNFOLDED_READS"] = str(ledger)
        before = freshness.facts(place, [])
        start, error = time.monotonic(), None
        try:
            with kernel_chatter_to(place.executed(".log")):
                call_papermill(place)
        except Exception as problem:
            error = problem
        reads = ledger.read_text(encoding="utf-8").splitlines() if ledger.exists() else []
    # Sources are hashed before the execution, so that the next build detects edits during it.
    record = before | {
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


def chosen(arguments) -> list[freshness.Place]:
    names = [Path(name).stem for name in arguments.names] or freshness.in_toc(ROOT)
    places = [freshness.Place(ROOT, name) for name in names]
    for place in places:
        if not place.source.is_file():
            sys.exit(
                f"expected a notebook at notebooks/{place.name}.ipynb; got no such file; "
                "name one that exists or correct _toc.yml"
            )
    return places


def main(arguments: Sequence[str] | None = None) -> int:
    """Execute the requested or stale notebooks; return 1 after the first failure."""
    parser = argparse.ArgumentParser(
        "python -m companion execute", description=__doc__.splitlines()[0]
    )
    parser.add_argument("names", nargs="*", help="notebooks to execute, fresh or not")
    parser.add_argument("--force", action="store_true", help="execute fresh ones too")
    options = parser.parse_args(arguments)
    os.chdir(ROOT)
    use_this_python(os.environ)
    keep_runs_of_this_code(os.environ)
    wanted = bool(options.names) or options.force
    places, fresh = chosen(options), 0
    for number, place in enumerate(places, start=1):
        reason = "asked for" if wanted else freshness.stale(place)
        if not reason:
            fresh += 1
            continue
        head = f"[{number}/{len(places)}] {place.name}"
        print(f"{head}: executing ({reason}) …", flush=True)
        record, error = execute(place)
        if error is not None:
            print(f"{head}: FAILED after {record['seconds']} s\n{explain(error)}", file=sys.stderr)
            print(f"  the log lies in _executed/{place.name}.log", file=sys.stderr)
            return 1
        print(f"{head}: done in {record['seconds']} s", flush=True)
    print(f"notebooks: {len(places) - fresh} executed, {fresh} fresh")
    return 0
