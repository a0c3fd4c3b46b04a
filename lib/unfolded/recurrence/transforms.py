"""Support of the engine for tracing, vmap and higher derivatives."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch._subclasses import FakeTensor


def is_symbolic(tensor: Tensor) -> bool:
    """Return whether a tensor has no values yet, so that only PyTorch operations can read it."""
    is_recorded = torch.jit.is_tracing() or torch.compiler.is_compiling()
    return is_recorded or tensor.device.type == "meta" or isinstance(tensor, FakeTensor)


def has_values(tensor: Tensor) -> bool:
    """Return whether the values of a tensor can be read and checked."""
    return not (is_symbolic(tensor) or functorch_active())


def functorch_active() -> bool:
    """Return whether a transform of torch.func is active; it supports only autograd functions."""
    return torch._C._are_functorch_transforms_active()


def differentiated_by_func() -> bool:
    """Return whether torch.func differentiates; the engine supports only autograd."""
    levels = torch._C._functorch.get_interpreter_stack() or ()
    known = torch._C._functorch.TransformType
    return any(level.key() in (known.Grad, known.Jvp) for level in levels)


def batch_dim_first(
    tensors: Sequence[Tensor | None], dims: Sequence[int | None], runs: int
) -> list[Tensor | None]:
    """Return each tensor with the runs as first dimension; shared tensors are repeated."""
    return [
        t if t is None else t.expand(runs, *t.shape) if dim is None else t.movedim(dim, 0)
        for t, dim in zip(tensors, dims, strict=True)
    ]


def differentiable_gradients(
    reference: Callable[..., Sequence[Tensor | None]],
    inputs: Sequence[Tensor | None],
    grads: Sequence[Tensor | None],
    needed: Sequence[bool],
) -> list[Tensor | None]:
    """Return the gradients of the outputs of ``reference`` for the inputs that require one."""
    pairs = zip(reference(*inputs), grads, strict=True)
    outputs, grads = zip(*(pair for pair in pairs if pair[1] is not None), strict=True)
    differentiated = [tensor for tensor, need in zip(inputs, needed, strict=True) if need]
    options = {"create_graph": True, "allow_unused": True}
    gradients = iter(torch.autograd.grad(outputs, differentiated, grads, **options))
    return [next(gradients) if need else None for need in needed]
