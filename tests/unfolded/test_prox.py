"""Φ is the proximal operator of its definition: branches, optimality, types and errors."""

import math

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from unfolded.errors import ConfigError, UnfoldedError
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


def test_phi_equals_the_five_branches_of_6_and_the_corrected_7(normal):
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


# Edges: every float type, kinks, broadcasting, and what is refused ------------------------------


# A quarter of the largest number: no sum of three overflows.
LARGEST = {torch.float16: 1.6e4, torch.bfloat16: 8e37, torch.float32: 8e37, F64: 4e307}
magnitude = st.one_of(
    st.just(0.0), st.sampled_from([1e-30, 1e-6, 0.25, 1.0, 3.0, 1e4, 1e30]), st.floats(0, 1e38)
)
signed = st.builds(math.copysign, magnitude, st.sampled_from([-1.0, 1.0]))


@given(u=signed, hbar=signed, tau1=magnitude, tau2=magnitude, dtype=st.sampled_from(list(LARGEST)))
@example(u=1e30, hbar=-1e30, tau1=1e30, tau2=1e-30, dtype=torch.float32)
@example(u=1e-30, hbar=1e-30, tau1=1e-30, tau2=0.0, dtype=torch.float32)
@example(u=3.0, hbar=2.0, tau1=0.75, tau2=0.25, dtype=torch.float16)
@example(u=-3.0, hbar=-2.0, tau1=0.25, tau2=0.75, dtype=torch.bfloat16)
@example(u=0.5, hbar=-0.0, tau1=0.0, tau2=0.5, dtype=F64)
def test_phi_is_finite_and_optimal_in_every_float_type(u, hbar, tau1, tau2, dtype):
    top = LARGEST[dtype]
    given_ = [torch.tensor(max(-top, min(top, z)), dtype=dtype) for z in (u, hbar, tau1, tau2)]
    value = prox_l1_l1(*given_)
    assert value.dtype == dtype and bool(value.isfinite())
    exact = [t.to(F64) for t in given_]
    scale = sum(t.abs() for t in exact)
    # Two roundings make u ± (τ1 ± τ2), and a median moves no more than what it is taken of.
    slack = 2 * torch.finfo(dtype).eps * scale + 4 * torch.finfo(dtype).tiny
    assert (value.to(F64) - prox_l1_l1(*exact)).abs() <= slack
    assert distance_from_optimality(prox_l1_l1(*exact), *exact) <= 1e-15 * scale


@given(st.lists(st.integers(-6, 6), min_size=2, max_size=2), st.integers(0, 3), st.integers(0, 3))
def test_phi_is_exact_on_the_kinks(point, tau1, tau2):
    case = torch.tensor([*point, tau1, tau2], dtype=F64)
    assert distance_from_optimality(prox_l1_l1(*case), *case) == 0


def test_phi_broadcasts_and_does_not_change_its_arguments(normal):
    u, hbar, tau1 = normal(3, 1, 4), normal(4), normal(2, 1).abs()
    before = [t.clone() for t in (u, hbar, tau1)]
    value = prox_l1_l1(u, hbar, tau1, 0.5)
    assert value.shape == (3, 2, 4)
    full = [t.expand(3, 2, 4).contiguous() for t in (u, hbar, tau1)]
    assert torch.equal(value, prox_l1_l1(*full, torch.full((3, 2, 4), 0.5, dtype=F64)))
    assert all(torch.equal(a, b) for a, b in zip((u, hbar, tau1), before, strict=True))


def test_phi_accepts_numbers_integer_tensors_and_mixed_types():
    assert prox_l1_l1(3, 0, 1, 1).item() == 1.0
    assert soft_threshold(torch.tensor([3, -3]), 1).tolist() == [2.0, -2.0]
    assert prox_l1_l1(torch.tensor(1.0), torch.tensor(2.0, dtype=F64), 0.1, 0.1).dtype == F64
    assert prox_l1_l1(torch.tensor(1.0).half(), 2.0, 0.1, 0.1).dtype == torch.float16
    assert prox_l1_l1(torch.empty(0, 3), 0.0, 1.0, 1.0).shape == (0, 3)


@pytest.mark.parametrize("bad", [-1.0, -1e-30, math.nan, torch.tensor([1.0, -2.0, math.nan])])
@pytest.mark.parametrize("name", ["tau", "tau1", "tau2"])
def test_negative_and_nan_thresholds_are_rejected_in_one_line(name, bad):
    u = torch.ones(3)
    with pytest.raises(ValueError, match=rf"^expected .*{name} >= 0.*; got .*; ") as caught:
        if name == "tau":
            soft_threshold(u, bad)
        else:
            prox_l1_l1(u, 1.0, **{"tau1": 0.5, "tau2": 0.5, name: bad})
    assert isinstance(caught.value, ConfigError) and isinstance(caught.value, UnfoldedError)
    assert "\n" not in str(caught.value)


def test_minus_zero_is_a_valid_threshold():
    assert prox_l1_l1(torch.tensor(2.0), -0.0, -0.0, -0.0).item() == 2.0


@pytest.mark.parametrize("u", [-3.0, 4.0])
def test_phi_is_zero_for_an_infinite_threshold_at_hbar_zero(u):
    # float16 gets there as soon as a threshold passes 65504.
    assert prox_l1_l1(torch.tensor(u), 0.0, math.inf, 0.5).item() == 0.0


@pytest.mark.parametrize("u", [-3.0, 4.0])
@pytest.mark.parametrize("hbar", [-2.0, 2.0])
def test_phi_equals_the_kink_of_an_infinite_threshold(u, hbar):
    assert prox_l1_l1(torch.tensor(u), hbar, math.inf, 0.5).item() == 0.0
    assert prox_l1_l1(torch.tensor(u), hbar, 0.5, math.inf).item() == hbar
