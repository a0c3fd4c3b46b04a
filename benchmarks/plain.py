"""The plain path: autograd over (8)–(11), with W_l and U_l formed once per step."""

import torch
from torch import Tensor

from unfolded.networks.base import UnfoldedNetwork
from unfolded.networks.sista import SistaRNN
from unfolded.prox import phi, shrink


def recover(network: UnfoldedNetwork, frames: Tensor) -> Tensor:
    """Measure and recover by the unrolled form: (batch, time, n0) -> (batch, time, n0)."""
    x, h = frames @ network.A.T, network.h0.expand(len(frames), -1)
    run = sista if isinstance(network, SistaRNN) else reweighted
    return run(network, x, h) @ network.D.T


def reweighted(network: UnfoldedNetwork, x: Tensor, h: Tensor) -> Tensor:
    """Return the codes of (8): x (batch, time, n), h (batch, h) -> (batch, time, h)."""
    (W, U), (a, b), codes = weights(network), network.thresholds(), []
    for x_t in x.unbind(1):
        hbar = h @ network.G.T
        for W_l, U_l, a_l, b_l in zip(W, U, a, b, strict=True):
            h = phi(h @ W_l.T + x_t @ U_l.T, hbar, a_l, b_l)
        codes.append(h)
    return torch.stack(codes, 1)


def weights(network: UnfoldedNetwork) -> tuple[list[Tensor], list[Tensor]]:
    """Return W_l of (10)–(11) and U_l of (9), one for all layers where Z_l = I."""
    if network.Z is not None:
        return network.layer_weights()
    M = network.A @ network.D
    U = M.T / network.positive("c")
    W = torch.eye(network.hidden, dtype=U.dtype, device=U.device) - U @ M
    return [W @ network.G] + [W] * (network.depth - 1), [U] * network.depth


def sista(network: SistaRNN, x: Tensor, h: Tensor) -> Tensor:
    """Return the codes of SISTA-RNN unrolled, with the weights of (35)."""
    (W, (V, past_map)), codes = network.layer_weights(), []
    tau = network.positive("lambda1") / network.positive("c")
    for x_t in x.unbind(1):
        input_term, past_term = x_t @ V.T, h @ past_map.T
        h = shrink(h @ W[0].T + input_term, tau)
        for S in W[1:]:
            h = shrink(h @ S.T + input_term + past_term, tau)
        codes.append(h)
    return torch.stack(codes, 1)
