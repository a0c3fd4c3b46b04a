"""PSNR with four methods of averaging, whose results differ by up to two decibels."""

import torch
from torch import Tensor

from unfolded.errors import ConfigError, check_choice, complain

AVERAGES = ("authors", "frame", "sequence", "global")
_BATCH = 32


def psnr(reference: Tensor, estimate: Tensor, *, peak: float, average: str) -> float:
    r"""Return the peak signal-to-noise ratio in dB.

    .. math:: \mathrm{PSNR} = 10\log_{10}\frac{\mathrm{peak}^2}{\mathrm{MSE}}

    ``average`` selects the data of one MSE before the logarithm: "frame" and "sequence" average
    the PSNR of each frame or sequence; "global" uses one MSE over all; "authors" clips to
    [0, peak], truncates both inputs to integer grey levels of 255, computes one MSE for each batch
    of 32 sequences and averages over batches, without the last batch unless another sequence
    follows it, as in the authors' code (fewer than 33 sequences are one batch). An error of zero
    gives 100 dB.

    Shapes: both (batch, time, n0) or (batch, time, height, width), tensors or NumPy arrays, which
    are not modified. Units: those of ``peak``.
    Raises ConfigError on another shape, an unknown average or a peak that is not positive.
    Source: §4 states only PSNR; "authors" is the code of ℓ1-ℓ1-RNN.

    >>> zeros = torch.zeros(1, 2, 4)
    >>> round(psnr(zeros, zeros + 25.5, peak=255, average="global"), 3)
    20.0
    """
    check_choice("an average", average, AVERAGES)
    reference, estimate = torch.as_tensor(reference), torch.as_tensor(estimate)
    if reference.shape != estimate.shape or reference.ndim not in (3, 4) or not reference.numel():
        got = f"{tuple(reference.shape)} and {tuple(estimate.shape)}"
        raise ConfigError(complain("two tensors of one shape (batch, time, n0)", got, "reshape"))
    reference, estimate = reference.flatten(2), estimate.flatten(2)
    if not peak > 0:
        raise ConfigError(complain("a peak above 0", peak, "pass 255 for grey levels"))
    if average == "authors":
        return _authors_psnr(reference, estimate, peak)
    error = (reference.double() - estimate.double()).square()
    dims = {"frame": (2,), "sequence": (1, 2), "global": (0, 1, 2)}[average]
    return _decibel(error.mean(dims), peak).mean().item()


def all_psnr(reference: Tensor, estimate: Tensor, *, peak: float) -> dict[str, float]:
    """Return psnr_authors, psnr_frame, psnr_sequence and psnr_global in dB; see :func:`psnr`."""
    return {f"psnr_{name}": psnr(reference, estimate, peak=peak, average=name) for name in AVERAGES}


def _authors_psnr(reference: Tensor, estimate: Tensor, peak: float) -> float:
    levels = [(t.double() * (255 / peak)).clamp(0, 255).trunc() for t in (reference, estimate)]
    error = (levels[0] - levels[1]).square()
    stop = max(len(error) - _BATCH, 1)
    batches = [error[i : i + _BATCH].mean() for i in range(0, stop, _BATCH)]
    return _decibel(torch.stack(batches), 255).mean().item()


def _decibel(mse: Tensor, peak: float) -> Tensor:
    return torch.where(mse == 0, 100.0, 10 * torch.log10(peak**2 / mse.clamp_min(1e-300)))
