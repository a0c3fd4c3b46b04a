"""The page of errata: every entry is complete, every check exists, page and claims agree."""

import re

import pytest
from test_claims import exists

from companion import claims
from unfolded.provenance import ROOT

TEXT = (ROOT / "book" / "errata.md").read_text(encoding="utf-8")
PARTS = ["Where", "Reported", "Correct", "Because", "Check", "Changes", "Claims"]
CHECK = re.compile(r"`(test_\w+\.py::\w+)`")
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", TEXT, re.M | re.S))
ENTRIES = {
    label: (section, dict(re.findall(r"^- \*\*(\w+):\*\* (.+)$", body, re.M)))
    for section, text in SECTIONS.items()
    for label, body in re.findall(r"^\((errata-[\w-]+)\)=\n### (.+?)(?=^\(|\Z)", text, re.M | re.S)
}
THEORY = {claim.id: claim for claim in claims.claims() if not claim.rule and not claim.neighbour}


def named(entry):
    return dict(re.findall(r"`([\w-]+)`: ([a-z ]+)", entry["Claims"]))


@pytest.mark.parametrize("label", ENTRIES)
def test_an_entry_has_its_parts_and_its_verdicts(label):
    section, entry = ENTRIES[label]
    assert list(entry) == PARTS
    checks = set(CHECK.findall(entry["Check"]))
    assert checks and re.search(r"\]\([\w/.]+\)", entry["Check"])
    assert entry["Changes"].startswith("yes" if section.startswith("What changes") else "no")
    assert named(entry) or entry["Claims"] == "none."
    for claim, verdict in named(entry).items():
        assert THEORY[claim].verdict == verdict
        assert checks & set(THEORY[claim].checks)


def test_every_check_that_is_named_exists():
    assert len(CHECK.findall(TEXT)) == TEXT.count("::test_")
    assert all(map(exists, CHECK.findall(TEXT)))


def test_contents_list_every_entry_in_its_order():
    assert re.findall(r"\(#(errata-[\w-]+)\)", SECTIONS["By weight"]) == list(ENTRIES)
    weights = [section for section, _ in ENTRIES.values()]
    assert weights == sorted(weights, key=list(SECTIONS).index) and len(set(weights)) == 3


def test_each_claim_of_theory_that_does_not_hold_fully_is_explained():
    names = {claim for _, entry in ENTRIES.values() for claim in named(entry)}
    assert {
        name for name, claim in THEORY.items() if claim.verdict not in ("confirmed", "not tested")
    } <= names
