"""Networks in safetensors files, with the arguments that build them in the header."""

import json
from pathlib import Path

import safetensors
import torch
from safetensors.torch import save as serialized
from torch import nn

from unfolded import files
from unfolded.errors import ConfigError, RecordError, complain, one_line
from unfolded.networks import build
from unfolded.networks.base import SequenceNetwork
from unfolded.runs.config import RunConfig

FORMAT = 1
_READ_ERRORS = (OSError, KeyError, TypeError, ValueError, RuntimeError, MemoryError)


def save(network: nn.Module, path: str | Path) -> None:
    """Write a network from :func:`unfolded.build` to a safetensors file, atomically.

    The header has the version of the format and the arguments of ``build``; attributes changed
    afterwards, such as ``requires_grad`` of a parameter, are not stored.
    Raises ConfigError for another module, and RecordError if the file cannot be written or the
    path is a symbolic link or a special file.
    """
    if not isinstance(network, SequenceNetwork) or not hasattr(network, "arguments"):
        want, do = "a network from unfolded.build", "save the state_dict of other modules"
        raise ConfigError(complain(want, f"an object of type {type(network).__name__}", do))
    write(path, network, {"unfolded": {"format": FORMAT, "build": network.arguments}})


def load(path: str | Path) -> nn.Module:
    """Return the network in a file of :func:`save`, or in the file of weights of a run.

    It has the precision of the file, for weights of a run at least single precision, and PyTorch's
    default device, and can be trained further.
    No code in the file is executed. Raises RecordError if the file is damaged or of another kind.
    """
    return read(path)[0]


def is_complete(path: Path) -> bool:
    """Return whether a safetensors file has the length that its header states."""
    try:
        with safetensors.safe_open(path, framework="np"):
            return True
    except (OSError, safetensors.SafetensorError):
        return False


def write(path: str | Path, network: nn.Module, header: dict[str, dict]) -> None:
    """Write a network atomically; the header has one key: {"unfolded": …} or {"config": …}."""
    weights = {name: tensor.cpu().contiguous() for name, tensor in network.state_dict().items()}
    # safetensors does not sort keys, and equal networks must give equal bytes.
    ((key, content),) = header.items()
    text = json.dumps(content, sort_keys=True, default=float)
    files.write(Path(path), serialized(weights, metadata={key: text}))


def read(
    path: str | Path, want: str = "a network of unfolded.save", do: str = "save it again"
) -> tuple[nn.Module, dict[str, dict]]:
    """Return the network in a file and the header. Raises RecordError, with ``want`` and ``do``."""
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            header = {key: json.loads(text) for key, text in (file.metadata() or {}).items()}
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if "config" in header:
            arguments = RunConfig(**header["config"]).network()
        elif header.get("unfolded", {}).get("format") == FORMAT:
            arguments = header["unfolded"]["build"]
        else:
            raise ValueError(f"a file without a header of format {FORMAT}")
        network = build(**arguments)
        (dtype,) = {tensor.dtype for tensor in weights.values()}
        if "config" in header:  # rounded for storage, but recovery in half precision overflows
            dtype = torch.promote_types(dtype, torch.float32)
        network.to(dtype).load_state_dict(weights)
    except (*_READ_ERRORS, AttributeError, safetensors.SafetensorError) as error:
        raise RecordError(complain(f"{want} at {path}", one_line(error), do)) from error
    return network, header
