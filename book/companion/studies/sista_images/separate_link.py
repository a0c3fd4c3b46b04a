"""SISTA-RNN with the link between columns of its public code: P = Eᵀ F D with a separate E."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from unfolded.networks.sista import SistaRNN
from unfolded.prox import shrink
from unfolded.solvers import descend


class SeparateSistaRNN(SistaRNN):
    r"""SISTA-RNN whose link :math:`P = E^\top F D` does not depend on D alone.

    The paper has :math:`P = D^\top F D`. The public code trains the left factor, "Dinv", as a
    separate matrix; the gradient steps still use :math:`D^\top`. Initially :math:`E = D`, for which
    the network is :class:`unfolded.networks.sista.SistaRNN`. For another E the
    layers minimise no objective. Parameters: those of SISTA-RNN and E (n0, h).
    Source: code of Wisdom et al. (2017).
    """

    def __init__(self, **options):
        super().__init__(**options)
        self.E = nn.Parameter(self.D.detach().clone())

    def symbols(self) -> dict[str, Tensor]:
        """Return the symbols of SISTA-RNN and E (n0, h)."""
        return super().symbols() | {"E": self.E}

    def solver(self) -> Callable[[Tensor, Tensor], Tensor]:
        """Return the layers of one column: d steps from Eᵀ F D h_{t−1}."""
        c, lambda1, lambda2 = (self.positive(name) for name in ("c", "lambda1", "lambda2"))
        M, P = self.A @ self.D, self.E.T @ self.F @ self.D

        def solve(x_t: Tensor, h: Tensor) -> Tensor:
            prediction = h = h @ P.T
            for _ in range(self.depth):
                correction = prediction - (h @ self.D.T) @ self.D
                h = shrink(descend(h, x_t, M, c) + (lambda2 / c) * correction, lambda1 / c)
            return h

        return solve

    def weights(self) -> dict:
        """Return the weights of SISTA-RNN with P as G."""
        return super().weights() | {"G": self.E.T @ self.F @ self.D}

    def layer_weights(self) -> tuple[list[Tensor], list[Tensor]]:
        """Return [W^(1), S, S, …] and [V, (λ2/c)P] with this P."""
        M, c, lambda2 = self.A @ self.D, self.positive("c"), self.positive("lambda2")
        P = self.E.T @ self.F @ self.D
        S = torch.eye(self.hidden, dtype=P.dtype) - (M.T @ M + lambda2 * self.D.T @ self.D) / c
        return [S @ P + lambda2 / c * P] + [S] * (self.depth - 1), [M.T / c, lambda2 / c * P]
