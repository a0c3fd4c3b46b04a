"""The page that trains one network, executed once for each run of a grid.

    python workflow/notebooks.py --grid smoke --out pages --jobs 2

Each executed copy, OUT/HASH.ipynb, holds its parameters and what it shows; the runs themselves
lie in the store as always.  A copy that is there is not made again, so that what was stopped or
killed goes on when the same line is typed again.  A run that fails leaves its record, and the
copy HASH.failed.ipynb with the error, until --retry tries it anew.
"""

import argparse
import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import grids
import joblib
from train_one import wait_for_others

from unfolded import files
from unfolded.runs import records
from unfolded.runs.config import RunConfig

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOK = ROOT / "notebooks" / "07_train_one_network.ipynb"
NAMED = ("model", "cs_rate", "hidden", "depth", "seed", "source", "protocol", "profile")
"""The fields of RunConfig that are parameters of the notebook."""


def parameters(run: RunConfig, device: str) -> dict[str, object]:
    """Return the notebook's parameters for this run.

    >>> parameters(RunConfig(lambda2=0), "cpu")["more"]["lambda2"]
    0.0
    """
    fields = run.as_dict()
    named = {name: fields.pop(name) for name in NAMED}
    return named | {"device": device, "more": fields}


def execute(run: RunConfig, out: Path, store: Path, device: str) -> str:
    """Execute the notebook for one run; return an empty string or, in a line, what went wrong."""
    import papermill  # late: each process pays for it, but not a call that finds all pages there

    use_this_python(store)
    beside = out / f".{run.hash}.{os.getpid()}.part.ipynb"
    try:
        wait_for_others(records.folder_of(run, store))
        how = {"kernel_name": "python3", "progress_bar": False, "cwd": ROOT}
        with kernel_chatter_to(out / "log"):
            papermill.execute_notebook(NOTEBOOK, beside, parameters(run, device), **how)
        os.replace(beside, page(run, out))
        page(run, out, ".failed").unlink(missing_ok=True)
    except Exception as error:  # also a kernel that was killed, and whatever a cell may raise
        with contextlib.suppress(OSError):
            os.replace(beside, page(run, out, ".failed"))
        if isinstance(error, OSError):
            return str(files.cannot_write(out, error))
        name = getattr(error, "ename", type(error).__name__)
        return f"{name}: {getattr(error, 'evalue', error)}".strip().splitlines()[0]
    return ""


def page(run: RunConfig, out: Path, kind: str = "") -> Path:
    """Return the path of an executed copy."""
    return out / f"{run.hash}{kind}.ipynb"


@contextlib.contextmanager
def kernel_chatter_to(log: Path) -> Iterator[None]:
    """Add to a file what kernels, which are processes of their own, write to standard error."""
    sys.stderr.flush()
    before = os.dup(2)
    try:
        with log.open("ab") as file:
            os.dup2(file.fileno(), 2)
        yield
    finally:
        os.dup2(before, 2)
        os.close(before)


def use_this_python(store: Path) -> None:
    """Make kernels this interpreter's own, whatever the user has registered, and name the store."""
    os.environ.pop("JUPYTER_PATH", None)
    # Inline figures need ipykernel's own choice of backend.
    os.environ.pop("MPLBACKEND", None)
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"
    os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"
    os.environ["UNFOLDED_RUNS"] = str(store)


def main(words: list[str] | None = None) -> int:
    """Execute what is missing; return 1 if a page could not be made."""
    given = {name: v for name, v in vars(parser().parse_args(words)).items() if v is not None}
    how = {name: given.pop(name, None) for name in ("out", "store", "device", "jobs", "retry")}
    out, store = Path(how["out"]).resolve(), records.store(how["store"]).resolve()
    try:
        runs = grids.runs(given.pop("grid"), **given)
        grids.claimed(out)
        reasons = {} if how["retry"] else grids.failed(runs, store)
    except grids.UnfoldedError as error:
        print(f"unfolded: {error}", file=sys.stderr)
        return 1
    for left in out.glob(".*.part.ipynb"):
        left.unlink(missing_ok=True)
    todo = [run for run in runs if run not in reasons and not page(run, out).exists()]
    there = len(runs) - len(todo) - len(reasons)
    print(f"{there} of {len(runs)} pages there, {len(todo)} to make in {out}", flush=True)
    for number, (run, reason) in enumerate(executed(todo, out, store, how), 1):
        reasons |= {run: reason} if reason else {}
        print(f"[{number}/{len(todo)}] {run.model} {run.hash} {reason}".rstrip(), flush=True)
    there = sum(page(run, out).exists() for run in runs)
    print(f"{there} of {len(runs)} pages there, {len(reasons)} failed in {out}")
    for run, reason in reasons.items():
        print(f"  {run.hash} {run.model} failed: {reason}")
    return 1 if reasons else 0


def executed(runs: list[RunConfig], out: Path, store: Path, how: dict) -> Iterator[tuple]:
    """Yield each run and what went wrong, as they end."""
    task = joblib.delayed(lambda run: (run, execute(run, out, store, how["device"])))
    pool = joblib.Parallel(n_jobs=how["jobs"], return_as="generator_unordered")
    return pool(task(run) for run in runs)


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str):
        self.exit(2, f"unfolded: {message}; see {self.prog} --help\n")


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise ValueError
    return value


def parser() -> argparse.ArgumentParser:
    """Return the parser: the grid, the fields of RunConfig that it leaves open, how to run."""
    made = _Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--grid", required=True, help="as for python -m unfolded sweep")
    made.add_argument("--models", nargs="+", help="default: all")
    made.add_argument("--seed", nargs="+", help="one or several")
    for name, value in RunConfig().as_dict().items():
        if name not in ("model", "depth", "seed"):
            made.add_argument(f"--{name.replace('_', '-')}", type=type(value))
    made.add_argument("--out", required=True, help="folder of the executed copies")
    made.add_argument("--store", help="folder of the runs, as for python -m unfolded train")
    made.add_argument("--device", default="auto", help="cpu, cuda, cuda:1, auto (default)")
    made.add_argument("--jobs", type=_positive, default=1, help="pages at a time, default 1")
    made.add_argument("--retry", action="store_true", help="try failed runs anew")
    return made


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("unfolded: interrupted; the same line goes on where it was")
