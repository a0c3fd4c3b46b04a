"""Descending constraints: each layer of an unfolded network must approach the optimum.

A network is represented by its layer outputs, y_0 … y_L, and a merit: a number ≥ 0 for each
sample that must decrease from layer to layer. Merits are stacked as (L + 1, batch).
"""

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from unfolded.errors import ConfigError, TrainingError, complain


def residual(y: Tensor, step: Callable[[Tensor], Tensor], c: Tensor | float) -> Tensor:
    r"""Return the norm of the change by a solver step, in units of a gradient.

    .. math:: r(y) = c\,\|y - \mathrm{step}(y)\|_2

    With a plain gradient step :math:`y - \nabla f(y)/c` this is :math:`\|\nabla f(y)\|_2`. With the
    step of ISTA, :math:`\mathrm{prox}_{\lambda_1/c}(y - \nabla f(y)/c)`, or of another
    proximal-gradient method it is zero exactly at the minimisers, where the gradient of the
    smooth part is not zero.
    Shapes: y (…, h), result (…). Source: the gradient mapping of Nesterov (2013), (2.11).

    >>> residual(torch.tensor([3.0, 4.0]), lambda y: 0.5 * y, c=2.0)
    tensor(5.)
    """
    return c * (y - step(y)).norm(dim=-1)


def slack(merits: Tensor, epsilon: float) -> Tensor:
    r"""Return by how much each layer violates its descent in the mean; at most 0 if it holds.

    .. math:: s_l = \mathbb E\,M(y_l) - (1 - \varepsilon)\,\mathbb E\,M(y_{l-1})

    This is the constraint of the theory: a difference of expectations.
    Shapes: merits (L + 1, batch), result (L,). Raises ConfigError unless 0 ≤ ε < 1.
    Source: Hadou, NaderiAlizadeh and Ribeiro (2024), with :math:`M = \|\nabla f\|`.

    >>> slack(torch.tensor([[4.0, 2.0], [1.0, 2.0]]), epsilon=0.5)
    tensor([0.])
    """
    merits = _check(merits, epsilon)
    means = merits.mean(1)
    return means[1:] - (1 - epsilon) * means[:-1]


def mean_of_ratios(merits: Tensor, epsilon: float) -> Tensor:
    r"""Return the constraint of the public code: the mean of the ratios of all samples.

    .. math:: \mathbb E\,\frac{M(y_l)}{M(y_{l-1})} - (1 - \varepsilon)

    It differs from :func:`slack`: the signs of the two are independent, and it is infinite if a
    sample has reached the optimum. Shapes and errors: as :func:`slack`.
    Source: the public code of Hadou et al. (2024).

    >>> mean_of_ratios(torch.tensor([[4.0, 2.0], [1.0, 2.0]]), epsilon=0.5)
    tensor([0.1250])
    """
    merits = _check(merits, epsilon)
    return (merits[1:] / merits[:-1]).mean(1) - (1 - epsilon)


def descending(merits: Tensor, epsilon: float = 0.0) -> Tensor:
    r"""Return the share of samples in which each layer descends, :math:`M(y_l) \le (1-\varepsilon)
    M(y_{l-1})`.

    Shapes and errors: as :func:`slack`.

    >>> descending(torch.tensor([[4.0, 2.0], [1.0, 3.0]]))
    tensor([0.5000])
    """
    merits = _check(merits, epsilon)
    return (merits[1:] <= (1 - epsilon) * merits[:-1]).to(merits.dtype).mean(1)


def guarantee(first: float, slacks: Tensor, epsilon: float) -> Tensor:
    r"""Bound the mean merit of every layer by that of the first layer and the violations.

    .. math:: \mathbb E\,M(y_l) \le (1-\varepsilon)^l\,\mathbb E\,M(y_0)
        + \sum_{k \le l} (1-\varepsilon)^{l-k} \max(\zeta_k, 0)

    for any :math:`\zeta_k` no smaller than the slack of layer k. Shapes: slacks (L,), result
    (L + 1,), which begins with ``first``.

    >>> guarantee(1.0, torch.tensor([0.0, 0.25]), epsilon=0.5)
    tensor([1.0000, 0.5000, 0.5000])
    """
    path = [torch.as_tensor(first, dtype=slacks.dtype)]
    for violation in slacks.clamp(min=0):
        path.append((1 - epsilon) * path[-1] + violation)
    return torch.stack(path)


def layer_noise(sigma: float, generator: torch.Generator, *, fading: bool = False) -> Callable:
    r"""Return a perturbation of y_l before the next layer: :math:`y_l + \sigma_l n`, n normal.

    :math:`\sigma_l` is ``sigma`` in all layers, or :math:`\sigma/l` with ``fading``, the schedule
    of the authors' inpainting code. The result takes (y, l).

    >>> disturb = layer_noise(0.1, torch.Generator().manual_seed(0), fading=True)
    >>> disturb(torch.zeros(2, 3), 1).shape
    torch.Size([2, 3])
    """

    def disturb(y: Tensor, l: int) -> Tensor:
        scale = sigma / l if fading else sigma
        return y + scale * torch.randn(y.shape, generator=generator, dtype=y.dtype)

    return disturb


class Duals:
    r"""The multipliers ν_l ≥ 0 of the constraints, one per layer, initially 0.

    >>> duals = Duals(2, rate=0.5)
    >>> duals.ascend(torch.tensor([1.0, -1.0]))
    tensor([0.5000, 0.0000])
    """

    def __init__(self, depth: int, rate: float):
        self.values, self.rate = torch.zeros(depth), rate

    def price(self, slack: Tensor) -> Tensor:
        """Return Σ_l ν_l s_l, the penalty in the Lagrangian."""
        return (self.values * slack).sum()

    def ascend(self, slack: Tensor) -> Tensor:
        r"""Take the step :math:`\nu \leftarrow [\nu + \eta s]_+` and return ν."""
        self.values = (self.values + self.rate * slack.detach()).clamp(min=0)
        return self.values


@dataclass(frozen=True)
class Checkpoint:
    """The stored state of a training: ``load()`` returns it or None, ``save(state)`` replaces it.

    ``generators``: those that the training draws from; ``interval``: steps between two states.
    """

    load: Callable[[], dict | None]
    save: Callable[[dict], None]
    generators: Sequence[torch.Generator]
    interval: int = 50


@dataclass(frozen=True)
class History:
    """The training history by step: ``loss`` (steps,), ``duals`` and ``slack`` (steps, L).

    ``seconds`` (steps,) is the processor time of each step.
    """

    loss: Tensor
    duals: Tensor
    slack: Tensor
    seconds: Tensor


def train(
    parameters: Iterable[Tensor] | Iterable[dict],
    terms: Callable[[], tuple[Tensor, Tensor | Sequence[Tensor] | None]],
    steps: int,
    *,
    rate: float,
    epsilon: float = 0.05,
    dual_rate: float = 0.0,
    clip: float = math.inf,
    checkpoint: Checkpoint | None = None,
) -> History:
    r"""Train by primal-dual steps: Adam descent on the Lagrangian, dual ascent along the slack.

    .. math:: \Theta \leftarrow \Theta - \eta_1 \nabla_\Theta \bigl(\ell + \textstyle\sum_l \nu_l
        s_l\bigr), \qquad \nu \leftarrow [\nu + \eta_2 s]_+

    ``parameters`` are tensors, or groups as in ``torch.optim`` with separate rates ``lr``.
    ``terms()`` draws a batch and returns its loss and its merits: (L + 1, batch), several of
    these, whose constraints are concatenated, or None. With a ``dual_rate`` of 0 no constraint
    acts: plain training. ``rate`` decreases linearly to 0; gradients with a norm above ``clip``
    are shortened to it. With a ``checkpoint``, an interrupted training continues after its last
    state with the same result. Raises TrainingError if the loss is not finite.
    Source: Hadou et al. (2024); their code for LISTA updates the duals once per epoch.
    """
    optimiser = torch.optim.Adam(list(parameters), lr=rate)
    parameters = [p for group in optimiser.param_groups for p in group["params"]]
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda k: 1 - k / steps)
    duals, rows = None, []
    state = checkpoint and checkpoint.load()
    if state:
        for p, value in zip(parameters, state["parameters"], strict=True):
            p.data.copy_(value)
        optimiser.load_state_dict(state["optimiser"])
        schedule.load_state_dict(state["schedule"])
        for generator, value in zip(checkpoint.generators, state["generators"], strict=True):
            generator.set_state(value)
        rows = list(zip(*(column.unbind() for column in state["history"]), strict=True))
        duals = Duals(state["duals"].numel(), dual_rate)
        duals.values = state["duals"]
    for k in range(len(rows), steps):
        started = time.process_time()
        loss, merits = terms()
        kinds = [merits] if isinstance(merits, Tensor) else merits or []
        slack_values = torch.cat([loss.new_zeros(0), *(slack(kind, epsilon) for kind in kinds)])
        duals = duals or Duals(len(slack_values), dual_rate)
        if not bool(torch.isfinite(loss)):
            actual = f"{loss.item()} in step {k + 1}"
            raise TrainingError(complain("a finite loss", actual, "choose a smaller rate"))
        optimiser.zero_grad()
        (loss + duals.price(slack_values) if dual_rate else loss).backward()
        if clip < math.inf:
            torch.nn.utils.clip_grad_norm_(parameters, clip)
        optimiser.step()
        schedule.step()
        values = loss.detach(), duals.ascend(slack_values), slack_values.detach()
        rows.append((*values, torch.tensor(time.process_time() - started)))
        if checkpoint and not (k + 1) % checkpoint.interval:
            state = {
                "parameters": [p.detach() for p in parameters],
                "optimiser": optimiser.state_dict(),
                "schedule": schedule.state_dict(),
                "generators": [generator.get_state() for generator in checkpoint.generators],
                "history": [torch.stack(column) for column in zip(*rows, strict=True)],
                "duals": duals.values,
            }
            checkpoint.save(state)
    return History(*(torch.stack(column) for column in zip(*rows, strict=True)))


def _check(merits: Tensor, epsilon: float) -> Tensor:
    if merits.ndim != 2 or len(merits) < 2 or not merits.shape[1]:
        actual = f"shape {tuple(merits.shape)}"
        expected = "merits (layers + 1, batch) of at least one layer and sample"
        raise ConfigError(complain(expected, actual, "stack what the merit gives for y_0 … y_L"))
    if not 0 <= epsilon < 1:
        raise ConfigError(complain("0 <= epsilon < 1", epsilon, "choose a share such as 0.05"))
    return merits
