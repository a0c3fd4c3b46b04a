"""What can go wrong, by kind: each message says what was expected, what came and what to do."""


class UnfoldedError(Exception):
    """Base of every error that the library raises on purpose."""


class ConfigError(UnfoldedError, ValueError):
    """An argument or option has a value that cannot be used."""


class DataError(UnfoldedError):
    """Data is missing, damaged or cannot be fetched."""


class RecordError(UnfoldedError):
    """A results folder, a record or a checkpoint cannot be read or written."""


class TrainingError(UnfoldedError):
    """A run cannot go on; the record of the failure is kept."""


def complain(expected: object, got: object, do: str) -> str:
    """Return the one line that every error of the library carries.

    >>> complain("a rate between 0 and 1", 1.5, "pass for example 0.2")
    'expected a rate between 0 and 1; got 1.5; pass for example 0.2'
    """
    return f"expected {expected}; got {got}; {do}"
