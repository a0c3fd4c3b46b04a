"""The rules for the claims on constrained networks: each verdict follows from the numbers."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from companion.claims import related_rules
from companion.studies.descending import descending_results
from companion.studies.descending.layer_constraints import MERITS
from companion.studies.inpainting import glow_trials, inpainting_trials
from companion.studies.lista import lista_runs
from unfolded.runs import results_table


def descending_tables(climbs=1.2, rate=0.9, lead=0.5):
    """Return tests of one network, three seeds, and the trials that made them."""
    rows, trials = [], []
    for seed in range(3):
        for way in ("as it was", "free", *MERITS):
            ratio = rate if way in MERITS else climbs
            epsilon = 0.1 if way in MERITS else None
            trials.append({"way": way, "epsilon": epsilon, "steps": 1, "loss": 1.0})
            for kind in ("nothing", "noise"):
                score = 20 + seed + (lead + 0.01 * seed) * (way in MERITS and kind != "nothing")
                for layer in (0, 1):
                    test = {"model": "net", "way": way, "seed": seed, "what": kind, "level": 0.1}
                    merits = dict.fromkeys(MERITS, ratio**layer)
                    rows.append(test | {"layer": layer, "psnr_authors": score} | merits)
    return {
        descending_results.TESTS: pd.DataFrame(rows),
        descending_results.TRIALS: pd.DataFrame(trials),
    }


def flow_tests(lead, plain="plain", constrained="descending, ε = 0.2"):
    """Return tests of GLOW-Prox, plain and constrained."""
    names = {plain: 0.0, constrained: lead}
    rows = [
        {"network": name, "seed": seed, "what": "noise", "level": 1.0, "layer": 4,
         "psnr": 20 + seed + more * (1 + 0.01 * seed)}
        for name, more in names.items() for seed in range(3)
    ]  # fmt: skip
    return pd.DataFrame(rows)


@pytest.fixture
def stored(monkeypatch):
    def put(flow=0.5, large=None, **numbers):
        tables = descending_tables(**numbers)
        monkeypatch.setattr(
            descending_results,
            "stored_rows",
            lambda name=descending_results.TESTS, with_diverged=False: tables[name],
        )
        monkeypatch.setattr(inpainting_trials, "stored_rows", lambda: flow_tests(flow))
        tests = flow_tests(large or 0.0, "plain + noise", "gradient + noise")
        monkeypatch.setattr(glow_trials, "stored_rows", lambda: tests)
        monkeypatch.setattr(glow_trials, "is_complete", lambda table: large is not None)

    return put


@pytest.mark.parametrize(("climbs", "word"), [(1.2, "confirmed so far"), (0.9, "not tested")])
def test_layers_ascend_if_a_mean_increases(stored, climbs, word):
    """Three seeds continue one trained network, so they neither confirm nor refute."""
    stored(climbs=climbs)
    judgement = related_rules.plain_layers_climb()
    assert judgement.word == word and f"net {climbs:.2f}" in judgement.because
    assert "one network of each kind" in judgement.because


@pytest.mark.parametrize(
    ("rate", "word"), [(0.9, "confirmed so far"), (0.91, "confirmed so far"), (0.95, "not tested")]
)
def test_constrained_layers_descend_as_far_as_the_constraint_requires(stored, rate, word):
    stored(rate=rate)
    assert related_rules.constrained_layers_descend().word == word


@pytest.mark.parametrize(
    ("flow", "word"), [(0.5, "confirmed so far"), (-0.5, "not tested"), (0.0, "not tested")]
)
def test_robustness_is_decided_by_the_disturbances_of_the_authors(stored, flow, word):
    stored(flow=flow, lead=0.5)
    judgement = related_rules.constrained_networks_are_robust()
    assert judgement.word == word and "better in 3" in judgement.because.partition("sequences")[2]


@pytest.mark.parametrize(("large", "word"), [(0.5, "confirmed so far"), (-0.5, "not tested")])
def test_the_larger_flow_decides_if_there_are_runs_of_it(stored, large, word):
    stored(flow=-large, large=large)
    judgement = related_rules.constrained_networks_are_robust()
    assert judgement.word == word and "not run" not in judgement.because
    assert "layers 5" in judgement.because and "blocks per scale" not in judgement.because
    stored(flow=-large)
    judgement = related_rules.constrained_networks_are_robust()
    assert judgement.word != word and "plain: not run" in judgement.because


def test_a_family_of_disturbances_is_corrected_for_their_number():
    """Of many cases that one by one would be significant, few survive."""
    index = pd.MultiIndex.from_product([["net"], [f"{k}" for k in range(20)], [1.0], range(3)])
    index = index.set_names(["model", "what", "level", "seed"])
    lead = np.tile([0.3, 0.5, 0.4], 20)
    reached = pd.DataFrame({"held": lead, "free": np.zeros(60)}, index)
    assert set(descending_results.against(reached, "held")["verdict"]) == {"undecided"}
    alone = descending_results.against(reached.loc[(slice(None), "0"), :], "held")
    assert alone["verdict"].item() == "better"
    assert alone["p"].item() == pytest.approx(stats.ttest_1samp([0.3, 0.5, 0.4], 0).pvalue)


def test_changes_of_layers_are_tested_over_seeds_and_increases_require_every_seed():
    tests = descending_tables(climbs=1.2, rate=0.9)[descending_results.TESTS]
    # The objective of layer 1 differs between seeds, by less than between methods.
    tests["objective"] += 0.001 * tests["seed"] * tests["way"].isin(MERITS)
    cases = [("objective", 1, "objective"), ("distance", 0, "psnr_authors")]
    table = descending_results.layer_changes(tests, "net", cases)
    assert table["verdict"].tolist() == ["lower", "undecided"]
    assert table.loc[0, "low"] < table.loc[0, "mean"] < table.loc[0, "high"] < 0
    rising = descending_results.rising_layers
    assert rising(tests, "net", "free", "objective") == [1]
    assert rising(tests, "net", "objective", "objective") == []
    tests.loc[(tests["way"] == "free") & (tests["seed"] == 2), "objective"] = 1.0
    assert rising(tests, "net", "free", "objective") == []


def lista_tests(rate, gain, seeds=3):
    """Return tests and errors of LISTA: factor ``rate`` per layer, lead ``gain`` in dB."""
    tests, errors = [], []
    for constrained, plain in related_rules.LISTA_PAIRS.items():
        for name, ratio, db in ((constrained, rate, gain), (plain, 1.5, 0.0)):
            for seed in range(seeds):
                run = {"trial": f"{name} {seed}", "method": name, "seed": seed}
                tests += [run | {"sigma": 0.0, "layer": k, "distance": ratio**k} for k in range(3)]
                errors += [
                    run | {"sigma": sigma, "signal": k,
                           "error": (1 + k) * 10 ** (-(db + 0.01 * seed * db) / 10)}
                    for sigma in lista_runs.SIGMAS for k in range(20)
                ]  # fmt: skip
    return {
        lista_runs.TRIALS: pd.DataFrame([{"trial": 1}]),
        lista_runs.TESTS: pd.DataFrame(tests),
        lista_runs.ERRORS: pd.DataFrame(errors),
    }


@pytest.mark.parametrize(
    ("rate", "gain", "seeds", "words"),
    [(0.9, 1.0, 3, ("confirmed so far", "confirmed so far")),
     (1.1, -1.0, 3, ("not tested", "not tested")),
     (0.9, -1.0, 3, ("confirmed so far", "not tested")),
     (0.9, 1.0, 1, ("confirmed so far", "confirmed so far"))],
)  # fmt: skip
def test_short_trainings_of_lista_neither_confirm_nor_refute(monkeypatch, rate, gain, seeds, words):
    tables = lista_tests(rate, gain, seeds)
    monkeypatch.setattr(lista_runs, "stored_rows", lambda name=lista_runs.TRIALS: tables[name])
    descends = related_rules.constrained_lista_descends()
    robust = related_rules.constrained_lista_is_robust()
    assert (descends.word, robust.word) == words
    assert "Tests: 18, corrected by Holm's method" in robust.because
    assert all("of the 310,000 steps" in judgement.because for judgement in (descends, robust))


@pytest.mark.parametrize("name", ["constrained_lista_descends", "constrained_lista_is_robust"])
def test_the_verdict_without_stored_lista_is_not_tested(name, monkeypatch, tmp_path):
    monkeypatch.setattr(results_table, "RESULTS", tmp_path)
    judgement = getattr(related_rules, name)()
    assert judgement.word == "not tested" and not judgement.ran


def test_a_page_has_its_own_claims_of_related_papers():
    page = "notebooks/20_lista_that_descends"
    table = related_rules.summary(page)
    assert set(table["page"]) == {page} and "lista-layers-descend" in set(table["id"])
    assert len(table) < len(related_rules.summary())
