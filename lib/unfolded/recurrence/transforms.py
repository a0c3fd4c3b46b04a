"""Tracing, vmap and higher derivatives: how the functions of the engine answer to them."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch._subclasses import FakeTensor


def is_symbolic(tensor: Tensor) -> bool:
    """Return whether only plain operations of PyTorch may read a tensor: it has no values yet."""
    recorded = torch.jit.is_tracing() or torch.compiler.is_compiling()
    return recorded or tensor.device.type == "meta" or isinstance(tensor, FakeTensor)


def has_values(tensor: Tensor) -> bool:
    """Return whether the values of a tensor can be read, and a check of them has an answer."""
    return not (is_symbolic(tensor) or functorch_active())


def functorch_active() -> bool:
    """Return whether torch.func has the call: only a function of autograd can answer to it."""
    return torch._C._are_functorch_transforms_active()


def batch_dim_first(
    tensors: Sequence[Tensor | None], dims: Sequence[int | None], runs: int
) -> list[Tensor | None]:
    """Return each tensor with its runs in the first dimension; what they share is repeated."""
    return [_batch_dim_first(*each, runs) for each in zip(tensors, dims, strict=True)]


def _batch_dim_first(tensor: Tensor | None, dim: int | None, runs: int) -> Tensor | None:
    if tensor is None:
        return None
    return tensor.expand(runs, *tensor.shape) if dim is None else tensor.movedim(dim, 0)


def differentiable_gradients(
    reference: Callable[..., Sequence[Tensor | None]],
    inputs: Sequence[Tensor | None],
    grads: Sequence[Tensor | None],
    needed: Sequence[bool],
) -> list[Tensor | None]:
    """Return the gradients of the outputs of ``reference`` in the inputs that need one."""
    pairs = zip(reference(*inputs), grads, strict=True)
    outputs, grads = zip(*(pair for pair in pairs if pair[1] is not None), strict=True)
    wanted = [tensor for tensor, need in zip(inputs, needed, strict=True) if need]
    options = {"create_graph": True, "allow_unused": True}
    found = iter(torch.autograd.grad(outputs, wanted, grads, **options))
    return [next(found) if need else None for need in needed]
