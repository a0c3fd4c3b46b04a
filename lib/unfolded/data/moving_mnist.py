"""The published Moving MNIST generator: two digits bounce on a 64x64 canvas for 20 frames.

The position of a digit is a point of the unit square, which maps to the positions of its top-left
corner. Each frame moves the point, reflects it at walls, then draws it: the start is not drawn.
"""

from typing import NamedTuple

import numpy as np

FRAMES, CANVAS, DIGIT = 20, 64, 28
"""Frames in a sequence, and the sides of canvas and digit in pixels."""
DIGITS = 2
"""Moving digits in a sequence."""
STEP = 0.1
"""Path length per frame, as a fraction of the free span of 64 - 28 = 36 pixels."""
SEQUENCES = 10_000
"""Sequences in a whole set; smaller sets are subsets of it."""
SEED = 150_204_681


class Recipe(NamedTuple):
    """All random choices for a set of sequences, sufficient to draw each sequence again."""

    digits: np.ndarray
    """Indices of the digit images: (sequences, 2) integers."""
    places: np.ndarray
    """Top-left corners in pixels, row then column: (sequences, 20, 2, 2) uint8 in 0..36."""


def walk(start: np.ndarray, heading: np.ndarray, frames: int = FRAMES) -> np.ndarray:
    """Return the corners, in pixels, of digits on straight paths with reflection at the walls.

    p <- p + 0.1 (sin a, cos a); a coordinate that reaches or passes a wall is set to the wall
    and its velocity changes sign, without the overshoot; the pixel is 36 p, truncated.

    start (..., 2): row and column in [0, 1]; heading (...): angle a in radians.
    Returns uint8 of shape (frames, ..., 2), each in 0..36.

    >>> walk(np.array([0.5, 0.5]), np.array(0.0), frames=3).tolist()
    [[18, 21], [18, 25], [18, 28]]
    """
    point = np.array(start, dtype=np.float64)
    velocity = STEP * np.stack([np.sin(heading), np.cos(heading)], axis=-1)
    places = np.empty((frames, *point.shape), dtype=np.uint8)
    for place in places:
        point += velocity
        velocity[(point <= 0) | (point >= 1)] *= -1
        np.clip(point, 0, 1, out=point)
        place[...] = (CANVAS - DIGIT) * point
    return places


def recipe(images: int, proportions: tuple[int, ...] = (1,)) -> Recipe:
    """Draw the digits and paths of the whole set of 10,000 sequences; the result is deterministic.

    Order of the draws: a permutation of the images, start rows, start columns, headings, then
    a new permutation whenever a pool is exhausted. `proportions` splits images and sequences into
    disjoint pools: with (8, 1, 1), training, validation and test use different images.

    >>> recipe(60_000).digits[0].tolist()
    [34321, 53331]
    """
    rng = np.random.Generator(np.random.PCG64(SEED))
    order = rng.permutation(images)
    rows, columns = rng.random((2, SEQUENCES, DIGITS))
    heading = 2 * np.pi * rng.random((SEQUENCES, DIGITS))
    places = walk(np.stack([rows, columns], axis=-1), heading)
    pools = np.split(order, cuts(images, proportions))
    counts = np.diff([0, *cuts(SEQUENCES, proportions), SEQUENCES])
    pairs = [_pairs(pool, count, rng) for pool, count in zip(pools, counts, strict=True)]
    return Recipe(np.concatenate(pairs), places.swapaxes(0, 1))


def cuts(count: int, proportions: tuple[int, ...]) -> list[int]:
    """Return the indices that split `count` items in proportion: 8 n/10 and 9 n/10, rounded down.

    >>> cuts(10_000, (8, 1, 1)), cuts(1797, (8, 1, 1))
    ([8000, 9000], [1437, 1617])
    """
    # No part of a smaller set is larger than the same part of the whole set.
    return [count * sum(proportions[:k]) // sum(proportions) for k in range(1, len(proportions))]


def _pairs(pool: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Take consecutive pairs from the pool, permuted again at its end; no pair spans two passes."""
    length = len(pool) // DIGITS
    passes = [pool] + [rng.permutation(pool) for _ in range((count - 1) // length)]
    return np.concatenate([p[: length * DIGITS].reshape(length, DIGITS) for p in passes])[:count]


def draw(digits: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Draw sequences; overlapping digits take the maximum, so pixels neither add up nor saturate.

    digits (count, 2, 28, 28) uint8; places (count, 20, 2, 2) pixels.
    Returns uint8 of shape (count, 20, 64, 64).

    >>> one = np.full((1, 2, 28, 28), 9, dtype=np.uint8)
    >>> int(draw(one, np.zeros((1, 20, 2, 2), dtype=np.uint8))[0, 0].sum()) == 9 * 28 * 28
    True
    """
    count, frames = places.shape[:2]
    canvas = np.zeros((count, frames, CANVAS, CANVAS), dtype=np.uint8)
    # A view of all 28x28 windows places all digits in one assignment.
    windows = np.lib.stride_tricks.sliding_window_view(
        canvas, (DIGIT, DIGIT), axis=(2, 3), writeable=True
    )
    sequence, frame = np.ogrid[:count, :frames]
    for k in range(digits.shape[1]):
        window_index = (sequence, frame, places[:, :, k, 0], places[:, :, k, 1])
        windows[window_index] = np.maximum(windows[window_index], digits[:, None, k])
    return canvas
