"""Initial dictionaries and sensing matrices: the overcomplete DCT for any width."""

import math

import pytest
import torch

from unfolded.dictionaries import overcomplete_dct, sensing_matrix
from unfolded.errors import ConfigError

F64 = torch.float64
TABLE_2 = [2**k for k in range(7, 13)]


@pytest.mark.parametrize(("n0", "h"), [(256, 256), (256, 1024), (256, 4096), (16, 25), (1, 4)])
def test_square_widths_give_a_tight_frame(n0, h):
    D = overcomplete_dct(n0, h, dtype=F64)
    assert torch.allclose(D @ D.T, torch.eye(n0, dtype=F64), atol=1e-12)


@pytest.mark.parametrize("h", [*TABLE_2, 1, 2, 3, 15, 255, 257, 300])
def test_every_width_gives_distinct_bounded_atoms_that_span_all_frames(h, normal):
    D = overcomplete_dct(256, h, dtype=F64)
    assert D.shape == (256, h) and D.isfinite().all()
    assert len(torch.unique((normal(256) @ D).round(decimals=9))) == h
    norms = D.norm(dim=0)
    assert norms.min() > 0 and norms.max() <= 1 + 1e-12
    assert torch.linalg.eigvalsh(D @ D.T)[-1] <= 1 + 1e-12
    assert torch.allclose(D[:, 0], D[:1, 0].expand(256))  # the first atom is flat
    assert overcomplete_dct(256, h).dtype == torch.float32
    # Just above a square of n0 the h lowest of a K × K grid may fall short of full rank.
    if h not in (2, 3, 257, 300):
        assert torch.linalg.matrix_rank(D @ D.T if h > 256 else D) == min(h, 256)


def test_two_dimensional_atoms_are_products_of_cosines():
    D = overcomplete_dct(16, 25, dtype=F64).reshape(4, 4, 5, 5)
    for y, x, k, l in [(0, 0, 0, 0), (1, 3, 2, 4), (3, 2, 4, 1)]:
        want = math.cos(math.pi * (2 * y + 1) * k / 10) * math.cos(math.pi * (2 * x + 1) * l / 10)
        want *= (2 - (k == 0)) ** 0.5 * (2 - (l == 0)) ** 0.5 / 5
        assert D[y, x, k, l].item() == pytest.approx(want)


@pytest.mark.parametrize(("n0", "h"), [(7, 7), (7, 12), (12, 30), (2, 3)])
def test_frames_without_square_size_have_the_one_dimensional_dct(n0, h):
    D = overcomplete_dct(n0, h, dtype=F64)
    assert torch.allclose(D @ D.T, torch.eye(n0, dtype=F64), atol=1e-12)
    assert overcomplete_dct(n0, 3).shape == (n0, 3)
    square = overcomplete_dct(n0, n0, dtype=F64)
    assert torch.allclose(square.T @ square, torch.eye(n0, dtype=F64), atol=1e-12)


@pytest.mark.parametrize(("n0", "h"), [(0, 4), (4, 0), (-1, 4), (4, -9)])
def test_sizes_of_a_dictionary_are_checked(n0, h):
    with pytest.raises(ConfigError, match="n0 >= 1 and h >= 1"):
        overcomplete_dct(n0, h)


def test_sensing_matrix_is_uniform_within_its_bound():
    A = sensing_matrix(51, 256, seed=3, dtype=F64)
    bound = math.sqrt(6 / (51 + 256)) / 2
    assert A.shape == (51, 256) and A.abs().max() <= bound
    # 13,056 draws: their mean and variance lie within five standard errors of the uniform law's.
    count, variance = A.numel(), bound**2 / 3
    assert abs(A.mean()) < 5 * (variance / count) ** 0.5
    assert abs(A.square().mean() - variance) < 5 * variance * (0.8 / count) ** 0.5
