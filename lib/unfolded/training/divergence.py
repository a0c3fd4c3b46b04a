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
    bad = log.isfinite().all(1).logical_not().nonzero()
    if len(bad):
        step = bad[0].item()
        loss, norm, *norms = log[step].tolist()
        where = f"epoch {epoch + 1}, step {step + 1}"
        check(network, loss, "loss", where)
        check(network, norm, "gradient", where, norms)


def check(
    network: nn.Module, value: float, what: str, where: str, norms: Sequence[float] = ()
) -> None:
    """Raise TrainingError, with the responsible parameter, if a value is not finite."""
    if not math.isfinite(value):
        raise TrainingError(_blame(network, f"a {what} of {value} in {where}", what, norms))


def _blame(network: nn.Module, found: str, what: str, norms: Sequence[float]) -> str:
    """Name the non-finite parameter, else the one with non-finite gradient norm, else the largest.

    ``norms`` are in the order of the parameters; without them, gradients are not considered.
    """
    named = dict(network.named_parameters())
    sizes = {name: p.detach().abs().max().item() for name, p in named.items()}
    bad = [name for name, size in sizes.items() if not math.isfinite(size)]
    bad += [name for name, norm in zip(sizes, norms, strict=False) if not math.isfinite(norm)]
    name = bad[0] if bad else max(sizes, key=sizes.__getitem__)
    got = f"{found}, with parameter {name} at {sizes[name]:g}"
    do = "keep positivity 'exp', or start from a smaller lambda1 and lambda2"
    return complain(f"a finite {what}", got, do)
