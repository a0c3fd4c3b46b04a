"""Two forms of the bound (51) of FastRNN for small a: that of its source, and (52) as printed."""

from decimal import Decimal

from unfolded.bounds.decimals import bound
from unfolded.bounds.related import fastrnn_terms
from unfolded.errors import ConfigError, complain

# Rounding of a float may exceed the limit on a by this factor.
_ROUNDING = Decimal("1e-12")


@bound
def short_form(alpha_F, beta_F, *, a, m, T, B) -> Decimal:
    r"""Return the short form of (51) for small a, as printed in its source.

    .. math:: \Re_S \le \frac{2 B\beta_F}{\sqrt m}\,
        \frac{2a(2\alpha_F - 1)(T+1)}{2\alpha_F - 1} = \frac{4a(T+1)B\beta_F}{\sqrt m}

    Arguments, units and errors are those of :func:`unfolded.bounds.rademacher_fastrnn`.
    Holds when :math:`a \le 1/(2(2\alpha_F - 1)T)`, or for any a if :math:`2\alpha_F \le 1`;
    otherwise ConfigError is raised. It is then at least (51), and at most twice (51) if
    :math:`2\alpha_F \ge 1`. At the limit on a it is
    :math:`2(1 + 1/T)B\beta_F/((2\alpha_F - 1)\sqrt m)`, which does not grow with T.
    Source: the supplement of Kusupati et al. (2018), from which (52) is quoted.

    >>> round(short_form(1.0, 1.0, a=0.005, m=10_000, T=100, B=1.0), 6)
    0.0202
    """
    excess, a, T, factor = fastrnn_terms(alpha_F, beta_F, a, m, T, B)
    _check_small(a, excess, T)
    return 2 * factor * (T + 1)


@bound
def printed_form(alpha_F, beta_F, *, a, m, T, B) -> Decimal:
    r"""Return (52) as printed, for comparison only: it is not an upper bound.

    .. math:: \frac{2a}{\sqrt m} B\beta_F\,
        \frac{2a(2\alpha_F - 1)(T+1) - 1}{2\alpha_F - 1}

    Compared with its source it has a second factor a and an additional −1. It is less than (51)
    wherever its assumption :math:`a \le 1/(2(2\alpha_F - 1)T)` holds, and negative for
    :math:`a < 1/(2(2\alpha_F - 1)(T+1))`; its logarithm is then NaN. Use
    short_form, which has the same arguments, units and errors.
    Raises ConfigError also unless :math:`2\alpha_F > 1`.
    Source: (52).

    >>> round(printed_form(1.0, 1.0, a=0.005, m=10_000, T=100, B=1.0), 9)
    1e-06
    >>> printed_form.log(1.0, 1.0, a=0.001, m=10_000, T=100, B=1.0)
    nan
    """
    excess, a, T, factor = fastrnn_terms(alpha_F, beta_F, a, m, T, B)
    if excess <= 0:
        do = "use rademacher_fastrnn, which has no such limit"
        raise ConfigError(complain("alpha_F above 1/2", float(alpha_F), do))
    _check_small(a, excess, T)
    return factor * (2 * a * excess * (T + 1) - 1) / excess


def _check_small(a: Decimal, excess: Decimal, T: int) -> None:
    if 2 * a * excess * T > 1 + _ROUNDING:
        limit = float(1 / (2 * excess * T))
        raise ConfigError(complain(f"a at most {limit:g}", float(a), "use rademacher_fastrnn"))
