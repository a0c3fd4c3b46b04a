"""Each cell of the paper's tables with the runs that count for it, their mean and their verdict."""

import math
from dataclasses import replace

import pandas as pd
import pytest
from synthetic_runs import SUCCESSOR_PAIR, cells_of, gru, mean_frame, record

from companion import labels, results
from companion.claims.decision import committed_runs
from companion.reproduction import linear_baseline, paper_tables, table_display
from companion.run_set import RunSet
from unfolded.runs import grid
from unfolded.runs.config import RunConfig
from unfolded.runs.records import COLUMNS


def run(psnr=30.0, status="done", **fields):
    return record(psnr, status, **fields).row()


def cell(rows, number, value, model, start="", **options):
    cells = cells_of(rows, **options)
    where = "table == @number and value == @value and model == @model and start == @start"
    return cells.query(where).iloc[0]


def test_a_cell_is_filled_by_runs_of_exactly_its_settings():
    rows = [gru(27.0, hidden=256), gru(99.0, hidden=256, depth=2), gru(98.0, hidden=512)]
    rows += [gru(97.0, hidden=256, seed=1, status="failed")]
    row = cell(rows, 2, 256, "GRU")
    assert (row["ours"], row["runs"], row["verdict"]) == (27.0, 1, "agrees")
    assert row["difference"] == pytest.approx(27.0 - row["psnr_db"])
    assert cell(rows, 2, 1024, "GRU")["verdict"] == "not run"
    # The LSTM has two layers where depth is not varied.
    rows = [record(20.0, model="lstm"), record(21.0, model="lstm", depth=3)]
    assert [cell(rows, 1, 0.2, "LSTM")["ours"], cell(rows, 3, 3, "LSTM")["ours"]] == [20.0, 21.0]


def test_seeds_are_averaged_with_an_interval():
    row = cell([gru(psnr, seed=seed) for seed, psnr in enumerate((33.0, 34.0, 35.0))],
                 1, 0.2, "GRU")  # fmt: skip
    assert (row["ours"], row["runs"]) == (34.0, 3)
    assert row["low"] < 33 < 35 < row["high"]
    assert row["high"] - 34 == pytest.approx(4.302653 / math.sqrt(3), rel=1e-5)


def test_an_interval_agrees_with_the_paper_from_three_seeds_on():
    print_has = cell([gru()], 1, 0.2, "GRU")["psnr_db"]
    seeds = [gru(print_has - miss, seed=seed) for seed, miss in enumerate((0.2, 3.8, 2.0))]
    assert cell(seeds, 1, 0.2, "GRU")["verdict"] == "agrees"
    two = cell(seeds[:2], 1, 0.2, "GRU")
    assert two["low"] < print_has < two["high"] and two["verdict"] == "lower"


def test_a_cell_has_runs_of_one_source_the_released_file_first():
    rows = [gru(20.0), gru(20.2, seed=1), gru(30.0, source="moving-mnist")]
    row = cell(rows, 1, 0.2, "GRU")
    assert (row["ours"], row["runs"]) == (30.0, 1)
    assert cell(rows[:2], 1, 0.2, "GRU")["runs"] == 2


# The initial λ -----------------------------------------------------------------------------------


def test_an_unfolded_network_has_two_values_and_a_stacked_one_has_one():
    cells = cells_of([record(27.0, **SUCCESSOR_PAIR), record(28.0, validation=50.0), gru(25.0)])
    count = cells.groupby(["table", "model", "value"]).size().groupby("model").unique()
    assert {model: list(sizes) for model, sizes in count.items()} == {
        model: [2 if model.lower() in grid.UNFOLDED else 1] for model in set(cells["model"])
    }
    rows = cells.query("table == 1 and value == 0.2 and model == 'reweighted-RNN'")
    rows = rows.set_index("start")
    assert rows.loc[paper_tables.SUCCESSOR, ["ours", "lambda1"]].tolist() == [27.0, 0.003]
    assert rows.loc[paper_tables.BEST, ["ours", "lambda1", "pairs"]].tolist() == [28.0, 1.0, 2]


def test_the_initial_lambda_is_selected_on_validation_data_and_not_on_test_data():
    rows = [record(27.0, validation=50.0, **SUCCESSOR_PAIR), record(28.0, validation=60.0)]
    assert cell(rows, 1, 0.2, "reweighted-RNN", paper_tables.BEST)["ours"] == 27.0


def test_a_value_without_a_run_of_the_reported_pair_is_not_run():
    rows = [record(28.0)]
    assert cell(rows, 1, 0.2, "reweighted-RNN", paper_tables.SUCCESSOR)["verdict"] == "not run"
    assert cell(rows, 1, 0.2, "reweighted-RNN", paper_tables.BEST)["ours"] == 28.0


# Baselines ---------------------------------------------------------------------------------------


def test_a_run_at_the_mean_frame_did_not_train_and_is_excluded_from_means():
    still, trained = mean_frame() + 0.04, mean_frame() + 5
    alone = cell([gru(still)], 1, 0.2, "GRU")
    assert alone["verdict"] == "did not train" and math.isnan(alone["ours"])
    assert (alone["runs"], alone["untrained"]) == (0, 1)
    row = cell([gru(still), gru(trained, seed=1)], 1, 0.2, "GRU")
    assert (row["ours"], row["runs"], row["untrained"]) == (trained, 1, 1)


def test_a_seed_that_diverged_is_counted_next_to_the_value():
    failed = [gru(seed=seed, status="failed") for seed in (1, 2)]
    alone = cell(failed, 1, 0.2, "GRU")
    assert (alone["verdict"], alone["runs"], alone["diverged"]) == ("diverged", 0, 2)
    cells = cells_of([gru(30.0), *failed, gru(25.0, hidden=256)])
    table = cells.query("table == 1 and model == 'GRU'").set_index("value").loc[0.2]
    assert (table["ours"], table["runs"], table["diverged"]) == (30.0, 1, 2)
    assert table_display.seeds_text(table) == "1 seed, 2 diverged"
    texts, _ = table_display.matrix(cells.query("table == 1"), brief=True)
    assert texts.at["GRU", 0.2].endswith("(1 of 3)")


def test_small_runs_are_compared_with_the_mean_frame_of_their_own_data():
    base = RunConfig(profile="smoke", source="digits")
    floor = linear_baseline.mean_frame_psnr(base)
    fields = {"profile": "smoke", "source": "digits"}
    verdicts = {"gru": "did not train", "lstm": "run", "reweighted-rnn": "run"}
    rows = [record(floor + k, model=model, **fields) for k, model in enumerate(verdicts)]
    cells = paper_tables.small_run_cells(RunSet.of(rows), 1, base).query("value == 0.2")
    assert cells.set_index("model")["verdict"].to_dict() == verdicts
    assert set(cells["start"]) == {""}


@pytest.mark.parametrize("number", [1, 2, 3])
def test_each_value_of_a_table_has_both_baselines(number):
    levels = paper_tables.baselines(number)
    values = grid.VARIED[number][1]
    assert list(levels["value"]) == [value for value in values for _ in range(2)]
    linear = levels[levels["level"] == "PCA"]
    assert list(linear["n"]) == [RunConfig(cs_rate=v if number == 1 else 0.2).n for v in values]
    assert levels[levels["level"] == paper_tables.MEAN]["psnr"].nunique() == 1
    rows = table_display.baseline_rows(levels)
    components = "n" if number == 1 else 51
    assert list(rows.index) == [table_display.LINEAR.format(components), paper_tables.MEAN]


# Which runs count --------------------------------------------------------------------------------


def test_a_smaller_width_has_a_separate_table():
    run_set = RunSet.of([gru(24.0, hidden=256), gru(31.0)])
    base = replace(paper_tables.FULL, hidden=256)
    row = paper_tables.run_cells(run_set, 1, base).query("model == 'gru' and value == 0.2").iloc[0]
    assert row["ours"] == 24.0 and "psnr_db" not in row
    assert cell([gru(24.0, hidden=256)], 1, 0.2, "GRU")["runs"] == 0


@pytest.mark.parametrize(
    "change",
    [{"source": "digits"}, {"profile": "laptop"}, {"protocol": "normalised"},
     {"reduction": "bilinear"}, {"reduction": "antialiased"}, {"schedule": "pytorch"},
     {"memory": "off"}, {"positivity": "softplus"}, {"lambda1": 2.0}, {"lambda2": 0.5}],
    ids=str,
)  # fmt: skip
def test_a_run_with_anything_else_changed_is_not_compared_with_the_paper(change):
    rows = [record(seed=1), record(hidden=256, **change)]
    assert list(paper_tables.full_scale(pd.DataFrame([item.row() for item in rows]))["seed"]) == [1]
    cells = cells_of([record(33.0, hidden=256, **change)])
    assert (cells["runs"] == 0).all()


def test_both_pairs_of_the_authors_count_only_for_unfolded_networks():
    for lambda1, lambda2 in grid.STARTS.values():
        rows = [
            run(lambda1=lambda1, lambda2=lambda2),
            run(model="gru", lambda1=lambda1, lambda2=lambda2),
        ]
        models = paper_tables.full_scale(pd.DataFrame(rows))["model"]
        assert ("gru" in set(models)) == (
            (lambda1, lambda2) == (RunConfig.lambda1, RunConfig.lambda2)
        )
        assert "reweighted-rnn" in set(models)


def test_the_verdict_of_a_cell_follows_from_its_values():
    assert paper_tables.verdict(30.0, 30.5) == "agrees"
    assert paper_tables.verdict(30.0, 30.51) == "higher"
    assert paper_tables.verdict(30.0, 29.49) == "lower"
    assert paper_tables.verdict(30.0, 31.0, 29.9, 32.1) == "agrees"
    assert paper_tables.verdict(math.nan, 31.0) == "lost"
    words = {"agrees", "higher", "lower", "not run", "lost", "did not train", "diverged"}
    assert set(labels.VERDICTS) == words


def test_the_committed_runs_are_compared_with_the_paper():
    cells = paper_tables.compare_with_paper(committed_runs())
    assert len(cells.drop_duplicates(["table", "model", "value"])) == 153
    runs = results.load_table().set_index("config_hash")
    for row in cells[cells["runs"] > 0].itertuples():
        for name in row.config_hash.split():
            entry = runs.loc[name]
            assert entry["reduction"] == "area" and entry[row.varies] == row.value
            assert entry["model"] == row.model.lower() and entry["profile"] == "paper"


def test_every_cell_without_a_run_states_not_run():
    cells = paper_tables.compare_with_paper(RunSet(pd.DataFrame(columns=COLUMNS), {}, {}))
    assert set(cells["verdict"]) == {"not run"}
    texts, _ = table_display.matrix(cells.query("table == 2"))
    assert texts.map(lambda text: text.endswith("not run")).all(axis=None)
