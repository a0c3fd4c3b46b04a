"""Moving crops, and the transformer of sequences under the conventions of scikit-learn."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from companion.studies.natural_images import FREE, picture
from companion.studies.own_data import SparseCodes, moving_crops
from unfolded import data, networks, training
from unfolded.errors import ConfigError, DataError
from unfolded.runs import records
from unfolded.runs.config import RunConfig

SMALL = {"hidden": 9, "depth": 2, "profile": "smoke"}


def frames(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def places(crop, names):
    """Return the corner (y, x) of a crop in the only image that contains it."""
    corners = []
    for image in map(picture, names):
        windows = np.lib.stride_tricks.sliding_window_view(image, crop.shape)
        first = np.argwhere(
            (windows[:, :, 0, 0] == crop[0, 0]) & (windows[:, :, -1, -1] == crop[-1, -1])
        )
        corners += [tuple(at) for at in first if np.array_equal(windows[tuple(at)], crop)]
    return corners


def test_parts_have_different_images_and_each_crop_moves_with_constant_speed():
    crops = moving_crops(10, time=5, side=24, speed=4)
    assert crops.shape == (10, 5, 24, 24) and crops.dtype == np.uint8
    for part, sequences in zip(FREE, data.split(crops), strict=True):
        for sequence in sequences[:2]:
            path = [places(crop, FREE[part]) for crop in sequence]
            assert all(len(at) == 1 for at in path)
            steps = np.diff([at[0] for at in path], axis=0)
            assert np.allclose(np.linalg.norm(steps, axis=1), 4, atol=1.5)
            assert np.abs(steps - steps.mean(0)).max() <= 1
    assert np.array_equal(crops, moving_crops(10, time=5, side=24, speed=4))


def test_a_crop_without_speed_is_constant_and_can_be_as_large_as_an_image():
    assert np.ptp(moving_crops(10, time=3, side=8, speed=0), axis=1).max() == 0
    assert moving_crops(10, time=1, side=300).shape == (10, 1, 300, 300)


@pytest.mark.parametrize(
    "wrong", [{"side": 301}, {"side": 0}, {"time": 0}, {"speed": -1}, {"speed": 30}]
)
def test_a_path_that_no_image_contains_is_rejected(wrong):
    with pytest.raises(ConfigError, match="at most 300"):
        moving_crops(10, **wrong)


@pytest.fixture(scope="module")
def fitted():
    return SparseCodes(**SMALL).fit(frames(20, 3, 6, 4))


def test_the_codes_are_those_of_the_trained_network(fitted, tmp_path):
    X = frames(20, 3, 6, 4)
    record = training.run(
        RunConfig(model="l1-l1-rnn", learning_rate=1e-3, **SMALL),
        frames=X,
        store=tmp_path,
        progress=False,
    )
    net = networks.storage.load(tmp_path / record.config_hash / "weights.safetensors")
    x = net.measure(torch.from_numpy(X).float())
    codes = fitted.transform(X)
    assert codes.shape == (20, 3, 9) and np.array_equal(codes, net.codes(x).detach().numpy())
    assert np.array_equal(fitted.inverse_transform(codes), net.recover(x).detach().numpy())
    assert records.store().name not in {path.name for path in tmp_path.iterdir()}


def test_the_conventions_of_scikit_learn(fitted):
    options = SMALL | {"model": "sista-rnn", "seed": 3, "cs_rate": 0.5}
    coder = SparseCodes(**options)
    copy = clone(coder)
    assert copy is not coder and copy.get_params() == coder.get_params()
    assert options.items() <= coder.get_params().items()
    assert coder.set_params(hidden=5).hidden == 5
    with pytest.raises(NotFittedError):
        coder.transform(frames(2, 3, 6, 4))
    again = pickle.loads(pickle.dumps(fitted))
    X = frames(2, 3, 6, 4, seed=1)
    assert np.array_equal(again.transform(X), fitted.transform(X))
    energy = make_pipeline(clone(fitted), FunctionTransformer(lambda c: np.abs(c).sum(-1)))
    result = energy.fit_transform(frames(20, 3, 6, 4))
    assert np.array_equal(result, np.abs(fitted.transform(frames(20, 3, 6, 4))).sum(-1))


def test_floats_from_0_to_1_have_the_unit_of_the_training_frames(fitted, caplog):
    X = frames(20, 3, 6, 4) / 255
    unit = SparseCodes(**SMALL).fit(X)
    expected = fitted.transform(frames(20, 3, 6, 4))
    assert np.allclose(unit.transform(X), expected, rtol=1e-3, atol=0.05)
    # A dark part of the frames has the same unit, and not one of its own.
    dark = X[:2] * 0.5
    recovered = unit.inverse_transform(unit.transform(dark))
    assert np.allclose(
        unit.transform(dark)[0], unit.transform(np.vstack([dark[:1], X]))[0], atol=1e-4
    )
    assert recovered.shape == (2, 3, 24) and np.abs(recovered).max() < 10


def test_other_numbers_than_those_of_the_training_frames_are_rejected(fitted):
    with pytest.raises(
        DataError, match="integers or floats as in fit; got numbers of type float64"
    ):
        fitted.transform(frames(2, 3, 6, 4) / 255)
    with pytest.raises(ConfigError, match=r"frames of shape \(batch, time, 24\)"):
        fitted.transform(frames(2, 3, 5, 5))
    with pytest.raises(ConfigError, match="model from"):
        SparseCodes(model="pca").fit(frames(20, 3, 6, 4))
    with pytest.raises(DataError, match="frames"):
        SparseCodes(**SMALL).fit(np.zeros((20, 24)))
