"""The wavelet basis, the sensing matrix and the similarity measure of SISTA-RNN's original task."""

import math

import numpy as np
import pywt
import torch
from skimage.metrics import structural_similarity
from torch import Tensor

from unfolded.errors import ConfigError, complain


def daubechies(n0: int, *, order: int = 8, dtype: torch.dtype = torch.float32) -> Tensor:
    r"""Return an orthonormal basis of periodised Daubechies wavelets: :math:`D^\top D = I`.

    Column k is the signal whose k-th wavelet coefficient is 1 and whose others are 0, the
    coarsest first. ``order``: number of vanishing moments; the filters have twice as many taps.
    The number of levels is limited by the factors 2 of n0 and by the length of the filter.

    Shapes: result (n0, n0). Raises ConfigError if n0 is not positive or the order not in 1..38.
    Source: Daubechies (1988); SISTA-RNN uses "Daubechies-8", which others interpret as eight taps,
    order 4.

    >>> D = daubechies(128, dtype=torch.float64)
    >>> bool(torch.allclose(D.T @ D, torch.eye(128, dtype=torch.float64)))
    True
    """
    if n0 < 1 or not 1 <= order <= 38:
        expected, actual = "n0 >= 1 and an order from 1 to 38", f"n0={n0}, order={order}"
        raise ConfigError(complain(expected, actual, "choose others"))
    exponent = (n0 & -n0).bit_length() - 1  # n0 is this power of 2 times an odd number
    levels = min(pywt.dwt_max_level(n0, 2 * order), exponent)
    bands = pywt.wavedec(np.eye(n0), f"db{order}", "periodization", level=levels, axis=-1)
    # Row k of the transform of the identity has the coefficients of the k-th unit signal.
    return torch.from_numpy(np.concatenate(bands, axis=-1)).to(dtype)


def sign_matrix(n: int, n0: int, *, seed: int, dtype: torch.dtype = torch.float32) -> Tensor:
    r"""Draw A with independent signs, :math:`A_{ij} = \pm1/\sqrt n`: columns have unit norm.

    Shapes: result (n, n0). Source: the experiment of SISTA-RNN.

    >>> sign_matrix(4, 2, seed=0).abs()
    tensor([[0.5000, 0.5000],
            [0.5000, 0.5000],
            [0.5000, 0.5000],
            [0.5000, 0.5000]])
    """
    signs = np.random.default_rng(seed).choice([-1.0, 1.0], (n, n0))
    return torch.from_numpy(signs / math.sqrt(n)).to(dtype)


def ssim(reference: Tensor, estimate: Tensor, *, peak: float) -> float:
    """Return the mean structural similarity of images, 1 for equal images.

    scikit-image's, with the Gaussian window of Wang et al. (2004): σ = 1.5, 11 × 11 pixels.

    Shapes: (batch, height, width) both, at least 11 × 11. Units: those of ``peak``.
    Raises ConfigError on another shape or a peak that is not positive.

    >>> picture = torch.arange(256.0).reshape(1, 16, 16)
    >>> ssim(picture, picture, peak=255)
    1.0
    """
    if reference.shape != estimate.shape or reference.ndim != 3 or min(reference.shape[1:]) < 11:
        actual = f"{tuple(reference.shape)} and {tuple(estimate.shape)}"
        expected = "two tensors of one shape (batch, height, width), pictures of at least 11 x 11"
        raise ConfigError(complain(expected, actual, "reshape"))
    if not peak > 0 or not len(reference):
        raise ConfigError(
            complain("a picture and a peak above 0", peak, "pass 255 for grey levels")
        )
    window = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    pairs = zip(reference.double().numpy(), estimate.double().numpy(), strict=True)
    scores = [structural_similarity(a, b, data_range=peak, **window) for a, b in pairs]
    return float(sum(scores) / len(scores))
