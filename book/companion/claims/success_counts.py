"""Verdicts on claims whose cases succeed or fail with each seed."""

from collections.abc import Sequence
from typing import NamedTuple

from companion.claims.decision import SEEDS, Judgement


class Case(NamedTuple):
    """A case of a claim, such as a width, with the success of each seed: 1, 0, or 0.5."""

    name: str
    successes: Sequence[float]


def count_successes(cases: Sequence[Case], of: int, unit: str, because: str) -> Judgement:
    """Return the verdict on "succeeds in every case and with every seed", out of ``of`` cases.

    The seeds are too few for a test, so successes are counted. A case with at least :data:`SEEDS`
    seeds that fails makes the claim "conditional" if there is any success, else "refuted"; with
    fewer seeds it is "not tested".
    """
    tested = [case for case in cases if len(case.successes)]
    if not tested:
        return Judgement("not tested", because, ran=False)
    successes = [value for case in tested for value in case.successes]
    failed = [case for case in tested if min(case.successes) < 1]
    firm = min(len(case.successes) for case in tested) >= SEEDS
    if not firm:
        because += f" Fewer than {SEEDS} seeds are too few to confirm or refute."
    if not failed:
        word = "confirmed" if firm and len(tested) == of else "confirmed so far"
    elif max(len(case.successes) for case in failed) < SEEDS:
        word = "not tested"
    else:
        word = "conditional" if max(successes) > 0 else "refuted"
    return Judgement(word, because, True, len(tested) - len(failed), of, unit, bool(failed))
