"""Rules for the claims of related papers from stored runs, one rule per claim."""

from collections.abc import Callable

import pandas as pd

from companion import claims
from companion.claims.decision import SEEDS, Case, Judgement, count_successes
from companion.labels import minus
from companion.studies.descending import descending_results as descending
from companion.studies.descending.layer_constraints import MERITS
from companion.studies.inpainting import inpainting_trials
from companion.studies.sista_images import image_analysis
from companion.studies.sista_images import image_results as columns

_SHORT = "the public code: 49,000"
_SLACK = 0.02
"""Tolerance for the ratio of means, because training ends before the constraint is exact."""


def sista_trains_faster() -> Judgement:
    """Judge "SISTA-RNN trains faster than an LSTM" by the seconds to given errors.

    Both have the lowest validation error of their kind. One seed is not enough for a decision.
    """
    table = image_analysis.stored()
    sista, lstm = image_analysis.rivals(table)
    paths = image_analysis.curves(table)
    levels = image_analysis.levels(paths)
    seconds = image_analysis.times(paths, levels)["seconds"]
    faster_levels = [
        k for k in levels if seconds.at[sista["name"], k] < seconds.at[lstm["name"], k]
    ]
    text = f"Of {', '.join(levels)} of the initial error SISTA-RNN reaches "
    text += f"{', '.join(faster_levels) or 'none'} in fewer seconds than the LSTM, in trainings of "
    text += f"{sista['updates']:.0f} updates ({_SHORT}) with one seed."
    faster = [float(k in faster_levels) for k in levels]
    word = "conditional" if faster_levels else "not tested"
    word = "confirmed so far" if min(faster) else word
    return Judgement(word, text, True, len(faster_levels), len(faster), "levels of the error")


def sista_is_better() -> Judgement:
    """Judge "SISTA-RNN recovers better than an LSTM" on the test pictures."""
    table = image_analysis.stored()
    sista, lstm = image_analysis.rivals(table)
    gap = image_analysis.lead(table, sista["name"], lstm["name"])
    text = f"After {sista['updates']:.0f} updates ({_SHORT}) it is {gap.verdict}: "
    text += f"{gap.mean:+.2f} dB [{gap.low:+.2f}, {gap.high:+.2f}] over the test pictures, with "
    text += f"{sista['parameters']:,} weights against {lstm['parameters']:,}; one seed."
    # One seed and short training can support the claim, but cannot refute it.
    word = "confirmed so far" if gap.verdict == "ahead" else "not tested"
    return Judgement(word, minus(text), True, 1, 1, "comparison")


def sista_beats_its_algorithm() -> Judgement:
    """Judge "trained, it recovers better than the algorithm, even one that knows F".

    The network is selected on validation data, the algorithm by test PSNR, which favours it.
    """
    sista, _ = image_analysis.rivals(image_analysis.stored())
    solver = columns.kept(columns.ALGORITHMS).sort_values("psnr").iloc[-1]
    text = f"SISTA-RNN reaches {sista['psnr']:.2f} dB, the best of the algorithms "
    text += f"({solver['name']}) {solver['psnr']:.2f} dB, on the same test pictures; one seed."
    word = "confirmed so far" if sista["psnr"] > solver["psnr"] else "not tested"
    return Judgement(word, text, True, 1, 1, "comparison")


def plain_layers_climb() -> Judgement:
    """Judge "without constraints layers need not descend" by the networks of this book.

    One network suffices if one of its layers increases the mean objective with every seed.
    """
    tests = descending.kept()
    ratios = descending.in_the_mean(tests, "objective").xs("as it was", level="way").max(axis=1)
    maxima = ratios.groupby("model").agg(["mean", "min", "size"])
    listing = "; ".join(f"{name} {row['mean']:.2f}" for name, row in maxima.iterrows())
    text = "Mean objective after a layer over that before it, in the layer where this is largest: "
    text += f"{listing} (seeds: {maxima['size'].min()})."
    increasing = maxima[maxima["min"] > 1]
    if increasing.empty:
        return Judgement("refuted" if maxima["size"].min() >= SEEDS else "not tested", text)
    word = "confirmed" if increasing["size"].max() >= SEEDS else "confirmed so far"
    return Judgement(word, text, True, len(increasing), len(maxima), "networks")


def constrained_layers_descend() -> Judgement:
    """Judge "under the constraints every layer descends", on average over test sequences."""
    tests, trials = descending.kept(), descending.kept(descending.TRIALS)
    required = 1 - trials.groupby("way")["epsilon"].first()
    excess = {
        merit: descending.in_the_mean(tests, merit).xs(merit, level="way") - required[merit]
        for merit in MERITS
    }
    worst = {merit: rows.max(axis=None) for merit, rows in excess.items()}
    seeds = {merit: rows.groupby("model").size().min() for merit, rows in excess.items()}
    listing = "; ".join(f"{merit} {value:+.3f}" for merit, value in worst.items())
    text = "Ratio of the mean merits after and before a layer, minus the 1 − ε that was required, "
    text += f"in the worst layer, network and seed on test sequences: {minus(listing)}."
    cases = [Case(merit, [float(value <= _SLACK)] * seeds[merit]) for merit, value in worst.items()]
    return count_successes(cases, len(cases), "merits", text)


def constrained_networks_are_robust() -> Judgement:
    """Judge "constrained networks bear disturbances better" by GLOW-Prox, over paired seeds.

    The perturbations of GLOW-Prox are one family of tests, those of the networks for sequences
    another. Only the first family decides, because the authors did not test the second.
    """
    flow = _verdict_counts(inpainting_trials.against_plain(inpainting_trials.kept()))
    outcomes = descending.outcomes(descending.kept())
    ours = _verdict_counts(pd.concat([descending.against(outcomes, merit) for merit in MERITS]))
    words = {(1, 0): "confirmed", (1, 1): "conditional", (0, 1): "refuted", (0, 0): "not tested"}
    word = words[flow["better"] > 0, flow["worse"] > 0]
    if word == "confirmed" and flow["better"] < sum(flow.values()):
        word = "confirmed so far"
    text = f"GLOW-Prox, constrained against plain: {_cases(flow)}. Networks for sequences, which "
    text += f"the authors did not try: {_cases(ours)}. Each is corrected by Holm's method for its "
    text += "number of disturbances."
    done = flow["better"], sum(flow.values()), "disturbances"
    return Judgement(word, text, True, *done)


def _verdict_counts(cases: pd.DataFrame) -> dict[str, int]:
    disturbed = cases.query("what != 'nothing'").reset_index(drop=True)
    counts = descending.decided(disturbed)["verdict"].value_counts()
    return {word: counts.get(word, 0) for word in _CASES}


def _cases(count: dict[str, int]) -> str:
    words = ", ".join(f"{word} in {number}" for word, number in count.items())
    return f"{words} of {sum(count.values())} disturbances"


_CASES = ("better", "worse", "alike", "undecided")

RELATED_RULES: dict[str, Callable[[], Judgement]] = {
    "SISTA-RNN trains faster": sista_trains_faster,
    "SISTA-RNN is better": sista_is_better,
    "SISTA-RNN beats its algorithm": sista_beats_its_algorithm,
    "plain layers climb": plain_layers_climb,
    "held layers descend": constrained_layers_descend,
    "held networks are robust": constrained_networks_are_robust,
}
"""The rules that judge claims of related papers from data/results/."""


def summary() -> pd.DataFrame:
    """Return the claims of related papers with their verdicts, one row per claim."""
    selection = [claim for claim in claims.claims() if claim.neighbour]
    sources = (
        columns.kept(columns.RUNS),
        inpainting_trials.kept(),
        descending.kept(descending.TRIALS),
    )
    return claims.table(selection, *sources, rules=RELATED_RULES)
