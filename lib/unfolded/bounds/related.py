"""The bounds of FastRNN and SpectralRNN in the comparison of App. D.1: (51) and (54)."""

from decimal import Decimal

from unfolded.bounds.decimals import bound, geometric, not_negative, positive, probability, whole
from unfolded.errors import ConfigError, complain

# Norms in single precision may violate their order by this much.
_SINGLE_PRECISION = Decimal("1e-5")


@bound
def rademacher_fastrnn(alpha_F, beta_F, *, a, m, T, B) -> Decimal:
    r"""Return the bound (51) on the Rademacher complexity of FastRNN.

    .. math:: \Re_S \le \frac{2a}{\sqrt m} B\beta_F
        \frac{(1 + a(2\alpha_F - 1))^{T+1} - 1}{a(2\alpha_F - 1)}

    The fraction is T + 1 if :math:`2\alpha_F = 1`. ``alpha_F``, ``beta_F``: bounds on the
    Frobenius norms of W and U. ``a`` in (0, 1]: the weight of the new state, with a + b = 1.
    ``B`` in units of x bounds :math:`\|x_t\|_2`. Units: those of the state.
    Raises ConfigError on norms that are not positive, on an a outside (0, 1], on sizes that are
    not whole numbers of at least one, and on a negative B.
    Holds under the assumptions of its source; it is quoted here without proof. In T it grows
    exponentially for 2 α_F > 1 and linearly for 2 α_F = 1; it is bounded for 2 α_F < 1.
    Source: (51), from Kusupati et al. (2018).

    >>> round(rademacher_fastrnn(1.0, 1.0, a=0.005, m=10_000, T=100, B=1.0), 6)
    0.013098
    >>> round(rademacher_fastrnn.log(10, 1, a=1, m=1, T=1000, B=1), 3)
    2996.477
    """
    excess, a, T, factor = fastrnn_terms(alpha_F, beta_F, a, m, T, B)
    return factor * geometric(1 + a * excess, T + 1)


@bound
def gap_spectralrnn(W_F, U_F, Y_F, W_2, U_2, Y_2, *, m, n, n_y, h, T, B, gamma, delta) -> Decimal:
    r"""Return the expression inside the O(·) of (54), the generalisation error of SpectralRNN.

    .. math:: \sqrt{\frac{\frac{B^2T^4\xi\ln\xi}{\gamma^2}
        \big(\|W\|_F^2 + \|U\|_F^2 + \|Y\|_F^2\big)\zeta + \ln\frac m\delta}{m}}, \qquad
        \zeta = \max(\|W\|_2^{2T-2}, 1)\max(\|U\|_2^2, 1)\max(\|Y\|_2^2, 1)

    with :math:`\xi = \max(n, n_y, h)`. The first three arguments are the Frobenius norms of W, U
    and the output matrix Y, the next three their spectral norms. ``B`` in units of x bounds
    :math:`\|x_t\|_2`; ``gamma`` is the margin of a classifier, ``delta`` the probability of
    failure. Units: those of an error rate.
    Raises ConfigError on norms or a margin that are not positive, on a spectral norm above its
    Frobenius norm, on sizes that are not whole numbers of at least one, on a negative B and unless
    0 < δ < 1.
    Holds up to an unknown constant, for the error of a classifier with a margin; it does not bound
    a Rademacher complexity. It grows like T² for ‖W‖₂ ≤ 1, exponentially above.
    Source: (54), from Zhang et al. (2018); the nesting of its fractions is our reading.

    >>> sizes = dict(m=8000, n=51, n_y=10, h=1024, T=20)
    >>> round(gap_spectralrnn(32, 1, 1, 1, 1, 1, B=1, gamma=1, delta=0.05, **sizes), 3)
    12068.447
    """
    frobenius = {"W": positive("W_F", W_F), "U": positive("U_F", U_F), "Y": positive("Y_F", Y_F)}
    spectral = {"W": positive("W_2", W_2), "U": positive("U_2", U_2), "Y": positive("Y_2", Y_2)}
    for z, norm in spectral.items():
        if norm > frobenius[z] * (1 + _SINGLE_PRECISION):
            got = f"{float(norm):g} and {float(frobenius[z]):g}"
            raise ConfigError(complain(f"{z}_2 at most {z}_F", got, "check their order"))
    m, T, delta = whole("m", m), whole("T", T), probability("delta", delta)
    xi = Decimal(max(whole("n", n), whole("n_y", n_y), whole("h", h)))
    W_2, U_2, Y_2 = (max(norm, Decimal(1)) for norm in spectral.values())
    zeta = W_2 ** (2 * T - 2) * U_2**2 * Y_2**2
    margin = not_negative("B", B) / positive("gamma", gamma)
    sizes = margin**2 * Decimal(T) ** 4 * xi * xi.ln()
    squares = sum(norm**2 for norm in frobenius.values())
    return ((sizes * squares * zeta + (m / delta).ln()) / m).sqrt()


def fastrnn_terms(alpha_F, beta_F, a, m, T, B) -> tuple[Decimal, Decimal, int, Decimal]:
    """Return 2 α_F − 1, a, T and 2 a B β_F / √m, or raise ConfigError."""
    excess, T = 2 * positive("alpha_F", alpha_F) - 1, whole("T", T)
    beta_F, a, m = positive("beta_F", beta_F), positive("a", a), whole("m", m)
    if a > 1:
        raise ConfigError(complain("a at most 1", a, "pass the sigmoid of the weight"))
    return excess, a, T, 2 * a * not_negative("B", B) * beta_F / Decimal(m).sqrt()
