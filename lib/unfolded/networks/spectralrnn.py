"""SpectralRNN (Zhang et al., 2018), stacked, on the measurements."""

import torch
from torch import Tensor, nn

from unfolded.errors import real_number, whole_number
from unfolded.networks.stacked import Layer, LayeredNetwork


class SpectralLayer(Layer):
    """One layer of SpectralRNN.

    Parameters: ``P`` and ``Q`` (k h − k(k−1)/2,), the reflectors of both factors packed row by
    row: the first of length h, the next of length h − 1, …; ``p`` (h,), the free singular values.
    """

    def __init__(self, width, hidden, activation="relu", reflectors=None, margin=0.01):
        super().__init__(width, hidden, activation)
        k = max(1, hidden // 4) if reflectors is None else reflectors
        k = whole_number("reflectors", k, 1, hidden)
        self.margin, self.reflectors = real_number("margin", margin, 0, 1), k
        nn.init.xavier_uniform_(self.U)
        row, column = torch.triu_indices(k, hidden)
        self.register_buffer("places", row * hidden + column, persistent=False)
        self.P, self.Q = (nn.Parameter(self._draw(k, hidden)) for _ in "PQ")
        self.p = nn.Parameter(torch.zeros(hidden))

    def _draw(self, k: int, hidden: int) -> Tensor:
        return directions(torch.empty(k, hidden).uniform_(-1, 1).triu()).view(-1)[self.places]

    def unpacked(self, packed: Tensor) -> Tensor:
        """Return packed reflectors as unit rows (k, h) with zeros left of the diagonal."""
        size = (self.reflectors, len(self.p))
        entries = packed.new_zeros(size[0] * size[1]).scatter(0, self.places, packed)
        return directions(entries.view(size))

    def singular_values(self) -> Tensor:
        """Return s (h,), each within 1 ± margin."""
        return 1 + self.margin * (2 * torch.sigmoid(self.p) - 1)

    def weights(self) -> tuple[Tensor]:
        """Return W = P diag(s) Qᵀ."""
        Q = reflect(self.unpacked(self.Q))
        return (reflect(self.unpacked(self.P), (Q * self.singular_values()).T),)


class SpectralRNN(LayeredNetwork):
    r"""A plain layer, (53), whose recurrent matrix is parametrised by singular values:

    .. math:: h_t = \varphi(W h_{t-1} + U x_t + b), \qquad W = P \,\mathrm{diag}(s)\, Q^\top,
        \qquad s = 2r(\sigma(p) - \tfrac12) + 1

    P and Q are products of k Householder reflectors, hence orthogonal for all parameters, and s
    stays within 1 ± r. (The authors write U and V for P and Q.) Options, with the defaults of the
    authors' cell: ``activation`` "relu"; ``reflectors`` k, None for h // 4; ``margin`` r, 0.01.
    The initial U follows Glorot's uniform rule, the entries of the reflectors are uniform, p and b
    are 0, so s = 1.
    """

    draws, layer = "SpectralRNN", SpectralLayer


def directions(rows: Tensor) -> Tensor:
    """Return rows scaled to unit length without overflow; a row of zeros remains zero."""
    # The direction does not depend on the scale, so the scale needs no gradient.
    scale = rows.detach().abs().amax(-1, keepdim=True)
    rows = rows / torch.where(scale > 0, scale, 1)
    return rows / torch.linalg.vector_norm(rows, dim=-1, keepdim=True).clamp_min(0.5)


def reflect(R: Tensor, X: Tensor | None = None) -> Tensor:
    r"""Return :math:`H_1 H_2 \cdots H_k X` with :math:`H_i = I - 2 r_i r_i^\top`.

    The compact WY form of the product is :math:`I - R^\top S^{-1} R` with the upper triangular
    :math:`S = \tfrac12 I + \mathrm{triu}(R R^\top, 1)`: a few products instead of k steps.
    Shapes: R (k, h) with unit rows (or zero rows, for which :math:`H_i = I`); X (h, any), None for
    the identity. Source: Schreiber and Van Loan (1989); S by Puglisi (1992).

    >>> R = torch.tensor([[0.6, 0.8]])
    >>> reflect(R, torch.tensor([[0.6], [0.8]]))
    tensor([[-0.6000],
            [-0.8000]])
    """
    half_identity = torch.eye(len(R), dtype=R.dtype, device=R.device) / 2
    S = half_identity + (R @ R.T).triu(1)
    if X is None:
        identity = torch.eye(R.shape[1], dtype=R.dtype, device=R.device)
        return identity - R.T @ torch.linalg.solve_triangular(S, R, upper=True)
    return X - R.T @ torch.linalg.solve_triangular(S, R @ X, upper=True)
