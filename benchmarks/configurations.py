"""Configurations of the engine without one of its parts, to measure the effect of each part."""

import contextlib
import functools
from collections.abc import Callable, Iterator

import torch

from unfolded import recurrence

without_compiled_kernels = functools.partial(recurrence.use, "torch")


@contextlib.contextmanager
def without_onednn() -> Iterator[None]:
    """Compute all products without oneDNN."""
    enabled = torch.backends.mkldnn.enabled
    torch.backends.mkldnn.enabled = False
    try:
        yield
    finally:
        torch.backends.mkldnn.enabled = enabled


@contextlib.contextmanager
def pytorch_alone() -> Iterator[None]:
    """Use neither compiled kernels nor oneDNN."""
    with without_compiled_kernels(), without_onednn():
        yield


def under(lever: Callable, call: Callable[[], object]) -> Callable[[], object]:
    """Return a function that runs ``call`` in the configuration of the lever."""

    def run() -> object:
        with lever():
            return call()

    return run
