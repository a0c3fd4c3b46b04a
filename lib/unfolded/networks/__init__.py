"""The networks: one module for each, a common signature, and a registry."""

import torch
from torch import nn

from unfolded.choices import UNFOLDED, VARIANTS, variant_options
from unfolded.errors import ConfigError, complain
from unfolded.networks.fastrnn import FastRNN
from unfolded.networks.gru import GRU
from unfolded.networks.indrnn import IndRNN
from unfolded.networks.l1_l1 import L1L1RNN
from unfolded.networks.lstm import LSTM
from unfolded.networks.reweighted import ReweightedRNN
from unfolded.networks.sista import SistaRNN
from unfolded.networks.spectralrnn import SpectralRNN
from unfolded.networks.srnn import SRNN

__all__ = ["VARIANTS", "build", "names", "unfolded", "variant_options"]

_REGISTRY: dict[str, type[nn.Module]] = {
    "reweighted-rnn": ReweightedRNN,
    "l1-l1-rnn": L1L1RNN,
    "sista-rnn": SistaRNN,
    "srnn": SRNN,
    "lstm": LSTM,
    "gru": GRU,
    "indrnn": IndRNN,
    "fastrnn": FastRNN,
    "spectralrnn": SpectralRNN,
}


def names() -> tuple[str, ...]:
    """Return the names accepted by :func:`build`, the unfolded networks first."""
    return tuple(_REGISTRY)


def unfolded(name: str) -> bool:
    """Return whether a name belongs to an unfolded network.

    >>> [name for name in names() if unfolded(name)]
    ['reweighted-rnn', 'l1-l1-rnn', 'sista-rnn']
    """
    return name in UNFOLDED


def build(
    name: str,
    *,
    n0: int = 256,
    n: int = 51,
    hidden: int = 1024,
    depth: int = 3,
    seed: int = 0,
    positivity: str = "exp",
    lambda1: float = 1.0,
    lambda2: float = 0.01,
    reweighting: str = "Z+g",
    memory: bool = True,
    variant: str = "default",
) -> nn.Module:
    """Build a network by name with the paper's sizes as defaults.

    ``positivity``, ``lambda1`` and ``lambda2`` (units of a pixel; a λ2 of 0 stays fixed) are for
    unfolded networks, ``reweighting`` ("Z+g", "Z" or "g", the trained part) for reweighted-rnn.
    ``memory=False`` fixes the link to the previous frame of an unfolded network at zero;
    ``variant`` selects options of a stacked network from :data:`VARIANTS`. The network has
    PyTorch's default dtype and device; the weights are the same up to rounding for all of them.
    Raises ConfigError on an unknown name or an invalid size.

    >>> build("l1-l1-rnn", hidden=16, depth=2)(torch.zeros(1, 3, 256)).shape
    torch.Size([1, 3, 256])
    """
    if name not in _REGISTRY:
        known = ", ".join(_REGISTRY)
        raise ConfigError(complain(f"a model from {known}", repr(name), "choose one of them"))
    sizes = {"n0": n0, "n": n, "hidden": hidden, "depth": depth, "seed": seed}
    if unfolded(name):
        options = {"positivity": positivity, "lambda1": lambda1, "lambda2": lambda2}
        options |= {"memory": memory}
        options |= {"reweighting": reweighting} if name == "reweighted-rnn" else {}
    else:
        options = variant_options(name, variant)
    dtype, device = torch.get_default_dtype(), torch.get_default_device()
    torch.set_default_dtype(torch.float32)
    try:
        with torch.device("cpu"):
            network = _REGISTRY[name](**sizes, **options)
    finally:
        torch.set_default_dtype(dtype)
    return network.to(device, dtype)
