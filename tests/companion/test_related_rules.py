"""The claims of the papers before and after: each verdict turns when the numbers do."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from companion.claims import related_rules, sista_comparisons
from companion.studies.descending import descending_results
from companion.studies.descending.layer_constraints import MERITS
from companion.studies.inpainting import glow_trials, inpainting_trials
from companion.studies.lista import lista_runs
from companion.studies.sista_images import image_analysis
from companion.studies.sista_images import image_results as columns
from unfolded.runs import results_table


def made_of(climbs=1.2, rate=0.9, lead=0.5):
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


def flow_of(lead, plain="plain", constrained="descending, ε = 0.2"):
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
        tables = made_of(**numbers)
        monkeypatch.setattr(
            descending_results,
            "stored_rows",
            lambda name=descending_results.TESTS, with_diverged=False: tables[name],
        )
        monkeypatch.setattr(inpainting_trials, "stored_rows", lambda: flow_of(flow))
        tests = flow_of(large or 0.0, "plain + noise", "gradient + noise")
        monkeypatch.setattr(glow_trials, "stored_rows", lambda: tests)
        monkeypatch.setattr(glow_trials, "is_complete", lambda table: large is not None)

    return put


@pytest.mark.parametrize(("climbs", "word"), [(1.2, "confirmed so far"), (0.9, "not tested")])
def test_layers_climb_where_a_mean_rises(stored, climbs, word):
    """Three seeds continue one trained network, so they neither confirm nor refute."""
    stored(climbs=climbs)
    judgement = related_rules.plain_layers_climb()
    assert judgement.word == word and f"net {climbs:.2f}" in judgement.because
    assert "one network of each kind" in judgement.because


@pytest.mark.parametrize(
    ("rate", "word"), [(0.9, "confirmed so far"), (0.91, "confirmed so far"), (0.95, "not tested")]
)
def test_held_layers_descend_as_far_as_asked(stored, rate, word):
    stored(rate=rate)
    assert related_rules.constrained_layers_descend().word == word


@pytest.mark.parametrize(
    ("flow", "word"), [(0.5, "confirmed so far"), (-0.5, "not tested"), (0.0, "not tested")]
)
def test_robust_is_who_is_better_where_the_authors_tried_it(stored, flow, word):
    stored(flow=flow, lead=0.5)
    judgement = related_rules.constrained_networks_are_robust()
    assert judgement.word == word and "better in 3" in judgement.because.partition("sequences")[2]


@pytest.mark.parametrize(("large", "word"), [(0.5, "confirmed so far"), (-0.5, "not tested")])
def test_the_larger_flow_decides_if_it_ran(stored, large, word):
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


def test_changes_of_layers_are_decided_over_seeds_and_layers_rise_with_every_seed():
    tests = made_of(climbs=1.2, rate=0.9)[descending_results.TESTS]
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


def test_rivals_are_selected_on_validation_data():
    rows = [
        {"name": name, "model": model, "status": "done", "estimated": False, "lambda2": 1,
         "psnr": psnr, "validation_mse": validation}
        for name, model, psnr, validation in [
            ("a", "sista-rnn", 30.0, 9.0), ("b", "sista-rnn", 20.0, 8.0),
            ("c", "lstm", 30.0, 9.0), ("d", "lstm", 20.0, 8.0)]
    ]  # fmt: skip
    assert [rival["name"] for rival in image_analysis.rivals(pd.DataFrame(rows))] == ["b", "d"]


def columns_of(seeds, updates, db, speed=2.0, seconds=1.0):
    """Return stored trainings of three networks: SISTA-RNN leads by ``db`` at the end.

    Its error falls ``speed`` times as fast per update, and its updates take ``seconds`` as long.
    """
    runs, curves, pictures = [], [], []
    for model, gain, factor, duration in (("sista-rnn", db, speed, seconds), ("lstm", 0, 1, 1),
                                      ("srnn", 0, 1, 1)):  # fmt: skip
        for seed in range(seeds):
            trial = f"{model} {seed}"
            shift = 1 + 0.005 * seed * (model == "sista-rnn")
            runs.append({"trial": trial, "model": model, "source": "caltech", "status": "done",
                         "seed": seed, "epochs": 9, "updates": updates, "parameters": 1,
                         "validation_mse": 1.0, "psnr": 20.0, "train": 1584, "batch": 50,
                         "seconds": 1.0})  # fmt: skip
            for k in range(101):
                error = 1000 * 10 ** (-gain / 10 * (k == 100)) * 0.97 ** (k * factor * shift)
                curves.append({"trial": trial, "updates": k, "seconds": k * duration,
                               "validation_mse": error})  # fmt: skip
            for picture in range(20):
                error = 100 * (1 + picture / 20) * 10 ** (-(gain + 0.001 * seed * gain) / 10)
                pictures.append({"trial": trial, "picture": picture, "mse": error})
    frames = (pd.DataFrame(rows) for rows in (runs, curves, pictures))
    return dict(zip((columns.RUNS, columns.CURVES, columns.PICTURES), frames, strict=True))


@pytest.fixture
def trained(monkeypatch):
    def put(change=lambda runs: runs, **numbers):
        tables = columns_of(**numbers)
        tables[columns.RUNS] = change(tables[columns.RUNS])
        monkeypatch.setattr(columns, "stored_rows", lambda name, source="caltech": tables[name])

    return put


@pytest.mark.parametrize(
    ("seeds", "updates", "db", "word"),
    [(1, 1920, 1.0, "confirmed so far"), (1, 1920, -1.0, "not tested"),
     (1, 49_024, 1.0, "confirmed so far"), (1, 49_024, -1.0, "not tested"),
     (3, 1920, 1.0, "confirmed so far"), (3, 1920, -1.0, "not tested")],
)  # fmt: skip
def test_short_trainings_or_one_seed_can_show_a_lead_and_not_refute_it(
    trained, seeds, updates, db, word
):
    trained(seeds=seeds, updates=updates, db=db, speed=1 + 0.1 * np.sign(db))
    assert related_rules.sista_is_better().word == word


@pytest.mark.parametrize(
    ("seeds", "updates", "speed", "seconds", "word"),
    [(3, 49_024, 2.0, 1.0, "confirmed"), (3, 49_024, 0.5, 1.0, "refuted"),
     (3, 49_024, 2.0, 3.0, "conditional"), (1, 1920, 2.0, 1.0, "confirmed so far"),
     (1, 1920, 0.5, 1.0, "not tested")],
)  # fmt: skip
def test_long_trainings_decide_by_updates_and_by_seconds(
    trained, seeds, updates, speed, seconds, word
):
    """In the third case half the updates suffice, but each takes three times as long."""
    trained(seeds=seeds, updates=updates, db=1.0, speed=speed, seconds=seconds)
    judgement = related_rules.sista_trains_faster()
    assert judgement.word == word
    assert seeds < 3 or "corrected by Holm's method" in judgement.because


@pytest.mark.parametrize(("db", "word"), [(2.0, "confirmed"), (-2.0, "refuted")])
def test_better_means_after_equal_updates_and_after_equal_seconds(trained, db, word):
    trained(seeds=3, updates=49_024, db=db, speed=1 + 0.2 * np.sign(db))
    judgement = related_rules.sista_is_better()
    assert judgement.word == word and judgement.all == 4


def test_better_after_equal_updates_but_not_seconds_is_conditional(trained):
    trained(seeds=3, updates=49_024, db=2.0, speed=1.2, seconds=4.0)
    assert related_rules.sista_is_better().word == "conditional"


def test_the_text_names_the_rival_that_was_compared(trained):
    for rival, rule in (("LSTM", "model != 'gru'"), ("sRNN", "model != 'lstm'")):
        trained(lambda runs, rule=rule: runs.query(rule), seeds=1, updates=1920, db=1.0)
        assert f"than the {rival}" in related_rules.sista_trains_faster().because


@pytest.mark.parametrize("stored", ["model != 'sista-rnn'", "model == 'sista-rnn'", "seed > 9"])
def test_without_both_networks_nothing_is_tested(trained, stored):
    trained(lambda runs: runs.query(stored), seeds=3, updates=49_024, db=1.0)
    for rule in (related_rules.sista_trains_faster, related_rules.sista_is_better):
        assert rule().word == "not tested"


def test_a_level_that_one_network_does_not_reach_counts_against_it_only():
    falling = pd.DataFrame({"updates": [0, 8, 16], "validation_mse": [16.0, 4.0, 1.0]})
    flat = falling.assign(validation_mse=[16.0, 15.0, 14.0])
    for curves, expected in (((falling, flat), 1.0), ((flat, falling), -1.0)):
        pair = sista_comparisons.Pair({}, {}, curves)
        assert sista_comparisons.speed_gain(pair, "1/4", "updates") == pytest.approx(expected)
    slow = falling.assign(updates=[0, 80, 160])
    for curves in ((flat, flat), (flat, slow)):
        pair = sista_comparisons.Pair({}, {}, curves)
        assert np.isnan(sista_comparisons.speed_gain(pair, "1/5", "updates"))


def test_equal_length_is_the_longest_that_both_have(trained):
    def longer(runs):
        long = runs[runs["model"] == "sista-rnn"].assign(epochs=99, trial="long")
        return pd.concat([runs, long])

    trained(longer, seeds=1, updates=1920, db=1.0)
    (pair,) = sista_comparisons.pairs("lstm")
    assert pair.ours["trial"] == "sista-rnn 0" and pair.theirs["trial"] == "lstm 0"
    assert set(image_analysis.comparable()["epochs"]) == {9}
    networks = image_analysis.rivals(image_analysis.comparable())
    assert [row["trial"] for row in networks] == ["sista-rnn 0", "lstm 0"]


def lista_of(rate, gain, seeds=3):
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
    tables = lista_of(rate, gain, seeds)
    monkeypatch.setattr(lista_runs, "stored_rows", lambda name=lista_runs.TRIALS: tables[name])
    descends = related_rules.constrained_lista_descends()
    robust = related_rules.constrained_lista_is_robust()
    assert (descends.word, robust.word) == words
    assert "Tests: 18, corrected by Holm's method" in robust.because
    assert all("of the 310,000 steps" in judgement.because for judgement in (descends, robust))


@pytest.mark.parametrize("name", ["constrained_lista_descends", "constrained_lista_is_robust"])
def test_without_stored_lista_nothing_is_tested(name, monkeypatch, tmp_path):
    monkeypatch.setattr(results_table, "RESULTS", tmp_path)
    judgement = getattr(related_rules, name)()
    assert judgement.word == "not tested" and not judgement.ran


def test_a_page_has_its_own_claims_of_related_papers():
    page = "notebooks/20_lista_that_descends"
    table = related_rules.summary(page)
    assert set(table["page"]) == {page} and "lista-layers-descend" in set(table["id"])
    assert len(table) < len(related_rules.summary())
