"""Theorems about the baselines: PCA is the best linear reconstruction, and exact with all n0."""

import math

import pandas as pd
import pytest
import torch

from companion.reproduction import linear_baseline
from unfolded import metrics
from unfolded.errors import ConfigError
from unfolded.runs import input_frames
from unfolded.runs.config import RunConfig


@pytest.fixture(scope="module")
def frames():
    train, _, test, _ = input_frames.load(RunConfig(profile="smoke"))
    return train, test


def error(estimate, reference):
    return (estimate - reference).double().square().mean().item()


@pytest.mark.parametrize("n", [1, 3, 7])
def test_no_other_linear_reconstruction_is_better_on_the_training_frames(n, normal):
    train = normal(200, 8) @ normal(8, 8)
    best = error(linear_baseline.linear_reconstruction(train, train, n), train)
    ones = torch.ones(200, 1, dtype=train.dtype)
    for _ in range(20):
        x = torch.cat([train @ normal(8, n), ones], 1)  # any encoder, with the best affine decoder
        decoded = x @ torch.linalg.lstsq(x, train).solution
        assert error(decoded, train) >= best * (1 - 1e-9)


def test_more_components_never_increase_the_error_and_all_components_are_exact(frames):
    train, test = frames
    errors = [
        error(linear_baseline.linear_reconstruction(train, test, n), test) for n in (1, 16, 51, 256)
    ]
    assert errors == sorted(errors, reverse=True) and errors[-1] < 1e-6 * errors[0]


def test_the_number_of_components_is_checked(frames):
    for n in (0, 257):
        with pytest.raises(ConfigError, match=f"from 1 to 256; got {n}"):
            linear_baseline.linear_reconstruction(*frames, n)


def test_the_table_has_a_row_for_each_method_and_rate(frames):
    rows = linear_baseline.levels(RunConfig(profile="smoke"), rates=(0.1, 0.5))
    assert [row["n"] for row in rows] == [0, 25, 128]
    assert rows[0]["test_mse"] > rows[1]["test_mse"] > rows[2]["test_mse"]
    train, test = frames
    estimate = linear_baseline.linear_reconstruction(train, test, 25)
    psnr = metrics.psnr(test, estimate, peak=255.0, average="authors")
    assert rows[1]["psnr_authors"] == pytest.approx(psnr, abs=1e-4)


def test_the_committed_levels_can_be_looked_up():
    psnr = linear_baseline.level(cs_rate=0.2, average="global")
    row = linear_baseline.stored_baselines().query("reduction == 'area' and cs_rate == 0.2").iloc[0]
    assert psnr == pytest.approx(10 * math.log10(255**2 / row["test_mse"]), abs=1e-3)
    assert linear_baseline.level() < psnr
    with pytest.raises(ConfigError, match=r"one baseline of mnist, area, rate 0\.7; got 0 rows"):
        linear_baseline.level(cs_rate=0.7)


def test_a_run_at_the_mean_frame_did_not_train():
    level = linear_baseline.level()
    runs = pd.DataFrame(
        {
            "source": ["mnist", "mnist", "mnist", "digits"],
            "reduction": "area",
            "psnr_authors": [level + 0.04, level + 0.06, level - 3, level],
        }
    )
    assert linear_baseline.did_not_train(runs).tolist() == [True, False, True, False]


def test_the_mean_frame_is_the_best_constant_answer(frames):
    train, test = frames
    variance = train.double().var((0, 1), correction=0).mean().item()
    assert error(linear_baseline.mean_frame(train, train), train) == pytest.approx(variance, 1e-5)
    config = RunConfig(profile="smoke", protocol="normalised")
    mse = ((test - train.mean((0, 1))) / 255).square().mean().item()
    psnr = linear_baseline.mean_frame_psnr(config, "global")
    assert psnr == pytest.approx(-10 * math.log10(mse), abs=1e-4)
    usual = linear_baseline.mean_frame_psnr(RunConfig(profile="smoke"), "global")
    assert psnr == pytest.approx(usual, abs=1e-3), "it does not depend on the protocol"


def test_baselines_of_the_full_number_of_sequences_are_read_and_others_computed(monkeypatch):
    monkeypatch.setattr(linear_baseline, "levels", lambda *arguments: pytest.fail("it computed"))
    full = RunConfig(profile="paper", source="mnist")
    known = linear_baseline.baselines_for(full, (0.2,)).set_index("cs_rate")["psnr_authors"]
    assert known[0.2] == linear_baseline.level(cs_rate=0.2) > known[0.0]
    with pytest.raises(pytest.fail.Exception, match="it computed"):
        linear_baseline.baselines_for(RunConfig(profile="smoke"), (0.2,))
