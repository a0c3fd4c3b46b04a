"""Each printed cell beside our runs of it: which runs count, what is averaged, what is said."""

import base64
import math

import pandas as pd
import pytest

from unfolded import results, tables
from unfolded.config import RunConfig
from unfolded.records import METRICS, Record


def run(psnr=30.0, status="done", **fields):
    config = RunConfig(**{"profile": "paper", "source": "mnist", **fields})
    scores = dict.fromkeys(METRICS, psnr)
    return Record(config.as_dict(), config.hash, status, scores).row()


def cell(rows, number, value, model, **options):
    found = tables.beside_print(pd.DataFrame(rows), **options)
    return found.query("table == @number and value == @value and model == @model").iloc[0]


def test_a_cell_is_filled_by_runs_of_exactly_its_settings():
    rows = [run(31.0, hidden=256), run(99.0, hidden=256, depth=2), run(98.0, hidden=512)]
    rows.append(run(97.0, hidden=256, status="failed"))
    found = cell(rows, 2, 256, "reweighted-RNN")
    assert (found["ours"], found["runs"], found["verdict"]) == (31.0, 1, "agrees")
    assert found["difference"] == pytest.approx(31.0 - found["psnr_db"])
    assert cell(rows, 2, 1024, "reweighted-RNN")["verdict"] == "not run"


def test_lstm_stands_with_two_layers_where_depth_is_not_varied():
    rows = [run(20.0, model="lstm"), run(21.0, model="lstm", depth=3)]
    assert cell(rows, 1, 0.2, "LSTM")["ours"] == 20.0
    assert cell(rows, 3, 3, "LSTM")["ours"] == 21.0


def test_seeds_become_a_mean_with_an_interval():
    found = cell([run(psnr, seed=seed) for seed, psnr in enumerate((33.0, 34.0, 35.0))],
                 1, 0.2, "reweighted-RNN")  # fmt: skip
    assert (found["ours"], found["runs"]) == (34.0, 3)
    assert found["low"] < 33 < 35 < found["high"]
    assert found["high"] - 34 == pytest.approx(4.302653 / math.sqrt(3), rel=1e-5)


def test_an_interval_agrees_with_print_from_three_seeds_on():
    print_has = cell([run()], 1, 0.2, "reweighted-RNN")["psnr_db"]
    seeds = [run(print_has - miss, seed=seed) for seed, miss in enumerate((0.2, 3.8, 2.0))]
    assert cell(seeds, 1, 0.2, "reweighted-RNN")["verdict"] == "agrees"
    two = cell(seeds[:2], 1, 0.2, "reweighted-RNN")
    assert two["low"] < print_has < two["high"] and two["verdict"] == "lower"


def test_a_cell_has_runs_of_one_source_the_released_file_first():
    rows = [run(20.0), run(20.2, seed=1), run(30.0, source="moving-mnist")]
    found = cell(rows, 1, 0.2, "reweighted-RNN")
    assert (found["ours"], found["runs"]) == (30.0, 1)
    assert cell(rows[:2], 1, 0.2, "reweighted-RNN")["runs"] == 2


def test_a_smaller_profile_may_stand_at_another_width():
    rows = [run(24.0, hidden=256)]
    assert cell(rows, 1, 0.2, "reweighted-RNN", hidden=256)["ours"] == 24.0
    assert cell(rows, 1, 0.2, "reweighted-RNN")["runs"] == 0


@pytest.mark.parametrize(
    "change",
    [
        {"source": "digits"},
        {"profile": "laptop"},
        {"protocol": "normalised"},
        {"reduction": "bilinear"},
        {"schedule": "pytorch"},
        {"memory": "off"},
        {"positivity": "softplus"},
        {"lambda1": 2.0},
        {"lambda2": 0.5},
    ],
    ids=str,
)
def test_a_run_with_anything_else_changed_does_not_stand_beside_print(change):
    rows = pd.DataFrame([run(seed=1), run(hidden=256, **change)])
    assert list(tables.full_scale(rows)["seed"]) == [1]


def test_verdicts():
    assert tables.verdict(30.0, 30.5) == "agrees"
    assert tables.verdict(30.0, 30.51) == "higher"
    assert tables.verdict(30.0, 29.49) == "lower"
    assert tables.verdict(30.0, 31.0, 29.9, 32.1) == "agrees"
    assert tables.verdict(math.nan, 31.0) == "lost"
    assert set(tables.SYMBOLS) == {"agrees", "higher", "lower", "not run", "lost"}


def test_a_shown_table_has_symbols_two_decimals_and_no_nan():
    table = pd.DataFrame({"ours": [1.234, math.nan], "verdict": ["agrees", "lost"], "n": [1, 2]})
    html = tables.shown(table).to_html()
    assert "1.23<" in html and "1.234" not in html and "nan" not in html
    assert "≈ agrees" in html and 'class="dataframe"' in html


def test_the_committed_runs_stand_beside_print():
    found = tables.beside_print(tables.full_scale(results.committed()))
    filled = found[found["runs"] > 0]
    assert {"l1-l1-RNN", "reweighted-RNN"} <= set(filled.query("value == 128")["model"])
    assert len(filled) < len(found) == 153


# As a page shows it ------------------------------------------------------------------------------


def test_a_matrix_holds_every_cell_with_print_over_ours():
    rows = [run(34.0), run(35.0, seed=1), run(20.0, model="gru", cs_rate=0.1)]
    cells = tables.beside_print(pd.DataFrame(rows)).query("table == 1")
    texts, verdicts = tables.matrix(cells)
    assert texts.shape == (9, 5)
    assert texts.at["reweighted-RNN", 0.2].startswith("34.19\n34.50 ± ")
    assert texts.at["GRU", 0.1] == "25.18\n20.00\n▼ −5.18" and verdicts.at["GRU", 0.1] == "lower"
    assert texts.at["LSTM", 0.5] == "36.28\nnot run"
    assert (verdicts == "not run").sum().sum() == 43


def test_a_value_that_the_source_lost_is_named_lost():
    cells = tables.beside_print(pd.DataFrame([run()])).query("table == 3")
    texts, _ = tables.matrix(cells)
    assert texts.shape == (9, 6)
    lost = cells["psnr_db"].isna() & ~tables.garbled(cells)
    for cell in cells[lost].itertuples():
        assert texts.at[cell.model, cell.value].startswith("lost\n")
    assert texts.at["reweighted-RNN", 1].startswith("garbled\n")
    assert texts.at["GRU", 3].startswith("31.19*\n") and "*" not in texts.at["l1-l1-RNN", 3]


def test_colour_is_never_the_only_sign():
    cells = tables.beside_print(pd.DataFrame([run(50.0)])).query("table == 2")
    page = tables.coloured(cells).to_html()
    assert 'class="data row8 col3 is-higher"' in page and "50.00\n▲ +15.81" in page
    assert page.count("is-not") == page.count("not run") == 53
    assert all(f"h = {h}" in page for h in (128, 4096))


def test_a_download_holds_the_table():
    link = tables.download(pd.DataFrame({"PSNR": [30.25], "model": ["a, b"]}), "x.csv")
    content = base64.b64decode(link.split("base64,")[1].split('"')[0]).decode()
    assert content == 'PSNR,model\n30.25,"a, b"\n' and 'download="x.csv"' in link
