"""Downsampling from 64x64 to 16x16 pixels: three filters with small integer weights."""

import numpy as np

from unfolded.choices import REDUCTIONS
from unfolded.errors import check_choice

FACTOR, SIDE = 4, 16
"""The downsampling factor and the side of a reduced frame; n0 = 16 * 16 = 256."""

TAPS = {"bilinear": (1, 1), "area": (1, 1, 1, 1), "antialiased": (1, 3, 5, 7, 7, 5, 3, 1)}
"""Weights along one axis, centred on each block of four source pixels.

`bilinear` samples at source coordinate 4i + 1.5, halfway between the two centre pixels: the
plain decimation of the paper. `area` is the mean of the block. `antialiased` is a triangle filter.
"""


def weights(reduction: str) -> np.ndarray:
    """Return the filter R along one axis; taps outside the frame are omitted.

    Returns integers as float32, of shape (16, 64).
    Raises ConfigError for an unknown reduction.

    >>> weights("bilinear")[1, :8].tolist()
    [0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0]
    """
    check_choice("a reduction", reduction, REDUCTIONS)
    taps = TAPS[reduction]
    filters = np.zeros((SIDE, SIDE * FACTOR), dtype=np.float32)
    for offset, tap in enumerate(taps, (FACTOR - len(taps)) // 2):
        filters += tap * np.eye(SIDE * FACTOR, k=offset, dtype=np.float32)[::FACTOR]
    return filters


def reduce(canvas: np.ndarray, reduction: str = "bilinear") -> np.ndarray:
    """Downsample frames as R S R^T divided by the filter's sums, on the scale 0..255, unrounded.

    canvas (..., 64, 64) uint8. Returns float32 of shape (..., 16, 16).
    Raises ConfigError for an unknown reduction.

    >>> reduce(np.full((2, 64, 64), 7, dtype=np.uint8), "antialiased").max()
    np.float32(7.0)
    """
    filters = weights(reduction)
    # Integers below 2**24 are exact in float32, so the sums do not depend on the machine or on the
    # summation order of BLAS; only the division rounds.
    sums = filters @ (canvas.astype(np.float32) @ filters.T)
    scale = filters.sum(axis=1)
    return sums / np.outer(scale, scale)
