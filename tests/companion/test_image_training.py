"""Training on pictures: selection, interruption, validation, the optimiser and the plan."""

import math

import numpy as np
import pytest
import torch

from companion import __main__ as command_line
from companion.studies.sista_images import image_results
from companion.studies.sista_images.image_runs import PLAN
from companion.studies.sista_images.image_task import Task, task
from companion.studies.sista_images.image_training import Training, Trial, train_all
from unfolded.errors import RecordError
from unfolded.runs import results_table

SMALL = {"count": 8, "epochs": 1, "batch": 4}


@pytest.fixture(scope="module")
def small_task():
    return task(count=8)


@pytest.fixture(scope="module")
def trained(small_task):
    return Training(Trial(**SMALL), small_task).finish()


def test_best_weights_are_those_of_the_lowest_validation_error(small_task):
    # A rate this high makes the error rise after a while.
    trial = Trial(model="srnn", count=8, batch=4, epochs=6, rate=0.03)
    run = Training(trial, small_task).finish()
    path = [row["validation_mse"] for row in run.curves]
    assert min(path) < path[-1]
    error = (
        run.recovered(small_task.validation) - small_task.validation
    ).square().mean().item() * small_task.unit**2
    assert error == pytest.approx(min(path), rel=1e-4)
    assert image_results.row(run)["best_epoch"] == int(np.argmin(path))


def test_equal_trials_have_equal_curves(trained):
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


def test_an_interrupted_training_continues_with_the_same_result(small_task, tmp_path):
    trial = Trial(count=8, batch=4, epochs=5, rate=1e-5)
    whole = Training(trial, small_task).finish()
    with pytest.raises(KeyboardInterrupt):
        Training(trial, Interrupted(**vars(small_task))).finish(tmp_path)
    run = Training(trial, small_task)
    run.finish(tmp_path)
    untimed = [[{**row, "seconds": 0} for row in training.curves] for training in (whole, run)]
    np.testing.assert_equal(*untimed)
    states = [training.network.state_dict() for training in (whole, run)]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    with pytest.raises(RecordError, match="configuration"):
        Training(Trial(count=8, batch=4, epochs=6), small_task).finish(tmp_path)


def test_long_trainings_are_validated_less_often(small_task):
    run = Training(Trial(model="srnn", count=8, batch=8, epochs=90, rate=1e-5), small_task).finish()
    assert [row["epoch"] for row in run.curves] == [*range(65), 80, 90]
    assert [row["updates"] for row in run.curves] == [row["epoch"] for row in run.curves]


def test_the_first_step_of_rmsprop_equals_that_of_the_public_code(small_task):
    trial = Trial(count=8, batch=8, epochs=1, rate=1e-3)
    run = Training(trial, small_task)
    order = next(run._batches(0))
    before = run.network.h0.detach().clone()
    columns = small_task.train[order]
    (run.network.recover(small_task.measure(columns)) - columns).square().mean().backward()
    gradient = run.network.h0.grad.clone()
    step = trial.rate * gradient / (0.9 * 1e-3 + 0.1 * gradient.square()).sqrt()
    run.optimiser.zero_grad()
    run._epoch(0)
    assert torch.allclose(run.network.h0.detach(), before - step, atol=1e-7)


def test_the_plan_contains_each_trial_once():
    trials = [Trial(model=model, rate=rate, **options) for model, rate, options in PLAN]
    assert len({trial.hash for trial in trials}) == len(trials)
    assert len({trial.name for trial in trials}) == len(trials)


def test_the_command_reports_missing_pictures_in_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("UNFOLDED_DATA", str(tmp_path))
    monkeypatch.setattr(results_table, "RESULTS", tmp_path)
    assert command_line.main(["sista-images", "--epochs", "1"]) == 1
    assert capsys.readouterr().err.startswith("companion: expected pictures at")
