"""What the stored runs say of the papers before and after this one: a rule a claim."""

from collections.abc import Callable

import pandas as pd

from unfolded import claims, inpainting
from unfolded.columns import keep as columns
from unfolded.columns import reading
from unfolded.descending import keep as descending
from unfolded.descending.layers import MERITS
from unfolded.judgement import Judgement

_SHORT = "the public code: 49,000"
_SLACK = 0.02
"""By so much the ratio of means may miss what was asked: training ends before it is exact."""


def sista_trains_faster() -> Judgement:
    """Judge "SISTA-RNN trains faster than an LSTM" by the seconds to given errors."""
    table = reading.stored()
    sista, lstm = reading.rivals(table)
    paths = reading.curves(table)
    levels = reading.levels(paths)
    seconds = reading.times(paths, levels)["seconds"]
    sooner = [k for k in levels if seconds.at[sista["name"], k] < seconds.at[lstm["name"], k]]
    said = f"Of {', '.join(levels)} of the error at the start SISTA-RNN reaches "
    said += f"{', '.join(sooner) or 'none'} in fewer seconds than the LSTM, in trainings of "
    said += f"{sista['updates']:.0f} updates ({_SHORT})."
    return Judgement("in part" if sooner else "open", said)


def sista_is_better() -> Judgement:
    """Judge "SISTA-RNN recovers better than an LSTM" on the test pictures."""
    table = reading.stored()
    sista, lstm = reading.rivals(table)
    gap = reading.lead(table, sista["name"], lstm["name"])
    said = f"After {sista['updates']:.0f} updates ({_SHORT}) it is {gap.verdict}: "
    said += f"{gap.mean:+.2f} dB [{gap.low:+.2f}, {gap.high:+.2f}] over the test pictures, with "
    said += f"{sista['parameters']:,} weights against {lstm['parameters']:,}; one seed."
    # Trainings so short can show the claim, and cannot refute it.
    return Judgement("in part" if gap.verdict == "ahead" else "open", said)


def sista_beats_its_algorithm() -> Judgement:
    """Judge "trained, it recovers better than the algorithm, even one that knows F"."""
    sista, _ = reading.rivals(reading.stored())
    solved = columns.kept(columns.ALGORITHMS).sort_values("psnr").iloc[-1]
    said = f"SISTA-RNN reaches {sista['psnr']:.2f} dB, the best of the algorithms "
    said += f"({solved['name']}) {solved['psnr']:.2f} dB, on the same test pictures."
    return Judgement("holds" if sista["psnr"] > solved["psnr"] else "does not hold", said)


def plain_layers_climb() -> Judgement:
    """Judge "without constraints layers need not descend" by the networks of this book."""
    tests = descending.kept()
    ratios = descending.in_the_mean(tests, "objective").xs("as it was", level="way").max(axis=1)
    most = ratios.groupby("model").mean()
    told = "; ".join(f"{name} {value:.2f}" for name, value in most.items())
    said = "The objective after a layer over that before it, in the mean, in the layer where this "
    said += f"is largest: {told}."
    return Judgement("holds" if (most > 1).any() else "does not hold", said)


def held_layers_descend() -> Judgement:
    """Judge "under the constraints every layer descends", in the mean over unseen sequences."""
    tests, trials = descending.kept(), descending.kept(descending.TRIALS)
    asked = 1 - trials.groupby("way")["epsilon"].first()
    excess = {
        merit: descending.in_the_mean(tests, merit).xs(merit, level="way") - asked[merit]
        for merit in MERITS
    }
    worst = {merit: rows.max(axis=None) for merit, rows in excess.items()}
    kept = [value <= _SLACK for value in worst.values()]
    told = "; ".join(f"{merit} {value:+.3f}" for merit, value in worst.items())
    said = "Ratio of the means of a merit after and before a layer, less the 1 - ε that was asked, "
    said += f"in the worst layer, network and seed on test sequences: {told}."
    return Judgement("holds" if all(kept) else "in part" if any(kept) else "does not hold", said)


def held_networks_are_robust() -> Judgement:
    """Judge "constrained networks bear disturbances better" by GLOW-Prox, over paired seeds."""
    flow = _counted(inpainting.against_plain(inpainting.kept()))
    reached = descending.outcomes(descending.kept())
    ours = _counted(pd.concat([descending.against(reached, way) for way in MERITS]))
    word = {(1, 0): "holds", (1, 1): "in part", (0, 1): "does not hold", (0, 0): "open"}
    said = f"GLOW-Prox, constrained against plain: {_told(flow)}. Networks for sequences, which "
    said += f"the authors did not try: {_told(ours)}."
    return Judgement(word[flow["better"] > 0, flow["worse"] > 0], said)


def _counted(cases: pd.DataFrame) -> dict[str, int]:
    found = cases.query("what != 'nothing'")["verdict"].value_counts()
    return {word: found.get(word, 0) for word in _CASES}


def _told(count: dict[str, int]) -> str:
    words = ", ".join(f"{word} in {number}" for word, number in count.items())
    return f"{words} of {sum(count.values())} disturbances"


_CASES = ("better", "worse", "alike", "undecided")

NEIGHBOURS: dict[str, Callable[[], Judgement]] = {
    "SISTA-RNN trains faster": sista_trains_faster,
    "SISTA-RNN is better": sista_is_better,
    "SISTA-RNN beats its algorithm": sista_beats_its_algorithm,
    "plain layers climb": plain_layers_climb,
    "held layers descend": held_layers_descend,
    "held networks are robust": held_networks_are_robust,
}
"""What judges a claim of another paper from what is stored in data/results/."""


def summary() -> pd.DataFrame:
    """Return the claims of the papers before and after, with their verdicts, a row a claim."""
    chosen = [claim for claim in claims.claims() if claim.neighbour]
    read = columns.kept(columns.RUNS), inpainting.kept(), descending.kept(descending.TRIALS)
    return claims.table(chosen, *read, rules=NEIGHBOURS)
