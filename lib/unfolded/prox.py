"""The proximal operators: soft threshold, and Φ of Proposition B.1 in its corrected form."""

import torch
from torch import Tensor

from unfolded.errors import ConfigError, complain


def soft_threshold(u: Tensor, tau: Tensor | float) -> Tensor:
    r"""Shrink towards zero: the proximal operator of :math:`\tau|v|`.

    .. math:: \mathrm{soft}_\tau(u) = \operatorname{sign}(u)\,\max(|u| - \tau, 0)

    Shapes: ``u`` and ``tau`` broadcast; the result has their common shape. Units: those of ``u``.
    Raises ConfigError if a threshold is negative or NaN.
    Source: the activation of ISTA, LISTA and SISTA-RNN.

    >>> soft_threshold(torch.tensor([-3.0, 0.5, 2.0]), 1.0)
    tensor([-2.,  0.,  1.])
    """
    u, tau = _to_common_dtype(u, tau)
    _check_not_negative("tau", tau)
    return shrink(u, tau)


def prox_l1_l1(
    u: Tensor, hbar: Tensor | float, tau1: Tensor | float, tau2: Tensor | float
) -> Tensor:
    r"""Minimise an ℓ1 term at zero plus an ℓ1 term at ħ: the activation Φ of reweighted-RNN.

    .. math:: \Phi(u) = \arg\min_v\; \tau_1|v| + \tau_2|v-\hbar| + \tfrac12 (v-u)^2,
        \qquad \tau_i = \lambda_i g / c

    computed without branches: with :math:`m` equal to :math:`u - \operatorname{sign}(\hbar)
    (\tau_1-\tau_2)` clamped between 0 and ħ, Φ is the median of :math:`m`,
    :math:`u-\tau_1-\tau_2` and :math:`u+\tau_1+\tau_2`.

    Shapes: all four broadcast; the result has their common shape. Units: those of ``u``.
    Gradients are closed forms for all four arguments; on a kink they are one element of the
    generalised gradient.
    Raises ConfigError if a threshold is negative or NaN (Φ is then no proximal operator).
    Source: (5)–(7) and Prop. B.1, with the last branch of the printed (7) corrected.

    >>> u = torch.tensor([-4.0, -1.0, 1.0, 2.5, 6.0])
    >>> prox_l1_l1(u, 2.0, 1.0, 0.5)
    tensor([-2.5000,  0.0000,  0.5000,  2.0000,  4.5000])
    """
    u, hbar, tau1, tau2 = _to_common_dtype(u, hbar, tau1, tau2)
    _check_not_negative("tau1", tau1)
    _check_not_negative("tau2", tau2)
    return phi(u, hbar, tau1, tau2)


def shrink(u: Tensor, tau: Tensor) -> Tensor:
    """Return the soft threshold without the check of its argument, for inner loops."""
    return u - torch.minimum(torch.maximum(u, -tau), tau)


def phi(u: Tensor, hbar: Tensor, tau1: Tensor, tau2: Tensor) -> Tensor:
    """Return Φ without the check of its thresholds, for inner loops: one dtype and device."""
    if torch.is_grad_enabled():
        return _Phi.apply(u, hbar, tau1, tau2)[0]
    return median(u, hbar, tau1, tau2)[0]


def median(u: Tensor, hbar: Tensor, tau1: Tensor, tau2: Tensor) -> tuple[Tensor, ...]:
    """Return Φ and the four candidate values of Φ, without autograd."""
    threshold_sum, zero = tau1 + tau2, torch.zeros_like(hbar)
    shift = torch.where(hbar == 0, zero, torch.sign(hbar) * (tau1 - tau2))
    low, high = torch.minimum(hbar, zero), torch.maximum(hbar, zero)
    middle = torch.minimum(torch.maximum(u - shift, low), high)
    lower, upper = u - threshold_sum, u + threshold_sum
    minimum = torch.minimum(middle, upper)
    return torch.maximum(lower, minimum), lower, middle, upper, minimum


def slope_masks(value: Tensor, hbar: Tensor | None, tau1: Tensor, tau2: Tensor):
    """Return the masks where Φ has slope one in u, and in ħ (None without ħ), given its value.

    A kink belongs to its plateau; a plateau with a threshold of zero has zero width. At ħ = 0,
    Φ follows ħ on both sides if the plateau of width 2 τ2 is the wider one.
    """
    line = (value != 0) | (tau1 == 0)
    if hbar is None:
        return line, None
    at_hbar = value == hbar
    line = line & (~at_hbar | (tau2 == 0))
    return line, ~line & at_hbar & ((hbar != 0) | (tau2 > tau1))


class _Phi(torch.autograd.Function):
    """Φ with a closed-form gradient: each unit has value 0, ħ or a line of slope one."""

    generate_vmap_rule = True

    @staticmethod
    def forward(u, hbar, tau1, tau2):
        value, lower, middle, upper, minimum = median(u, hbar, tau1, tau2)
        line, hbar_mask = slope_masks(value, hbar, tau1, tau2)
        # The candidates give the slopes for negative thresholds, too.
        sign = (minimum == upper).to(u.dtype) * (upper < middle) - (lower > minimum).to(u.dtype)
        sign = sign.clamp(min=-1)
        middle_sign = torch.where(sign == 0, torch.sign(hbar), 0)
        slope1 = (sign - middle_sign) * (value != 0)
        slope2 = (sign + middle_sign) * (value != hbar)
        return value, line, hbar_mask, slope1, slope2

    @staticmethod
    def setup_context(ctx, inputs, output):
        factors = output[1:]
        ctx.mark_non_differentiable(*factors)
        ctx.save_for_backward(*factors)
        ctx.shapes = [argument.shape for argument in inputs]

    @staticmethod
    def backward(ctx, grad, *_):
        line, hbar_mask, slope1, slope2 = ctx.saved_tensors
        line_grad = grad * line
        grads = (line_grad, grad * hbar_mask, line_grad * slope1, line_grad * slope2)
        return tuple(
            gradient.sum_to_size(shape) if flag else None
            for gradient, shape, flag in zip(grads, ctx.shapes, ctx.needs_input_grad, strict=True)
        )


def _to_common_dtype(u: Tensor, *arguments: Tensor | float) -> tuple[Tensor, ...]:
    u = torch.as_tensor(u)
    if not u.is_floating_point():
        u = u.to(torch.get_default_dtype())
    dtype = u.dtype
    for argument in arguments:
        if isinstance(argument, Tensor) and argument.is_floating_point():
            dtype = torch.promote_types(dtype, argument.dtype)
    return tuple(torch.as_tensor(a, dtype=dtype, device=u.device) for a in (u, *arguments))


def _check_not_negative(name: str, tau: Tensor) -> None:
    if not bool((tau >= 0).all()):
        want = f"thresholds {name} >= 0 (a negative or NaN one gives no proximal operator)"
        got = f"{name} with minimum {tau.detach().min().item():g}"
        raise ConfigError(complain(want, got, "make lambda, g and c positive"))
