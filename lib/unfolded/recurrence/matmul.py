"""Matrix products by the fastest routine available on this machine."""

from collections.abc import Callable

import torch
from torch import Tensor

from unfolded.recurrence.backends import native
from unfolded.runtime import cpuinfo

# Thresholds measured on x86: number of multiply-adds from which oneDNN is faster than the default
# routine; entries and uses of a matrix from which its oneDNN layout is faster.
_LARGE, _WIDE, _OFTEN = 2**20, 2**19, 8


def _onednn():
    """Return PyTorch's oneDNN operators for x Wᵀ and for the layout of W.

    Return None if they do not work, and on Intel processors: the default routine there, of MKL,
    was 1.2 to 2.5 times as fast for all sizes of the paper.
    """
    try:
        linear, pack = (getattr(torch.ops.mkldnn, name) for name in _ENTRIES)
        x, W = torch.rand(3, 5), torch.rand(4, 5)
        found = linear(x, pack(W, None), None, "none", [], "")
        works = torch.allclose(found, x @ W.T, atol=1e-4)
    except (AttributeError, NotImplementedError, RuntimeError, TypeError):
        return None
    return (linear, pack) if works and not _is_intel() else None


def _is_intel() -> bool:
    return any("GenuineIntel" in line for line in cpuinfo())


_ENTRIES = ("_linear_pointwise", "_reorder_linear_weight")
_FOUND = _onednn()


def has_onednn() -> bool:
    """Return whether oneDNN is available and enabled."""
    return _FOUND is not None and torch.backends.mkldnn.enabled


def matmul_nt(x: Tensor, W: Tensor) -> Tensor:
    r"""Return :math:`x W^\top` over the last two dimensions, without autograd support.

    Shapes: x (…, rows, k), W (…, o, k), result (…, rows, o). In single precision on AMD
    processors, oneDNN is up to four times as fast as the default if x has few rows.
    """
    if _serves(x) and x.shape[0] * W.numel() >= _LARGE:
        if not x.is_contiguous() and x.mT.is_contiguous() and native.serves():
            x = native.transposed(x.mT)  # faster than the copy made by oneDNN
        return _FOUND[0](x, W, None, "none", [], "")
    return x @ W.mT


def prepared_matmul(W: Tensor, rows: int, uses: int) -> Callable[[Tensor], Tensor]:
    """Return x ↦ x Wᵀ for ``uses`` products with ``rows`` rows; W (…, o, k) must not change."""
    if not _serves(W):
        return lambda x: x @ W.mT
    linear, pack = _FOUND
    if uses >= _OFTEN and W.numel() >= _WIDE:
        W = pack(W.contiguous(), None)
    elif rows * W.numel() < _LARGE:
        return lambda x: torch.mm(x, W.T)
    return lambda x: linear(x, W, None, "none", [], "")


def _serves(tensor: Tensor) -> bool:
    single = tensor.ndim == 2 and tensor.dtype == torch.float32 and tensor.device.type == "cpu"
    return single and has_onednn()
