"""The weights of all layers from Z and K, as one autograd node."""

import torch

from unfolded.recurrence.matmul import matmul_nt
from unfolded.recurrence.transforms import batch_dim_first, differentiable_gradients


class LayerWeights(torch.autograd.Function):
    r"""Return :math:`V_l = Z_l K^\top` (d, h, n) and, for each layer, :math:`W_l = Z_l - V_l K`.

    Shapes: Z (d, h, h), K (n, h). Autograd would need twice the memory and use the default matrix
    products. Additional leading dimensions are runs.
    """

    @staticmethod
    def forward(Z, K):
        V = matmul_nt(Z.flatten(-3, -2), K)
        V = V.view(*Z.shape[:-1], K.shape[-2])
        W = [Z_l - matmul_nt(V_l, K.mT) for Z_l, V_l in zip(_layers(Z), _layers(V), strict=True)]
        return V, *W

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs, output[0])

    @staticmethod
    def backward(ctx, dV, *dW):
        Z, K, V = ctx.saved_tensors
        if torch.is_grad_enabled():
            needed = ctx.needs_input_grad
            return tuple(differentiable_gradients(_reference, (Z, K), (dV, *dW), needed))
        dZ = torch.stack(dW, -3)
        dV = dV - matmul_nt(_rows(dZ), K).view(V.shape)
        # One product sums over the rows of all layers.
        dK = matmul_nt(_rows(dV).mT, _rows(Z).mT).sub_(matmul_nt(_rows(V).mT, _rows(dZ).mT))
        for dZ_l, dV_l in zip(*map(_layers, (dZ, dV)), strict=True):
            dZ_l.add_(matmul_nt(dV_l, K.mT))
        return dZ, dK

    @staticmethod
    def vmap(info, in_dims, *inputs):
        output = LayerWeights.apply(*batch_dim_first(inputs, in_dims, info.batch_size))
        return output, (0,) * len(output)


def _reference(Z, K):
    V = Z @ K.mT
    return V, *_layers(Z - V @ K)


def _layers(tensor):
    return tensor.unbind(-3)


def _rows(tensor):
    return tensor.flatten(-3, -2)
