"""What the learning curves say of the claims on Figure 3: who ends lowest, who learns faster."""

from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from unfolded import evidence, judgement
from unfolded.config import RunConfig
from unfolded.evidence import PRINTED
from unfolded.grid import UNFOLDED, row
from unfolded.judgement import Judgement
from unfolded.tables import title

WIDE = replace(PRINTED, hidden=256)
"""The default row at the widest h at which all networks have run: where curves are compared."""

_LEVELS = (1, 1.5, 2)
"""Learning speed is read at these multiples of the least error that a stacked network reaches."""


def lowest_error() -> Judgement:
    """Judge "ours ends with the lowest training and validation error" of Figure 3."""
    seeds = _curves(WIDE)
    if not seeds:
        return _curves_missing(WIDE)
    told, lowest = [], []
    for part in ("train", "validation"):
        ends = [{name: own[f"{part}_mse"].iloc[-1] for name, own in run.items()} for run in seeds]
        first = [min(found, key=found.get) for found in ends]
        lowest.append([name == "reweighted-rnn" for name in first])
        told.append(f"{part} {title(first[0])} {ends[0][first[0]]:.1f}")
        told[-1] += _of_seeds(lowest[-1], "reweighted-RNN's is the lowest")
    said = f"At h = {WIDE.hidden}, not the figure's 1024, the lowest errors at the end are: "
    said += "; ".join(told)
    gaps = evidence.leads(judgement.committed(), row(WIDE))
    if len(gaps):
        said += f". On the test sequences the least lead is {judgement.least(gaps)}"
    # The width differs from the figure's, so the claim cannot hold in full.
    return Judgement("in part" if any(map(all, lowest)) else "does not hold", f"{said}.")


def unfolded_learn_faster(base: RunConfig = WIDE) -> Judgement:
    """Judge "the unfolded networks converge faster than the stacked ones, ours the fastest"."""
    seeds = _curves(base)
    if not seeds:
        return _curves_missing(base)
    races = [_race(curves) for curves in seeds]
    first = races[0]
    said = "To come to a validation error of {:.0f}, the least of any stacked network, and to {} "
    said += "times as much, the first stacked network takes {} epochs, the last unfolded one {}, "
    said += "reweighted-RNN {}"
    more = " and ".join(f"{level:g}" for level in _LEVELS[1:])
    said = said.format(first.level, more, *map(_epochs, first[1:4]))
    said += _of_seeds([race.faster for race in races], "all unfolded ones are faster throughout")
    # The width differs from the figure's, so the claim cannot hold in full.
    word = "in part" if any(race.faster or race.fastest for race in races) else "does not hold"
    where = f"At h = {base.hidden}, not the figure's 1024. " if base == WIDE else ""
    return Judgement(word, f"{where}{said}.")


class _Race(NamedTuple):
    """A level of the validation error, and epochs to multiples of it: (levels,) each."""

    level: float
    stacked: np.ndarray
    unfolded: np.ndarray
    ours: np.ndarray
    others: np.ndarray

    @property
    def faster(self) -> bool:
        """Whether the last unfolded network comes before the first stacked one, at all levels."""
        return bool((self.unfolded < self.stacked).all())

    @property
    def fastest(self) -> bool:
        """Whether ours is alone the first at the lowest level, and at no other behind."""
        return bool(self.ours[0] < self.others[0] and (self.ours <= self.others).all())


def _race(curves: dict[str, pd.DataFrame]) -> _Race:
    stacked = [name for name in curves if name not in UNFOLDED]
    least = min(curves[name]["validation_mse"].min() for name in stacked)
    epochs = {
        name: np.array([evidence.epochs_to(own, times * least) for times in _LEVELS])
        for name, own in curves.items()
    }
    ours = epochs["reweighted-rnn"]
    first = np.min([epochs[name] for name in stacked], axis=0)
    last = np.max([epochs[name] for name in UNFOLDED], axis=0)
    others = np.min([each for each in epochs.values() if each is not ours], axis=0)
    return _Race(least, first, last, ours, others)


def _epochs(each: Iterable[float]) -> str:
    return ", ".join("never" if np.isinf(epoch) else f"{epoch:.0f}" for epoch in each)


def _of_seeds(true: Iterable[bool], what: str) -> str:
    true = list(true)
    return f" (the first of {len(true)} seeds; {what} in {sum(true)})" if len(true) > 1 else ""


def _curves(base: RunConfig) -> list[dict[str, pd.DataFrame]]:
    """Return the learning curves of all networks of a row, for each seed with which all ran."""
    found = judgement.committed()
    runs = {run.model: found.at(run).set_index("seed")["config_hash"] for run in row(base)}
    seeds = sorted(set.intersection(*(set(own.index) for own in runs.values())))
    return [{name: found.curves[own[seed]] for name, own in runs.items()} for seed in seeds]


def _curves_missing(base: RunConfig) -> Judgement:
    missing = [title(run.model) for run in row(base) if judgement.committed().at(run).empty]
    said = f"not yet run: {', '.join(missing)}" if missing else "no seed with which all have run"
    return Judgement("open", f"At h = {base.hidden} {said}.", ran=False)
