"""What a reader sees: one name for each network, no variable names, minus signs."""

import pandas as pd
import pytest

from unfolded import labels, networks, tables


@pytest.mark.parametrize("name", networks.names())
def test_every_network_has_the_name_of_the_tables(name):
    assert labels.title(name) == tables.title(name) == labels.head(name)


def test_a_shown_table_has_words_for_heads_and_minus_signs():
    table = pd.DataFrame({"model": ["l1-l1-rnn", "gru"], "psnr_authors": [-1.5, 2e-6]})
    shown = tables.shown(table, digits=".3g").to_html()
    for text in ("network", "PSNR, authors (dB)", "ℓ1-ℓ1-RNN", "GRU", "−1.5", "2e-06"):
        assert text in shown
    assert "psnr_" not in shown and "model" not in shown


def test_rows_of_a_turned_table_are_named_too():
    table = pd.DataFrame({"GRU": [1.0]}, index=["test_mse"])
    shown = tables.shown(table, index=True).to_html()
    assert "test MSE (squared grey levels)" in shown


def test_numbers_and_other_names_are_kept():
    table = pd.DataFrame({1: ["mean frame"], "verdict": ["agrees"], "count": [3]}, index=[7])
    same = labels.readable(table)
    pd.testing.assert_frame_equal(same, table)
    assert same is not table
