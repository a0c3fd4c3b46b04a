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
        draws = (directions(torch.empty(k, hidden).uniform_(-1, 1).triu()) for _ in "PQ")
        self.P, self.Q = (nn.Parameter(draw.view(-1)[self.places]) for draw in draws)
        self.p = nn.Parameter(torch.zeros(hidden))

    def unpacked(self, packed: Tensor) -> Tensor:
        """Return packed reflectors (…) as unit rows (…, k, h) with zeros left of the diagonal."""
        size = (self.reflectors, len(self.p))
        entries = packed.new_zeros(*packed.shape[:-1], size[0] * size[1])
        return directions(entries.index_copy(-1, self.places, packed).unflatten(-1, size))

    def singular_values(self) -> Tensor:
        """Return s (h,), each within 1 ± margin."""
        return 1 + self.margin * (2 * torch.sigmoid(self.p) - 1)

    def weights(self) -> tuple[Tensor]:
        """Return W = P diag(s) Qᵀ = diag(s) − leftᵀ right, from P = I − Rᵀ Y and Q likewise."""
        s, R = self.singular_values(), self.unpacked(torch.stack([self.P, self.Q]))
        (R_P, R_Q), (Y_P, Y_Q) = R, compact_factor(R)
        left, Y_P = torch.cat([R_P, Y_Q * s]), Y_P * s
        right = torch.cat([Y_P - (Y_P @ Y_Q.T) @ R_Q, R_Q])
        return (torch.addmm(s.diag(), left.T, right, alpha=-1),)


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


def compact_factor(R: Tensor) -> Tensor:
    r"""Return Y with :math:`H_1 \cdots H_k = I - R^\top Y` and :math:`H_i = I - 2 r_i r_i^\top`.

    In this compact WY form :math:`Y = S^{-1} R` with the upper triangular
    :math:`S = \tfrac12 I + \mathrm{triu}(R R^\top, 1)`: a few products instead of k steps.
    Shapes: R and Y (…, k, h); R has unit rows (or zero rows, for which :math:`H_i = I`).
    Source: Schreiber and Van Loan (1989); S by Puglisi (1992).

    >>> compact_factor(torch.tensor([[0.6, 0.8]]))
    tensor([[1.2000, 1.6000]])
    """
    half_identity = torch.eye(R.shape[-2], dtype=R.dtype, device=R.device) / 2
    return torch.linalg.solve_triangular(half_identity + (R @ R.mT).triu(1), R, upper=True)
