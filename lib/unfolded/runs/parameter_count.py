"""Formulas for parameter counts, and widths with equal counts, without building a network."""

import bisect
import math
from collections.abc import Callable
from dataclasses import replace

from unfolded.choices import UNFOLDED
from unfolded.runs.config import RunConfig

_CELLS: dict[str, Callable[[int, int], int]] = {
    "srnn": lambda k, h: h * (k + h + 2),
    "lstm": lambda k, h: 4 * h * (k + h + 2),
    "gru": lambda k, h: 3 * h * (k + h + 2),
    "indrnn": lambda k, h: h * (k + 2),
    "fastrnn": lambda k, h: h * (k + h + 1) + 2,
    "spectralrnn": lambda k, h: h * (k + 2) + max(1, h // 4) * (2 * h + 1 - max(1, h // 4)),
}
"""Parameter count of one cell, given the sizes of its input and of its state."""


def parameters(run: RunConfig, hidden: int | None = None) -> int:
    r"""Return the parameter count of a run's network, by default at the width h of the run.

    Unfolded networks have A, D, h_0, the link G of :math:`h^2` (F of :math:`n_0^2` in SISTA-RNN)
    and the scalars c, λ1, λ2; reweighted-RNN has also :math:`d(h^2 + h)` entries of Z and g.
    Stacked networks have A, a cell per layer and a linear read-out with bias. The
    count ignores differences between variants.

    >>> parameters(RunConfig(model="l1-l1-rnn", hidden=128))
    62339
    """
    h, n0, sensing_size = hidden or run.hidden, run.n0, run.n * run.n0
    if run.model in UNFOLDED:
        transition = n0 * n0 if run.model == "sista-rnn" else h * h
        weights = run.depth * (h * h + h) if run.model == "reweighted-rnn" else 0
        return sensing_size + n0 * h + h + transition + 3 + weights
    cell = _CELLS[run.model]
    return sensing_size + cell(run.n, h) + (run.depth - 1) * cell(h, h) + n0 * (h + 1)


def matched(run: RunConfig) -> RunConfig:
    """Return this run at the width whose parameter count is closest to that of reweighted-RNN.

    >>> ours = RunConfig(profile="smoke")
    >>> matched(RunConfig(model="l1-l1-rnn", profile="smoke")).hidden > ours.hidden
    True
    """
    budget = parameters(replace(run, model="reweighted-rnn", depth=None), run.hidden)
    widths = range(1, math.isqrt(budget) + budget // run.n0)
    largest = max(1, bisect.bisect(widths, budget, key=lambda h: parameters(run, h)))
    width = min(largest, largest + 1, key=lambda h: abs(parameters(run, h) - budget))
    return replace(run, hidden=width)
