"""Element-wise operations of one layer in PyTorch, for any device, dtype and leading dimensions."""

import torch


def forward(u, s, residual, hbar, rho, centre, a, b, out) -> None:
    """Write Φ(u + s + residual + rho ħ; centre, a, b) to ``out``; a centre of None means 0."""
    v = u + s
    if residual is not None:
        v = v + residual
    if rho is not None:
        v = v + rho * hbar
    reach = a + b
    if centre is None:
        middle = torch.zeros_like(v)
    else:
        lean = torch.sign(centre) * (a - b)
        middle = torch.maximum(v - lean, centre.clamp(max=0))
        middle = torch.minimum(middle, centre.clamp(min=0))
    out.copy_(torch.maximum(torch.minimum(middle, v + reach), v - reach))


def backward(gradient, extra, value, centre, rho, a, b, du, dhbar) -> None:
    """Write ∂Φ/∂u g to ``du`` and add the gradient of ħ to ``dhbar``; g = gradient + extra."""
    g = gradient if extra is None else gradient + extra
    line, follows = pieces(value, centre, a, b)
    du.copy_(torch.where(line, g, 0))
    if follows is not None:
        dhbar.add_(torch.where(follows, g, 0))
    if rho is not None:
        dhbar.add_(rho * du)


def pieces(value, centre, a, b):
    """Return where Φ has slope one in u and where it has slope one in its centre, given its value.

    As in prox.py, a kink belongs to its plateau; a plateau with a threshold of zero has zero width.
    """
    off_zero = (value != 0) | (a == 0)
    if centre is None:
        return off_zero, None
    at_centre = value == centre
    line = off_zero & (~at_centre | (b == 0))
    return line, ~line & at_centre & ((centre != 0) | (b > a))


def slopes(du, value, centre):
    """Return ∂Φ/∂a g and ∂Φ/∂b g summed over the rows of (…, rows, h), given ``du``."""
    da = -(du * torch.sign(value)).sum(-2)
    db = None if centre is None else -(du * torch.sign(value - centre)).sum(-2)
    return da, db
