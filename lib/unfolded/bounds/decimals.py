"""Arithmetic without overflow or cancellation, and checks of the arguments of the bounds.

The formulas are evaluated as printed, in decimals with eighty digits. Their exponent range
covers every bound, and the conversion of a float to a decimal is exact.
"""

import decimal
import functools
import inspect
import math
from collections.abc import Callable, Sequence
from decimal import Decimal

from torch import Tensor

from unfolded.errors import ConfigError, complain

Number = float | Tensor
Numbers = Sequence[float] | Tensor
Formula = Callable[..., Decimal]
Bound = Callable[..., float]

_CONTEXT = decimal.Context(prec=80, Emin=decimal.MIN_EMIN, Emax=decimal.MAX_EMAX, traps=[])
# The argument types of formulas without annotations; arguments not listed here are numbers.
_TYPES = {"alpha": Numbers, "beta": Numbers, "width": Numbers | Number}


def bound(formula: Formula) -> Bound:
    """Define a bound f by its formula: f returns the value, f.log the natural logarithm.

    The formula computes in decimals; see :func:`plain` and :func:`log`. Both functions have the
    signature of the formula. Use ``f.formula`` inside other formulas.

    >>> @bound
    ... def power(base, *, exponent) -> Decimal:
    ...     return Decimal(base) ** exponent
    >>> power(10, exponent=1000), round(power.log(10, exponent=1000), 3), power.log.__name__
    (inf, 2302.585, 'log_power')
    """
    function, function.log, name = plain(formula), log(formula), formula.__name__
    function.log.__name__ = function.log.__qualname__ = f"log_{name}"
    function.log.__doc__ = f"Return the natural logarithm of what `{name}` returns, -inf for zero."
    return function


def plain(formula: Formula) -> Bound:
    """Return a function for the value of a formula; the value is inf if a float overflows."""
    return _evaluation(formula, float)


def log(formula: Formula) -> Bound:
    """Return a function for the natural logarithm of a formula: -inf for 0, NaN below 0."""
    return _evaluation(formula, lambda value: float(value.ln()) if value >= 0 else math.nan)


def _evaluation(formula: Formula, convert: Callable[[Decimal], float]) -> Bound:
    @functools.wraps(formula)
    def function(*arguments, **options):
        with decimal.localcontext(_CONTEXT):
            return convert(formula(*arguments, **options))

    signature = inspect.signature(formula)
    types = {name: _TYPES.get(name, Number) for name in signature.parameters}
    types |= formula.__annotations__ | {"return": float}
    parameters = [p.replace(annotation=types[p.name]) for p in signature.parameters.values()]
    function.__signature__ = signature.replace(parameters=parameters, return_annotation=float)
    function.__annotations__, function.formula = types, formula
    return function


def geometric(ratio: Decimal, count: int) -> Decimal:
    r"""Return the sum of a geometric series, also for a ratio of one.

    .. math:: \sum_{k=0}^{N-1} r^k = \frac{r^N - 1}{r - 1}

    The sum is computed by doubling, :math:`S_{2k} = S_k (1 + r^k)` and :math:`S_{k+1} = 1 + r S_k`.
    There is no cancellation for a ratio of at least zero.

    >>> geometric(Decimal(2), 10), geometric(Decimal(1), 10), geometric(Decimal(3), 0)
    (Decimal('1023'), Decimal('10'), Decimal('0'))
    """
    total, power = Decimal(0), Decimal(1)
    for bit in f"{count:b}":
        total, power = total * (1 + power), power * power
        if bit == "1":
            total, power = 1 + ratio * total, power * ratio
    return total


def positive(name: str, value: Number) -> Decimal:
    """Return a number above zero, or raise ConfigError."""
    do = "pass a larger bound if it is 0"
    return _within(name, value, lambda v: 0 < v < math.inf, "above 0 and finite", do)


def not_negative(name: str, value: Number, *, finite: bool = True) -> Decimal:
    """Return a number of at least zero, or raise ConfigError."""
    return _within(name, value, lambda v: v >= 0 and (v < math.inf or not finite), "of at least 0")


def probability(name: str, value: Number) -> Decimal:
    """Return a number between zero and one, both excluded, or raise ConfigError."""
    return _within(name, value, lambda v: 0 < v < 1, "between 0 and 1", "pass for example 0.05")


def whole(name: str, value: Number) -> int:
    """Return a whole number of at least one, or raise ConfigError."""
    return int(
        _within(name, value, lambda v: 1 <= v < math.inf and v == int(v), "as a whole number >= 1")
    )


def _within(name, value, is_valid: Callable[[Decimal], bool], want: str, do: str = "") -> Decimal:
    number = finite_or_not(name, value)
    if not is_valid(number):
        raise ConfigError(complain(f"{name} {want}", value, do or f"check {name}"))
    return number


def per_layer(name: str, values: Numbers | Number) -> list[Decimal]:
    """Return one positive number for each layer: from a sequence, a tensor (d,) or a number."""
    values = values.tolist() if hasattr(values, "tolist") else values
    values = values if isinstance(values, Sequence) else [values]
    if not values:
        raise ConfigError(complain(f"{name} for at least one layer", "none", "pass net.norms()"))
    return [positive(f"{name}[{l}]", value) for l, value in enumerate(values)]


def finite_or_not(name: str, value: Number) -> Decimal:
    """Return a number, which may be infinite but not NaN, or raise ConfigError."""
    value = value.detach() if isinstance(value, Tensor) else value
    try:
        # math.fsum rejects text, which float() would convert.
        number = Decimal(value if isinstance(value, int) else math.fsum([value]))
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise ConfigError(complain(f"{name} to be one number", repr(value), "pass one")) from error
    if number.is_nan():
        raise ConfigError(complain(f"{name} to be a number", "NaN", "check where it comes from"))
    return number
