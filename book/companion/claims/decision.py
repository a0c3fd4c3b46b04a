"""Verdicts from comparisons of runs: categories, correction for multiple tests, and reasons.

A claim is a set of comparisons that should all be ahead. Each initialisation of λ has separate
tests with Holm's correction; the verdicts of the initialisations are then combined.
"""

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from companion.labels import counted, listing, minus, title
from companion.reproduction.paper_tables import BEST, SUCCESSOR
from companion.run_set import RunSet
from companion.statistics import ALIKE, LEVEL, SEED_MARGIN, Difference, holm
from unfolded.runs.config import RunConfig
from unfolded.runs.grid import UNFOLDED, initialised

SEEDS = 3
"""Minimum number of paired seeds for a decision; with fewer, at most "confirmed so far"."""

POSITIVE = ("confirmed", "confirmed so far")


class Judgement(NamedTuple):
    """A verdict, a key of WORDS in claims, and the reason in sentences with numbers.

    ``ran``: whether there was any run to judge; ``done`` and ``all``: the number of confirmed cases
    and of all cases; ``unit``: the name of the cases; ``contradicted``: whether any case fails,
    with any number of seeds.
    """

    word: str
    because: str
    ran: bool = True
    done: int = 0
    all: int = 0
    unit: str = ""
    contradicted: bool = False

    @property
    def share(self) -> str:
        """The confirmed part of a claim, for example "7 of 40 comparisons"."""
        unit = self.unit.removesuffix("s") if self.all == 1 else self.unit
        return f"{self.done} of {self.all} {unit}" if self.word == "confirmed so far" else ""


@dataclass(frozen=True)
class Comparison:
    """One comparison of a claim: the lead of ``runs[0]`` over ``runs[1]``, if both have run.

    ``excluded``: the existing runs that are not compared, and why. The claim holds if the lead is
    above ``null``. ``unit`` is that of the lead.
    """

    name: str
    runs: tuple[RunConfig, RunConfig]
    gap: Difference | None = None
    excluded: str = ""
    null: float = 0.0
    unit: str = "dB"


@functools.cache
def committed_runs() -> RunSet:
    """Return the runs of data/results/, cached."""
    return RunSet.committed()


def compare(name: str, run: RunConfig, reference: RunConfig) -> Comparison:
    """Compare two configurations by their trained runs; list their other runs as excluded."""
    run_set, configs = committed_runs(), (run, reference)
    gap, reasons = run_set.trained.difference(run, reference), []
    if all(run_set.seeds(config) or run_set.diverged(config) for config in configs):
        reasons = [reason for config in configs if (reason := _excluded(run_set, config))]
    return Comparison(name, configs, gap, " and ".join(reasons))


def _excluded(run_set: RunSet, run: RunConfig) -> str:
    """Return which runs of a configuration did not train or diverged, as text; "" if none."""
    counts = run_set.seeds_without_result(run)
    total = len(run_set.trained.at(run)) + sum(counts.values())
    parts = [
        word if count == total else f"{word} with {count} of {total} seeds"
        for word, count in counts.items()
        if count
    ]
    return f"{title(run.model)} {' and '.join(parts)}" if parts else ""


def initialisations() -> dict[str, Callable[[RunConfig], RunConfig]]:
    """Return the two initialisations of λ for each comparison: name -> run -> run.

    The pair of the successor paper is one for all unfolded networks; the best λ is, for each
    configuration, the tested pair with the lowest validation error.
    """
    return {f"from the {SUCCESSOR}": initialised, f"from the {BEST}": committed_runs().best_start}


# From comparisons to a verdict --------------------------------------------------------------------


class _Outcome(NamedTuple):
    """The result of one comparison after Holm's correction: ahead, behind, alike or undecided."""

    pair: Comparison
    word: str

    @property
    def firm(self) -> bool:
        return self.pair.gap.seeds >= SEEDS

    @property
    def contrary(self) -> bool:
        return self.word in ("behind", "alike")


def decide(comparisons: Mapping[str, Sequence[Comparison]], unit: str = "comparisons") -> Judgement:
    """Return the verdict on "all of these are ahead", from comparisons in each initialisation.

    The tests of one initialisation form one family, corrected by Holm's method. The claim is
    "confirmed" if all are ahead with at least :data:`SEEDS` seeds, none excluded, and "confirmed so
    far" if some are ahead and none contradicts; a contradiction is a comparison that is behind, or
    alike with enough seeds; with fewer, a difference within
    :data:`companion.statistics.SEED_MARGIN` is undecided. With enough seeds, a contradiction makes
    the claim "conditional" if some are ahead, else "refuted"; with fewer, it is "not tested".
    Different verdicts of the initialisations make it conditional as well.
    No correction across the two is needed, because both have to confirm the claim.
    """
    distinct = {tuple(pair.runs for pair in group) for group in comparisons.values()}
    if len(distinct) == 1 < len(comparisons):
        group = next(iter(comparisons.values()))
        return _limit(verdict(group, unit), group, same=True)
    verdicts = ((label, verdict(group, unit), group) for label, group in comparisons.items())
    return combine({label: _limit(judgement, group) for label, judgement, group in verdicts})


def verdict(pairs: Sequence[Comparison], unit: str = "comparisons") -> Judgement:
    """Return the verdict on one family of comparisons, corrected by Holm's method."""
    existing = [pair for pair in pairs if pair.gap is not None]
    text = _coverage(pairs, existing)
    if not existing:
        return Judgement("not tested", text, ran=False)
    adjusted = holm([pair.gap.p for pair in existing])
    outcomes = [
        _Outcome(pair, _outcome(pair, p)) for pair, p in zip(existing, adjusted, strict=True)
    ]
    text = f"{text}{_details(outcomes)}".strip()
    done = sum(outcome.word == "ahead" for outcome in outcomes)
    contradicted = any(outcome.contrary for outcome in outcomes)
    return Judgement(_word(outcomes, len(pairs)), text, True, done, len(pairs), unit, contradicted)


def _outcome(pair: Comparison, p: float) -> str:
    gap = pair.gap
    if gap.seeds < SEEDS and abs(gap.mean - pair.null) <= SEED_MARGIN:
        return "undecided"
    if p <= LEVEL:
        return "ahead" if gap.mean > pair.null else "behind"
    near = pair.null - ALIKE <= gap.low and gap.high <= pair.null + ALIKE
    return "alike" if near and gap.seeds >= SEEDS else "undecided"


def _word(outcomes: Sequence[_Outcome], count: int) -> str:
    ahead = [outcome for outcome in outcomes if outcome.word == "ahead"]
    contrary = [outcome for outcome in outcomes if outcome.contrary]
    if any(outcome.firm for outcome in contrary):
        return "conditional" if ahead else "refuted"
    if contrary or not ahead:
        return "not tested"
    complete = len(ahead) == count and all(o.firm and not o.pair.excluded for o in ahead)
    return "confirmed" if complete else "confirmed so far"


def _limit(judgement: Judgement, pairs: Iterable[Comparison], same: bool = False) -> Judgement:
    """Return at most "confirmed so far" if an unfolded network has run from only one λ.

    ``same``: the λ of the successor paper is also the best on validation data.
    """
    runs = {run for pair in pairs if pair.gap for run in pair.runs if run.model in UNFOLDED}
    single = {run.model for run in runs if len(committed_runs().tested_starts(run)) < 2}
    if single:
        names = ", ".join(title(model) for model in UNFOLDED if model in single)
        return at_most_so_far(judgement, f"Only one initialisation of λ has run: {names}.")
    if same and runs:
        text = "The λ of the successor paper is also the best λ."
        return judgement._replace(because=f"{judgement.because} {text}")
    return judgement


def combine(
    judgements: Mapping[str, Judgement], condition: str = "the initialisation of λ"
) -> Judgement:
    """Return one verdict from those under several conditions, which differ in ``condition``.

    It is "conditional" if the verdicts differ by more than the number of completed runs, and "not
    tested" if one is "not tested" because a case with few seeds contradicts the other.
    """
    ran = {label: judgement for label, judgement in judgements.items() if judgement.ran}
    if not ran:
        return next(iter(judgements.values()))
    word = _common_word([judgement.word for judgement in ran.values()])
    if word == "confirmed so far" and any(judgement.contradicted for judgement in ran.values()):
        word = "not tested"
    if word == "confirmed" and len(ran) < len(judgements):
        word = "confirmed so far"
    reasons: dict[str, list[str]] = {}
    for label, judgement in judgements.items():
        reasons.setdefault(judgement.because, []).append(label)
    parts = [f"{_capital(listing(labels))}: {because}" for because, labels in reasons.items()]
    if word == "conditional" and all(judgement.word != word for judgement in ran.values()):
        parts.insert(0, f"The verdict depends on {condition}.")
    positive = [judgement for judgement in ran.values() if judgement.word in POSITIVE]
    candidates = positive or ran.values()
    weakest = min(candidates, key=lambda judgement: judgement.done / max(judgement.all, 1))
    return weakest._replace(word=word, because=" ".join(parts))


def _common_word(words: Sequence[str]) -> str:
    distinct = set(words)
    if len(distinct) == 1:
        return words[0]
    return "confirmed so far" if distinct <= {*POSITIVE, "not tested"} else "conditional"


def at_most_so_far(judgement: Judgement, reason: str) -> Judgement:
    """Return a verdict limited to "confirmed so far" for the reason ``reason``."""
    word = "confirmed so far" if judgement.word == "confirmed" else judgement.word
    return judgement._replace(word=word, because=f"{judgement.because} {reason}")


# In words -----------------------------------------------------------------------------------------

_MANY = 6
"""Up to this number, comparisons are listed individually; otherwise they are counted."""


def _coverage(pairs: Sequence[Comparison], existing: Sequence[Comparison]) -> str:
    """Return the number of comparisons that ran, of all, and what is excluded."""
    missing = [pair.name for pair in pairs if pair.gap is None and not pair.excluded]
    count = len(pairs)
    text = f"{len(existing)} of {counted(count, 'comparison')} run." * (len(existing) < count)
    if missing and existing and count <= _MANY:
        text = f"{text[:-1]} (not run: {', '.join(missing)})."
    for kind, has_lead in (("comparisons", False), ("runs", True)):
        excluded = [pair for pair in pairs if pair.excluded and (pair.gap is not None) == has_lead]
        if excluded:
            reasons = "; ".join(f"{pair.name} ({pair.excluded})" for pair in excluded)
            text += f" Excluded {kind}: {reasons}."
    return text.strip()


def _details(outcomes: Sequence[_Outcome]) -> str:
    """Return the leads with their intervals, or their number, and the correction."""
    if len(outcomes) <= _MANY:
        leads = [f"{pair.name} {interval(pair.gap, pair.unit)}" for pair, _ in outcomes]
        text = f" Lead: {'; '.join(leads)}."
    else:
        text = f" {_counts(outcomes)}."
        smallest = min((outcome.pair for outcome in outcomes), key=lambda pair: pair.gap.mean)
        text += f" Smallest lead: {smallest.name} {interval(smallest.gap, smallest.unit)}."
    weak = sum(not outcome.firm for outcome in outcomes)
    if weak:
        text += f" Fewer than {SEEDS} seeds in {weak}, too few to confirm or refute."
    open_ = [outcome.pair.name for outcome in outcomes if outcome.word == "undecided"]
    if open_ and len(outcomes) <= _MANY:
        text += f" Undecided: {', '.join(open_)}."
    if len(outcomes) > 1:
        text += f" Tests: {len(outcomes)}, corrected by Holm's method."
    return text


def _counts(outcomes: Sequence[_Outcome]) -> str:
    parts = []
    for word in ("ahead", "behind", "alike", "undecided"):
        names = [outcome.pair.name for outcome in outcomes if outcome.word == word]
        if names:
            is_short = word != "ahead" and len(names) <= _MANY
            parts.append(f"{word} in {len(names)}" + (f" ({', '.join(names)})" if is_short else ""))
    return _capital(", ".join(parts))


def interval(gap: Difference, unit: str = "dB") -> str:
    """Return a difference as text: mean, interval, and number of seeds."""
    ends = f"[{gap.low:+.2f}, {gap.high:+.2f}]"
    return minus(f"{gap.mean:+.2f} {unit} {ends} ({counted(gap.seeds, 'seed')})")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
