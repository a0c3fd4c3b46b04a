"""Effects of ablations and of width: any subset of runs gives a table and a figure."""

import dataclasses
import itertools

import numpy as np
import pandas as pd
import pytest
from test_experiment_rules import LESS, PAIRS, run, starts

from companion.plots import effect_plots
from companion.reproduction import ablation_effects
from companion.run_set import WIDE, RunSet
from unfolded.runs.grid import STARTS


def evidence(*records):
    return RunSet.of(itertools.chain(*records))


OURS = list(starts("reweighted-rnn", 10.0, hidden=256))


def test_without_runs_every_table_and_figure_is_there():
    found = evidence()
    effects = ablation_effects.summary(found)
    errors = ablation_effects.overfitting(found)
    assert effects.empty and errors.empty and ablation_effects.solutions(found).empty
    assert ablation_effects.description(effects) == "No ablation has run yet."
    assert ablation_effects.finding(effects).startswith("0 of 26 effects have been measured.")
    assert ablation_effects.ratios_by_width(errors) == "no run"
    assert set(ablation_effects.answers(found, "memory").to_numpy().flat) == {"not run"}
    assert (
        ablation_effects.averages_by_width(errors).empty
        and ablation_effects.seed_spread(found).empty
    )
    for fig in (
        effect_plots.forest(effects),
        effect_plots.overfitting(errors),
        effect_plots.lambda_paths(ablation_effects.lambda_curves(found)),
    ):
        assert "not run yet" in [text.get_text() for ax in fig.axes for text in ax.texts]


def test_the_summary_has_the_lead_over_the_best_other_network_and_the_worth_of_parts():
    gru = [run("gru", 30.0, hidden=256, seed=seed, curve=(9.0, 2.0)) for seed in range(3)]
    best = [run("lstm", 40.0, hidden=256, seed=seed, curve=(9.0, 1.0)) for seed in range(3)]
    without = starts("reweighted-rnn", 20.0, hidden=256, memory="off")
    effects = ablation_effects.summary(evidence(OURS, gru, best, without))
    told = effects[["panel", "effect", "initialisation"]].to_numpy().tolist()
    # The other network is selected on validation data, although another has the better test error.
    assert told == [
        [panel, effect, way]
        for way in ablation_effects.INITIALISATIONS
        for panel, effect in (("lead", "as printed, over LSTM"), ("worth", "memory (G)"))
    ]
    assert effects["mean"].tolist() == pytest.approx(
        [10 * np.log10(4), 10 * np.log10(2)] * 2, abs=0.01
    )
    said = ablation_effects.finding(effects)
    assert "The smallest lead is +6.02 dB" in said and "without memory (G)" in said
    fig = effect_plots.forest(effects)
    labels = [label.get_text() for ax in fig.axes for label in ax.get_yticklabels()]
    assert labels == ["as printed, over LSTM", "memory (G)"]


def test_a_setting_that_turns_the_ranking_is_named():
    better = [run("gru", 5.0, hidden=256, seed=seed) for seed in range(3)]
    effects = ablation_effects.summary(evidence(OURS, better))
    assert "behind: as printed, over GRU." in ablation_effects.finding(effects)


def test_answers_hold_the_value_the_gain_and_what_did_not_train():
    less = {"hidden": 256, "model": "reweighted-rnn"} | LESS["Z"]
    table = ablation_effects.answers(evidence(OURS, starts(mse=20.0, **less)), "what is reweighted")
    assert list(table.index) == [
        f"reweighted-RNN, {way}" for way in ablation_effects.INITIALISATIONS
    ]
    row = table.iloc[0]
    assert row["Z and g"].startswith("38.13") and row["g alone"] == "not run"
    assert "(−3.0" in row["Z alone"]
    failed = [run("fastrnn", 2000.0, psnr=16.6, hidden=256)]
    table = ablation_effects.answers(evidence(failed), "scale of the pixels")
    assert table.at["FastRNN", "authors"] == "16.60 (did not train)"
    narrow = [run("gru", 9.0, hidden=128), run("gru", 8.0, hidden=128, protocol="normalised")]
    assert "GRU, h = 128" in ablation_effects.answers(evidence(narrow), "scale of the pixels").index


def test_filters_are_compared_without_a_difference():
    pair = [run("gru", 20.0, hidden=256, reduction=how) for how in ("area", "bilinear")]
    table = ablation_effects.answers(evidence(pair), "downsampling filter")
    assert table.at["GRU", "bilinear"] == "35.12"
    assert "reweighted-RNN, from 0.003, 0.02" in table.index


def test_both_solutions_are_compared_where_nothing_else_differs():
    first = starts("reweighted-rnn", 10.0, pairs=PAIRS[:1], hidden=256)
    second = starts("reweighted-rnn", 20.0, pairs=PAIRS[1:], hidden=256)
    alone = starts("reweighted-rnn", 20.0, pairs=PAIRS[1:], hidden=512)
    other = starts("reweighted-rnn", 20.0, hidden=256, schedule="pytorch")
    table = ablation_effects.solutions(evidence(first, second, alone, other))
    assert table[["model", "hidden", "seeds"]].to_numpy().tolist() == [["reweighted-rnn", 256, 3]]
    assert table["difference"].item() == pytest.approx(-10 * np.log10(2), abs=0.01)


def test_overfitting_is_test_over_training_error_of_one_filter():
    wide = [run("reweighted-rnn", 30.0, hidden=512, curve=(9.0, 2.0, 4.0))]
    narrow = [run("reweighted-rnn", 12.0, hidden=128, curve=(9.0, 10.0))]
    elsewhere = [
        run("reweighted-rnn", 1.0, hidden=256, **change)
        for change in ({"reduction": "bilinear"}, {"cs_rate": 0.3}, {"profile": "short"})
    ]
    errors = ablation_effects.overfitting(evidence(wide, narrow, elsewhere))
    assert errors["hidden"].tolist() == [128, 512]
    expected = [1.2, 7.5]
    mse = [np.mean(one.sequence_mse) for one in (*narrow, *wide)]
    errors = errors.assign(ratio=np.array(mse) / errors["train_mse"], parameters=[10, 40])
    assert errors["ratio"].tolist() == pytest.approx(expected, rel=0.01)
    assert errors["late"].tolist() == [10 / 9, 2.0] and errors["least_epoch"].tolist() == [1, 2]
    assert ablation_effects.averages_by_width(errors)["initial λ"].tolist() == ["1, 0.01"] * 2
    assert "at h = 512" in ablation_effects.ratios_by_width(errors)
    assert len(effect_plots.overfitting(errors).axes) == 2


def test_seeds_spread():
    two = [run("gru", mse, hidden=256, seed=seed) for seed, mse in enumerate((10.0, 20.0))]
    table = ablation_effects.seed_spread(evidence(two))
    assert table.loc["GRU, h = 256", "range (dB)"] == pytest.approx(10 * np.log10(2))


def test_paths_are_drawn_for_each_initialisation_that_ran():
    curve = {"lambda1": [1.0, 2.0], "lambda2": [0.1, 0.01]}
    records = []
    for pair in PAIRS:
        (one,) = starts("reweighted-rnn", 10.0, pairs=[pair], hidden=WIDE.hidden, seeds=(0,))
        records.append(
            dataclasses.replace(one, curves=one.curves | {k: [*v, 1.0] for k, v in curve.items()})
        )
    paths = ablation_effects.lambda_curves(evidence(records))
    assert list(paths) == ["from 1, 0.01", "from 0.003, 0.02"]
    assert len(effect_plots.lambda_paths(paths).axes[0].lines) == 2
    assert isinstance(paths["from 1, 0.01"], pd.DataFrame) and len(STARTS) == 3
