"""The paper's experimental claims: one rule per claim, from committed runs to a verdict."""

import functools
import itertools
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from companion.claims import decision
from companion.claims.curve_rules import lowest_error, unfolded_learn_faster
from companion.claims.decision import Comparison, Judgement, compare, decide, initialisations
from companion.labels import listing, title
from companion.reproduction.linear_baseline import level
from companion.reproduction.paper_tables import NAMES
from companion.run_set import PRINTED, WIDE
from companion.statistics import Difference, paired_difference
from unfolded.runs.config import RunConfig
from unfolded.runs.grid import STARTS, VARIED, initialised, row
from unfolded.runs.parameter_count import matched

_TREND = 3
"""Minimum number of values for a trend."""

_GROWN = 10 * np.log10(1.1)
"""Minimum growth of a gap in dB, because training errors lag by part of an epoch."""

PLATEAU = 0.5
"""A network within this many dB of the best linear reconstruction is on its plateau."""

_UNITS = {1: "rates", 2: "widths", 3: "depths"}

# The tables ---------------------------------------------------------------------------------------


def best_in_table(
    number: int, minimum: float = 0, maximum: float = np.inf, model: str = "reweighted-rnn",
    competitors: tuple[str, ...] = (),
) -> Judgement:  # fmt: skip
    """Judge "this network is the best at every value" of a table, pair by pair.

    ``minimum`` and ``maximum`` limit the values; ``competitors`` are the compared networks, by
    default all.
    """

    def pairs(base: RunConfig, start: Callable) -> list[Comparison]:
        name, values = VARIED[number]
        comparisons = []
        for value in (value for value in values if minimum <= value <= maximum):
            runs = {run.model: start(replace(run, **{name: value})) for run in row(base)}
            for competitor in competitors or [other for other in runs if other != model]:
                label = f"{title(competitor)} at {NAMES[name]} {value:g}"
                comparisons.append(compare(label, runs[model], runs[competitor]))
        return comparisons

    return _of_table(number, pairs)


def grows(number: int) -> Judgement:
    """Judge "ours gains with every step of the varied quantity", each step separately."""

    def steps(base: RunConfig, start: Callable) -> list[Comparison]:
        runs, at = _along(number, base, start), NAMES[VARIED[number][0]]
        enough = sum(bool(decision.committed_runs().seeds(run)) for run in runs.values()) >= _TREND
        pairs = {f"from {at} {low:g} to {high:g}": (runs[high], runs[low])
                 for low, high in itertools.pairwise(runs)}  # fmt: skip
        return [compare(name, *pair) if enough else Comparison(name, pair)
                for name, pair in pairs.items()]  # fmt: skip

    judgement = _of_table(number, steps, "steps")
    if judgement.ran:
        return judgement
    text = f"A trend needs {_TREND} of the {len(VARIED[number][1])} values; fewer have run."
    return judgement._replace(because=text)


def two_layers_for_lstm() -> Judgement:
    """Judge "an LSTM of two layers is better than one of three"."""

    def depths(base: RunConfig, _: Callable) -> list[Comparison]:
        two, three = (replace(base, model="lstm", depth=depth) for depth in (2, 3))
        return [compare("of two layers over three", two, three)]

    return _of_table(3, depths)


def _of_table(number: int, comparisons_of: Callable, unit: str = "comparisons") -> Judgement:
    """Judge comparisons of a table at the paper's width and, if the width is fixed, at 256.

    The two widths are never mixed. Runs at h = 256 alone give at most "confirmed so far".
    """
    bases = [PRINTED] if number == 2 else [PRINTED, WIDE]
    judgements = {}
    for base in bases:
        comparisons = {
            name: comparisons_of(base, start) for name, start in initialisations().items()
        }
        judgements[base.hidden] = decide(comparisons, unit)
    if number == 2:
        return judgements[PRINTED.hidden]
    return _over_widths(judgements[PRINTED.hidden], judgements[WIDE.hidden])


def _over_widths(printed: Judgement, wide: Judgement) -> Judgement:
    """Return one verdict from the verdicts at the paper's width and at h = 256."""
    first, second = f"h = {PRINTED.hidden}, the paper's width", f"h = {WIDE.hidden}"
    if not printed.ran and not wide.ran:
        text = f"Nothing has run at {first}, or at {second}."
        return Judgement("not tested", text, ran=False)
    if not printed.ran:
        text = f"At {second}: {wide.because}"
        limit = f"Nothing has run at {first}."
        return decision.at_most_so_far(wide._replace(because=text), limit)
    if not wide.ran:
        return printed._replace(because=f"At {first}: {printed.because}")
    joint = decision.combine({f"At {first}": printed, f"At {second}": wide}, "the width")
    if printed.word == "confirmed" and wide.word in (*decision.POSITIVE, "not tested"):
        return joint._replace(word="confirmed")
    return joint


def _along(number: int, base: RunConfig, start: Callable) -> dict[float, RunConfig]:
    """Return a map from the varied value of a table to the run of reweighted-RNN."""
    name, values = VARIED[number]
    return {value: start(replace(base, **{name: value})) for value in values}


# The generalisation gap ---------------------------------------------------------------------------


def gap_by_depth() -> Judgement:
    """Judge "the gap between test and training error does not grow with depth"."""
    judgements = {base: _gap_along(3, base) for base in (PRINTED, WIDE)}
    return _over_widths(judgements[PRINTED], judgements[WIDE])


def gap_by_width() -> Judgement:
    """Judge "the gap between test and training error does not grow with width"."""
    return _gap_along(2, PRINTED)


def _gap_along(number: int, base: RunConfig) -> Judgement:
    """Compare the smallest and the largest value of a table for which runs exist."""
    comparisons, texts = {}, {}
    for label, start in initialisations().items():
        run_set, runs = decision.committed_runs(), _along(number, base, start)
        existing = {value: run for value, run in runs.items() if run_set.pairs(run, run)}
        texts[label] = ", ".join(
            f"{np.mean([_ratio(name).mean() for name in run_set.seeds(run).values()]):.2f} "
            f"at {NAMES[VARIED[number][0]]} {value:g}"
            for value, run in existing.items()
        )
        comparisons[label] = _steps_of_gap(number, runs, existing)
    judgement = decide(comparisons)
    if not judgement.ran:
        first = f"Test error over training error: {next(iter(texts.values()), '')}. "
        sentence = first if any(texts.values()) else ""
        sentence += f"A trend needs {_TREND} of the {len(VARIED[number][1])} {_UNITS[number]}."
        return judgement._replace(because=sentence)
    ratios = "; ".join(f"{text} ({label})" for label, text in texts.items() if text)
    sentence = f"Test error over training error at the last epoch: {ratios}. A growth of up to "
    sentence += f"{_GROWN:.2f} dB (a tenth) counts as none, as training errors lag by a part of an "
    counts = [len(text.split(", ")) for text in texts.values() if text]
    share = {"done": min(counts), "all": len(VARIED[number][1]), "unit": _UNITS[number]}
    return judgement._replace(because=f"{sentence}epoch. {judgement.because}", **share)


def _steps_of_gap(number: int, runs: dict, existing: dict) -> list[Comparison]:
    """Return the comparison of the end points, then the missing runs, for a complete count."""
    at = NAMES[VARIED[number][0]]
    is_trend = len(existing) >= _TREND
    values = existing if is_trend else runs
    low, high = min(values), max(values)
    gap = _growth(runs[low], runs[high]) if is_trend else None
    name = f"of the ratio at {at} {low:g} over that at {at} {high:g}"
    ends = Comparison(name, (runs[high], runs[low]), gap, null=-_GROWN)
    missing = [value for value in runs if value not in existing]
    return [ends, *(Comparison(f"{at} {value:g}", (runs[value],) * 2) for value in missing)]


def _growth(run: RunConfig, reference: RunConfig) -> Difference | None:
    """Return the decrease of the error ratio in the second configuration, in dB."""
    pairs = decision.committed_runs().trained.pairs(run, reference)
    if not pairs:
        return None
    first, second = (np.stack([_ratio(name) for name in side]) for side in zip(*pairs, strict=True))
    return paired_difference(second, first, pooled=True, null=-_GROWN)


def _ratio(config_hash: str) -> np.ndarray:
    """Return the error of each test sequence divided by the training error of the last epoch."""
    run_set = decision.committed_runs()
    return run_set.errors[config_hash] / run_set.curves[config_hash]["train_mse"].iloc[-1]


# Ablations ----------------------------------------------------------------------------------------


def reweighting_helps() -> Judgement:
    """Judge "Z and g are what ours gains over ℓ1-ℓ1-RNN", by removing one or both.

    ℓ1-ℓ1-RNN, which has neither, also runs with an equal number of parameters; without this run, a
    lead has another possible reason, the number of parameters, and the initialisation is not
    judged. Networks on the plateau of linear reconstruction give no information on the reweighting
    and are excluded.
    """
    l1_l1 = replace(WIDE, model="l1-l1-rnn")
    reduced = {
        "over Z alone": replace(WIDE, reweighting="Z"),
        "over g alone": replace(WIDE, reweighting="g"),
        "over neither": l1_l1,
        "over neither at equal size": matched(l1_l1),
    }
    comparisons = {
        label: [
            _exclude_plateau(compare(name, start(WIDE), start(run)))
            for name, run in reduced.items()
        ]
        for label, start in initialisations().items()
    }
    evidence = {label: pairs for label, pairs in comparisons.items() if pairs[-1].gap}
    judgement = decide(evidence or comparisons)
    text = f"At h = {WIDE.hidden}, leads of reweighted-RNN. {judgement.because}"
    judgement = judgement._replace(because=text)
    missing = [label for label in comparisons if label not in evidence]
    if not missing:
        return judgement
    limit = f"{listing(missing).capitalize()}, ℓ1-ℓ1-RNN has not run at equal size, or is on the "
    limit += "plateau of linear reconstruction, so the number of parameters can explain a lead."
    if evidence:
        return decision.at_most_so_far(judgement, limit)
    return Judgement("not tested", f"{text} {limit}", judgement.ran)


def _exclude_plateau(pair: Comparison) -> Comparison:
    """Exclude a comparison if one network ends on the plateau of linear reconstruction."""
    stuck = [run for run in pair.runs if pair.gap and _on_plateau(run)]
    if not stuck:
        return pair
    names = listing(title(run.model) for run in stuck)
    reason = f"{names} within {PLATEAU:g} dB of the best linear reconstruction"
    return replace(pair, gap=None, excluded=" and ".join(filter(None, (pair.excluded, reason))))


def _on_plateau(run: RunConfig) -> bool:
    psnr = decision.committed_runs().at(run)["psnr_authors"].mean()
    linear = level(source=run.source, reduction=run.reduction, cs_rate=run.cs_rate)
    return bool(abs(psnr - linear) <= PLATEAU)


def temporal_prior() -> Judgement:
    """Judge "the ℓ1-ℓ1 term is part of the gain", by networks with λ2 fixed at zero.

    The reason also states the effect of λ2 for each pair of initial λ, the trained λ2, and the
    effect of memory; these numbers are not part of the tests.
    """
    without = replace(WIDE, lambda2=0.0)
    comparisons = {
        label: [compare("with λ2 trained over λ2 = 0", start(WIDE), start(without))]
        for label, start in initialisations().items()
    }
    judgement = decide(comparisons)
    text = f"reweighted-RNN at h = {WIDE.hidden}. {judgement.because}"
    effects = [*_worth_of("λ2", {"lambda2": 0.0}), *_worth_of("memory (G)", {"memory": "off"})]
    if effects:
        text += f" By initial λ1, λ2: {'; '.join(effects)}."
    return judgement._replace(because=text)


def _worth_of(component: str, change: dict) -> list[str]:
    parts = []
    for pair in STARTS.values():
        run = initialised(WIDE, pair)
        gap = decision.committed_runs().trained.difference(run, replace(run, **change))
        if gap:
            worth = f"{component} is worth {decision.interval(gap)}"
            trained = decision.committed_runs().at(run)["learned_lambda2"].mean()
            trained = f", trained to {trained:.1g}" * (component == "λ2")
            parts.append(f"from {pair[0]:g}, {pair[1]:g} {worth}{trained}")
    return parts


RULES: dict[str, Callable[[], Judgement]] = {
    "best at every rate": functools.partial(best_in_table, 1),
    "best at every width": functools.partial(best_in_table, 2),
    "best when deep": functools.partial(best_in_table, 3, minimum=3),
    "IndRNN when shallow": functools.partial(
        best_in_table, 3, maximum=2, model="indrnn", competitors=("reweighted-rnn",)
    ),
    "gains with depth": functools.partial(grows, 3),
    "gap by depth": gap_by_depth,
    "gap by width": gap_by_width,
    "reweighting helps": reweighting_helps,
    "temporal prior": temporal_prior,
    "gains with width": functools.partial(grows, 2),
    "two layers for LSTM": two_layers_for_lstm,
    "lowest error": lowest_error,
    "unfolded learn faster": unfolded_learn_faster,
}
"""The rules that judge claims from the committed runs."""
