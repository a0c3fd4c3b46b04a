"""Inputs of the recurrence, its computation by engine and by a plain loop, and their comparison."""

import torch

from unfolded.prox import phi
from unfolded.recurrence import LowRank, unroll

F64 = torch.float64
# batch, time, n, h, depth
SHAPES = [(1, 1, 1, 1, 1), (2, 3, 4, 6, 1), (3, 1, 5, 4, 2), (1, 4, 2, 7, 3), (4, 5, 3, 5, 4)]
MANY = (19, 3, 4, 45, 2)
"""More rows and columns than a tile of the products in C, and neither a multiple of it."""
TIES = ("own", "shared", "factors", "soft")
"""Layers with their own W and U; all with one W and U; those of low rank; and SISTA-RNN's."""


def engine(x, h0, a, b=None, rho=None, D=None, *, recompute=False, **weights):
    """The engine, on the tensors that :func:`inputs` names."""
    return unroll(x, h0, *matrices(weights), a, b, rho=rho, D=D, recompute=recompute)


def matrices(weights):
    """G, W and U from their tensors, as unroll takes them."""
    G, W, U = (weights.get(name) for name in "GWU")
    G = LowRank(weights["G_left"], weights["G_right"]) if G is None else G
    return G, LowRank(weights["W_left"], weights["W_right"]) if W is None else tuple(W), U


def plain(x, h0, a, b=None, rho=None, D=None, **weights):
    """The same recurrence in full matrices, one layer after the other."""
    G, W, U = matrices(weights)
    G = G.left.T @ G.right if isinstance(G, LowRank) else G
    if isinstance(W, LowRank):
        W = [torch.eye(len(G), dtype=F64) + W.left.T @ W.right]
    h, codes, depth = h0.expand(len(x), -1), [], len(a)
    for x_t in x.unbind(1):
        hbar = h @ G.T
        h = hbar
        for l in range(depth):
            u = h @ W[l % len(W)].T + x_t @ U[l % len(U)].T + (0 if rho is None else rho * hbar)
            centre, b_l = (torch.zeros_like(hbar), a.new_zeros(())) if b is None else (hbar, b[l])
            h = phi(u, centre, a[l], b_l)
        codes.append(h if D is None else h @ D.T)
    return torch.stack(codes, 1)


def inputs(normal, shape, tie="own", zeros=False):
    """Random tensors of a recurrence that neither vanishes nor diverges."""
    B, T, n, h, d = shape
    eye, k = torch.eye(h, dtype=F64), 2
    values = {
        "x": normal(B, T, n),
        "h0": normal(h),
        "a": 0.1 * normal(d, h).abs() + 0.05,
        "b": None if tie == "soft" else 0.05 * normal(d, h).abs() + 0.01,
        "U": 0.3 * normal(d if tie == "own" else 1, h, n) / n**0.5,
    }
    if zeros:  # units whose ħ is exactly 0: in the first frame and, with a dead row of G, in all
        values["h0"] = torch.zeros(h, dtype=F64)
    if tie == "soft":
        values |= {
            "G_left": normal(k, h) / h**0.5,
            "G_right": normal(k, h),
            "rho": 0.2 + normal() ** 2,
        }
    else:
        values["G"] = eye + 0.3 * normal(h, h) / h**0.5
        values["G"][0] *= not zeros
    if tie in ("factors", "soft"):
        values |= {"W_left": -0.4 * normal(k, h) / h**0.5, "W_right": normal(k, h) / h**0.5}
    else:
        values["W"] = eye + 0.2 * normal(d if tie == "own" else 1, h, h) / h**0.5
    return values


def run(function, values, weight, asking=None):
    """Codes and the gradient of a weighted sum in every tensor that requires one."""
    leaves = {
        name: None if t is None else t.clone().requires_grad_(asking is None or name in asking)
        for name, t in values.items()
    }
    codes = function(**leaves)
    (codes * weight).sum().backward()
    return codes.detach(), {name: t.grad for name, t in leaves.items() if t is not None}


def close(result, expected, tolerance=1e-10):
    codes, gradients = result
    scale = expected[0].abs().max() + 1
    assert (codes - expected[0]).abs().max() <= tolerance * scale
    assert gradients.keys() == expected[1].keys()
    for name, gradient in gradients.items():
        target = expected[1][name]
        assert (gradient is None) == (target is None), name
        if gradient is not None:
            assert gradient.shape == target.shape, name
            assert (gradient - target).abs().max() <= tolerance * (1 + target.abs().max()), name
