"""Φ is the proximal operator it claims to be."""

import torch

from unfolded.prox import prox_l1_l1, soft_threshold

F64 = torch.float64


def objective(v, u, hbar, tau1, tau2):
    return tau1 * v.abs() + tau2 * (v - hbar).abs() + 0.5 * (v - u).square()


def distance_from_optimality(v, u, hbar, tau1, tau2):
    """Distance of 0 from v − u + τ1 ∂|v| + τ2 ∂|v − ħ|, from the interval's two ends."""
    low, high = v - u, v - u
    for weight, gap in ((tau1, v), (tau2, v - hbar)):
        low = low + torch.where(gap > 0, weight, -weight)
        high = high + torch.where(gap < 0, -weight, weight)
    return torch.clamp(low, min=0) + torch.clamp(-high, min=0)


def random_cases(normal, count):
    u, hbar = 4 * normal(2, count)
    tau1, tau2 = 2 * normal(2, count).abs()
    hbar[::7], tau1[::11], tau2[::13] = 0.0, 0.0, 0.0
    return u, hbar, tau1, tau2


def five_branches(u, hbar, tau1, tau2, last_of_7=None):
    """(6) and (7) as cases; ``last_of_7`` replaces the value of the last branch of (7)."""
    if hbar >= 0:
        if u > hbar + tau1 + tau2:
            return u - tau1 - tau2
        if u >= hbar + tau1 - tau2:
            return hbar
        if u > tau1 - tau2:
            return u - tau1 + tau2
        return 0.0 if u >= -tau1 - tau2 else u + tau1 + tau2
    if u > tau1 + tau2:
        return u - tau1 - tau2
    if u >= -tau1 + tau2:
        return 0.0
    if u > hbar - tau1 + tau2:
        return u + tau1 - tau2
    if u >= hbar - tau1 - tau2:
        return hbar
    return u + tau1 + tau2 if last_of_7 is None else last_of_7(u, tau1, tau2)


def test_equals_the_five_branches_of_6_and_of_7_put_right(normal):
    case = random_cases(normal, 4_000)
    branches = [five_branches(*values) for values in zip(*(t.tolist() for t in case), strict=True)]
    assert torch.allclose(prox_l1_l1(*case), torch.tensor(branches, dtype=F64), atol=1e-14)


def test_printed_last_branch_of_equation_7_is_not_the_argmin(normal):
    tau1, tau2 = normal(2, 1_000).abs() + 0.01
    hbar = -normal(1_000).abs()
    case = hbar - tau1 - tau2 - normal(1_000).abs() - 0.01, hbar, tau1, tau2
    printed = torch.tensor(
        [
            five_branches(*values, last_of_7=lambda u, tau1, tau2: u - tau1 + tau2)
            for values in zip(*(t.tolist() for t in case), strict=True)
        ],
        dtype=F64,
    )
    ours = prox_l1_l1(*case)
    assert torch.allclose(ours - printed, 2 * tau1)
    # Wrong by 2 τ1, hence worse by exactly half its square: all of it on one parabola.
    excess = objective(printed, *case) - objective(ours, *case)
    assert torch.allclose(excess, 2 * tau1.square())
    assert distance_from_optimality(printed, *case).min() > 0.01


def prox_of_the_conjugate(u, hbar, tau1, tau2):
    """The conjugate is 0 and then ħ(y − k) up to a constant, on |y| <= τ1 + τ2.

    It is the least of ħ y2 over y = y1 + y2, |y1| <= τ1, |y2| <= τ2; the slope turns from 0 to ħ
    (or from ħ to 0, for ħ < 0) at k = sign(ħ)(τ1 − τ2).
    """
    k = torch.where(hbar >= 0, tau1 - tau2, tau2 - tau1)
    rising = torch.where(u < k, u, torch.maximum(u - hbar, k))
    falling = torch.where(u > k, u, torch.minimum(u - hbar, k))
    free = torch.where(hbar >= 0, rising, falling)
    return torch.maximum(torch.minimum(free, tau1 + tau2), -tau1 - tau2)


def test_moreau_decomposition(normal):
    case = random_cases(normal, 20_000)
    assert torch.allclose(prox_l1_l1(*case) + prox_of_the_conjugate(*case), case[0], atol=1e-14)


def test_soft_threshold_is_phi_with_hbar_zero(normal):
    u, _, tau1, tau2 = random_cases(normal, 5_000)
    for zero in (0.0, -0.0):
        assert torch.equal(prox_l1_l1(u, zero, tau1, tau2), soft_threshold(u, tau1 + tau2))
    assert torch.equal(soft_threshold(u, tau1), u.sign() * (u.abs() - tau1).clamp(min=0))
