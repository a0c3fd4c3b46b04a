"""The published Moving MNIST generator: two digits bounce on a 64x64 canvas for 20 frames.

A digit's place is a point of the unit square, the permitted places of its top-left corner.
Every frame moves the point first, then handles walls, then shows it: the start is never seen.
"""

from typing import NamedTuple

import numpy as np

FRAMES, CANVAS, DIGIT = 20, 64, 28
"""Frames in a sequence, and the sides of canvas and digit in pixels."""
DIGITS = 2
"""Moving digits in a sequence."""
STEP = 0.1
"""Path length per frame, as a share of the free span of 64 - 28 = 36 pixels."""
SEQUENCES = 10_000
"""Sequences in a whole set; smaller sets are taken out of it, never drawn anew."""
SEED = 150_204_681


class Recipe(NamedTuple):
    """Everything random about a set of sequences: enough to draw each of them again."""

    digits: np.ndarray
    """Which images move: (sequences, 2) integers."""
    places: np.ndarray
    """Top-left corners in pixels, row then column: (sequences, 20, 2, 2) uint8 in 0..36."""


def walk(start: np.ndarray, heading: np.ndarray, frames: int = FRAMES) -> np.ndarray:
    """Return the corners, in pixels, of digits that move straight and turn at the walls.

    p <- p + 0.1 (sin a, cos a); a coordinate that reaches or passes a wall is set on the wall
    and its velocity flips. The overshoot is lost; the pixel is 36 p, truncated.

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


def recipe(images: int, shares: tuple[int, ...] = (1,)) -> Recipe:
    """Draw the digits and paths of a whole set of 10,000 sequences, always the same ones.

    Drawn in this order: a permutation of the images, start rows, start columns, headings, then
    the reshuffles of a pool that is used up. `shares` cuts images and sequences alike into
    pools that never meet: (8, 1, 1) gives training, validation and test their own images.

    >>> recipe(60_000).digits[0].tolist()
    [34321, 53331]
    """
    rng = np.random.Generator(np.random.PCG64(SEED))
    order = rng.permutation(images)
    rows, columns = rng.random((2, SEQUENCES, DIGITS))
    heading = 2 * np.pi * rng.random((SEQUENCES, DIGITS))
    places = walk(np.stack([rows, columns], axis=-1), heading)
    pools = np.split(order, cuts(images, shares))
    needs = np.diff([0, *cuts(SEQUENCES, shares), SEQUENCES])
    pairs = [_pairs(pool, need, rng) for pool, need in zip(pools, needs, strict=True)]
    return Recipe(np.concatenate(pairs), places.swapaxes(0, 1))


def cuts(count: int, shares: tuple[int, ...]) -> list[int]:
    """Return where to cut `count` things in proportion: after 8 n/10 and 9 n/10, rounded down.

    >>> cuts(10_000, (8, 1, 1)), cuts(1797, (8, 1, 1))
    ([8000, 9000], [1437, 1617])
    """
    # Cut this way, no part of a smaller set outgrows the same part of the whole one.
    return [count * sum(shares[:k]) // sum(shares) for k in range(1, len(shares))]


def _pairs(pool: np.ndarray, need: int, rng: np.random.Generator) -> np.ndarray:
    """Walk through the pool two by two, reshuffled at its end; a pair never straddles passes."""
    each = len(pool) // DIGITS
    passes = [pool] + [rng.permutation(pool) for _ in range((need - 1) // each)]
    return np.concatenate([p[: each * DIGITS].reshape(each, DIGITS) for p in passes])[:need]


def draw(digits: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Draw sequences: on overlap the brighter pixel wins, so nothing adds up or saturates.

    digits (count, 2, 28, 28) uint8; places (count, 20, 2, 2) pixels.
    Returns uint8 of shape (count, 20, 64, 64).

    >>> one = np.full((1, 2, 28, 28), 9, dtype=np.uint8)
    >>> int(draw(one, np.zeros((1, 20, 2, 2), dtype=np.uint8))[0, 0].sum()) == 9 * 28 * 28
    True
    """
    count, frames = places.shape[:2]
    canvas = np.zeros((count, frames, CANVAS, CANVAS), dtype=np.uint8)
    # A view that lists every 28x28 window: placing all digits is then one assignment.
    windows = np.lib.stride_tricks.sliding_window_view(
        canvas, (DIGIT, DIGIT), axis=(2, 3), writeable=True
    )
    sequence, frame = np.ogrid[:count, :frames]
    for k in range(digits.shape[1]):
        where = (sequence, frame, places[:, :, k, 0], places[:, :, k, 1])
        windows[where] = np.maximum(windows[where], digits[:, None, k])
    return canvas
