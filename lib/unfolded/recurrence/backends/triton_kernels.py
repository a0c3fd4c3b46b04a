"""Element-wise operations of one layer in Triton, which is installed with PyTorch for CUDA.

As reference.py, for rows (runs, batch, h) or (batch, h); only the runs may be non-contiguous.
"""

import triton
import triton.language as tl

from unfolded.recurrence.backends.reference import threshold_gradients

__all__ = ["backward", "forward", "threshold_gradients"]

_BLOCK = 512


def forward(u, s, residual, hbar, rho, centre, a, b, out) -> None:
    tensors = (u, s, residual, hbar, rho, a, b, out)
    _forward[_grid(u)](
        *tensors, *map(_run_stride, tensors), *u.shape[-2:], ADD=residual is not None,
        RHO=rho is not None, SOFT=centre is None, BLOCK=_BLOCK,
    )  # fmt: skip


def backward(gradient, extra, value, centre, rho, a, b, du, dhbar) -> None:
    tensors = (gradient, extra, value, centre, rho, a, b, du, dhbar)
    _backward[_grid(du)](
        *tensors, *map(_run_stride, tensors), *du.shape[-2:], ADD=extra is not None,
        RHO=rho is not None, SOFT=centre is None, BLOCK=_BLOCK,
    )  # fmt: skip


def _grid(rows) -> tuple[int, int]:
    return rows.numel() // rows.shape[-1], triton.cdiv(rows.shape[-1], _BLOCK)


def _run_stride(tensor) -> int:
    """Return the stride between two runs, in elements."""
    return tensor.stride(0) if tensor is not None and tensor.ndim == 3 else 0


@triton.jit
def _forward(
    u, s, residual, hbar, rho, a, b, out,
    u_stride, s_stride, residual_stride, hbar_stride, rho_stride, a_stride, b_stride, out_stride,
    batch, width, ADD: tl.constexpr, RHO: tl.constexpr, SOFT: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    run, row = tl.program_id(0) // batch, tl.program_id(0) % batch
    unit = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside, at = unit < width, row * width + unit
    v = tl.load(u + run * u_stride + at, inside) + tl.load(s + run * s_stride + at, inside)
    if ADD:
        v += tl.load(residual + run * residual_stride + at, inside)
    h = tl.load(hbar + run * hbar_stride + at, inside)
    if RHO:
        v += tl.load(rho + run * rho_stride) * h
    tau1 = tl.load(a + run * a_stride + unit, inside)
    tau2 = tl.load(b + run * b_stride + unit, inside)
    # As in elementwise.c, a comparison that is false for NaN must not select a number.
    above, below = v + (tau1 + tau2), v - (tau1 + tau2)
    if SOFT:
        middle = tl.zeros_like(v)
    else:
        lean = tl.where(h > 0, tau1 - tau2, tl.where(h < 0, tau2 - tau1, 0.0))
        middle = v - lean
        low, high = tl.where(h < 0, h, 0.0), tl.where(h > 0, h, 0.0)
        middle = tl.where(middle < low, low, middle)
        middle = tl.where(middle > high, high, middle)
    middle = tl.where(middle > above, above, middle)
    tl.store(out + run * out_stride + at, tl.where(middle > below, middle, below), inside)


@triton.jit
def _backward(
    gradient, extra, value, centre, rho, a, b, du, dhbar,
    gradient_stride, extra_stride, value_stride, centre_stride, rho_stride, a_stride, b_stride,
    du_stride, dhbar_stride,
    batch, width, ADD: tl.constexpr, RHO: tl.constexpr, SOFT: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    run, row = tl.program_id(0) // batch, tl.program_id(0) % batch
    unit = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside, at = unit < width, row * width + unit
    g = tl.load(gradient + run * gradient_stride + at, inside)
    if ADD:
        g += tl.load(extra + run * extra_stride + at, inside)
    v = tl.load(value + run * value_stride + at, inside)
    tau1 = tl.load(a + run * a_stride + unit, inside)
    tau2 = tl.load(b + run * b_stride + unit, inside)
    line = (v != 0) | (tau1 == 0)
    into = dhbar + run * dhbar_stride + at
    sent = tl.load(into, inside)
    if not SOFT:
        c = tl.load(centre + run * centre_stride + at, inside)
        line = line & ((v != c) | (tau2 == 0))
        follows = (line == 0) & (v == c) & ((c != 0) | (tau2 > tau1))
        sent += tl.where(follows, g, 0.0)
    on_line = tl.where(line, g, 0.0)
    if RHO:
        sent += tl.load(rho + run * rho_stride) * on_line
    tl.store(du + run * du_stride + at, on_line, inside)
    tl.store(into, sent, inside)
