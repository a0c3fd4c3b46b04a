"""Encoding of frames for a script: integer grey levels, half of them zero, as short text."""

import base64

import numpy as np
from torch import Tensor

from unfolded.runs.config import FRAME

SIDE = round(FRAME**0.5)


def levels(frames: Tensor, *, peak: float = 255.0) -> np.ndarray:
    """Return frames in integer grey levels of 255, as in the averaging "authors" of PSNR.

    Clipped to 0..peak, scaled, and truncated to integers, so that a script with these bytes can
    compute that PSNR exactly. Shapes: unchanged; result uint8. Units: those of ``peak``.

    >>> import torch
    >>> levels(torch.tensor([-3.0, 127.9, 300.0])).tolist()
    [0, 127, 255]
    """
    return (frames.double() * (255 / peak)).clamp(0, 255).trunc().numpy().astype(np.uint8)


def packed(grey: np.ndarray) -> str:
    """Return bytes as base64: a bit mask of the nonzero bytes, then the nonzero bytes.

    Shapes: any.

    >>> unpacked(packed(np.arange(10, dtype=np.uint8) // 3), (2, 5)).tolist()
    [[0, 0, 0, 1, 1], [1, 2, 2, 2, 3]]
    """
    content = np.packbits(grey != 0).tobytes() + grey[grey != 0].tobytes()
    return base64.b64encode(content).decode("ascii")


def unpacked(text: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return the bytes encoded by :func:`packed`, in their shape."""
    content = np.frombuffer(base64.b64decode(text), np.uint8)
    count = int(np.prod(shape))
    mask = -(-count // 8)
    grey = np.unpackbits(content[:mask])[:count]
    grey[grey != 0] = content[mask:]
    return grey.reshape(shape)
