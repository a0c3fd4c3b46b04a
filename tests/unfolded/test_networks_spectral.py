"""SpectralRNN's weights keep their singular values within the margin, whatever is learned."""

import numpy as np
import pytest
import torch

from unfolded.networks.spectralrnn import SpectralRNN, compact_factor, directions
from unfolded.seeds import derive

SIZES = {"n0": 9, "n": 4, "hidden": 12, "depth": 1, "seed": 0}


def layer_of(**options):
    return SpectralRNN(**SIZES | options).double().cells[0]


def defect(factor):
    """How far a matrix is from orthogonal: the largest entry of QᵀQ − I."""
    return (factor.T @ factor - torch.eye(len(factor), dtype=factor.dtype)).abs().max().item()


def reflect(R):
    """Return the product of the reflections, (h, h)."""
    return torch.eye(R.shape[1], dtype=R.dtype) - R.T @ compact_factor(R)


def factors(layer):
    """Return the orthogonal P and Q, each (h, h)."""
    return [reflect(layer.unpacked(packed)) for packed in (layer.P, layer.Q)]


@torch.no_grad()
def move(layer, scale, seed):
    """Put every parameter of the factors at a random place of this size."""
    generator = torch.Generator().manual_seed(derive(seed, "move"))
    for parameter in (layer.P, layer.Q, layer.p):
        parameter.copy_(scale * torch.randn(parameter.shape, generator=generator))


@pytest.mark.parametrize("scale", [1e-30, 1e-3, 1.0, 1e3, 1e30])
@pytest.mark.parametrize("reflectors", [1, 3, 11, 12])
@pytest.mark.parametrize("margin", [0.0, 0.01, 0.5, 1.0])
def test_orthogonal_and_within_the_margin_after_any_move(margin, reflectors, scale):
    layer = layer_of(reflectors=reflectors, margin=margin)
    for seed in range(3):
        move(layer, scale, seed)
        assert max(map(defect, factors(layer))) < 1e-13
        values = torch.linalg.svdvals(layer.weights()[0])
        assert values.max() <= 1 + margin + 1e-13 and values.min() >= 1 - margin - 1e-13
        expected = layer.singular_values().sort(descending=True).values
        assert torch.allclose(values, expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_single_precision_keeps_the_factors_orthogonal(scale):
    layer = layer_of(hidden=200, reflectors=200).float()
    move(layer, scale, 0)
    # An entry sums h products, and k reflections turn it.
    assert max(map(defect, factors(layer))) < 200 * torch.finfo(torch.float32).eps


def test_steps_of_adam_leave_the_margin_alone(normal):
    net = SpectralRNN(**SIZES | {"depth": 2, "margin": 0.05}).double()
    optimiser, frames = torch.optim.Adam(net.parameters(), lr=0.5), 10 * normal(4, 3, 9)
    for _ in range(20):
        optimiser.zero_grad()
        (net(frames) - frames).square().sum().backward()
        optimiser.step()
    for layer in net.cells:
        assert max(map(defect, factors(layer))) < 1e-13
        values = torch.linalg.svdvals(layer.weights()[0])
        assert values.max() <= 1.05 + 1e-13 and values.min() >= 0.95 - 1e-13
        assert values.max() - values.min() > 0.05


def test_the_weights_are_the_product_of_their_factors():
    layer = layer_of(reflectors=5, margin=0.5)
    move(layer, 1.0, 0)
    P, Q = factors(layer)
    assert torch.allclose(layer.weights()[0], P @ layer.singular_values().diag() @ Q.T, atol=1e-13)


@pytest.mark.parametrize("reflectors", [1, 4, 12])
def test_the_weights_start_orthogonal(reflectors):
    layer = layer_of(reflectors=reflectors)
    assert (layer.singular_values() == 1).all()
    assert defect(layer.weights()[0]) < 1e-13


def test_the_compact_form_is_the_product_of_reflectors(normal):
    R = directions(normal(5, 12))
    expected = np.eye(12)
    for r in R.numpy():
        expected = expected @ (np.eye(12) - 2 * np.outer(r, r))
    assert np.abs(reflect(R).numpy() - expected).max() < 1e-13


def test_equal_reflectors_undo_each_other(normal):
    R = directions(normal(1, 12)).expand(6, -1)
    assert (reflect(R) - torch.eye(12)).abs().max() < 1e-12
    assert (reflect(R[:5]) - reflect(R[:1])).abs().max() < 1e-12


def test_a_reflector_of_zeros_reflects_nothing_and_learns_nothing(normal):
    rows = normal(3, 12)
    rows[1] = 0
    rows.requires_grad_()
    matrix = reflect(directions(rows))
    assert torch.allclose(matrix, reflect(directions(rows[[0, 2]])), rtol=0, atol=1e-13)
    (matrix * normal(12, 12)).sum().backward()
    assert rows.grad.isfinite().all() and not rows.grad[1].any() and rows.grad[0].any()


def test_the_length_of_a_reflector_does_not_matter(normal):
    layer = layer_of()
    before = layer.weights()[0]
    with torch.no_grad():
        layer.P *= 7
        layer.Q *= 0.01
    assert torch.allclose(layer.weights()[0], before, rtol=0, atol=1e-13)


@pytest.mark.parametrize(("hidden", "k"), [(1, 1), (3, 1), (8, 2), (1024, 256)])
def test_a_quarter_of_the_width_is_the_usual_number_of_reflectors(hidden, k):
    layer = layer_of(hidden=hidden)
    assert len(layer.P) == len(layer.Q) == k * hidden - k * (k - 1) // 2


def test_a_stream_forms_the_weights_once(normal, monkeypatch):
    net, x = SpectralRNN(**SIZES | {"depth": 2}).double(), 5 * normal(2, 6, 4)
    whole, state, parts = net.recover(x), net.start(2), []
    monkeypatch.setattr(type(net.cells[0]), "weights", None)
    for part in x.split(1, 1):
        frames, state = net.recover(part, state)
        parts.append(frames)
    assert torch.allclose(torch.cat(parts, 1), whole, rtol=1e-12, atol=1e-12)
