"""LISTA at the published size, here with few pixels and steps: interrupted, stored, tested."""

from dataclasses import replace

import pytest
import torch

from companion import __main__ as command_line
from companion import result_store
from companion.studies.lista import lista_runs, lista_tables, lista_training, sparse_coding
from companion.studies.natural_images import images
from companion.studies.training_state import state_of
from unfolded.runs import results_table
from unfolded.seeds import derive

TINY = lista_runs.Trial("random: distance", side=8, atoms=70, count=40, batch=8, steps=20)


@pytest.fixture(scope="module")
def small():
    return sparse_coding.usual(100, "train").to(torch.float32)


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


def test_signals_of_the_parts_differ_and_their_optima_are_stored(tmp_path, monkeypatch):
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


def test_rows_of_a_test_are_those_of_the_network(small):
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
