"""The frames of a run: loaded, split, scaled according to the protocol, and moved to a device."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from unfolded import data, files
from unfolded.data import own_frames
from unfolded.errors import DataError, complain
from unfolded.runs import records
from unfolded.runs.config import RunConfig

Given = np.ndarray | Tensor | str | Path | own_frames.OwnFrames | None
"""Frames of the user, as an array or a file."""


class Frames(NamedTuple):
    """Training, validation and test frames, each (sequences, time, n0), and their hash."""

    train: Tensor
    validation: Tensor
    test: Tensor
    sha256: str


def user_frames(
    configs: Iterable[RunConfig], frames: Given, store: str | Path | None = None
) -> tuple[list[RunConfig], own_frames.OwnFrames | None]:
    """Return configurations with the user's frames as source, and these frames, checked once.

    frames: (N, T, H, W) or (N, T, n0), a .npy or .npz file, or None for other sources.
    Raises DataError for configurations with another source, and if the file has changed since an
    unfinished run in the store began.
    """
    configs = list(configs)
    if frames is None:
        return configs, None
    checked = own_frames.checked(frames)
    name = checked.name
    data.split(checked.array)  # reject too few sequences before any file is written
    for config in configs:
        if config.source not in (name, RunConfig.source):
            want, do = f"the frames of {config.source}", "pass the frames that the run began with"
            raise DataError(complain(want, f"those of {name}", do))
    configs = [replace(config, source=name) for config in configs]
    unfinished = [c for c in configs if not (records.folder_of(c, store) / records.RECORD).exists()]
    if unfinished and isinstance(frames, str | Path):
        _check_unchanged(str(Path(frames).resolve()), name, unfinished, records.store(store))
    return configs, checked


def _check_unchanged(path: str, name: str, configs: list[RunConfig], store: Path) -> None:
    index_path = store / ".own_frames.json"
    names = files.read_json(index_path) or {}
    previous_name = names.get(path, name)
    for config in configs if previous_name != name else ():
        folder = records.folder_of(replace(config, source=previous_name), store)
        if (folder / records.STATE).exists():
            want, do = f"{path} with the content of {previous_name}", f"restore it or drop {folder}"
            raise DataError(complain(want, f"that of {name}", do))
    if previous_name != name or path not in names:
        files.write_json(index_path, names | {path: name})


def load(config: RunConfig, frames: Given = None) -> Frames:
    """Return the frames of a configuration as vectors in the protocol's units, on the CPU.

    The ``frames`` of :func:`user_frames` must be given again; their hash is the digest.
    """
    unit = config.scale.peak / 255
    if frames is not None:
        _, (array, sha256, _) = user_frames([config], own_frames.checked(frames))
        frames = own_frames.grey(array)
    elif config.source in data.SOURCES:
        frames = data.sequences(config.source, count=config.size.count, reduction=config.reduction)
        sha256 = data.checksum(frames)
    else:
        do = "pass frames=…, or --source FILE.npy"
        raise DataError(complain(f"the frames of {config.source}", "none", do))
    parts = (torch.from_numpy(part).flatten(2) * unit for part in data.split(frames))
    return Frames(*parts, sha256)


def on_device(config: RunConfig, device: str, shelf: dict, frames: Given = None) -> Frames:
    """Return the frames of a configuration on a device; the cache ``shelf`` keeps only these."""
    key = config.source, config.reduction, config.size.count, config.scale.peak, device
    if key not in shelf:
        shelf.clear()
        *parts, sha256 = load(config, frames)
        shelf[key] = Frames(*(part.to(device) for part in parts), sha256)
    return shelf[key]
