"""Errors and argument checks. A message states what was expected, the value and the remedy."""

import math
import numbers
from collections.abc import Iterable


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


def check_choice(name: str, value: object, choices: Iterable[object]) -> None:
    """Raise ConfigError unless the argument of this name has one of the values."""
    names = tuple(choices)
    if value not in names:
        want = f"{name} from {', '.join(map(str, names))}"
        raise ConfigError(complain(want, repr(value), "choose one of them"))


def whole_number(
    name: str, value: object, least: int, most: float = math.inf, do: str = "choose another"
) -> int:
    """Return a whole number from ``least`` to ``most`` as int, or raise ConfigError.

    A float without a fraction is a whole number; a truth value or text is not.

    >>> whole_number("seed", 7.0, 0)
    7
    """
    real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not (real and least <= value <= most and value < math.inf and value % 1 == 0):
        want = f"{name} a whole number >= {least}" + (f" and <= {most}" if most < math.inf else "")
        raise ConfigError(complain(want, repr(value), do))
    return int(value)


def real_number(
    name: str, value: object, least: float, most: float, do: str = "choose another"
) -> float:
    """Return a real number from ``least`` to ``most`` as float, or raise ConfigError.

    A truth value or text is not a number.

    >>> real_number("margin", 1, 0, 2)
    1.0
    """
    real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not (real and least <= value <= most):
        raise ConfigError(complain(f"{name} between {least:g} and {most:g}", repr(value), do))
    return float(value)


def one_line(error: Exception, limit: int = 160) -> str:
    """Shorten the message of an error to a single readable line.

    >>> one_line(OSError("disk\\n  full"))
    'disk full'
    """
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= limit else text[: limit - 1] + "…"
