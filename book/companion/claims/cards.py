"""The claims on their page: a list of cards, which a script can filter, and the counts as bars."""

import html
import re

import pandas as pd
from matplotlib.figure import Figure

from companion import attribution
from companion.claims import WORDS, label
from companion.plots.style import panels

COLOURS = ("#009E73", "#8FD3BE", "#56B4E9", "#D55E00", "#C9CDD2")
"""Colour of each verdict of :data:`companion.claims.WORDS` in the figure."""

KINDS = {"experiment": "experimental claims", "theory": "theoretical claims"}


def sections(where: str) -> list[str]:
    """Return the sections or papers in the source of a claim; tables and figures belong to §4.

    >>> sections("§1, §5, App. D.1"), sections("Table 2"), sections("Hadou et al., abstract")
    (['§1', '§5', 'App. D'], ['§4'], ['Hadou et al.'])
    """
    matches = re.findall(r"§\d|App\. [A-Z]|\bAbstract\b|\w+ et al\.", where)
    return list(dict.fromkeys(matches)) or ["§4"]


class Cards:
    """Claims of :func:`companion.claims.summary` as HTML: a list without a script."""

    def __init__(self, verdicts: pd.DataFrame):
        self.verdicts = verdicts

    def _repr_html_(self) -> str:
        stamp = attribution.attribute(attribution.of(self.verdicts).stamp())
        items = "".join(map(_card, self.verdicts.itertuples(), self.verdicts["shown by"]))
        return f'<claim-explorer{stamp}><ul class="claim-cards">{items}</ul></claim-explorer>'


def _card(claim, evidence: str) -> str:
    """Return a claim as a list item, with the claim as the link; long reasons are folded."""
    symbol, _, words = label(claim.verdict, claim.share).partition(" ")
    text = {name: html.escape(getattr(claim, name)) for name in ("claim", "where", "because")}
    shown, heading = f"<p>{text['because']}</p>", "Required evidence"
    hidden = f"<p>{html.escape(evidence)}</p>"
    if claim.kind == "experiment":
        shown, heading, hidden = "", "Comparisons and evidence", shown + hidden
    return (
        f'<li id="{claim.id}" class="card-item is-{claim.verdict.replace(" ", "-")}" '
        f'data-verdict="{claim.verdict}" data-section="{"|".join(sections(claim.where))}" '
        f'data-kind="{KINDS[claim.kind]}">'
        f'<p class="claim-verdict"><span aria-hidden="true">{symbol}</span> {html.escape(words)}'
        f'<span class="claim-where">{text["where"]}</span></p>'
        f'<p class="claim-text"><a href="../{claim.page}.html">{text["claim"]}</a></p>'
        f"{shown}<details><summary>{heading}</summary>{hidden}</details></li>"
    )


def draw_counts(verdicts: pd.DataFrame) -> Figure:
    """Draw the number of claims with each verdict, one bar per kind of claim.

    What to see: which part of the claims is confirmed, conditional, refuted or not tested.
    """
    fig, ax = panels(height=2.7)
    for place, kind in enumerate(KINDS):
        left, count = 0, verdicts.loc[verdicts["kind"] == kind, "verdict"].value_counts()
        for word, colour in zip(WORDS, COLOURS, strict=True):
            value = int(count.get(word, 0))
            ax.barh(place, value, left=left, color=colour, label=word if not place else "")
            if value:
                ax.text(left + value / 2, place, f"{value}", ha="center", va="center")
            left += value
    ax.set(xlabel="number of claims", yticks=range(len(KINDS)), ylim=(len(KINDS) - 0.5, -0.5))
    ax.set_yticklabels([name.replace(" ", "\n") for name in KINDS.values()])
    fig.legend(loc="outside upper center", ncols=3)
    return attribution.mark(fig, verdicts)
