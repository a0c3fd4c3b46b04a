"""What the committed runs say of the paper's claims: a rule a claim, from records to a verdict."""

import functools
import itertools
from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np
import pandas as pd

from unfolded import evidence, judgement
from unfolded.config import RunConfig
from unfolded.curve_verdicts import WIDE, lowest_error, unfolded_learn_faster
from unfolded.evidence import PRINTED, SHORT, paired
from unfolded.grid import VARIED
from unfolded.judgement import Judgement
from unfolded.tables import NAMES, title

_TREND = 3
"""So many values make a trend."""

_GROWN = 10 * np.log10(1.1)
"""Decibels by which a gap has to grow to be said to: training errors lag by a part of an epoch."""

# The tables ---------------------------------------------------------------------------------------


def best_in_table(number: int, least: float = 0, base: RunConfig = PRINTED) -> Judgement:
    """Judge "ours is best at every value", pair by pair on the same test sequences."""
    gaps = evidence.against_all(judgement.committed(), number, base)
    return _from_pairs(gaps[gaps["value"] >= least], number, "reweighted-rnn")


def indrnn_when_shallow(base: RunConfig = PRINTED) -> Judgement:
    """Judge "with one or two layers IndRNN is better than ours"."""
    gaps = evidence.against_all(judgement.committed(), 3, base, model="indrnn")
    gaps = gaps[gaps["value"].isin([1, 2]) & gaps["other"].eq("reweighted-rnn")]
    return _from_pairs(gaps, 3, "indrnn")


def _from_pairs(gaps: pd.DataFrame, number: int, model: str) -> Judgement:
    """Judge "this network is ahead of every other": what is known of the pairs, of how many."""
    at = NAMES[VARIED[number][0]]
    pairs = f"{len(gaps)} pairs of networks at {at} {', '.join(_each(gaps['value']))}"
    known = gaps[gaps["verdict"] != "not run"]
    if known.empty:
        return Judgement("open", f"None of the {pairs} has been run at this scale.", ran=False)
    rows = gaps.groupby("value")["verdict"].agg(lambda own: (own != "not run").all())
    word = judgement.word(known["verdict"], whole=rows.all(), part=rows.any())
    whole = f", all at {', '.join(_each(rows.index[rows]))}" if rows.any() else ""
    said = f"Of the {pairs}, {len(known)} ran{whole} (seeds: {_seeds(known)}). "
    count = known["verdict"].value_counts()
    counted = (f"{each} in {count[each]}" for each in evidence.WORDS.values() if each in count)
    said += f"{title(model)} is {', '.join(counted)}; its least lead is {judgement.least(known)} "
    return Judgement(word, f"{said}at {at} {known.loc[known['mean'].idxmin(), 'value']:g}.")


def _each(values: Iterable[float]) -> list[str]:
    return [f"{value:g}" for value in dict.fromkeys(values)]


def _seeds(known: pd.DataFrame) -> str:
    low, high = known["seeds"].min(), known["seeds"].max()
    return f"{low:.0f}" if low == high else f"{low:.0f} to {high:.0f}"


def grows(number: int, base: RunConfig = PRINTED) -> Judgement:
    """Judge "ours gains with every step of what the table varies", each step on its own."""
    runs = _over(number, base)
    if len(runs) < _TREND:
        return _too_few(runs, number)
    at = NAMES[VARIED[number][0]]
    steps = {
        f"from {at} {low:g} to {high:g}": judgement.committed().difference(runs[high], runs[low])
        for low, high in itertools.pairwise(runs)
    }
    words = [step.verdict for step in steps.values()]
    word = judgement.word(words, whole=len(runs) == len(VARIED[number][1]), part=True)
    return Judgement(word, f"reweighted-RNN gains {judgement.listed(steps)}.")


def gap_by_depth(base: RunConfig = PRINTED) -> Judgement:
    """Judge "the gap between test and training error does not grow with depth"."""
    runs = _over(3, base)
    if len(runs) < _TREND:
        return _too_few(runs, 3)
    found = judgement.committed()
    pairs = found.pairs(runs[min(runs)], runs[max(runs)])
    sides = (np.stack([_test_by_train(name) for name in side]) for side in zip(*pairs, strict=True))
    # The shallowest "leads" by what the gap grows to the deepest.
    growth = paired(*sides, pooled=True)
    listed = ", ".join(
        f"{np.mean([_test_by_train(name).mean() for name in found.at(run)['config_hash']]):.2f} "
        f"at d = {depth:g}"
        for depth, run in runs.items()
    )
    said = f"Test error over training error at the last epoch: {listed}. From the first to the "
    said += f"last it grows by {judgement.interval(growth)}."
    if growth.low > _GROWN:
        return Judgement("does not hold", said)
    word = "holds" if len(runs) == len(VARIED[3][1]) else "in part"
    return Judgement(word if growth.high < _GROWN else "open", said)


def _test_by_train(config_hash: str) -> np.ndarray:
    """Return the error of each test sequence over the training error of the last epoch."""
    found = judgement.committed()
    return found.errors[config_hash] / found.curves[config_hash]["train_mse"].iloc[-1]


def two_layers_for_lstm(base: RunConfig = PRINTED) -> Judgement:
    """Judge "an LSTM of two layers is better than one of three"."""
    two, three = (replace(base, model="lstm", depth=depth) for depth in (2, 3))
    gap = judgement.committed().difference(two, three)
    if gap is None:
        said = "The LSTM has not been run at both depths at this scale."
        return Judgement("open", said, ran=False)
    word = judgement.word([gap.verdict], whole=True, part=True)
    return Judgement(word, f"Lead of two layers over three: {judgement.interval(gap)}.")


def _over(number: int, base: RunConfig) -> dict[float, RunConfig]:
    """Return what a table varies -> our run there, where it has been made."""
    name, values = VARIED[number]
    runs = {value: replace(base, **{name: value}) for value in values}
    return {value: run for value, run in runs.items() if judgement.committed().pairs(run, run)}


def _too_few(found: dict, number: int) -> Judgement:
    said = f"Values run: {len(found)} of {len(VARIED[number][1])}; a trend needs {_TREND}."
    return Judgement("open", said, ran=False)


def _also_short(rule: Callable[..., Judgement]) -> Callable[[], Judgement]:
    """Return the rule for the paper's scale, with what short runs say, where they can, added."""

    def judge() -> Judgement:
        found, short = rule(), rule(base=SHORT)
        if not short.ran:
            return found
        aside = f"In short runs at h = {SHORT.hidden}, which decide nothing here:"
        return found._replace(because=f"{found.because} {aside} {short.because}")

    return judge


# What is taken away -------------------------------------------------------------------------------


def reweighting_helps() -> Judgement:
    """Judge "Z and g are what ours gains over ℓ1-ℓ1-RNN", by taking away one or both."""
    less = {
        "without g": replace(SHORT, reweighting="Z"),
        "without Z": replace(SHORT, reweighting="g"),
        "without both": replace(SHORT, model="l1-l1-rnn"),
    }
    found = judgement.committed()
    gaps = {f"{name} in short runs": found.difference(SHORT, run) for name, run in less.items()}
    without = found.difference(WIDE, replace(WIDE, model="l1-l1-rnn"))
    gaps[f"without both at the paper's scale and h = {WIDE.hidden}"] = without
    return _from_gaps(gaps, "Lead of reweighted-RNN over the same network")


def temporal_prior() -> Judgement:
    """Judge "the ℓ1-ℓ1 term is part of the gain", by networks with λ2 held at zero."""
    both = {"in short runs": SHORT, f"at the paper's scale and h = {WIDE.hidden}": WIDE}
    gaps = {name: judgement.committed().difference(run, replace(run, lambda2=0.0))
            for name, run in both.items()}  # fmt: skip
    return _from_gaps(gaps, "Lead of reweighted-RNN over the same network with λ2 = 0")


def _from_gaps(gaps: dict, what: str) -> Judgement:
    known = {name: gap for name, gap in gaps.items() if gap is not None}
    if len(known) < len(gaps):
        missing = ", ".join(name for name in gaps if name not in known)
        return Judgement("open", f"{what}: not yet run {missing}.")
    word = judgement.word([gap.verdict for gap in known.values()], whole=True, part=True)
    return Judgement(word, f"{what}: {judgement.listed(known)}.")


RULES: dict[str, Callable[[], Judgement]] = {
    "best at every rate": _also_short(functools.partial(best_in_table, 1)),
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
    "unfolded learn faster": _also_short(unfolded_learn_faster),
}
"""What judges a claim from the committed runs."""
