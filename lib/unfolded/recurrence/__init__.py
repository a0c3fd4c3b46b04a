"""Sequence engine: the shared recurrence of all unfolded networks, with a custom backward pass.

The forward pass computes the same values as the solver steps. The backward pass computes one matrix
product per weight over many time steps; autograd would need one per time step and layer.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from unfolded.errors import ConfigError, complain
from unfolded.prox import phi
from unfolded.recurrence import transforms
from unfolded.recurrence.backends import native, native_scan, reference
from unfolded.recurrence.backends.selection import chosen, elementwise, native_available, use
from unfolded.recurrence.linear import linear
from unfolded.recurrence.matmul import routine_name
from unfolded.recurrence.scan import Scan

__all__ = ["LowRank", "chosen", "form_layer_weights", "routines", "unroll", "use"]


def routines(x: Tensor, A: Tensor, D: Tensor, in_engine: bool = True) -> dict[str, str | None]:
    """Return the names of the routines for sequences of the shape of x: (batch, time, n0).

    ``backend``: "native", "triton", "torch" or, outside the engine, "reference"; ``scan``: the
    loop over time, "C" or "PyTorch"; ``instructions``: the instruction set of the C kernels, or
    None without them. ``measurement`` and ``decoding``: the products with A (n, n0) and D (n0, h),
    see :mod:`unfolded.recurrence.matmul`; measures them if they have not been measured before.
    """
    in_engine = in_engine and chosen() != "reference"
    in_c = not x.is_cuda and native_available()
    loops_in_c = in_engine and native_scan.should_use_c_loops(x.transpose(0, 1))
    on_gpu = x.is_cuda and elementwise(x, None) is not reference
    backend = "native" if in_c else "triton" if on_gpu else "torch"
    codes = x.new_zeros(x.shape[0] * x.shape[1], D.shape[1])
    return {
        "measurement": routine_name(x.flatten(0, 1), A),
        "decoding": routine_name(codes, D),
        "backend": backend if in_engine else "reference",
        "scan": "C" if loops_in_c else "PyTorch",
        "instructions": native.library().instructions().decode() if in_c else None,
    }


class LowRank(NamedTuple):
    """A low-rank matrix leftᵀ right; both factors have shape (k, h)."""

    left: Tensor
    right: Tensor

    def product(self) -> "Tensor | LowRank":
        """Return the matrix (h, h), or the factors if products with both of them cost less."""
        k, h = self.left.shape
        return self if 2 * k < h else linear(self.left.T, self.right.T)

    def add_identity(self) -> "tuple[Tensor] | LowRank":
        """Return I + leftᵀ right for all layers, or the factors if they cost less."""
        W = self.product()
        return W if W is self else (W + torch.eye(len(W), dtype=W.dtype, device=W.device),)


def unroll(
    x: Tensor,
    h0: Tensor,
    G: Tensor | LowRank,
    W: Sequence[Tensor] | LowRank,
    U: Tensor,
    a: Tensor,
    b: Tensor | None,
    *,
    rho: Tensor | None = None,
    D: Tensor | None = None,
    recompute: bool = False,
) -> Tensor:
    r"""Run d layers over T time steps and return the codes of the last layer, or D times the codes.

    For each time step :math:`\hbar = G h_{t-1}`, :math:`p_0 = \hbar` and, for l = 1 … d,

    .. math:: p_l = \Phi_{a_l, b_l, \hbar}(W_l p_{l-1} + U_l x_t + \rho\hbar), \qquad h_t = p_d.

    Shapes: x (batch, time, n); h0 (h,) or (batch, h); G (h, h) or its :class:`LowRank`; W one
    matrix (h, h) per layer or one for all, or the factors of W − I; U (d, h, n), or (1, h, n)
    for all layers; a, b (d, h); rho: ρ (), None for 0; D (n0, h); result (batch, time, h), or
    with D (batch, time, n0). If ``b`` is None, Φ is the soft threshold at a. ``recompute`` stores
    only the codes and runs the layers again in the backward pass.
    Differentiable with respect to every tensor; higher derivatives use a loop with autograd. The
    thresholds must not be negative, else the gradient with respect to them is wrong.
    Raises ConfigError under autocast, on wrong shapes, and if precision or device differ.
    Source: (8)–(11); (12); (35).
    """
    if torch.is_autocast_enabled(x.device.type):
        do = "leave autocast for the networks, or choose fast=False"
        raise ConfigError(complain("single or double precision", "autocast", do))
    _check(x, h0, G, W, U, a, b, rho, D)
    x = x.transpose(0, 1).contiguous().transpose(0, 1)  # time-major, so that Scan makes no copy
    transition = (G.right, G.left) if isinstance(G, LowRank) else (G, None)
    layers = (W.left, W.right) if isinstance(W, LowRank) else (None, *W)
    tensors = (x, h0, *transition, U, a, b, rho, D, *layers)
    if _requires_gradients(*tensors) or transforms.functorch_active():
        return _Unroll.apply(not recompute, *tensors)[0]
    # For a single time step, the overhead of autograd.Function would be a fifth of the time.
    scan = Scan(*tensors)
    return scan.result(scan.forward(store_hidden=False)[0])


def form_layer_weights(Z: Tensor, M: Tensor, c: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
    r"""Return :math:`W_l = Z_l - U_l M` for each layer and :math:`U_l = \tfrac1c Z_l M^\top`.

    Shapes: Z (d, h, h), M = AD (n, h), c (); W_l (h, h), U (d, h, n). Source: (9) and (11).
    """
    root = c.sqrt()
    K = M / root
    V = linear(Z, K)
    return (Z - linear(V, K.T)).unbind(), V / root


def _check(x, h0, G, W, U, a, b, rho, D) -> None:
    """Reject shapes that the C loops would read out of bounds, and a different precision."""
    (batch, _, n), (d, h) = x.shape, a.shape
    tied = isinstance(W, LowRank)
    if min(n, d, h) < 1 or not (tied or len(W) in (1, d)):
        got = f"n = {n}, d = {d}, h = {h}" + ("" if tied else f" and {len(W)} matrices")
        want = "n, d and h of at least 1, and one matrix W per layer or one for all"
        raise ConfigError(complain(want, got, "see the shapes in unroll's docstring"))
    expected = {"h0": (h0, [(h,), (batch, h)]), "U": (U, [(d, h, n), (1, h, n)])}
    expected |= {"a": (a, [(d, h)]), "b": (b, [(d, h)]), "rho": (rho, [()])}
    if D is not None:
        expected["D"] = (D, [(len(D), h)])
    matrices = {"G": G} | ({"W": W} if tied else {f"W_{l}": W_l for l, W_l in enumerate(W, 1)})
    for name, matrix in matrices.items():
        if isinstance(matrix, LowRank):
            shape = [(max(factor.shape[0] for factor in matrix), h)]
            factors = matrix._asdict().items()
            expected |= {f"{name}.{part}": (factor, shape) for part, factor in factors}
        else:
            expected[name] = (matrix, [(h, h)])
    for name, (tensor, shapes) in expected.items():
        if tensor is None:
            continue
        same = (tensor.dtype, tensor.device) == (x.dtype, x.device)
        if not same or tuple(tensor.shape) not in shapes:
            want = f"{name} of shape {' or '.join(map(str, shapes))}, {x.dtype} on {x.device}"
            got = f"{tuple(tensor.shape)}, {tensor.dtype} on {tensor.device}"
            raise ConfigError(complain(want, got, "see the shapes in unroll's docstring"))


def _reference(x, h, G, G_left, U, a, b, rho, D, W_left, *W) -> tuple[Tensor]:
    """Return the result of :func:`unroll` step by step; W_left and W are the factors of W − I."""
    codes, zero = [], torch.zeros((), dtype=x.dtype, device=x.device)
    h = h.expand(len(x), -1)
    for x_t in x.unbind(1):
        hbar = p = h @ G.mT if G_left is None else h @ G.mT @ G_left
        for l, a_l in enumerate(a):
            u = p @ W[min(l, len(W) - 1)].mT
            u = u if W_left is None else p + u @ W_left
            u = u + x_t @ U[min(l, len(U) - 1)].mT + (0 if rho is None else rho * hbar)
            centre, b_l = (hbar, b[l]) if b is not None else (zero, zero)
            p = phi(u, centre, a_l, b_l)
        h = p
        codes.append(h)
    codes = torch.stack(codes, 1)
    return (codes if D is None else codes @ D.mT,)


class _Unroll(torch.autograd.Function):
    """The scan as one autograd node; under vmap, one scan processes several runs."""

    @staticmethod
    def forward(store_hidden, *arguments):
        scan = Scan(*arguments)
        states, hidden = scan.forward(store_hidden)
        return scan.result(states), states, hidden

    @staticmethod
    def setup_context(ctx, inputs, output):
        saved = [state for state in output[1:] if state is not None]
        ctx.mark_non_differentiable(*saved)
        ctx.set_materialize_grads(False)  # allocate no zeros for the outputs in ``saved``
        ctx.save_for_backward(*output[1:], *inputs[1:])

    @staticmethod
    def backward(ctx, grad, *_):
        if grad is None:
            return (None,) * len(ctx.needs_input_grad)
        states, hidden, *arguments = ctx.saved_tensors
        needed = ctx.needs_input_grad[1:]
        if torch.is_grad_enabled():
            gradients = transforms.differentiable_gradients(_reference, arguments, [grad], needed)
            return None, *gradients
        return None, *Scan(*arguments).backward(grad, states, hidden, needed)

    @staticmethod
    def vmap(info, in_dims, store_hidden, *arguments):
        arguments = transforms.batch_dim_first(arguments, in_dims[1:], info.batch_size)
        # Inside vmap, requires_grad is visible only on the unwrapped tensors.
        store_hidden = store_hidden and _requires_gradients(*arguments)
        return _Unroll.apply(store_hidden, *arguments), (0, 0, 1 if store_hidden else None)


def _requires_gradients(*tensors: Tensor | None) -> bool:
    return torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in tensors)
