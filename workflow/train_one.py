"""Train one run of a workflow unless its record exists.

    python workflow/train_one.py RECORD DEVICE OPTIONS_OF_TRAIN...

The job first waits for a process of an earlier workflow that still trains the run. A record of a
failed run is also kept. The output of the training is appended to the file log in the folder of the
record. If there is no record afterwards, the job prints a one-line message and fails.
"""

import contextlib
import sys
from pathlib import Path

import filelock

from unfolded import files


def main(record: Path, device: str, options: list[str]) -> int:
    """Train the run if it has no record; return 0 if the record exists afterwards, else 1."""
    try:
        wait_for_other_process(record.parent)
        if not record.exists():
            train(record, device, options)
    except OSError as error:
        report(f"unfolded: {files.cannot_write(record.parent, error)}")
    return 0 if record.exists() else 1


def wait_for_other_process(folder: Path) -> None:
    """Wait until no other process trains the run in this folder.

    Return at once if the file system does not support locks.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        report(f"{folder.name} waits for another process that trains it")
        lock.acquire()
    except NotImplementedError:  # The training reports this error.
        return
    lock.release()


def train(record: Path, device: str, options: list[str]) -> None:
    """Call ``python -m unfolded train``; if it fails, report the last line of its output."""
    # Deferred import: a job whose record exists does not need PyTorch.
    from unfolded.__main__ import main as unfolded

    execution = ["--device", device, "--store", str(record.parent.parent)]
    path = record.with_name("log")
    with (
        path.open("a", encoding="utf-8", buffering=1) as log,
        contextlib.redirect_stdout(log),
        contextlib.redirect_stderr(log),
    ):
        status = unfolded(["train", *options, *execution])
    if status:
        report("\n".join(path.read_text(encoding="utf-8").splitlines()[-1:]))


def report(line: str) -> None:
    """Write a line to standard error with one call, because other jobs write there, too."""
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:]))
