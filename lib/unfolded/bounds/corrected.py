"""A bound of this companion's own, which holds for the network as it is: ħ and all that is learned.

Statement and proof are on the page "A bound that holds"; here are its numbers.
"""

from decimal import Decimal

from unfolded.bounds.decimals import (
    Number,
    Numbers,
    geometric,
    log,
    not_negative,
    per_layer,
    plain,
    product,
    whole,
)
from unfolded.bounds.theorem import layers
from unfolded.errors import ConfigError, complain


def rademacher_repaired(
    alpha: Numbers,
    beta: Numbers,
    *,
    gamma: Number,
    m: Number,
    n: Number,
    T: Number,
    B_x: Number,
    h0_inf: Number = 0.0,
    width: Numbers | Number = 0.0,
) -> float:
    r"""Return a bound on the Rademacher complexity of reweighted-RNN over T time steps.

    With thresholds that are fixed and shared by the units of a layer (``width=0``),

    .. math:: \Re_S \le \frac{1}{\sqrt m}\Big(\sum_{l=1}^d \beta_l\Lambda_l\,
        \frac{\kappa^T - 1}{\kappa - 1}\, B_x\sqrt{2\log 2n} + \kappa^T \|h_0\|_\infty\Big),
        \qquad \kappa = \Lambda_0 + \gamma\sum_{l=1}^d \Lambda_l,
        \quad \Lambda_l = \prod_{k=l+1}^d \alpha_k

    where the fraction is T if κ = 1. In general :math:`\Re_S \le r_T/\sqrt m`, with
    :math:`r_0 = \|h_0\|_\infty`, :math:`r_t^{(0)} = r_{t-1}`, :math:`r_t = r_t^{(d)}` and

    .. math:: r_t^{(l)} = \Big(\sqrt{\alpha_l r_t^{(l-1)} + \beta_l B_x\sqrt{2\log 2n}}
        + \sqrt{\omega_l/\sqrt2}\Big)^2 + \gamma\, r_{t-1}

    ``alpha``, ``beta`` (d,): bounds on :math:`\|W_l\|_{1,\infty}` and :math:`\|U_l\|_{1,\infty}`,
    see ``net.norms()``; ``gamma`` on :math:`\|G\|_{1,\infty}`; ``h0_inf`` on
    :math:`\|h_0\|_\infty`, learned or not. ``width`` ω, one for each layer or one for all: the
    lengths of the intervals that hold the layer's thresholds τ1 and τ2, added. ``m`` sequences,
    ``n`` measurements. ``B_x`` as in rademacher_reweighted. Units: those of the code.
    Raises ConfigError on norms α, β that are not positive or not one pair a layer, on sizes that
    are not whole numbers of at least one, and on a negative gamma, B_x, h0_inf or width.
    Holds for one unit of the code over all networks whose weights lie in these balls, chosen
    before the data are seen; W_l, U_l, G, h_0 and the thresholds may all be learned. Where the
    sensing matrix is learned too, pass frames as data: B_s for B_x, n_0 for n, and bounds on
    :math:`\|U_l A\|_{1,\infty}` for beta. With ``gamma=0`` and ``width=0`` it holds for any
    odd, 1-Lipschitz activation that is fixed and shared by the units of a layer.
    A width takes time in proportion to d T.
    Source: this companion; (14) is its model.

    >>> sizes = dict(m=8000, n=51, T=20, B_x=1.0)
    >>> round(rademacher_repaired([0.9, 0.8], [1, 1], gamma=0.0, **sizes), 6)
    0.218288
    >>> round(rademacher_repaired([0.9, 0.8], [1, 1], gamma=0.1, width=0.01, **sizes), 6)
    0.740419
    """
    return plain(_repaired, alpha, beta, gamma, m, n, T, B_x, h0_inf, width)


def log_rademacher_repaired(
    alpha: Numbers,
    beta: Numbers,
    *,
    gamma: Number,
    m: Number,
    n: Number,
    T: Number,
    B_x: Number,
    h0_inf: Number = 0.0,
    width: Numbers | Number = 0.0,
) -> float:
    """Return the natural logarithm of that bound, see rademacher_repaired; -inf where it is zero.

    >>> round(log_rademacher_repaired([10] * 20, [10] * 20, gamma=1, m=1, n=9, T=1000, B_x=1), 2)
    46157.94
    """
    return log(_repaired, alpha, beta, gamma, m, n, T, B_x, h0_inf, width)


def _repaired(alpha, beta, gamma, m, n, T, B_x, h0_inf, width) -> Decimal:
    alpha, sum_l, lambda_0 = layers(alpha, beta)
    gamma, m, T = not_negative("gamma", gamma), Decimal(whole("m", m)), whole("T", T)
    inputs = not_negative("B_x", B_x) * (2 * Decimal(2 * whole("n", n)).ln()).sqrt()
    start, spread = not_negative("h0_inf", h0_inf), _widths(width, len(alpha))
    if any(spread):
        spread = [w / Decimal(2).sqrt() for w in spread]
        r = _recursion(alpha, per_layer("beta", beta), gamma, T, inputs, start, spread)
    else:
        kappa = lambda_0 + gamma * sum(product(alpha[l:]) for l in range(1, len(alpha) + 1))
        r = sum_l * geometric(kappa, T) * inputs + kappa**T * start
    return r / m.sqrt()


def _recursion(alpha, beta, gamma, T, inputs, r, spread) -> Decimal:
    for _ in range(T):
        before = r
        for a, b, w in zip(alpha, beta, spread, strict=True):
            line = a * r + b * inputs
            r = line + 2 * (line * w).sqrt() + w + gamma * before
    return r


def _widths(width: Numbers | Number, d: int) -> list[Decimal]:
    """Return one width a layer."""
    width = width.tolist() if hasattr(width, "tolist") else width
    try:
        widths = [not_negative(f"width[{l}]", w) for l, w in enumerate(width)]
    except TypeError:
        widths = [not_negative("width", width)] * d
    if len(widths) != d:
        raise ConfigError(complain(f"{d} widths, one a layer", len(widths), "or pass one number"))
    return widths
