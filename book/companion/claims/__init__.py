"""The paper's claims with verdicts, which follow from the records or from named tests."""

import functools
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import pandas as pd

from companion import attribution, results
from companion.claims.decision import Judgement
from companion.claims.experiment_rules import RULES
from unfolded.errors import RecordError, complain
from unfolded.provenance import ROOT

WORDS = {
    "confirmed": "✓ confirmed",
    "confirmed so far": "✓ confirmed so far",
    "conditional": "◐ conditional",
    "refuted": "✗ refuted",
    "not tested": "– not tested",
}
"""Verdicts and their labels; the confirmed share of a claim follows "confirmed so far"."""


@dataclass(frozen=True)
class Claim:
    """A claim: ``says`` is its statement, ``shown_by`` the evidence that would confirm it.

    ``neighbour``: the related paper of the claim, if it is not of the paper. Either a ``rule``, of
    :data:`RULES` or of `claims.related_rules`, judges the claim from stored results, or
    ``checks``, names of tests, support the ``reasoned`` verdict, which ``because`` explains.
    """

    id: str
    where: str
    says: str
    shown_by: str
    page: str
    reasoned: str = ""
    rule: str = ""
    checks: tuple[str, ...] = ()
    because: str = ""
    neighbour: str = ""

    def judge(self, rules: Mapping[str, Callable[[], Judgement]] = RULES) -> Judgement:
        """Return the verdict computed from the records, or the reasoned verdict."""
        return rules[self.rule]() if self.rule else Judgement(self.reasoned, self.because)

    @functools.cached_property
    def verdict(self) -> str:
        """The verdict on a claim of the paper or of theory, a key of :data:`WORDS`."""
        return self.judge().word


def claims() -> list[Claim]:
    """Return the claims of data/claims.toml.

    Raises RecordError if an entry is invalid, or has both a rule and a verdict, or neither.
    """
    path = results.register_read(ROOT / "data" / "claims.toml")
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8"))["claim"]
        return [_claim(**entry) for entry in entries]
    except (OSError, KeyError, TypeError, ValueError, tomllib.TOMLDecodeError) as error:
        do = "restore it with git checkout"
        raise RecordError(complain(f"claims at {path}", error, do)) from error


def _claim(verdict: str = "", checks: Iterable[str] = (), **entry: str) -> Claim:
    claim = Claim(reasoned=verdict, checks=tuple(checks), **entry)
    if bool(claim.rule) == bool(verdict) or verdict not in (*WORDS, ""):
        raise ValueError(
            f"{claim.id}: a rule or a verdict from {', '.join(WORDS)}, got {verdict!r}"
        )
    return claim


def summary(page: str = "") -> pd.DataFrame:
    """Return the claims of the paper or of a page, with verdict and reason, one row per claim."""
    selection = [claim for claim in claims() if not claim.neighbour and page in ("", claim.page)]
    # The runs behind a verdict are not listed; a proof has no runs.
    runs = [attribution.Source((attribution.RUNS,), counted=False)]
    return table(selection, *(runs if any(claim.rule for claim in selection) else []))


def table(
    selection: Iterable[Claim],
    *read: pd.DataFrame | attribution.Source,
    rules: Mapping[str, Callable[[], Judgement]] = RULES,
) -> pd.DataFrame:
    """Return claims with verdicts and reasons, one row per claim; ``read`` are their sources."""
    rows = []
    for claim in selection:
        result = claim.judge(rules)
        rows.append({"claim": claim.says, "where": claim.where, "verdict": result.word,
                     "share": result.share, "because": result.because, "shown by": claim.shown_by,
                     "page": claim.page, "kind": "experiment" if claim.rule else "theory",
                     "id": claim.id})  # fmt: skip
    return attribution.mark(pd.DataFrame(rows), ROOT / "data" / "claims.toml", *read)


def label(verdict: str, share: str = "") -> str:
    """Return the label of a verdict on a page.

    >>> label("confirmed so far", "2 of 6 widths"), label("refuted")
    ('✓ confirmed so far (2 of 6 widths)', '✗ refuted')
    """
    return WORDS[verdict] + (f" ({share})" if share else "")


def verdict_list(verdicts: pd.DataFrame) -> str:
    """Return claims of :func:`summary` with their verdicts as a Markdown list."""
    lines = (f"- {row.claim} **{label(row.verdict, row.share)}**" for row in verdicts.itertuples())
    return "\n".join(lines)


def reason(verdicts: pd.DataFrame, name: str) -> str:
    """Return verdict and reason of the claim of :func:`summary` with this id, in Markdown."""
    row = verdicts.set_index("id").loc[name]
    return f"**{label(row['verdict'], row['share'])}.** {row['because']}"


def counts(verdicts: pd.DataFrame) -> str:
    """Return the number of claims with each verdict, one sentence per kind of claim.

    >>> table = {"kind": ["theory"] * 3, "verdict": ["refuted", "confirmed", "refuted"]}
    >>> counts(pd.DataFrame(table))
    'Of the 3 theoretical claims, 1 is confirmed and 2 are refuted.'
    """
    kinds = {"experiment": "experimental", "theory": "theoretical"}
    return " ".join(
        _count_sentence(verdicts.loc[verdicts["kind"] == kind, "verdict"], name)
        for kind, name in kinds.items()
        if (verdicts["kind"] == kind).any()
    )


def _count_sentence(verdicts: pd.Series, name: str) -> str:
    count = verdicts.value_counts()
    parts = [
        f"{count[word]} {'is' if count[word] == 1 else 'are'} {words.split(' ', 1)[1]}"
        for word, words in WORDS.items()
        if word in count
    ]
    listing = parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
    return f"Of the {len(verdicts)} {name} claims, {listing}."


def style_table(verdicts: pd.DataFrame, *, brief: bool = False):
    """Return claims of :func:`summary` as a table for a page, the verdict in the first column.

    ``brief`` omits the required evidence and the link to the page of each claim.
    """
    labels = map(label, verdicts["verdict"], verdicts["share"])
    markup = [_hide_symbol(text) for text in labels]
    table = verdicts[["claim", "where", "because"]].assign(verdict=markup)
    if not brief:
        linked = [
            f'{row.claim} <small id="{row.id}">{row.id} · <a href="../{row.page}.html">'
            f"evidence: {_page(row.page)}</a></small>"
            for row in verdicts.itertuples()
        ]
        table = table.assign(claim=linked, **{"shown by": verdicts["shown by"]})
    table = table[["verdict", *table.columns.drop("verdict")]]
    classes = verdicts[["verdict"]].map(lambda word: f"is-{word.replace(' ', '-')}")
    styled = table.style.set_td_classes(classes).hide()
    stamp = attribution.attribute(attribution.of(verdicts).stamp())
    return styled.set_table_attributes(f'class="dataframe claims"{stamp}')


def _hide_symbol(text: str) -> str:
    """Return a label in which the symbol is hidden from screen readers."""
    symbol, _, words = text.partition(" ")
    return f'<span aria-hidden="true">{symbol}</span> {words}'


def _page(path: str) -> str:
    """Return the file name of a page as words.

    >>> _page("notebooks/10_table_1"), _page("book/errata")
    ('table 1', 'errata')
    """
    return path.rpartition("/")[2].lstrip("0123456789_").replace("_", " ")
