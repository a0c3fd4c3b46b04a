"""Theorem 3.1: the Rademacher complexity of reweighted-RNN, and the generalisation gap."""

import math
from decimal import Decimal

from unfolded.bounds import decimals
from unfolded.bounds.decimals import bound, geometric, not_negative, per_layer, whole
from unfolded.errors import ConfigError, complain


@decimals.plain
def generalization_gap(rademacher, *, eta, delta, m) -> Decimal:
    r"""Return the bound (13) on the expected loss minus the training loss.

    .. math:: L_D(f) - L_S(f) \le 2\,\Re_S + 4\eta\sqrt{\frac{2\log(4/\delta)}{m}}

    The inequality has a probability of at least 1 − δ. ``rademacher`` ≥ 0 may be inf; ``eta``
    bounds the loss; ``m`` is the number of training sequences. Units: those of the loss.
    Raises ConfigError on a negative number, on m < 1 and unless 0 < δ < 1.
    Holds when the loss is 1-Lipschitz and at most η and the network's output is one number. An
    output of many units requires a vector contraction (Maurer, 2016), and the squared error of
    training is neither Lipschitz nor bounded.
    Source: (13), from Theorem 26.5 of Shalev-Shwartz and Ben-David (2014); printed for any δ > 0.

    >>> round(generalization_gap(0.1, eta=1.0, delta=0.05, m=8000), 6)
    0.332394
    """
    return _gap(not_negative("rademacher", rademacher, finite=False), eta, delta, m)


@decimals.log
def log_generalization_gap(log_rademacher, *, eta, delta, m) -> Decimal:
    """Return the logarithm of (13) from the logarithm of a complexity, which may be infinite.

    Raises ConfigError as generalization_gap does. Source: (13).

    >>> log_generalization_gap(2000.0, eta=1.0, delta=0.05, m=8000)
    2000.69314718056
    """
    return _gap(decimals.finite_or_not("log_rademacher", log_rademacher).exp(), eta, delta, m)


def _gap(rademacher, eta, delta, m) -> Decimal:
    eta, delta = not_negative("eta", eta), decimals.probability("delta", delta)
    return 2 * rademacher + 4 * eta * (2 * (4 / delta).ln() / whole("m", m)).sqrt()


@bound
def rademacher_reweighted(alpha, beta, *, m, n, h, T, B_x, h0_inf=0.0) -> Decimal:
    r"""Return the bound (14) on the Rademacher complexity of reweighted-RNN over T time steps.

    .. math:: \Re_S \le \sqrt{\frac{2(4dT\log 2 + \log n + \log h)}{m}}
        \sqrt{\Big(\sum_{l=1}^d \beta_l\Lambda_l\Big)^2
        \Big(\frac{\Lambda_0^T - 1}{\Lambda_0 - 1}\Big)^2 B_x^2
        + \Lambda_0^{2T}\|h_0\|_\infty^2}, \qquad \Lambda_l = \prod_{k=l+1}^d \alpha_k

    The fraction is T if :math:`\Lambda_0 = 1`. ``alpha``, ``beta`` (d,): bounds on
    :math:`\|W_l\|_{1,\infty}` and :math:`\|U_l\|_{1,\infty}`, see ``net.norms()``. ``m`` sequences,
    ``n`` measurements, ``h`` units. ``B_x`` in units of x, with :math:`\sum_i x_{t,i,k}^2 \le
    m B_x^2` for every t and k. Units: those of the code.
    Raises ConfigError on norms that are not positive or not one pair per layer, on sizes that are
    not whole numbers of at least one, and on a negative B_x or h0_inf.
    Holds for one unit of the code when Φ is odd, 1-Lipschitz, the same at all units of a layer and
    fixed before the data are seen. The Φ of the network is not fixed: it depends on ħ = G h_{t−1},
    hence on weights and data, and its thresholds are learned for each unit. For any λ1, λ2 > 0
    the complexity can exceed this value if m is large.
    Source: (14), (49).

    >>> round(rademacher_reweighted([0.9, 0.8], [1, 1], m=8000, n=51, h=1024, T=20, B_x=1.0), 6)
    1.120056
    >>> round(rademacher_reweighted.log([10] * 20, [10] * 20, m=1, n=9, h=9, T=1000, B_x=1), 3)
    46057.615
    """
    alpha, sum_l, lambda_0 = layers(alpha, beta)
    T = whole("T", T)
    inputs = sum_l * geometric(lambda_0, T) * not_negative("B_x", B_x)
    start = lambda_0**T * not_negative("h0_inf", h0_inf)
    return two_roots(len(alpha) * T, m, n, h, inputs, start)


@bound
def rademacher_reweighted_one_layer(alpha1, beta1, *, m, n, h, T, B_x) -> Decimal:
    r"""Return (55), the bound (14) for one layer and h_0 = 0.

    .. math:: \Re_S \le \sqrt{\frac{4T\log 2 + \log n + \log h}{m}}\;
        \sqrt2\,\beta_1 \frac{\alpha_1^T - 1}{\alpha_1 - 1} B_x

    Arguments, units, errors and assumptions are those of rademacher_reweighted. The bound grows
    like √T only for α1 < 1, like T√T for α1 = 1, where the fraction is T, and exponentially above.
    Source: (55), with the square roots interpreted so that (55) follows from (14).

    >>> round(rademacher_reweighted_one_layer(0.9, 1, m=8000, n=51, h=1024, T=20, B_x=1.0), 6)
    1.131045
    """
    return rademacher_reweighted.formula(alpha1, beta1, m=m, n=n, h=h, T=T, B_x=B_x)


def layers(alpha, beta) -> tuple[list[Decimal], Decimal, Decimal]:
    r"""Return α (d,), :math:`\sum_l \beta_l \Lambda_l` and Λ_0, or raise ConfigError."""
    alpha, beta = per_layer("alpha", alpha), per_layer("beta", beta)
    if len(alpha) != len(beta):
        got = f"{len(alpha)} and {len(beta)}"
        raise ConfigError(complain("as many alphas as betas", got, "pass one of each a layer"))
    terms = (b * math.prod(alpha[l + 1 :]) for l, b in enumerate(beta))
    return alpha, sum(terms, Decimal(0)), math.prod(alpha)


def two_roots(count: int, m, n, h, *parts: Decimal) -> Decimal:
    r"""Return :math:`\sqrt{2(4k\log2 + \log n + \log h)/m}\,\sqrt{\sum_i p_i^2}` for k layers."""
    m, n, h = (Decimal(whole(*pair)) for pair in (("m", m), ("n", n), ("h", h)))
    squared_factor = 2 * (4 * count * Decimal(2).ln() + n.ln() + h.ln()) / m
    return (squared_factor * sum(part * part for part in parts)).sqrt()
