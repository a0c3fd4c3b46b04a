"""The rules for the claims of the SISTA-RNN paper: quality, speed and comparable lengths."""

import numpy as np
import pandas as pd
import pytest

from companion.claims import related_rules, sista_comparisons
from companion.studies.sista_images import image_analysis
from companion.studies.sista_images import image_results as columns


def test_competitors_are_selected_on_validation_data():
    rows = [
        {"name": name, "model": model, "status": "done", "estimated": False, "lambda2": 1,
         "psnr": psnr, "validation_mse": validation}
        for name, model, psnr, validation in [
            ("a", "sista-rnn", 30.0, 9.0), ("b", "sista-rnn", 20.0, 8.0),
            ("c", "lstm", 30.0, 9.0), ("d", "lstm", 20.0, 8.0)]
    ]  # fmt: skip
    assert [rival["name"] for rival in image_analysis.rivals(pd.DataFrame(rows))] == ["b", "d"]


def sista_tables(seeds, updates, db, speed=2.0, seconds=1.0):
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
        tables = sista_tables(**numbers)
        tables[columns.RUNS] = change(tables[columns.RUNS])
        monkeypatch.setattr(columns, "stored_rows", lambda name, source="caltech": tables[name])

    return put


@pytest.mark.parametrize(
    ("seeds", "updates", "db", "word"),
    [(1, 1920, 1.0, "confirmed so far"), (1, 1920, -1.0, "not tested"),
     (1, 49_024, 1.0, "confirmed so far"), (1, 49_024, -1.0, "not tested"),
     (3, 1920, 1.0, "confirmed so far"), (3, 1920, -1.0, "not tested")],
)  # fmt: skip
def test_short_trainings_or_one_seed_can_confirm_and_not_refute_a_lead(
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
def test_a_network_is_better_after_equal_updates_and_after_equal_seconds(trained, db, word):
    trained(seeds=3, updates=49_024, db=db, speed=1 + 0.2 * np.sign(db))
    judgement = related_rules.sista_is_better()
    assert judgement.word == word and judgement.all == 4


def test_better_after_equal_updates_but_not_seconds_is_conditional(trained):
    trained(seeds=3, updates=49_024, db=2.0, speed=1.2, seconds=4.0)
    assert related_rules.sista_is_better().word == "conditional"


def test_the_text_names_the_compared_network(trained):
    for rival, rule in (("LSTM", "model != 'gru'"), ("sRNN", "model != 'lstm'")):
        trained(lambda runs, rule=rule: runs.query(rule), seeds=1, updates=1920, db=1.0)
        assert f"than the {rival}" in related_rules.sista_trains_faster().because


@pytest.mark.parametrize("stored", ["model != 'sista-rnn'", "model == 'sista-rnn'", "seed > 9"])
def test_the_verdict_without_both_networks_is_not_tested(trained, stored):
    trained(lambda runs: runs.query(stored), seeds=3, updates=49_024, db=1.0)
    for rule in (related_rules.sista_trains_faster, related_rules.sista_is_better):
        assert rule().word == "not tested"


def test_a_level_that_one_network_does_not_reach_is_in_favour_of_the_other():
    falling = pd.DataFrame({"updates": [0, 8, 16], "validation_mse": [16.0, 4.0, 1.0]})
    flat = falling.assign(validation_mse=[16.0, 15.0, 14.0])
    for curves, expected in (((falling, flat), 1.0), ((flat, falling), -1.0)):
        pair = sista_comparisons.Pair({}, {}, curves)
        assert sista_comparisons.speed_gain(pair, "1/4", "updates") == pytest.approx(expected)
    slow = falling.assign(updates=[0, 80, 160])
    for curves in ((flat, flat), (flat, slow)):
        pair = sista_comparisons.Pair({}, {}, curves)
        assert np.isnan(sista_comparisons.speed_gain(pair, "1/5", "updates"))


def test_trainings_are_compared_at_their_greatest_common_length(trained):
    def longer(runs):
        long = runs[runs["model"] == "sista-rnn"].assign(epochs=99, trial="long")
        return pd.concat([runs, long])

    trained(longer, seeds=1, updates=1920, db=1.0)
    (pair,) = sista_comparisons.pairs("lstm")
    assert pair.ours["trial"] == "sista-rnn 0" and pair.theirs["trial"] == "lstm 0"
    assert set(image_analysis.comparable()["epochs"]) == {9}
    networks = image_analysis.rivals(image_analysis.comparable())
    assert [row["trial"] for row in networks] == ["sista-rnn 0", "lstm 0"]
