"""Derivation of Proposition B.1 with SymPy: each step on its page is a function here."""

from itertools import pairwise
from typing import NamedTuple

import sympy as sp
from sympy import Q

from companion.theory.argmin import objective

u, v = sp.symbols("u v", real=True)
tau1, tau2 = sp.symbols("tau1 tau2", nonnegative=True)
HBAR = {1: sp.Symbol("hbar", positive=True), -1: sp.Symbol("hbar", negative=True)}


class Piece(NamedTuple):
    """One piece of Φ: its value for low <= u <= high."""

    value: sp.Expr
    low: sp.Expr
    high: sp.Expr


def slopes(sign: int) -> list[sp.Expr]:
    r"""Return the derivative of φ on its three smooth pieces, from left to right.

    ``sign`` is that of ħ (1 or -1). Source: (21), here for both signs.

    >>> slopes(1)[2]
    tau1 + tau2 - u + v
    """
    hbar = HBAR[sign]
    signs_of_v, signs_of_rest = (Q.negative, Q.positive), (Q.negative, Q.positive)
    middle = (Q.positive(v), Q.negative(v - hbar)) if sign > 0 else (
        Q.negative(v), Q.positive(v - hbar)
    )  # fmt: skip
    outer = [(f(v), g(v - hbar)) for f, g in zip(signs_of_v, signs_of_rest, strict=True)]
    phi = objective(v, u, hbar, tau1, tau2)
    return [
        sp.expand(sp.diff(sp.refine(phi, sp.And(*conditions)), v))
        for conditions in (outer[0], middle, outer[1])
    ]


def pieces(sign: int) -> list[Piece]:
    r"""Derive the five pieces of Φ from 0 ∈ ∂φ(v), from left to right.

    Between kinks the slope is v - u + k, so v = u - k; at a kink the subdifferential is the
    interval between the adjacent slopes, and it contains 0 if u lies between the two ends.
    ``sign`` is that of ħ (1 or -1). Source: Prop. B.1 with the last branch of (7) corrected.

    >>> pieces(1)[1]
    Piece(value=0, low=-tau1 - tau2, high=tau1 - tau2)
    """
    hbar = HBAR[sign]
    kinks = (sp.Integer(0), hbar) if sign > 0 else (hbar, sp.Integer(0))
    lines = [sp.solve(slope, v)[0] for slope in slopes(sign)]
    ends = [(sp.solve(lines[i] - kink, u)[0], sp.solve(lines[i + 1] - kink, u)[0])
            for i, kink in enumerate(kinks)]  # fmt: skip
    return [
        Piece(lines[0], -sp.oo, ends[0][0]),
        Piece(kinks[0], *ends[0]),
        Piece(lines[1], ends[0][1], ends[1][0]),
        Piece(kinks[1], *ends[1]),
        Piece(lines[2], ends[1][1], sp.oo),
    ]


def widths(sign: int) -> list[sp.Expr]:
    """Return the widths of the three inner pieces; they are non-negative, so the order is valid.

    >>> widths(1)
    [2*tau1, hbar, 2*tau2]
    """
    return [sp.simplify(piece.high - piece.low) for piece in pieces(sign)[1:-1]]


def jumps(sign: int) -> list[sp.Expr]:
    """Return the jumps of Φ between adjacent pieces; all are zero.

    >>> jumps(-1)
    [0, 0, 0, 0]
    """
    branches = pieces(sign)
    return [
        sp.simplify((right.value - left.value).subs(u, left.high))
        for left, right in pairwise(branches)
    ]


def mirrored(sign: int) -> list[Piece]:
    r"""Return the pieces of :math:`-\Phi_{-\hbar}(-u)`, from those of the other sign.

    >>> mirrored(-1) == pieces(-1)
    True
    """
    substitutions = {u: -u, HBAR[-sign]: -HBAR[sign]}
    return [
        Piece(-piece.value.subs(substitutions, simultaneous=True), -piece.high.subs(substitutions),
              -piece.low.subs(substitutions))
        for piece in reversed(pieces(-sign))
    ]  # fmt: skip


def branch_free(sign: int) -> sp.Expr:
    r"""Return Φ as a median of three, the form of :func:`unfolded.prox.prox_l1_l1`.

    .. math:: \operatorname{med}\bigl(u-\tau_1-\tau_2,\ m,\ u+\tau_1+\tau_2\bigr), \qquad
        m = u - \operatorname{sign}(\hbar)(\tau_1-\tau_2) \text{ clamped between } 0 \text{ and }
        \hbar

    >>> branch_free(1).subs({u: 1, HBAR[1]: 2, tau1: 0.5, tau2: 1})
    1.50000000000000
    """
    low, high = (0, HBAR[sign]) if sign > 0 else (HBAR[sign], 0)
    middle = sp.Min(sp.Max(u - sign * (tau1 - tau2), low), high)
    return sp.Max(u - tau1 - tau2, sp.Min(middle, u + tau1 + tau2))


def branch_free_errors(sign: int) -> list[sp.Expr]:
    """Return branch-free form minus piece, simplified on each of the five pieces: all zero.

    On a piece, u is its lower end plus s or its upper end minus s, with s >= 0; an inner piece
    has width s + r with r >= 0. SymPy can then determine all signs.

    >>> branch_free_errors(1)
    [0, 0, 0, 0, 0]
    """
    s, r = sp.symbols("s r", nonnegative=True)
    # The width of each inner piece is twice a threshold, or the distance of ħ from 0.
    inner = {2 * tau1: {tau1: (s + r) / 2}, 2 * tau2: {tau2: (s + r) / 2},
             sign * HBAR[sign]: {HBAR[sign]: sign * (s + r)}}  # fmt: skip
    errors = []
    for piece in pieces(sign):
        place = piece.high - s if piece.low == -sp.oo else piece.low + s
        finite = sp.oo not in (piece.high, -piece.low)
        slack = inner[sp.simplify(piece.high - piece.low)] if finite else {}
        error = (branch_free(sign) - piece.value).subs(u, place).subs(slack)
        errors.append(sp.simplify(error))
    return errors


def printed_last_branch() -> dict[str, sp.Expr]:
    """Return properties of the last branch of (7) as printed, u - tau1 + tau2 for the smallest u.

    >>> printed_last_branch()["slope of the objective there"]
    -2*tau1
    """
    branch, right = u - tau1 + tau2, pieces(-1)[0]
    return {
        "right minus printed": sp.simplify(right.value - branch),
        "slope of the objective there": sp.simplify(slopes(-1)[0].subs(v, branch)),
        "jump at the end of the branch": sp.simplify(
            pieces(-1)[1].value - branch.subs(u, right.high)
        ),
    }


def printed_bounds(v, u, hbar, tau1, tau2) -> tuple:
    """Return the lower bounds of φ(v) as printed in (25) and (26).

    >>> printed_bounds(0.0, 1.0, 2.0, 0.5, 1.0)
    (-1.5, 2.5)
    """
    total = tau1 + tau2
    bound25 = abs(v) * (total - abs(u)) + v**2 / 2 - tau2 * abs(hbar) + u**2 / 2
    distance, offset = abs(v - hbar), u - hbar
    bound26 = distance * (total - abs(offset)) + distance**2 / 2 - tau1 * abs(hbar) + offset**2 / 2
    return bound25, bound26


def latex(branches: list[Piece]) -> str:
    """Return pieces as LaTeX, largest u first as in the paper.

    >>> latex(pieces(1)).count("le u")
    4
    """
    rows = []
    for value, low, high in reversed(branches):
        terms = [formula(end) for end in (low, u, high) if abs(end) != sp.oo]
        rows.append(formula(value) + ", & " + r" \le ".join(terms))
    return r"\begin{cases}" + r" \\ ".join(rows) + r"\end{cases}"


def formula(expression: sp.Expr) -> str:
    """Return one expression as LaTeX, with the terms in the order of the paper.

    >>> formula(pieces(1)[0].value)
    'u + \\\\tau_{1} + \\\\tau_{2}'
    """
    return sp.latex(expression, order="old")
