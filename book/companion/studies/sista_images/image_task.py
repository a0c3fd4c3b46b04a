"""SISTA-RNN's original task: image columns as time steps, a quarter as many measurements."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from companion.studies.natural_images import SIDE, images
from companion.studies.sista_images.image_operators import daubechies, sign_matrix, ssim
from unfolded import metrics
from unfolded.data import checksum
from unfolded.seeds import derive

MEASUREMENTS = 32
"""n: measurements of a column of 128 pixels."""
DEVIATION = 16.433
"""Mean standard deviation of a column in the units of the public code."""
DIVISOR = 3.0
"""The divisor of A in the public code, for which its norm is about one."""
PEAK = 255.0
LAMBDA1, LAMBDA2 = 0.5, 1.0
"""Initial values of the public code, in its units."""


@dataclass(frozen=True)
class Task:
    """Images as sequences, (count, T, N) in units of the task, and the known A and D.

    s = (grey − ``mean``) / ``unit``, with one value each for all images, from the training images
    only. A (n, N) is fixed and noiseless: :math:`x_t = A s_t`; networks start from A and D.
    """

    train: Tensor
    validation: Tensor
    test: Tensor
    mean: float
    unit: float
    A: Tensor
    D: Tensor
    data_sha256: str

    def measure(self, columns: Tensor) -> Tensor:
        """Return x_t = A s_t: (batch, T, N) -> (batch, T, n)."""
        return columns @ self.A.T

    def pictures(self, columns: Tensor) -> Tensor:
        """Return grey images with integer levels 0..255: (batch, T, N) -> (batch, N, T)."""
        grey = columns.detach() * self.unit + self.mean
        return grey.round().clamp(0, PEAK).transpose(1, 2)

    def scores(self, columns: Tensor, recovered: Tensor) -> dict[str, float]:
        """Return MSE (squared grey levels), PSNR (dB) and SSIM of images, means over images.

        Images are rounded and clipped to 8 bits before the comparison.
        """
        truth, estimate = self.pictures(columns), self.pictures(recovered)
        return {
            "mse": (truth - estimate).square().mean().item(),
            "psnr": metrics.psnr(truth, estimate, peak=PEAK, average="sequence"),
            "ssim": ssim(truth, estimate, peak=PEAK),
        }


def task(
    source: str = "free", *, seed: int = 0, count: int | None = None, deviation: float = DEVIATION
) -> Task:
    """Return the task on images of a source of :func:`companion.studies.natural_images.images`.

    ``count``: maximum number of training images; a quarter of it for validation and test.
    ``deviation``: standard deviation of a column, mean over the training columns, in units of
    the task; 1 suits gated cells. Raises ConfigError or DataError as `images`.

    >>> columns = task(count=8)
    >>> columns.train.shape, columns.measure(columns.test).shape
    (torch.Size([8, 128, 128]), torch.Size([2, 128, 32]))
    """
    parts = images(source)
    if count is not None:
        parts = [parts[0][:count], *(part[: max(1, count // 4)] for part in parts[1:])]
    # A column of the image becomes a row of the sequence: a time step.
    train, *other_parts = (np.ascontiguousarray(part.swapaxes(1, 2), np.float32) for part in parts)
    mean, unit = float(train.mean()), float(train.std(axis=-1).mean() / deviation)
    train, validation, test = (torch.from_numpy((s - mean) / unit) for s in (train, *other_parts))
    return Task(
        train=train,
        validation=validation,
        test=test,
        mean=mean,
        unit=unit,
        A=sign_matrix(MEASUREMENTS, SIDE, seed=derive(seed, "A", MEASUREMENTS, SIDE)) / DIVISOR,
        D=daubechies(SIDE),
        data_sha256=checksum(np.concatenate(parts)),
    )
