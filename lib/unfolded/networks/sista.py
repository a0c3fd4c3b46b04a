"""SISTA-RNN: unrolled sequential ISTA in its original parametrisation, (35)."""

from collections.abc import Callable

import torch
from torch import Tensor

from unfolded.networks.base import UnfoldedNetwork
from unfolded.recurrence import LowRank
from unfolded.recurrence.linear import linear
from unfolded.solvers import sista_step


class SistaRNN(UnfoldedNetwork):
    r"""Soft-threshold layers with a quadratic penalty towards the predicted frame F D h_{t-1}.

    With :math:`P = D^\top F D` the unrolled weights are :math:`V = \tfrac1c D^\top A^\top`,
    :math:`S = I - \tfrac1c D^\top(A^\top A + \lambda_2 I)D`,
    :math:`W^{(1)} = SP + \tfrac{\lambda_2}{c}P` and :math:`W^{(l)} = \tfrac{\lambda_2}{c}P`
    for l > 1. Parameters: A, D, F (n0, n0), h0, c, λ1, λ2, the same in all layers.
    Source: Wisdom et al. (2017); (35) of the paper.
    """

    def __init__(self, **options):
        super().__init__(**options)
        self.add_transition("F", self.n0)

    def symbols(self) -> dict[str, Tensor]:
        """Return the common symbols and F (n0, n0)."""
        return super().symbols() | {"F": self.F}

    @torch.no_grad()
    def lipschitz(self, A: Tensor) -> Tensor:
        r"""Return :math:`\|AD\|_2^2 + \lambda_2 \|D\|_2^2`, which contains the quadratic link."""
        temporal_term = self.positive("lambda2") * torch.linalg.matrix_norm(self.D, 2) ** 2
        return super().lipschitz(A) + temporal_term

    def solver(self) -> Callable[[Tensor, Tensor], Tensor]:
        """Return SISTA for one frame: d steps from Dᵀ F D h_{t−1}."""
        scalars = {name: self.positive(name) for name in ("c", "lambda1", "lambda2")}
        M, FD = self.A @ self.D, self.F @ self.D

        def solve(x_t: Tensor, h: Tensor) -> Tensor:
            prediction = h @ FD.T
            h = prediction @ self.D
            for _ in range(self.depth):
                h = sista_step(h, x_t, prediction, M=M, D=self.D, **scalars)
            return h

        return solve

    def weights(self) -> dict[str, Tensor | LowRank | None]:
        """Return P as G, S as W, V as U, the threshold λ1/c, and the factor λ2/c of P h_{t−1}."""
        c, lambda1, lambda2 = (self.positive(name) for name in ("c", "lambda1", "lambda2"))
        M, rho = self.A @ self.D, lambda2 / c
        # The square root has no gradient at λ2 = 0, which is fixed.
        penalty_rows = [rho.sqrt() * self.D] if "lambda2" in self.raw else []
        K = torch.cat([M / c.sqrt(), *penalty_rows])
        return {
            "G": LowRank(self.D, linear(self.F, self.D.T)).product(),
            "W": LowRank(-K, K).add_identity(),
            "U": (M.T / c)[None],
            "a": (lambda1 / c).expand(self.depth, self.hidden),
            "b": None,
            "rho": rho,
        }

    def layer_weights(self) -> tuple[list[Tensor], list[Tensor]]:
        """Return [W^(1), S, S, …] and [V, (λ2/c)P], with norms α_1, α_2 and β_1, β_2 in (17)."""
        M, c, lambda2 = self.A @ self.D, self.positive("c"), self.positive("lambda2")
        P = self.D.T @ self.F @ self.D
        identity = torch.eye(self.hidden, dtype=P.dtype, device=P.device)
        S = identity - (M.T @ M + lambda2 * self.D.T @ self.D) / c
        return [S @ P + lambda2 / c * P] + [S] * (self.depth - 1), [M.T / c, lambda2 / c * P]
