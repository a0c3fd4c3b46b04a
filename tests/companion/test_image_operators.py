"""Wavelets and sign matrices: orthonormal bases, and columns of unit length."""

import numpy as np
import pytest
import pywt
import torch

from companion.studies.sista_images.image_operators import daubechies, sign_matrix
from unfolded.errors import ConfigError

F64 = torch.float64


@pytest.mark.parametrize("order", [1, 2, 4, 8, 20, 38])
@pytest.mark.parametrize("n0", [1, 2, 16, 64, 128, 96])
def test_wavelets_are_an_orthonormal_basis(n0, order):
    D = daubechies(n0, order=order, dtype=F64)
    assert D.shape == (n0, n0)
    assert torch.allclose(D.T @ D, torch.eye(n0, dtype=F64), atol=1e-9)
    assert torch.allclose(D @ D.T, torch.eye(n0, dtype=F64), atol=1e-9)


def test_wavelets_reconstruct_the_signal_from_the_coefficients_of_the_transform(normal):
    D, codes = daubechies(128, dtype=F64), normal(128)
    bands = pywt.wavedec((D @ codes).numpy(), "db8", "periodization", level=3)
    assert np.allclose(np.concatenate(bands), codes.numpy(), atol=1e-10)


def test_wavelets_of_order_8_annihilate_polynomials_up_to_degree_7():
    # Away from the ends, where the periodic signal jumps; the last half are the finest wavelets.
    D, t = daubechies(128, dtype=F64), torch.linspace(-1, 1, 128, dtype=F64)
    inner = slice(64 + 16, 128 - 16)
    for degree in range(8):
        assert (D.T @ t**degree)[inner].abs().max() < 1e-9
    assert (D.T @ t**8)[inner].abs().max() > 1e-12


@pytest.mark.parametrize(("n0", "order"), [(0, 8), (-4, 8), (128, 0), (128, 39)])
def test_wavelets_of_an_impossible_size_are_rejected(n0, order):
    with pytest.raises(ConfigError, match="expected"):
        daubechies(n0, order=order)


def test_sign_matrix_has_columns_of_unit_length_and_independent_signs():
    A = sign_matrix(32, 128, seed=1, dtype=F64)
    assert A.shape == (32, 128) and torch.allclose(A.norm(dim=0), torch.ones(128, dtype=F64))
    assert set(torch.unique(A * 32**0.5).round(decimals=9).tolist()) == {-1.0, 1.0}
    assert abs((A > 0).double().mean() - 0.5) < 5 * 0.5 / A.numel() ** 0.5
    assert torch.equal(A, sign_matrix(32, 128, seed=1, dtype=F64))
    assert not torch.equal(A, sign_matrix(32, 128, seed=2, dtype=F64))
