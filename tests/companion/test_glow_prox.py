"""GLOW-Prox: the flow, the data step, the mask and the small digits."""

import pytest
import torch
from perturbed_networks import perturbed

from companion.studies.inpainting.glow_prox import Flow, GlowProx, hole, small_digits
from unfolded.errors import ConfigError


@pytest.fixture
def images():
    return torch.rand(6, 1, 16, 16, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("blocks", [1, 3])
def test_the_flow_of_glow_prox_is_a_bijection_for_any_parameters(blocks, images):
    flow = Flow(blocks=blocks, hidden=8)
    flow.latent(images)
    perturbed(flow, 0.05)
    z = flow.latent(images.double())
    assert z.shape == (6, 16, 4, 4)
    torch.testing.assert_close(flow.image(z), images.double(), rtol=0, atol=1e-9)
    torch.testing.assert_close(flow.latent(flow.image(z / 2)), z / 2, rtol=0, atol=1e-9)
    # The flow mixes pixels: one pixel changes other places of the latent tensor.
    moved = images.double().clone()
    moved[0, 0, 8, 8] += 1
    assert int(((flow.latent(moved) - z)[0].abs() > 1e-9).sum()) > 4


def test_the_data_step_decreases_the_data_term_and_does_not_change_the_hole(images):
    net, mask = GlowProx(layers=1, blocks=1, hidden=8), hole(6)
    with torch.no_grad():
        net.log_mu.fill_(-0.7)
    x = images.clone().requires_grad_()
    y = mask * images.flip(0)

    def term(x):
        return (y - mask * x).square().sum() / 2

    (gradient,) = torch.autograd.grad(term(x), x)
    after = net.data_step(x, y, mask, 1)
    torch.testing.assert_close(after, x - net.log_mu[0].exp() * gradient)
    assert term(after) < 0.3 * term(x)
    torch.testing.assert_close(after[..., mask == 0], x[..., mask == 0], rtol=0, atol=0)


def test_the_shrunk_latent_tensor_is_the_proximal_point(images):
    net, mask = GlowProx(layers=1, blocks=1, hidden=8), hole(0)
    x = net(images, mask)[0]
    weight, flow = net.log_lambda[0].exp(), net.flows[0]
    v = flow.latent(x).detach().requires_grad_()
    objective = weight / 2 * v.square().sum() + (v - flow.latent(images)).square().sum() / 2
    (gradient,) = torch.autograd.grad(objective, v)
    assert gradient.abs().max() < 1e-5 * (1 + v.abs().max())


def test_an_image_without_a_hole_is_a_fixed_point_without_regularisation(images):
    net = GlowProx(layers=3, blocks=1, hidden=8)
    with torch.no_grad():
        net.log_lambda.fill_(-40.0)
    for x in net(images, hole(0)):
        torch.testing.assert_close(x, images, rtol=0, atol=1e-4)


def test_the_output_does_not_depend_on_pixels_in_the_hole(images):
    net, mask = GlowProx(layers=2, blocks=1, hidden=8), hole(6)
    net(images * mask, mask)
    variant = torch.where(mask == 0, torch.rand_like(images), images)
    for a, b in zip(net(images * mask, mask), net(variant * mask, mask), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)


def test_noise_is_added_between_layers_and_not_after_the_last(images):
    net, seen = GlowProx(layers=3, blocks=1, hidden=8), []
    net(images, hole(6), noise=lambda x, number: (seen.append(number), x)[1])
    assert seen == [1, 2]


def test_every_parameter_has_a_gradient(images):
    net, mask = GlowProx(layers=2, blocks=1, hidden=8), hole(6)
    perturbed(net, 0.05).float()
    (net(images * mask, mask)[-1] - images).square().sum().backward()
    assert all(p.grad.abs().sum() > 0 for p in net.parameters() if p.requires_grad)


def test_a_seed_determines_the_network_and_does_not_change_the_global_generator(images):
    state = torch.random.get_rng_state()
    a, b, c = (GlowProx(layers=1, blocks=1, hidden=8, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(state, torch.random.get_rng_state())
    mask = hole(6)
    assert torch.equal(a(images, mask)[0], b(images, mask)[0])
    assert not torch.equal(a(images, mask)[0], c(images, mask)[0])


@pytest.mark.parametrize("side, right", [(17, 0), (-1, 0), (6, 6), (6, -9)])
def test_a_hole_outside_the_image_is_rejected(side, right):
    with pytest.raises(ConfigError, match="a hole inside 16×16"):
        hole(side, right=right)


def test_a_mask_with_other_values_than_0_and_1_is_rejected(images):
    with pytest.raises(ConfigError, match="zeros and ones"):
        GlowProx(layers=1, blocks=1, hidden=8)(images, 0.5 * hole(6))


def test_small_digits_preserve_the_sum_of_grey_levels():
    from unfolded.data.datasets import digit_images

    small, large = small_digits(), digit_images()
    assert small.shape == (1797, 1, 16, 16) and small.min() >= 0 and small.max() <= 1
    ink = torch.tensor(large).double().sum((1, 2)) / 255 / 4
    torch.testing.assert_close(small.double().sum((1, 2, 3)), ink, rtol=1e-5, atol=0)


def test_a_source_without_single_digits_is_rejected():
    with pytest.raises(
        ConfigError, match="expected a source among digits, mnist; got 'moving-mnist'"
    ):
        small_digits("moving-mnist")
