"""Element-wise operations of one layer in PyTorch, for any device, dtype and leading dimensions."""

import torch

from unfolded.prox import median, slope_masks


def forward(u, s, residual, hbar, rho, centre, a, b, out) -> None:
    """Write Φ(u + s + residual + rho ħ; centre, a, b) to ``out``; a centre of None means 0."""
    v = u + s
    if residual is not None:
        v = v + residual
    if rho is not None:
        v = v + rho * hbar
    out.copy_(median(v, torch.zeros_like(v) if centre is None else centre, a, b)[0])


def backward(gradient, extra, value, centre, rho, a, b, du, dhbar) -> None:
    """Write ∂Φ/∂u g to ``du`` and add the gradient of ħ to ``dhbar``; g = gradient + extra."""
    g = gradient if extra is None else gradient + extra
    line, follows = slope_masks(value, centre, a, b)
    du.copy_(torch.where(line, g, 0))
    if follows is not None:
        dhbar.add_(torch.where(follows, g, 0))
    if rho is not None:
        dhbar.add_(rho * du)


def threshold_gradients(du, value, centre):
    """Return ∂Φ/∂a g and ∂Φ/∂b g summed over the rows of (…, rows, h), given ``du``."""
    da = -(du * torch.sign(value)).sum(-2)
    db = None if centre is None else -(du * torch.sign(value - centre)).sum(-2)
    return da, db
