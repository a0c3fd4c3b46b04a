"""Paired differences with intervals, and correction of p-values for multiple tests."""

import functools
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from unfolded.errors import ConfigError, complain

LEVEL = 0.05
"""Maximum probability of at least one false rejection in a family of tests."""

ALIKE = 0.1
"""A difference whose interval lies within this many dB of zero counts as no difference."""

SEED_MARGIN = 0.5
"""With few seeds, a difference within this many dB of zero is undecided: two runs of one network
that differ in the seed only can differ by as much, and an interval over sequences omits this."""

DRAWS = 5_000
"""Number of bootstrap resamples, enough for p-values after a correction for 100 tests."""

WORDS = {True: "ahead", False: "behind", None: "undecided"}


class Difference(NamedTuple):
    """A mean difference in dB with its 95 % interval, the number of seeds and of test sequences.

    ``p`` is the two-sided p-value of "no difference" for this interval: see
    :func:`paired_difference`.
    """

    mean: float
    low: float
    high: float
    seeds: int
    sequences: int
    p: float = math.nan

    @property
    def verdict(self) -> str:
        """ "ahead" or "behind" if the interval excludes zero, else "undecided"."""
        return WORDS[self.mean > 0 if self.low > 0 or self.high < 0 else None]


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


def interval(values) -> tuple[float, float]:
    """Return the 95 % interval of the mean by Student's t; NaN below two values.

    >>> low, high = interval([1.0, 2.0, 3.0])
    >>> round(low, 2), round(high, 2)
    (-0.48, 4.48)
    """
    if len(values) < 2:
        return math.nan, math.nan
    error = np.std(values, ddof=1) / math.sqrt(len(values))
    half = special.stdtrit(len(values) - 1, 0.975) * error
    return float(np.mean(values) - half), float(np.mean(values) + half)


def decibel(mse: np.ndarray) -> np.ndarray:
    """Return the PSNR in dB of errors in squared grey levels of 255."""
    return 10 * np.log10(255.0**2 / np.asarray(mse, dtype=float))


def paired_difference(
    ours, theirs, *, pooled: bool = False, null: float = 0.0, draws: int = DRAWS
) -> Difference:
    """Return the mean difference of PSNR, its 95 % interval and its p-value.

    Both arguments: (seeds, sequences) test errors in squared grey levels, paired in both axes.
    Each sequence has a separate PSNR, unless errors are ``pooled``: then the PSNR is that of the
    mean error. A bootstrap resamples the sequences with replacement. With several seeds it also
    resamples the seeds; because seeds are few, the interval is at least as wide as that of
    Student's t over the seed means. With one seed the interval is for the sequences only. A
    positive value means that the first has the smaller error. The resamples are deterministic.

    The two-sided p-value of "the mean is ``null``" is the larger of two: the achieved significance
    level of the bootstrap, 2 (k + 1)/(draws + 1) with k the resamples on the rarer side of
    ``null``, and that of Student's t over the seed means. Because the interval is the union of
    both intervals, it excludes ``null`` exactly if p is below 0.05 (up to the granularity of the
    resamples).
    Raises ConfigError if the shapes differ.

    >>> low = np.full((1, 50), 10.0)
    >>> round(paired_difference(low, 10 * low).mean, 6)
    10.0
    """
    ours, theirs = np.asarray(ours, dtype=float), np.asarray(theirs, dtype=float)
    if ours.shape != theirs.shape or ours.ndim != 2 or not ours.size:
        got = f"{ours.shape} and {theirs.shape}"
        raise ConfigError(complain("two arrays (seeds, sequences) of one shape", got, "pair them"))
    seed_count, sequence_count = ours.shape
    seeds, sequences = _resamples(seed_count, sequence_count, draws)
    if pooled:
        seed_means = decibel(ours.mean(1)) - decibel(theirs.mean(1))
        resampled = decibel(ours @ sequences) - decibel(theirs @ sequences)
    else:
        gaps = decibel(ours) - decibel(theirs)
        seed_means, resampled = gaps.mean(1), gaps @ sequences
    means = np.einsum("sb,sb->b", seeds, resampled)
    ends = np.array([np.quantile(means, [0.025, 0.975]), interval(seed_means)])
    low, high = np.nanmin(ends[:, 0]), np.nanmax(ends[:, 1])
    rarer = min(np.sum(means <= null), np.sum(means >= null))
    p = max(min(1.0, 2 * (rarer + 1) / (draws + 1)), student(seed_means - null))
    return Difference(
        float(seed_means.mean()), float(low), float(high), seed_count, sequence_count, float(p)
    )


@functools.lru_cache(maxsize=4)
def _resamples(seed_count: int, sequence_count: int, draws: int) -> tuple[np.ndarray, np.ndarray]:
    """Return deterministic weights with sum one: (seeds, draws) and (sequences, draws)."""
    random = np.random.default_rng(0)
    sizes = (seed_count, sequence_count)
    weights = [random.multinomial(k, np.full(k, 1 / k), draws).T / k for k in sizes]
    return weights[0], weights[1]


def student(means: np.ndarray) -> float:
    """Return the two-sided p-value of "the mean is zero" by Student's t, 0 for a single value.

    >>> round(student(np.array([1.0, 2.0, 3.0])), 3)
    0.074
    """
    if len(means) < 2:
        return 0.0
    error = means.std(ddof=1) / math.sqrt(len(means))
    if error == 0:
        return 0.0 if means.any() else 1.0
    return float(2 * special.stdtr(len(means) - 1, -abs(means.mean()) / error))
