"""SISTA-RNN's own task: columns as time steps, scores of pictures, and its algorithms."""

import numpy as np
import pytest
import torch

from companion.studies.natural_images import images
from companion.studies.sista_images import image_solvers
from companion.studies.sista_images.image_operators import ssim
from companion.studies.sista_images.image_solvers import Way, transition
from companion.studies.sista_images.image_task import DEVIATION, Task, task
from unfolded.errors import ConfigError


@pytest.fixture(scope="module")
def small_task():
    return task(count=8)


def test_each_time_step_is_a_column_of_the_picture(small_task):
    train, validation, test = images("free")
    assert [len(part) for part in (small_task.train, small_task.validation, small_task.test)] == [
        8,
        2,
        2,
    ]
    for part, grey in (
        (small_task.train, train),
        (small_task.validation, validation),
        (small_task.test, test),
    ):
        column = torch.from_numpy(grey[1, :, 17].astype(np.float32))
        assert torch.allclose(part[1, 17] * small_task.unit + small_task.mean, column, atol=1e-3)
        assert torch.equal(small_task.pictures(part), torch.from_numpy(grey[: len(part)]).float())


def test_units_are_those_of_the_public_code(small_task):
    assert small_task.train.mean().abs() < 1e-3
    assert small_task.train.std(-1, correction=0).mean().item() == pytest.approx(
        DEVIATION, rel=1e-4
    )
    unit_task = task(count=8, deviation=1.0)
    assert torch.allclose(unit_task.train * DEVIATION, small_task.train, atol=1e-3)
    assert torch.equal(unit_task.pictures(unit_task.test), small_task.pictures(small_task.test))
    assert small_task.data_sha256 == unit_task.data_sha256 != task(count=4).data_sha256


def test_measurements_are_noiseless_and_a_quarter_of_the_pixels(small_task):
    x = small_task.measure(small_task.test)
    assert x.shape == (2, 128, 32)
    assert torch.allclose(x[1, 5], small_task.A @ small_task.test[1, 5], atol=1e-3)
    assert torch.allclose(small_task.A.norm(dim=0), torch.tensor(1 / 3).expand(128))
    assert torch.equal(small_task.A, task(count=4).A) and not torch.equal(
        small_task.A, task(count=4, seed=1).A
    )


def test_scores_of_known_estimates(small_task):
    exact = small_task.scores(small_task.test, small_task.test)
    assert exact == {"mse": 0.0, "psnr": 100.0, "ssim": 1.0}
    # Half a grey level is rounded away; far outside 0..255 is clipped before it is compared.
    assert small_task.scores(small_task.test, small_task.test + 0.4 / small_task.unit)["mse"] == 0.0
    white = small_task.scores(small_task.test, small_task.test + 1e4)["mse"]
    assert white == pytest.approx(
        (255 - small_task.pictures(small_task.test)).square().mean().item()
    )


def test_ssim_of_flat_pictures_is_the_luminance_term():
    a, b, C1 = 100.0, 150.0, (0.01 * 255) ** 2
    flat = torch.ones(1, 16, 16)
    expected = (2 * a * b + C1) / (a**2 + b**2 + C1)
    assert ssim(a * flat, b * flat, peak=255) == pytest.approx(expected)
    values = ssim(torch.cat([a * flat] * 2), torch.cat([b * flat, a * flat]), peak=255)
    assert values == pytest.approx((1 + expected) / 2)


@pytest.mark.parametrize("shape", [(16, 16), (1, 10, 16), (1, 1, 16, 16), (0, 16, 16)])
def test_ssim_rejects_pictures_of_other_shapes(shape):
    with pytest.raises(ConfigError, match="expected"):
        ssim(torch.ones(shape), torch.ones(shape), peak=255)
    with pytest.raises(ConfigError, match="peak above 0"):
        ssim(torch.ones(1, 16, 16), torch.ones(1, 16, 16), peak=0)


def test_a_known_transition_is_recovered_by_least_squares(small_task, normal):
    F = torch.linalg.qr(normal(128, 128))[0]
    states = [normal(6, 128)]
    for _ in range(200):
        states.append(states[-1] @ F.T + 1e-3 * normal(6, 128))
    known = Task(
        **{**vars(small_task), "train": torch.stack(states, 1), "D": small_task.D.double()}
    )
    assert torch.allclose(transition(known), F, atol=1e-2)


def test_the_transition_predicts_training_columns_better_than_the_previous_column(small_task):
    before, after = small_task.train[:, :-1], small_task.train[:, 1:]
    error = (after - before @ transition(small_task).T).square().mean()
    assert error < (after - before).square().mean()


@pytest.mark.parametrize("way", [Way(None), Way(None, estimated=True), Way(None, 2.0, None)])
def test_a_solution_to_tolerance_is_near_the_minimum_of_each_column(small_task, way):
    x = small_task.measure(small_task.test[:1])
    solution = image_solvers.solve(way, small_task, x)
    level = image_solvers.TOLERANCE * (x @ (small_task.A @ small_task.D)).norm(dim=-1).max()
    assert solution.certificate.max() <= level
    assert (
        image_solvers.solve(Way(3, way.lambda1, way.lambda2), small_task, x).certificate.max()
        > level
    )


def test_the_search_returns_weights_with_at_most_the_validation_error_of_others(small_task):
    start = Way(None, 0.5, None)
    best = image_solvers.searched(start, small_task)

    def error(way):
        estimate = image_solvers.recovered(way, small_task, small_task.validation)
        return (estimate - small_task.validation).square().mean()

    assert error(best) <= 1.02 * min(error(Way(None, value, None)) for value in (0.1, 0.5, 2.0))
