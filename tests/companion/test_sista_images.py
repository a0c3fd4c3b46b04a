"""SISTA-RNN's own task: columns as time steps, and networks that start as the algorithm."""

import math
from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pytest
import torch

from companion import __main__ as command_line
from companion import results
from companion.studies.natural_images import images
from companion.studies.sista_images import image_analysis, image_results, image_solvers
from companion.studies.sista_images.image_operators import ssim
from companion.studies.sista_images.image_runs import PLAN, RATES, planned
from companion.studies.sista_images.image_solvers import Way, transition
from companion.studies.sista_images.image_task import DEVIATION, LAMBDA1, LAMBDA2, Task, task
from companion.studies.sista_images.image_training import Training, Trial, network, train_all
from companion.studies.sista_images.separate_link import SeparateSistaRNN
from unfolded import solvers
from unfolded.errors import ConfigError, RecordError, TrainingError
from unfolded.runs import results_table

SMALL = {"count": 8, "epochs": 1, "batch": 4}


@pytest.fixture(scope="module")
def on():
    return task(count=8)


@pytest.fixture(scope="module")
def trained(on):
    return Training(Trial(**SMALL), on).finish()


def test_a_time_step_is_a_column_of_the_picture(on):
    train, validation, test = images("free")
    assert [len(part) for part in (on.train, on.validation, on.test)] == [8, 2, 2]
    for part, grey in ((on.train, train), (on.validation, validation), (on.test, test)):
        column = torch.from_numpy(grey[1, :, 17].astype(np.float32))
        assert torch.allclose(part[1, 17] * on.unit + on.mean, column, atol=1e-3)
        assert torch.equal(on.pictures(part), torch.from_numpy(grey[: len(part)]).float())


def test_units_are_those_of_the_public_code(on):
    assert on.train.mean().abs() < 1e-3
    assert on.train.std(-1, correction=0).mean().item() == pytest.approx(DEVIATION, rel=1e-4)
    other = task(count=8, deviation=1.0)
    assert torch.allclose(other.train * DEVIATION, on.train, atol=1e-3)
    assert torch.equal(other.pictures(other.test), on.pictures(on.test))
    assert on.data_sha256 == other.data_sha256 != task(count=4).data_sha256


def test_measurements_are_noiseless_and_a_quarter_as_many(on):
    x = on.measure(on.test)
    assert x.shape == (2, 128, 32)
    assert torch.allclose(x[1, 5], on.A @ on.test[1, 5], atol=1e-3)
    assert torch.allclose(on.A.norm(dim=0), torch.tensor(1 / 3).expand(128))
    assert torch.equal(on.A, task(count=4).A) and not torch.equal(on.A, task(count=4, seed=1).A)


def test_scores_of_what_is_known(on):
    exact = on.scores(on.test, on.test)
    assert exact == {"mse": 0.0, "psnr": 100.0, "ssim": 1.0}
    # Half a grey level is rounded away; far outside 0..255 is clipped before it is compared.
    assert on.scores(on.test, on.test + 0.4 / on.unit)["mse"] == 0.0
    white = on.scores(on.test, on.test + 1e4)["mse"]
    assert white == pytest.approx((255 - on.pictures(on.test)).square().mean().item())


def test_ssim_of_flat_pictures_is_the_luminance_term():
    a, b, C1 = 100.0, 150.0, (0.01 * 255) ** 2
    flat = torch.ones(1, 16, 16)
    expected = (2 * a * b + C1) / (a**2 + b**2 + C1)
    assert ssim(a * flat, b * flat, peak=255) == pytest.approx(expected)
    both = ssim(torch.cat([a * flat] * 2), torch.cat([b * flat, a * flat]), peak=255)
    assert both == pytest.approx((1 + expected) / 2)


@pytest.mark.parametrize("shape", [(16, 16), (1, 10, 16), (1, 1, 16, 16), (0, 16, 16)])
def test_ssim_refuses_what_it_cannot_compare(shape):
    with pytest.raises(ConfigError, match="expected"):
        ssim(torch.ones(shape), torch.ones(shape), peak=255)
    with pytest.raises(ConfigError, match="peak above 0"):
        ssim(torch.ones(1, 16, 16), torch.ones(1, 16, 16), peak=0)


@pytest.mark.parametrize("estimated", [False, True])
def test_an_untrained_sista_rnn_is_three_iterations_of_sista(on, estimated):
    run = Training(Trial(estimated=estimated, **SMALL), on)
    way = Way(3, estimated=estimated)
    expected = image_solvers.recovered(way, on, on.test)
    error = run.recovered(on.test) - expected
    assert error.abs().max() < 1e-4 * expected.abs().max()


@pytest.mark.parametrize("model", ["l1-l1-rnn", "reweighted-rnn"])
def test_untrained_l1_l1_networks_are_their_algorithm(on, model):
    net = network(Trial(model=model), on.A, on.D)
    x = on.measure(on.test)
    how = {"lambda1": LAMBDA1, "lambda2": LAMBDA2, "c": 1.0, "iterations": 3}
    expected = solvers.l1_l1(x, on.A, on.D, torch.eye(128), **how).codes
    assert torch.allclose(net.codes(x), expected, rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize("model", ["sista-rnn", "l1-l1-rnn", "reweighted-rnn"])
def test_units_do_not_change_what_an_untrained_network_recovers(on, model):
    other = task(count=8, deviation=1.0)
    there = network(Trial(model=model, deviation=1.0), other.A, other.D)
    here = network(Trial(model=model), on.A, on.D)
    scaled = there.recover(other.measure(other.test)) * DEVIATION
    assert torch.allclose(here.recover(on.measure(on.test)), scaled, rtol=1e-3, atol=1e-2)


def test_generic_networks_are_given_the_measurements_and_do_not_train_A(on, trained):
    for model in ("srnn", "lstm"):
        run = Training(Trial(model=model, **SMALL), on).finish()
        assert torch.equal(run.network.A, on.A)
        count = sum(p.numel() for p in run.network.parameters()) - on.A.numel()
        assert sum(p.numel() for p in run.parameters) == count
    net = trained.network
    assert not torch.equal(net.A, on.A) and not torch.equal(net.F, torch.eye(128))


def test_a_matrix_that_is_held_stays_as_it_starts(on, trained):
    trial = Trial(held="F", **SMALL)
    run = Training(trial, on).finish()
    assert torch.equal(run.network.F, torch.eye(128)) and not torch.equal(run.network.D, on.D)
    sizes = [sum(p.numel() for p in training.parameters) for training in (trained, run)]
    assert sizes[0] - sizes[1] == 128**2
    assert "F held" in trial.name


def test_without_a_pull_the_two_algorithms_begin_as_one_and_part_as_soon_as_D_moves(on):
    x = on.measure(on.test)
    pair = [
        Trial(model=m, lambda2=1e-6, held=h) for m, h in (("sista-rnn", "F"), ("l1-l1-rnn", "G"))
    ]
    nets = [network(trial, on.A, on.D) for trial in pair]
    first = [net.recover(x) for net in nets]
    assert torch.allclose(*first, rtol=1e-3, atol=1e-2)
    for net in nets:
        net.D.data *= 1.05
    first = [net.recover(x) for net in nets]
    assert (first[0] - first[1]).square().mean() > 0.01 * first[1].square().mean()


def test_the_generic_stack_has_the_soft_threshold_of_the_algorithm_it_starts_beside(on):
    net = network(Trial(model="srnn", depth=1), on.A, on.D)
    (layer,), x = net.cells, on.measure(on.test)[:, :1]
    u = x[:, 0] @ layer.U.T + layer.bias + layer.recurrent_bias
    expected = u.sign() * (u.abs() - LAMBDA1).clamp(min=0)
    assert torch.allclose(net.codes(x)[:, 0], expected, atol=1e-5)


def test_the_least_squares_transition_is_found_again(on, normal):
    F = torch.linalg.qr(normal(128, 128))[0]
    states = [normal(6, 128)]
    for _ in range(200):
        states.append(states[-1] @ F.T + 1e-3 * normal(6, 128))
    known = Task(**{**vars(on), "train": torch.stack(states, 1), "D": on.D.double()})
    assert torch.allclose(transition(known), F, atol=1e-2)


def test_it_predicts_training_columns_better_than_the_column_before(on):
    before, after = on.train[:, :-1], on.train[:, 1:]
    error = (after - before @ transition(on).T).square().mean()
    assert error < (after - before).square().mean()


@pytest.mark.parametrize("way", [Way(None), Way(None, estimated=True), Way(None, 2.0, None)])
def test_to_tolerance_means_near_the_minimum_of_each_column(on, way):
    x = on.measure(on.test[:1])
    solution = image_solvers.solve(way, on, x)
    level = image_solvers.TOLERANCE * (x @ (on.A @ on.D)).norm(dim=-1).max()
    assert solution.certificate.max() <= level
    assert image_solvers.solve(Way(3, way.lambda1, way.lambda2), on, x).certificate.max() > level


def test_the_search_returns_weights_that_recover_validation_pictures_no_worse(on):
    start = Way(None, 0.5, None)
    best = image_solvers.searched(start, on)

    def error(way):
        estimate = image_solvers.recovered(way, on, on.validation)
        return (estimate - on.validation).square().mean()

    assert error(best) <= 1.02 * min(error(Way(None, value, None)) for value in (0.1, 0.5, 2.0))


def test_best_weights_are_those_of_the_lowest_validation_error(on):
    # A rate this high makes the error rise after a while.
    trial = Trial(model="srnn", count=8, batch=4, epochs=6, rate=0.03)
    run = Training(trial, on).finish()
    path = [row["validation_mse"] for row in run.curves]
    assert min(path) < path[-1]
    error = (run.recovered(on.validation) - on.validation).square().mean().item() * on.unit**2
    assert error == pytest.approx(min(path), rel=1e-4)
    assert image_results.row(run)["best_epoch"] == int(np.argmin(path))


def test_a_trial_names_its_numbers(trained):
    path = [row["validation_mse"] for row in trained.curves]
    assert len(path) == 2 and math.isnan(trained.curves[0]["train_mse"])
    assert [row["updates"] for row in trained.curves] == [0, 2]
    (again,) = train_all([Trial(**SMALL)])
    assert [row["validation_mse"] for row in again.curves] == path


class Interrupted(Task):
    """A task that ends the process of training after a number of measurements."""

    calls = 0

    def measure(self, columns):
        type(self).calls += 1
        if self.calls == 14:
            raise KeyboardInterrupt
        return super().measure(columns)


def test_an_interrupted_training_continues_with_the_same_result(on, tmp_path):
    trial = Trial(count=8, batch=4, epochs=5, rate=1e-5)
    whole = Training(trial, on).finish()
    with pytest.raises(KeyboardInterrupt):
        Training(trial, Interrupted(**vars(on))).finish(tmp_path)
    run = Training(trial, on)
    run.finish(tmp_path)
    untimed = [[{**row, "seconds": 0} for row in training.curves] for training in (whole, run)]
    np.testing.assert_equal(*untimed)
    states = [training.network.state_dict() for training in (whole, run)]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    with pytest.raises(RecordError, match="configuration"):
        Training(Trial(count=8, batch=4, epochs=6), on).finish(tmp_path)


def test_long_trainings_are_validated_less_often(on):
    run = Training(Trial(model="srnn", count=8, batch=8, epochs=90, rate=1e-5), on).finish()
    assert [row["epoch"] for row in run.curves] == [*range(65), 80, 90]
    assert [row["updates"] for row in run.curves] == [row["epoch"] for row in run.curves]


@pytest.mark.parametrize("lambda2", [1.0, 0.01])
def test_the_separate_inverse_starts_as_the_tied_link_and_its_engine_agrees(on, lambda2, normal):
    x = on.measure(on.test)
    tied, net = (network(Trial(separate=s, lambda2=lambda2), on.A, on.D) for s in (False, True))
    torch.testing.assert_close(net.recover(x), tied.recover(x), rtol=1e-4, atol=1e-3)
    net.E.data += 0.002 * normal(128, 128).float()
    net.F.data += 0.002 * normal(128, 128).float()
    assert not torch.allclose(net.recover(x), tied.recover(x), atol=0.1)
    h0 = net.h0.expand(len(x), -1)
    torch.testing.assert_close(net.codes(x), net.run_reference(x, h0), rtol=1e-3, atol=1e-2)
    # The first layer in the unrolled form: soft(W h + V x).
    (W, *_), (V, _) = net.layer_weights()
    sizes = {"n0": 128, "n": 32, "hidden": 128, "depth": 1, "seed": 0}
    options = {"positivity": "exp", "lambda1": LAMBDA1, "lambda2": lambda2}
    layer = SeparateSistaRNN(**sizes, **options)
    layer.load_state_dict(net.state_dict())
    h = normal(2, 128).float()
    u = h @ W.T + x[:, 0] @ V.T
    expected = u.sign() * (u.abs() - LAMBDA1).clamp(min=0)
    torch.testing.assert_close(layer.solver()(x[:, 0], h), expected, rtol=1e-3, atol=1e-3)


def test_the_separate_inverse_is_trained(on, trained):
    run = Training(Trial(separate=True, rate=1e-5, **SMALL), on).finish()
    assert not torch.equal(run.network.E, on.D) and not torch.equal(run.network.D, run.network.E)
    sizes = [sum(p.numel() for p in training.parameters) for training in (run, trained)]
    assert sizes[0] - sizes[1] == 128**2 and "separate inverse" in run.trial.name


def test_rmsprop_starts_as_the_public_code_does(on):
    trial = Trial(count=8, batch=8, epochs=1, rate=1e-3)
    run = Training(trial, on)
    order = next(run._batches(0))
    before = run.network.h0.detach().clone()
    columns = on.train[order]
    (run.network.recover(on.measure(columns)) - columns).square().mean().backward()
    gradient = run.network.h0.grad.clone()
    step = trial.rate * gradient / (0.9 * 1e-3 + 0.1 * gradient.square()).sqrt()
    run.optimiser.zero_grad()
    run._epoch(0)
    assert torch.allclose(run.network.h0.detach(), before - step, atol=1e-7)


class TestKeep:
    @pytest.fixture(autouse=True)
    def folder(self, tmp_path, monkeypatch):
        monkeypatch.setattr(results_table, "RESULTS", tmp_path)
        monkeypatch.setattr(results, "register_read", lambda path: path)
        return tmp_path

    def test_a_training_comes_back_as_it_was_and_replaces_its_elder(self, trained):
        for _ in range(2):
            image_results.store(trained)
        (stored_row,) = image_results.stored_rows(image_results.RUNS, "free").to_dict("records")
        again = image_results.row(trained)
        assert stored_row["psnr"] == pytest.approx(again["psnr"], rel=1e-5)
        assert stored_row["trial"] == trained.trial.hash and stored_row["status"] == "done"
        curves = image_results.stored_rows(image_results.CURVES)
        assert curves["validation_mse"].tolist() == pytest.approx(
            [row["validation_mse"] for row in trained.curves], rel=1e-5
        )
        errors = image_results.stored_rows(image_results.PICTURES)["mse"]
        assert errors.mean() == pytest.approx(again["mse"], rel=1e-4)

    def test_the_best_sista_rnn_is_kept_in_half_precision(self, on, trained):
        bad = Training(Trial(**SMALL, seed=1), on)
        image_results.store(trained)
        with torch.no_grad():
            bad.network.F.mul_(0.5)
        bad.trial = Trial(model="sista-rnn", epochs=0)
        image_results.store(bad.finish())
        net, trial = image_results.stored_sista()
        assert trial == trained.trial
        assert torch.equal(net.F, trained.network.F.half().float())

    def test_a_training_whose_weights_cannot_be_written_is_repeated(self, trained, folder):
        (folder / image_results.WEIGHTS).mkdir()
        with pytest.raises(RecordError, match=image_results.WEIGHTS):
            image_results.store(trained)
        assert not (folder / image_results.RUNS).exists()

    def test_a_training_that_fails_is_a_row_with_its_reason(self, on):
        run = Training(Trial(**SMALL), on)
        with torch.no_grad():
            run.network.F.fill_(math.inf)
        with pytest.raises(TrainingError) as caught:
            run.finish()
        image_results.store(run, str(caught.value))
        (row,) = image_results.stored_rows(image_results.RUNS, "free").to_dict("records")
        assert row["status"] == "failed" and "parameter F" in row["reason"]

    def test_networks_are_compared_at_the_greatest_length_of_both(self, on, trained):
        longer = Training(Trial(**SMALL | {"epochs": 2}), on).finish()
        other = Training(Trial(model="lstm", **SMALL), on).finish()
        for training in (longer, trained):
            image_results.store(training)
        with pytest.raises(RecordError, match=r"of equal length; got none; run"):
            image_analysis.comparable("free")
        image_results.store(other)
        table = image_analysis.comparable("free")
        assert len(table) == 2 and table["psnr"].is_monotonic_decreasing
        name = trained.trial.name
        assert table.set_index("name").at[name, "updates"] == trained.updates
        assert len(image_analysis.curves(table)[name]) == 2
        gap = image_analysis.lead(table, name, other.trial.name)
        errors = [np.array(image_results.picture_errors(run)) for run in (trained, other)]
        assert gap.mean == pytest.approx((10 * np.log10(errors[1] / errors[0])).mean(), rel=1e-3)

    def test_a_row_of_an_algorithm_replaces_its_elder(self, on):
        rows = [image_solvers.row(Way(3), on, on.test)]
        for _ in range(2):
            image_results.store_algorithms(rows, source="free", seed=0)
        (row,) = image_results.stored_rows(image_results.ALGORITHMS, "free").to_dict("records")
        assert row["psnr"] == pytest.approx(rows[0]["psnr"], rel=1e-5)

    def test_the_rate_of_a_long_training_is_the_best_on_validation_data(self, folder):
        trials = list(planned("selection", "free", 0, 0))
        assert len({trial.hash for trial in trials}) == len(trials) and trials[0].seed == 0
        train = len(images("free")[0])
        rows = [
            asdict(trial) | {"trial": trial.hash, "train": train, "updates": 0}
            | ({"status": "failed"} if trial.rate == RATES[0] else
               {"status": "done", "validation_mse": abs(trial.rate - RATES[2])})
            for trial in trials
        ]  # fmt: skip
        shorter = replace(trials[1], epochs=1)
        rows.append(rows[1] | {"trial": shorter.hash, "epochs": 1, "validation_mse": -1.0})
        pd.DataFrame(rows[-1:]).to_csv(folder / image_results.RUNS, index=False)
        with pytest.raises(RecordError, match="stage selection"):
            next(planned("published", "free", 0, 0))
        pd.DataFrame(rows).to_csv(folder / image_results.RUNS, index=False)
        assert {*image_results.selection("free").query("selected")["rate"]} == {RATES[2]}
        published = list(planned("published", "free", 0, 0))
        assert {trial.rate for trial in published} == {RATES[2]}
        batches = math.ceil(train / published[0].batch)
        assert all(0 <= trial.epochs * batches - 49_000 < batches for trial in published)
        seeds = [trial.seed for trial in published if trial.model == "lstm"]
        assert seeds == [0, 1, 2] and len({trial.hash for trial in published}) == len(published)

    def test_damaged_weights_are_refused(self, folder):
        (folder / image_results.WEIGHTS).write_bytes(b"not weights")
        with pytest.raises(RecordError, match="git checkout"):
            image_results.stored_sista()


@pytest.mark.parametrize("lambda2", [1.0, 0.01])
def test_a_quadratic_pull_as_heavy_as_the_step_leaves_nothing_of_where_a_layer_starts(on, lambda2):
    # u = h − Mᵀ(Mh − x) − λ2 (h − P h_{t−1}) at α = 1: with λ2 = 1 only M forgets nothing of h.
    net = network(Trial(lambda2=lambda2), on.A, on.D)
    S, M = net.layer_weights()[0][1], net.A @ net.D
    assert torch.allclose(S, (1 - lambda2) * torch.eye(128) - M.T @ M, atol=1e-5)


class TestReading:
    def test_the_readings_of_a_known_network(self, on):
        symbols = network(Trial(), on.A, on.D).symbols()
        values = image_analysis.readings(symbols, on)
        # D is orthonormal, so L = ‖A‖² + λ2.
        assert values["L"] == pytest.approx(
            torch.linalg.matrix_norm(on.A, 2).item() ** 2 + 1, rel=1e-4
        )
        assert values["ν1/ν2"] == pytest.approx(LAMBDA1 / LAMBDA2)
        assert values["‖F − I‖"] == 0 and values["‖DᵀD − I‖"] < 1e-4
        steps = (on.test[:, 1:] - on.test[:, :-1]).square().mean() * on.unit**2
        assert values["error of F"] == pytest.approx(steps.item(), rel=1e-4)

    def test_moments_find_the_prior_that_columns_were_drawn_from(self, on, normal):
        # White columns: codes with mean |h| = sqrt(2/π) σ, and v = s_t − 0 with variance σ².
        white = 3 * normal(40, 128, 128).float()
        known = Task(**{**vars(on), "train": white, "test": white})
        values = image_analysis.moments(known, torch.zeros(128, 128))
        assert values["ν1/ν2"] == pytest.approx(9 / (3 * (2 / math.pi) ** 0.5), rel=0.01)

    def test_diagonals_count_from_below_the_main_one(self):
        F = torch.diag(torch.ones(5), 1) + 2 * torch.diag(torch.ones(6))
        assert image_analysis.diagonals(F, 2) == {-2: 0.0, -1: 0.0, 0: 2.0, 1: 1.0, 2: 0.0}

    def test_a_level_that_is_never_reached_takes_for_ever(self):
        curve = {"updates": [0, 4, 8], "seconds": [0.0, 1, 2], "validation_mse": [9.0, 2, 4]}
        levels = {"low": 1.0, "some": 3.0, "start": 9.0}
        row = image_analysis.times({"a": pd.DataFrame(curve)}, levels).loc["a"]
        assert row["updates"].to_dict() == {"low": math.inf, "some": 4.0, "start": 0.0}
        assert row["seconds"].to_dict() == {"low": math.inf, "some": 1.0, "start": 0.0}


def test_the_plan_names_each_trial_once():
    trials = [Trial(model=model, rate=rate, **other) for model, rate, other in PLAN]
    assert len({trial.hash for trial in trials}) == len(trials)
    assert len({trial.name for trial in trials}) == len(trials)


def test_the_command_line_complains_in_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("UNFOLDED_DATA", str(tmp_path))
    monkeypatch.setattr(results_table, "RESULTS", tmp_path)
    assert command_line.main(["sista-images", "--epochs", "1"]) == 1
    assert capsys.readouterr().err.startswith("companion: expected pictures at")
