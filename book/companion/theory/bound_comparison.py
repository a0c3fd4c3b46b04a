"""The bounds of the networks in the paper's comparison, for a given network."""

import torch
from torch import Tensor

from companion.theory.sista_bound import rademacher_sista
from unfolded import bounds
from unfolded.errors import ConfigError, complain
from unfolded.networks.base import SequenceNetwork, UnfoldedNetwork
from unfolded.networks.fastrnn import FastRNN
from unfolded.networks.sista import SistaRNN
from unfolded.networks.spectralrnn import SpectralRNN

NETWORKS = ("reweighted-rnn", "l1-l1-rnn", "sista-rnn", "fastrnn", "spectralrnn")
"""The networks compared in App. D.1 and §3, by registry name."""


def matrix_norms(matrix: Tensor) -> dict[str, float]:
    r"""Return the three norms of a matrix that occur in the bounds.

    ``row`` :math:`\|W\|_{1,\infty} = \max_i \sum_j |W_{ij}|`, ``frobenius`` :math:`\|W\|_F`,
    ``spectral`` :math:`\|W\|_2`. Shapes: matrix (any, any). Units: those of the entries.
    Sources: Theorem 3.1; (51); (54).

    >>> matrix_norms(torch.tensor([[3.0, 4.0], [0.0, 0.0]]))
    {'row': 7.0, 'frobenius': 5.0, 'spectral': 5.0}
    """
    norms = {
        "row": matrix.abs().sum(1).max(),
        "frobenius": torch.linalg.matrix_norm(matrix),
        "spectral": torch.linalg.matrix_norm(matrix, 2),
    }
    return {name: float(norm) for name, norm in norms.items()}


def log_bound_of(net: SequenceNetwork, *, m: int, T: int, B_x: float, B: float) -> float:
    r"""Return the logarithm of the bound of a network, from its norms and h_0 = 0.

    reweighted-RNN and ℓ1-ℓ1-RNN: (14). SISTA-RNN: (17) extended to T frames. FastRNN: (51) with the
    network's a. SpectralRNN: the expression in (54) with its output matrix, margin 1, δ = 0.05.
    ``B_x`` bounds the root mean square of a measurement's coordinates over the m sequences, ``B``
    the norm of a measurement. Units: those of the code; for (54), those of an error rate.
    Raises ConfigError for another network, and for two layers of FastRNN or SpectralRNN.
    """
    data = {"m": m, "n": net.n, "h": net.hidden, "T": T}
    if isinstance(net, UnfoldedNetwork):
        alpha, beta = net.norms().values()
        if not isinstance(net, SistaRNN):
            return bounds.log_rademacher_reweighted(alpha, beta, **data, B_x=B_x)
        return rademacher_sista.log(alpha[0], alpha[-1], *beta, d=net.depth, **data, B_x=B_x)
    if not isinstance(net, FastRNN | SpectralRNN) or net.depth > 1:
        actual = f"{type(net).__name__} with {net.depth} layers"
        expected = "an unfolded network, or one layer of FastRNN or SpectralRNN"
        raise ConfigError(complain(expected, actual, "the paper quotes a bound for no other"))
    (layer,) = net.cells
    W, *scalars = layer.weights()
    norms = [matrix_norms(matrix.detach()) for matrix in (W, layer.U, net.readout.weight)]
    frobenius, spectral = ([norm[kind] for norm in norms] for kind in ("frobenius", "spectral"))
    if scalars:
        a = float(scalars[0].detach())
        return bounds.log_rademacher_fastrnn(*frobenius[:2], a=a, m=m, T=T, B=B)
    return bounds.log_gap_spectralrnn(
        *frobenius, *spectral, **data, n_y=net.n0, B=B, gamma=1.0, delta=0.05
    )
