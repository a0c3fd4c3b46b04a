"""The sequence engine: the recurrence that all unfolded networks share, with its own backward pass.

Forward it computes what the solvers' steps compute. Backward it collects what concerns a weight
over many frames and multiplies once, where autograd would multiply once per frame and layer.
"""

import contextlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from unfolded.errors import ConfigError, complain
from unfolded.prox import phi
from unfolded.recurrence.backends import native
from unfolded.recurrence.backends.selection import chosen, selected
from unfolded.recurrence.layer_weights import LayerWeights
from unfolded.recurrence.linear import linear
from unfolded.recurrence.scan import Scan
from unfolded.recurrence.transforms import (
    batch_dim_first,
    differentiable_gradients,
    functorch_active,
    has_values,
    is_symbolic,
)

__all__ = [
    "LowRank",
    "chosen",
    "decode",
    "differentiated_by_func",
    "form_layer_weights",
    "has_values",
    "is_symbolic",
    "unroll",
    "use",
]


@contextlib.contextmanager
def use(name: str) -> Iterator[None]:
    """Compute every recurrence inside by one backend, for all threads.

    "reference": step by step under autograd; "torch": the engine by calls of PyTorch, where it has
    such a form, else the reference; "native": the loops in C wherever they can run, however small
    the sizes. Raises ConfigError on another name, and on "native" without a compiler.

    >>> with use("reference"):
    ...     chosen()
    'reference'
    """
    with selected(name):
        if name == "native" and native.library() is None:
            raise ConfigError(complain("a C compiler", "none that works", 'choose "torch"'))
        yield


class LowRank(NamedTuple):
    """A matrix of low rank, leftᵀ right: both (k, h)."""

    left: Tensor
    right: Tensor

    def product(self) -> "Tensor | LowRank":
        """Return the matrix (h, h), or these factors where to multiply with both is cheaper."""
        return self if self._is_cheaper() else linear(self.left.T, self.right.T)

    def add_identity(self) -> "tuple[Tensor] | LowRank":
        """Return I + leftᵀ right for all layers, or these factors where that is cheaper."""
        if self._is_cheaper():
            return self
        identity = torch.eye(self.left.shape[-1], dtype=self.left.dtype, device=self.left.device)
        return (identity + linear(self.left.T, self.right.T),)

    def _is_cheaper(self) -> bool:
        k, h = self.left.shape
        return 2 * k < h


def unroll(
    x: Tensor,
    h0: Tensor,
    G: Tensor | LowRank,
    W: Sequence[Tensor] | LowRank,
    U: Tensor,
    a: Tensor,
    b: Tensor | None,
    *,
    pull: Tensor | None = None,
    D: Tensor | None = None,
    recompute: bool = False,
) -> Tensor:
    r"""Run d layers over T frames and return the codes of the last layer, or D times these.

    For each frame :math:`\hbar = G h_{t-1}`, :math:`p_0 = \hbar` and, for l = 1 … d,

    .. math:: p_l = \Phi_{a_l, b_l, \hbar}(W_l p_{l-1} + U_l x_t + \rho\hbar), \qquad h_t = p_d.

    Shapes: x (batch, time, n); h0 (h,) or (batch, h); G (h, h) or its :class:`LowRank`; W one
    matrix (h, h) a layer or one for all, or the factors of W − I; U (d, h, n), or (1, h, n)
    for all layers; a, b (d, h); pull: ρ (), none for 0; D (n0, h); result (batch, time, h), or
    with D (batch, time, n0). With ``b`` None, Φ is the soft threshold at a. ``recompute`` keeps
    nothing but the codes for the backward pass, which then runs the layers once more.
    Differentiable in every tensor, more than once by a loop under autograd; the thresholds must
    not be negative, else the gradient with respect to them is wrong.
    Raises ConfigError under autocast, on other shapes, and where precision or device differ.
    Source: (8)–(11); (12); (35).
    """
    if torch.is_autocast_enabled(x.device.type):
        do = "leave autocast for the networks, or choose fast=False"
        raise ConfigError(complain("single or double precision", "autocast", do))
    _check(x, h0, G, W, U, a, b, pull, D)
    x = x.transpose(0, 1).contiguous().transpose(0, 1)  # time first: so it is kept, and only once
    link = (G.right, G.left) if isinstance(G, LowRank) else (G, None)
    layers = (W.left, W.right) if isinstance(W, LowRank) else (None, *W)
    tensors = (x, h0, *link, U, a, b, pull, D, *layers)
    asked = _asks_for_gradients(*tensors)
    if asked or functorch_active():
        return _Unroll.apply(not recompute, *tensors)[0]
    # For a frame at a time, autograd's way to call a function would be a fifth of the work.
    scan = Scan(*tensors)
    return scan.result(scan.forward(keep=False)[0])


def form_layer_weights(Z: Tensor, M: Tensor, c: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
    r"""Return :math:`W_l = Z_l - U_l M` layer by layer and :math:`U_l = \tfrac1c Z_l M^\top`.

    Shapes: Z (d, h, h), M = AD (n, h), c (); W_l (h, h), U (d, h, n). Source: (9) and (11).
    """
    root = c.sqrt()
    V, *W = LayerWeights.apply(Z, M / root)
    return tuple(W), V / root


def decode(codes: Tensor, D: Tensor) -> Tensor:
    """Return D h_t for every frame: codes (batch, time, h) as the engine leaves them, D (n0, h)."""
    # Time first: so they lie in memory, and the product copies nothing.
    return linear(codes.transpose(0, 1), D).transpose(0, 1)


def _check(x, h0, G, W, U, a, b, pull, D) -> None:
    """Refuse what the loops in C would read beyond its end, or in another precision."""
    (batch, _, n), (d, h) = x.shape, a.shape
    tied = isinstance(W, LowRank)
    if min(n, d, h) < 1 or not (tied or len(W) in (1, d)):
        got = f"n = {n}, d = {d}, h = {h}" + ("" if tied else f" and {len(W)} matrices")
        want = "n, d and h of at least 1, and one matrix W a layer or one for all"
        raise ConfigError(complain(want, got, "see the shapes in unroll's docstring"))
    expected = {"h0": (h0, [(h,), (batch, h)]), "U": (U, [(d, h, n), (1, h, n)])}
    expected |= {"a": (a, [(d, h)]), "b": (b, [(d, h)]), "pull": (pull, [()])}
    if D is not None:
        expected["D"] = (D, [(len(D), h)])
    matrices = {"G": G} | ({"W": W} if tied else {f"W_{l}": W_l for l, W_l in enumerate(W, 1)})
    for name, matrix in matrices.items():
        if isinstance(matrix, LowRank):
            shape = [(max(each.shape[0] for each in matrix), h)]
            expected |= {
                f"{name}.{part}": (getattr(matrix, part), shape) for part in matrix._fields
            }
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


def _reference(x, h, link, link_left, U, a, b, pull, D, W_left, *W) -> tuple[Tensor]:
    """Return the result of :func:`unroll` step by step; W_left and W: the factors of W − I."""
    codes, zero = [], torch.zeros((), dtype=x.dtype, device=x.device)
    h = h.expand(len(x), -1)
    for x_t in x.unbind(1):
        hbar = p = h @ link.mT if link_left is None else h @ link.mT @ link_left
        for l, a_l in enumerate(a):
            u = p @ W[min(l, len(W) - 1)].mT
            u = u if W_left is None else p + u @ W_left
            u = u + x_t @ U[min(l, len(U) - 1)].mT + (0 if pull is None else pull * hbar)
            centre, b_l = (hbar, b[l]) if b is not None else (zero, zero)
            p = phi(u, centre, a_l, b_l)
        h = p
        codes.append(h)
    codes = torch.stack(codes, 1)
    return (codes if D is None else codes @ D.mT,)


class _Unroll(torch.autograd.Function):
    """The scan as one node of the graph; under vmap several runs are swept together."""

    @staticmethod
    def forward(keep, *arguments):
        scan = Scan(*arguments)
        states, hidden = scan.forward(keep)
        return scan.result(states), states, hidden

    @staticmethod
    def setup_context(ctx, inputs, output):
        kept = [each for each in output[1:] if each is not None]
        ctx.mark_non_differentiable(*kept)
        ctx.set_materialize_grads(False)  # of what is kept there would be zeros, as large as it is
        ctx.save_for_backward(*output[1:], *inputs[1:])

    @staticmethod
    def backward(ctx, grad, *_):
        if grad is None:
            return (None,) * len(ctx.needs_input_grad)
        states, hidden, *arguments = ctx.saved_tensors
        needed = ctx.needs_input_grad[1:]
        if torch.is_grad_enabled():
            return None, *differentiable_gradients(_reference, arguments, [grad], needed)
        return None, *Scan(*arguments).backward(grad, states, hidden, needed)

    @staticmethod
    def vmap(info, in_dims, keep, *arguments):
        arguments = batch_dim_first(arguments, in_dims[1:], info.batch_size)
        # Under vmap a tensor does not say that it asks for gradients; the one below it does.
        keep = keep and _asks_for_gradients(*arguments)
        return _Unroll.apply(keep, *arguments), (0, 0, 1 if keep else None)


def differentiated_by_func() -> bool:
    """Return whether torch.func differentiates: the engine has one backward pass, for autograd."""
    levels = torch._C._functorch.get_interpreter_stack() or ()
    known = torch._C._functorch.TransformType
    return any(level.key() in (known.Grad, known.Jvp) for level in levels)


def _asks_for_gradients(*tensors: Tensor | None) -> bool:
    return torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in tensors)
