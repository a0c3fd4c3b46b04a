"""reweighted-RNN: Algorithm 1 unrolled, (8)–(11)."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from unfolded.choices import REWEIGHTING
from unfolded.errors import check_choice
from unfolded.networks.base import UnfoldedNetwork
from unfolded.recurrence import LowRank, form_layer_weights
from unfolded.solvers import reweighted_step


class ReweightedRNN(UnfoldedNetwork):
    r"""Layer l computes :math:`h_t^{(l)} = \Phi(W_l h_t^{(l-1)} + U_l x_t)` with separate Z_l, g_l.

    .. math:: U_l = \tfrac1c Z_l D^\top A^\top, \quad W_1 = (Z_1 - U_1 A D) G, \quad
        W_l = Z_l - U_l A D \;(l > 1)

    and thresholds :math:`\lambda_1 g_l/c`, :math:`\lambda_2 g_l/c` around :math:`\hbar =
    G h_{t-1}^{(d)}`. Initial values as in the solver: Z_l = I, G = I, g_l = 1, c = 1, h_0 = 0.
    ``reweighting``: the trained parameters, "Z+g", "Z" or "g"; the other one stays constant.
    Source: (8)–(11).
    """

    def __init__(self, *, reweighting: str = "Z+g", **options):
        super().__init__(**options)
        check_choice("reweighting", reweighting, REWEIGHTING)
        self.add_transition("G", self.hidden)
        self._add_weights(reweighting)

    def _add_weights(self, reweighting: str) -> None:
        self.Z = None
        if "Z" in reweighting:
            self.Z = nn.Parameter(torch.eye(self.hidden).repeat(self.depth, 1, 1))
        if "g" in reweighting:
            self.add_positive("g", torch.ones(self.depth, self.hidden))

    def symbols(self) -> dict[str, Tensor]:
        """Return the common symbols, G (h, h), Z (d, h, h) and g (d, h)."""
        Z = self.Z
        if Z is None:
            Z = torch.eye(self.hidden).to(self.G).expand(self.depth, -1, -1)
        return super().symbols() | {"G": self.G, "Z": Z, "g": self._g()}

    def _g(self) -> Tensor:
        return self.positive("g") if "g" in self.raw else self.A.new_ones(self.depth, self.hidden)

    def thresholds(self) -> tuple[Tensor, Tensor]:
        """Return a = λ1 g/c and b = λ2 g/c, each (d, h)."""
        c, g = self.positive("c"), self._g()
        return self.positive("lambda1") * g / c, self.positive("lambda2") * g / c

    def solver(self) -> Callable[[Tensor, Tensor], Tensor]:
        """Return Algorithm 1 for one frame: d steps from ħ = G h_{t−1}."""
        (a, b), M, c = self.thresholds(), self.A @ self.D, self.positive("c")

        def solve(x_t: Tensor, h: Tensor) -> Tensor:
            h = hbar = h @ self.G.T
            for l in range(self.depth):
                Z_l = None if self.Z is None else self.Z[l]
                h = reweighted_step(h, x_t, hbar, M=M, c=c, a=a[l], b=b[l], Z=Z_l)
            return h

        return solve

    def weights(self) -> dict[str, Tensor | LowRank | None]:
        """Return G, the weights of (9) and (11), and the thresholds; (10) is (11) times G."""
        M, c = self.A @ self.D, self.positive("c")
        a, b = self.thresholds()
        if self.Z is None:
            K = M / c.sqrt()
            W, U = LowRank(-K, K).add_identity(), (K.T / c.sqrt())[None]
        else:
            W, U = form_layer_weights(self.Z, M, c)
        return {"G": self.G, "W": W, "U": U, "a": a, "b": b}

    def layer_weights(self) -> tuple[list[Tensor], list[Tensor]]:
        """Return W_l by (10)–(11) and U_l by (9)."""
        M, Z = self.A @ self.D, self.symbols()["Z"]
        U = [Z_l @ M.T / self.positive("c") for Z_l in Z]
        W = [Z_l - U_l @ M for Z_l, U_l in zip(Z, U, strict=True)]
        return [W[0] @ self.G, *W[1:]], U
