"""The value that no code exceeds: a Rademacher complexity above it says nothing."""

from decimal import Decimal

from unfolded.bounds.decimals import Number, Numbers, log, not_negative, per_layer, plain, whole
from unfolded.bounds.theorem import layers


def largest_code(
    alpha: Numbers,
    beta: Numbers,
    *,
    gamma: Number,
    T: Number,
    x_inf: Number,
    h0_inf: Number = 0.0,
) -> float:
    r"""Return what no unit of :math:`h_T^{(d)}` can exceed in reweighted-RNN, thresholds or not.

    .. math:: |h_{T,k}^{(d)}| \le e_T, \qquad
        e_t^{(l)} = \max\big(\alpha_l e_t^{(l-1)} + \beta_l \|x\|_\infty,\ \gamma e_{t-1}\big)

    with :math:`e_0 = \|h_0\|_\infty`, :math:`e_t^{(0)} = e_{t-1}` and :math:`e_t = e_t^{(d)}`,
    since Φ is jointly 1-Lipschitz in (u, ħ) and zero at zero. No complexity is above it either:
    :math:`\Re_S \le e_T`, so a bound that is larger says nothing.
    ``alpha``, ``beta`` (d,) and ``gamma``: bounds on the row norms of W_l, U_l and G. ``x_inf`` in
    units of x: the largest coordinate of any x_t. Units: those of the code.
    Raises ConfigError on norms that are not positive or not one pair a layer, on T < 1, and on a
    negative gamma, x_inf or h0_inf.
    Source: this companion, from the corollary on the proximal operator's page.

    >>> round(largest_code([0.5, 0.5], [1.0, 1.0], gamma=1.0, T=20, x_inf=1.0), 6)
    2.0
    """
    return plain(_largest, alpha, beta, gamma, T, x_inf, h0_inf)


def log_largest_code(
    alpha: Numbers,
    beta: Numbers,
    *,
    gamma: Number,
    T: Number,
    x_inf: Number,
    h0_inf: Number = 0.0,
) -> float:
    """Return the natural logarithm of that value, see largest_code; -inf where it is zero.

    >>> round(log_largest_code([10] * 20, [10] * 20, gamma=1, T=1000, x_inf=1), 3)
    46051.807
    """
    return log(_largest, alpha, beta, gamma, T, x_inf, h0_inf)


def _largest(alpha, beta, gamma, T, x_inf, h0_inf) -> Decimal:
    alpha, beta = layers(alpha, beta)[0], per_layer("beta", beta)
    gamma, x_inf, e = (
        not_negative(*pair) for pair in (("gamma", gamma), ("x_inf", x_inf), ("h0_inf", h0_inf))
    )
    for _ in range(whole("T", T)):
        before = gamma * e
        for a, b in zip(alpha, beta, strict=True):
            e = max(a * e + b * x_inf, before)
    return e
