"""PSNR in its four averagings, on cases with known values."""

import math

import numpy as np
import pytest
import torch

from unfolded.errors import ConfigError
from unfolded.metrics import AVERAGES, psnr


def decibel(mse, peak=255.0):
    return 10 * math.log10(peak**2 / mse)


def with_errors(rows):
    """Frames of 100 and estimates off by the given amount, one number a frame."""
    reference = torch.full((len(rows), len(rows[0]), 4), 100.0)
    return reference, reference + torch.tensor(rows)[..., None]


def test_each_average_equals_a_manual_computation():
    reference, estimate = with_errors([[1.0, 3.0], [5.0, 7.0]])
    want = {
        "frame": sum(decibel(mse) for mse in (1, 9, 25, 49)) / 4,
        "sequence": (decibel(5) + decibel(37)) / 2,
        "global": decibel(21),
        "authors": decibel(21),
    }
    assert set(want) == set(AVERAGES)
    for average, value in want.items():
        assert psnr(reference, estimate, peak=255, average=average) == pytest.approx(value)


def test_the_psnr_decreases_with_more_averaging_before_the_logarithm(normal):
    # Jensen: the logarithm of a mean is at least the mean of logarithms.
    reference = 40 * normal(5, 4, 9)
    estimate = reference + normal(5, 1, 1).abs() * normal(5, 4, 9)
    frame, sequence, whole = (
        psnr(reference, estimate, peak=255, average=average)
        for average in ("frame", "sequence", "global")
    )
    assert frame > sequence > whole


def test_authors_truncate_both_sides_toward_zero():
    tens = torch.full((1, 1, 4), 10.0)
    assert psnr(tens + 0.99, tens + 0.01, peak=255, average="authors") == 100.0
    assert psnr(tens, tens + 1.99, peak=255, average="authors") == pytest.approx(decibel(1))
    # Rounded to the nearest, these two would agree.
    assert psnr(tens + 0.9, tens + 1.1, peak=255, average="authors") == pytest.approx(decibel(1))


def test_authors_clip_both_sides():
    grey = torch.tensor([[[0.0, 255.0]]])
    assert psnr(grey, torch.tensor([[[-80.0, 300.0]]]), peak=255, average="authors") == 100.0
    assert psnr(grey * 2, grey, peak=255, average="authors") == 100.0
    assert psnr(grey, torch.tensor([[[-0.5, 255.9]]]), peak=255, average="authors") == 100.0
    assert psnr(grey, grey - 80, peak=255, average="global") == pytest.approx(decibel(6400))


def authors_batches(count):
    """Starts of the batches that the authors' loader yields."""
    starts, start = [], 0
    while start + 32 < count:
        starts.append(start)
        start += 32
    return starts


@pytest.mark.parametrize("count", [33, 63, 64, 65, 96, 97, 100, 1_000])
def test_the_measure_of_the_authors_excludes_the_last_batch(count):
    # Sequence i is off by i + 1 (mod 7): only whole batches that another sequence follows count.
    reference, estimate = with_errors([[float(i % 7 + 1)] for i in range(count)])
    errors = [(i % 7 + 1) ** 2 for i in range(count)]
    starts = authors_batches(count)
    want = sum(decibel(sum(errors[s : s + 32]) / 32) for s in starts) / len(starts)
    value = psnr(reference, estimate, peak=255, average="authors")
    assert value == pytest.approx(want)
    worse = estimate.clone()
    worse[starts[-1] + 32 :] = 0.0
    assert psnr(reference, worse, peak=255, average="authors") == value
    worse[starts[-1] + 31] = 0.0
    assert psnr(reference, worse, peak=255, average="authors") < value


@pytest.mark.parametrize("count", [1, 31, 32])
def test_fewer_than_33_sequences_are_one_batch(count):
    reference, estimate = with_errors([[float(i + 1)] for i in range(count)])
    mse = sum((i + 1) ** 2 for i in range(count)) / count
    assert psnr(reference, estimate, peak=255, average="authors") == pytest.approx(decibel(mse))


def test_no_error_is_100_decibel():
    reference, estimate = with_errors([[0.0, 10.0]])
    for average in AVERAGES:
        assert psnr(reference, reference, peak=255, average=average) == 100.0
    want = (100 + decibel(100)) / 2
    assert psnr(reference, estimate, peak=255, average="frame") == pytest.approx(want)


@pytest.mark.parametrize("average", AVERAGES)
def test_arguments_are_not_changed_in_place(average, normal):
    reference, estimate = 300 * normal(40, 2, 4), 300 * normal(40, 2, 4)
    before = reference.clone(), estimate.clone()
    psnr(reference, estimate, peak=255, average=average)
    assert torch.equal(reference, before[0]) and torch.equal(estimate, before[1])


@pytest.mark.parametrize("average", AVERAGES)
def test_scaling_frames_and_peak_together_changes_nothing(average, normal):
    levels = torch.arange(256.0).repeat(40, 2, 1)
    estimate = (levels + 5 * normal(40, 2, 256).float()).round()
    grey = psnr(levels, estimate, peak=255, average=average)
    assert psnr(levels / 255, estimate / 255, peak=1.0, average=average) == pytest.approx(grey)


def test_every_grey_level_survives_normalisation():
    # A level that came back a hair too small would be truncated to the one below.
    levels = torch.arange(256.0).reshape(1, 1, -1)
    for whole in (levels, levels.double()):
        assert psnr(whole / 255, levels.double() / 255, peak=1, average="authors") == 100.0
        doubled = torch.full_like(whole, 0.5 / 255) + whole / 255
        assert psnr(whole / 255, doubled, peak=1, average="authors") == 100.0


def test_integer_and_double_frames_are_accepted():
    reference = torch.full((1, 2, 3), 7, dtype=torch.uint8)
    estimate = torch.full((1, 2, 3), 3, dtype=torch.uint8)  # 3 − 7 must not wrap around
    for average in AVERAGES:
        value = psnr(reference, estimate, peak=255, average=average)
        assert isinstance(value, float) and value == pytest.approx(decibel(16))
        assert psnr(estimate, reference.double(), peak=255, average=average) == value


@pytest.mark.parametrize("average", AVERAGES)
def test_pictures_and_vectors_have_the_same_psnr(average, normal):
    a, b = normal(2, 3, 12).abs(), normal(2, 3, 12).abs() + 0.1
    for kind in (torch.as_tensor, np.asarray):
        pair = [kind(frames.unflatten(2, (3, 4))) for frames in (a, b)]
        value = psnr(*pair, peak=1, average=average)
        assert value == psnr(kind(a), kind(b), peak=1, average=average)
        with pytest.raises(ConfigError, match="two tensors of one shape"):
            psnr(pair[0], pair[1].reshape(2, 3, 12), peak=1, average=average)


def test_the_psnr_of_tiny_errors_is_finite_and_gradients_are_accepted():
    reference = torch.zeros(1, 1, 2)
    estimate = torch.full((1, 1, 2), 1e-30, requires_grad=True)
    value = psnr(reference, estimate, peak=1.0, average="global")
    assert value == pytest.approx(600, rel=1e-6)


@pytest.mark.parametrize(
    "change",
    [
        *({"average": average} for average in ("mean", None)),
        *({"peak": peak} for peak in (0, -255, math.nan)),
        {"estimate": torch.zeros(1, 2, 4)},
        {"estimate": torch.zeros(1, 1, 3)},
        {"reference": torch.zeros(1, 3), "estimate": torch.zeros(1, 3)},
        {"reference": torch.zeros(0, 2, 3), "estimate": torch.zeros(0, 2, 3)},
    ],
    ids=str,
)
def test_invalid_arguments_are_reported_in_one_line(change):
    fine = {"reference": torch.zeros(1, 2, 3), "estimate": torch.zeros(1, 2, 3), "peak": 255}
    call = {**fine, "average": "frame", **change}
    with pytest.raises(ConfigError, match=r"^expected .*; got .*; \w.*\Z"):
        psnr(call.pop("reference"), call.pop("estimate"), **call)
