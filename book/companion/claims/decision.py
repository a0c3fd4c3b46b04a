"""Verdicts from comparisons of runs: categories, correction for multiple tests, and reasons.

A claim is a set of comparisons that should all be ahead. Each initialisation of λ has separate
tests with Holm's correction; the verdicts of the initialisations are then combined.
"""

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from companion.labels import minus, title
from companion.reproduction.linear_baseline import did_not_train
from companion.run_set import Difference, RunSet
from companion.statistics import LEVEL, holm
from unfolded.runs.config import RunConfig
from unfolded.runs.grid import UNFOLDED, initialised, starts

SEEDS = 3
"""Minimum number of paired seeds for a decision; with fewer, at most "confirmed so far"."""

ALIKE = 0.1
"""A difference whose interval lies within this many dB of zero counts as no difference."""

POSITIVE = ("confirmed", "confirmed so far")


class Judgement(NamedTuple):
    """A verdict, a key of WORDS in claims, and the reason in sentences with numbers.

    ``ran``: whether there was any run to judge; ``done`` and ``all``: the number of confirmed cases
    and of all cases; ``unit``: the name of the cases.
    """

    word: str
    because: str
    ran: bool = True
    done: int = 0
    all: int = 0
    unit: str = ""

    @property
    def share(self) -> str:
        """The confirmed part of a claim, for example "2 of 6 widths"."""
        return f"{self.done} of {self.all} {self.unit}" if self.word == "confirmed so far" else ""


@dataclass(frozen=True)
class Compared:
    """One comparison of a claim: the lead of ``runs[0]`` over ``runs[1]``, if both have run.

    ``excluded`` is the reason to ignore existing runs. ``group`` names the unit in which
    shares are counted, such as a width. The claim holds if the lead is above ``null``.
    """

    name: str
    runs: tuple[RunConfig, RunConfig]
    gap: Difference | None = None
    excluded: str = ""
    group: str = ""
    null: float = 0.0


@functools.cache
def committed() -> RunSet:
    """Return the runs of data/results/, cached."""
    return RunSet.committed()


def compare(name: str, run: RunConfig, other: RunConfig, group: str = "") -> Compared:
    """Compare two configurations by their trained runs; list untrained runs as excluded."""
    found = committed()
    gap = found.trained.difference(run, other)
    excluded = ""
    if gap is None and found.pairs(run, other):
        failed = [each for each in (run, other) if did_not_train(found.at(each)).all()]
        names = " and ".join(title(each.model) for each in failed) or "one of both with each seed"
        excluded = f"{names} did not train"
    return Compared(name, (run, other), gap, excluded, group or name)


def initialisations() -> dict[str, Callable[[RunConfig], RunConfig]]:
    """Return the two initialisations of λ for each comparison: name -> run -> run.

    "As reported" is the only pair that the authors print, for all unfolded networks; "as well as
    we can" is, for each configuration, the tested pair with the lowest validation error.
    """
    return {"as reported": initialised, "as well as we can": committed().best_start}


# From comparisons to a verdict --------------------------------------------------------------------


class _Outcome(NamedTuple):
    """The result of one comparison after Holm's correction: ahead, behind, alike or undecided."""

    one: Compared
    word: str

    @property
    def firm(self) -> bool:
        return self.one.gap.seeds >= SEEDS

    @property
    def contrary(self) -> bool:
        return self.word in ("behind", "alike")


def decide(ways: Mapping[str, Sequence[Compared]], unit: str) -> Judgement:
    """Return the verdict on "all of these are ahead", from comparisons in each initialisation.

    The tests of one initialisation form one family, corrected by Holm's method. The claim is
    "confirmed" if all are ahead with at least :data:`SEEDS` seeds, and "confirmed so far" if some
    are ahead and none contradicts; a contradiction is a comparison that is behind, or alike with
    enough seeds. A contradiction makes the claim "conditional" if some are ahead, else "refuted"
    if it has enough seeds. Different verdicts of the initialisations make it conditional as well.
    No correction across the two is needed, because both have to confirm the claim.
    """
    if len({tuple(one.runs for one in each) for each in ways.values()}) == 1:
        each = next(iter(ways.values()))
        return _limited(_judged(each, unit), each, same=True)
    return combined({label: _limited(_judged(each, unit), each) for label, each in ways.items()})


def _judged(each: Sequence[Compared], unit: str) -> Judgement:
    known = [one for one in each if one.gap is not None]
    count = [one for one in each if not one.excluded]
    said = _told(each, known)
    if not known:
        return Judgement("not tested", said, ran=False)
    outcomes = _outcomes(known)
    said = f"{said}{_details(outcomes)}".strip()
    return Judgement(_word(outcomes, len(count)), said, True, *_share(outcomes, count, unit))


def _outcomes(known: Sequence[Compared]) -> list[_Outcome]:
    adjusted = holm([one.gap.p for one in known])
    return [_Outcome(one, _outcome(one, p)) for one, p in zip(known, adjusted, strict=True)]


def _outcome(one: Compared, p: float) -> str:
    gap = one.gap
    if p <= LEVEL:
        return "ahead" if gap.mean > one.null else "behind"
    near = one.null - ALIKE <= gap.low and gap.high <= one.null + ALIKE
    return "alike" if near and gap.seeds >= SEEDS else "undecided"


def _word(outcomes: Sequence[_Outcome], count: int) -> str:
    ahead = [each for each in outcomes if each.word == "ahead"]
    contrary = [each for each in outcomes if each.contrary]
    if contrary:
        firm = any(each.firm for each in contrary)
        return "conditional" if ahead else "refuted" if firm else "not tested"
    if not ahead:
        return "not tested"
    whole = len(ahead) == count and all(each.firm for each in ahead)
    return "confirmed" if whole else "confirmed so far"


def _share(
    outcomes: Sequence[_Outcome], count: Sequence[Compared], unit: str
) -> tuple[int, int, str]:
    """Return the number of groups in which all are ahead, the total, and the unit."""
    ahead = {id(each.one) for each in outcomes if each.word == "ahead"}
    groups: dict[str, bool] = {}
    for one in count:
        groups[one.group] = groups.get(one.group, True) and id(one) in ahead
    if any(groups.values()):
        return sum(groups.values()), len(groups), unit
    return len(ahead), len(count), "comparisons"


def _limited(judged: Judgement, each: Iterable[Compared], same: bool = False) -> Judgement:
    """Return at most "confirmed so far" if an unfolded network has run from only one λ.

    ``same``: the reported initialisation is also the best on validation data.
    """
    runs = {run for one in each if one.gap for run in one.runs if run.model in UNFOLDED}
    single = {run.model for run in runs if len(_tried(run)) < 2}
    if single:
        names = ", ".join(title(model) for model in UNFOLDED if model in single)
        return at_most_so_far(judged, f"Only one initialisation of λ has run: {names}.")
    if same and runs:
        said = "The initial λ as reported is also the best on validation data."
        return judged._replace(because=f"{judged.because} {said}")
    return judged


def _tried(run: RunConfig) -> list[RunConfig]:
    return [start for start in starts(run).values() if committed().seeds(start)]


def combined(judged: Mapping[str, Judgement], on: str = "the initialisation of λ") -> Judgement:
    """Return one verdict from those under several conditions, which differ in ``on``.

    It is "conditional" if the verdicts differ by more than the number of completed runs.
    """
    ran = {label: one for label, one in judged.items() if one.ran}
    if not ran:
        return next(iter(judged.values()))
    word = _combined([one.word for one in ran.values()])
    if word == "confirmed" and len(ran) < len(judged):
        word = "confirmed so far"
    reasons: dict[str, list[str]] = {}
    for label, one in judged.items():
        reasons.setdefault(one.because, []).append(label)
    said = [f"{_capital(' and '.join(each))}: {because}" for because, each in reasons.items()]
    if word == "conditional" and "conditional" not in {one.word for one in ran.values()}:
        said.insert(0, f"The verdict depends on {on}.")
    rest = [one for one in ran.values() if one.word in POSITIVE] or list(ran.values())
    least = min(rest, key=lambda one: one.done / max(one.all, 1))
    return least._replace(word=word, because=" ".join(said))


def _combined(words: Sequence[str]) -> str:
    found = set(words)
    if len(found) == 1:
        return words[0]
    return "confirmed so far" if found <= {*POSITIVE, "not tested"} else "conditional"


def at_most_so_far(judged: Judgement, why: str) -> Judgement:
    """Return a verdict limited to "confirmed so far" for the reason ``why``."""
    word = "confirmed so far" if judged.word == "confirmed" else judged.word
    return judged._replace(word=word, because=f"{judged.because} {why}")


# Cases that succeed or fail -----------------------------------------------------------------------


class Case(NamedTuple):
    """A case of a claim, such as a width, with the success of each seed: 1, 0, or 0.5."""

    name: str
    successes: Sequence[float]


def counted(cases: Sequence[Case], of: int, unit: str, because: str) -> Judgement:
    """Return the verdict on "succeeds in every case and with every seed", out of ``of`` cases.

    The seeds are too few for a test, so successes are counted. Partial success, or success with
    some seeds, makes the claim conditional; fewer than :data:`SEEDS` seeds decide nothing.
    """
    known = [case for case in cases if len(case.successes)]
    if not known:
        return Judgement("not tested", because, ran=False)
    all_of = [value for case in known for value in case.successes]
    firm = min(len(case.successes) for case in known) >= SEEDS
    done = sum(min(case.successes) == 1 for case in known)
    if min(all_of) == 1:
        word = "confirmed" if firm and len(known) == of else "confirmed so far"
    elif max(all_of) > 0:
        word = "conditional"
    else:
        word = "refuted" if firm else "not tested"
    return Judgement(word, because, True, done, of, unit)


# In words -----------------------------------------------------------------------------------------

_MANY = 6
"""Up to this number, comparisons are listed individually; otherwise they are counted."""


def _told(each: Sequence[Compared], known: Sequence[Compared]) -> str:
    """Return the number of comparisons that ran, and the excluded comparisons."""
    excluded = [f"{one.name} ({one.excluded})" for one in each if one.excluded]
    missing = [one.name for one in each if one.gap is None and not one.excluded]
    count = len(each) - len(excluded)
    said = "" if count == len(known) else f"{len(known)} of {_number(count)} run."
    if missing and known and count <= _MANY:
        said = f"{said[:-1]} (not yet: {', '.join(missing)})."
    if excluded:
        said += f" Excluded: {'; '.join(excluded)}."
    return said.strip()


def _number(count: int) -> str:
    return f"{count} comparison{'s' * (count != 1)}"


def _details(outcomes: Sequence[_Outcome]) -> str:
    """Return the leads with their intervals, or their number, and the correction."""
    if len(outcomes) <= _MANY:
        said = "; ".join(f"{each.one.name} {interval(each.one.gap)}" for each in outcomes)
        said = f" Lead: {said}."
    else:
        said = f" {_counts(outcomes)}."
        least = min((each.one for each in outcomes), key=lambda one: one.gap.mean)
        said += f" Smallest lead: {least.name} {interval(least.gap)}."
    weak = sum(not each.firm for each in outcomes)
    if weak:
        said += f" Fewer than {SEEDS} seeds in {weak}, too few to confirm or refute."
    open_ = [each.one.name for each in outcomes if each.word == "undecided"]
    if open_ and len(outcomes) <= _MANY:
        said += f" Undecided: {', '.join(open_)}."
    if len(outcomes) > 1:
        said += f" Tests: {len(outcomes)}, corrected by Holm's method."
    return said


def _counts(outcomes: Sequence[_Outcome]) -> str:
    told = []
    for word in ("ahead", "behind", "alike", "undecided"):
        names = [each.one.name for each in outcomes if each.word == word]
        if names:
            few = word != "ahead" and len(names) <= _MANY
            told.append(f"{word} in {len(names)}" + (f" ({', '.join(names)})" if few else ""))
    return _capital(", ".join(told))


def interval(gap: Difference) -> str:
    """Return a difference as text: mean, interval, and number of seeds."""
    seeds = "1 seed" if gap.seeds == 1 else f"{gap.seeds:.0f} seeds"
    said = f"{gap.mean:+.2f} dB [{gap.low:+.2f}, {gap.high:+.2f}] ({seeds})"
    return minus(said)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
