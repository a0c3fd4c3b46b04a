"""The analysis of the two solutions: regions of the codes, thresholds, stored rows and figure."""

import pandas as pd
import pytest
import torch

from companion.reproduction import solution_analysis
from companion.reproduction.solution_analysis import REGIONS, analyse, committed, figure, regions
from unfolded.networks import build

SIZES = {"n0": 16, "n": 8, "hidden": 12, "depth": 2}


@pytest.mark.parametrize("model", solution_analysis.MODELS)
@pytest.mark.parametrize(
    ("weights", "region"),
    [({"lambda1": 1e6, "lambda2": 1e-6}, "zero"), ({"lambda1": 1e-6, "lambda2": 1e6}, "plateau")],
)
def test_a_large_weight_places_all_codes_at_its_kink(model, weights, region, normal):
    net = build(model, **SIZES, **weights)
    with torch.no_grad():
        net.h0.copy_(normal(12))
    rows = analyse(net, normal(3, 4, 16).float())
    assert [row["layer"] for row in rows] == [1, 2]
    for row in rows:
        assert row[region] == 1
        assert sum(row[name] for name in REGIONS) == pytest.approx(1)


def test_thresholds_equal_those_of_the_network(normal):
    net = build("reweighted-rnn", **SIZES, lambda1=3.0, lambda2=0.5)
    row = analyse(net, normal(2, 3, 16).float())[0]
    c = net.positive("c").item()
    assert row["a_0.5"] == pytest.approx(3 / c) and row["b_0.9"] == pytest.approx(0.5 / c)


def test_regions_follow_the_sign_of_the_prediction():
    hbar = torch.tensor([-2.0, -2.0, -2.0, -2.0])
    fractions = regions(torch.tensor([-1.0, 1.0, -3.0, -2.0]), hbar)
    assert fractions == {"zero": 0, "plateau": 0.25, "between": 0.25, "outside": 0.5}


def test_committed_rows_are_complete_and_shown():
    rows = committed()
    assert rows["start"].nunique() >= 2 and set(rows["layer"]) == {1, 2, 3}
    assert (rows[list(REGIONS)].sum(axis=1) - 1).abs().max() < 1e-4
    fig, alt = figure(rows)
    assert all(start in alt for start in rows["start"])
    assert len(fig.axes) == 2 * rows["start"].nunique()


def test_a_figure_without_rows_states_that():
    empty = pd.DataFrame(columns=["start", "layer", *REGIONS])
    assert "Not run" in figure(empty)[1] and "Not run" in solution_analysis.sentence(empty)
