"""Selection of the backend; the default is the fastest one for the machine and the sizes."""

import contextlib
from collections.abc import Iterator

from unfolded.errors import check_choice

BACKENDS = ("reference", "torch", "native")
_selected: str | None = None


@contextlib.contextmanager
def selected(name: str) -> Iterator[None]:
    """Select a backend for all threads. Raises ConfigError on an unknown name."""
    global _selected
    check_choice("a backend", name, BACKENDS)
    previous, _selected = _selected, name
    try:
        yield
    finally:
        _selected = previous


def chosen() -> str | None:
    """Return the selected backend, or None for the default."""
    return _selected
