"""Theorems about arrays: reductions, vectors, checksums, bad arguments, the paper's tables."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis.extra import numpy as hnp

from unfolded import data
from unfolded.data import datasets
from unfolded.data.downsample import REDUCTIONS, reduce
from unfolded.errors import ConfigError

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
def test_a_flat_frame_stays_flat(name):
    assert np.all(reduce(np.full((1, 64, 64), 255, dtype=np.uint8), name) == 255)


def test_a_checksum_sees_values_shape_and_kind_but_not_layout():
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    seal = data.checksum(array)
    assert seal == data.checksum(np.asfortranarray(array)) == data.checksum(array.astype(">f4"))
    others = [array.T, array.astype(np.float64), array.reshape(3, 2), array + 1, array[:0]]
    assert seal not in map(data.checksum, others)


@pytest.mark.parametrize("count", [9, 0, -1, 10_001, 10.5, "10", None, True, float("nan")])
def test_an_impossible_count_names_the_range(count):
    with pytest.raises(ConfigError, match=r"count a whole number >= 10 and <= 10000; got .*; "):
        data.sequences("digits", count=count)
    with pytest.raises(ConfigError, match="at least 10 sequences"):
        data.split(np.zeros((9, 20, 16, 16)))


@pytest.mark.parametrize("source", ["MNIST", "", None, ["digits"], "two\nlines"])
def test_an_unknown_source_names_the_known(source):
    with pytest.raises(ConfigError, match=r"\A.*digits, mnist, moving-mnist.*\Z"):
        data.sequences(source, count=10)


def test_an_unknown_reduction_names_the_known_before_any_work(monkeypatch):
    monkeypatch.setattr(datasets, "chunks", lambda *_: pytest.fail("worked first"))
    with pytest.raises(ConfigError, match="bilinear, area, antialiased"):
        data.sequences("digits", count=10, reduction="cubic")


def test_the_paper_s_tables_agree_where_they_overlap_and_lost_cells_are_empty():
    table = pd.read_csv(Path(__file__).parents[2] / "data" / "paper" / "tables.csv")
    assert not table.duplicated(["table", "value", "model"]).any()
    assert table.psnr_db.isna().equals(table.status.str.contains("lost|unreadable"))
    assert table.groupby("table").size().to_dict() == {1: 45, 2: 54, 3: 54}
    default = {1: 0.2, 2: 1024, 3: 3}
    rows = {k: table[(table.table == k) & (table.value == v)] for k, v in default.items()}
    values = {k: rows[k].set_index("model").psnr_db.dropna() for k in rows}
    assert values[1].to_dict() == values[2].to_dict()
    assert values[3].to_dict() == values[1].drop("LSTM").to_dict()
