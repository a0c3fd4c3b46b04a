"""The engine on the kinks of Φ: the slopes of prox.py, and h_0 = 0."""

import pytest
import torch

from unfolded.prox import prox_l1_l1
from unfolded.recurrence import unroll

F64 = torch.float64


def one_layer(hbar, z, a, b):
    """One frame, one layer, U = 0 and G = I: unit by unit Φ(zħ; ħ, a, b)."""
    h = len(hbar)
    values = {
        "x": torch.zeros(1, 1, 1, dtype=F64),
        "h0": hbar,
        "G": torch.eye(h, dtype=F64),
        "W": torch.diag(z)[None],
        "U": torch.zeros(1, h, 1, dtype=F64),
        "a": a[None],
        "b": b[None],
    }
    leaves = {name: t.clone().requires_grad_() for name, t in values.items()}
    codes = unroll(**leaves)[0, 0]
    codes.sum().backward()
    return codes.detach(), [leaves[name].grad.flatten() for name in ("h0", "a", "b")]


@pytest.mark.parametrize("taus", [(1.0, 2.0), (0.0, 1.0, 2.0)], ids=["positive", "zero-too"])
def test_engine_takes_the_slopes_of_prox_on_the_kinks(taus):
    # Whole numbers all, so that kinks abound.
    axes = torch.tensor([-2.0, -1.0, 1.0, 2.0]), torch.arange(-3.0, 4.0), *[torch.tensor(taus)] * 2
    hbar, z, a, b = torch.cartesian_prod(*axes).double().T
    codes, slopes = one_layer(hbar, z, a, b)
    leaves = [t.clone().requires_grad_() for t in (hbar, a, b)]
    expected = prox_l1_l1(z * leaves[0], *leaves)
    expected.sum().backward()
    assert torch.equal(codes, expected)
    for found, leaf in zip(slopes, leaves, strict=True):
        assert torch.equal(found, leaf.grad)


def test_h0_gets_its_gradient_where_lambda2_is_the_larger():
    # h_0 = 0 and τ2 > τ1: Φ = ħ on both sides of 0, so codes move with h_0 at slope 1.
    zero, ones = torch.zeros(3, dtype=F64), torch.ones(3, dtype=F64)
    ends = [one_layer(s * 1e-4 * ones, ones, 0.1 * ones, 0.3 * ones)[0] for s in (-1, 1)]
    assert torch.allclose((ends[1] - ends[0]) / 2e-4, ones)
    _, (slope, _, _) = one_layer(zero, ones, 0.1 * ones, 0.3 * ones)
    assert torch.equal(slope, ones)
