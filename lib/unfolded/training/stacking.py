"""One network, or several networks of equal shape with a common forward and backward pass."""

import functools
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from unfolded.recurrence.linear import linear
from unfolded.training.train_step import row_norms

_EVALUATION_BATCH = 250


def recover(network: nn.Module, frames: Tensor) -> Tensor:
    """Recover frames that were checked when loaded; if A diverges, the loss is not finite."""
    return network.run(linear(frames, network.A))


class SingleModel:
    """One network, with the interface of :class:`StackedModels`."""

    shape = ()
    """The dimension of runs: None."""

    def __init__(self, network: nn.Module):
        self.leaves = list(network.parameters())
        self.recover = functools.partial(recover, network)
        self.row_norms = functools.partial(row_norms, network)

    def assign_gradients(self) -> None:
        """Do nothing: the optimiser uses the gradients of the parameters."""


class StackedModels:
    """Networks of equal shape, whose parameters become slices of common tensors (runs, …)."""

    def __init__(self, networks: Sequence[nn.Module]):
        self.shape = (len(networks),)
        self.parameters = list(zip(*(network.parameters() for network in networks), strict=True))
        self.leaves = [_stack_parameters(parameters) for parameters in self.parameters]
        self.template = _Network(networks[0])
        self.names = [name for name, _ in self.template.named_parameters()]

    def recover(self, frames: Tensor) -> Tensor:
        """Recover frames (runs, batch, time, n0), or (batch, time, n0) with each network."""
        return self._map(recover, frames, in_dims=(0 if frames.ndim == 4 else None,))

    def row_norms(self) -> Tensor:
        """Return the sum of row norms of each network: (runs,)."""
        return self._map(row_norms)

    def _map(self, function: Callable[..., Tensor], *tensors: Tensor, in_dims=()) -> Tensor:
        def apply(leaves: dict[str, Tensor], *tensors: Tensor) -> Tensor:
            return torch.func.functional_call(self.template, leaves, (function, *tensors))

        leaves = dict(zip(self.names, self.leaves, strict=True))
        return torch.func.vmap(apply, in_dims=(0, *in_dims))(leaves, *tensors)

    def assign_gradients(self) -> None:
        """Assign each network's slice of the gradients to its parameters."""
        for leaf, parameters in zip(self.leaves, self.parameters, strict=True):
            for part, p in zip(leaf.grad, parameters, strict=True):
                p.grad = part


def _stack_parameters(parameters: Sequence[nn.Parameter]) -> Tensor:
    """Return a tensor (runs, …) and turn the parameters into slices of it."""
    first = parameters[0]
    # Preserve the memory layout: fused Adam uses the same order for parameters and moments.
    stride = (first.numel(), *first.stride())
    stack = first.detach().new_empty_strided((len(parameters), *first.shape), stride)
    for part, p in zip(stack, parameters, strict=True):
        part.copy_(p.detach())
        p.data = part
    return stack.requires_grad_()


class _Network(nn.Module):
    """Wraps a function of a network as a module, as required by functional_call."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, function: Callable[..., Tensor], *tensors: Tensor) -> Tensor:
        return function(self.network, *tensors)


@torch.no_grad()
def estimates(models: SingleModel | StackedModels, frames: Tensor) -> Tensor:
    """Return each network's estimate of frames (sequences, time, n0): (…, sequences, time, n0)."""
    return torch.cat([models.recover(part) for part in frames.split(_EVALUATION_BATCH)], -3)


def mean_squared_errors(models: SingleModel | StackedModels, frames: Tensor, peak: float) -> Tensor:
    """Return each network's mean squared error, in squared grey levels of 255 for any peak."""
    error = (estimates(models, frames) - frames) * (255 / peak)
    return error.double().square().mean((-3, -2, -1))
