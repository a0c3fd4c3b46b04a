"""The paper's claims, each with a verdict that follows from the records or from named tests."""

import tomllib
from dataclasses import dataclass

import pandas as pd

from unfolded import results, sources
from unfolded.errors import RecordError, complain
from unfolded.provenance import ROOT
from unfolded.verdicts import RULES, Judgement

WORDS = {
    "holds": "✓ holds",
    "in part": "◐ holds in part",
    "does not hold": "✗ does not hold",
    "open": "? open",
}
"""Verdicts, and how a page shows them."""


@dataclass(frozen=True)
class Claim:
    """A claim of the paper: ``says`` in our words, ``shown_by`` what would show it.

    Either a ``rule`` of :data:`RULES` judges it from the committed runs, or ``checks``, tests by
    their names, support a verdict that is reasoned in ``because``.
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

    def judged(self) -> Judgement:
        """Return the verdict as it follows from the records, or as it was reasoned."""
        return RULES[self.rule]() if self.rule else Judgement(self.verdict, self.because)


def claims() -> list[Claim]:
    """Return the claims of data/claims.toml. Raises RecordError if an entry cannot be read."""
    path = results.note(ROOT / "data" / "claims.toml")
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8"))["claim"]
        return [Claim(**{**entry, "checks": tuple(entry.get("checks", ()))}) for entry in entries]
    except (OSError, KeyError, TypeError, tomllib.TOMLDecodeError) as error:
        do = "restore it with git checkout"
        raise RecordError(complain(f"claims at {path}", error, do)) from error


def summary() -> pd.DataFrame:
    """Return every claim with its verdict and reason, a row a claim."""
    rows = []
    for claim in claims():
        found = claim.judged()
        rows.append({"claim": claim.says, "where": claim.where, "verdict": found.word,
                     "because": found.because, "shown by": claim.shown_by, "page": claim.page,
                     "kind": "experiment" if claim.rule else "theory", "id": claim.id})  # fmt: skip
    return pd.DataFrame(rows)


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
    found = sources.of(ROOT / "data" / "claims.toml", results.committed())
    stamp = sources.attribute(found.stamp())
    return styled.set_table_attributes(f'class="dataframe claims"{stamp}')
