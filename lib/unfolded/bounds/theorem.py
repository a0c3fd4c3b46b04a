"""Theorem 3.1: the complexity of reweighted-RNN over a whole sequence, and the gap it bounds."""

from decimal import Decimal

from unfolded.bounds.decimals import (
    Number,
    Numbers,
    finite_or_not,
    geometric,
    log,
    not_negative,
    per_layer,
    plain,
    probability,
    product,
    whole,
)
from unfolded.errors import ConfigError, complain


def generalization_gap(rademacher: Number, *, eta: Number, delta: Number, m: Number) -> float:
    r"""Return what (13) adds to the training loss, with probability at least 1 − δ.

    .. math:: L_D(f) - L_S(f) \le 2\,\Re_S + 4\eta\sqrt{\frac{2\log(4/\delta)}{m}}

    ``rademacher`` ≥ 0 may be inf; ``eta`` bounds the loss; ``m`` counts training sequences.
    Units: those of the loss.
    Raises ConfigError on a negative number, on m < 1 and unless 0 < δ < 1.
    Holds when the loss is 1-Lipschitz and at most η and the network's output is one number. For an
    output of many units a vector contraction is needed (Maurer, 2016), and the squared error of
    training is neither Lipschitz nor bounded.
    Source: (13), from Theorem 26.5 of Shalev-Shwartz and Ben-David (2014); any δ > 0 in print.

    >>> round(generalization_gap(0.1, eta=1.0, delta=0.05, m=8000), 6)
    0.332394
    """
    return plain(_gap, not_negative("rademacher", rademacher, finite=False), eta, delta, m)


def log_generalization_gap(
    log_rademacher: Number, *, eta: Number, delta: Number, m: Number
) -> float:
    """Return the logarithm of (13) from the logarithm of a complexity, -inf and inf included.

    Raises ConfigError as generalization_gap does. Source: (13).

    >>> log_generalization_gap(2000.0, eta=1.0, delta=0.05, m=8000)
    2000.69314718056
    """
    exponent = finite_or_not("log_rademacher", log_rademacher)
    return log(lambda *rest: _gap(exponent.exp(), *rest), eta, delta, m)


def rademacher_reweighted(
    alpha: Numbers,
    beta: Numbers,
    *,
    m: Number,
    n: Number,
    h: Number,
    T: Number,
    B_x: Number,
    h0_inf: Number = 0.0,
) -> float:
    r"""Return the bound (14) on the Rademacher complexity of reweighted-RNN over T time steps.

    .. math:: \Re_S \le \sqrt{\frac{2(4dT\log 2 + \log n + \log h)}{m}}
        \sqrt{\Big(\sum_{l=1}^d \beta_l\Lambda_l\Big)^2
        \Big(\frac{\Lambda_0^T - 1}{\Lambda_0 - 1}\Big)^2 B_x^2
        + \Lambda_0^{2T}\|h_0\|_\infty^2}, \qquad \Lambda_l = \prod_{k=l+1}^d \alpha_k

    where the fraction is T if :math:`\Lambda_0 = 1`. ``alpha``, ``beta`` (d,): bounds on
    :math:`\|W_l\|_{1,\infty}` and :math:`\|U_l\|_{1,\infty}`, see ``net.norms()``. ``m`` sequences,
    ``n`` measurements, ``h`` units. ``B_x`` in units of x, with :math:`\sum_i x_{t,i,k}^2 \le
    m B_x^2` for every t and k. Units: those of the code.
    Raises ConfigError on norms that are not positive or not one pair a layer, on sizes that are
    not whole numbers of at least one, and on a negative B_x or h0_inf.
    Holds for one unit of the code when Φ is odd and 1-Lipschitz, the same at all units of a layer,
    and fixed before the data are seen. The network's Φ is not: it depends on ħ = G h_{t−1}, so on
    weights and data, and its thresholds are learned unit by unit. For any λ1, λ2 > 0 the
    complexity can exceed this value once m is large.
    Source: (14), (49).

    >>> round(rademacher_reweighted([0.9, 0.8], [1, 1], m=8000, n=51, h=1024, T=20, B_x=1.0), 6)
    1.120056
    """
    return plain(_sequence, alpha, beta, m, n, h, T, B_x, h0_inf)


def log_rademacher_reweighted(
    alpha: Numbers,
    beta: Numbers,
    *,
    m: Number,
    n: Number,
    h: Number,
    T: Number,
    B_x: Number,
    h0_inf: Number = 0.0,
) -> float:
    """Return the natural logarithm of (14), see rademacher_reweighted; -inf where it is zero.

    >>> round(log_rademacher_reweighted([10] * 20, [10] * 20, m=1, n=9, h=9, T=1000, B_x=1), 3)
    46057.615
    """
    return log(_sequence, alpha, beta, m, n, h, T, B_x, h0_inf)


def rademacher_reweighted_one_layer(
    alpha1: Number, beta1: Number, *, m: Number, n: Number, h: Number, T: Number, B_x: Number
) -> float:
    r"""Return (55), the bound (14) for one layer and h_0 = 0.

    .. math:: \Re_S \le \sqrt{\frac{4T\log 2 + \log n + \log h}{m}}\;
        \sqrt2\,\beta_1 \frac{\alpha_1^T - 1}{\alpha_1 - 1} B_x

    Arguments, units and errors as in rademacher_reweighted, and it holds when that does. It grows
    like √T only for α1 < 1; like T√T at α1 = 1, where the fraction is T; and exponentially above.
    Source: (55); roots read so that it follows from (14).

    >>> round(rademacher_reweighted_one_layer(0.9, 1, m=8000, n=51, h=1024, T=20, B_x=1.0), 6)
    1.131045
    """
    return plain(_sequence, alpha1, beta1, m, n, h, T, B_x, 0)


def log_rademacher_reweighted_one_layer(
    alpha1: Number, beta1: Number, *, m: Number, n: Number, h: Number, T: Number, B_x: Number
) -> float:
    """Return the natural logarithm of (55), see rademacher_reweighted_one_layer.

    >>> round(log_rademacher_reweighted_one_layer(10, 1, m=1, n=9, h=9, T=1000, B_x=1), 3)
    2304.699
    """
    return log(_sequence, alpha1, beta1, m, n, h, T, B_x, 0)


def layers(alpha: Numbers, beta: Numbers) -> tuple[list[Decimal], Decimal, Decimal]:
    r"""Return α (d,), :math:`\sum_l \beta_l \Lambda_l` and Λ_0, or raise ConfigError."""
    alpha, beta = per_layer("alpha", alpha), per_layer("beta", beta)
    if len(alpha) != len(beta):
        got = f"{len(alpha)} and {len(beta)}"
        raise ConfigError(complain("as many alphas as betas", got, "pass one of each a layer"))
    terms = (b * product(alpha[l + 1 :]) for l, b in enumerate(beta))
    return alpha, sum(terms, Decimal(0)), product(alpha)


def two_roots(count: int, m: Number, n: Number, h: Number, *parts: Decimal) -> Decimal:
    r"""Return :math:`\sqrt{2(4k\log2 + \log n + \log h)/m}\,\sqrt{\sum_i p_i^2}`, k layers deep."""
    m, n, h = (Decimal(whole(*pair)) for pair in (("m", m), ("n", n), ("h", h)))
    first = 2 * (4 * count * Decimal(2).ln() + n.ln() + h.ln()) / m
    return (first * sum(part * part for part in parts)).sqrt()


def _sequence(alpha, beta, m, n, h, T, B_x, h0_inf) -> Decimal:
    alpha, sum_l, lambda_0 = layers(alpha, beta)
    T = whole("T", T)
    inputs = sum_l * geometric(lambda_0, T) * not_negative("B_x", B_x)
    start = lambda_0**T * not_negative("h0_inf", h0_inf)
    return two_roots(len(alpha) * T, m, n, h, inputs, start)


def _gap(rademacher, eta, delta, m) -> Decimal:
    eta, delta, m = not_negative("eta", eta), probability("delta", delta), whole("m", m)
    return 2 * rademacher + 4 * eta * (2 * (4 / delta).ln() / m).sqrt()
