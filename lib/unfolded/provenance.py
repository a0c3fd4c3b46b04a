"""Provenance of results: commit, versions, machine."""

import importlib.metadata
import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import torch

from unfolded.runtime import cpuinfo

_CHECKOUT = Path(__file__).resolve().parents[2]
ROOT = _CHECKOUT if (_CHECKOUT / "pyproject.toml").is_file() else Path.cwd()
"""The root of the repository, or the working folder if the library is installed without one."""


def commit() -> str:
    """Return the commit of the checkout, with "+changes" if the library differs from it.

    Without a checkout or git, or if the library is installed inside the checkout of another
    project, returns UNFOLDED_COMMIT, for copies without history, or "unknown".
    """
    fallback = os.environ.get("UNFOLDED_COMMIT") or "unknown"

    def git(*arguments: str) -> str:
        # Without optional locks, a run never blocks a simultaneous commit.
        command = ["git", "--no-optional-locks", "-C", str(ROOT), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        if Path(git("rev-parse", "--show-toplevel")).resolve() != ROOT:
            return fallback
        head = git("rev-parse", "--short=12", "HEAD")
        return head + ("+changes" if git("status", "--porcelain", "--", "lib") else "")
    except (OSError, subprocess.CalledProcessError):
        return fallback


def stamp(device: str = "cpu") -> dict[str, object]:
    """Return the provenance stored in every record, without the machine's name."""
    cuda, facts = device.startswith("cuda"), cpuinfo()
    # A virtual machine can have one name for several generations of processors.
    generation = ", ".join(f"{key} {facts[key]}" for key in ("cpu family", "model") if key in facts)
    name = facts.get("model name") or platform.processor() or "unknown"
    return {
        "commit": commit(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": importlib.metadata.version("numpy"),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": f"{name} ({generation})" if generation else name,
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name(device) if cuda else "cpu",
        "cuda": torch.version.cuda if cuda else None,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }
