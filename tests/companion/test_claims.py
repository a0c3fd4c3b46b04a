"""The claims: every verdict follows from the records, every check and page exists."""

import re

import pandas as pd
import pytest

from companion import claims
from companion.build import freshness
from companion.claims import experiment_rules, related_rules
from unfolded.errors import RecordError
from unfolded.provenance import ROOT

CLAIMS = claims.claims()


def exists(check):
    """Return whether there is the test, as in test_prox.py::test_moreau_decomposition."""
    file, name = check.split("::")
    (path,) = (ROOT / "tests").rglob(file)
    return re.search(rf"^ *def {name}\(", path.read_text(encoding="utf-8"), re.M)


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
class TestClaim:
    def test_a_rule_or_reasons_give_a_verdict(self, claim):
        judgement = claim.judge(
            related_rules.RELATED_RULES if claim.neighbour else experiment_rules.RULES
        )
        assert judgement.word in claims.WORDS
        assert bool(judgement.share) == (judgement.word == "confirmed so far")
        assert judgement.because.endswith(".") and not re.search(r"  |\.\.", judgement.because)
        assert not re.search(r"\b(nan|inf)\b", judgement.because)

    def test_a_claim_has_a_rule_or_reasons_with_existing_checks(self, claim):
        if claim.rule:
            known = related_rules.RELATED_RULES if claim.neighbour else experiment_rules.RULES
            assert claim.rule in known and not claim.because and not claim.reasoned
            return
        assert claim.because
        assert claim.checks or claim.reasoned == "not tested"
        assert all(map(exists, claim.checks))

    def test_the_page_of_a_claim_is_in_the_book(self, claim):
        assert claim.page in freshness.pages(ROOT)

    def test_a_claim_is_one_short_sentence(self, claim):
        assert claim.says.endswith(".") and claim.shown_by.endswith(".")
        assert len(claim.says) < 160


def test_names_are_unique_and_every_rule_is_used():
    names = [claim.id for claim in CLAIMS]
    assert len(set(names)) == len(names)
    used = {claim.rule for claim in CLAIMS} - {""}
    assert used == set(experiment_rules.RULES) | set(related_rules.RELATED_RULES)
    papers = [claim.neighbour for claim in CLAIMS]
    assert papers == sorted(papers, key=bool) and {"SISTA-RNN", "descending"} == set(papers) - {""}


ENTRY = "[[claim]]\n" + "".join(
    f"{name} = 'x'\n" for name in ("id", "where", "says", "shown_by", "page")
)


@pytest.mark.parametrize(
    "content",
    ["", "[[claim]]\nid = 'x'\n", "[[claim]]\nmore = 1\n", "}", ENTRY,
     f"{ENTRY}verdict = 'holds'\n", f"{ENTRY}verdict = 'refuted'\nrule = 'temporal prior'\n"],
)  # fmt: skip
def test_a_damaged_file_is_reported_in_one_line(content, tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "claims.toml").write_text(content)
    monkeypatch.setattr(claims, "ROOT", tmp_path)
    with pytest.raises(RecordError, match="expected claims at"):
        claims.claims()


JUDGED = pd.DataFrame({
    "claim": ["A < B.", "B."], "where": ["§1, App. D.1", "Table 2"], "share": ["2 of 6 widths", ""],
    "verdict": ["confirmed so far", "refuted"], "because": ["So.", "No."], "shown by": ["x.", "y."],
    "page": ["notebooks/11_table_2", "book/errata"], "kind": ["experiment", "theory"],
    "id": ["a", "b"],
})  # fmt: skip


def test_a_page_shows_each_verdict_with_its_share_its_colour_and_a_link():
    html = claims.style_table(JUDGED).to_html()
    assert '<span aria-hidden="true">✓</span> confirmed so far (2 of 6 widths)' in html
    assert "is-confirmed-so-far" in html and "is-refuted" in html
    assert '<a href="../notebooks/11_table_2.html">evidence: table 2</a>' in html
    assert "evidence" not in claims.style_table(JUDGED, brief=True).to_html()
    assert claims.verdict_list(JUDGED).splitlines()[1] == "- B. **✗ refuted**"
    assert claims.counts(JUDGED) == (
        "Of the 1 experimental claims, 1 is confirmed so far. "
        "Of the 1 theoretical claims, 1 is refuted."
    )


def test_every_verdict_has_a_colour_and_an_entry_in_the_glossary():
    style = (ROOT / "book" / "companion" / "sphinx" / "companion.css").read_text(encoding="utf-8")
    glossary = (ROOT / "book" / "glossary.md").read_text(encoding="utf-8")
    for word in claims.WORDS:
        assert f".is-{word.replace(' ', '-')}" in style
        assert re.search(rf"\*{word}\*", glossary), word
