"""Matrix products by the fastest routine for their shape, and the matrices of the recurrence."""

import functools
from collections.abc import Callable

import torch
from torch import Tensor

from unfolded.recurrence.backends import native, selection
from unfolded.recurrence.routine_selection import fastest

_MIN_MULTIPLY_ADDS, _MIN_USES = 2**18, 8
"""Fewest multiply-adds of a product for which the routines are compared, and fewest uses of a
matrix for which its layout for oneDNN is formed."""


def _onednn():
    """Return PyTorch's oneDNN operators for x Wᵀ and for the layout of W, or None."""
    try:
        linear, pack = torch.ops.mkldnn._linear_pointwise, torch.ops.mkldnn._reorder_linear_weight
        x, W = (torch.arange(5.0 * n, dtype=torch.float32, device="cpu").view(n, 5) for n in (3, 4))
        product = linear(x, pack(W, None), None, "none", [], "")
        works = torch.allclose(product, x @ W.T, atol=1e-4)
    except (AttributeError, NotImplementedError, RuntimeError, TypeError):
        return None
    return (linear, pack) if works else None


_ONEDNN = _onednn()


def _by_gemm(x: Tensor, W: Tensor) -> Tensor:
    return x @ W.mT


def _by_onednn(x: Tensor, W: Tensor) -> Tensor:
    return _ONEDNN[0](x, W, None, "none", [], "")


def routines() -> dict[str, Callable[[Tensor, Tensor], Tensor]]:
    """Return the available routines for x Wᵀ by name: x (rows, k), W (o, k) in single precision."""
    routines_by_name = {"native": native.multiply} if selection.native_available() else {}
    routines_by_name |= {"gemm": _by_gemm}
    if _ONEDNN is not None and torch.backends.mkldnn.enabled:
        routines_by_name |= {"onednn": _by_onednn}
    return routines_by_name


def matmul_nt(x: Tensor, W: Tensor) -> Tensor:
    r"""Return :math:`x W^\top` over the last two dimensions, without autograd support.

    Shapes: x (…, rows, k), W (…, o, k), result (…, rows, o). Large products in single precision
    on the CPU use the C routine, PyTorch's general routine or oneDNN, see
    :mod:`unfolded.recurrence.routine_selection`.
    """
    name = routine_name(x, W)
    return _by_gemm(x, W) if name == "gemm" else routines()[name](x, W)


def routine_name(x: Tensor, W: Tensor) -> str:
    """Return the name of the routine for x Wᵀ."""
    if not _selectable(x) or not _selectable(W):
        return "gemm"
    if len(x) * W.numel() < _MIN_MULTIPLY_ADDS or 1 not in x.stride():
        return "gemm"
    available = routines()
    if not (W.is_contiguous() or W.mT.is_contiguous()):
        available.pop("onednn", None)  # it takes seconds for a part of a larger matrix
    layouts = "".join("n" if matrix.stride(1) == 1 else "t" for matrix in (x, W))
    shape = f"{len(x)}x{W.shape[1]}x{len(W)} {layouts}"
    return fastest(shape, available, x, W)


def prepared_matmul(W: Tensor, rows: int, uses: int) -> Callable[[Tensor], Tensor]:
    """Return x ↦ x Wᵀ for ``uses`` products with ``rows`` rows; W (…, o, k) must not change."""
    available = routines()
    is_large = _selectable(W) and rows * W.numel() >= _MIN_MULTIPLY_ADDS
    if not is_large or uses < _MIN_USES or "onednn" not in available:
        return lambda x: matmul_nt(x, W)
    W = W.contiguous()
    layout = _ONEDNN[1](W, None)
    available["onednn packed"] = lambda x, W: _ONEDNN[0](x, layout, None, "none", [], "")
    x = W.new_zeros(rows, W.shape[1])
    routine = available[fastest(f"{rows}x{W.shape[1]}x{len(W)} prepared", available, x, W)]
    return lambda x: routine(x, W)


def _selectable(matrix: Tensor) -> bool:
    single = matrix.dtype == torch.float32 and matrix.device.type == "cpu"
    return single and matrix.ndim == 2


class LinearMap:
    """The product p rightᵀ, or (p rightᵀ) left if there is a left factor; rows are samples.

    ``rows``: number of rows of p; ``uses``: number of products. Shapes: right (…, k, h) and left
    (…, k, h), or right (…, h, h) alone.
    """

    def __init__(self, right: Tensor, left: Tensor | None, rows: int, uses: int):
        self.right, self.left, self._use = right, left, {"rows": rows, "uses": uses}
        # The factors W₁, or W₁ and W₂, of the product p W₁ᵀ, or (p W₁ᵀ) W₂ᵀ, and of its gradient.
        self.factors = [right] if left is None else [right, left.mT]
        self.factors_back = [right.mT] if left is None else [left, right.mT]

    @functools.cached_property
    def forward(self) -> Callable[[Tensor], Tensor]:
        """The product as a function of p."""
        return self._chain(self.factors)

    @functools.cached_property
    def backward(self) -> Callable[[Tensor], Tensor]:
        """The gradient of p as a function of the gradient of the product."""
        return self._chain(self.factors_back)

    def _chain(self, factors: list[Tensor]) -> Callable[[Tensor], Tensor]:
        first, *second = (prepared_matmul(W, **self._use) for W in factors)
        return (lambda p: second[0](first(p))) if second else first

    def gradients(self, p: Tensor, grad_output: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return the gradients of right and left, summed over all rows of p and grad_output."""
        if self.left is None:
            return matmul_nt(grad_output.mT, p.mT), None
        right = matmul_nt(matmul_nt(grad_output, self.left).mT, p.mT)
        return right, matmul_nt(matmul_nt(p, self.right).mT, grad_output.mT)
