"""Frames of the user: an array, or a file that NumPy wrote, named by its content."""

import hashlib
import logging
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np

from unfolded.errors import DataError, complain, one_line

_UNIT = 1.001
"""Largest maximum of floats from 0 to 1: interpolation exceeds 1 by rounding errors."""


class OwnFrames(NamedTuple):
    """Valid frames of the user: the array, its SHA-256, and its name as a source.

    The name has the size of a frame and the start of the digest.
    """

    array: np.ndarray
    sha256: str
    name: str


def read(frames: object) -> np.ndarray:
    """Return an array, that in a .npy file, or the only one in a .npz file, without pickle.

    Raises DataError if the file is missing, damaged or of another kind.
    """
    try:
        if not isinstance(frames, str | Path):
            return np.asarray(frames)
        with open(frames, "rb") as file:
            content = np.load(file, allow_pickle=False)
            if isinstance(content, np.ndarray):
                return content
            if len(content.files) != 1:
                raise ValueError(f"the arrays {', '.join(content.files) or '(none)'}")
            return content[content.files[0]]
    except Exception as error:
        want = f"one array in {frames if isinstance(frames, str | Path) else type(frames)}"
        # NumPy reports any other file as a pickle and suggests to unpickle it, which executes code.
        got = "no array of numbers" if "pickle" in str(error) else one_line(error)
        raise DataError(complain(want, got, "write it with numpy.save")) from error


def digest(frames: np.ndarray) -> str:
    """Return the SHA-256 of an array as ``numpy.save`` writes it: that of a .npy file in C order.

    >>> digest(np.zeros((10, 1, 4), np.uint8))[:8]
    '838102e1'
    """
    sha256 = hashlib.sha256()
    stream = SimpleNamespace(write=sha256.update)
    np.lib.format.write_array(stream, np.ascontiguousarray(frames), allow_pickle=False)
    return sha256.hexdigest()


def checked(frames: object) -> OwnFrames:
    """Read and check frames; frames that are already checked are returned.

    Raises DataError unless they are uint8 or float, (N, T, H, W) or (N, T, n0), not empty, and
    finite values from 0 to 255.

    >>> checked(np.zeros((10, 1, 4, 4), np.uint8)).name
    'own-4x4-0657bc45fc4d114a'
    """
    if isinstance(frames, OwnFrames):
        return frames
    frames = read(frames)
    if frames.dtype != np.uint8 and frames.dtype.kind != "f":
        got, do = f"numbers of type {frames.dtype}", "convert them"
        raise DataError(complain("frames as uint8 or floating-point numbers", got, do))
    if frames.ndim not in (3, 4) or not frames.size:
        want, got = "frames (N, T, H, W) or (N, T, n0)", f"an array of shape {frames.shape}"
        raise DataError(complain(want, got, "reshape what you pass"))
    low, high = frames.min(), frames.max()
    between = frames.dtype.kind == "f" and _UNIT < high <= 2
    if not (low >= 0 and high <= 255) or between:
        got, do = f"values from {low:.9g} to {high:.9g}", "rescale or replace them"
        raise DataError(complain("grey levels from 0 to 255, or from 0 to 1", got, do))
    sha256 = digest(frames)
    size = "x".join(map(str, frames.shape[2:]))
    return OwnFrames(frames, sha256, f"own-{size}-{sha256[:16]}")


def unit(frames: np.ndarray) -> int:
    """Return 255 for floats from 0 to 1, and 1 for grey levels: the factor to grey levels."""
    return 255 if frames.dtype.kind == "f" and frames.max() <= _UNIT else 1


def grey(frames: np.ndarray) -> np.ndarray:
    """Return frames as float32 (N, T, n0) in grey levels 0..255.

    Values of type uint8, and floats with a maximum above 2, are grey levels already; floats from
    0 to 1 are multiplied by 255, which is logged. A maximum of at most 1 in uint8 is logged, too.
    """
    factor, log = unit(frames), logging.getLogger(__name__)
    if factor > 1:
        log.warning("frames from 0 to 1 are multiplied by 255")
    elif frames.max() <= 1:
        log.warning("frames of type uint8 are grey levels from 0 to 255; the maximum is 1 or less")
    return np.minimum(frames.astype(np.float32).reshape(*frames.shape[:2], -1) * factor, 255)
