"""The figures of the table pages: the style of each network and the place of each value."""

import numpy as np
import pandas as pd

from companion.plots import line_plots, table_plots
from companion.reproduction.paper_tables import BEST, MEAN, SUCCESSOR
from companion.statistics import Difference
from unfolded import networks


def printed(**columns):
    cells = pd.DataFrame({"table": 3, "value": [1, 2], "psnr_db": [20.0, np.nan]})
    starts = (("GRU", ""), ("SISTA-RNN", SUCCESSOR), ("SISTA-RNN", BEST))
    cells = pd.concat([cells.assign(model=model, start=start) for model, start in starts])
    cells = cells.assign(ours=[22.0, 23.0, np.nan, 25.0, 24.0, 26.0], verdict="agrees")
    return cells.assign(low=21.0, high=24.0, runs=[1, 1, 0, 1, 1, 1])


LEVELS = pd.DataFrame(
    {"level": ["PCA", MEAN] * 2, "value": [1, 1, 2, 2], "n": [51, 0] * 2, "psnr": [19.0, 15.0] * 2}
)


def gap(mean, **columns):
    return {**Difference(mean, mean - 1, mean + 1, 1, 10)._asdict(), "verdict": "ahead", **columns}


def test_every_network_has_a_unique_line_style():
    assert set(line_plots.STYLES) == set(networks.names())
    looks = [tuple(sorted(map(str, look.items()))) for look in line_plots.STYLES.values()]
    assert len(set(looks)) == len(looks)
    assert len({look["color"] for look in line_plots.STYLES.values()}) == len(looks)


def data_of(ax):
    return [np.asarray(line.get_ydata(), dtype=float).tolist() for line in ax.get_lines()]


def test_each_network_has_a_panel_with_both_values_of_an_unfolded_network():
    axes = table_plots.panels_by_network(printed(), LEVELS).axes
    assert [ax.get_title(loc="left") for ax in axes[:2]] == ["GRU", "SISTA-RNN"]
    paper, linear, mean, ours = data_of(axes[0])
    assert paper[0] == 20.0 and ours == [22.0, 23.0]
    assert (linear, mean) == ([19.0, 19.0], [15.0, 15.0])
    assert [24.0, 26.0] in data_of(axes[1]) and len(data_of(axes[1])) == 5
    assert axes[0].get_lines()[-1].get_color() == line_plots.STYLES["gru"]["color"]


def test_a_network_that_did_not_train_has_crosses_on_the_mean_frame():
    cells = printed().query("model == 'GRU'").assign(verdict="did not train", ours=np.nan)
    (ax, *_) = table_plots.panels_by_network(cells, LEVELS).axes
    (crosses,) = (line for line in ax.get_lines() if line.get_marker() == "x")
    assert list(crosses.get_ydata()) == [15.0, 15.0] and list(crosses.get_xdata()) == [0, 1]


def test_small_runs_are_drawn_without_the_values_of_the_paper():
    (alone,) = data_of(table_plots.panels_by_network(printed().drop(columns="psnr_db")).axes[0])
    assert alone == [22.0, 23.0]


def test_the_paper_and_our_runs_have_separate_panels_with_the_same_baselines():
    measured = printed().drop(columns="psnr_db")
    measured = measured.assign(model=measured["model"].str.lower().to_list())
    left, right = table_plots.overview(printed(), measured, LEVELS, ["the paper", "ours"]).axes
    assert [line[0] for line in data_of(left) if line[0] > 19][:1] == [20.0]
    assert not any(20.0 in line for line in data_of(right))
    for ax in (left, right):
        assert [19.0, 19.0] in data_of(ax) and [15.0, 15.0] in data_of(ax)
    labels = [line.get_label() for line in left.get_lines()]
    assert {"GRU", "SISTA-RNN", "best linear (PCA)", MEAN} <= set(labels)


def test_an_untrained_network_is_a_cross_on_the_mean_frame():
    cells = printed()
    cells.iloc[0, cells.columns.get_loc("verdict")] = "did not train"
    (ax,) = table_plots.levels_at(cells, LEVELS, [1]).axes
    crosses = [line.get_xdata() for line in ax.get_lines() if line.get_marker() == "x"]
    assert [float(x[0]) for x in crosses] == [15.0]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["GRU", "SISTA-RNN"]


def test_leads_are_drawn_as_dots_by_value():
    rows = [gap(3.0, value=128, other="gru", start=SUCCESSOR)]
    rows += [gap(-2.0, value=256, other="lstm", start=BEST)]
    fig = table_plots.leads(pd.DataFrame(rows), varies="hidden")
    dots = [
        line.get_xdata() for ax in fig.axes for line in ax.get_lines() if len(line.get_xdata()) == 1
    ]
    assert sorted(float(x[0]) for x in dots if np.isfinite(x[0])) == [-2.0, 3.0]
    assert [label.get_text() for label in fig.axes[0].get_yticklabels()] == ["LSTM", "GRU"]
    assert fig.axes[0].get_title(loc="left") == "h = 128"
    assert fig.get_supxlabel() == "lead of reweighted-RNN (dB, averaged by sequence)"


def test_learning_curves_are_next_to_each_other_on_one_scale():
    table = pd.DataFrame({"train_mse": [4.0, 2.0], "validation_mse": [5.0, 3.0]})
    levels = {"best linear (PCA)": 6.0, MEAN: 9.0}
    left, right = table_plots.learning_curves({"gru": table, "d = 2": table}, levels=levels).axes
    assert left.get_lines()[0].get_ydata().tolist() == [4.0, 2.0]
    assert right.get_lines()[1].get_ydata().tolist() == [5.0, 3.0]
    assert left.get_ylim() == right.get_ylim()
    assert [line.get_ydata()[0] for line in left.get_lines()[2:]] == [6.0, 9.0]
