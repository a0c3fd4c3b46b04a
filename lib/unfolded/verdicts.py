"""What the committed runs say of the paper's claims: a rule a claim, from records to a verdict."""

import functools
import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from unfolded import evidence
from unfolded.config import RunConfig
from unfolded.evidence import PRINTED, SHORT, Difference, Evidence, paired
from unfolded.grid import UNFOLDED, VARIED, row

_WIDTH = 256
"""The width at which the curves of all networks are compared: the widest that has them all."""

_TREND = 3
"""So many values make a trend."""

_GROWN = 10 * np.log10(1.1)
"""Decibels by which a gap has to grow to be said to: training errors lag by a part of an epoch."""


class Judgement(NamedTuple):
    """A verdict, a key of WORDS in claims, and the reason in a sentence, with its numbers."""

    word: str
    because: str


def _from_pairs(gaps: pd.DataFrame, what: str, pairs: int) -> Judgement:
    """Judge "ours is ahead of every other": what is known of the pairs, and of how many."""
    known = gaps[gaps["verdict"] != "not run"]
    if known.empty:
        return Judgement("open", f"None of the {pairs} {what} has been run at the paper's scale.")
    behind, unsure = (known[known["verdict"] == word] for word in ("behind", "undecided"))
    rows = gaps.groupby("value")["verdict"].agg(lambda own: (own != "not run").all())
    said = f"{len(known)} of {pairs} {what} ran, {rows.sum()} of {len(rows)} values in whole"
    said += f" (seeds: {known['seeds'].max():.0f} at the most)"
    worst = known.sort_values("mean").iloc[0]
    if behind.empty and unsure.empty:
        said += f"; reweighted-RNN leads in all of them, by {worst['mean']:.2f} dB or more."
        word = "holds" if rows.all() else "in part" if rows.any() else "open"
        return Judgement(word, said)
    said += f"; reweighted-RNN is behind in {len(behind)} and undecided in {len(unsure)}; the "
    said += f"least lead is {worst['mean']:+.2f} dB, over {worst['other']} at {worst['value']:g}."
    none = len(behind) + len(unsure) == len(known)
    return Judgement("does not hold" if none else "in part", said)


def best_in_table(number: int, least: float = 0, base: RunConfig = PRINTED) -> Judgement:
    """Judge "ours is best at every value", pair by pair on the same test sequences."""
    gaps = evidence.against_all(_committed(), number, base)
    gaps = gaps[gaps["value"] >= least]
    return _from_pairs(gaps, f"pairs of cells of Table {number}", len(gaps))


def indrnn_when_shallow(base: RunConfig = PRINTED) -> Judgement:
    """Judge "with one or two layers IndRNN is better than ours"."""
    gaps = evidence.against_all(_committed(), 3, base, model="indrnn")
    gaps = gaps[gaps["value"].isin([1, 2]) & gaps["other"].eq("reweighted-rnn")]
    judged = _from_pairs(gaps, "pairs of cells at d = 1, 2", len(gaps))
    return Judgement(judged.word, judged.because.replace("reweighted-RNN", "IndRNN"))


def grows(number: int, base: RunConfig = PRINTED) -> Judgement:
    """Judge "ours gains with every step of what the table varies", each step on its own."""
    runs = _over(number, base)
    if len(runs) < _TREND:
        return _too_few(runs, number)
    values = list(runs)
    steps = {
        f"from {low:g} to {high:g}": _committed().difference(runs[high], runs[low])
        for low, high in itertools.pairwise(values)
    }
    ahead = [step.verdict == "ahead" for step in steps.values()]
    whole = all(ahead) and len(runs) == len(VARIED[number][1])
    word = "holds" if whole else "in part" if any(ahead) else "does not hold"
    return Judgement(word, f"reweighted-RNN gains {_listed(steps)}.")


def gap_by_depth(base: RunConfig = PRINTED) -> Judgement:
    """Judge "the gap between unseen and training error does not grow with depth"."""
    runs = _over(3, base)
    if len(runs) < _TREND:
        return _too_few(runs, 3)
    shares = {depth: _unseen_by_seen(run) for depth, run in runs.items()}
    listed = ", ".join(f"{share.mean():.2f} at d = {depth:g}" for depth, share in shares.items())
    first, *_, last = shares.values()
    seeds = min(len(first), len(last))
    # In decibels of one share over the other: above zero the gap of the deepest is the smaller.
    change = paired(last[:seeds], first[:seeds])
    said = f"Test error over training error at the last epoch: {listed}. In dB, the gap of the "
    said += f"deepest is smaller than that of the shallowest by {_interval(change)}."
    whole = len(runs) == len(VARIED[3][1])
    word = "does not hold" if change.high < -_GROWN else "holds" if whole else "in part"
    return Judgement(word, said)


def _unseen_by_seen(run: RunConfig) -> np.ndarray:
    """Return the test error of each seed and sequence over that seed's last training error."""
    found = _committed()
    names = found.at(run)["config_hash"]
    return np.stack([found.errors[n] / found.curves[n]["train_mse"].iloc[-1] for n in names])


def reweighting_helps() -> Judgement:
    """Judge "Z and g are what ours gains over ℓ1-ℓ1-RNN", by taking away one or both."""
    less = {
        "without g": replace(SHORT, reweighting="Z"),
        "without Z": replace(SHORT, reweighting="g"),
        "without both": replace(SHORT, model="l1-l1-rnn"),
    }
    gaps = {name: _committed().difference(SHORT, other) for name, other in less.items()}
    large = _wide()
    gaps[f"without both, at the paper's scale and h = {_WIDTH}"] = _committed().difference(
        large, replace(large, model="l1-l1-rnn")
    )
    return _from_gaps(gaps, "Lead of reweighted-RNN over the same network")


def temporal_prior() -> Judgement:
    """Judge "the ℓ1-ℓ1 term is part of the gain", by networks with λ2 held at zero."""
    gaps = {}
    both = {"in short runs": SHORT, f"at the paper's scale and h = {_WIDTH}": _wide()}
    for name, run in both.items():
        gaps[name] = _committed().difference(run, replace(run, lambda2=0.0))
    return _from_gaps(gaps, "Lead of reweighted-RNN over the same network with λ2 = 0")


def _wide() -> RunConfig:
    return replace(PRINTED, hidden=_WIDTH)


def _from_gaps(gaps: dict, what: str) -> Judgement:
    known = {name: gap for name, gap in gaps.items() if gap is not None}
    if len(known) < len(gaps):
        missing = ", ".join(name for name in gaps if name not in known)
        return Judgement("open", f"{what}: not yet run {missing}.")
    ahead = [gap.verdict == "ahead" for gap in known.values()]
    word = "in part" if any(ahead) else "does not hold"
    return Judgement("holds" if all(ahead) else word, f"{what}: {_listed(known)}.")


def _listed(gaps: dict[str, Difference]) -> str:
    return "; ".join(f"{_interval(gap)} {name}" for name, gap in gaps.items())


def _interval(gap: Difference) -> str:
    seeds = "1 seed" if gap.seeds == 1 else f"{gap.seeds} seeds"
    return f"{gap.mean:+.2f} dB [{gap.low:+.2f}, {gap.high:+.2f}] ({seeds})"


def _over(number: int, base: RunConfig) -> dict[float, RunConfig]:
    """Return what a table varies -> our run there, where it has been made."""
    name, values = VARIED[number]
    runs = {value: replace(base, **{name: value}) for value in values}
    return {value: run for value, run in runs.items() if len(_committed().at(run))}


def _too_few(found: dict, number: int) -> Judgement:
    said = f"Cells run: {len(found)} of {len(VARIED[number][1])}"
    return Judgement("open", f"{said}; a trend needs {_TREND}.")


def two_layers_for_lstm(base: RunConfig = PRINTED) -> Judgement:
    """Judge "an LSTM of two layers is better than one of three"."""
    two, three = (replace(base, model="lstm", depth=depth) for depth in (2, 3))
    gap = _committed().difference(two, three)
    if gap is None:
        return Judgement("open", "The LSTM has not been run at both depths at the paper's scale.")
    words = {"ahead": "holds", "behind": "does not hold", "undecided": "open"}
    return Judgement(words[gap.verdict], f"Lead of two layers over three: {_interval(gap)}.")


def lowest_error() -> Judgement:
    """Judge "ours ends with the lowest training and validation error" of Figure 3."""
    seeds = _curves(_wide())
    if not seeds:
        return _curves_missing()
    told, lowest = [], []
    for part in ("train", "validation"):
        least = [{name: own[f"{part}_mse"].min() for name, own in run.items()} for run in seeds]
        first = [min(found, key=found.get) for found in least]
        lowest.append(all(name == "reweighted-rnn" for name in first))
        told.append(f"{part} {first[0]} {least[0][first[0]]:.1f}")
    said = f"At h = {_WIDTH}, not the figure's 1024, the lowest errors are: {'; '.join(told)}"
    gaps = evidence.leads(_committed(), row(_wide())).sort_values("mean")
    if len(gaps):
        least = gaps.iloc[0]
        gap = Difference(*least[list(Difference._fields)])
        said += f". On the test sequences the least lead is {_interval(gap)}, over {least['other']}"
    # The width differs from the figure's, so the claim cannot hold in full.
    return Judgement("in part" if any(lowest) else "does not hold", f"{said}.")


def unfolded_learn_faster() -> Judgement:
    """Judge "the unfolded networks converge faster than the stacked ones, ours the fastest"."""
    if not _curves(_wide()):
        return _curves_missing()
    said, races = [], []
    for where, base in {f"At h = {_WIDTH}": _wide(), "In short runs": SHORT}.items():
        found = [_race(curves) for curves in _curves(base)]
        races += found
        for level, epochs in found[:1]:
            last, stacked = max(epochs[n] for n in UNFOLDED), _first(epochs, generic=True)
            said.append(
                f"{where}, the least validation error of any stacked network ({level:.0f}) is "
                f"reached by {stacked} after {epochs[stacked]:.0f} epochs, by the last unfolded "
                f"one after {last:.0f}, first by {_first(epochs)} after {min(epochs.values()):.0f}"
            )
        if len(found) > 1:
            times = sum(_all_faster(epochs) for _, epochs in found)
            said[-1] += f"; all unfolded ones are faster in {times} of {len(found)} seeds"
    told = [_all_faster(epochs) or _first(epochs) == "reweighted-rnn" for _, epochs in races]
    # The widths differ from the figure's, so the claim cannot hold in full.
    return Judgement("in part" if any(told) else "does not hold", f"{'. '.join(said)}.")


def _race(curves: dict[str, pd.DataFrame]) -> tuple[float, dict[str, float]]:
    """Return the least validation error of any stacked network, and how fast each reaches it."""
    level = min(own["validation_mse"].min() for name, own in curves.items() if name not in UNFOLDED)
    return level, {name: evidence.epochs_to(own, level) for name, own in curves.items()}


def _first(epochs: dict[str, float], *, generic: bool = False) -> str:
    return min((name for name in epochs if not generic or name not in UNFOLDED), key=epochs.get)


def _all_faster(epochs: dict[str, float]) -> bool:
    return max(epochs[name] for name in UNFOLDED) < epochs[_first(epochs, generic=True)]


def _also_short(rule: Callable[[RunConfig], Judgement]) -> Callable[[], Judgement]:
    """Return the rule for the paper's scale, with what short runs say, where they can, added."""

    def judge() -> Judgement:
        found, short = rule(PRINTED), rule(SHORT)
        if short.word == "open":
            return found
        aside = f"In short runs at h = {SHORT.hidden}, which decide nothing here:"
        return found._replace(because=f"{found.because} {aside} {short.because}")

    return judge


@functools.cache
def _committed() -> Evidence:
    return Evidence.committed()


def _curves(base: RunConfig) -> list[dict[str, pd.DataFrame]]:
    """Return the learning curves of all networks of a row, for each seed with which all ran."""
    runs = {run.model: _committed().at(run).set_index("seed") for run in row(base)}
    seeds = set.intersection(*(set(own.index) for own in runs.values()))
    return [
        {name: _committed().curves[own.at[seed, "config_hash"]] for name, own in runs.items()}
        for seed in sorted(seeds)
    ]


def _curves_missing() -> Judgement:
    missing = [run.model for run in row(_wide()) if _committed().at(run).empty]
    return Judgement("open", f"At h = {_WIDTH} not yet run: {', '.join(missing)}.")


RULES: dict[str, Callable[[], Judgement]] = {
    "best at every rate": _also_short(functools.partial(best_in_table, 1, 0)),
    "best at every width": functools.partial(best_in_table, 2),
    "best when deep": _also_short(functools.partial(best_in_table, 3, 3)),
    "IndRNN when shallow": _also_short(indrnn_when_shallow),
    "gains with depth": _also_short(functools.partial(grows, 3)),
    "gap by depth": _also_short(gap_by_depth),
    "reweighting helps": reweighting_helps,
    "temporal prior": temporal_prior,
    "gains with width": functools.partial(grows, 2),
    "two layers for LSTM": _also_short(two_layers_for_lstm),
    "lowest error": lowest_error,
    "unfolded learn faster": unfolded_learn_faster,
}
"""What judges a claim from the committed runs."""
