"""Sources of the frames: the embedded digits, MNIST, or the released Moving MNIST file."""

import gzip
import hashlib
import zlib
from collections.abc import Iterator
from functools import cache

import numpy as np

from unfolded.data import download, moving_mnist
from unfolded.data.moving_mnist import CANVAS, DIGIT, FRAMES, SEQUENCES, Recipe
from unfolded.errors import DataError, complain, one_line

BOX = 20
"""Side of the bounding box of an MNIST digit, in pixels; the margin is 4."""
IMAGES = {"digits": 1797, "mnist": 60_000}
"""Number of digit images available to the generator."""
PARTS = (8, 1, 1)
"""Proportions of training, validation and test sequences."""
MNIST_SHA256 = "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"
"""Checksum of the unpacked file, because mirrors use different compression."""
RELEASED_SHAPE = (FRAMES, SEQUENCES, CANVAS, CANVAS)
CHUNK = 100
"""Sequences generated at a time: 8 MB of canvas instead of 800 MB."""


def digit_images() -> np.ndarray:
    """Return scikit-learn's 1797 digits in the form of MNIST: uint8 of shape (1797, 28, 28).

    An 8x8 image of 0..16 is interpolated linearly to 20x20 (aligned pixel centres, edge values
    repeated), scaled by 255/16, rounded half up, and centred in a 28x28 array of zeros.

    >>> digit_images().shape
    (1797, 28, 28)
    """
    from sklearn.datasets import load_digits

    small_images = load_digits().images
    side = small_images.shape[-1]
    positions = (np.arange(BOX) + 0.5) * side / BOX - 0.5
    matrix = np.array([np.interp(positions, np.arange(side), unit) for unit in np.eye(side)])
    # Rounding twice preserves exact halves for any order of the sums.
    images = np.floor(np.round(matrix.T @ small_images @ matrix * (255 / 16), 6) + 0.5)
    margin = (DIGIT - BOX) // 2
    return np.pad(images.astype(np.uint8), ((0, 0), (margin, margin), (margin, margin)))


def mnist_images() -> np.ndarray:
    """Return the 60,000 training digits of MNIST: uint8 of shape (60000, 28, 28).

    The file may be compressed or not, with any name. Raises DataError if it is unavailable,
    truncated, or not the published file.
    """
    path = download.obtain(download.MNIST)
    do = f"delete {path} and run again to download it"
    try:
        content = path.read_bytes()
        content = gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(complain("a whole gzip file", one_line(error), do)) from error
    file_sha256 = hashlib.sha256(content).hexdigest()
    if file_sha256 != MNIST_SHA256:
        expected = f"MNIST's training images with SHA-256 {MNIST_SHA256}"
        raise DataError(complain(expected, file_sha256, do))
    # The header has 16 bytes: magic number, images, rows, columns. The checksum verifies them.
    return np.frombuffer(content, dtype=np.uint8, offset=16).reshape(-1, DIGIT, DIGIT)


def released_file() -> np.ndarray:
    """Return the released sequences in file layout: uint8 of shape (20, 10000, 64, 64).

    Raises DataError if the file is unavailable or not the published file.
    """
    import pooch

    path = download.obtain(download.MOVING_MNIST)
    do = f"delete {path} and run again to download it"
    try:
        frames = np.lib.format.open_memmap(path, mode="r")
    except (OSError, ValueError, EOFError) as error:
        raise DataError(complain("a whole .npy file", one_line(error), do)) from error
    if frames.shape != RELEASED_SHAPE or frames.dtype != np.uint8:
        expected = f"uint8 frames of shape {RELEASED_SHAPE}"
        raise DataError(complain(expected, f"{frames.dtype} of shape {frames.shape}", do))
    file_md5 = pooch.file_hash(path, alg="md5")
    if file_md5 != download.MOVING_MNIST.md5:
        raise DataError(complain(f"a file with MD5 {download.MOVING_MNIST.md5}", file_md5, do))
    return frames


@cache
def recipe(source: str) -> Recipe:
    """Return the digits and paths of the whole set of `digits` or `mnist`, read-only.

    MNIST has more images than needed, so each image is used once and no split shares images.
    The 1797 embedded digits are reused, so each part of the split has a separate image pool.

    >>> recipe("digits").places.shape
    (10000, 20, 2, 2)
    """
    arrays = moving_mnist.recipe(IMAGES[source], PARTS if source == "digits" else (1,))
    for array in arrays:
        array.setflags(write=False)
    return arrays


def chosen(source: str, count: int) -> np.ndarray:
    """Return the indices in the whole set of the sequences of a set of `count`, in file order.

    For `mnist` and `moving-mnist`, the first sequences. For `digits`, the first sequences of each
    part, because each part has a separate image pool; the parts of a smaller set share no image.

    >>> chosen("digits", 20)[[0, 15, 16, 17, 18, 19]].tolist()
    [0, 15, 8000, 8001, 9000, 9001]
    """
    if source != "digits":
        return np.arange(count)
    parts = np.split(np.arange(SEQUENCES), moving_mnist.cuts(SEQUENCES, PARTS))
    sizes = np.diff([0, *moving_mnist.cuts(count, PARTS), count])
    return np.concatenate([part[:size] for part, size in zip(parts, sizes, strict=True)])


def chunks(source: str, count: int) -> Iterator[np.ndarray]:
    """Yield the first `count` sequences in chunks: uint8 of shape (chunk, 20, 64, 64).

    Raises DataError if the file of the source is unavailable or damaged.
    """
    if source == "moving-mnist":
        frames = released_file()
        for start in range(0, count, CHUNK):
            yield frames[:, start : min(start + CHUNK, count)].swapaxes(0, 1)
        return
    images = mnist_images() if source == "mnist" else digit_images()
    digits, places = recipe(source)
    order = chosen(source, count)
    for start in range(0, count, CHUNK):
        indices = order[start : start + CHUNK]
        yield moving_mnist.draw(images[digits[indices]], places[indices])
