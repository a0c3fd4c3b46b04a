"""Use of the networks: shapes, causality, gradients, precision, invalid frames."""

import copy
import math

import pytest
import torch
from torch.autograd import gradcheck

from unfolded import recurrence
from unfolded.errors import ConfigError
from unfolded.networks import build, names
from unfolded.recurrence.backends import native

F64 = torch.float64
SIZES = {"n0": 16, "n": 6, "hidden": 20, "depth": 2}


@pytest.fixture(params=names())
def net(request):
    """Each network in double precision, a little away from its start."""
    net = build(request.param, **SIZES).double()
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter += 0.05 * torch.randn(parameter.shape, generator=generator, dtype=F64)
    return net


@pytest.mark.parametrize(("batch", "time"), [(1, 1), (3, 1), (1, 4), (2, 5), (0, 2)])
def test_methods_have_the_right_shapes_and_compose(net, batch, time, normal):
    frames = 5 * normal(batch, time, 16)
    x = net.measure(frames)
    codes = net.codes(x)
    assert x.shape == (batch, time, 6) and codes.shape == (batch, time, 20)
    assert net(frames).shape == frames.shape and net(frames).dtype == F64
    assert torch.allclose(x, frames @ net.A.T)
    assert torch.equal(net(frames), net.recover(x))
    assert torch.equal(net.recover(x), net.decode(codes))


def test_a_frame_depends_on_the_past_only(net, normal):
    frames = 5 * normal(2, 5, 16)
    changed = frames.clone()
    changed[:, 3:] += 5 * normal(2, 2, 16)
    recovery, second = net(frames), net(changed)
    assert torch.allclose(recovery[:, :3], second[:, :3], atol=1e-12)
    assert not torch.allclose(recovery[:, 3], second[:, 3])


def test_a_frame_depends_on_the_previous_frame(net, normal):
    frames = 5 * normal(1, 2, 16)
    changed = frames.clone()
    changed[:, 0] = 5 * normal(16)
    assert not torch.allclose(net(frames)[:, 1], net(changed)[:, 1])


def test_sequences_of_a_batch_are_independent(net, normal):
    frames = 5 * normal(3, 4, 16)
    for i in range(3):
        assert torch.allclose(net(frames)[i], net(frames[i : i + 1])[0], atol=1e-12)


def test_frames_are_not_changed(net, normal):
    frames = 5 * normal(2, 3, 16)
    before = frames.clone()
    net(frames).sum().backward()
    assert torch.equal(frames, before)


def test_every_parameter_has_a_finite_gradient(net, normal):
    frames = 5 * normal(4, 5, 16)
    (net(frames) - frames).square().sum().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name


@pytest.mark.parametrize("fast", [True, False], ids=["fast", "plain"])
@pytest.mark.parametrize("lambda2", [0.02, -0.02])
def test_lambda2_in_the_free_form_has_the_exact_gradient(lambda2, fast, normal):
    # The authors' runs end with a negative λ2: a slope of the wrong sign would push it further.
    net = build("l1-l1-rnn", **SIZES, positivity="free", lambda1=0.3, lambda2=0.02).double()
    net.fast, net.forward = fast, net.codes
    x, weight = net.measure(2 * normal(1, 2, 16)).detach(), normal(1, 2, 20)

    def loss(value):
        return (torch.func.functional_call(net, {"raw.lambda2": value}, x) * weight).sum()

    assert gradcheck(loss, torch.tensor(lambda2, dtype=F64, requires_grad=True))


def test_states_can_be_loaded_into_another_network(net, normal):
    name = next(n for n in names() if type(build(n, **SIZES)) is type(net))
    twin = build(name, **SIZES, seed=9).double()
    frames = 20 * normal(1, 2, 16)
    assert not torch.equal(twin(frames), net(frames))
    twin.load_state_dict(net.state_dict())
    assert torch.equal(twin(frames), net(frames))


def test_single_precision_agrees_with_double(net, normal):
    frames = normal(2, 3, 16)
    single = copy.deepcopy(net).float()(frames.float())
    assert single.dtype == torch.float32
    # Values of order one through two layers and three frames of sums over at most 20 terms.
    assert (single - net(frames)).abs().max() < 6 * 3 * 20 * torch.finfo(torch.float32).eps * 10


BAD_FRAMES = {
    "two dimensions": torch.zeros(2, 16, dtype=F64),
    "an image of another size": torch.zeros(1, 2, 4, 5, dtype=F64),
    "another width": torch.zeros(1, 2, 15, dtype=F64),
    "NaN": torch.full((1, 2, 16), math.nan, dtype=F64),
    "infinity": torch.full((1, 2, 16), math.inf, dtype=F64),
}


@pytest.mark.parametrize("case", BAD_FRAMES)
def test_invalid_frames_are_reported_in_one_line(net, case):
    with pytest.raises(ConfigError, match=r"^expected .*frames.*; got .*; \w.*\Z"):
        net(BAD_FRAMES[case])
    width = 6 if case != "another width" else 5
    x = BAD_FRAMES[case].clone()[..., :width]
    for method in (net.recover, net.codes):
        with pytest.raises(ConfigError, match="measurements"):
            method(x)


def test_one_invalid_pixel_is_counted(net):
    frames = torch.zeros(2, 3, 16, dtype=F64)
    frames[1, 2, 7] = math.nan
    with pytest.raises(ConfigError, match="1 NaN or infinite"):
        net(frames)


@pytest.mark.parametrize(("height", "width"), [(2, 8), (1, 16), (16, 1)])
def test_a_network_returns_pictures_for_pictures(net, height, width, normal):
    flat = normal(4, 9, 16)
    pictures = flat.unflatten(2, (height, width))
    assert torch.equal(net(pictures), net(flat).unflatten(2, (height, width)))
    assert torch.equal(net.measure(pictures), net.measure(flat))
    pictures.requires_grad_()
    net(pictures).square().sum().backward()
    assert pictures.grad.shape == pictures.shape


@pytest.mark.parametrize(
    "shape", [(2, 3, 4, 5), (2, 3, 16, 0), (2, 3, 1, 4, 4), (3, 16), (2, 0, 4, 4)]
)
def test_pictures_of_another_size_are_rejected_and_so_are_measurements_as_pictures(shape):
    net = build("l1-l1-rnn", **SIZES)
    with pytest.raises(ConfigError, match=r"frames of shape \(batch, time, 16\)") as caught:
        net(torch.zeros(shape))
    assert str(shape) in str(caught.value)
    with pytest.raises(ConfigError, match="measurements of shape"):
        net.recover(torch.zeros(2, 3, 2, 3))


@pytest.mark.parametrize("kind", ["uint8", "single", "numpy"])
def test_frames_of_another_type_are_reported_in_one_line(net, kind):
    frames = torch.zeros(1, 2, 16)
    frames = {"uint8": frames.byte(), "single": frames, "numpy": frames.numpy()}[kind]
    with pytest.raises(ConfigError):
        net(frames)


BACKENDS = [
    pytest.param(
        "native", marks=pytest.mark.skipif(native.library() is None, reason="no C compiler here")
    ),
    "torch",
    "reference",
]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", names())
def test_gradients_can_be_clipped_and_accumulated_in_place(name, backend, normal):
    net = build(name, n0=9, n=4, hidden=12, depth=2).double()
    frames = 10 * normal(3, 5, 9)  # above the thresholds of the unfolded networks
    with recurrence.use(backend):
        (net(frames) - frames).square().sum().backward()
        once = [p.grad.clone() for p in net.parameters()]
        (net(frames) - frames).square().sum().backward()
    twice = [p.grad for p in net.parameters()]
    torch.testing.assert_close(twice, [2 * gradient for gradient in once])
    torch.nn.utils.clip_grad_norm_(net.parameters(), 1e-3)
    length = torch.cat([gradient.flatten() for gradient in twice]).norm()
    assert length.item() == pytest.approx(1e-3, rel=1e-4)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", names())
def test_an_empty_batch_has_an_empty_result(name, backend):
    with recurrence.use(backend):
        assert build(name, n0=9, n=4, hidden=12, depth=2)(torch.rand(0, 5, 9)).shape == (0, 5, 9)
