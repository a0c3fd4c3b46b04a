"""The objective of Φ, and two searches for its minimiser that do not use Prop. B.1."""

import torch
from torch import Tensor


def objective(v, u, hbar, tau1, tau2):
    r"""Return the objective of Φ at v, for symbols or tensors.

    .. math:: \varphi(v) = \tau_1|v| + \tau_2|v-\hbar| + \tfrac12(v-u)^2

    Shapes: all broadcast. Source: (20).

    >>> objective(0.0, 1.0, 2.0, 0.5, 1.0)
    2.5
    """
    return tau1 * abs(v) + tau2 * abs(v - hbar) + (v - u) ** 2 / 2


def best_candidate(u: Tensor, hbar: Tensor, tau1: Tensor, tau2: Tensor) -> Tensor:
    """Return the best of all possible locations of a minimiser: two kinks and four lines.

    It tries all signs of the slope, so it does not use the cases of Prop. B.1. Shapes: equal.

    >>> best_candidate(*torch.tensor([1.0, 2.0, 0.5, 1.0]).split(1))
    tensor([1.5000])
    """
    lines = [u + s * tau1 + t * tau2 for s in (-1, 1) for t in (-1, 1)]
    candidates = torch.stack([torch.zeros_like(u), hbar.expand_as(u), *lines])
    index = objective(candidates, u, hbar, tau1, tau2).argmin(0, keepdim=True)
    return candidates.gather(0, index)[0]


def ternary_search(u: Tensor, hbar: Tensor, tau1: Tensor, tau2: Tensor, steps=120) -> Tensor:
    """Return the minimiser of φ by comparison of values only, accurate to about 1e-7.

    >>> round(ternary_search(*torch.tensor([1.0, 2.0, 0.5, 1.0]).double().split(1)).item(), 6)
    1.5
    """
    radius = (tau1 + tau2).abs() + 1.0
    low, high = u - radius, u + radius
    for _ in range(steps):
        left, right = low + (high - low) / 3, high - (high - low) / 3
        is_right = objective(left, u, hbar, tau1, tau2) > objective(right, u, hbar, tau1, tau2)
        low, high = torch.where(is_right, left, low), torch.where(is_right, high, right)
    return (low + high) / 2
