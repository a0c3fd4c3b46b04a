"""Effects of ablations and of width: any subset of runs gives a table and a figure."""

import dataclasses

import numpy as np
import pytest
from synthetic_runs import LESS, PAIRS, evidence, run, starts

from companion.plots import effect_plots
from companion.reproduction import ablation_effects, ablation_tables
from companion.run_set import WIDE
from companion.statistics import decibel
from unfolded.runs.grid import STARTS

OURS = list(starts("reweighted-rnn", 10.0, hidden=256))


def test_every_table_and_figure_exists_without_runs():
    runs = evidence()
    effects = ablation_effects.summary(runs)
    assert effects.empty and ablation_tables.solutions(runs).empty
    assert ablation_effects.description(effects) == "No ablation has run yet."
    assert ablation_effects.finding(effects) == "No ablation has run yet."
    levels = ablation_effects.scale_levels(runs)
    assert levels.empty and "has not run" in ablation_effects.describe_scales(levels)
    assert "has not run" in ablation_effects.describe_negative_lambda2(runs)
    assert set(ablation_tables.parts(runs).to_numpy().flat) == {"not run"}
    assert ablation_tables.readable_solutions(ablation_tables.solutions(runs)).empty
    assert set(ablation_tables.answers(runs, "memory").to_numpy().flat) == {"not run"}
    assert ablation_tables.seed_spread(runs).empty
    for fig in (
        effect_plots.forest(effects),
        effect_plots.pixel_scales(levels),
        effect_plots.lambda_paths(ablation_effects.lambda_curves(runs)),
    ):
        assert "not run" in [text.get_text() for ax in fig.axes for text in ax.texts]


def test_the_summary_states_the_lead_and_the_effect_of_each_part():
    gru = [run("gru", 30.0, hidden=256, seed=seed, curve=(9.0, 2.0)) for seed in range(3)]
    best = [run("lstm", 40.0, hidden=256, seed=seed, curve=(9.0, 1.0)) for seed in range(3)]
    without = starts("reweighted-rnn", 20.0, hidden=256, memory="off")
    effects = ablation_effects.summary(evidence(OURS, gru, best, without))
    columns = ["panel", "effect", "initialisation", "evidence", "over"]
    # The other network is selected on validation data, although another has the better test error.
    assert effects[columns].to_numpy().tolist() == [
        [panel, effect, way, "h = 256", reference]
        for panel, effect, reference in (
            ("lead", "as in the paper", "LSTM"),
            ("worth", "memory (G = 0)", "reweighted-RNN"),
        )
        for way in ablation_effects.INITIALISATIONS
    ]
    assert effects["mean"].tolist() == pytest.approx(
        np.repeat(10 * np.log10([4, 2]), 2).tolist(), abs=0.01
    )
    assert ablation_effects.finding(effects) == (
        "The lead of reweighted-RNN over the best other network is +6.02 dB (as in the paper). "
        "0 of 4 values in the figure have fewer than 3 seeds."
    )
    fig = effect_plots.forest(effects)
    labels = [label.get_text() for ax in fig.axes for label in ax.get_yticklabels()]
    assert labels == ["as in the paper", "memory (G = 0)"]
    assert "LSTM, h = 256, 3 seeds" in [text.get_text() for text in fig.axes[0].texts]


def test_the_summary_names_a_setting_that_changes_the_ranking():
    better = [run("gru", 5.0, hidden=256, seed=seed) for seed in range(3)]
    effects = ablation_effects.summary(evidence(OURS, better))
    limits = "(as in the paper; only GRU has run; GRU has the higher PSNR)"
    assert f"is −3.01 dB {limits}." in ablation_effects.finding(effects)


def test_an_effect_without_runs_at_full_scale_is_preliminary():
    small = {"hidden": 128, "reduction": "bilinear", "profile": "short"}
    short = [
        run("reweighted-rnn", 10.0, **small),
        run("reweighted-rnn", 20.0, memory="off", **small),
    ]
    effects = ablation_effects.summary(evidence(short))
    assert set(effects["evidence"]) == {ablation_effects.PRELIMINARY}
    sentence = ablation_effects.finding(effects)
    assert sentence == "1 of 1 values in the figure have fewer than 3 seeds."
    better = evidence([*short, run("gru", 9.0, **small)])
    assert "; short runs; " in ablation_effects.finding(ablation_effects.summary(better))


def test_neither_of_two_compared_runs_has_a_larger_search_of_the_initial_weights():
    ours = [
        run("reweighted-rnn", 10.0, hidden=256, lambda1=1.0, lambda2=0.01, curve=(9.0, 2.0)),
        run("reweighted-rnn", 5.0, hidden=256, lambda1=3.0, lambda2=2.0, curve=(9.0, 1.0)),
    ]
    competitor = [run("l1-l1-rnn", 20.0, hidden=256, lambda1=1.0, lambda2=0.01)]
    effects = ablation_effects.summary(evidence(ours, competitor)).set_index("effect")
    assert effects.at["as in the paper", "mean"] == pytest.approx(10 * np.log10(2), abs=0.01)


def test_pixel_scales_compare_runs_from_one_initialisation():
    first = {"hidden": 256, "lambda1": 1.0, "lambda2": 0.01}
    runs = [
        run("reweighted-rnn", 10.0, **first),
        run("reweighted-rnn", 5.0, hidden=256, lambda1=3.0, lambda2=2.0),
        run("reweighted-rnn", 20.0, protocol="normalised", **first),
        run("gru", 30.0, hidden=256),
        run("gru", 9.0, hidden=256, protocol="normalised"),
    ]
    levels = ablation_effects.scale_levels(evidence(runs))
    ours = levels.query("model == 'reweighted-rnn' and size == 'equal width'")["psnr"]
    assert ours.tolist() == pytest.approx(decibel(np.array([10.0, 20.0])).tolist(), abs=0.02)
    sentence = ablation_effects.describe_scales(levels)
    assert "(h = 256; seeds: 1): At equal width, GRU of the 1 other" in sentence
    assert "; not run: ℓ1-ℓ1-RNN, SISTA-RNN, sRNN, LSTM, IndRNN, FastRNN, SpectralRNN." in sentence
    untrained = run("fastrnn", 2000.0, psnr=14.2, hidden=256, protocol="normalised")
    diverged = run("indrnn", 10.0, hidden=256, protocol="normalised")
    diverged = dataclasses.replace(diverged, status="diverged")
    sentence = ablation_effects.describe_scales(
        ablation_effects.scale_levels(evidence([*runs, untrained, diverged]))
    )
    assert "; diverged: IndRNN; did not train: FastRNN; not run: ℓ1-ℓ1-RNN, " in sentence


def test_one_component_is_changed_from_the_same_initialisation():
    runs = [*starts("reweighted-rnn", 10.0, hidden=256),
            *starts("reweighted-rnn", 20.0, hidden=256, memory="off", pairs=PAIRS[1:])]  # fmt: skip
    table = ablation_tables.parts(evidence(runs))
    changed = table.at["reweighted-RNN, λ of the successor paper", "no memory"]
    assert changed.startswith("35.12 ± 0.00 (−3.0")
    # The best initial λ of the default is the other pair, from which no run without memory exists.
    assert table.at["reweighted-RNN, best λ", "no memory"] == "not run"


def test_answers_contain_the_value_the_gain_and_untrained_networks():
    less = {"hidden": 256, "model": "reweighted-rnn"} | LESS["Z"]
    table = ablation_tables.answers(evidence(OURS, starts(mse=20.0, **less)), "what is reweighted")
    assert list(table.index) == [
        f"reweighted-RNN, {way}" for way in ablation_effects.INITIALISATIONS
    ]
    row = table.iloc[0]
    assert row["Z and g"].startswith("38.13") and row["g alone"] == "not run"
    assert "(−3.0" in row["Z alone"]
    failed = [run("fastrnn", 2000.0, psnr=16.6, hidden=256)]
    table = ablation_tables.answers(evidence(failed), "scale of the pixels")
    assert table.at["FastRNN", "authors"] == "16.60 (did not train)"
    narrow = [run("gru", 9.0, hidden=128), run("gru", 8.0, hidden=128, protocol="normalised")]
    assert "GRU, h = 128" in ablation_tables.answers(evidence(narrow), "scale of the pixels").index


def test_filters_are_compared_without_a_difference():
    pair = [run("gru", 20.0, hidden=256, reduction=how) for how in ("area", "bilinear")]
    table = ablation_tables.answers(evidence(pair), "downsampling filter")
    assert table.at["GRU", "bilinear"] == "35.12"
    assert "reweighted-RNN, from (0.003, 0.02)" in table.index


def test_solutions_are_compared_only_where_all_else_is_equal():
    first = starts("reweighted-rnn", 10.0, pairs=PAIRS[:1], hidden=256)
    second = starts("reweighted-rnn", 20.0, pairs=PAIRS[1:], hidden=256)
    alone = starts("reweighted-rnn", 20.0, pairs=PAIRS[1:], hidden=512)
    pytorch_runs = starts("reweighted-rnn", 20.0, hidden=256, schedule="pytorch")
    table = ablation_tables.solutions(evidence(first, second, alone, pytorch_runs))
    assert table[["model", "hidden", "seeds"]].to_numpy().tolist() == [["reweighted-rnn", 256, 3]]
    assert table["difference"].item() == pytest.approx(-10 * np.log10(2), abs=0.01)


def test_the_spread_of_seeds_is_the_range_in_decibels():
    two = [run("gru", mse, hidden=256, seed=seed) for seed, mse in enumerate((10.0, 20.0))]
    table = ablation_tables.seed_spread(evidence(two))
    assert table.loc["GRU, h = 256", "range (dB)"] == pytest.approx(10 * np.log10(2))


@pytest.mark.parametrize("pairs", [PAIRS, tuple(STARTS.values())])
def test_paths_are_drawn_for_each_initialisation_that_ran(pairs):
    curve = {"lambda1": [1.0, 2.0, 1.0], "lambda2": [0.1, 0.01, 1.0]}
    runs = list(starts("reweighted-rnn", 10.0, pairs=pairs, hidden=WIDE.hidden, seeds=(0,)))
    records = [dataclasses.replace(run, curves=run.curves | curve) for run in runs]
    paths = ablation_effects.lambda_curves(evidence(records))
    assert list(paths) == [f"from {first:g}, {second:g}" for first, second in pairs]
    lines = effect_plots.lambda_paths(paths).axes[0].lines
    assert len({line.get_linestyle() for line in lines}) == len(pairs)
