"""Correction of p-values for multiple tests."""

import numpy as np
from numpy.typing import ArrayLike

LEVEL = 0.05
"""Maximum probability of at least one false rejection in a family of tests."""


def holm(p_values: ArrayLike) -> np.ndarray:
    r"""Return p-values adjusted by Holm's step-down method, in the order given.

    .. math:: \tilde p_{(i)} = \max_{j \le i} \min\{1, (m - j + 1)\, p_{(j)}\}

    with the m values in ascending order. Rejecting if the result is at most α keeps the
    probability of any false rejection at or below α, for any dependence between the tests.
    NaN, for a test that was not possible, stays NaN and is not counted. Shapes: (m,) in and out.

    >>> holm([0.01, 0.04, 0.03]).round(2).tolist()
    [0.03, 0.06, 0.06]
    """
    values = np.asarray(p_values, dtype=float)
    adjusted = np.full(values.shape, np.nan)
    valid = np.flatnonzero(~np.isnan(values))
    order = valid[np.argsort(values[valid], kind="stable")]
    steps = values[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(steps))
    return adjusted
