"""Corollaries 3.1.1 to 3.1.3: the complexity of one time step of three unfolded networks."""

from decimal import Decimal

from unfolded.bounds.decimals import bound, geometric, not_negative, positive, whole
from unfolded.bounds.theorem import layers, two_roots


@bound
def rademacher_step_reweighted(alpha, beta, *, m, n, h, B_x, B_h) -> Decimal:
    r"""Return the bound (15) on the complexity of one time step of reweighted-RNN.

    .. math:: \Re_S \le \sqrt{\frac{2(4d\log 2 + \log n + \log h)}{m}}
        \sqrt{\Big(\sum_{l=1}^d \beta_l\Lambda_l\Big)^2 B_x^2 + \Lambda_0^2 B_h^2},
        \qquad \Lambda_l = \prod_{k=l+1}^d \alpha_k

    ``alpha``, ``beta`` (d,): bounds on the norms of ``net.norms()``. ``B_x`` in units of x and
    ``B_h`` in units of the code: root mean squares over the m samples of the largest coordinate of
    x_t and of h_{t−1}. Units: those of the code.
    Raises ConfigError on norms that are not positive or not one pair per layer, on sizes that are
    not whole numbers of at least one, and on a negative B_x or B_h.
    Holds when h_{t−1} is data and Φ is odd, 1-Lipschitz, the same at all units of a layer and
    fixed. The Φ of the network depends on ħ = G h_{t−1} and has learned thresholds.
    Source: (15).

    >>> sizes = dict(m=8000, n=51, h=1024, B_x=1.0, B_h=1.0)
    >>> round(rademacher_step_reweighted([0.9, 0.8], [1.0, 1.0], **sizes), 6)
    0.124167
    """
    alpha, sum_l, lambda_0 = layers(alpha, beta)
    inputs = sum_l * not_negative("B_x", B_x)
    return two_roots(len(alpha), m, n, h, inputs, lambda_0 * not_negative("B_h", B_h))


@bound
def rademacher_step_l1_l1(alpha1, alpha2, beta1, *, d, m, n, h, B_x, B_h) -> Decimal:
    r"""Return the bound (16) on the complexity of one time step of ℓ1-ℓ1-RNN.

    .. math:: \Re_S \le \sqrt{\frac{2(4d\log 2 + \log n + \log h)}{m}}
        \sqrt{\beta_1^2\Big(\frac{\alpha_2^d - 1}{\alpha_2 - 1}\Big)^2 B_x^2
        + \alpha_1^2\alpha_2^{2(d-1)} B_h^2}

    The fraction is d if α2 = 1. This is (15) with α2 and β1 in all upper layers; units, errors and
    assumptions are the same. ``alpha2`` has no effect at depth one.
    Source: (16).

    >>> sizes = dict(m=8000, n=51, h=1024, B_x=1.0, B_h=1.0)
    >>> round(rademacher_step_l1_l1(0.9, 0.8, 1.0, d=2, **sizes), 6)
    0.124167
    """
    return _step_bound(alpha1, alpha2, beta1, Decimal(0), d, m, n, h, B_x, B_h)


@bound
def rademacher_step_sista(alpha1, alpha2, beta1, beta2, *, d, m, n, h, B_x, B_h) -> Decimal:
    r"""Return the bound (17) on the complexity of one time step of SISTA-RNN.

    .. math:: \Re_S \le \sqrt{\frac{2(4d\log 2 + \log n + \log h)}{m}}
        \sqrt{\beta_1^2\Big(\frac{\alpha_2^d - 1}{\alpha_2 - 1}\Big)^2 B_x^2
        + \Big(\alpha_1\alpha_2^{d-1}
        + \beta_2\frac{\alpha_2^{d-1} - 1}{\alpha_2 - 1}\Big)^2 B_h^2}

    The fractions are d and d − 1 if α2 = 1. ``beta2`` bounds the link of the upper layers to
    h_{t−1}, called U_2 in (35); all other arguments, units and errors are as in (16).
    Holds when h_{t−1} is data and the threshold is fixed and the same for all units. The printed
    proof, applied to three terms per layer, gives (6d − 2) log 2 in place of 4d log 2. The soft
    threshold is odd, so another proof without that sum over signs gives the printed constant.
    Source: (17).

    >>> sizes = dict(m=8000, n=51, h=1024, B_x=1.0, B_h=1.0)
    >>> round(rademacher_step_sista(0.9, 0.8, 1.0, 0.1, d=2, **sizes), 6)
    0.126685
    >>> round(rademacher_step_sista.log(1, 1e200, 1, 1, d=3, m=1, n=9, h=9, B_x=1, B_h=1), 3)
    922.998
    """
    return _step_bound(alpha1, alpha2, beta1, positive("beta2", beta2), d, m, n, h, B_x, B_h)


def _step_bound(alpha1, alpha2, beta1, beta2, d, m, n, h, B_x, B_h) -> Decimal:
    alpha1, alpha2 = positive("alpha1", alpha1), positive("alpha2", alpha2)
    beta1, d = positive("beta1", beta1), whole("d", d)
    inputs = beta1 * geometric(alpha2, d) * not_negative("B_x", B_x)
    recurrent_norm = alpha1 * alpha2 ** (d - 1) + beta2 * geometric(alpha2, d - 1)
    return two_roots(d, m, n, h, inputs, recurrent_norm * not_negative("B_h", B_h))
