"""The account of the reproduction: what is counted, what is left out, what the sentences say."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from test_paper_tables import REPORTED, mean_frame, record

from companion import results
from companion.reproduction import agreement, paper_tables
from companion.run_set import RunSet
from unfolded.runs import grid
from unfolded.runs.records import COLUMNS

NONE = RunSet(pd.DataFrame(columns=COLUMNS), {}, {})
WIDE = replace(paper_tables.FULL, hidden=256)


def evaluated(psnr, seed=0, **fields):
    """Return a record whose test sequences have this PSNR, give or take a little."""
    made = record(psnr, seed=seed, **fields)
    mse = 255.0**2 / 10 ** ((psnr + np.linspace(-0.2, 0.2, 40)) / 10)
    return replace(made, sequence_mse=list(mse))


def cells_of(*rows):
    return paper_tables.compare_with_paper(RunSet.of(rows))


def paper(model, width):
    cells = results.paper_cells().query("table == 2 and model == @model and value == @width")
    return cells["psnr_db"].item()


def test_without_a_run_everything_is_said_to_be_missing():
    cells = paper_tables.compare_with_paper(NONE)
    assert agreement.account(cells).endswith("None of the paper's 153 cells has been run.")
    assert "None of the paper's 153 cells" in agreement.summary(cells)
    for number in grid.VARIED:
        gaps = agreement.leads(NONE, number)
        said = agreement.ranking(gaps, number)
        assert gaps.empty and said.count("not tested") == 2
        steps = agreement.steps(NONE, number)
        assert steps.empty and "not tested" in agreement.describe_trend(steps, number)
        assert agreement.trend(steps).empty
        own = paper_tables.run_cells(NONE, number, WIDE)
        told = agreement.finding(
            cells.query("table == @number"), own, paper_tables.baselines(number)
        )
        assert told.endswith("None of our cells has been run yet.")
        assert "not run" in agreement.verdict_counts(cells.query("table == @number"))
    assert agreement.convergence(agreement.schedules(NONE, NONE.runs)).startswith("None")
    assert agreement.averagings(NONE)["cells compared"].eq("0").all()


def test_the_account_counts_what_agrees_and_names_what_does_not():
    close, far = paper("GRU", 128) + 0.3, paper("LSTM", 128) - 2
    rows = [evaluated(close, model="gru", hidden=128), evaluated(far, model="lstm", hidden=128)]
    said = agreement.account(cells_of(*rows))
    assert "2 of the paper's 153 cells have been run at full scale (1 seed each)" in said
    assert "1 of these 2 agree" in said and "1 of 2 at h = 128" in said
    assert "not reproduced for LSTM at h = 128 (−2.00 dB)" in said
    assert "median absolute difference is 1.15 dB" in said


def test_the_account_names_what_stays_at_the_linear_level():
    stuck = agreement.linear_baseline.level(cs_rate=0.2) + 0.1
    said = agreement.account(cells_of(evaluated(stuck, model="sista-rnn", hidden=256, **REPORTED)))
    assert "do not get past it, and the paper's value is higher, for SISTA-RNN at h = 256" in said
    assert "initial λ" not in said.split("Why: the linear level")[1], "one pair: nothing to compare"


def test_the_account_gives_the_lead_of_both_initialisations():
    rows = [evaluated(27.5, hidden=128, **REPORTED), evaluated(28.5, hidden=128, validation=50.0)]
    rows += [evaluated(24.0, model="l1-l1-rnn", hidden=128, **REPORTED)]
    rows += [evaluated(26.8, model="l1-l1-rnn", hidden=128, validation=50.0)]
    said = agreement.account(cells_of(*rows))
    assert "In 2 cells of unfolded networks more than one pair has been run; in 2 of them" in said
    assert "changes PSNR by +1.00 to +2.80 dB" in said
    assert (
        "by 4.19 dB in the paper, by 3.50 dB as reported and by 1.70 dB as well as we can" in said
    )


def test_what_did_not_train_is_named_and_enters_no_comparison():
    still = evaluated(mean_frame(), model="fastrnn", hidden=128)
    rows = [evaluated(27.5, hidden=128, **REPORTED), still]
    assert "FastRNN at h = 128: the result is within 0.05 dB" in agreement.account(cells_of(*rows))
    assert agreement.leads(RunSet.of(rows), 2).empty
    assert agreement.trained_runs(RunSet.of(rows)).runs["model"].tolist() == ["reweighted-rnn"]


def test_leads_compare_networks_of_one_initialisation():
    rows = [evaluated(27.5, hidden=128, **REPORTED), evaluated(28.5, hidden=128, validation=50.0)]
    rows += [evaluated(24.0, model="l1-l1-rnn", hidden=128, **REPORTED)]
    rows += [evaluated(23.0, model="gru", hidden=128)]
    gaps = agreement.leads(RunSet.of(rows), 2).set_index(["start", "other"])["mean"]
    expected = {(paper_tables.REPORTED, "l1-l1-rnn"): 3.5, (paper_tables.REPORTED, "gru"): 4.5,
                (paper_tables.BEST, "l1-l1-rnn"): 4.5, (paper_tables.BEST, "gru"): 5.5}  # fmt: skip
    assert gaps.to_dict() == pytest.approx(expected)


def test_a_ranking_is_confirmed_so_far_until_all_pairs_have_three_seeds():
    columns = {"start": paper_tables.REPORTED, "value": 128, "mean": 1.0, "low": 0.5, "high": 1.5}
    others = [run.model for run in grid.row(paper_tables.FULL) if run.model != "reweighted-rnn"]
    values = grid.VARIED[2][1]
    every = pd.DataFrame([columns | {"other": other, "value": value, "verdict": "ahead"}
                          for value in values for other in others])  # fmt: skip
    first = agreement.ranking(every.assign(seeds=3), 2).splitlines()[0]
    assert first.startswith("- **As reported: confirmed.**")
    for fewer in (every.assign(seeds=1), every.assign(seeds=3)[1:]):
        assert "confirmed so far (" in agreement.ranking(fewer, 2)
    every.loc[0, "verdict"] = "behind"
    assert "mixed" in agreement.ranking(every.assign(seeds=3), 2).splitlines()[0]


def test_steps_go_from_value_to_value_and_are_set_against_the_paper():
    rows = [evaluated(psnr, model="gru", hidden=width) for width, psnr in ((128, 20), (512, 23))]
    steps = agreement.steps(RunSet.of(rows), 2)
    (step,) = steps.itertuples()
    assert (step.low_value, step.high_value, step.verdict) == (128, 512, "rises")
    assert step.mean == pytest.approx(3) and step.paper == pytest.approx(
        paper("GRU", 512) - paper("GRU", 128)
    )
    table = agreement.trend(steps)
    assert table.loc["GRU", ["rises", "direction as in the paper"]].tolist() == [1, "1 of 1"]
    assert "confirmed so far" in agreement.describe_trend(steps, 2)
    assert "mixed" in agreement.describe_trend(pd.concat([steps, steps.assign(mean=-1.0)]), 2)


def test_schedules_tell_budgets_from_convergence():
    made = evaluated(27.0, model="gru", hidden=256)
    curves = {"train_mse": [3.0] * 40, "validation_mse": [*np.linspace(9, 5, 39), 6.0],
              "learning_rate": [3e-4] * 20 + [9e-5] * 20}  # fmt: skip
    found = RunSet.of([replace(made, curves=curves)])
    (row,) = agreement.schedules(found, found.runs).itertuples(index=False)
    assert row[:4] == ("GRU", 0, 1, "21") and row[5:] == (39, 40)
    said = agreement.convergence(agreement.schedules(found, found.runs))
    assert "In 0 of these 1 runs" in said and "reduced for GRU (1 times)" in said


def test_the_committed_runs_have_an_account_in_which_every_number_is_known():
    found = RunSet.committed()
    cells = paper_tables.compare_with_paper(found)
    for said in (agreement.account(cells), agreement.summary(cells)):
        assert "nan" not in said and " -" not in said
    own = cells[cells["start"].ne(paper_tables.BEST) & cells["runs"].gt(0)]
    agree = (own["difference"].abs() <= 0.5) | (
        own["runs"].ge(3) & own["psnr_db"].between(own["low"], own["high"])
    )
    known = own["psnr_db"].notna()
    assert f"{(agree & known).sum()} of these {known.sum()} agree" in agreement.account(cells)
    assert not math.isnan(own["ours"].sum())
