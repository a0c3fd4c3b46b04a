"""The paper's claims, each with a verdict that follows from the records or from named tests."""

import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import pandas as pd

from unfolded import results, sources
from unfolded.errors import RecordError, complain
from unfolded.judgement import Judgement
from unfolded.provenance import ROOT
from unfolded.verdicts import RULES

WORDS = {
    "holds": "✓ holds",
    "in part": "◐ holds in part",
    "does not hold": "✗ does not hold",
    "open": "? open",
}
"""Verdicts, and how a page shows them."""


@dataclass(frozen=True)
class Claim:
    """A claim: ``says`` in our words, ``shown_by`` what would show it.

    It is the paper's, or that of a ``neighbour``, a paper before or after it. Either a ``rule``, of
    :data:`RULES` or of :mod:`unfolded.neighbours`, judges it from what is stored, or ``checks``,
    tests by their names, support a verdict that is reasoned in ``because``.
    """

    id: str
    where: str
    says: str
    shown_by: str
    page: str
    verdict: str
    rule: str = ""
    checks: tuple[str, ...] = ()
    because: str = ""
    neighbour: str = ""

    def judged(self, rules: Mapping[str, Callable[[], Judgement]] = RULES) -> Judgement:
        """Return the verdict as it follows from the records, or as it was reasoned."""
        return rules[self.rule]() if self.rule else Judgement(self.verdict, self.because)


def claims() -> list[Claim]:
    """Return the claims of data/claims.toml. Raises RecordError if an entry cannot be read."""
    path = results.note(ROOT / "data" / "claims.toml")
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8"))["claim"]
        return [Claim(**{**entry, "checks": tuple(entry.get("checks", ()))}) for entry in entries]
    except (OSError, KeyError, TypeError, tomllib.TOMLDecodeError) as error:
        do = "restore it with git checkout"
        raise RecordError(complain(f"claims at {path}", error, do)) from error


def summary(page: str = "") -> pd.DataFrame:
    """Return the paper's claims, or those of a page, with verdict and reason, a row a claim."""
    own = [claim for claim in claims() if not claim.neighbour and page in ("", claim.page)]
    # A verdict does not say which runs it rests on; a proof rests on none.
    runs = [sources.Source((sources.RUNS,), counted=False)]
    return table(own, *(runs if any(claim.rule for claim in own) else []))


def table(
    chosen: Iterable[Claim],
    *read: pd.DataFrame | sources.Source,
    rules: Mapping[str, Callable[[], Judgement]] = RULES,
) -> pd.DataFrame:
    """Return claims with their verdicts and reasons, a row a claim, judged from what was read."""
    rows = []
    for claim in chosen:
        found = claim.judged(rules)
        rows.append({"claim": claim.says, "where": claim.where, "verdict": found.word,
                     "because": found.because, "shown by": claim.shown_by, "page": claim.page,
                     "kind": "experiment" if claim.rule else "theory", "id": claim.id})  # fmt: skip
    return sources.mark(pd.DataFrame(rows), ROOT / "data" / "claims.toml", *read)


def told(judged: pd.DataFrame) -> str:
    """Return claims of :func:`summary` with their verdicts as a list in Markdown."""
    each = (f"- {row.claim} **{WORDS[row.verdict]}**" for row in judged.itertuples())
    return "\n".join(each)


def shown(judged: pd.DataFrame, *, brief: bool = False):
    """Return claims of :func:`summary` as a page shows them, the verdict first.

    ``brief`` leaves out what would show each claim and where it is treated.
    """
    table = judged[["verdict", "claim", "where", "because"]].replace({"verdict": WORDS})
    if not brief:
        links = [f'<a href="../{page}.html">page</a>' for page in judged["page"]]
        named = [f'{says} <small id="{name}">{name}</small>'
                 for says, name in zip(judged["claim"], judged["id"], strict=True)]  # fmt: skip
        table = table.assign(claim=named, **{"shown by": judged["shown by"]}, see=links)
    classes = judged[["verdict"]].map(lambda word: f"is-{word.replace(' ', '-')}")
    styled = table.style.set_td_classes(classes).hide()
    stamp = sources.attribute(sources.of(judged).stamp())
    return styled.set_table_attributes(f'class="dataframe claims"{stamp}')
