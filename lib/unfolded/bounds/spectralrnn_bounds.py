"""The generalisation error of SpectralRNN that App. D.1 compares with, (54)."""

from decimal import Decimal

from unfolded.bounds.decimals import Number, log, not_negative, plain, positive, probability, whole
from unfolded.errors import ConfigError, complain

# Norms measured in single precision may miss their order by this much.
_SLACK = Decimal("1e-5")


def gap_spectralrnn(
    W_F: Number,
    U_F: Number,
    Y_F: Number,
    W_2: Number,
    U_2: Number,
    Y_2: Number,
    *,
    m: Number,
    n: Number,
    n_y: Number,
    h: Number,
    T: Number,
    B: Number,
    gamma: Number,
    delta: Number,
) -> float:
    r"""Return what stands inside the O(·) of (54), with a constant of one.

    .. math:: \sqrt{\frac{\frac{B^2T^4\xi\ln\xi}{\gamma^2}
        \big(\|W\|_F^2 + \|U\|_F^2 + \|Y\|_F^2\big)\zeta + \ln\frac m\delta}{m}}, \qquad
        \zeta = \max(\|W\|_2^{2T-2}, 1)\max(\|U\|_2^2, 1)\max(\|Y\|_2^2, 1)

    with :math:`\xi = \max(n, n_y, h)`. First the Frobenius, then the spectral norms of W, U and the
    output matrix Y. ``B`` in units of x bounds :math:`\|x_t\|_2`; ``gamma`` is the margin of a
    classifier, ``delta`` the probability of failure. Units: of an error rate.
    Raises ConfigError on norms or a margin that are not positive, on a spectral norm above its
    Frobenius norm, on sizes that are not whole numbers of at least one, on a negative B and unless
    0 < δ < 1.
    Compares in shape only: the constant is unknown, and it bounds the error of a classifier with
    a margin, not a Rademacher complexity. It grows like T² for ‖W‖₂ ≤ 1, exponentially above.
    Source: (54), from Zhang et al. (2018); fractions nested as they read best.

    >>> sizes = dict(m=8000, n=51, n_y=10, h=1024, T=20)
    >>> round(gap_spectralrnn(32, 1, 1, 1, 1, 1, B=1, gamma=1, delta=0.05, **sizes), 3)
    12068.447
    """
    return plain(_gap, (W_F, U_F, Y_F), (W_2, U_2, Y_2), m, n, n_y, h, T, B, gamma, delta)


def log_gap_spectralrnn(
    W_F: Number,
    U_F: Number,
    Y_F: Number,
    W_2: Number,
    U_2: Number,
    Y_2: Number,
    *,
    m: Number,
    n: Number,
    n_y: Number,
    h: Number,
    T: Number,
    B: Number,
    gamma: Number,
    delta: Number,
) -> float:
    """Return the natural logarithm of (54), see gap_spectralrnn.

    >>> sizes = dict(m=8000, n=51, n_y=10, h=1024, T=1000)
    >>> round(log_gap_spectralrnn(32, 1, 1, 2, 1, 1, B=1, gamma=1, delta=0.05, **sizes), 3)
    709.676
    """
    return log(_gap, (W_F, U_F, Y_F), (W_2, U_2, Y_2), m, n, n_y, h, T, B, gamma, delta)


def _gap(frobenius, spectral, m, n, n_y, h, T, B, gamma, delta) -> Decimal:
    frobenius = [positive(f"{z}_F", value) for z, value in zip("WUY", frobenius, strict=True)]
    spectral = [positive(f"{z}_2", value) for z, value in zip("WUY", spectral, strict=True)]
    for z, whole_norm, largest in zip("WUY", frobenius, spectral, strict=True):
        if largest > whole_norm * (1 + _SLACK):
            got = f"{float(largest):g} and {float(whole_norm):g}"
            raise ConfigError(complain(f"{z}_2 at most {z}_F", got, "check their order"))
    m, T, delta = whole("m", m), whole("T", T), probability("delta", delta)
    xi = Decimal(max(whole("n", n), whole("n_y", n_y), whole("h", h)))
    W_2, U_2, Y_2 = (max(norm, Decimal(1)) for norm in spectral)
    zeta = W_2 ** (2 * T - 2) * U_2**2 * Y_2**2
    margin = not_negative("B", B) / positive("gamma", gamma)
    sizes = margin**2 * Decimal(T) ** 4 * xi * xi.ln()
    return ((sizes * sum(norm**2 for norm in frobenius) * zeta + (m / delta).ln()) / m).sqrt()
