"""LISTA: unrolled ISTA for single signals. It is not in the registry of sequence networks."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from unfolded.errors import ConfigError, complain
from unfolded.networks.positivity import from_raw, to_raw
from unfolded.prox import shrink

STARTS = ("ista", "random")
_STD = 0.01


def lista_step(y: Tensor, Ux: Tensor, *, W: Tensor, gamma: Tensor) -> Tensor:
    r"""Compute one layer, :math:`\mathrm{soft}_\gamma(W y + U x)`.

    With :func:`ista_weights` it is :func:`unfolded.solvers.ista_step` in expanded form.
    Shapes: y and Ux (batch, h), W (h, h), gamma (h,). Source: §1 of the paper.
    """
    return _Layer.apply(y, Ux, W, gamma)


class _Layer(torch.autograd.Function):
    """A layer with its own backward pass, which is faster than that of its single operations."""

    @staticmethod
    def forward(ctx, y: Tensor, Ux: Tensor, W: Tensor, gamma: Tensor) -> Tensor:
        out = shrink(torch.addmm(Ux, y, W.T), gamma)
        ctx.save_for_backward(y, W, out)
        return out

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, ...]:
        y, W, out = ctx.saved_tensors
        above, below = grad * (out > 0), grad * (out < 0)
        active = above + below
        return active @ W, active, active.T @ y, below.sum(0) - above.sum(0)


def ista_weights(M: Tensor, *, c, lambda1) -> tuple[Tensor, Tensor, Tensor]:
    r"""Return :math:`W = I - \tfrac1c M^\top M`, :math:`U = \tfrac1c M^\top` and
    :math:`\gamma = \lambda_1/c`, for which a layer is a step of ISTA; M = AD (n, h).

    >>> W, U, gamma = ista_weights(torch.eye(2), c=2.0, lambda1=0.5)
    >>> W.tolist(), gamma.tolist()
    ([[0.5, 0.0], [0.0, 0.5]], [0.25, 0.25])
    """
    W = torch.eye(M.shape[1], dtype=M.dtype, device=M.device) - M.T @ M / c
    return W, M.T / c, torch.full_like(M[0], float(lambda1 / c))


class LISTA(nn.Module):
    r"""Layers :math:`y_l = \mathrm{soft}_{\gamma_l}(W_l y_{l-1} + U_l x)`, :math:`y_0 = 0`.

    ``start="ista"`` uses the weights of ISTA, so that the untrained network is ISTA; "random"
    draws W and U from N(0, 0.01²), as in the code of Hadou et al., with initial thresholds of
    0.01, while that code draws thresholds like W, possibly negative. ``tied`` layers share weights,
    as in the first LISTA. ``positivity`` keeps thresholds positive, as in
    :mod:`unfolded.networks.positivity`.
    Shapes: M (n, h), x (batch, n), codes (batch, h). ``c=None`` uses :math:`\|M\|_2^2`.
    Raises ConfigError on an unknown start, an invalid depth, λ1 ≤ 0, or inconsistent input.
    Source: Gregor and LeCun (2010); §1 of the paper states it with separate weights per layer.

    >>> net = LISTA(torch.eye(3), lambda1=0.25, depth=2)
    >>> net(torch.ones(1, 3)).tolist()
    [[0.75, 0.75, 0.75]]
    """

    def __init__(
        self,
        M: Tensor,
        *,
        lambda1: float,
        depth: int,
        c: float | None = None,
        tied: bool = False,
        start: str = "ista",
        seed: int = 0,
        positivity: str = "exp",
    ):
        super().__init__()
        if isinstance(depth, bool) or not isinstance(depth, int) or depth < 1:
            raise ConfigError(complain("a depth of at least 1", repr(depth), "choose another"))
        if start not in STARTS:
            raise ConfigError(complain(f"a start from {STARTS}", repr(start), "choose one"))
        c = torch.linalg.matrix_norm(M, 2).item() ** 2 if c is None else c
        if not c > 0:
            raise ConfigError(complain("c > 0", c, "pass a bound of the squared norm of M"))
        W, U, gamma = ista_weights(M, c=c, lambda1=lambda1)
        kinds = 1 if tied else depth
        if start == "random":
            generator = torch.Generator().manual_seed(seed)
            draw = {"generator": generator, "dtype": M.dtype}
            W = _STD * torch.randn(kinds, *W.shape, **draw)
            U = _STD * torch.randn(kinds, *U.shape, **draw)
            gamma = torch.full_like(gamma, _STD)
        self.depth, self.positivity = depth, positivity
        self.W = nn.Parameter(W.expand(kinds, -1, -1).clone())
        self.U = nn.Parameter(U.expand(kinds, -1, -1).clone())
        raw = to_raw(gamma.expand(kinds, -1), positivity, "lambda1 / c")
        self.raw = nn.ParameterDict({"gamma": nn.Parameter(raw.clone())})

    @property
    def gamma(self) -> Tensor:
        """The effective thresholds, (depth, h), or (1, h) if tied."""
        return from_raw(self.raw["gamma"], self.positivity)

    def forward(self, x: Tensor) -> Tensor:
        """Return the code of the last layer: (batch, n) -> (batch, h)."""
        return self.layers(x)[-1]

    def layers(
        self,
        x: Tensor,
        disturb: Callable[[Tensor, int], Tensor] | None = None,
        y0: Tensor | None = None,
    ) -> list[Tensor]:
        """Return y_0 … y_L; the input of layer l + 1 is ``disturb(y_l, l)``, 1 ≤ l < L.

        ``y0`` (batch, h) is zero by default.
        """
        n, h = self.U.shape[-1], self.U.shape[-2]
        if x.ndim != 2 or x.shape[1] != n or x.dtype != self.U.dtype:
            actual = f"{x.dtype} of shape {tuple(x.shape)}"
            expected = f"signals (batch, {n}) in {self.U.dtype}"
            raise ConfigError(complain(expected, actual, "reshape or convert what you pass"))
        outputs = [x.new_zeros(len(x), h) if y0 is None else y0]
        # One product for all layers, and tensors that are split once, make training faster.
        Ux = (x @ self.U.flatten(0, 1).T).unflatten(1, (-1, h)).unbind(1)
        W, gamma = self.W.unbind(), self.gamma.unbind()
        for l in range(self.depth):
            k = l if len(gamma) > 1 else 0
            y = disturb(outputs[l], l) if disturb and l else outputs[l]
            outputs.append(lista_step(y, Ux[k], W=W[k], gamma=gamma[k]))
        return outputs
