"""The weights of all layers from Z and K, as one node of the graph."""

import torch
from torch.autograd.function import once_differentiable

from unfolded.recurrence.matmul import product
from unfolded.recurrence.vmap import runs_first


class Transformed(torch.autograd.Function):
    r"""Return :math:`V_l = Z_l K^\top` (d, h, n) and, layer by layer, :math:`W_l = Z_l - V_l K`.

    Shapes: Z (d, h, h), K (n, h). Autograd would form the same in twice the memory, with the
    default products. Dimensions before these are runs.
    """

    @staticmethod
    def forward(Z, K):
        V = product(Z.flatten(-3, -2), K)
        V = V.view(*Z.shape[:-1], K.shape[-2])
        W = [Z_l - product(V_l, K.mT) for Z_l, V_l in zip(_layers(Z), _layers(V), strict=True)]
        return V, *W

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs, output[0])

    @staticmethod
    @once_differentiable
    def backward(ctx, dV, *dW):
        Z, K, V = ctx.saved_tensors
        dZ = torch.stack(dW, -3)
        dV = dV - product(_rows(dZ), K).view(V.shape)
        # All layers together: what is summed over their rows is one product.
        dK = product(_rows(dV).mT, _rows(Z).mT).sub_(product(_rows(V).mT, _rows(dZ).mT))
        for dZ_l, dV_l in zip(*map(_layers, (dZ, dV)), strict=True):
            dZ_l.add_(product(dV_l, K.mT))
        return dZ, dK

    @staticmethod
    def vmap(info, in_dims, *inputs):
        output = Transformed.apply(*runs_first(inputs, in_dims, info.batch_size))
        return output, (0,) * len(output)


def _layers(tensor):
    return tensor.unbind(-3)


def _rows(tensor):
    return tensor.flatten(-3, -2)
