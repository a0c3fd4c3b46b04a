"""The bounds of FastRNN that App. D.1 compares with: (51), its short form, and (52) as printed."""

from decimal import Decimal

from unfolded.bounds.decimals import Number, geometric, log, not_negative, plain, positive, whole
from unfolded.errors import ConfigError, complain

# The limit on a is met by a float that was rounded up.
_SLACK = Decimal("1e-12")


def rademacher_fastrnn(
    alpha_F: Number, beta_F: Number, *, a: Number, m: Number, T: Number, B: Number
) -> float:
    r"""Return the bound (51) on the Rademacher complexity of FastRNN.

    .. math:: \Re_S \le \frac{2a}{\sqrt m} B\beta_F
        \frac{(1 + a(2\alpha_F - 1))^{T+1} - 1}{a(2\alpha_F - 1)}

    where the fraction is T + 1 if :math:`2\alpha_F = 1`. ``alpha_F``, ``beta_F``: bounds on the
    Frobenius norms of W and U. ``a`` in (0, 1]: the weight of the new state, with a + b = 1.
    ``B`` in units of x bounds :math:`\|x_t\|_2`. Units: those of the state.
    Raises ConfigError on norms that are not positive, on an a outside (0, 1], on sizes that are
    not whole numbers of at least one, and on a negative B.
    Holds under the assumptions of its source, quoted here without its proof. In T it grows
    exponentially for 2 α_F > 1 only; for 2 α_F = 1 it is linear, and below it is bounded.
    Source: (51), from Kusupati et al. (2018).

    >>> round(rademacher_fastrnn(1.0, 1.0, a=0.005, m=10_000, T=100, B=1.0), 6)
    0.013098
    """
    return plain(_exact, alpha_F, beta_F, a, m, T, B)


def log_rademacher_fastrnn(
    alpha_F: Number, beta_F: Number, *, a: Number, m: Number, T: Number, B: Number
) -> float:
    """Return the natural logarithm of (51), see rademacher_fastrnn.

    >>> round(log_rademacher_fastrnn(10, 1, a=1, m=1, T=1000, B=1), 3)
    2996.477
    """
    return log(_exact, alpha_F, beta_F, a, m, T, B)


def rademacher_fastrnn_small_a(
    alpha_F: Number, beta_F: Number, *, a: Number, m: Number, T: Number, B: Number
) -> float:
    r"""Return the short form of (51) for small a, as its source has it.

    .. math:: \Re_S \le \frac{2 B\beta_F}{\sqrt m}\,
        \frac{2a(2\alpha_F - 1)(T+1)}{2\alpha_F - 1} = \frac{4a(T+1)B\beta_F}{\sqrt m}

    Arguments, units and errors as in rademacher_fastrnn.
    Holds when :math:`a \le 1/(2(2\alpha_F - 1)T)`, or for any a if :math:`2\alpha_F \le 1`: it
    then lies above (51), at most twice as high if :math:`2\alpha_F \ge 1`. ConfigError is raised
    elsewhere. At that limit on a it is :math:`2(1 + 1/T)B\beta_F/((2\alpha_F - 1)\sqrt m)`, which
    does not grow with T.
    Source: the supplement of Kusupati et al. (2018), where (52) is quoted from.

    >>> round(rademacher_fastrnn_small_a(1.0, 1.0, a=0.005, m=10_000, T=100, B=1.0), 6)
    0.0202
    """
    return plain(_short, alpha_F, beta_F, a, m, T, B)


def log_rademacher_fastrnn_small_a(
    alpha_F: Number, beta_F: Number, *, a: Number, m: Number, T: Number, B: Number
) -> float:
    """Return the natural logarithm of the short form, see rademacher_fastrnn_small_a.

    >>> round(log_rademacher_fastrnn_small_a(0.5, 1e308, a=1, m=1, T=1000, B=1e308), 3)
    1426.687
    """
    return log(_short, alpha_F, beta_F, a, m, T, B)


def rademacher_fastrnn_printed(
    alpha_F: Number, beta_F: Number, *, a: Number, m: Number, T: Number, B: Number
) -> float:
    r"""Return (52) as it is printed, to be compared; it is no upper bound.

    .. math:: \frac{2a}{\sqrt m} B\beta_F\,
        \frac{2a(2\alpha_F - 1)(T+1) - 1}{2\alpha_F - 1}

    Against its source it has a second factor a and a −1 too many. Wherever its assumption
    :math:`a \le 1/(2(2\alpha_F - 1)T)` holds it lies below (51); for
    :math:`a < 1/(2(2\alpha_F - 1)(T+1))` it is negative. Use rademacher_fastrnn_small_a.
    Arguments, units and errors as there, and ConfigError unless :math:`2\alpha_F > 1`.
    Source: (52).

    >>> round(rademacher_fastrnn_printed(1.0, 1.0, a=0.005, m=10_000, T=100, B=1.0), 9)
    1e-06
    """
    return plain(_printed, alpha_F, beta_F, a, m, T, B)


def log_rademacher_fastrnn_printed(
    alpha_F: Number, beta_F: Number, *, a: Number, m: Number, T: Number, B: Number
) -> float:
    """Return the natural logarithm of the printed (52): NaN where that is negative.

    >>> log_rademacher_fastrnn_printed(1.0, 1.0, a=0.001, m=10_000, T=100, B=1.0)
    nan
    """
    return log(_printed, alpha_F, beta_F, a, m, T, B)


def _front(beta_F, a, m, B) -> tuple[Decimal, Decimal]:
    """Return a and 2 a B β_F / √m."""
    beta_F, a, m = positive("beta_F", beta_F), positive("a", a), whole("m", m)
    if a > 1:
        raise ConfigError(complain("a at most 1", a, "pass the sigmoid of the weight"))
    return a, 2 * a * not_negative("B", B) * beta_F / Decimal(m).sqrt()


def _exact(alpha_F, beta_F, a, m, T, B) -> Decimal:
    excess, T = 2 * positive("alpha_F", alpha_F) - 1, whole("T", T)
    a, front = _front(beta_F, a, m, B)
    return front * geometric(1 + a * excess, T + 1)


def _short(alpha_F, beta_F, a, m, T, B) -> Decimal:
    excess, T = 2 * positive("alpha_F", alpha_F) - 1, whole("T", T)
    a, front = _front(beta_F, a, m, B)
    _refuse_large(a, excess, T)
    return 2 * front * (T + 1)


def _printed(alpha_F, beta_F, a, m, T, B) -> Decimal:
    excess, T = 2 * positive("alpha_F", alpha_F) - 1, whole("T", T)
    if excess <= 0:
        do = "use rademacher_fastrnn, which has no such limit"
        raise ConfigError(complain("alpha_F above 1/2", float(alpha_F), do))
    a, front = _front(beta_F, a, m, B)
    _refuse_large(a, excess, T)
    return front * (2 * a * excess * (T + 1) - 1) / excess


def _refuse_large(a: Decimal, excess: Decimal, T: int) -> None:
    if 2 * a * excess * T > 1 + _SLACK:
        limit = float(1 / (2 * excess * T))
        raise ConfigError(complain(f"a at most {limit:g}", float(a), "use rademacher_fastrnn"))
