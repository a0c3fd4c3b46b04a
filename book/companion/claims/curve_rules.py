"""Rules for the claims on Figure 3: lowest final error, fastest convergence."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from companion.claims import decision
from companion.claims.decision import Judgement, initialisations
from companion.claims.success_counts import Case, count_successes
from companion.labels import NOT_RUN, counted, listing, title
from companion.run_set import PRINTED, WIDE, epochs_to
from unfolded.runs.config import RunConfig
from unfolded.runs.grid import UNFOLDED, row

_WIDTHS = (128, WIDE.hidden, PRINTED.hidden)
"""Widths of the comparison of curves; the last one is that of the figure."""

_LEVELS = (1, 1.5, 2)
"""Multiples of the lowest error of a stacked network at which learning speed is measured."""


def lowest_error() -> Judgement:
    """Judge "ours ends with the lowest training and validation error" of Figure 3."""
    return _at_widths(_lowest)


def unfolded_learn_faster() -> Judgement:
    """Judge "the unfolded networks converge faster than the stacked ones, ours the fastest"."""
    return _at_widths(_faster)


def _at_widths(judge: Callable[[dict], tuple[float, str]]) -> Judgement:
    """Judge the curves at each width and seed, for each initialisation of λ."""
    judgements = {}
    for label, start in initialisations().items():
        cases, sentences = [], []
        for hidden in _WIDTHS:
            base = replace(PRINTED, hidden=hidden)
            outcomes = [judge(curves) for curves in _curves(base, start)]
            place = f"h = {hidden}"
            cases.append(Case(place, [success for success, _ in outcomes]))
            if outcomes:
                seeds = counted(len(outcomes), "seed")
                seeds += ", numbers of the first" * (len(outcomes) > 1)
                sentences.append(f"At {place} ({seeds}): {outcomes[0][1]}.")
            else:
                sentences.append(f"At {place} {_missing(base, start)}.")
        judgements[label] = count_successes(cases, len(_WIDTHS), "widths", " ".join(sentences))
    return decision.combine(judgements)


def _lowest(curves: dict[str, pd.DataFrame]) -> tuple[float, str]:
    """Return 1 if ours has the lowest error in both parts, 0.5 in one, 0 in none; and words."""
    parts, won = [], []
    for part, label in (("train", "training"), ("validation", "validation")):
        ends = {name: curve[f"{part}_mse"].iloc[-1] for name, curve in curves.items()}
        first = min(ends, key=ends.get)
        won.append(first == "reweighted-rnn")
        parts.append(f"lowest {label} error {ends[first]:.1f} ({title(first)})")
    return sum(won) / 2, ", ".join(parts)


class _Race(NamedTuple):
    """A validation error, and the epochs at which networks reach its multiples: (levels,) each."""

    level: float
    stacked: np.ndarray
    unfolded: np.ndarray
    ours: np.ndarray
    competitors: np.ndarray

    @property
    def faster(self) -> bool:
        """Whether the slowest unfolded network precedes the fastest stacked one, at all levels."""
        return bool((self.unfolded < self.stacked).all())

    @property
    def fastest(self) -> bool:
        """Whether only ours is first at the lowest level, and no other is before it elsewhere."""
        return bool(self.ours[0] < self.competitors[0] and (self.ours <= self.competitors).all())


def _faster(curves: dict[str, pd.DataFrame]) -> tuple[float, str]:
    """Return whether all unfolded networks are faster and ours is the fastest, and words."""
    race = _race(curves)
    multiples = listing(f"{level:g}" for level in _LEVELS)
    text = f"until the validation error is {multiples} times the lowest of any stacked network "
    text += f"({race.level:.0f}), the first stacked network needs "
    text += "{} epochs, the last unfolded network {}, reweighted-RNN {}".format(
        *map(_epochs, race[1:4])
    )
    return (race.faster + race.fastest) / 2, text


def _race(curves: dict[str, pd.DataFrame]) -> _Race:
    stacked = [name for name in curves if name not in UNFOLDED]
    minimum = min(curves[name]["validation_mse"].min() for name in stacked)
    epochs = {
        name: np.array([epochs_to(curve, times * minimum) for times in _LEVELS])
        for name, curve in curves.items()
    }
    ours = epochs["reweighted-rnn"]
    first = np.min([epochs[name] for name in stacked], axis=0)
    last = np.max([epochs[name] for name in UNFOLDED], axis=0)
    competitors = np.min([values for values in epochs.values() if values is not ours], axis=0)
    return _Race(minimum, first, last, ours, competitors)


def _epochs(epochs: Iterable[float]) -> str:
    return ", ".join("never" if np.isinf(epoch) else f"{epoch:.0f}" for epoch in epochs)


def _curves(base: RunConfig, start: Callable) -> list[dict[str, pd.DataFrame]]:
    """Return the learning curves of all networks, for each seed with which all networks ran."""
    run_set = decision.committed_runs()
    runs = {run.model: run_set.seeds(start(run)) for run in row(base)}
    seeds = sorted(set.intersection(*map(set, runs.values())))
    return [{name: run_set.curves[hashes[seed]] for name, hashes in runs.items()} for seed in seeds]


def _missing(base: RunConfig, start: Callable) -> str:
    run_set = decision.committed_runs()
    runs, reasons = row(base), {}
    for run in runs:
        if not run_set.seeds(start(run)):
            reasons.setdefault(run_set.no_result(start(run)), []).append(title(run.model))
    if len(reasons.get(NOT_RUN, [])) == len(runs):
        return "nothing has run"
    parts = [f"{reason}: {', '.join(names)}" for reason, names in reasons.items()]
    return "; ".join(parts) or "no seed with which all have run"
