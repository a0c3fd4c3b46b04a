"""What a rule finds: a verdict with its reason, from comparisons of the committed runs."""

import functools
from collections.abc import Iterable
from typing import NamedTuple

import pandas as pd

from unfolded.evidence import Difference, Evidence
from unfolded.tables import title


class Judgement(NamedTuple):
    """A verdict, a key of WORDS in claims, and the reason in a sentence, with its numbers.

    ``ran``: whether there was any run to judge by.
    """

    word: str
    because: str
    ran: bool = True


def word(found: Iterable[str], *, whole: bool, part: bool) -> str:
    """Return the verdict on "all are ahead" from those of the comparisons.

    ``whole``: whether all of them have been made; ``part``: whether a part that stands for itself
    has. What is undecided neither supports a claim nor refutes it.

    >>> word(["ahead", "ahead"], whole=False, part=True), word(["behind"], whole=False, part=False)
    ('in part', 'does not hold')
    """
    found = set(found)
    if "behind" in found:
        return "in part" if "ahead" in found else "does not hold"
    if whole and found == {"ahead"}:
        return "holds"
    return "in part" if "ahead" in found and part else "open"


def listed(gaps: dict[str, Difference]) -> str:
    """Return differences with their intervals and names, as a part of a sentence."""
    return "; ".join(f"{interval(gap)} {name}" for name, gap in gaps.items())


def interval(gap: Difference) -> str:
    """Return a difference as text: mean, interval, and from how many seeds."""
    seeds = "1 seed" if gap.seeds == 1 else f"{gap.seeds:.0f} seeds"
    return f"{gap.mean:+.2f} dB [{gap.low:+.2f}, {gap.high:+.2f}] ({seeds})"


def least(gaps: pd.DataFrame) -> str:
    """Return the least of some leads, a row each as in evidence.leads, and over whom it is."""
    row = gaps.loc[gaps["mean"].idxmin()]
    return f"{interval(Difference(*row[list(Difference._fields)]))}, over {title(row['other'])}"


@functools.cache
def committed() -> Evidence:
    """Return what lies in data/results/, read once."""
    return Evidence.committed()
