"""Detection of divergence: the first non-finite value and the responsible parameter."""

import math
from collections.abc import Sequence

import torch
from torch import nn

from unfolded.errors import TrainingError, complain


def check_log(network: nn.Module, log: torch.Tensor, epoch: int) -> None:
    """Raise TrainingError at the first step of an epoch with a non-finite loss or gradient.

    ``log`` (steps, 2 + parameters): loss, gradient norm, gradient norm of each parameter.
    """
    steps = log.isfinite().all(1).logical_not().nonzero()
    if len(steps):
        step = steps[0].item()
        loss, norm, *norms = log[step].tolist()
        position = f"epoch {epoch + 1}, step {step + 1}"
        check(network, loss, "loss", position)
        check(network, norm, "gradient", position, norms)


def check(
    network: nn.Module, value: float, what: str, where: str, norms: Sequence[float] = ()
) -> None:
    """Raise TrainingError if a value is not finite; the message names the responsible parameter.

    It is the non-finite parameter, else the one with a non-finite gradient norm in ``norms``, which
    are in the order of the parameters, else the largest.
    """
    if math.isfinite(value):
        return
    parameters = dict(network.named_parameters())
    sizes = {name: p.detach().abs().max().item() for name, p in parameters.items()}
    names = [name for name, size in sizes.items() if not math.isfinite(size)]
    names += [name for name, norm in zip(sizes, norms, strict=False) if not math.isfinite(norm)]
    name = names[0] if names else max(sizes, key=sizes.__getitem__)
    got = f"a {what} of {value} in {where}, with parameter {name} at {sizes[name]:g}"
    do = "keep positivity 'exp', or start from a smaller lambda1 and lambda2"
    raise TrainingError(complain(f"a finite {what}", got, do))
