"""The files of a run: the checkpoint for resuming, and the weights."""

import hashlib
import io
import pickle
import warnings
from pathlib import Path

import torch
from torch import nn

from unfolded import files
from unfolded.errors import RecordError, complain, one_line
from unfolded.networks import storage
from unfolded.runs.config import RunConfig
from unfolded.runs.records import STATE

WEIGHTS = "weights.safetensors"


def save_state(folder: Path, state: dict) -> None:
    """Write the checkpoint of an epoch atomically, preceded by its SHA-256."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    content = buffer.getvalue()
    # PyTorch does not detect flipped bits in a file.
    files.write(folder / STATE, hashlib.sha256(content).digest() + content)


def load_state(folder: Path, config: RunConfig) -> dict | None:
    """Return the last checkpoint of this run, or None if there is none.

    Only tensors and plain values are unpickled. Raises RecordError if the file is damaged or
    belongs to another configuration.
    """
    path = folder / STATE
    if not path.exists():
        return None
    try:
        content = path.read_bytes()
        digest, content = content[:32], content[32:]
        if hashlib.sha256(content).digest() != digest:
            raise ValueError("a damaged file, whose checksum does not fit")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # report an invalid file in one line only
            state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        digest = state["config_hash"]
    except Exception as error:
        unsafe = isinstance(error, pickle.UnpicklingError)
        got = "objects that only unsafe unpickling could read" if unsafe else one_line(error)
        raise damaged_state(folder, got) from error
    if digest != config.hash:
        do = "use one folder for each configuration"
        raise RecordError(complain(f"state of configuration {config.hash} at {path}", digest, do))
    return state


def damaged_state(folder: Path, got: str) -> RecordError:
    """Return the error for an unusable checkpoint."""
    want, do = f"a state of this program at {folder / STATE}", "delete it to start the run anew"
    return RecordError(complain(want, got, do))


def load_network(folder: Path) -> tuple[nn.Module, RunConfig]:
    """Build the trained network of a finished run from its folder, without pickle.

    Raises RecordError if the weights are missing, damaged or inconsistent with the configuration.
    """
    path, do = Path(folder) / WEIGHTS, "train the run with --again"
    network, header = storage.read(path, "weights of a run", do)
    if "config" not in header:
        raise RecordError(complain(f"weights of a run at {path}", "those of another network", do))
    return network, RunConfig(**header["config"])
