"""Arithmetic that neither overflows nor cancels, and the checks of what the bounds are given.

Formulas are written as printed, in decimals of eighty digits: their exponents have no end that a
bound could reach, and a float turns into one without rounding.
"""

import decimal
import math
from collections.abc import Callable, Sequence
from decimal import Decimal

from torch import Tensor

from unfolded.errors import ConfigError, complain

Number = float | Tensor
Numbers = Sequence[float] | Tensor

_CONTEXT = decimal.Context(prec=80, Emin=decimal.MIN_EMIN, Emax=decimal.MAX_EMAX, traps=[])


def plain(formula: Callable[..., Decimal], *arguments) -> float:
    """Return the value of a formula: inf where a float cannot hold it."""
    with decimal.localcontext(_CONTEXT):
        return float(formula(*arguments))


def log(formula: Callable[..., Decimal], *arguments) -> float:
    """Return the natural logarithm of a formula: -inf for 0, NaN for a negative value."""
    with decimal.localcontext(_CONTEXT):
        value = formula(*arguments)
        return float(value.ln()) if value >= 0 else math.nan


def geometric(ratio: Decimal, count: int) -> Decimal:
    r"""Return the sum that papers write as a fraction, without its hole at one.

    .. math:: \sum_{k=0}^{N-1} r^k = \frac{r^N - 1}{r - 1}

    By doubling, :math:`S_{2k} = S_k (1 + r^k)` and :math:`S_{k+1} = 1 + r S_k`: for a ratio of at
    least zero nothing cancels, and one is no special case.

    >>> geometric(Decimal(2), 10), geometric(Decimal(1), 10), geometric(Decimal(3), 0)
    (Decimal('1023'), Decimal('10'), Decimal('0'))
    """
    total, power = Decimal(0), Decimal(1)
    for bit in f"{count:b}":
        total, power = total * (1 + power), power * power
        if bit == "1":
            total, power = 1 + ratio * total, power * ratio
    return total


def product(values: Sequence[Decimal]) -> Decimal:
    """Return the product of decimals; that of none is one."""
    return math.prod(values, start=Decimal(1))


def positive(name: str, value: Number) -> Decimal:
    """Return a number above zero, or raise ConfigError."""
    number = _number(name, value)
    if not (number > 0 and number.is_finite()):
        raise ConfigError(
            complain(f"{name} above 0 and finite", value, "pass a larger bound if it is 0")
        )
    return number


def not_negative(name: str, value: Number, *, finite: bool = True) -> Decimal:
    """Return a number of at least zero, or raise ConfigError."""
    number = _number(name, value)
    if not number >= 0 or (finite and not number.is_finite()):
        raise ConfigError(complain(f"{name} of at least 0", value, f"check {name}"))
    return number


def probability(name: str, value: Number) -> Decimal:
    """Return a number between zero and one, both excluded, or raise ConfigError."""
    number = _number(name, value)
    if not 0 < number < 1:
        raise ConfigError(complain(f"{name} between 0 and 1", value, "pass for example 0.05"))
    return number


def whole(name: str, value: Number) -> int:
    """Return a whole number of at least one, or raise ConfigError."""
    number = _number(name, value)
    if not (number >= 1 and number.is_finite() and number == int(number)):
        raise ConfigError(complain(f"{name} as a whole number >= 1", value, f"check {name}"))
    return int(number)


def per_layer(name: str, values: Numbers | Number) -> list[Decimal]:
    """Return one positive number for each layer: from a sequence, a tensor (d,) or a number."""
    if isinstance(values, Tensor):
        values = values.detach()
    values = values.tolist() if hasattr(values, "tolist") else values
    try:
        values = list(values)
    except TypeError:
        values = [values]
    if not values:
        raise ConfigError(complain(f"{name} for at least one layer", "none", "pass net.norms()"))
    return [positive(f"{name}[{l}]", value) for l, value in enumerate(values)]


def finite_or_not(name: str, value: Number) -> Decimal:
    """Return any number but NaN, infinite ones included, or raise ConfigError."""
    return _number(name, value)


def _number(name: str, value: Number) -> Decimal:
    if isinstance(value, Tensor):
        value = value.detach()
    try:
        # Unlike float(), a sum takes no text.
        number = Decimal(value if isinstance(value, int) else math.fsum([value]))
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise ConfigError(complain(f"{name} to be one number", repr(value), "pass one")) from error
    if number.is_nan():
        raise ConfigError(complain(f"{name} to be a number", "NaN", "check where it comes from"))
    return number
