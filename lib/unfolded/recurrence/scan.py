"""The forward and backward loops of the engine over time steps and layers."""

import torch
from torch import Tensor

from unfolded.recurrence.backends import native_scan
from unfolded.recurrence.backends.elementwise import select
from unfolded.recurrence.gradients import GradientAccumulator
from unfolded.recurrence.linear_map import LinearMap
from unfolded.recurrence.matmul import matmul_nt

_ROWS = 640
"""Samples times time steps in one block of weight gradients; smaller blocks use less memory."""

_ARGUMENTS = ("x", "h0", "link", "link_left", "U", "a", "b", "pull", "D", "W_left")


class Scan:
    """A batch of sequences x (…, batch, T, n) with weights; leading dimensions are parallel runs.

    All tensors have the same leading dimensions; W is one matrix per layer or one for all. All
    buffers are time-major, so that the rows of several time steps are contiguous for the
    products.
    """

    def __init__(self, x, h0, link, link_left, U, a, b, pull, D, W_left, *W):
        xs = x.transpose(-3, -2).contiguous()
        (*self.lead, T, B, _), (depth, h) = xs.shape, a.shape[-2:]
        self.xs, self.h0, self.U, self.pull, self.soft, self.D = xs, h0, U, pull, b is None, D
        self.link = LinearMap(link, link_left, rows=B, uses=T)
        self.residual, self.shared = W_left is not None, len(W) == 1
        uses = T * depth if self.shared else T
        layers = [LinearMap(each, W_left, rows=B, uses=uses) for each in W]
        self.layers = layers * depth if self.shared else layers
        b = torch.zeros_like(a) if b is None else b
        self.a, self.b = (each.contiguous().unsqueeze(-2).unbind(-3) for each in (a, b))
        self.in_c = native_scan.serves(xs)
        self.kernels = None if self.in_c else select(xs.select(-3, 0), pull)
        # One number per run, broadcast over all rows of the run.
        self.rho = None if pull is None else pull[..., None, None]
        self.sizes = depth, T, B, h
        self._made: dict[bool, native_scan.NativeScan] = {}
        step = max(1, _ROWS // max(1, B))
        self.pieces = [slice(t, min(t + step, T)) for t in range(0, T, step)]

    def forward(self, keep: bool) -> tuple[Tensor, Tensor | None]:
        """Return h_0 … h_T (…, T + 1, batch, h) and, if ``keep``, p_0 … p_{d−1}.

        The shape of these is (d, …, T, batch, h): p_0 = ħ and the outputs of layers 1 … d − 1.
        """
        depth, T, B, h = self.sizes
        codes = self.xs.new_empty(*self.lead, T + 1, B, h)
        has_batch = self.h0.ndim == codes.ndim - 1
        codes.select(-3, 0).copy_(self.h0 if has_batch else self.h0.unsqueeze(-2))
        hidden = codes.new_empty(depth, *self.lead, T, B, h) if keep else None
        for piece in self.pieces:
            self._run(piece, _with_before(codes, piece), self._hidden(hidden, piece))
        return codes, hidden

    def result(self, codes: Tensor) -> Tensor:
        """Return h_1 … h_T or, with D, D h_1 … D h_T; the batch dimension precedes time."""
        codes = codes[..., 1:, :, :]
        if self.D is not None:
            codes = matmul_nt(codes.flatten(-3, -2), self.D).unflatten(-2, codes.shape[-3:-1])
        return codes.transpose(-3, -2)

    def _hidden(self, hidden: Tensor | None, piece: slice) -> Tensor:
        depth, _, B, h = self.sizes
        if hidden is None:
            return self.xs.new_empty(depth, *self.lead, piece.stop - piece.start, B, h)
        return hidden[..., piece, :, :]

    def _run(self, piece: slice, codes: Tensor, hidden: Tensor) -> None:
        """Run the layers over a block of time steps; ``codes`` starts with the previous code."""
        x, after = self.xs[..., piece, :, :], codes[..., 1:, :, :]
        if self.in_c:
            self._loops(back=False).forward(x, (*hidden, after))
            return
        before, layers = _frames(codes)[:-1], [_frames(p) for p in (*hidden, after)]
        sent = [matmul_nt(x.flatten(-3, -2), U) for U in self.U.unbind(-3)]
        sent = [_frames(each.view(after.shape)) for each in sent]
        for t, h_before in enumerate(before):
            hbar = layers[0][t].copy_(self.link.forward(h_before))
            centre = None if self.soft else hbar
            for l, layer in enumerate(self.layers):
                p, s = layers[l][t], sent[l if len(sent) > 1 else 0][t]
                extra = p if self.residual else None
                out = layers[l + 1][t]
                self.kernels.forward(
                    layer.forward(p), s, extra, hbar, self.rho, centre, self.a[l], self.b[l], out
                )

    def backward(self, grad: Tensor, codes: Tensor, hidden: Tensor | None, needed) -> tuple:
        """Return the gradient of each argument of the constructor that requires one, else None."""
        grads = grad.transpose(-3, -2)
        names = [*_ARGUMENTS, *(f"W_{l + 1}" for l in range(len(needed) - len(_ARGUMENTS)))]
        collected, carry = GradientAccumulator(self, dict(zip(names, needed, strict=True))), None
        for piece in reversed(self.pieces):
            values, own = self._hidden(hidden, piece), _with_before(codes, piece)
            if hidden is None:
                own = own.clone()  # do not overwrite the codes of the caller
                self._run(piece, own, values)
            before, after = own[..., :-1, :, :], own[..., 1:, :, :]
            du, dhbar = torch.empty_like(values), torch.empty_like(after)
            part = grads[..., piece, :, :].contiguous()
            if self.D is not None:
                part = collected.decoder(part, after)
            dx = None if collected.dx is None else collected.dx[..., piece, :, :]
            carry, slopes = self._descend(part, carry, (*values, after), du, dhbar, dx)
            collected.add(piece, before, (*values, after), du, dhbar, slopes)
            del values, du, dhbar  # free memory before the next block
        return collected.gradients(carry)

    def _loops(self, back: bool) -> native_scan.NativeScan:
        if back not in self._made:
            name = "factors_back" if back else "factors"
            link, layers = getattr(self.link, name), [getattr(each, name) for each in self.layers]
            inputs = (self.U.mT if back else self.U).unbind()
            self._made[back] = native_scan.NativeScan(self, link, layers, inputs)
        return self._made[back]

    def _descend(self, grads, carry, values, du, dhbar, dx) -> tuple[Tensor, list[Tensor] | None]:
        """Compute ∂/∂u_l and ∂/∂ħ of a block, last step first; return the previous code's gradient.

        The C loops also add to dx and return the gradients of a and b.
        """
        if self.in_c:
            carry = torch.zeros_like(dhbar[0]) if carry is None else carry
            return carry, self._loops(back=True).backward(values, grads, du, dhbar, carry, dx)
        grads, dhbar = _frames(grads), _frames(dhbar.zero_())
        values, du = [_frames(each) for each in values], [_frames(each) for each in du]
        for t in reversed(range(len(grads))):
            hbar = values[0][t]
            centre = None if self.soft else hbar
            dp, extra = grads[t], carry
            for l in reversed(range(len(self.layers))):
                self.kernels.backward(
                    *(dp, extra, values[l + 1][t], centre, self.rho),
                    *(self.a[l], self.b[l], du[l][t], dhbar[t]),
                )
                dp = self.layers[l].backward(du[l][t])
                extra = du[l][t] if self.residual else None
            dhbar[t].add_(dp)
            if extra is not None:
                dhbar[t].add_(extra)
            carry = self.link.backward(dhbar[t])
        return carry, None


def _with_before(codes: Tensor, piece: slice) -> Tensor:
    return codes[..., piece.start : piece.stop + 1, :, :]


def _frames(tensor: Tensor) -> tuple[Tensor, ...]:
    return tensor.unbind(-3)
