"""Initial values: the dictionaries D and the sensing matrices A."""

import math

import numpy as np
import torch
from torch import Tensor

from unfolded.errors import ConfigError, complain


def overcomplete_dct(n0: int, h: int, *, dtype: torch.dtype = torch.float32) -> Tensor:
    r"""Return an overcomplete DCT dictionary with the requested number of atoms.

    In one dimension with :math:`K \ge N` frequencies the atoms are the columns of

    .. math:: D_{ik} = \sqrt{(2 - \delta_{k0})/K}\,\cos\frac{\pi (2i+1) k}{2K},

    the first N rows of the orthonormal K-point DCT, so that :math:`DD^\top = I`; with
    :math:`K < N` they are the K lowest atoms of the orthonormal N-point DCT. If ``n0`` is a
    square, frames are images: the dictionary is the Kronecker product over a square grid of
    :math:`\lceil\sqrt h\rceil^2` frequencies, reduced to the ``h`` lowest (by the sum of the two
    frequencies). A square ``h >= n0`` gives a tight frame, and every width of Table 2 has full
    rank; a non-square width slightly above n0 may have a slightly smaller rank.

    Shapes: result (n0, h). Raises ConfigError if a size is not positive.
    Source: §4 of the paper states the DCT and the widths 2^7 … 2^12, half of which are not squares.

    >>> D = overcomplete_dct(256, 1024, dtype=torch.float64)
    >>> bool(torch.allclose(D @ D.T, torch.eye(256, dtype=torch.float64)))
    True
    """
    if n0 < 1 or h < 1:
        raise ConfigError(complain("n0 >= 1 and h >= 1", f"n0={n0}, h={h}", "choose other sizes"))
    side = math.isqrt(n0)
    if side * side != n0:
        return torch.from_numpy(_cosines(n0, h)).to(dtype)
    K = math.isqrt(h - 1) + 1
    grid = np.kron(_cosines(side, K), _cosines(side, K))
    row, column = np.divmod(np.arange(K * K), K)
    order = np.lexsort((column, row, row + column))[:h]
    return torch.from_numpy(np.ascontiguousarray(grid[:, np.sort(order)])).to(dtype)


def _cosines(N: int, K: int) -> np.ndarray:
    points = max(N, K)
    i, k = np.arange(N)[:, None], np.arange(K)[None, :]
    scale = np.sqrt(np.where(k == 0, 1.0, 2.0) / points)
    return scale * np.cos(np.pi * (2 * i + 1) * k / (2 * points))


def sensing_matrix(n: int, n0: int, *, seed: int, dtype: torch.dtype = torch.float32) -> Tensor:
    r"""Draw A from the uniform distribution on :math:`\pm\tfrac12\sqrt{6/(n+n_0)}`.

    Shapes: result (n, n0). The draw depends only on the sizes and the seed, so that all kinds of
    networks have the same initial A.
    Source: the authors' code of ℓ1-ℓ1-RNN; the paper does not specify it.

    >>> sensing_matrix(51, 256, seed=0).shape
    torch.Size([51, 256])
    """
    bound = math.sqrt(6 / (n + n0)) / 2
    draw = np.random.default_rng(seed).uniform(-bound, bound, (n, n0))
    return torch.from_numpy(draw).to(dtype)
