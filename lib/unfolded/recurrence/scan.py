"""The forward and backward loops of the engine over time steps and layers, and its gradients."""

import torch
from torch import Tensor

from unfolded.recurrence.backends import native_scan, selection
from unfolded.recurrence.matmul import LinearMap, matmul_nt

_ROWS = 640
"""Samples times time steps in one block of weight gradients; smaller blocks use less memory."""

_ARGUMENTS = ("x", "h0", "transition", "transition_left", "U", "a", "b", "rho", "D", "W_left")


class Scan:
    """A batch of sequences x (…, batch, T, n) with weights; leading dimensions are parallel runs.

    All tensors have the same leading dimensions; W is one matrix per layer or one for all. All
    buffers are time-major, so that the rows of several time steps are contiguous.
    """

    def __init__(self, x, h0, transition, transition_left, U, a, b, rho, D, W_left, *W):
        xs = x.transpose(-3, -2).contiguous()
        (*self.lead, T, B, _), (depth, h) = xs.shape, a.shape[-2:]
        self.xs, self.h0, self.U, self.rho, self.soft, self.D = xs, h0, U, rho, b is None, D
        self.transition = LinearMap(transition, transition_left, rows=B, uses=T)
        self.residual, self.shared = W_left is not None, len(W) == 1
        uses = T * depth if self.shared else T
        layers = [LinearMap(W_l, W_left, rows=B, uses=uses) for W_l in W]
        self.layers = layers * depth if self.shared else layers
        b = torch.zeros_like(a) if b is None else b
        self.a, self.b = (threshold.contiguous().unsqueeze(-2).unbind(-3) for threshold in (a, b))
        self.native = native_scan.should_use_c_loops(xs)
        self.kernels = None if self.native else selection.elementwise(xs.select(-3, 0), rho)
        # One number per run, broadcast over all rows of the run.
        self.rho_rows = None if rho is None else rho[..., None, None]
        self.sizes = depth, T, B, h
        self._native_scans: dict[bool, native_scan.NativeScan] = {}
        step = max(1, _ROWS // max(1, B))
        self.blocks = [slice(t, min(t + step, T)) for t in range(0, T, step)]

    def forward(self, store_hidden: bool) -> tuple[Tensor, Tensor | None]:
        """Return h_0 … h_T (…, T + 1, batch, h) and, if ``store_hidden``, p_0 … p_{d−1}.

        The shape of these is (d, …, T, batch, h): p_0 = ħ and the outputs of layers 1 … d − 1.
        """
        depth, T, B, h = self.sizes
        codes = self.xs.new_empty(*self.lead, T + 1, B, h)
        is_batched = self.h0.ndim == codes.ndim - 1
        codes.select(-3, 0).copy_(self.h0 if is_batched else self.h0.unsqueeze(-2))
        hidden = codes.new_empty(depth, *self.lead, T, B, h) if store_hidden else None
        for block in self.blocks:
            self._forward_block(block, _with_previous(codes, block), self._hidden(hidden, block))
        return codes, hidden

    def result(self, codes: Tensor) -> Tensor:
        """Return h_1 … h_T or, with D, D h_1 … D h_T; the batch dimension precedes time."""
        codes = codes[..., 1:, :, :]
        if self.D is not None:
            codes = matmul_nt(codes.flatten(-3, -2), self.D).unflatten(-2, codes.shape[-3:-1])
        return codes.transpose(-3, -2)

    def _hidden(self, hidden: Tensor | None, block: slice) -> Tensor:
        depth, _, B, h = self.sizes
        if hidden is None:
            return self.xs.new_empty(depth, *self.lead, block.stop - block.start, B, h)
        return hidden[..., block, :, :]

    def _forward_block(self, block: slice, codes: Tensor, hidden: Tensor) -> None:
        """Run the layers over a block of time steps; ``codes`` starts with the previous code."""
        x, codes_out = self.xs[..., block, :, :], codes[..., 1:, :, :]
        if self.native:
            self._native_scan(back=False).forward(x, (*hidden, codes_out))
            return
        previous_codes, layers = _frames(codes)[:-1], [_frames(p) for p in (*hidden, codes_out)]
        input_terms = [matmul_nt(x.flatten(-3, -2), U) for U in self.U.unbind(-3)]
        input_terms = [_frames(term.view(codes_out.shape)) for term in input_terms]
        for t, previous_code in enumerate(previous_codes):
            hbar = layers[0][t].copy_(self.transition.forward(previous_code))
            centre = None if self.soft else hbar
            for l, layer in enumerate(self.layers):
                p, s = layers[l][t], input_terms[l if len(input_terms) > 1 else 0][t]
                extra = p if self.residual else None
                out = layers[l + 1][t]
                terms = (layer.forward(p), s, extra, hbar, self.rho_rows, centre)
                self.kernels.forward(*terms, self.a[l], self.b[l], out)

    def backward(self, grad: Tensor, codes: Tensor, hidden: Tensor | None, needed) -> tuple:
        """Return the gradient of each argument of the constructor that requires one, else None."""
        grads = grad.transpose(-3, -2)
        names = [*_ARGUMENTS, *(f"W_{l + 1}" for l in range(len(needed) - len(_ARGUMENTS)))]
        accumulator, carry = GradientAccumulator(self, dict(zip(names, needed, strict=True))), None
        for block in reversed(self.blocks):
            values, block_codes = self._hidden(hidden, block), _with_previous(codes, block)
            if hidden is None:
                block_codes = block_codes.clone()  # do not overwrite the codes of the caller
                self._forward_block(block, block_codes, values)
            previous_codes, codes_out = block_codes[..., :-1, :, :], block_codes[..., 1:, :, :]
            du, dhbar = torch.empty_like(values), torch.empty_like(codes_out)
            block_grads = grads[..., block, :, :].contiguous()
            if self.D is not None:
                block_grads = accumulator.add_decoder_gradient(block_grads, codes_out)
            dx = None if accumulator.dx is None else accumulator.dx[..., block, :, :]
            layers = (*values, codes_out)
            carry, dab = self._backward_block(block_grads, carry, layers, du, dhbar, dx)
            accumulator.add(block, previous_codes, layers, du, dhbar, threshold_gradients=dab)
            del values, layers, du, dhbar  # free memory before the next block
        return accumulator.gradients(carry)

    def _native_scan(self, back: bool) -> native_scan.NativeScan:
        if back not in self._native_scans:
            name = "factors_back" if back else "factors"
            transition, *layers = (
                getattr(product, name) for product in (self.transition, *self.layers)
            )
            inputs = (self.U.mT if back else self.U).unbind()
            self._native_scans[back] = native_scan.NativeScan(self, transition, layers, inputs)
        return self._native_scans[back]

    def _backward_block(self, grads, carry, values, du, dhbar, dx) -> tuple:
        """Compute ∂/∂u_l and ∂/∂ħ of a block, last step first; return the previous code's gradient.

        The C loops also add to dx and return the gradients of a and b.
        """
        if self.native:
            carry = torch.zeros_like(dhbar[0]) if carry is None else carry
            return carry, self._native_scan(back=True).backward(values, grads, du, dhbar, carry, dx)
        grads, dhbar = _frames(grads), _frames(dhbar.zero_())
        values, du = [_frames(value) for value in values], [_frames(du_l) for du_l in du]
        for t in reversed(range(len(grads))):
            hbar = values[0][t]
            centre = None if self.soft else hbar
            dp, extra = grads[t], carry
            for l in reversed(range(len(self.layers))):
                self.kernels.backward(
                    *(dp, extra, values[l + 1][t], centre, self.rho_rows),
                    *(self.a[l], self.b[l], du[l][t], dhbar[t]),
                )
                dp = self.layers[l].backward(du[l][t])
                extra = du[l][t] if self.residual else None
            dhbar[t].add_(dp)
            if extra is not None:
                dhbar[t].add_(extra)
            carry = self.transition.backward(dhbar[t])
        return carry, None


def _with_previous(codes: Tensor, block: slice) -> Tensor:
    return codes[..., block.start : block.stop + 1, :, :]


def _frames(tensor: Tensor) -> tuple[Tensor, ...]:
    return tensor.unbind(-3)


class GradientAccumulator:
    """The gradients of those arguments of a scan that require one."""

    def __init__(self, scan, needed: dict[str, bool]):
        self.scan, self.needed = scan, needed
        self.totals: dict[str, Tensor] = {}
        self.dx = torch.zeros_like(scan.xs) if needed["x"] else None

    def _add(self, name: str, term: Tensor | None) -> None:
        if term is not None:
            self.totals[name] = self.totals[name].add_(term) if name in self.totals else term

    def add_decoder_gradient(self, grad: Tensor, codes_out: Tensor) -> Tensor:
        """Add to the gradient of D, and return that of the codes: both (…, frames, batch, ·)."""
        rows = _rows(grad)
        if self.needed["D"]:
            self._add("D", matmul_nt(rows.mT, _rows(codes_out).mT))
        return matmul_nt(rows, self.scan.D.mT).view(codes_out.shape)

    def add(self, block, previous_codes, values, du, dhbar, threshold_gradients) -> None:
        """Add the terms of a block, given h_{t−1}, p_0 … p_d and the gradients of u_l and ħ.

        ``threshold_gradients``: those of a and b from the C loops, which also add to dx, or None.
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
            gradients = threshold_gradients or self._threshold_gradients(values, du)
            for threshold, gradient in zip("ab", gradients, strict=True):
                if needed[threshold]:
                    self._add(threshold, gradient)
        is_shared = scan.U.shape[-3] == 1
        total = sum(du[1:], du[0]) if is_shared or needed["rho"] else None
        if needed["rho"]:
            self._add("rho", torch.linalg.vecdot(total.flatten(-2), values[0].flatten(-2)))
        du = [total] if is_shared else du
        if needed["U"]:
            # A product copies a column-major first operand: use the smaller operand there.
            x = _rows(scan.xs[..., block, :, :])
            self._add("U", torch.stack([matmul_nt(x.mT, du_l.mT) for du_l in du], -3).mT)
        if self.dx is not None and threshold_gradients is None:
            for U_l, du_l in zip(scan.U.unbind(-3), du, strict=True):
                dx = self.dx[..., block, :, :]
                dx.add_(matmul_nt(du_l, U_l.mT).view(dx.shape))

    def _threshold_gradients(self, values: list[Tensor], du: list[Tensor]) -> list[Tensor | None]:
        centre = None if self.scan.soft else values[0]
        layers, kernel = zip(du, values[1:], strict=True), self.scan.kernels.threshold_gradients
        gradients = zip(*(kernel(*layer, centre) for layer in layers), strict=True)
        return [None if terms[0] is None else torch.stack(terms, -2) for terms in gradients]

    def gradients(self, carry: Tensor) -> list[Tensor | None]:
        """Return all gradients in order, given the gradient of h_0 for each sample."""
        if self.dx is not None:
            self.totals["x"] = self.dx.transpose(-3, -2)
        self.totals["h0"] = carry if self.scan.h0.ndim == carry.ndim else carry.sum(-2)
        return [self.totals[name] if need else None for name, need in self.needed.items()]


def _rows(tensor: Tensor) -> Tensor:
    return tensor.flatten(-3, -2)
