"""What the committed runs say of the paper's claims: a rule a claim, from records to a verdict."""

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from unfolded import evidence, networks
from unfolded.config import RunConfig
from unfolded.evidence import PRINTED, Evidence
from unfolded.grid import UNFOLDED, VARIED, row

_WIDTH = 256
"""The width at which the curves of all networks are compared: the widest that has them all."""

_TREND = 3
"""So many values make a trend."""


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
    said += f" ({known['seeds'].max():.0f} seed at the most)"
    worst = known.sort_values("mean").iloc[0]
    if behind.empty and unsure.empty:
        said += f"; reweighted-RNN leads in all of them, by {worst['mean']:.2f} dB or more."
        word = "holds" if rows.all() else "in part" if rows.any() else "open"
        return Judgement(word, said)
    said += f"; reweighted-RNN is behind in {len(behind)} and undecided in {len(unsure)}; the "
    said += f"least lead is {worst['mean']:+.2f} dB, over {worst['other']} at {worst['value']:g}."
    none = len(behind) + len(unsure) == len(known)
    return Judgement("does not hold" if none else "in part", said)


def best_in_table(number: int, least: float = 0) -> Judgement:
    """Judge "ours is best at every value", pair by pair on the same test sequences."""
    gaps = evidence.against_all(_committed(), number)
    gaps = gaps[gaps["value"] >= least]
    return _from_pairs(gaps, f"pairs of cells of Table {number}", len(gaps))


def indrnn_when_shallow() -> Judgement:
    """Judge "with one or two layers IndRNN is better than ours"."""
    gaps = evidence.against_all(_committed(), 3, model="indrnn")
    gaps = gaps[gaps["value"].isin([1, 2]) & gaps["other"].eq("reweighted-rnn")]
    judged = _from_pairs(gaps, "pairs of cells at d = 1, 2", len(gaps))
    return Judgement(judged.word, judged.because.replace("reweighted-RNN", "IndRNN"))


def grows(number: int) -> Judgement:
    """Judge "ours gains with every step of what the table varies"."""
    values = VARIED[number][1]
    means = _over(number, lambda own: own["psnr_sequence"].mean())
    if len(means) < _TREND:
        return _too_few(means, number)
    steps = np.diff(list(means.values()))
    listed = ", ".join(f"{psnr:.2f} dB at {value:g}" for value, psnr in means.items())
    word = "does not hold" if (steps <= 0).all() else "in part"
    whole = (steps > 0).all() and len(means) == len(values)
    return Judgement("holds" if whole else word, f"reweighted-RNN reaches {listed}.")


def gap_by_depth() -> Judgement:
    """Judge "the gap between validation and training error does not grow with depth"."""

    def gap(own: pd.DataFrame) -> float:
        last = _committed().curves[own["config_hash"].iloc[0]].iloc[-1]
        return last["validation_mse"] / last["train_mse"]

    ratios = _over(3, gap)
    if len(ratios) < _TREND:
        return _too_few(ratios, 3)
    listed = ", ".join(f"{ratio:.2f} at d = {depth:g}" for depth, ratio in ratios.items())
    grown = ratios[max(ratios)] > 1.1 * ratios[min(ratios)]
    said = f"Validation error over training error at the last epoch: {listed}."
    return Judgement("does not hold" if grown else "in part", said)


def reweighting_helps() -> Judgement:
    """Judge "Z and g are what ours gains over ℓ1-ℓ1-RNN", by taking away one or both."""
    ours = RunConfig(profile="short", source="mnist")
    less = {
        "without g": replace(ours, reweighting="Z"),
        "without Z": replace(ours, reweighting="g"),
        "without both": replace(ours, model="l1-l1-rnn"),
    }
    gaps = {name: _committed().difference(ours, other) for name, other in less.items()}
    large = _wide()
    gaps[f"without both, at the paper's scale and h = {_WIDTH}"] = _committed().difference(
        large, replace(large, model="l1-l1-rnn")
    )
    return _from_gaps(gaps, "Lead of reweighted-RNN over the same network")


def temporal_prior() -> Judgement:
    """Judge "the ℓ1-ℓ1 term is part of the gain", by networks with λ2 held at zero."""
    gaps = {}
    short = RunConfig(profile="short", source="mnist")
    both = {"in short runs": short, f"at the paper's scale and h = {_WIDTH}": _wide()}
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
    told = []
    for name, gap in known.items():
        interval = f"{gap.mean:+.2f} dB [{gap.low:+.2f}, {gap.high:+.2f}]"
        told.append(f"{interval} {name} ({gap.seeds} seed{'s' * (gap.seeds > 1)})")
    ahead = [gap.verdict == "ahead" for gap in known.values()]
    word = "in part" if any(ahead) else "does not hold"
    return Judgement("holds" if all(ahead) else word, f"{what}: {'; '.join(told)}.")


def _over(number: int, value_of: Callable[[pd.DataFrame], float]) -> dict[float, float]:
    """Return what a table varies -> a value of our runs there, where there are any."""
    name, values = VARIED[number]
    runs = {value: _committed().at(replace(PRINTED, **{name: value})) for value in values}
    return {value: value_of(own) for value, own in runs.items() if len(own)}


def _too_few(found: dict, number: int) -> Judgement:
    said = f"Cells run: {len(found)} of {len(VARIED[number][1])}"
    return Judgement("open", f"{said}; a trend needs {_TREND}.")


def two_layers_for_lstm() -> Judgement:
    """Judge "an LSTM of two layers is better than one of three"."""
    lstm = replace(PRINTED, model="lstm", depth=None)
    at = [_committed().at(replace(lstm, depth=depth)) for depth in (2, 3)]
    if any(runs.empty for runs in at):
        return Judgement("open", "The LSTM has not been run at both depths at the paper's scale.")
    two, three = (runs["psnr_sequence"].mean() for runs in at)
    word = "holds" if two > three else "does not hold"
    return Judgement(word, f"Two layers reach {two:.2f} dB, three {three:.2f} dB.")


def lowest_error() -> Judgement:
    """Judge "ours ends with the lowest training and validation error" of Figure 3."""
    least = {
        part: {name: table[f"{part}_mse"].min() for name, table in _curves().items()}
        for part in ("train", "validation")
    }
    if len(least["train"]) < len(networks.names()):
        return _curves_missing(least["train"])
    best = {part: min(found, key=found.get) for part, found in least.items()}
    both = [name == "reweighted-rnn" for name in best.values()]
    word = "in part" if any(both) else "does not hold"
    listed = "; ".join(f"{part} {name} {least[part][name]:.1f}" for part, name in best.items())
    said = f"At h = {_WIDTH}, not the figure's 1024, the lowest errors are: {listed}."
    # The width differs from the figure's, so the claim cannot hold in full.
    return Judgement(word, said)


def unfolded_learn_faster() -> Judgement:
    """Judge "the unfolded networks converge faster than the stacked ones, ours the fastest"."""
    found = _curves()
    if len(found) < len(networks.names()):
        return _curves_missing(found)
    stacked = [name for name in found if name not in UNFOLDED]
    level = min(found[name]["validation_mse"].min() for name in stacked)
    epochs = {name: evidence.epochs_to(table, level) for name, table in found.items()}
    slowest = max(epochs[name] for name in UNFOLDED)
    faster = slowest < min(epochs[name] for name in stacked)
    first = min(epochs, key=epochs.get)
    listed = ", ".join(f"{name} after {epochs[name]:.0f}" for name in UNFOLDED)
    said = f"At h = {_WIDTH}, the least validation error of any stacked network ({level:.0f}, "
    said += f"{min(stacked, key=epochs.get)} after {min(epochs[n] for n in stacked):.0f} epochs) "
    said += f"is reached by {listed} epochs; {first} is the first."
    word = "in part" if faster or first == "reweighted-rnn" else "does not hold"
    return Judgement(word, said)


@functools.cache
def _committed() -> Evidence:
    return Evidence.committed()


def _curves() -> dict[str, pd.DataFrame]:
    """Return the learning curve of each network's first seed at the common width."""
    found = _committed()
    runs = {run.model: found.at(run) for run in row(_wide())}
    return {
        name: found.curves[own["config_hash"].iloc[0]] for name, own in runs.items() if len(own)
    }


def _curves_missing(found) -> Judgement:
    missing = [name for name in networks.names() if name not in found]
    return Judgement("open", f"At h = {_WIDTH} not yet run: {', '.join(missing)}.")


RULES: dict[str, Callable[[], Judgement]] = {
    "best at every rate": functools.partial(best_in_table, 1),
    "best at every width": functools.partial(best_in_table, 2),
    "best when deep": functools.partial(best_in_table, 3, least=3),
    "IndRNN when shallow": indrnn_when_shallow,
    "gains with depth": functools.partial(grows, 3),
    "gap by depth": gap_by_depth,
    "reweighting helps": reweighting_helps,
    "temporal prior": temporal_prior,
    "gains with width": functools.partial(grows, 2),
    "two layers for LSTM": two_layers_for_lstm,
    "lowest error": lowest_error,
    "unfolded learn faster": unfolded_learn_faster,
}
"""What judges a claim from the committed runs."""
