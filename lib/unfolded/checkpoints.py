"""What a run keeps on disk: the state to go on from, and the weights to read."""

import io
import json
from pathlib import Path

import safetensors
import torch
from safetensors.torch import load_file, save
from torch import nn

from unfolded import files, networks
from unfolded.config import RunConfig
from unfolded.errors import RecordError, complain

STATE, WEIGHTS = "state.pt", "weights.safetensors"


def save_state(folder: Path, state: dict) -> None:
    """Write the state after an epoch, whole or not at all."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    files.write(folder / STATE, buffer.getvalue())


def load_state(folder: Path, config: RunConfig) -> dict | None:
    """Return the last state of this run, or None if there is none.

    Nothing is unpickled but tensors and plain values. Raises RecordError if the file is damaged
    or belongs to another configuration.
    """
    path = folder / STATE
    if not path.exists():
        return None
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        found = state["config_hash"]
    except Exception as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        do = "delete it to start the run anew"
        raise RecordError(complain(f"a state of this program at {path}", first, do)) from error
    if found != config.hash:
        do = "use one folder for each configuration"
        raise RecordError(complain(f"state of configuration {config.hash} at {path}", found, do))
    return state


def drop_state(folder: Path) -> None:
    """Remove the state of a run that has ended."""
    (folder / STATE).unlink(missing_ok=True)


def save_weights(folder: Path, network: nn.Module, config: RunConfig) -> None:
    """Write the weights as safetensors, with the configuration in the header."""
    weights = {name: tensor.cpu().contiguous() for name, tensor in network.state_dict().items()}
    header = {"config": json.dumps(config.as_dict()), "config_hash": config.hash}
    files.write(folder / WEIGHTS, save(weights, metadata=header))


def load_network(folder: Path) -> tuple[nn.Module, RunConfig]:
    """Build the network that a finished run left in its folder, without pickle.

    Raises RecordError if the weights are missing, damaged or do not fit their configuration.
    """
    path = Path(folder) / WEIGHTS
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            config = RunConfig(**json.loads(file.metadata()["config"]))
        network = build_network(config)
        network.load_state_dict(load_file(path))
    except (OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        first = str(error).splitlines()[0]
        do = "train the run again"
        raise RecordError(complain(f"weights of a run at {path}", first, do)) from error
    except safetensors.SafetensorError as error:
        do = "train the run again"
        raise RecordError(complain(f"whole weights at {path}", error, do)) from error
    return network, config


def build_network(config: RunConfig) -> nn.Module:
    """Build the untrained network of a configuration, its thresholds in the protocol's units."""
    unit = config.scale.peak / 255
    return networks.build(
        config.model,
        n=config.n,
        hidden=config.hidden,
        depth=config.depth,
        seed=config.seed,
        positivity=config.positivity,
        lambda1=config.lambda1 * unit,
        lambda2=config.lambda2 * unit,
    )
