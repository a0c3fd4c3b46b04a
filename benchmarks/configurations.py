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


def in_configuration(context: Callable, call: Callable[[], object]) -> Callable[[], object]:
    """Return a function that runs ``call`` in the configuration of a context."""

    def run() -> object:
        with context():
            return call()

    return run
