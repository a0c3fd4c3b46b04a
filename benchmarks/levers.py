"""The engine with a part taken out, so that a reader sees what each part gives."""

import contextlib
from collections.abc import Callable, Iterator
from unittest import mock

from unfolded.recurrence import matmul
from unfolded.recurrence.backends import native, native_scan


def without_loops_in_c() -> contextlib.AbstractContextManager:
    """Run the loops in Python: each product of a frame and layer is a call of PyTorch's."""
    return mock.patch.object(native_scan, "serves", return_value=False)


def without_compiled_kernels() -> contextlib.AbstractContextManager:
    """Let PyTorch do all work, as on a machine that has no compiler."""
    return mock.patch.object(native, "library", return_value=None)


def without_onednn() -> contextlib.AbstractContextManager:
    """Let PyTorch's general routine do the products."""
    return mock.patch.object(matmul, "_FOUND", None)


@contextlib.contextmanager
def pytorch_alone() -> Iterator[None]:
    """Take out both."""
    with without_compiled_kernels(), without_onednn():
        yield


def under(lever: Callable, call: Callable[[], object]) -> Callable[[], object]:
    """Return the call with a part taken out while it runs."""

    def run() -> object:
        with lever():
            return call()

    return run
