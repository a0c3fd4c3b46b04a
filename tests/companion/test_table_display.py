"""The tables of the paper as a page shows them: texts, symbols, marks and downloads."""

import base64
import math
from dataclasses import replace

import pandas as pd
from synthetic_runs import SUCCESSOR_PAIR, cells_of, gru, mean_frame, record

from companion.plots import tables
from companion.reproduction import paper_tables, table_display
from companion.run_set import RunSet


def test_a_styled_table_has_symbols_two_decimals_and_no_nan():
    table = pd.DataFrame({"ours": [1.234, math.nan], "verdict": ["agrees", "lost"], "n": [1, 2]})
    html = tables.style_table(table).to_html()
    assert "1.23<" in html and "1.234" not in html and "nan" not in html
    assert "≈ agrees" in html and 'class="dataframe"' in html


def test_a_matrix_shows_the_value_of_the_paper_above_ours_with_the_number_of_seeds():
    rows = [gru(34.0), gru(35.0, seed=1), record(33.0, **SUCCESSOR_PAIR), gru(20.0, cs_rate=0.1)]
    texts, verdicts = table_display.matrix(cells_of(rows).query("table == 1"))
    assert texts.shape == (12, 5)
    first, second, third, fourth = texts.at["GRU", 0.2].split("\n")
    assert first.startswith("paper 3") and second.startswith("ours 34.50 ± ")
    assert third == "2 seeds" and fourth.startswith("▲ +")
    assert texts.at["GRU", 0.1] == "paper 25.18\nours 20.00\n1 seed\n▼ −5.18"
    assert verdicts.at["GRU", 0.1] == "lower"
    assert texts.at["LSTM", 0.5] == "paper 36.28\nnot run"
    reported = texts.at[f"reweighted-RNN, {paper_tables.SUCCESSOR}", 0.2]
    assert texts.at[f"reweighted-RNN, {paper_tables.BEST}", 0.2] == f"{reported}\nλ 0.003, 0.02"
    assert (verdicts == "not run").sum().sum() == 60 - 4


def test_a_brief_cell_has_two_lines_and_a_network_without_a_run_has_one_row():
    rows = [gru(34.0), record(33.0, **SUCCESSOR_PAIR)]
    texts, _ = table_display.matrix(cells_of(rows).query("table == 1"), brief=True)
    assert texts.at["GRU", 0.2] == "31.19 · 34.00\n▲ +2.81 (1)"
    assert texts.at["GRU", 0.5] == "41.12\nnot run"
    assert "SISTA-RNN" in texts.index and "reweighted-RNN" not in texts.index
    cells = paper_tables.run_cells(RunSet.of(rows), 1)
    texts, _ = table_display.matrix(cells, brief=True)
    assert texts.at["GRU", 0.2] == "34.00 (1)" and texts.at["GRU", 0.5] == "not run"


def test_a_network_that_did_not_train_is_marked_and_has_no_difference():
    texts, _ = table_display.matrix(cells_of([gru(mean_frame())]).query("table == 1"))
    assert texts.at["GRU", 0.2].split("\n")[1:] == ["did not train"]


def test_a_missing_value_of_the_paper_is_shown_as_lost():
    cells = cells_of([record()]).query("table == 3")
    texts, _ = table_display.matrix(cells)
    assert texts.shape == (12, 6)
    lost = cells["psnr_db"].isna() & ~paper_tables.is_garbled(cells)
    for row in cells[lost].itertuples():
        text = texts.at[table_display.label(row.model, row.start), row.value]
        assert text.startswith("paper lost\n")
    garbled = texts.at[f"reweighted-RNN, {paper_tables.SUCCESSOR}", 1]
    assert garbled.startswith("paper unreadable\n")
    assert texts.at["GRU", 3].startswith("paper 31.19*\n")
    assert "*" not in texts.at[f"ℓ1-ℓ1-RNN, {paper_tables.BEST}", 3]


def test_colour_is_never_the_only_sign_and_the_baselines_are_the_last_rows():
    cells = cells_of([gru(50.0)]).query("table == 2")
    page = table_display.style_matrix(cells, paper_tables.baselines(2)).to_html()
    assert "is-higher" in page and "ours 50.00\n1 seed\n▲ +18.81" in page
    assert page.count("is-not") == page.count("not run") == 71
    assert all(f"h = {h}" in page for h in (128, 4096))
    assert page.index("SpectralRNN") < page.index("PCA, 51 components") < page.index("mean frame")
    assert page.count("is-baseline") == 12


def test_a_variant_is_listed_below_its_network_and_is_not_counted():
    rows = [gru(23.0), record(mean_frame(), model="fastrnn"),
            record(20.3, model="fastrnn", variant="scaled")]  # fmt: skip
    run_set = RunSet.of(rows)
    cells = paper_tables.compare_with_paper(run_set).query("table == 1")
    assert "variant scaled" not in set(cells["start"])
    variants = paper_tables.variant_cells(run_set, 1)
    page = table_display.style_matrix(cells, variants=variants, brief=True).to_html()
    names = ">FastRNN<", ">FastRNN, variant scaled<", ">20.30 (1)<"
    places = [page.index(name) for name in names]
    assert places == sorted(places) and places[-1] < page.index(">SpectralRNN<")
    assert paper_tables.variant_cells(RunSet.of(rows[:2]), 1).empty
    untrained = record(mean_frame(), model="fastrnn", variant="scaled", seed=1)
    variants = paper_tables.variant_cells(RunSet.of([*rows, untrained]), 1)
    assert "20.30 (1 of 2)" in table_display.matrix(variants, brief=True)[0].to_numpy()


def test_a_table_without_the_paper_marks_the_best_value_of_each_column():
    run_set = RunSet.of([gru(24.0, hidden=256), record(25.0, model="srnn", hidden=256)])
    cells = paper_tables.run_cells(run_set, 1, replace(paper_tables.FULL, hidden=256))
    page = table_display.style_matrix(cells, paper_tables.baselines(1)).to_html()
    assert page.count("is-best") == 1 and ">paper" not in page
    assert "25.00\n1 seed" in page


def test_a_download_contains_the_table():
    element = tables.download(pd.DataFrame({"PSNR": [30.25], "model": ["a, b"]}), "x.csv")
    content = base64.b64decode(element.split("base64,")[1].split('"')[0]).decode()
    assert content == 'PSNR,model\n30.25,"a, b"\n' and 'download="x.csv"' in element
