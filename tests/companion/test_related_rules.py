"""The claims of the papers before and after: each verdict turns when the numbers do."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from companion.claims import related_rules
from companion.run_set import Difference
from companion.studies.descending import descending_results
from companion.studies.descending.layer_constraints import MERITS
from companion.studies.inpainting import inpainting_trials
from companion.studies.sista_images import image_analysis


def made_of(climbs=1.2, held=0.9, lead=0.5):
    """Return tests of one network, three seeds, and the trials that made them."""
    rows, trials = [], []
    for seed in range(3):
        for way in ("as it was", "free", *MERITS):
            ratio = held if way in MERITS else climbs
            trials.append({"way": way, "epsilon": 0.1 if way in MERITS else None})
            for what in ("nothing", "noise"):
                score = 20 + seed + (lead + 0.01 * seed) * (way in MERITS and what != "nothing")
                for layer in (0, 1):
                    one = {"model": "net", "way": way, "seed": seed, "what": what, "level": 0.1}
                    merits = dict.fromkeys(MERITS, ratio**layer)
                    rows.append(one | {"layer": layer, "psnr_authors": score} | merits)
    return {
        descending_results.TESTS: pd.DataFrame(rows),
        descending_results.TRIALS: pd.DataFrame(trials),
    }


def flow_of(lead):
    """Return tests of GLOW-Prox, plain and held."""
    names = {"plain": 0.0, inpainting_trials.Trial(0.2).name: lead}
    rows = [
        {"network": name, "seed": seed, "what": "noise", "level": 1.0, "layer": 4,
         "psnr": 20 + seed + more * (1 + 0.01 * seed)}
        for name, more in names.items() for seed in range(3)
    ]  # fmt: skip
    return pd.DataFrame(rows)


@pytest.fixture
def stored(monkeypatch):
    def put(flow=0.5, **numbers):
        tables = made_of(**numbers)
        monkeypatch.setattr(
            descending_results, "kept", lambda name=descending_results.TESTS: tables[name]
        )
        monkeypatch.setattr(inpainting_trials, "kept", lambda: flow_of(flow))

    return put


@pytest.mark.parametrize(("climbs", "word"), [(1.2, "confirmed"), (0.9, "refuted")])
def test_layers_climb_where_a_mean_rises(stored, climbs, word):
    stored(climbs=climbs)
    judged = related_rules.plain_layers_climb()
    assert judged.word == word and f"net {climbs:.2f}" in judged.because


@pytest.mark.parametrize(
    ("held", "word"), [(0.9, "confirmed"), (0.91, "confirmed"), (0.95, "refuted")]
)
def test_held_layers_descend_as_far_as_asked(stored, held, word):
    stored(held=held)
    assert related_rules.constrained_layers_descend().word == word


@pytest.mark.parametrize(
    ("flow", "word"), [(0.5, "confirmed"), (-0.5, "refuted"), (0.0, "not tested")]
)
def test_robust_is_who_is_better_where_the_authors_tried_it(stored, flow, word):
    stored(flow=flow, lead=0.5)
    judged = related_rules.constrained_networks_are_robust()
    assert judged.word == word and "better in 3" in judged.because.partition("sequences")[2]


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


def test_rivals_are_selected_on_validation_data():
    rows = [
        {"name": name, "model": model, "status": "done", "estimated": False, "lambda2": 1,
         "psnr": psnr, "validation_mse": validation}
        for name, model, psnr, validation in [
            ("a", "sista-rnn", 30.0, 9.0), ("b", "sista-rnn", 20.0, 8.0),
            ("c", "lstm", 30.0, 9.0), ("d", "lstm", 20.0, 8.0)]
    ]  # fmt: skip
    assert [each["name"] for each in image_analysis.rivals(pd.DataFrame(rows))] == ["b", "d"]


@pytest.mark.parametrize(("low", "word"), [(0.1, "confirmed so far"), (-1.0, "not tested")])
def test_short_trainings_can_show_a_lead_and_not_refute_it(monkeypatch, low, word):
    gap = Difference(mean=low + 0.1, low=low, high=low + 0.2, seeds=1, sequences=9)
    monkeypatch.setattr(image_analysis, "lead", lambda *_: gap)
    assert related_rules.sista_is_better().word == word


@pytest.mark.parametrize(("share", "word"), [(0.5, "confirmed so far"), (2.0, "not tested")])
def test_faster_is_sooner_at_some_level(monkeypatch, share, word):
    sista, lstm = image_analysis.rivals(image_analysis.stored())
    seconds = {("seconds", f"1/{k}"): [share * k, k] for k in (2, 3, 4, 5)}
    times = pd.DataFrame(seconds, index=[sista["name"], lstm["name"]])
    monkeypatch.setattr(image_analysis, "times", lambda *_: times)
    assert related_rules.sista_trains_faster().word == word
