"""Several runs side by side: what vmap hands to a function that has its own leading dimension."""

from collections.abc import Sequence

import torch
from torch import Tensor


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
