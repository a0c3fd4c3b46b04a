"""The bound (14) with the norms of SISTA-RNN: (17) extended to T time steps."""

import math
from decimal import Decimal

from unfolded.bounds.decimals import bound, whole
from unfolded.bounds.theorem import rademacher_reweighted


@bound
def rademacher_sista(alpha1, alpha2, beta1, beta2, *, d, m, n, h, T, B_x, h0_inf=0.0) -> Decimal:
    """Return (17) extended to T time steps: the bound (14) with the norms of `sista_layers`.

    Arguments, units and assumptions are those of (14) and (17). Raises ConfigError on a depth or
    sizes that are not whole numbers of at least one, on a layer's norm that is not positive and on
    a negative B_x or h0_inf. Source: ours; T = 1 gives (17).

    >>> data = dict(m=8000, n=51, h=1024, B_x=1.0)
    >>> round(rademacher_sista.log(0.9, 0.8, 1.0, 0.1, d=2, T=1, **data), 6)
    -2.160339
    """
    norms = sista_layers(alpha1, alpha2, beta1, beta2, d=d)
    return rademacher_reweighted.formula(*norms, m=m, n=n, h=h, T=T, B_x=B_x, h0_inf=h0_inf)


def sista_layers(alpha1, alpha2, beta1, beta2, *, d: int) -> tuple[list[float], list[float]]:
    r"""Return α (d,) and β (d,) for which (14) contains the terms in parentheses of (17).

    A time step of SISTA-RNN adds at most :math:`\beta_1 \sum_{l<d} \alpha_2^l` times its input and
    :math:`\Lambda_0 = \alpha_1\alpha_2^{d-1} + \beta_2 \sum_{l<d-1} \alpha_2^l` times its past. The
    bound (14) depends on the layers only through d, :math:`\sum_l \beta_l\Lambda_l` and Λ_0.
    Arguments and units are those of rademacher_step_sista. Source: (17).

    >>> sista_layers(0.5, 2.0, 1.0, 0.25, d=2)
    ([1.25, 1.0], [1.5, 1.5])
    """
    d = whole("d", d)
    powers = [float(alpha2) ** l for l in range(d)]
    recurrent_norm = float(alpha1) * powers[-1] + float(beta2) * math.fsum(powers[:-1])
    return [recurrent_norm] + [1.0] * (d - 1), [float(beta1) * math.fsum(powers) / d] * d
