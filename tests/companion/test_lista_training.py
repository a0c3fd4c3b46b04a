"""Training of LISTA: methods, constraints, interruption and stored trials."""

from dataclasses import replace

import joblib
import pytest
import torch

from companion import __main__ as command_line
from companion import result_store
from companion.studies import descent_constraints
from companion.studies.lista import lista_runs, lista_tables, lista_training, sparse_coding
from companion.studies.lista.lista_training import METHODS, Method, Trained
from companion.studies.natural_images import images
from companion.studies.training_state import state_of
from unfolded.runs import results_table
from unfolded.seeds import derive


@pytest.fixture(scope="module")
def problem():
    return sparse_coding.usual(200, "test")


@pytest.fixture(scope="module")
def small():
    return sparse_coding.usual(300, "train").to(torch.float32)


def test_methods_are_paired_and_reproducible(small):
    training, same = (lista_training.train(Method(), small, seed=0, steps=3) for _ in range(2))
    second = lista_training.train(Method(), small, seed=1, steps=3)
    cut = lista_training.train(Method(constraint="distance"), small, seed=0, steps=3)
    assert torch.equal(training.net.W, same.net.W)
    assert torch.equal(training.history.loss[:1], cut.history.loss[:1])
    assert not torch.equal(training.history.loss[:1], second.history.loss[:1])


def test_layerwise_training_passes_no_gradient_between_layers(small):
    """The first layer learns the same whether or not there are others."""
    deep = lista_training.train(Method(layerwise=True), small, seed=0, steps=4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lista_training, "DEPTH", 2)
        shallow = lista_training.train(Method(layerwise=True), small, seed=0, steps=4)
    for weights, expected in ((deep.net.U, shallow.net.U), (deep.net.gamma, shallow.net.gamma)):
        torch.testing.assert_close(weights[0], expected[0], rtol=0, atol=0)
    assert not torch.equal(deep.net.U[0], lista_training.untrained(small).net.U[0])


def test_layers_descend_with_the_constraint_and_not_without(small, problem):
    """The loss of plain training depends on the last layer only."""
    test, worst = problem.to(torch.float32), {}
    for name in ("random: plain", "random: distance"):
        training = lista_training.train(METHODS[name], small, seed=0, steps=200)
        merits = test.merit("distance", training.layers(test))
        worst[name] = descent_constraints.slack(merits, 0.05).max().item()
        assert bool((training.history.duals[-1] > 0).any()) == (name == "random: distance")
    assert worst["random: plain"] > 1 and worst["random: distance"] < worst["random: plain"] / 2


def test_train_all_trains_each_method_once_for_each_seed(small):
    methods = {"plain": Method(), "distance": Method(constraint="distance")}
    with joblib.parallel_config(backend="loky"):  # as the command trains
        trainings = lista_training.train_all(small, seeds=(0, 1), steps=2, methods=methods)
    assert {name: len(ones) for name, ones in trainings.items()} == {
        "ISTA": 1, "plain": 2, "distance": 2
    }  # fmt: skip
    alone = lista_training.train(methods["distance"], small, seed=1, steps=2)
    torch.testing.assert_close(trainings["distance"][1].net.W, alone.net.W)
    assert isinstance(trainings["ISTA"][0], Trained) and trainings["ISTA"][0].history is None


def test_the_noise_of_the_public_code_grows_with_the_gradient(small):
    noises = {}
    for scale in (1.0, 10.0):
        draws = torch.Generator().manual_seed(0)
        disturb = lista_training.public_noise(small, 2.0, draws)
        y = scale * small.codes
        noises[scale] = (disturb(y, 1) - y).norm(dim=-1)
        gradient = 100 * (y @ small.D.T - small.x) @ small.D
        normal = torch.randn(y.shape, generator=torch.Generator().manual_seed(0))
        expected = 0.02 * gradient.norm(dim=-1).log().clamp(min=0) * normal.norm(dim=-1)
        torch.testing.assert_close(noises[scale], expected, rtol=1e-2, atol=1e-3)
    assert bool((noises[10.0] >= noises[1.0]).all())


# Stored trials, here with few pixels and steps --------------------------------------------------


TINY = lista_runs.Trial("random: distance", side=8, atoms=70, count=40, batch=8, steps=20)


@pytest.mark.parametrize("method", ["random: distance", "random: distance + noise"])
def test_an_interrupted_training_continues_with_the_same_result(small, tmp_path, method):
    trial = replace(TINY, method=method)
    whole = lista_runs.train(trial, small)

    class Cut(type(small)):
        def only(self, i):
            if torch.equal(i, stop):
                raise KeyboardInterrupt
            return super().only(i)

    draws = torch.Generator().manual_seed(derive(trial.seed, "order"))
    for _ in range(15):
        stop = torch.randint(len(small.x), (trial.batch,), generator=draws)
    store = state_of(tmp_path, trial.hash, interval=10)
    with pytest.raises(KeyboardInterrupt):
        lista_runs.train(trial, Cut(**vars(small)), store)
    again = lista_runs.train(trial, small, store)
    for name in ("loss", "duals", "slack"):
        assert torch.equal(getattr(whole.history, name), getattr(again.history, name))
    assert torch.equal(whole.net.W, again.net.W) and len(again.history.loss) == 20


def test_signals_of_the_parts_differ_and_optimal_codes_are_stored(tmp_path, monkeypatch):
    monkeypatch.setenv("UNFOLDED_RUNS", str(tmp_path))
    monkeypatch.setattr(lista_runs, "images", lambda source: images("free"))
    first = lista_runs.problem(TINY, "train")
    assert first.x.shape == (40, 64) and first.codes.shape == (40, 70)
    assert first.certificate.max() <= lista_runs.TOLERANCE
    stored = sorted(tmp_path.rglob("*.pt"))
    times = [path.stat().st_mtime_ns for path in stored]
    again = lista_runs.problem(TINY, "train")
    assert torch.equal(first.codes, again.codes) and len(stored) == 1
    assert times == [path.stat().st_mtime_ns for path in stored]


def test_the_command_stores_each_trial_once_in_four_tables(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("UNFOLDED_RUNS", str(tmp_path / "runs"))
    monkeypatch.setattr(results_table, "RESULTS", tmp_path)
    monkeypatch.setattr(lista_runs, "images", lambda source: images("free"))
    plan = replace(TINY, method="ISTA", steps=0), TINY
    monkeypatch.setattr(lista_runs, "PLAN", plan)
    result_store.merge(lista_runs.TRIALS, [{"trial": "a", "method": "ISTA", "seed": 0}])
    assert lista_runs.stored_rows(lista_runs.CURVES).empty and len(lista_runs.stored_rows()) == 1
    assert command_line.main(["lista", "--seed", "1"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2
    trials = lista_runs.stored_rows().query("trial != 'a'")
    assert trials["trial"].tolist() == [replace(trial, seed=1).hash for trial in plan]
    for name in (lista_runs.TESTS, lista_runs.ERRORS):
        assert set(lista_runs.stored_rows(name)["trial"]) == set(trials["trial"])
    assert set(lista_runs.stored_rows(lista_runs.CURVES)["method"]) == {TINY.method}
    assert command_line.main(["lista", "--seed", "1"]) == 0
    assert "0 computed, 2 already" in capsys.readouterr().err


def test_rows_of_a_test_agree_with_the_network(small):
    training = lista_training.untrained(small)
    layers, errors = lista_runs.tests(training, small)
    clean = [row for row in layers if row["sigma"] == 0]
    assert len(clean) == lista_training.DEPTH + 1 and clean[0]["distance"] == 1.0
    last = lista_tables.relative(small, training.net(small.x))
    assert clean[-1]["distance"] == pytest.approx(last)
    loud = [row["distance"] for row in layers if row["layer"] == lista_training.DEPTH]
    assert loud[-1] > 10 * loud[0]
    far = small.merit("distance", training.net(small.x))[: lista_runs.PAIRED].square()
    assert [row["error"] for row in errors if not row["sigma"]] == pytest.approx(far.tolist())
