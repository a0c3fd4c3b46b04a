"""Properties of the data: the drawn canvases, and disjoint splits."""

import os
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from unfolded import data
from unfolded.data import datasets, download, moving_mnist
from unfolded.data.downsample import REDUCTIONS, reduce
from unfolded.errors import ConfigError

FOLDER = os.environ.get("UNFOLDED_DATA")
REFERENCE = Path(FOLDER or ".") / "moving_mnist"
needs_mnist = pytest.mark.skipif(
    not FOLDER or not Path(FOLDER, download.MNIST.path).is_file(),
    reason="UNFOLDED_DATA holds no MNIST",
)
needs_reference = pytest.mark.skipif(
    not FOLDER or not (REFERENCE / "recipe64.npz").is_file(),
    reason="UNFOLDED_DATA holds no reference sequences",
)


def canvas(source, count):
    """Return the first sequences before downsampling: uint8 of shape (count, 20, 64, 64)."""
    return np.concatenate([*datasets.chunks(source, count)])


@needs_reference
def test_the_recipe_equals_the_reference_recipe():
    reference = np.load(REFERENCE / "recipe64.npz")
    digits, places = datasets.recipe("mnist")
    assert np.array_equal(digits, reference["digit_index"])
    assert np.array_equal(places, reference["offset"])


@needs_mnist
@needs_reference
def test_first_canvases_are_the_reference_byte_for_byte():
    reference = np.load(REFERENCE / "sample64_first8.npy")
    ours = canvas("mnist", len(reference))
    assert ours.dtype == reference.dtype
    assert ours.tobytes() == reference.tobytes()


@needs_mnist
@needs_reference
def test_all_reduced_frames_round_to_the_reference():
    reference = np.load(REFERENCE / "moving_mnist16_bilinear.npz")["frames"]
    ours = data.sequences("mnist", reduction="bilinear")
    assert ours.shape == (10_000, 20, 16, 16)
    assert ours.dtype == np.float32
    assert np.array_equal(np.floor(ours + 0.5).astype(np.uint8), reference.swapaxes(0, 1))


unit = st.floats(0, 1)
angle = st.floats(0, 2 * np.pi, exclude_max=True)


def walked(row, column, heading, frames=60):
    return moving_mnist.walk(np.array([row, column]), np.array(heading), frames).astype(int)


@given(unit, unit, angle)
def test_a_digit_remains_on_the_canvas_and_never_exceeds_its_speed(row, column, heading):
    places = walked(row, column, heading)
    assert places.min() >= 0
    assert places.max() <= moving_mnist.CANVAS - moving_mnist.DIGIT
    steps = np.diff(places, axis=0)
    # 3.6 pixels a frame along the path; each axis loses less than a pixel to truncation.
    assert np.abs(steps).max() <= 4
    assert np.hypot(*steps.T).max() < 3.6 + np.sqrt(2)


@given(st.floats(0.4, 0.6), st.floats(0.4, 0.6), angle)
def test_a_digit_moves_in_a_straight_line_until_it_reaches_a_wall(row, column, heading):
    places = walked(row, column, heading, frames=3)
    for t, place in enumerate(places, 1):
        point = 36 * (
            np.array([row, column]) + 0.1 * t * np.array([np.sin(heading), np.cos(heading)])
        )
        assert np.all(place <= point + 1e-9)
        assert np.all(point < place + 1 + 1e-9)


@given(unit, unit, angle)
def test_a_digit_changes_direction_only_at_a_wall(row, column, heading):
    for axis in walked(row, column, heading).T:
        corners = axis[np.r_[True, np.diff(axis) != 0]]
        turns = np.diff(np.sign(np.diff(corners))) != 0
        assert set(corners[1:-1][turns]) <= {0, 36}


def test_a_position_beyond_a_wall_is_clipped_and_the_start_is_not_a_frame():
    places = walked(0.5, 0.95, 0.0, frames=3)
    assert places[:, 1].tolist() == [36, 32, 28]
    assert walked(0.5, 0.5, 0.0, frames=1).tolist() == [[18, 21]]


@settings(max_examples=30)
@given(hnp.arrays(np.uint8, (1, 20, 2, 2), elements=st.integers(0, 36)))
def test_overlapping_digits_show_the_brighter_pixel(places):
    rng = np.random.default_rng(0)
    digits = rng.integers(0, 256, (1, 2, 28, 28), dtype=np.uint8)
    drawn = moving_mnist.draw(digits, places)
    for t in range(20):
        layers = np.zeros((2, 64, 64), dtype=np.uint8)
        for k, (row, column) in enumerate(places[0, t]):
            layers[k, row : row + 28, column : column + 28] = digits[0, k]
        assert np.array_equal(drawn[0, t], layers.max(axis=0))


def test_embedded_digits_have_the_format_of_mnist():
    images = datasets.digit_images()
    assert images.dtype == np.uint8
    assert images.max() == 255
    assert not images[:, :4].any() and not images[:, :, -4:].any()
    assert len(np.unique(images.reshape(len(images), -1), axis=0)) == len(images)


def test_enlarging_is_the_bilinear_of_torch():
    from sklearn.datasets import load_digits

    small = torch.tensor(load_digits().images)[:, None]
    large = torch.nn.functional.interpolate(small, (20, 20), mode="bilinear")[:, 0].numpy()
    inner = datasets.digit_images()[:, 4:24, 4:24]
    assert np.abs(inner - large * 255 / 16).max() <= 0.5 + 1e-6


@example(9_999)
@given(st.integers(10, 10_000))
def test_splits_of_the_digits_share_no_image(count):
    used = datasets.recipe("digits").digits[datasets.chosen("digits", count)]
    train, validation, test = (set(part.ravel()) for part in data.split(used))
    assert not train & validation and not train & test and not validation & test


def test_images_of_mnist_are_used_once_and_those_of_digits_once_in_a_sequence():
    mnist, digits = (datasets.recipe(source).digits for source in ("mnist", "digits"))
    assert len(np.unique(mnist)) == mnist.size
    assert np.all(digits[:, 0] != digits[:, 1])
    # An odd pool leaves one image out of each pass, but not the same one for ever.
    assert len(np.unique(digits)) == len(datasets.digit_images())


@example(10_000)
@given(st.integers(10, 10_000))
def test_a_split_preserves_order_and_all_sequences(count):
    parts = data.split(np.arange(count))
    assert np.array_equal(np.concatenate(parts), np.arange(count))
    assert min(map(len, parts)) >= count // 10
    assert abs(len(parts[0]) - 0.8 * count) < 1
    assert count != 10_000 or list(map(len, parts)) == [8000, 1000, 1000]


def test_a_smaller_set_is_a_prefix_of_each_part():
    large, small = (data.split(data.sequences("digits", count=n)) for n in (100, 37))
    for whole, head in zip(large, small, strict=True):
        assert np.array_equal(whole[: len(head)], head)


@needs_mnist
def test_a_smaller_mnist_set_is_a_prefix():
    assert np.array_equal(
        data.sequences("mnist", count=150)[:12], data.sequences("mnist", count=12)
    )


def test_sequences_are_reduced_canvases():
    for name in REDUCTIONS:
        expected = reduce(canvas("digits", 13), name)
        assert np.array_equal(data.sequences("digits", count=13, reduction=name), expected)


def test_a_complete_set_never_stores_the_large_frames():
    tracemalloc.start()
    frames = data.sequences("digits", count=2000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < frames.nbytes + 100e6


# Arrays: reductions, checksums, bad arguments, the tables of the paper --------------------------


canvases = hnp.arrays(np.uint8, (2, 64, 64))


@settings(max_examples=20)
@given(canvases)
def test_area_is_the_mean_of_the_block_and_bilinear_that_of_its_centre_four(canvas):
    blocks = canvas.reshape(2, 16, 4, 16, 4).astype(np.float32)
    assert np.array_equal(reduce(canvas, "bilinear"), blocks[:, :, 1:3, :, 1:3].mean(axis=(2, 4)))
    assert np.array_equal(reduce(canvas, "area"), blocks.mean(axis=(2, 4)))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("bilinear", {"mode": "bilinear"}),
        ("area", {"mode": "area"}),
        ("antialiased", {"mode": "bilinear", "antialias": True}),
    ],
)
def test_reductions_are_those_of_torch(name, options):
    canvas = np.random.default_rng(1).integers(0, 256, (3, 64, 64), dtype=np.uint8)
    large = torch.tensor(canvas, dtype=torch.float64)[:, None]
    small = torch.nn.functional.interpolate(large, (16, 16), **options)[:, 0].numpy()
    # Values up to 255 in float32: half a unit in the last place is 2**-17.
    assert np.abs(reduce(canvas, name) - small).max() <= 2**-16


@pytest.mark.parametrize("name", REDUCTIONS)
def test_a_constant_frame_remains_constant(name):
    assert np.all(reduce(np.full((1, 64, 64), 255, dtype=np.uint8), name) == 255)


def test_a_checksum_depends_on_values_shape_and_type_but_not_on_layout():
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    seal = data.checksum(array)
    assert seal == data.checksum(np.asfortranarray(array)) == data.checksum(array.astype(">f4"))
    arrays = [array.T, array.astype(np.float64), array.reshape(3, 2), array + 1, array[:0]]
    assert seal not in map(data.checksum, arrays)


@pytest.mark.parametrize("count", [9, 0, -1, 10_001, 10.5, "10", None, True, float("nan")])
def test_the_error_for_an_impossible_count_states_the_range(count):
    with pytest.raises(ConfigError, match=r"count a whole number >= 10 and <= 10000; got .*; "):
        data.sequences("digits", count=count)
    with pytest.raises(ConfigError, match="at least 10 sequences"):
        data.split(np.zeros((9, 20, 16, 16)))


@pytest.mark.parametrize("source", ["MNIST", "", None, ["digits"], "two\nlines"])
def test_the_error_for_an_unknown_source_lists_the_known_ones(source):
    with pytest.raises(ConfigError, match=r"\A.*digits, mnist, moving-mnist.*\Z"):
        data.sequences(source, count=10)


def test_an_unknown_reduction_is_rejected_before_any_work(monkeypatch):
    monkeypatch.setattr(datasets, "chunks", lambda *_: pytest.fail("worked first"))
    with pytest.raises(ConfigError, match="bilinear, area, antialiased"):
        data.sequences("digits", count=10, reduction="cubic")


def test_the_tables_of_the_paper_agree_where_they_overlap_and_missing_cells_are_empty():
    table = pd.read_csv(Path(__file__).parents[2] / "data" / "paper" / "tables.csv")
    assert not table.duplicated(["table", "value", "model"]).any()
    assert table.psnr_db.isna().equals(table.status.str.contains("lost|unreadable"))
    assert table.groupby("table").size().to_dict() == {1: 45, 2: 54, 3: 54}
    default = {1: 0.2, 2: 1024, 3: 3}
    rows = {k: table[(table.table == k) & (table.value == v)] for k, v in default.items()}
    values = {k: rows[k].set_index("model").psnr_db.dropna() for k in rows}
    assert values[1].to_dict() == values[2].to_dict()
    assert values[3].to_dict() == values[1].drop("LSTM").to_dict()
