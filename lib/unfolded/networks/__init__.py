"""The networks: one module for each, a common signature, and a registry."""

import numpy as np
import torch
from torch import Tensor, nn

from unfolded.choices import UNFOLDED, variant_options
from unfolded.errors import ConfigError, check_choice, complain
from unfolded.networks.fastrnn import FastRNN
from unfolded.networks.gru import GRU
from unfolded.networks.indrnn import IndRNN
from unfolded.networks.l1_l1 import L1L1RNN
from unfolded.networks.lstm import LSTM
from unfolded.networks.reweighted import ReweightedRNN
from unfolded.networks.sista import SistaRNN
from unfolded.networks.spectralrnn import SpectralRNN
from unfolded.networks.srnn import SRNN

__all__ = ["build", "names"]

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


def build(
    name: str,
    *,
    n0: int | None = None,
    n: int | None = None,
    hidden: int = 1024,
    depth: int = 3,
    seed: int = 0,
    positivity: str = "exp",
    lambda1: float = 1.0,
    lambda2: float = 0.01,
    reweighting: str = "Z+g",
    memory: bool = True,
    variant: str = "default",
    A: Tensor | np.ndarray | None = None,
    trainable_A: bool = True,
    fast: bool = True,
) -> nn.Module:
    """Build a network by name with the paper's sizes as defaults: n0 = 256 pixels, n = 51.

    ``positivity``, ``lambda1`` and ``lambda2`` (units of a pixel; a λ2 of 0 stays fixed) are for
    unfolded networks, ``reweighting`` ("Z+g", "Z" or "g", the trained part) for reweighted-rnn.
    ``memory=False`` fixes the link to the previous frame of an unfolded network at zero;
    ``variant`` selects options of a stacked network from ``VARIANTS`` of choices.py. ``A``: the
    initial sensing matrix (n, n0), copied, instead of a random one; with ``trainable_A=False`` it
    is a buffer, so that no optimiser changes it. The initial c of an unfolded network is then at
    least the Lipschitz constant of its solver, so that the layers do not diverge. ``fast=False``
    runs this network with autograd instead of the engine, as :func:`unfolded.recurrence.use` does
    for all networks. The network has PyTorch's default dtype and device; the weights are the same
    up to rounding for all of them.
    Raises ConfigError on an unknown name, an invalid size, or sizes other than those of ``A``.

    >>> build("l1-l1-rnn", hidden=16, depth=2)(torch.zeros(1, 3, 256)).shape
    torch.Size([1, 3, 256])
    """
    arguments = {key: value for key, value in locals().items() if key != "A"}
    check_choice("a model", name, _REGISTRY)
    A = None if A is None else _valid_matrix(A, n, n0)
    n, n0 = (51 if n is None else n, 256 if n0 is None else n0) if A is None else A.shape
    sizes = {"n0": n0, "n": n, "hidden": hidden, "depth": depth, "seed": seed}
    if name in UNFOLDED:
        options = dict(positivity=positivity, lambda1=lambda1, lambda2=lambda2, memory=memory)
        options |= {"reweighting": reweighting} if name == "reweighted-rnn" else {}
    else:
        options = variant_options(name, variant)
    dtype, device = torch.get_default_dtype(), torch.get_default_device()
    torch.set_default_dtype(torch.float32)
    try:
        with torch.device("cpu"):
            network = _REGISTRY[name](**sizes, **options, fast=fast)
            if A is not None and name in UNFOLDED:
                network.add_positive("c", network.lipschitz(A.float()).clamp(min=1.0))
    finally:
        torch.set_default_dtype(dtype)
    network = network.to(device, dtype)
    A = network.A.detach() if A is None else A.to(device, dtype)
    if trainable_A:
        network.A = nn.Parameter(A)
    else:
        del network.A
        network.register_buffer("A", A)
    network.arguments = arguments | {"n0": int(n0), "n": int(n), "hidden": network.hidden}
    network.arguments |= {"depth": network.depth, "seed": int(seed)}
    return network


def _valid_matrix(A: Tensor | np.ndarray, n: int | None, n0: int | None) -> Tensor:
    """Return a copy of a sensing matrix in double precision, or raise ConfigError."""
    do = "pass a real matrix (n, n0), and leave n and n0 out"
    try:
        if isinstance(A, Tensor):  # NumPy has no bfloat16
            A = A.detach().cpu().to_dense().to(torch.promote_types(A.dtype, torch.float64))
        A = torch.from_numpy(np.asarray(A).astype(np.float64, order="C", casting="same_kind"))
    except (TypeError, ValueError, RuntimeError) as error:
        got = f"an A of type {type(A).__name__} and no real numbers"
        raise ConfigError(complain("A as a matrix", got, do)) from error
    sizes = A.shape if A.ndim == 2 and A.numel() else (0, 0)
    if not sizes[0] or n not in (None, sizes[0]) or n0 not in (None, sizes[1]):
        want = f"A of shape ({n or 'n'}, {n0 or 'n0'})"
        raise ConfigError(complain(want, f"one of shape {tuple(A.shape)}", do))
    if not bool(torch.isfinite(A).all()):
        raise ConfigError(complain("a finite A", "NaN or infinite entries", do))
    return A
