"""Learning curves: the selected runs, and the sentences about them."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from test_agreement import NONE, evaluated

from companion import attribution
from companion.reproduction import curve_findings
from companion.reproduction.paper_tables import MEAN, SUCCESSOR
from companion.run_set import SHORT, RunSet
from unfolded.runs.records import METRICS, Record


def curve(*errors):
    return pd.DataFrame({"train_mse": errors, "validation_mse": errors})


def test_curves_are_compared_by_their_last_epoch():
    curves = {"gru": curve(9.0, 2.0), "srnn": curve(5.0, 4.0)}
    curves["srnn"]["train_mse"] = [5.0, 1.0]
    sentence = curve_findings.lowest(curves)
    assert "sRNN ends with the lowest training error" in sentence
    assert "GRU ends with the lowest validation error" in sentence
    assert curve_findings.lowest({}) == "No network has been run."
    ratio = curve_findings.generalisation(curves)["ratio"]
    assert ratio.to_dict() == pytest.approx({"gru": 1.0, "srnn": 4.0})


def test_epochs_are_counted_from_one_and_are_missing_for_levels_not_reached():
    table = curve_findings.epochs_until({"gru": curve(9.0, 2.0), "srnn": curve(5.0, 4.0)}, 5.0)
    assert table.loc["GRU"].tolist() == [2, 2, 2, 2]
    assert table.loc["sRNN"].iloc[:2].tolist() == [1, 1] and table.loc["sRNN"].isna()[-1:].all()


@pytest.mark.parametrize(
    ("ends", "text"),
    [((4.0,), "Not tested"), ((4.0, 3.0), "1 of 1 steps"), ((4.0, 3.0, 5.0), "1 of 2 steps")],
)
def test_the_order_of_curves_is_counted_without_a_verdict(ends, text):
    curves = {str(place): curve(9.0, end) for place, end in enumerate(ends)}
    sentence = curve_findings.order(curves, "widths", 6)
    assert text in sentence and ("one seed" in sentence or len(ends) < 2)


def test_schedules_distinguish_the_end_of_the_budget_from_convergence():
    record = evaluated(27.0, model="gru", hidden=256)
    curves = {"train_mse": [3.0] * 40, "validation_mse": [*np.linspace(9, 5, 39), 6.0],
              "learning_rate": [3e-4] * 20 + [9e-5] * 20}  # fmt: skip
    run_set = RunSet.of([replace(record, curves=curves)])
    assert curve_findings.convergence(curve_findings.schedules(NONE, NONE.runs)).startswith("None")
    (row,) = curve_findings.schedules(run_set, run_set.runs).itertuples(index=False)
    assert row[:4] == ("GRU", 0, 1, "21") and row[5:] == (39, 40)
    sentence = curve_findings.convergence(curve_findings.schedules(run_set, run_set.runs))
    assert "In 0 of these 1 runs" in sentence and "reduced in runs of GRU (1 time)." in sentence


def test_curves_of_a_table_are_those_of_the_first_seed_with_a_run():
    def run(depth, seed, error, model="reweighted-rnn"):
        config = replace(SHORT, model=model, depth=depth, seed=seed)
        curves = {"train_mse": [error], "validation_mse": [error]}
        return Record(
            config.as_dict(), config.hash, "done", dict.fromkeys(METRICS, 1.0), curves, [error]
        )

    evidence = RunSet.of([run(3, 1, 5.0), run(3, 0, 4.0), run(1, 0, 6.0), run(2, 0, 1.0, "gru")])
    along = curve_findings.curves_along(3, SHORT, evidence)
    ends = {name: curve["train_mse"].item() for name, curve in along.items()}
    assert ends == {"d = 1": 6.0, "d = 3": 4.0}
    assert attribution.of(along).runs() == [replace(SHORT, depth=d).hash for d in (1, 3)]
    assert list(curve_findings.curves_along(1, SHORT, evidence)) == ["rate = 0.2"]
    assert curve_findings.curves_along(3, SHORT, evidence, SUCCESSOR) == {}
    row = curve_findings.curves_of(replace(SHORT, depth=2), evidence)
    assert list(row) == ["reweighted-rnn"], "the other run is of another depth"


def test_the_error_levels_are_those_of_the_baselines():
    levels = curve_findings.error_levels(SHORT)
    assert levels["best linear (PCA)"] < levels[MEAN]
    assert 10 * np.log10(255**2 / levels[MEAN]) == pytest.approx(16.6086, abs=1e-3)
