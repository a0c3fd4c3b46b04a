"""Two bounds of this companion, valid for the actual network, with ħ and all parameters.

The page "A bound that holds" states and proves the first; this module computes both.
"""

import math
from collections.abc import Sequence
from decimal import Decimal

from unfolded.bounds.decimals import bound, geometric, not_negative, per_layer, whole
from unfolded.bounds.theorem import layers
from unfolded.errors import ConfigError, complain


@bound
def rademacher_repaired(alpha, beta, *, gamma, m, n, T, B_x, h0_inf=0.0, width=0.0) -> Decimal:
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
    :math:`\|h_0\|_\infty`, learned or not. ``width`` ω, one number for each layer or for all: the
    sum of the lengths of the intervals that contain the thresholds τ1 and τ2 of a layer.
    ``m`` sequences, ``n`` measurements. ``B_x`` as in rademacher_reweighted. Units: those of the
    code. With a positive width, the computation time is proportional to d T.
    Raises ConfigError on norms α, β that are not positive or not one pair per layer, on sizes that
    are not whole numbers of at least one, and on a negative gamma, B_x, h0_inf or width.
    Holds for one unit of the code over all networks whose weights satisfy these bounds, chosen
    before the data are seen; W_l, U_l, G, h_0 and the thresholds may all be learned. If the
    sensing matrix is learned too, pass frames as data: B_s for B_x, n_0 for n, and bounds on
    :math:`\|U_l A\|_{1,\infty}` for beta. With ``gamma=0`` and ``width=0`` it holds for any
    odd, 1-Lipschitz activation that is fixed and shared by the units of a layer.
    Source: this companion; the model is (14).

    >>> sizes = dict(m=8000, n=51, T=20, B_x=1.0)
    >>> round(rademacher_repaired([0.9, 0.8], [1, 1], gamma=0.0, **sizes), 6)
    0.218288
    >>> round(rademacher_repaired([0.9, 0.8], [1, 1], gamma=0.1, width=0.01, **sizes), 6)
    0.740419
    >>> round(rademacher_repaired.log([10] * 20, [10] * 20, gamma=1, m=1, n=9, T=1000, B_x=1), 2)
    46157.94
    """
    alpha, sum_l, lambda_0 = layers(alpha, beta)
    gamma, m, T = not_negative("gamma", gamma), Decimal(whole("m", m)), whole("T", T)
    inputs = not_negative("B_x", B_x) * (2 * Decimal(2 * whole("n", n)).ln()).sqrt()
    r, widths = not_negative("h0_inf", h0_inf), _widths(width, len(alpha))
    if not any(widths):
        kappa = lambda_0 + gamma * sum(math.prod(alpha[l:]) for l in range(1, len(alpha) + 1))
        return (sum_l * geometric(kappa, T) * inputs + kappa**T * r) / m.sqrt()
    widths = [w / Decimal(2).sqrt() for w in widths]
    beta = per_layer("beta", beta)
    for _ in range(T):
        transition_term = gamma * r
        for a, b, w in zip(alpha, beta, widths, strict=True):
            line = a * r + b * inputs
            r = line + 2 * (line * w).sqrt() + w + transition_term
    return r / m.sqrt()


@bound
def largest_code(alpha, beta, *, gamma, T, x_inf, h0_inf=0.0) -> Decimal:
    r"""Return a bound on every unit of :math:`h_T^{(d)}` in reweighted-RNN, for any thresholds.

    .. math:: |h_{T,k}^{(d)}| \le e_T, \qquad
        e_t^{(l)} = \max\big(\alpha_l e_t^{(l-1)} + \beta_l \|x\|_\infty,\ \gamma e_{t-1}\big)

    with :math:`e_0 = \|h_0\|_\infty`, :math:`e_t^{(0)} = e_{t-1}` and :math:`e_t = e_t^{(d)}`,
    since Φ is jointly 1-Lipschitz in (u, ħ) and zero at zero. It follows that
    :math:`\Re_S \le e_T`, so a larger bound on a complexity is vacuous.
    ``alpha``, ``beta`` (d,) and ``gamma``: bounds on the row norms of W_l, U_l and G. ``x_inf`` in
    units of x: the largest coordinate of any x_t. Units: those of the code.
    Raises ConfigError on norms that are not positive or not one pair per layer, on T < 1, and on a
    negative gamma, x_inf or h0_inf.
    Source: this companion, from the corollary on the page of the proximal operator.

    >>> round(largest_code([0.5, 0.5], [1.0, 1.0], gamma=1.0, T=20, x_inf=1.0), 6)
    2.0
    """
    alpha, beta = layers(alpha, beta)[0], per_layer("beta", beta)
    gamma, x_inf = not_negative("gamma", gamma), not_negative("x_inf", x_inf)
    e = not_negative("h0_inf", h0_inf)
    for _ in range(whole("T", T)):
        transition_term = gamma * e
        for a, b in zip(alpha, beta, strict=True):
            e = max(a * e + b * x_inf, transition_term)
    return e


def _widths(width, d: int) -> list[Decimal]:
    """Return one width per layer."""
    width = width.tolist() if hasattr(width, "tolist") else width
    widths = width if isinstance(width, Sequence) else [width] * d
    if len(widths) != d:
        raise ConfigError(complain(f"{d} widths, one a layer", len(widths), "or pass one number"))
    return [not_negative(f"width[{l}]", w) for l, w in enumerate(widths)]
