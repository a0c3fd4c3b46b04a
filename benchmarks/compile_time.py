"""Time to compile the C kernels at first use, and to load them later."""

import math
import tempfile
import time
from pathlib import Path
from unittest import mock

from unfolded.recurrence.backends import native


def first_use() -> dict[str, float]:
    """Return the seconds of the first use and of a later one; NaN without a compiler."""
    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch.object(native, "cache_folder", return_value=Path(folder)),
    ):
        return {"first": _seconds(), "later": _seconds()}


def _seconds() -> float:
    started = time.perf_counter()
    library = native.library.__wrapped__()
    return time.perf_counter() - started if library else math.nan
