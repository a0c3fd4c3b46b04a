"""The files of a run: the checkpoint for resuming, and the weights."""

import hashlib
import io
import json
import pickle
import warnings
from pathlib import Path

import safetensors
import torch
from safetensors.torch import load_file, save
from torch import nn

from unfolded import files, networks
from unfolded.errors import RecordError, complain
from unfolded.runs.config import RunConfig

_UNREADABLE = (OSError, KeyError, TypeError, ValueError, RuntimeError)
STATE, WEIGHTS = "state.pt", "weights.safetensors"


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
        state = _unpack(path.read_bytes())
        found = state["config_hash"]
    except pickle.UnpicklingError as error:
        got = "objects that only unsafe unpickling could read"
        raise damaged_state(folder, got) from error
    except Exception as error:
        raise damaged_state(folder, _first_line(error)) from error
    if found != config.hash:
        do = "use one folder for each configuration"
        raise RecordError(complain(f"state of configuration {config.hash} at {path}", found, do))
    return state


def damaged_state(folder: Path, got: str) -> RecordError:
    """Return the error for an unusable checkpoint."""
    want, do = f"a state of this program at {folder / STATE}", "delete it to start the run anew"
    return RecordError(complain(want, got, do))


def _unpack(content: bytes) -> dict:
    digest, content = content[:32], content[32:]
    if hashlib.sha256(content).digest() != digest:
        raise ValueError("a damaged file, whose checksum does not fit")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # report an invalid file in one line, without a warning
        return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)


def save_weights(folder: Path, network: nn.Module, config: RunConfig) -> None:
    """Write the weights as safetensors, with the configuration in the header."""
    weights = {name: tensor.cpu().contiguous() for name, tensor in network.state_dict().items()}
    # One key only: safetensors does not sort keys, and equal runs must give equal bytes.
    header = {"config": json.dumps(config.as_dict(), sort_keys=True)}
    files.write(folder / WEIGHTS, save(weights, metadata=header))


def load_network(folder: Path) -> tuple[nn.Module, RunConfig]:
    """Build the trained network of a finished run from its folder, without pickle.

    Raises RecordError if the weights are missing, damaged or inconsistent with the configuration.
    """
    path = Path(folder) / WEIGHTS
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            config = RunConfig(**json.loads(file.metadata()["config"]))
        network = build_network(config)
        network.load_state_dict(load_file(path))
    except (*_UNREADABLE, safetensors.SafetensorError) as error:
        want, do = f"weights of a run at {path}", "train the run with --again"
        raise RecordError(complain(want, _first_line(error), do)) from error
    return network, config


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0] or type(error).__name__


def build_network(config: RunConfig) -> nn.Module:
    """Build the untrained network of a configuration, with thresholds in the protocol's units.

    λ1 and λ2 of an ℓ1 norm scale with the pixels; λ2 of SISTA-RNN multiplies a square and does not.
    """
    unit = config.scale.peak / 255
    pull = 1 if config.model == "sista-rnn" else unit
    return networks.build(
        config.model,
        n=config.n,
        hidden=config.hidden,
        depth=config.depth,
        seed=config.seed,
        positivity=config.positivity,
        lambda1=config.lambda1 * unit,
        lambda2=config.lambda2 * pull,
        reweighting=config.reweighting,
        memory=config.memory == "on",
        variant=config.variant,
    )
