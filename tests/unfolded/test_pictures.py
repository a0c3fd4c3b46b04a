"""Frames as pictures, (batch, time, height, width), in networks and in the PSNR."""

import numpy as np
import pytest
import torch

from unfolded import metrics, networks
from unfolded.errors import ConfigError

SIZES = {"hidden": 16, "depth": 2, "seed": 3}
NAMES = networks.names()


def frames(*shape, n0=12):
    return torch.from_numpy(np.random.default_rng(1).normal(size=(*shape, n0))).float()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("height", "width"), [(3, 4), (1, 12), (12, 1)])
def test_pictures_give_pictures(name, height, width):
    net = networks.build(name, n=5, n0=12, **SIZES)
    flat = frames(4, 9)
    pictures = flat.unflatten(2, (height, width))
    assert torch.equal(net(pictures), net(flat).unflatten(2, (height, width)))
    assert torch.equal(net.measure(pictures), net.measure(flat))
    pictures.requires_grad_()
    net(pictures).square().sum().backward()
    assert pictures.grad.shape == pictures.shape


@pytest.mark.parametrize(
    "shape", [(2, 3, 4, 4), (2, 3, 12, 0), (2, 3, 1, 3, 4), (3, 4), (2, 0, 3, 4)]
)
def test_pictures_of_another_size_are_refused(shape):
    net = networks.build("l1-l1-rnn", n=5, n0=12, **SIZES)
    with pytest.raises(ConfigError, match=r"frames of shape \(batch, time, 12\)") as caught:
        net(torch.zeros(shape))
    assert str(shape) in str(caught.value)


def test_measurements_are_no_pictures():
    net = networks.build("l1-l1-rnn", n=6, n0=12, **SIZES)
    with pytest.raises(ConfigError, match="measurements of shape"):
        net.recover(torch.zeros(2, 3, 2, 3))


@pytest.mark.parametrize("average", metrics.AVERAGES)
@pytest.mark.parametrize("kind", [torch.as_tensor, np.asarray])
def test_psnr_of_pictures(average, kind):
    a, b = frames(2, 3).abs(), frames(2, 3).abs() + 0.1
    flat = metrics.psnr(kind(a), kind(b), peak=1, average=average)
    a, b = (kind(each.unflatten(2, (3, 4))) for each in (a, b))
    assert metrics.psnr(a, b, peak=1, average=average) == flat
    with pytest.raises(ConfigError, match="two tensors of one shape"):
        metrics.psnr(a, b.reshape(2, 3, 12), peak=1, average=average)
