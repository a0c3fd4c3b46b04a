"""Training steps without device synchronisation, and detection of divergence in their log."""

import functools
import math
import warnings
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.optim import Adam

from unfolded.errors import TrainingError, complain

_WARM_UP = 3
"""Warm-up steps before the capture, which compile kernels and allocate memory."""


class TrainSteps:
    r"""The training steps of a run, or of runs of equal shape: loss, gradient, clipping, Adam.

    .. math:: \ell = \tfrac1B \sum_{b,t} \|\hat s_{b,t} - s_{b,t}\|^2, \qquad
        g \leftarrow g \min(1, \tfrac{\rho}{\|g\| + 10^{-6}})

    with the bound ρ = ``clip``. On a GPU, full batches use one CUDA graph, which is captured once
    and then replayed. No step synchronises with the device: loss and norms are logged there; if a
    value is not finite, this step and all later steps of the run change nothing.

    ``models`` is a ``SingleModel`` or ``StackedModels`` of stacking.py, whose dimension of runs is
    first in all tensors; all runs use ``frames`` (sequences, time, n0). With a ``penalty`` μ the
    gradient is that of ℓ + μ Σ_l ‖W_l‖_{1,∞}, see :func:`row_norms`; the logged loss is ℓ.
    """

    def __init__(
        self, models, optimisers: Sequence[Adam], frames: Tensor, *, batch, clip, penalty=0.0
    ):
        self.models, self.optimisers, self.frames = models, list(optimisers), frames
        self.batch, self.clip, self.penalty = batch, clip, penalty
        leaf = models.leaves[0].detach()
        # The rate must be a tensor, because a graph would contain a plain number as a constant.
        self.rates = [leaf.new_zeros((), dtype=torch.float32) for _ in optimisers]
        self._set_rates()
        self.on_gpu = leaf.is_cuda
        count = -(-len(frames) // batch)
        self.log = leaf.new_zeros(count, *models.shape, 2 + len(models.leaves))
        self.at = torch.zeros(1, dtype=torch.long, device=leaf.device)
        self.failed = torch.zeros(models.shape, dtype=torch.float32, device=leaf.device)
        for optimiser, flag in zip(self.optimisers, self.failed.view(-1).unbind(), strict=True):
            # As in gradient scaling: with this flag, fused Adam skips the step on the device.
            optimiser.found_inf = flag
        self.rows = torch.zeros(*models.shape, batch, dtype=torch.long, device=leaf.device)
        self.stream = torch.cuda.Stream(leaf.device) if self.on_gpu else None
        self.warm, self.replay = 0, None

    def epoch(self, orders: Tensor) -> Tensor:
        """Take the steps of an epoch over the frames in the given orders: (…, sequences).

        Returns (steps, …, 2 + parameters) in double precision on the host: loss, gradient norm, and
        gradient norm of each parameter. This is the only synchronisation of the epoch.
        """
        self.at.zero_()
        self._set_rates()
        for rows in orders.split(self.batch, -1):
            self(rows)
        return self.log.double().cpu()

    def _set_rates(self) -> None:
        for optimiser, rate in zip(self.optimisers, self.rates, strict=True):
            rate.fill_(optimiser.param_groups[0]["lr"])

    def __call__(self, rows: Tensor) -> None:
        """Take one step with these rows of the frames, (…, batch), by replay if possible."""
        if not self.on_gpu or rows.shape != self.rows.shape:
            self.step(rows)
        elif self.warm < _WARM_UP:
            # These are regular steps of the run on another stream.
            on_side_stream(self.stream, functools.partial(self.step, rows))
            self.warm += 1
        else:
            if self.warm == _WARM_UP:
                self.replay = capture(self.stream, functools.partial(self.step, self.rows))
                self.warm += 1
            if self.replay is None:
                self.step(rows)
            else:
                self.rows.copy_(rows)
                self.replay()

    def step(self, rows: Tensor) -> None:
        """Take one step with these rows of the frames, without a graph."""
        for leaf in self.models.leaves:
            leaf.grad = None
        for optimiser in self.optimisers:
            optimiser.zero_grad()
        frames = self.frames[rows]
        losses = backward_loss(self.models.recover(frames), frames)
        if self.penalty:
            (self.penalty * self.models.row_norms()).sum().backward()
        self.models.assign_gradients()
        totals = self._log_step(losses)
        for optimiser, rate, total in zip(
            self.optimisers, self.rates, totals.view(-1).unbind(), strict=True
        ):
            nn.utils.clip_grads_with_norm_(optimiser.param_groups[0]["params"], self.clip, total)
            self._adam(optimiser, rate)

    @torch.no_grad()
    def _log_step(self, losses: Tensor) -> Tensor:
        """Write a row of the log, mark failed runs and return the gradient norms."""
        norms = torch.stack([self._norm(leaf.grad) for leaf in self.models.leaves], -1)
        if not self.on_gpu and not self.models.shape and not norms.isfinite().all():
            # In single precision the squares may overflow although the gradient is finite.
            norms = torch.stack([self._norm(leaf.grad.double()) for leaf in self.models.leaves], -1)
        totals = torch.linalg.vector_norm(norms, dim=-1)
        row = torch.cat([losses.unsqueeze(-1), totals.unsqueeze(-1), norms], -1)
        self.log.index_copy_(0, self.at, row.unsqueeze(0).to(self.log.dtype))
        self.at.add_(1).remainder_(len(self.log))  # a call outside an epoch starts at row 0
        flags = row.isfinite().all(-1).logical_not()
        self.failed.copy_(torch.maximum(self.failed, flags.float()))
        return totals

    def _norm(self, gradient: Tensor) -> Tensor:
        dims = tuple(range(len(self.models.shape), gradient.ndim))
        return torch.linalg.vector_norm(gradient, dim=dims) if dims else gradient.abs()

    def _adam(self, optimiser: Adam, rate: Tensor) -> None:
        if not self.on_gpu:
            optimiser.step()
            return
        (group,) = optimiser.param_groups
        # Between steps the group contains the exact rate, for the schedule and checkpoints.
        settings = {name: group[name] for name in ("lr", "capturable")}
        group.update(lr=rate, capturable=torch.cuda.is_current_stream_capturing())
        try:
            optimiser.step()
        finally:
            group.update(settings)


def backward_loss(recovered: Tensor, frames: Tensor) -> Tensor:
    r"""Run the backward pass from the gradient of the loss; return the loss of each run.

    .. math:: \ell = \tfrac1B \sum_{b,t} \|\hat s_{b,t} - s_{b,t}\|^2, \qquad
        \partial\ell / \partial\hat s = \tfrac2B (\hat s - s)

    Shapes: both (…, batch, time, n0), result (…). The gradient overwrites ``recovered``, because
    autograd would need three more tensors of that size.
    """
    error = recovered.data.sub_(frames)  # see SequenceNetwork.decode
    losses = error.square().sum((-3, -2, -1)) / frames.shape[-3]
    recovered.backward(error.mul_(2 / frames.shape[-3]))
    return losses


def row_norms(network: nn.Module) -> Tensor:
    r"""Return :math:`\sum_l \|W_l\|_{1,\infty}`, the norms α_l of Theorem 3.1, as a penalty.

    If several rows have the largest norm, the gradient is divided between them. Source: Joukovsky
    et al. (2021), who penalise the norm of the only layer that they train.
    """
    W, _ = network.layer_weights()
    return torch.stack([w.abs().sum(1).amax() for w in W]).sum()


def on_side_stream(stream: torch.cuda.Stream, step: Callable[[], None]) -> None:
    """Take a step on another stream, as required before a capture."""
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        step()
    torch.cuda.current_stream().wait_stream(stream)


def capture(stream: torch.cuda.Stream, step: Callable[[], None]) -> Callable[[], None] | None:
    """Return a function that replays a step as one CUDA graph, or None with a warning on failure.

    The capture does not perform the step.
    """
    graph, current_stream = torch.cuda.CUDAGraph(), torch.cuda.current_stream()
    try:
        with torch.cuda.graph(graph, stream=stream):
            step()
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        torch.cuda.synchronize()
        torch.cuda.set_stream(current_stream)  # a failed capture may leave another stream current
        reason = str(error).partition("\n")[0]
        warnings.warn(f"no CUDA graph, the steps are taken one by one: {reason}", stacklevel=2)
        return None
    return graph.replay


def check_log(network: nn.Module, log: Tensor, epoch: int) -> None:
    """Raise TrainingError at the first step of an epoch with a non-finite loss or gradient.

    ``log`` (steps, 2 + parameters): loss, gradient norm, gradient norm of each parameter.
    """
    steps = log.isfinite().all(1).logical_not().nonzero()
    if len(steps):
        step = steps[0].item()
        loss, norm, *norms = log[step].tolist()
        position = f"epoch {epoch + 1}, step {step + 1}"
        check(network, loss, "loss", position)
        check(network, norm, "gradient", position, norms)


def check(
    network: nn.Module, value: float, quantity: str, where: str, norms: Sequence[float] = ()
) -> None:
    """Raise TrainingError if a value is not finite; the message names the responsible parameter.

    It is the non-finite parameter, else the one with a non-finite gradient norm in ``norms``, which
    are in the order of the parameters, else the largest.
    """
    if math.isfinite(value):
        return
    parameters = dict(network.named_parameters())
    sizes = {name: p.detach().abs().max().item() for name, p in parameters.items()}
    names = [name for name, size in sizes.items() if not math.isfinite(size)]
    names += [name for name, norm in zip(sizes, norms, strict=False) if not math.isfinite(norm)]
    name = names[0] if names else max(sizes, key=sizes.__getitem__)
    got = f"a {quantity} of {value} in {where}, with parameter {name} at {sizes[name]:g}"
    do = "choose a smaller learning rate or, for an unfolded network, lambda1 and lambda2"
    raise TrainingError(complain(f"a finite {quantity}", got, do))
