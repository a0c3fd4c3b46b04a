"""The errors of the library; each message states what was expected, the value, and the remedy."""


class UnfoldedError(Exception):
    """Base class of all errors raised by the library."""


class ConfigError(UnfoldedError, ValueError):
    """An argument or option has an invalid value."""


class DataError(UnfoldedError):
    """Data is missing, damaged or not available for download."""


class RecordError(UnfoldedError):
    """A results folder, a record or a checkpoint cannot be read or written."""


class TrainingError(UnfoldedError):
    """A run cannot continue; the record of the failure is stored."""


def complain(expected: object, got: object, do: str) -> str:
    """Return the one-line message of an error of the library.

    >>> complain("a rate between 0 and 1", 1.5, "pass for example 0.2")
    'expected a rate between 0 and 1; got 1.5; pass for example 0.2'
    """
    return f"expected {expected}; got {got}; {do}"


def one_line(error: Exception, limit: int = 160) -> str:
    """Shorten the message of an error to a single readable line.

    >>> one_line(OSError("disk\\n  full"))
    'disk full'
    """
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= limit else text[: limit - 1] + "…"
