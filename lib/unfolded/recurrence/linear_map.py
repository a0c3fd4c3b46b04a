"""A matrix of the recurrence, dense or low-rank, with its forward and backward products."""

import functools
from collections.abc import Callable

from torch import Tensor

from unfolded.recurrence.matmul import matmul_nt, prepared_matmul


class LinearMap:
    """The product p rightᵀ, or (p rightᵀ) left if there is a left factor; rows are samples.

    ``rows``: number of rows of p; ``uses``: number of products. Shapes: right (…, k, h) and left
    (…, k, h), or right (…, h, h) alone.
    """

    def __init__(self, right: Tensor, left: Tensor | None, rows: int, uses: int):
        self.right, self.left, self._use = right, left, {"rows": rows, "uses": uses}

    @functools.cached_property
    def factors(self) -> list[Tensor]:
        """The factors W₁, or W₁ and W₂, of the product p W₁ᵀ, or (p W₁ᵀ) W₂ᵀ."""
        return [self.right] if self.left is None else [self.right, self.left.mT]

    @functools.cached_property
    def factors_back(self) -> list[Tensor]:
        """The factors that map the gradient of the product to the gradient of p."""
        return [self.right.mT] if self.left is None else [self.left, self.right.mT]

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

    def gradients(self, p: Tensor, dp: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return the gradients of right and left, summed over all rows of p and dp."""
        if self.left is None:
            return matmul_nt(dp.mT, p.mT), None
        right = matmul_nt(matmul_nt(dp, self.left).mT, p.mT)
        return right, matmul_nt(matmul_nt(p, self.right).mT, dp.mT)
