"""The tables of LISTA: descent by layer, robustness, and effects of changes."""

import numpy as np
import pytest
import torch

from companion.studies.lista import lista_tables, lista_training, sparse_coding
from companion.studies.lista.lista_network import LISTA
from companion.studies.lista.lista_training import Trained


@pytest.fixture(scope="module")
def problem():
    return sparse_coding.usual(200, "test")


def test_the_summary_of_ista_agrees_with_theory(problem):
    """ISTA with 1/c never moves away from a minimiser, for no sample and in no layer."""
    ista = {"ISTA": [lista_training.untrained(problem)]}
    row = lista_tables.summary(ista, problem).iloc[0]
    assert row["per sample"] == 1.0 and 0 < row["distance"] < 1 and np.isnan(row["±"])


def test_the_right_side_of_the_inequality_exceeds_the_left_side(problem):
    table = lista_tables.both_sides(lista_training.untrained(problem), problem, "distance")
    assert list(table["layer"]) == list(range(11))
    assert (table["left"] <= table["right"] + 1e-12).all()


def test_more_noise_increases_the_distance_and_is_equal_for_all_methods(problem):
    ista = lista_training.untrained(problem)
    errors = lista_tables.under_noise({"a": [ista], "b": [ista]}, problem, [0.0, 1.0, 10.0])
    assert np.array_equal(errors["a"], errors["b"])
    assert (np.diff(errors["a"][0]) > 0).all()
    assert errors["a"][0, 0] == pytest.approx(lista_tables.relative(problem, ista.net(problem.x)))
    # Changed inputs are compared with their own optimum.
    moved = sparse_coding.solve(problem.x + 0.5, problem.D, problem.lambda1)
    table = lista_tables.under_inputs({"ISTA": [ista]}, {"same": problem, "moved": moved})
    near = lista_tables.relative(moved, ista.layers(moved)[-1])
    assert table["moved"][0] == f"{near:.2f}" != table["same"][0]


def test_three_counts_of_descents(problem):
    """Without noise the first two agree; a step that doubles the distance still passes the last."""
    ista = lista_training.untrained(problem)
    still = lista_tables.counted(ista, problem, 0.0)
    assert still["than the previous layer"] == still["than what it read"] == 1.0
    wild = LISTA(problem.D, lambda1=problem.lambda1, c=problem.c, depth=4)
    with torch.no_grad():
        wild.W *= 1.5
    counts = lista_tables.counted(Trained(wild), problem, 0.0)
    far = problem.merit("distance", Trained(wild).layers(problem))
    ratios = far[1:] / far[:-1]
    assert counts["than what it read"] == pytest.approx((ratios <= 1).double().mean().item())
    assert counts["public count"] == pytest.approx((ratios < 1.9).double().mean().item())
    assert counts["public count"] > counts["than what it read"]
    noisy = lista_tables.counted(ista, problem, 1.0)
    assert noisy["than the previous layer"] < 0.5 < noisy["than what it read"]


def test_an_effect_is_tested_on_paired_seeds_and_corrected_for_the_number_of_changes():
    plain = np.array([1.0, 2.0, 4.0])
    values = {"plain": plain, "half": plain / [2.0, 2.05, 1.95], "same": plain * [0.5, 1.0, 2.1]}
    values |= {"twice": plain * [2.0, 2.05, 1.95]}
    changes = {name: (name, "plain") for name in ("half", "twice", "same")}
    table = lista_tables.effects(values, changes).set_index("change")
    assert table["distance"].tolist() == ["smaller", "larger", "undecided"]
    assert table.loc["half", "low"] < 0.5 < table.loc["half", "high"] < 1
    assert table.loc["half", "factor"] * table.loc["twice", "factor"] == pytest.approx(1)
    many = {f"{k}": ("half", "plain") for k in range(2000)}
    assert set(lista_tables.effects(values, many)["distance"]) == {"undecided"}
    values = {"plain": np.array([1.0]), "half": np.array([0.5])}  # one seed decides nothing
    table = lista_tables.effects(values, {"half": ("half", "plain")})
    assert table["distance"].tolist() == ["undecided"] and table["factor"].tolist() == [0.5]
