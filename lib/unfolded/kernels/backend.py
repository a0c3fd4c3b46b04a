"""Which way the recurrences are computed: by default the fastest for the machine and the sizes."""

import contextlib
from collections.abc import Iterator

from unfolded.errors import ConfigError, complain

BACKENDS = ("reference", "torch", "native")
_chosen: str | None = None


@contextlib.contextmanager
def use(name: str) -> Iterator[None]:
    """Compute every recurrence inside by one backend, for all threads.

    "reference": step by step under autograd; "torch": the engine by calls of PyTorch, where it has
    such a form, else the reference; "native": the loops in C wherever they can run, however small
    the sizes. Raises ConfigError on another name, and on "native" without a compiler.

    >>> with use("reference"):
    ...     chosen()
    'reference'
    """
    global _chosen
    if name not in BACKENDS:
        want = f"a backend from {', '.join(BACKENDS)}"
        raise ConfigError(complain(want, repr(name), "choose one of them"))
    before, _chosen = _chosen, name
    try:
        if name == "native":
            _require_compiler()
        yield
    finally:
        _chosen = before


def chosen() -> str | None:
    """Return the backend that was asked for, or None for the fastest."""
    return _chosen


def _require_compiler() -> None:
    from unfolded.kernels import native  # which asks this module what was chosen

    if native.library() is None:
        raise ConfigError(complain("a C compiler", "none that works", 'choose "torch"'))
