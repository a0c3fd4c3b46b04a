"""The frames of a run: loaded, split, scaled according to the protocol, and moved to a device."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from unfolded import data
from unfolded.errors import DataError, complain
from unfolded.runs.config import FRAME, RunConfig


class Frames(NamedTuple):
    """Training, validation and test frames on a device, (sequences, time, n0), and their hash."""

    train: Tensor
    validation: Tensor
    test: Tensor
    sha256: str


def load(config: RunConfig) -> tuple[list[Tensor], str]:
    """Return train, validation and test frames as vectors in the protocol's units, and a hash."""
    frames = data.sequences(config.source, count=config.size.count, reduction=config.reduction)
    do = f"replace the data file of {config.source}"
    if frames.ndim != 4 or math.prod(frames.shape[2:]) != FRAME:
        want = f"frames of {FRAME} pixels, (count, time, 16, 16)"
        raise DataError(complain(want, f"an array of shape {frames.shape}", do))
    if not bool(torch.isfinite(torch.from_numpy(frames)).all()):
        raise DataError(complain("finite frames", "NaN or infinite pixels", do))
    unit = config.scale.peak / 255
    parts = [torch.from_numpy(part).flatten(2) * unit for part in data.split(frames)]
    return parts, data.checksum(frames)


def on_device(config: RunConfig, device: str, shelf: dict) -> Frames:
    """Return the frames of a configuration on a device; the cache ``shelf`` keeps only these."""
    key = config.source, config.reduction, config.size.count, config.scale.peak, device
    if key not in shelf:
        shelf.clear()
        parts, sha256 = load(config)
        shelf[key] = Frames(*(part.to(device) for part in parts), sha256)
    return shelf[key]


def unseen(config: RunConfig) -> Tensor:
    """Return the test sequences of a configuration in the protocol's units: (count, 20, n0)."""
    return load(config)[0][2]
