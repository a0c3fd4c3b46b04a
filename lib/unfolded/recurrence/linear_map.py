"""A matrix of the recurrence, dense or low-rank, with its forward and backward products."""

import functools

from torch import Tensor

from unfolded.recurrence.matmul import matmul_nt


class LinearMap:
    """The product p rightᵀ, or (p rightᵀ) left if there is a left factor; rows are samples.

    Shapes: right (…, k, h) and left (…, k, h), or right (…, h, h) alone.
    """

    def __init__(self, right: Tensor, left: Tensor | None):
        self.right, self.left = right, left

    @functools.cached_property
    def factors(self) -> list[Tensor]:
        """The factors W₁, or W₁ and W₂, of the product p W₁ᵀ, or (p W₁ᵀ) W₂ᵀ."""
        return [self.right] if self.left is None else [self.right, self.left.mT]

    @functools.cached_property
    def factors_back(self) -> list[Tensor]:
        """The factors that map the gradient of the product to the gradient of p."""
        return [self.right.mT] if self.left is None else [self.left, self.right.mT]

    def forward(self, p: Tensor) -> Tensor:
        """Return the product."""
        return functools.reduce(matmul_nt, self.factors, p)

    def backward(self, dp: Tensor) -> Tensor:
        """Return the gradient of p from the gradient of the product."""
        return functools.reduce(matmul_nt, self.factors_back, dp)

    def gradients(self, p: Tensor, dp: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return the gradients of right and left, summed over all rows of p and dp."""
        if self.left is None:
            return matmul_nt(dp.mT, p.mT), None
        right = matmul_nt(matmul_nt(dp, self.left).mT, p.mT)
        return right, matmul_nt(matmul_nt(p, self.right).mT, dp.mT)
