"""One job of a workflow: afterwards its record is there, or one line says why it is not.

    python workflow/train_one.py RECORD DEVICE OPTIONS_OF_TRAIN...

A run whose record is there, failed or not, is left alone.  A workflow that was killed may have
left a process that still trains it: its end is waited for.  What the training says is added to
the file log beside the record.
"""

import contextlib
import sys
from pathlib import Path

import filelock

from unfolded import files


def main(record: Path, device: str, options: list[str]) -> int:
    """Train one run if nothing else has; return 0 if its record is there in the end."""
    try:
        wait_for_others(record.parent)
        if not record.exists():
            train(record, device, options)
    except OSError as error:
        say(f"unfolded: {files.cannot_write(record.parent, error)}")
    return 0 if record.exists() else 1


def wait_for_others(folder: Path) -> None:
    """Return once no other process trains the run in this folder, or if nobody can tell."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        say(f"{folder.name} waits for another process that trains it")
        lock.acquire()
    except NotImplementedError:  # no locks on this file system: the training says so
        return
    lock.release()


def train(record: Path, device: str, options: list[str]) -> None:
    """Call ``python -m unfolded train``; if that fails, repeat its last line."""
    from unfolded.__main__ import main as unfolded  # late: what is there needs no PyTorch

    where = ["--device", device, "--store", str(record.parent.parent)]
    path = record.with_name("log")
    with (
        path.open("a", encoding="utf-8", buffering=1) as log,
        contextlib.redirect_stdout(log),
        contextlib.redirect_stderr(log),
    ):
        status = unfolded(["train", *options, *where])
    if status:
        say("\n".join(path.read_text(encoding="utf-8").splitlines()[-1:]))


def say(line: str) -> None:
    """Write a line to standard error in one piece, since other jobs write there too."""
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:]))
