"""Comparisons with excluded seeds, combined verdicts, success counts and corrected tests."""

import dataclasses

import pytest
from synthetic_runs import SEEDS, replace_committed_runs, run

from companion.claims import decision
from companion.claims.decision import Comparison, combine, decide
from companion.claims.success_counts import Case, count_successes
from companion.run_set import PRINTED


@pytest.fixture
def records(monkeypatch):
    return replace_committed_runs(monkeypatch)


def test_a_comparison_lists_the_excluded_seeds(records):
    gru, lstm = (dataclasses.replace(PRINTED, model=name, depth=None) for name in ("gru", "lstm"))
    usual = [run("gru", 10.0, seed=seed) for seed in SEEDS]
    diverged = [
        dataclasses.replace(run("lstm", 20.0, seed=seed), status="failed") for seed in SEEDS
    ]
    records(usual, diverged)
    comparison = decision.compare("both", gru, lstm)
    assert comparison.gap is None and comparison.excluded == "LSTM diverged"
    records(usual, [run("lstm", 20.0)], diverged[1:])
    comparison = decision.compare("both", gru, lstm)
    assert comparison.gap.seeds == 1
    assert comparison.excluded == "LSTM diverged with 2 of 3 seeds"
    records(usual)
    assert decision.compare("both", gru, lstm).excluded == ""


def test_combined_words():
    def of(*words):
        judgements = {str(k): decision.Judgement(word, "So.") for k, word in enumerate(words)}
        return combine(judgements).word

    assert of("confirmed", "confirmed so far") == "confirmed so far"
    assert of("confirmed", "not tested") == "confirmed so far"
    open_ = decision.Judgement("not tested", "So.", contradicted=True)
    assert combine({"a": open_, "b": decision.Judgement("confirmed", "So.")}).word == "not tested"
    for verdict in ("refuted", "conditional"):
        assert of("confirmed", verdict) == of("not tested", verdict) == "conditional"


def test_cases_are_counted():
    def of(*cases):
        cases = [Case(f"{k}", successes) for k, successes in enumerate(cases)]
        return count_successes(cases, len(cases), "x", "").word

    assert of([1, 1, 1]) == "confirmed" and of([1, 1]) == "confirmed so far"
    assert of([1, 1, 0]) == of([0.5] * 3) == of([1], [0] * 3) == "conditional"
    assert of([0, 0, 0]) == "refuted" and of([0]) == of([1], [0]) == "not tested"


def test_holm_rejects_a_lead_that_a_single_test_would_accept(records):
    gap = decision.committed_runs().difference(PRINTED, PRINTED)
    assert gap is None
    lead = decision.Difference(1.0, 0.1, 2.0, 3, 50, 0.03)
    gru = dataclasses.replace(PRINTED, model="gru")
    tests = [Comparison(f"{k}", (gru, dataclasses.replace(gru, seed=k)), lead) for k in range(2)]
    assert decide({"": tests[:1]}, "tests").word == "confirmed"
    assert decide({"": tests}, "tests").word == "not tested"
