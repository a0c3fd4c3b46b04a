"""Ranking and trend of the tables: which runs are compared, and when a verdict is final."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from synthetic_runs import SUCCESSOR_PAIR, mean_frame, record

from companion import results, statistics
from companion.reproduction import agreement, paper_tables
from companion.run_set import RunSet
from unfolded.runs import grid
from unfolded.runs.records import COLUMNS

NONE = RunSet(pd.DataFrame(columns=COLUMNS), {}, {})
WIDE = replace(paper_tables.FULL, hidden=256)


def evaluated(psnr, seed=0, **fields):
    """Return a record whose test sequences have this PSNR, give or take a little."""
    base = record(psnr, seed=seed, **fields)
    mse = 255.0**2 / 10 ** ((psnr + np.linspace(-0.2, 0.2, 40)) / 10)
    return replace(base, sequence_mse=list(mse))


def cells_of(*rows):
    return paper_tables.compare_with_paper(RunSet.of(rows))


def paper(model, width):
    cells = results.paper_cells().query("table == 2 and model == @model and value == @width")
    return cells["psnr_db"].item()


def test_every_verdict_without_a_run_is_not_tested():
    for number in grid.VARIED:
        gaps = agreement.leads(NONE, number)
        assert gaps.empty
        counts = agreement.ranking(gaps, number).loc["comparisons run"]
        assert counts.str.startswith("0 of ").tolist() == [True, True]
        steps = agreement.steps(NONE, number)
        assert steps.empty and "is not tested" in agreement.describe_trend(steps, number)
        assert agreement.trend(steps).empty
    cells = paper_tables.compare_with_paper(NONE).query("table == 2")
    counts = agreement.verdict_counts(cells)
    assert counts.columns.tolist() == ["– not run"] and counts["– not run"].eq(54).all()
    assert agreement.selection(cells).startswith("No initial λ")


def test_each_cell_has_one_verdict_and_a_garbled_value_is_lost():
    for number in grid.VARIED:
        cells = cells_of(evaluated(25.0, model="gru", hidden=128)).query("table == @number")
        counts = agreement.verdict_counts(cells)
        assert counts.sum(axis=1).eq(len(cells.drop_duplicates(["model", "value"]))).all()
        assert "lost" not in counts or number == 3


def test_comparisons_exclude_networks_that_did_not_train():
    still = evaluated(mean_frame(), model="fastrnn", hidden=128)
    rows = [evaluated(27.5, hidden=128, **SUCCESSOR_PAIR), still]
    assert agreement.leads(RunSet.of(rows), 2).empty
    assert RunSet.of(rows).trained.runs["model"].tolist() == ["reweighted-rnn"]


def test_leads_compare_networks_of_one_initialisation():
    rows = [
        evaluated(27.5, hidden=128, **SUCCESSOR_PAIR),
        evaluated(28.5, hidden=128, validation=50.0),
    ]
    rows += [evaluated(24.0, model="l1-l1-rnn", hidden=128, **SUCCESSOR_PAIR)]
    rows += [evaluated(23.0, model="gru", hidden=128)]
    gaps = agreement.leads(RunSet.of(rows), 2).set_index(["start", "other"])["mean"]
    expected = {(paper_tables.SUCCESSOR, "l1-l1-rnn"): 3.5, (paper_tables.SUCCESSOR, "gru"): 4.5,
                (paper_tables.BEST, "l1-l1-rnn"): 4.5, (paper_tables.BEST, "gru"): 5.5}  # fmt: skip
    assert gaps.to_dict() == pytest.approx(expected)


def test_a_ranking_counts_comparisons_corrected_for_their_number():
    columns = {"start": paper_tables.SUCCESSOR, "value": 128, "mean": 1.0, "low": 0.5, "high": 1.5}
    rows = [columns | {"other": "gru", "seeds": 1, "p": p} for p in (0.001, 0.03, 0.04)]
    rows[0]["mean"] = -1.0
    gaps = agreement._tested(pd.DataFrame(rows), statistics.WORDS)
    assert gaps["verdict"].tolist() == ["behind", "undecided", "undecided"]
    counts = agreement.ranking(gaps, 2)[paper_tables.SUCCESSOR]
    assert counts["comparisons run"] == "3 of 48" and counts["over"] == "GRU, h = 128"
    assert counts[["ahead", "behind", "undecided"]].tolist() == ["0", "1", "2"]


def test_steps_between_adjacent_values_are_compared_with_the_paper():
    rows = [evaluated(psnr, model="gru", hidden=width) for width, psnr in ((128, 20), (512, 23))]
    steps = agreement.steps(RunSet.of(rows), 2)
    (step,) = steps.itertuples()
    assert (step.low_value, step.high_value, step.verdict) == (128, 512, "rises")
    assert step.mean == pytest.approx(3) and step.paper == pytest.approx(
        paper("GRU", 512) - paper("GRU", 128)
    )
    table = agreement.trend(steps)
    assert table.loc["GRU", ["rises", "direction as in the paper"]].tolist() == [1, "1 of 1"]
    for mean, match in ((1.0, 2), (-1.0, 1), (0.05, 1)):
        text = agreement.describe_trend(pd.concat([steps, steps.assign(mean=mean)]), 2)
        assert f"in {match} of the 2 steps" in text and "(seeds in each step: 1)" in text
