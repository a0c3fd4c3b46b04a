"""Accumulation of gradients over all time steps, one block of time steps after another."""

import torch
from torch import Tensor

from unfolded.recurrence.matmul import matmul_nt


class GradientAccumulator:
    """The gradients of those arguments of a scan that require one."""

    def __init__(self, scan, needed: dict[str, bool]):
        self.scan, self.needed = scan, needed
        self.totals: dict[str, Tensor] = {}
        self.dx = torch.zeros_like(scan.xs) if needed["x"] else None

    def _add(self, name: str, term: Tensor | None) -> None:
        if term is None:
            return
        if name in self.totals:
            self.totals[name].add_(term)
        else:
            self.totals[name] = term

    def decoder(self, grad: Tensor, codes_out: Tensor) -> Tensor:
        """Add to the gradient of D, and return that of the codes: both (…, frames, batch, ·)."""
        rows = _rows(grad)
        if self.needed["D"]:
            self._add("D", matmul_nt(rows.mT, _rows(codes_out).mT))
        return matmul_nt(rows, self.scan.D.mT).view(codes_out.shape)

    def add(self, block: slice, previous_codes: Tensor, values, du, dhbar: Tensor, slopes) -> None:
        """Add the terms of a block, given h_{t−1}, p_0 … p_d and the gradients of u_l and ħ.

        ``slopes``: the gradients of a and b from the C loops, which also add to dx; else None.
        """
        values, du = [_rows(value) for value in values], [_rows(du_l) for du_l in du]
        scan, needed = self.scan, self.needed
        if needed["transition"] or needed["transition_left"]:
            transition, left = scan.transition.gradients(_rows(previous_codes), _rows(dhbar))
            self._add("transition", transition)
            self._add("transition_left", left)
        for l, layer in enumerate(scan.layers):
            name = "W_1" if scan.shared else f"W_{l + 1}"
            if needed[name] or needed["W_left"]:
                W, left = layer.gradients(values[l], du[l])
                self._add(name, W)
                self._add("W_left", left)
        if needed["a"] or needed["b"]:
            for threshold, slope in zip("ab", slopes or self._slopes(values, du), strict=True):
                if needed[threshold]:
                    self._add(threshold, slope)
        is_shared = scan.U.shape[-3] == 1
        total = sum(du[1:], du[0]) if is_shared or needed["rho"] else None
        if needed["rho"]:
            self._add("rho", torch.linalg.vecdot(total.flatten(-2), values[0].flatten(-2)))
        du = [total] if is_shared else du
        if needed["U"]:
            # A product copies a column-major first operand: use the smaller operand there.
            x = _rows(scan.xs[..., block, :, :])
            self._add("U", torch.stack([matmul_nt(x.mT, du_l.mT) for du_l in du], -3).mT)
        if self.dx is not None and slopes is None:
            for U_l, du_l in zip(scan.U.unbind(-3), du, strict=True):
                dx = self.dx[..., block, :, :]
                dx.add_(matmul_nt(du_l, U_l.mT).view(dx.shape))

    def _slopes(self, values: list[Tensor], du: list[Tensor]) -> list[Tensor | None]:
        centre = None if self.scan.soft else values[0]
        layers = zip(du, values[1:], strict=True)
        slopes = zip(*(self.scan.kernels.slopes(*layer, centre) for layer in layers), strict=True)
        return [None if slope[0] is None else torch.stack(slope, -2) for slope in slopes]

    def gradients(self, carry: Tensor) -> list[Tensor | None]:
        """Return all gradients in order, given the gradient of h_0 for each sample."""
        if self.dx is not None:
            self.totals["x"] = self.dx.transpose(-3, -2)
        self.totals["h0"] = carry if self.scan.h0.ndim == carry.ndim else carry.sum(-2)
        return [self.totals[name] if need else None for name, need in self.needed.items()]


def _rows(tensor: Tensor) -> Tensor:
    return tensor.flatten(-3, -2)
