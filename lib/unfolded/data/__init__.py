"""Moving digits from three sources, with one function and the same shapes and seeds for all.

    from unfolded.data import sequences, split
    train, validation, test = split(sequences("mnist"))

`digits` is embedded and needs no download; `mnist` applies the published generator to MNIST;
`moving-mnist` reads the file used in the paper.
"""

import hashlib

import numpy as np

from unfolded.choices import REDUCTIONS, SOURCES
from unfolded.data import datasets, moving_mnist
from unfolded.data.downsample import reduce, weights
from unfolded.data.moving_mnist import FRAMES, SEQUENCES
from unfolded.errors import ConfigError, check_choice, complain, whole_number

__all__ = ["FRAMES", "REDUCTIONS", "SOURCES", "checksum", "sequences", "split"]


def sequences(
    source: str = "digits", *, count: int = SEQUENCES, reduction: str = "area"
) -> np.ndarray:
    """Return moving-digit sequences of 16x16 frames s_t, unrounded, on the scale 0..255.

    A smaller `count` returns a subset of the whole set in the same order: the first sequences
    (`mnist`, `moving-mnist`), or the first sequences of each part of the split (`digits`).

    source: one of SOURCES; count: 10..10,000; reduction: one of REDUCTIONS.
    Returns float32 of shape (count, 20, 16, 16).
    Raises ConfigError for a bad argument, DataError if a file is unavailable or damaged.

    >>> frames = sequences("digits", count=10)
    >>> frames.shape, frames.dtype, bool(frames.min() >= 0), bool(frames.max() <= 255)
    ((10, 20, 16, 16), dtype('float32'), True, True)
    """
    check_choice("a source", source, SOURCES)
    count = whole_number("count", count, sum(datasets.PARTS), SEQUENCES)
    weights(reduction)  # reject an unknown name before a download
    return np.concatenate([reduce(chunk, reduction) for chunk in datasets.chunks(source, count)])


def split(frames: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return training, validation and test sequences, 8:1:1 in file order, as views.

    The cuts are after eight and nine tenths, rounded down. The parts share no digit image if
    `frames` is the complete output of `sequences` for `digits` or `mnist`, with any count.

    frames (count, ...). Raises ConfigError for fewer than ten sequences.

    >>> [len(part) for part in split(np.zeros((25, 20, 16, 16)))]
    [20, 2, 3]
    """
    if len(frames) < sum(datasets.PARTS):
        expected = f"at least {sum(datasets.PARTS)} sequences to split"
        raise ConfigError(complain(expected, len(frames), "pass more sequences"))
    a, b = moving_mnist.cuts(len(frames), datasets.PARTS)
    return frames[:a], frames[a:b], frames[b:]


def checksum(array: np.ndarray) -> str:
    """Return the SHA-256 of the dtype, shape and values of an array, as stored in a record.

    >>> checksum(np.zeros(2)) == checksum(np.zeros((2, 1)))
    False
    """
    array = np.asarray(array)
    content = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    sha256 = hashlib.sha256(f"{content.dtype.str}{array.shape}".encode())
    sha256.update(memoryview(content).cast("B") if content.size else b"")
    return sha256.hexdigest()
