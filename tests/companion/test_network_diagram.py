"""The diagrams agree with the networks, and the plots of the data page with their data."""

import numpy as np
import pytest
import torch

from companion.plots import line_plots
from companion.plots.network_diagram import OWN, PAST, PLANS, unrolled
from unfolded import networks
from unfolded.choices import UNFOLDED
from unfolded.errors import ConfigError


def labels(fig, colour=None):
    """Return the labels of a diagram, all or those of one colour."""
    (ax,) = fig.axes
    return [t.get_text() for t in ax.texts if t.get_text() and colour in (None, t.get_color())]


def perturbed(name, depth):
    """Return a network with perturbed parameters, which are all different."""
    net = networks.build(name, n0=16, n=5, hidden=9, depth=depth)
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return net


@pytest.mark.parametrize("name", PLANS)
@pytest.mark.parametrize("depth", [1, 2, 3, 5])
def test_every_column_has_its_layers_frame_and_estimate(name, depth):
    written = labels(unrolled(name, depth=depth))
    for t in ("t-1", "t"):
        assert {f"$s_{{{t}}}$", f"$x_{{{t}}}$", rf"$\hat s_{{{t}}}$"} <= set(written)
        assert f"$h_{{{t}}}^{{({depth})}}$" in written
    assert sum(text[1] in "Φϕσ" for text in written) == 2 * depth


@pytest.mark.parametrize("name", UNFOLDED)
def test_measurements_enter_every_layer_of_an_unfolded_network(name):
    depth, letter = 4, PLANS[name].inject[0]
    written = labels(unrolled(name, depth=depth))
    assert sum(text[1] == letter for text in written) == 2 * depth
    assert sum(text[1] == "U" for text in labels(unrolled("stacked", depth=depth))) == 2


@pytest.mark.parametrize("name", UNFOLDED)
def test_parts_that_layers_do_not_share_are_blue(name):
    W, U = perturbed(name, 3).layer_weights()
    tied = torch.equal(W[1], W[2]) and (name == "sista-rnn" or torch.equal(U[0], U[2]))
    assert tied is not PLANS[name].layer_specific
    assert bool(labels(unrolled(name), OWN)) is PLANS[name].layer_specific


def test_the_prediction_enters_every_activation_of_the_l1_networks():
    for name in ("reweighted-rnn", "l1-l1-rnn"):
        assert labels(unrolled(name), PAST).count(r"$\hbar$") == 6
    assert labels(unrolled("sista-rnn"), PAST).count("$W^{(l)}$") == 2
    assert not labels(unrolled("stacked"), PAST)
    assert labels(unrolled("l1-l1-rnn", depth=1), PAST).count(r"$\hbar$") == 2
    assert not labels(unrolled("sista-rnn", depth=1), PAST)  # W^(l) enters from layer 2 on


@pytest.mark.parametrize(("name", "depth"), [("transformer", 3), ("l1-l1-rnn", 0)])
def test_an_impossible_diagram_is_reported(name, depth):
    with pytest.raises(ConfigError, match=r"expected a diagram of .*; got .*; "):
        unrolled(name, depth=depth)


def test_diagrams_fit_in_the_figure():
    fig = unrolled("reweighted-rnn")
    fig.draw_without_rendering()
    width, height = fig.canvas.get_width_height()
    for text in fig.axes[0].texts:
        if text.get_text():
            box = text.get_window_extent()
            assert min(box.x0, box.y0) >= 0 and box.x1 <= width and box.y1 <= height, text


def test_gallery_shares_one_grey_scale_and_names_each_picture():
    fig = line_plots.gallery(
        {"fine": np.eye(64), "coarse": np.eye(16), "last": np.eye(4)}, columns=2
    )
    assert [ax.get_title(loc="left") for ax in fig.axes] == ["fine", "coarse", "last"]
    assert {ax.images[0].get_clim() for ax in fig.axes} == {(0.0, 255.0)}
    with pytest.raises(ConfigError, match=r"expected .*; got .*; "):
        line_plots.gallery({})


def test_tracks_are_drawn_downwards_from_a_white_start_marker():
    fig = line_plots.tracks({"a": [[0, 1], [2, 3]], "b": [[5, 5], [6, 7]]}, span=36)
    a, start, b, _ = fig.axes[0].lines
    np.testing.assert_array_equal(a.get_xydata(), [[1, 0], [3, 2]])
    assert start.get_markerfacecolor() == "white"
    assert start.get_color() == a.get_color() != b.get_color()
    bottom, top = fig.axes[0].get_ylim()
    assert bottom > top
