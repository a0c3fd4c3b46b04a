"""Figures have a description and a background, are closed, and show the given values."""

import base64
from io import BytesIO
from xml.etree import ElementTree

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

from companion.plots import line_plots, style
from unfolded.errors import ConfigError


@pytest.fixture
def shown(monkeypatch):
    """What a notebook would receive."""
    outputs = []
    monkeypatch.setattr(style, "get_ipython", lambda: object())
    monkeypatch.setattr(style, "display", lambda data, **rest: outputs.append((data, rest)))
    return outputs


@pytest.mark.parametrize("alt", ["", "   ", None, 3])
def test_a_figure_without_a_description_is_rejected(alt, shown):
    with pytest.raises(ConfigError, match="expected a description"):
        line_plots.show(line_plots.panels()[0], alt)
    assert shown == []


def test_show_writes_the_description_and_an_opaque_picture(shown):
    line_plots.show(line_plots.matrix(np.eye(4)), " A diagonal. ")
    [(data, rest)] = shown
    assert rest["raw"] and rest["metadata"]["image/png"]["alt"] == "A diagonal."
    assert data["text/plain"] == "A diagonal."
    picture = Image.open(BytesIO(base64.b64decode(data["image/png"]))).convert("RGBA")
    assert picture.getpixel((0, 0)) == (255, 255, 255, 255)
    assert picture.width > rest["metadata"]["image/png"]["width"], "sharp on fine screens"


def test_few_lines_are_drawn_as_vectors_on_an_opaque_background(shown):
    line_plots.show(line_plots.curves({"a": [1, 2]}, xlabel="x", ylabel="y"), " A rising line. ")
    [(data, rest)] = shown
    assert list(rest["metadata"]) == ["image/svg+xml"] and "image/png" not in data
    assert rest["metadata"]["image/svg+xml"]["alt"] == "A rising line."
    tree = ElementTree.fromstring(data["image/svg+xml"])
    first = next(tree.iter("{http://www.w3.org/2000/svg}path"))
    assert "fill: #ffffff" in first.get("style"), "the ground"


def test_many_points_are_rasterised(shown):
    line_plots.show(
        line_plots.curves({"a": np.zeros(4000)}, xlabel="x", ylabel="y"), "A long line."
    )
    assert "image/png" in shown[0][0]


@pytest.mark.parametrize("entries", [4, 4000])
def test_equal_figures_have_equal_bytes(entries, shown):
    for _ in range(2):
        line_plots.show(
            line_plots.curves({"a": np.ones(entries)}, xlabel="x", ylabel="y"), "A line."
        )
    assert shown[0] == shown[1]


def test_show_closes_pyplot_figures(shown):
    matplotlib.use("Agg")
    before = plt.get_fignums()
    line_plots.show(plt.figure(), "Nothing.")
    line_plots.show(line_plots.atoms(np.eye(16)), "Sixteen dots.")
    assert plt.get_fignums() == before


def test_activation_marks_kinks_and_plateaus():
    u = np.linspace(-4, 4, 81)
    fig = line_plots.activation(
        u, np.clip(u, 0, 2), kinks=[2, 0], plateaus={"0": 0, "ħ": 2}, soft=u, title="one"
    )
    (ax,) = fig.axes
    dots = next(line for line in ax.lines if line.get_marker() == "o")
    np.testing.assert_allclose(dots.get_xydata(), [[0, 0], [2, 2]], atol=1e-12)
    assert {text.get_text() for text in ax.texts} == {"0", "ħ"}
    assert ax.get_xlim() == (-4, 4) and ax.get_title(loc="left") == "one"


def test_activation_draws_a_family_into_given_axes():
    fig, (left, right) = line_plots.panels(1, 2)
    u = np.linspace(-1, 1, 5)
    assert line_plots.activation(u, {"a": u, "b": 2 * u}, ax=right) is fig
    assert not left.lines
    assert [text.get_text() for text in right.get_legend().get_texts()] == ["a", "b"]


def test_frames_are_rows_at_common_time_steps():
    truth = np.arange(20.0)[:, None, None] * np.ones((1, 16, 16))
    fig = line_plots.frames({"truth": truth, "estimate": truth + 1}, columns=5)
    first = [int(ax.images[0].get_array()[0, 0]) for ax in fig.axes]
    assert first == [0, 5, 10, 14, 19, 1, 6, 11, 15, 20]
    assert {ax.images[0].get_clim() for ax in fig.axes} == {(0.0, 255.0)}
    assert [text.get_text() for ax in fig.axes for text in ax.texts] == ["truth", "estimate"]


@pytest.mark.parametrize(
    "call",
    [
        lambda: line_plots.frames({}),
        lambda: line_plots.frames({"a": np.zeros((3, 4, 4)), "b": np.zeros((4, 4, 4))}),
        lambda: line_plots.frames({"a": np.zeros((16, 16))}),
        lambda: line_plots.atoms(np.zeros((15, 4))),
        lambda: line_plots.matrix([]),
        lambda: line_plots.activation([[1.0]], [1.0]),
    ],
)
def test_wrong_shapes_are_reported(call):
    with pytest.raises(ConfigError, match=r"expected .*; got .*; "):
        call()


def test_several_runs_are_drawn_as_a_mean_and_a_band():
    fig = line_plots.curves(
        {"a": [[1, 3], [3, 5]], "b": [1, 1]}, xlabel="x", ylabel="y", x=[10, 20]
    )
    (ax,) = fig.axes
    np.testing.assert_array_equal(ax.lines[0].get_xydata(), [[10, 2], [20, 4]])
    assert len(ax.collections) == 1


def test_objective_paths_subtract_the_optimum_and_leave_gaps():
    fig = line_plots.objective_paths({"a": [3.0, 2.0, 1.0], "b": [4.0, 3.0]}, optimum={"a": 1.0})
    a, b = fig.axes[0].lines
    np.testing.assert_array_equal(a.get_ydata(), [2.0, 1.0, np.nan])
    np.testing.assert_array_equal(b.get_ydata(), [4.0, 3.0])


def test_dots_show_the_interval_and_the_value_of_the_paper():
    fig = line_plots.dots({"a": (2, 1, 3), "b": 5}, xlabel="dB", printed={"b": 6})
    (ax,) = fig.axes
    assert [2.0] in [list(line.get_xdata()) for line in ax.lines]
    assert [1, 3] in [list(line.get_xdata()) for line in ax.lines]
    diamonds = [line for line in ax.lines if line.get_marker() == "D" and len(line.get_xdata())]
    assert [(list(d.get_xdata()), list(d.get_ydata())) for d in diamonds] == [([6], [1])]


def test_tensors_are_accepted():
    import torch

    D = torch.eye(16, requires_grad=True)
    assert len(line_plots.atoms(D, count=4).axes) == 4
    groups = {"g": torch.ones(2, 3), "h": [0.0, 2.0]}
    assert line_plots.histogram(groups, xlabel="g").axes[0].get_ylabel() == "count"


@pytest.mark.parametrize("value", [0.0, 1e-30, 1e30])
def test_a_histogram_contains_all_of_nearly_equal_values(value):
    values = np.full(5, value, dtype=np.float32)
    values[0] = np.nextafter(values[0], np.float32(np.inf))
    (outline,) = line_plots.histogram({"g": values}, xlabel="g").axes[0].patches
    heights = outline.get_xy()[:, 1]
    assert heights.max() <= 5 and heights.max() > 0


def test_variants_of_a_network_have_its_colour_and_different_line_styles():
    names = ("lstm", "gru, held", "gru", "gru, free", "something, else")
    lines = (
        line_plots.curves(dict.fromkeys(names, (1.0, 2.0)), xlabel="x", ylabel="y").axes[0].lines
    )
    look = {line.get_label(): line for line in lines}
    variants = [look[name] for name in ("GRU, held", "GRU", "GRU, free")]
    assert {line.get_color() for line in variants} == {line_plots.STYLES["gru"]["color"]}
    assert len({(line.get_linestyle(), line.get_marker()) for line in variants}) == 3
    assert look["something, else"].get_color() != look["LSTM"].get_color()
