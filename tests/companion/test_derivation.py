"""Proposition B.1: the derivation in SymPy, two numerical searches, and the library."""

from itertools import pairwise

import numpy as np
import pytest
import sympy as sp
import torch

from companion.theory import derivation
from companion.theory.argmin import best_candidate, objective, ternary_search
from unfolded.prox import prox_l1_l1

SIGNS = pytest.mark.parametrize("sign", [1, -1])


def draw(count=4000, seed=0):
    """Return u, ħ, τ1, τ2 with every order of the thresholds and both signs of ħ."""
    rng = np.random.default_rng(seed)
    columns = rng.uniform([-8, -3, 0, 0], [8, 3, 2, 2], (count, 4))
    return torch.from_numpy(columns).unbind(1)


def numbers(sign):
    return {derivation.HBAR[sign]: 2.0 * sign, derivation.tau1: 0.5, derivation.tau2: 1.25}


def test_the_searches_agree_with_each_other_and_with_the_library():
    arguments = draw()
    phi = prox_l1_l1(*arguments)
    torch.testing.assert_close(best_candidate(*arguments), phi, rtol=0, atol=1e-12)
    torch.testing.assert_close(ternary_search(*arguments), phi, rtol=0, atol=1e-6)


@SIGNS
def test_the_library_equals_each_derived_piece(sign):
    hbar = 2.0 * sign
    for piece in derivation.pieces(sign):
        low, high = (float(sp.sympify(end).subs(numbers(sign))) for end in piece[1:])
        inside = np.linspace(max(low, -9.0), min(high, 9.0), 7)
        value = sp.lambdify(derivation.u, sp.sympify(piece.value).subs(numbers(sign)))
        expected = torch.tensor([float(value(u)) for u in inside], dtype=torch.float64)
        result = prox_l1_l1(torch.from_numpy(inside), hbar, 0.5, 1.25)
        torch.testing.assert_close(result, expected, rtol=0, atol=1e-12)


@SIGNS
def test_the_pieces_cover_the_line_without_a_jump(sign):
    branches = derivation.pieces(sign)
    assert branches[0].low == -sp.oo and branches[-1].high == sp.oo
    assert all(left.high == right.low for left, right in pairwise(branches))
    assert all(width.is_nonnegative for width in derivation.widths(sign))
    assert derivation.jumps(sign) == [0] * 4


@SIGNS
def test_a_point_reflection_gives_the_pieces_of_the_other_sign(sign):
    assert derivation.mirrored(sign) == derivation.pieces(sign)


@SIGNS
def test_the_branch_free_form_equals_each_piece(sign):
    assert derivation.branch_free_errors(sign) == [0] * 5


def test_a_wrong_branch_free_form_is_detected(monkeypatch):
    monkeypatch.setattr(derivation, "branch_free", lambda sign: derivation.u)
    assert any(error != 0 for error in derivation.branch_free_errors(1))


def test_the_error_of_the_printed_last_branch_is_twice_the_first_threshold():
    slip = derivation.printed_last_branch()
    assert slip["right minus printed"] == 2 * derivation.tau1
    assert slip["slope of the objective there"] == -2 * derivation.tau1
    assert slip["jump at the end of the branch"] == 2 * derivation.tau1
    u, hbar, tau1, tau2 = draw()
    mask = u < hbar.clamp(max=0) - tau1 - tau2
    right = ternary_search(u, hbar.clamp(max=0), tau1, tau2)
    miss = (right - (u - tau1 + tau2))[mask]
    assert mask.sum() > 100
    torch.testing.assert_close(miss, 2 * tau1[mask], rtol=0, atol=1e-6)


def test_the_printed_bounds_are_bounds_and_are_not_attained():
    u, hbar, tau1, tau2 = draw()
    for v in torch.linspace(-9, 9, 37, dtype=torch.float64):
        value = objective(v, u, hbar, tau1, tau2)
        for bound in derivation.printed_bounds(v, u, hbar, tau1, tau2):
            assert (bound <= value + 1e-12).all()
    hbar, s = derivation.HBAR[1], (derivation.u, derivation.HBAR[1], *draw_symbols())
    at_zero = objective(0, *s) - derivation.printed_bounds(0, *s)[0]
    at_hbar = objective(hbar, *s) - derivation.printed_bounds(hbar, *s)[1]
    assert sp.simplify(at_zero) == 2 * derivation.tau2 * hbar
    assert sp.simplify(at_hbar) == 2 * derivation.tau1 * hbar


def draw_symbols():
    return derivation.tau1, derivation.tau2


def test_the_argument_of_25_would_imply_a_wrong_minimiser():
    u, hbar, tau1, tau2 = (torch.tensor(x, dtype=torch.float64) for x in (1.0, 2.0, 0.5, 1.0))
    v = torch.linspace(-3, 3, 601, dtype=torch.float64)
    assert tau1 + tau2 - u.abs() >= 0
    assert v[derivation.printed_bounds(v, u, hbar, tau1, tau2)[0].argmin()].abs() < 1e-9
    assert prox_l1_l1(u, hbar, tau1, tau2) == 1.5
