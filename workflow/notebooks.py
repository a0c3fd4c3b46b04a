"""Execute the notebook that trains one network, once for each run of a grid.

    python workflow/notebooks.py --grid smoke --out pages --jobs 2

Each executed copy, OUT/HASH.ipynb, contains its parameters and its results; the runs are in the
store, as for train. The same command resumes an interrupted call, because existing copies are not
executed again. A failed run has a record and the copy HASH.failed.ipynb with the error; the option
--retry repeats it.
"""

import argparse
import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import grids
import joblib
from train_one import wait_for_other_process

from unfolded import files
from unfolded.runs import records
from unfolded.runs.config import RunConfig

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOK = ROOT / "notebooks" / "07_train_one_network.ipynb"
PARAMETERS = ("model", "cs_rate", "hidden", "depth", "seed", "source", "protocol", "profile")
"""The fields of RunConfig that are parameters of the notebook."""


def parameters(run: RunConfig, device: str) -> dict[str, object]:
    """Return the notebook's parameters for this run.

    >>> parameters(RunConfig(lambda2=0), "cpu")["more"]["lambda2"]
    0.0
    """
    fields = run.as_dict()
    named = {name: fields.pop(name) for name in PARAMETERS}
    return named | {"device": device, "more": fields}


def execute(run: RunConfig, out: Path, store: Path, device: str) -> str:
    """Execute the notebook for one run; return "" or a one-line description of the failure."""
    import papermill  # Deferred import: not needed if all pages exist.

    select_interpreter(store)
    part_path = out / f".{run.hash}.{os.getpid()}.part.ipynb"
    try:
        wait_for_other_process(records.folder_of(run, store))
        settings = {"kernel_name": "python3", "progress_bar": False, "cwd": ROOT}
        with stderr_redirected(out / "log"):
            papermill.execute_notebook(NOTEBOOK, part_path, parameters(run, device), **settings)
        os.replace(part_path, page(run, out))
        page(run, out, ".failed").unlink(missing_ok=True)
    except Exception as error:  # A cell may raise any exception, and a kernel may be killed.
        with contextlib.suppress(OSError):
            os.replace(part_path, page(run, out, ".failed"))
        if isinstance(error, OSError):
            return str(files.cannot_write(out, error))
        name = getattr(error, "ename", type(error).__name__)
        return f"{name}: {getattr(error, 'evalue', error)}".strip().splitlines()[0]
    return ""


def page(run: RunConfig, out: Path, kind: str = "") -> Path:
    """Return the path of an executed copy."""
    return out / f"{run.hash}{kind}.ipynb"


@contextlib.contextmanager
def stderr_redirected(log: Path) -> Iterator[None]:
    """Append the standard error of this process and of its kernels to a file."""
    sys.stderr.flush()
    original = os.dup(2)
    try:
        with log.open("ab") as file:
            os.dup2(file.fileno(), 2)
        yield
    finally:
        os.dup2(original, 2)
        os.close(original)


def select_interpreter(store: Path) -> None:
    """Select this interpreter, independent of the user's kernels, and the store of the runs."""
    os.environ.pop("JUPYTER_PATH", None)
    # Inline figures require ipykernel's default backend.
    os.environ.pop("MPLBACKEND", None)
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"
    os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"
    os.environ["UNFOLDED_RUNS"] = str(store)


def main(arguments: Sequence[str] | None = None) -> int:
    """Execute the missing pages; return 1 after a failure."""
    options = vars(parser().parse_args(arguments))
    settings = {name: value for name, value in options.items() if value is not None}
    names = ("out", "store", "device", "jobs", "retry")
    execution = {name: settings.pop(name, None) for name in names}
    out = Path(execution["out"]).resolve()
    store = records.store(execution["store"]).resolve()
    try:
        runs = grids.runs(settings.pop("grid"), **settings)
        grids.lock(out)
        reasons = {} if execution["retry"] else grids.failures(runs, store)
    except grids.UnfoldedError as error:
        print(f"unfolded: {error}", file=sys.stderr)
        return 1
    for path in out.glob(".*.part.ipynb"):
        path.unlink(missing_ok=True)
    missing = [run for run in runs if run not in reasons and not page(run, out).exists()]
    done = len(runs) - len(missing) - len(reasons)
    print(f"{done} of {len(runs)} pages done, {len(missing)} left in {out}", flush=True)
    for number, (run, reason) in enumerate(executions(missing, out, store, execution), 1):
        reasons |= {run: reason} if reason else {}
        print(f"[{number}/{len(missing)}] {run.model} {run.hash} {reason}".rstrip(), flush=True)
    done = sum(page(run, out).exists() for run in runs)
    print(f"{done} of {len(runs)} pages done, {len(reasons)} failed in {out}")
    for run, reason in reasons.items():
        print(f"  {run.hash} {run.model} failed: {reason}")
    return 1 if reasons else 0


def executions(
    runs: list[RunConfig], out: Path, store: Path, execution: dict
) -> Iterator[tuple[RunConfig, str]]:
    """Yield each run and the description of its failure, or "", in order of completion."""
    task = joblib.delayed(lambda run: (run, execute(run, out, store, execution["device"])))
    pool = joblib.Parallel(n_jobs=execution["jobs"], return_as="generator_unordered")
    return pool(task(run) for run in runs)


class _Parser(argparse.ArgumentParser):
    """A parser with one-line errors."""

    def error(self, message: str):
        self.exit(2, f"unfolded: {message}; see {self.prog} --help\n")


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise ValueError
    return value


def parser() -> argparse.ArgumentParser:
    """Return the parser of the grid, the fields of RunConfig and the settings of the execution."""
    result = _Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    result.add_argument("--grid", required=True, help="grid, as for python -m unfolded sweep")
    result.add_argument("--models", nargs="+", help="models of the grid, default all")
    result.add_argument("--seed", nargs="+", help="one or several seeds")
    for name, value in RunConfig().as_dict().items():
        if name not in ("model", "depth", "seed"):
            result.add_argument(f"--{name.replace('_', '-')}", type=type(value))
    result.add_argument("--out", required=True, help="folder of the executed copies")
    result.add_argument("--store", help="folder of the runs, as for python -m unfolded train")
    result.add_argument("--device", default="auto", help="cpu, cuda, cuda:1, auto (default)")
    result.add_argument("--jobs", type=_positive, default=1, help="simultaneous pages, default 1")
    result.add_argument("--retry", action="store_true", help="repeat failed runs")
    return result


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("unfolded: interrupted; the same command resumes")
