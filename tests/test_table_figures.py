"""The figures of the table pages: each network in its look, each number where it belongs."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from unfolded import figures, networks, sources, table_figures
from unfolded.evidence import SHORT, Difference, Evidence
from unfolded.records import METRICS, Record


def printed(**columns):
    cells = pd.DataFrame({"varies": "depth", "value": [1.0, 2.0], "psnr_db": [20.0, np.nan]})
    cells = pd.concat([cells.assign(model=model) for model in ("GRU", "SISTA-RNN")])
    return cells.assign(ours=[22.0, 23.0, np.nan, 25.0], low=[21.0] * 4, high=[24.0] * 4)


def gap(mean, **columns):
    return {**Difference(mean, mean - 1, mean + 1, 1, 10)._asdict(), "verdict": "ahead", **columns}


def test_every_network_has_a_look_and_no_two_the_same():
    assert set(figures.LOOKS) == set(networks.names())
    looks = [tuple(sorted(map(str, look.items()))) for look in figures.LOOKS.values()]
    assert len(set(looks)) == len(looks)
    assert len({look["color"] for look in figures.LOOKS.values()}) == len(looks)


def test_a_network_is_drawn_in_its_look_wherever_it_is_drawn():
    fig = figures.curves({"lstm": [1, 2], "gru": [2, 1]}, xlabel="x", ylabel="y")
    colours = {line.get_label(): line.get_color() for line in fig.axes[0].get_lines()}
    assert colours == {name.upper(): figures.LOOKS[name]["color"] for name in ("lstm", "gru")}


def test_a_panel_a_network_with_print_and_ours():
    axes = table_figures.beside_print(printed()).axes
    assert [ax.get_title(loc="left") for ax in axes[:2]] == ["GRU", "SISTA-RNN"]
    behind, ours = axes[0].get_lines()[:2]
    assert behind.get_ydata()[0] == 20.0 and ours.get_ydata().tolist() == [22.0, 23.0]
    assert ours.get_color() == figures.LOOKS["gru"]["color"]


def test_leads_are_right_of_the_line():
    gaps = pd.DataFrame([gap(3.0, value=128, other="gru"), gap(-2.0, value=256, other="lstm")])
    fig = table_figures.leads(gaps, ours="l1-l1-rnn", varies="hidden")
    dots = [
        line.get_xdata() for ax in fig.axes for line in ax.get_lines() if len(line.get_xdata()) == 1
    ]
    assert sorted(float(x[0]) for x in dots if np.isfinite(x[0])) == [-2.0, 3.0]
    assert [label.get_text() for label in fig.axes[0].get_yticklabels()] == ["GRU", "LSTM"]
    assert fig.axes[0].get_title(loc="left") == "h = 128"
    assert fig.get_supxlabel() == "lead of ℓ1-ℓ1-RNN (dB)"


@pytest.mark.parametrize("answers", [["a"], ["a", "b"]])
def test_gains_name_what_was_changed_where_there_are_several(answers):
    found = pd.DataFrame([gap(1.0, answer=answer, model="gru") for answer in answers])
    (ax,) = table_figures.gains(found, change="more epochs").axes
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert labels == (["GRU"] if len(answers) == 1 else ["GRU, a", "GRU, b"])
    assert ax.get_xlabel() == "gain by more epochs (dB)"


def test_learning_curves_stand_side_by_side_on_one_scale():
    table = pd.DataFrame({"train_mse": [4.0, 2.0], "validation_mse": [5.0, 3.0]})
    left, right = table_figures.learning({"gru": table, "d = 2": table}).axes
    assert left.get_lines()[0].get_ydata().tolist() == [4.0, 2.0]
    assert right.get_lines()[1].get_ydata().tolist() == [5.0, 3.0]
    assert left.get_ylim() == right.get_ylim()
    assert table_figures.ends({"gru": table}) == "Validation error at the end: gru: 3."


def test_curves_along_a_table_are_those_of_the_first_seed_where_there_are_any():
    def run(depth, seed, error, model="reweighted-rnn"):
        one = replace(SHORT, model=model, depth=depth, seed=seed)
        curves = {"train_mse": [error], "validation_mse": [error]}
        return Record(one.as_dict(), one.hash, "done", dict.fromkeys(METRICS, 1.0), curves, [error])

    found = Evidence.of([run(3, 1, 5.0), run(3, 0, 4.0), run(1, 0, 6.0), run(2, 0, 1.0, "gru")])
    along = table_figures.curves_along(3, SHORT, found)
    assert {name: own["train_mse"].item() for name, own in along.items()} == {
        "d = 1": 6.0,
        "d = 3": 4.0,
    }
    assert sources.of(along).runs() == [replace(SHORT, depth=d).hash for d in (1, 3)]
    assert list(table_figures.curves_along(1, SHORT, found)) == ["rate = 0.2"]
