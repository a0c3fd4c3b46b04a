"""The product x Wᵀ as one autograd node, computed by the fastest available routine."""

import torch
from torch import Tensor

from unfolded.recurrence import transforms
from unfolded.recurrence.matmul import matmul_nt, routines


def linear(x: Tensor, W: Tensor) -> Tensor:
    """Return x Wᵀ: x (…, rows, k), W (o, k). A node is created only if a gradient is required."""
    if x.ndim == 2:
        return linear(x[None], W).squeeze(0)
    transformed = transforms.functorch_active()
    if len(routines()) == 1 and not transformed:
        return torch.nn.functional.linear(x, W)  # the same products with less overhead
    asks = torch.is_grad_enabled() and (x.requires_grad or W.requires_grad)
    return (Linear.apply if asks or transformed else Linear.forward)(x, W)


class Linear(torch.autograd.Function):
    """Return x Wᵀ. Shapes: x (…, m, rows, k), W (…, o, k); other leading dimensions are runs."""

    @staticmethod
    def forward(x, W):
        return matmul_nt(x.flatten(-3, -2), W).unflatten(-2, x.shape[-3:-1])

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, dy):
        x, W = ctx.saved_tensors
        if torch.is_grad_enabled():
            arguments = (lambda x, W: [x @ W.mT]), (x, W), [dy], ctx.needs_input_grad
            return tuple(transforms.differentiable_gradients(*arguments))
        dx = dW = None
        rows = dy.flatten(-3, -2)
        if ctx.needs_input_grad[1]:  # first, because it copies the rows
            dW = matmul_nt(rows.mT, x.flatten(-3, -2).mT)
        if ctx.needs_input_grad[0]:
            dx = matmul_nt(rows, W.mT).view(x.shape)
        return dx, dW

    @staticmethod
    def vmap(info, in_dims, *inputs):
        return Linear.apply(*transforms.batch_dim_first(inputs, in_dims, info.batch_size)), 0
