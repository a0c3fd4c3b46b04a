"""LISTA: untrained it is ISTA; its targets are optima; trainings are interrupted and stored."""

from dataclasses import replace

import joblib
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from companion import __main__ as command_line
from companion import result_store
from companion.studies import descent_constraints
from companion.studies.lista import lista_runs, lista_tables, lista_training, sparse_coding
from companion.studies.lista.lista_network import LISTA, lista_step
from companion.studies.lista.lista_training import METHODS, Method, Trained
from companion.studies.natural_images import images
from companion.studies.training_state import state_of
from unfolded import solvers
from unfolded.errors import ConfigError, DataError
from unfolded.runs import results_table
from unfolded.seeds import derive

n, h = 6, 9


@pytest.fixture
def M(normal):
    return normal(n, h)


@given(st.integers(1, 12), st.floats(1e-3, 2.0), st.floats(0.5, 4.0), st.booleans())
@settings(max_examples=30)
def test_untrained_it_is_ista(depth, lambda1, c, tied):
    draw = torch.Generator().manual_seed(depth)
    M = torch.randn(n, h, generator=draw, dtype=torch.float64)
    x = torch.randn(5, n, generator=draw, dtype=torch.float64)
    c = c * torch.linalg.matrix_norm(M, 2).item() ** 2
    net = LISTA(M, lambda1=lambda1, depth=depth, c=c, tied=tied)
    identity = torch.eye(n, dtype=torch.float64)
    for l, y in enumerate(net.layers(x)):
        ista = solvers.ista(x[:, None], identity, M, lambda1=lambda1, c=c, iterations=l)
        torch.testing.assert_close(y, ista.codes[:, 0], rtol=1e-11, atol=1e-11)
    torch.testing.assert_close(net(x), net.layers(x)[-1], rtol=0, atol=0)
    usual = LISTA(M, lambda1=lambda1, depth=depth, tied=tied)(x)
    lipschitz = torch.linalg.matrix_norm(M, 2).item() ** 2
    assert torch.equal(LISTA(M, lambda1=lambda1, depth=depth, tied=tied, c=lipschitz)(x), usual)


def test_a_layer_is_the_printed_one(normal):
    W, U, y, x = normal(h, h), normal(h, n), normal(4, h), normal(4, n)
    gamma = normal(h).abs()
    u = torch.einsum("ij,bj->bi", W, y) + torch.einsum("ij,bj->bi", U, x)
    expected = u.sign() * (u.abs() - gamma).clamp(min=0)
    torch.testing.assert_close(lista_step(y, x @ U.T, W=W, gamma=gamma), expected)


def test_a_random_start_follows_its_seed_and_is_small_and_tied_layers_share_their_weights(M):
    first, same, other = (LISTA(M, lambda1=0.1, depth=2, start="random", seed=s) for s in (0, 0, 1))
    assert torch.equal(first.W, same.W) and not torch.equal(first.W, other.W)
    assert first.W.std().item() == pytest.approx(0.01, rel=0.2)
    assert bool((first.gamma > 0).all())
    nets = (LISTA(M, lambda1=0.1, depth=4, tied=tied) for tied in (True, False))
    counts = [sum(p.numel() for p in net.parameters()) for net in nets]
    assert counts == [h * h + h * n + h, 4 * (h * h + h * n + h)]


def test_noise_is_read_by_the_next_layer_and_never_enters_the_last_output(M, normal):
    net, x, seen = LISTA(M, lambda1=0.1, depth=4), normal(3, n), []
    outputs = net.layers(x, lambda y, l: seen.append(l) or torch.zeros_like(y))
    assert seen == [1, 2, 3]
    # Each layer forgot the one before, so all of them repeat the first.
    for y in outputs[2:]:
        torch.testing.assert_close(y, outputs[1])


def test_thresholds_stay_positive_in_training(M, normal):
    net, x = LISTA(M, lambda1=0.01, depth=2), normal(16, n)
    optimiser = torch.optim.SGD(net.parameters(), lr=10.0)
    for _ in range(20):
        optimiser.zero_grad()
        net.gamma.sum().backward()
        optimiser.step()
    assert bool((net.gamma > 0).all()) and net.gamma.max() < 0.01 / net.depth
    assert bool(net(x).isfinite().all())


def test_what_makes_no_network_and_what_does_not_fit_one_is_refused(M, normal):
    for bad in ({"depth": 0}, {"depth": True}, {"start": "zero"}, {"c": -1.0}, {"lambda1": 0.0}):
        with pytest.raises(ConfigError, match="expected"):
            LISTA(M, **{"lambda1": 0.1, "depth": 2, **bad})
    for bad in (normal(3, n + 1), normal(n), normal(3, n).float()):
        with pytest.raises(ConfigError, match="signals"):
            LISTA(M, lambda1=0.1, depth=2)(bad)


# --- the targets ---


@pytest.fixture(scope="module")
def problem():
    return sparse_coding.usual(200, "test")


def test_targets_have_their_certificate_and_are_the_only_ones(problem):
    assert problem.certificate.max() <= 1e-6
    assert bool(problem.unique().all())
    twins = sparse_coding.solve(torch.full((1, 1), 2.0).double(), torch.ones(1, 2).double(), 0.5)
    assert not bool(twins.unique().any())


def test_what_cannot_be_solved_is_refused(monkeypatch):
    monkeypatch.setattr(sparse_coding, "_ITERATIONS", (1,))
    with pytest.raises(DataError, match="certificate"):
        sparse_coding.usual(5, "test")


def test_the_truncated_target_is_no_optimum():
    draw = torch.Generator().manual_seed(0)
    D = torch.rand(64, 76, generator=draw, dtype=torch.float64)
    problem = sparse_coding.solve(sparse_coding.draw(8, "test"), D, 0.5)
    y = sparse_coding.truncated(problem, 300)
    assert lista_tables.relative(problem, y) > 0.05
    assert bool((problem.merit("objective", y) > 0).all())


def test_patches_of_the_parts_are_of_other_pictures_and_always_the_same():
    train, test = sparse_coding.draw(50, "train"), sparse_coding.draw(50, "test")
    assert 0 <= float(train.min()) < float(train.max()) <= 1
    assert torch.equal(test, sparse_coding.draw(50, "test")) and not torch.equal(train, test)
    for bad in ((0, "test"), (10**7, "test"), (3, "all")):
        with pytest.raises(ConfigError):
            sparse_coding.draw(*bad)


def test_three_merits_vanish_at_the_optimum_and_nowhere_near(problem):
    for name in ("distance", "residual", "objective"):
        assert problem.merit(name, problem.codes).abs().max() < 1e-5
        assert problem.merit(name, problem.codes + 0.01).min() > 1e-4
    with pytest.raises(ConfigError, match="merit"):
        problem.merit("sparsity", problem.codes)


def test_the_smooth_gradient_does_not_vanish_at_the_optimum(problem):
    active = (problem.codes != 0).sum(-1).double()
    least = problem.lambda1 * active.sqrt()
    assert bool((problem.merit("gradient", problem.codes) >= least - 1e-5).all())


def test_the_residual_stays_small_wherever_the_data_fit(problem):
    """Along the null space of D a code goes as far as it likes; the residual is λ1 √h at most."""
    null = torch.linalg.svd(problem.D).Vh[-1]
    fit = problem.x @ torch.linalg.pinv(problem.D).T
    far = fit + 1e3 * null
    assert problem.merit("distance", far).min() > 900
    assert problem.merit("residual", far).max() <= problem.lambda1 * 10 + 1e-9


# --- training ---


@pytest.fixture(scope="module")
def small():
    return sparse_coding.usual(300, "train").to(torch.float32)


def test_methods_are_paired_and_repeatable(small):
    training, same = (lista_training.train(Method(), small, seed=0, steps=3) for _ in range(2))
    other = lista_training.train(Method(), small, seed=1, steps=3)
    cut = lista_training.train(Method(constraint="distance"), small, seed=0, steps=3)
    assert torch.equal(training.net.W, same.net.W)
    assert torch.equal(training.history.loss[:1], cut.history.loss[:1])
    assert not torch.equal(training.history.loss[:1], other.history.loss[:1])


def test_layerwise_training_passes_no_gradient_between_layers(small):
    """The first layer learns the same whether or not there are others."""
    deep = lista_training.train(Method(layerwise=True), small, seed=0, steps=4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lista_training, "DEPTH", 2)
        shallow = lista_training.train(Method(layerwise=True), small, seed=0, steps=4)
    for weights, other in ((deep.net.U, shallow.net.U), (deep.net.gamma, shallow.net.gamma)):
        torch.testing.assert_close(weights[0], other[0], rtol=0, atol=0)
    assert not torch.equal(deep.net.U[0], lista_training.untrained(small).net.U[0])


def test_under_the_constraint_layers_descend_that_do_not_without(small, problem):
    """From a random start only the last layer has a reason to come near the optimum."""
    test, worst = problem.to(torch.float32), {}
    for name in ("random: plain", "random: distance"):
        training = lista_training.train(METHODS[name], small, seed=0, steps=200)
        merits = test.merit("distance", training.layers(test))
        worst[name] = descent_constraints.slack(merits, 0.05).max().item()
        assert bool((training.history.duals[-1] > 0).any()) == (name == "random: distance")
    assert worst["random: plain"] > 1 and worst["random: distance"] < worst["random: plain"] / 2


def test_summary_of_ista_is_what_theory_says(problem):
    """ISTA with 1/c never moves away from a minimiser, for no sample and in no layer."""
    ista = {"ISTA": [lista_training.untrained(problem)]}
    row = lista_tables.summary(ista, problem).iloc[0]
    assert row["per sample"] == 1.0 and 0 < row["distance"] < 1 and np.isnan(row["±"])


def test_the_right_side_is_above_the_left_one(problem):
    table = lista_tables.both_sides(lista_training.untrained(problem), problem, "distance")
    assert list(table["layer"]) == list(range(11))
    assert (table["left"] <= table["right"] + 1e-12).all()


def test_more_noise_ends_farther_away_and_is_the_same_for_all(problem):
    ista = lista_training.untrained(problem)
    both = lista_tables.under_noise({"a": [ista], "b": [ista]}, problem, [0.0, 1.0, 10.0])
    assert np.array_equal(both["a"], both["b"])
    assert (np.diff(both["a"][0]) > 0).all()
    assert both["a"][0, 0] == pytest.approx(lista_tables.relative(problem, ista.net(problem.x)))
    # Changed inputs are judged by their own optimum.
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


def test_train_all_trains_each_method_once_a_seed(small):
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


def test_an_effect_is_decided_by_paired_seeds_and_corrected_for_the_number_of_changes():
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


# At the published size, here with few pixels and steps ------------------------------------------


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
