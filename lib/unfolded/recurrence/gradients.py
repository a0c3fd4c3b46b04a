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

    def _add(self, name: str, part: Tensor | None) -> None:
        if part is None:
            return
        if name in self.totals:
            self.totals[name].add_(part)
        else:
            self.totals[name] = part

    def decoder(self, grad: Tensor, after: Tensor) -> Tensor:
        """Add to the gradient of D, and return that of the codes: both (…, frames, batch, ·)."""
        rows = _rows(grad)
        if self.needed["D"]:
            self._add("D", matmul_nt(rows.mT, _rows(after).mT))
        return matmul_nt(rows, self.scan.D.mT).view(after.shape)

    def add(self, piece: slice, before: Tensor, values, du, dhbar: Tensor, slopes) -> None:
        """Add the terms of a block, given h_{t−1}, p_0 … p_d and the gradients of u_l and ħ.

        ``slopes``: the gradients of a and b from the C loops, which also add to dx; else None.
        """
        values, du = [_rows(each) for each in values], [_rows(each) for each in du]
        scan, needed = self.scan, self.needed
        if needed["link"] or needed["link_left"]:
            link, left = scan.link.gradients(_rows(before), _rows(dhbar))
            self._add("link", link)
            self._add("link_left", left)
        for l, layer in enumerate(scan.layers):
            own = "W_1" if scan.shared else f"W_{l + 1}"
            if needed[own] or needed["W_left"]:
                W, left = layer.gradients(values[l], du[l])
                self._add(own, W)
                self._add("W_left", left)
        if needed["a"] or needed["b"]:
            for name, each in zip("ab", slopes or self._slopes(values, du), strict=True):
                if needed[name]:
                    self._add(name, each)
        one = scan.U.shape[-3] == 1
        whole = sum(du[1:], du[0]) if one or needed["pull"] else None
        if needed["pull"]:
            self._add("pull", torch.linalg.vecdot(whole.flatten(-2), values[0].flatten(-2)))
        du = [whole] if one else du
        if needed["U"]:
            # A product copies a column-major first operand: use the smaller operand there.
            x = _rows(scan.xs[..., piece, :, :])
            self._add("U", torch.stack([matmul_nt(x.mT, each.mT) for each in du], -3).mT)
        if self.dx is not None and slopes is None:
            for U_l, each in zip(scan.U.unbind(-3), du, strict=True):
                dx = self.dx[..., piece, :, :]
                dx.add_(matmul_nt(each, U_l.mT).view(dx.shape))

    def _slopes(self, values: list[Tensor], du: list[Tensor]) -> list[Tensor | None]:
        centre = None if self.scan.soft else values[0]
        layers = zip(du, values[1:], strict=True)
        found = zip(*(self.scan.kernels.slopes(*both, centre) for both in layers), strict=True)
        return [None if each[0] is None else torch.stack(each, -2) for each in found]

    def gradients(self, carry: Tensor) -> list[Tensor | None]:
        """Return all gradients in order, given the gradient of h_0 for each sample."""
        if self.dx is not None:
            self.totals["x"] = self.dx.transpose(-3, -2)
        self.totals["h0"] = carry if self.scan.h0.ndim == carry.ndim else carry.sum(-2)
        return [self.totals[name] if need else None for name, need in self.needed.items()]


def _rows(tensor: Tensor) -> Tensor:
    return tensor.flatten(-3, -2)
