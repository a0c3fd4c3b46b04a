"""The page that identifies the published experiment: its tables, sentences, figures and facts."""

from dataclasses import asdict, replace

import pandas as pd
import pytest
from matplotlib.figure import Figure

from companion import attribution, results
from companion.plots import identification_plots
from companion.reproduction import (
    identification,
    identification_display,
    lambda_search,
    log_comparison,
)
from companion.reproduction.identification import AT, hypotheses, runs_by_filter
from companion.reproduction.identification_display import open_differences
from companion.reproduction.log_comparison import compare_with_log
from companion.run_set import RunSet
from unfolded.runs import grid, named_grids
from unfolded.runs.records import COLUMNS

SUCCESSOR = {"lambda1": 0.003, "lambda2": 0.02}


def run(psnr, model="gru", **fields):
    return row(replace(AT, **{"model": model, "depth": None, "reduction": "area"} | fields), psnr)


def row(config, psnr):
    levels = {f"psnr_{how}": psnr for how in ("authors", "sequence", "global")}
    facts = {"status": "done", "psnr_frame": psnr + 1, "config_hash": config.hash}
    facts |= {"learned_lambda1": 2.0, "learned_lambda2": 0.5}
    return dict.fromkeys(COLUMNS) | asdict(config) | levels | facts


def evidence(*rows):
    return RunSet(pd.DataFrame(rows, columns=COLUMNS), {}, {})


SOME = evidence(
    run(20.5, reduction="bilinear"),
    run(23.5),
    run(23.7, seed=1),
    run(27.0, "l1-l1-rnn"),
    run(24.0, "l1-l1-rnn", **SUCCESSOR),
    run(20.0, "sista-rnn", profile="short", reduction="bilinear"),
    run(20.5, "sista-rnn", profile="short", reduction="bilinear", **SUCCESSOR),
    run(30.0, "reweighted-rnn"),
    run(20.0, "srnn", profile="short"),
    run(25.0, "srnn", profile="short", protocol="normalised"),
)


def test_each_filter_and_initialisation_with_runs_has_a_row_next_to_the_paper():
    cells = runs_by_filter(SOME).set_index(["model", "reduction", "start"])
    assert len(cells) == 5
    gru = cells.loc["gru", "area", ""]
    assert (gru["ours"], gru["low"], gru["high"], gru["seeds"]) == (23.6, 23.5, 23.7, 2)
    assert gru["printed"] == 23.55 and gru["difference"] == pytest.approx(0.05)
    assert set(cells.loc["l1-l1-rnn"].index.get_level_values("start")) == {
        "earlier code",
        "successor",
    }
    assert cells["learned_lambda1"].eq(2).all()


def test_stored_runs_are_those_that_finished():
    runs = results.load_table()
    run_set = identification.stored_runs()
    assert len(run_set.runs) == runs["status"].eq("done").sum() and not run_set.errors


def test_an_effect_is_a_difference_of_runs_and_names_these_runs():
    table = hypotheses(SOME)
    filters = table.loc["area frames"]
    assert filters["gru"] == "+3.00" and filters["l1-l1-rnn"] == "not run"
    start = table.loc["initial λ (0.003, 0.02)"]
    assert start["l1-l1-rnn"] == "−3.00" and start["sista-rnn"] == "+0.50°*"
    assert start["gru"] == "–" and start["reweighted-rnn"] == "not run"
    assert table.loc["pixels in [0, 1]", "srnn"] == "+5.00*"
    assert table.loc["PSNR by frame", "gru"] == "+1.00 (2)"
    assert set(table.loc["loss averaged"]) == {"not run"}
    assert table.loc["IndRNN: variant ones", "gru"] == "–"
    assert table.loc["paper − ours, bilinear", "gru"] == "+3.05"
    assert table.loc["paper − ours, area†", "l1-l1-rnn"] == "−0.10"


def test_differences_that_remain_are_listed_for_each_setting_and_width():
    cells = runs_by_filter(SOME)
    table = open_differences(cells)
    assert list(table.columns) == ["h = 128 (dB)"]
    assert list(table.index) == ["reweighted-RNN, λ from (1, 0.01)",
                                 "ℓ1-ℓ1-RNN, λ from (1, 0.01)",
                                 "ℓ1-ℓ1-RNN, λ from (0.003, 0.02)", "GRU"]  # fmt: skip
    assert table["h = 128 (dB)"].tolist() == ["+1.91 (1)", "+3.10 (1)", "+0.10 ≈ (1)",
                                              "+0.05 ≈ (2)"]  # fmt: skip
    text = identification_display.describe_open_differences(table)
    assert "from one setting: ℓ1-ℓ1-RNN, GRU." in text and "every width: reweighted-RNN." in text
    cells_256 = cells.assign(difference=3.1 - cells["difference"])
    cells_256.attrs["hidden"] = 256
    text = identification_display.describe_open_differences(open_differences(cells, cells_256))
    assert "not from one initial λ: ℓ1-ℓ1-RNN." in text
    assert open_differences(runs_by_filter(evidence())).empty


def test_a_run_without_a_result_is_listed_as_diverged():
    failed = evidence(*(run(0.0, model) for model in ("sista-rnn", "lstm"))).runs
    table = open_differences(runs_by_filter(replace(SOME, failed=failed)))
    assert table.at["SISTA-RNN, λ from (1, 0.01)", "h = 128 (dB)"] == "diverged"
    assert table.at["LSTM", "h = 128 (dB)"] == "diverged"
    effects = hypotheses(replace(SOME, failed=failed))
    assert effects.at["paper − ours, area", "lstm"] == "diverged"
    assert effects.at["paper − ours, bilinear", "lstm"] == "not run"


def test_an_effect_states_the_number_of_seeds_that_trained_with_both_settings():
    usual = [run(23.0, "gru", seed=seed) for seed in range(3)]
    changed = [run(24.0, "gru", seed=seed, schedule="pytorch") for seed in range(3)]
    subset = evidence(*usual, *changed[:1], run(16.6, "gru", seed=1, schedule="pytorch"))
    diverged = replace(subset, failed=evidence(changed[2]).runs)
    text = {"all": evidence(*usual, *changed), "trained": subset, "some": diverged}
    text = {name: hypotheses(runs).at["PyTorch's schedule", "gru"] for name, runs in text.items()}
    assert text == {"all": "+1.00 (3)", "trained": "+1.00 (1 of 2)", "some": "+1.00 (1 of 3)"}
    none = replace(evidence(*usual), failed=evidence(*changed).runs)
    assert hypotheses(none).at["PyTorch's schedule", "gru"] == "diverged"
    none = replace(evidence(*changed), failed=evidence(*usual).runs)
    assert hypotheses(none).at["PyTorch's schedule", "gru"] == "reference diverged"


def test_a_network_that_did_not_train_has_no_difference():
    fastrnn = evidence(run(16.6, "fastrnn", source="mnist"), run(23.5, source="mnist"))
    cells = runs_by_filter(fastrnn)
    assert cells["untrained"].tolist() == [False, True]
    row = identification_display.decisive_runs(cells).loc["FastRNN"]
    assert row["area frames (dB)"] == "16.60 (did not train)"
    assert row["area − the paper (dB)"] == "–"
    assert open_differences(cells).at["FastRNN", "h = 128 (dB)"] == "did not train"
    assert hypotheses(fastrnn).at["paper − ours, area", "fastrnn"] == "did not train"


def test_the_finding_names_the_filter_that_agrees_best():
    levels = pd.Series({"bilinear": 20.0, "area": 23.5})
    cells = runs_by_filter(SOME)
    far = identification.distances(cells, levels)
    assert far["area"] == pytest.approx(0.4) and far["bilinear"] == pytest.approx(3.9)
    text = identification_display.finding(cells, levels)
    assert "closest to `area` frames" in text and "0.40 dB" in text and "at least 3.90 dB" in text
    assert "2 of our 3 networks are within 0.5 dB" in text and "seeds of each run: 1 to 2" in text


def test_the_finding_counts_the_networks_from_the_same_initialisation():
    rows = [run(23.9, "sista-rnn", **SUCCESSOR), run(20.0, "sista-rnn")]
    rows += [run(23.9, "l1-l1-rnn"), run(20.0, "l1-l1-rnn", **SUCCESSOR), run(23.5, "gru")]
    levels = pd.Series({"bilinear": 20.0, "area": 23.5})
    text = identification_display.finding(runs_by_filter(evidence(*rows)), levels)
    assert "3 of our 3 networks" in text and "from the same one, 2;" in text


def test_the_decisive_runs_have_a_row_for_each_network_and_initialisation():
    table = identification_display.decisive_runs(runs_by_filter(SOME))
    gru = table.loc["GRU"]
    assert gru["bilinear frames (dB)"] == "20.50" and gru["area frames (dB)"] == "23.60"
    assert gru["area − the paper (dB)"] == "+0.05" and gru["seeds (area)"] == "2"
    row = table.loc["ℓ1-ℓ1-RNN, λ from (0.003, 0.02)"]
    assert row["bilinear frames (dB)"] == "not run" and row["area − the paper (dB)"] == "+0.10"


def test_the_effect_of_each_initialisation_is_listed():
    cells = runs_by_filter(SOME).query("start != ''")
    table = identification_display.solutions({128: cells})
    assert len(table) == len(cells) and set(table["final λ1, λ2"]) == {"2, 0.5"}
    text = identification_display.describe_starts(cells)
    assert "27.00 dB from (1, 0.01), 24.00 dB from (0.003, 0.02)" in text and "GRU" not in text


def test_an_effect_known_from_the_other_initialisation_only_is_marked():
    changed = run(24.2, "sista-rnn", schedule="pytorch", **SUCCESSOR)
    runs = evidence(run(24.0, "sista-rnn", **SUCCESSOR), changed)
    row = hypotheses(runs).loc["PyTorch's schedule"]
    assert row["sista-rnn"] == "+0.20†"


def test_a_variant_has_a_row_and_does_not_count_as_agreement():
    rows = [run(16.6, "fastrnn", source="mnist"), run(23.8, "fastrnn", variant="scaled")]
    cells = runs_by_filter(evidence(*rows))
    assert cells["start"].tolist() == ["", "variant scaled"]
    assert identification_display.decisive_runs(cells).index.tolist() == [
        "FastRNN",
        "FastRNN, variant scaled",
    ]
    levels = pd.Series({"bilinear": 20.0, "area": 23.5})
    text = identification_display.finding(cells, levels)
    assert "0 of our 1 networks" in text
    assert text.endswith("are also within this distance: FastRNN (variant scaled).")
    default = cells[cells["start"] == ""]
    default.attrs = cells.attrs
    assert "variants" not in identification_display.finding(default, levels)
    assert "from one setting: FastRNN." in identification_display.describe_open_differences(
        open_differences(cells)
    )


def test_seeds_that_did_not_train_are_excluded_and_counted():
    scaled = {"model": "fastrnn", "variant": "scaled", "source": "mnist"}
    rows = [run(20.3, **scaled), run(16.6, seed=1, **scaled), run(16.6, "fastrnn", source="mnist")]
    cells = runs_by_filter(evidence(*rows))
    variant = cells.set_index("start").loc["variant scaled"]
    assert variant[["ours", "seeds", "excluded", "untrained"]].tolist() == [20.3, 1, 1, False]
    assert "(1 of 2)" in open_differences(cells).loc["FastRNN, variant scaled"].item()
    effect = hypotheses(evidence(*rows)).at["FastRNN: variant scaled", "fastrnn"]
    assert effect == "+3.70"


def test_sentences_on_filters_solutions_and_leads_follow_from_the_runs():
    cells = runs_by_filter(SOME)
    text = identification_display.describe_filters(cells, {"bilinear": 20.0, "area": 23.5})
    assert "−3.05 dB with `bilinear` frames (1 network, linear level 20.00 dB)" in text
    unfolded = cells.query("start in ('earlier code', 'successor')")
    text = identification_display.describe_solutions({128: unfolded}, 23.76)
    assert "From (0.003, 0.02), λ1 increases in 1 and λ2 in 1 of 1 case." in text
    assert "In 1 of the 1 cases with several pairs" in text
    assert "no initial λ" in identification_display.describe_lead(unfolded), "SISTA-RNN has not run"
    runs = [
        run(26.0, "sista-rnn"),
        run(26.5, "sista-rnn", **SUCCESSOR),
        *SOME.runs.to_dict("records"),
    ]
    unfolded = runs_by_filter(evidence(*runs)).query("reduction == 'area' and start != ''")
    text = identification_display.describe_lead(unfolded)
    assert "is +3.00 dB from (1, 0.01) (1 seed); in the paper it is +4.19 dB" in text


def test_the_linear_level_increases_with_the_rate_and_with_a_smoother_filter():
    by_rate, by_n = identification.linear_levels(), log_comparison.levels_by_n()
    for table in (by_rate, by_n):
        assert (table.diff(axis=1).iloc[:, 1:] > 0).all(axis=None)
        assert (table.diff().iloc[1:] > 0).all(axis=None)
    assert list(by_rate.columns) == [0.1, 0.2, 0.3, 0.4, 0.5]
    assert list(by_n.columns) == [51, 64, 85, 102, 128]
    assert log_comparison.variances().is_monotonic_decreasing


def test_figures_have_a_source():
    cells, levels = runs_by_filter(SOME), identification.linear_levels()
    logs = {name: compare_with_log(name, 50) for name in ("l1-l1-rnn", "sista-rnn")}
    unfolded = cells.query("start != ''")
    figures = [
        identification_plots.values_by_filter(cells, levels[0.2]),
        identification_plots.levels_by_rate(levels, results.paper_cells().query("table == 1")),
        identification_plots.replays(logs),
        identification_plots.plateaus(log_comparison.stored_logs(), {51: 23.0, 128: 40.0}),
        identification_plots.solutions({128: unfolded, 256: unfolded.iloc[:1]}),
    ]
    for figure in figures:
        assert isinstance(figure, Figure) and attribution.of(figure).files
    assert len(figures[0].axes[0].get_yticks()) == cells["model"].nunique()
    assert len(figures[3].axes[0].texts) == 1


# The repeated search over the initial λ1, λ2 ----------------------------------------------------


CONFIGS = named_grids.search(replace(AT, profile="short"))


def test_validation_selects_the_draw_and_the_test_set_does_not():
    # The test PSNR increases with λ1, the validation PSNR decreases.
    runs = evidence(*(row(config, 30 + config.lambda1) for config in CONFIGS))
    errors = {config.hash: [900.0, 100 + config.lambda1] for config in CONFIGS}

    def curves(name):
        return pd.DataFrame({"validation_mse": errors[name]})

    table = lambda_search.draws(runs, curves=curves)
    least = min(config.lambda1 for config in CONFIGS)
    selected = table[table["selected"]]
    assert list(selected["model"]) == list(dict.fromkeys(config.model for config in CONFIGS))
    assert set(selected["lambda1"]) == {least}
    assert table["test"].idxmax() not in selected.index
    assert selected["validation"].iloc[0] == pytest.approx(28.13, abs=0.01)  # MSE 100, peak 255


def test_the_stored_search_is_complete_and_its_figure_shows_every_draw():
    table = lambda_search.draws(identification.stored_runs())
    assert len(table) == len(CONFIGS) and table.groupby("model")["selected"].sum().eq(1).all()
    fig = identification_plots.search(table)
    assert isinstance(fig, Figure)
    assert sum(len(ax.lines) for ax in fig.axes) == len(table)


def test_the_tables_use_the_draw_that_validation_data_select_for_every_network():
    table = lambda_search.draws(identification.stored_runs())
    selected = table[table["selected"]]
    pairs = set(zip(selected["lambda1"], selected["lambda2"], strict=True))
    assert pairs == {grid.STARTS["random search"]}
