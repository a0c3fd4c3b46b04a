"""Runs of one shape trained side by side: one forward and one backward pass for all of them."""

import contextlib
import functools
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from unfolded.choices import GROUP_SIZE
from unfolded.errors import TrainingError
from unfolded.recurrence.linear import linear
from unfolded.runs.config import RunConfig
from unfolded.runs.records import Record
from unfolded.training.train_step import Steps, row_norms

if TYPE_CHECKING:
    from unfolded.training.trainer import Job

_NEVER = ("lstm", "gru")
"""Models whose cells PyTorch cannot run side by side."""

_EVALUATED_AT_ONCE = 250


def recover(network: nn.Module, frames: Tensor) -> Tensor:
    """Measure and recover frames that were checked when they were loaded.

    Measurements are not checked: if A blows up, that is no bad input but shows in the loss.
    """
    return network.run(linear(frames, network.A))


class Alone:
    """One network as it is."""

    shape = ()
    """The dimension of runs: none."""

    def __init__(self, network: nn.Module):
        self.leaves = list(network.parameters())
        self.recover = functools.partial(recover, network)
        self.row_norms = functools.partial(row_norms, network)

    def share(self) -> None:
        """Hand each run its gradients: they lie where its optimiser looks."""


class Stacked:
    """Networks of one shape, whose parameters become slices of common tensors (runs, …)."""

    def __init__(self, networks: Sequence[nn.Module]):
        self.shape = (len(networks),)
        self.parameters = list(zip(*(network.parameters() for network in networks), strict=True))
        self.leaves = [_stacked(alike) for alike in self.parameters]
        self.template = _Network(networks[0])
        self.names = [name for name, _ in self.template.named_parameters()]

    def recover(self, frames: Tensor) -> Tensor:
        """Recover frames (runs, batch, time, n0), or (batch, time, n0) with every network."""
        return self._each(recover, frames, in_dims=(0 if frames.ndim == 4 else None,))

    def row_norms(self) -> Tensor:
        """Return what a penalty weighs: (runs,)."""
        return self._each(row_norms)

    def _each(self, function: Callable[..., Tensor], *given: Tensor, in_dims=()) -> Tensor:
        def one(leaves: dict[str, Tensor], *given: Tensor) -> Tensor:
            return torch.func.functional_call(self.template, leaves, (function, *given))

        leaves = dict(zip(self.names, self.leaves, strict=True))
        return torch.func.vmap(one, in_dims=(0, *in_dims))(leaves, *given)

    def share(self) -> None:
        """Hand each run its gradients."""
        for leaf, alike in zip(self.leaves, self.parameters, strict=True):
            for part, p in zip(leaf.grad, alike, strict=True):
                p.grad = part


def _stacked(alike: Sequence[nn.Parameter]) -> Tensor:
    """Return a tensor (runs, …) of which the parameters become the slices."""
    first = alike[0]
    # Each keeps its layout in memory: fused Adam reads parameter and moments in one order.
    stride = (first.numel(), *first.stride())
    whole = torch.empty_strided(
        (len(alike), *first.shape), stride, dtype=first.dtype, device=first.device
    )
    for part, p in zip(whole, alike, strict=True):
        part.copy_(p.detach())
        p.data = part
    return whole.requires_grad_()


class _Network(nn.Module):
    """A function of a network as a module's forward pass, which functional_call needs."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, function: Callable[..., Tensor], *given: Tensor) -> Tensor:
        return function(self.network, *given)


@torch.no_grad()
def recovered(runs: Alone | Stacked, frames: Tensor) -> Tensor:
    """Return what each run makes of frames (sequences, time, n0): (…, sequences, time, n0)."""
    return torch.cat([runs.recover(part) for part in frames.split(_EVALUATED_AT_ONCE)], -3)


def errors(runs: Alone | Stacked, frames: Tensor, peak: float) -> Tensor:
    """Return each run's mean squared error in squared grey levels of 255, whatever the peak."""
    error = (recovered(runs, frames) - frames) * (255 / peak)
    return error.double().square().mean((-3, -2, -1))


class Group:
    """Jobs that take their steps together; :attr:`steps` can be called with rows of their data."""

    def __init__(self, jobs: Sequence["Job"]):
        self.jobs = list(jobs)
        networks = [job.network for job in jobs]
        self.runs = Stacked(networks) if len(networks) > 1 else Alone(networks[0])
        first, optimisers = jobs[0], [job.optimiser for job in jobs]
        scale = first.config.scale
        # ℓ sums what the penalty is weighed against: the error of a pixel, in grey levels of 255.
        unit = first.train[0].numel() * (scale.peak / 255) ** 2
        penalty = first.config.norm_penalty * unit
        options = {"batch": scale.batch, "clip": scale.clip, "penalty": penalty}
        self.steps = Steps(self.runs, optimisers, first.train, **options)

    def epoch(self, epochs: Sequence[int]) -> list[tuple[Tensor, float, float]]:
        """Train every job for that epoch of its own.

        Returns for each job its log, its validation error and its share of the seconds.
        """
        started, first = time.perf_counter(), self.jobs[0]
        orders = [job.order(epoch) for job, epoch in zip(self.jobs, epochs, strict=True)]
        orders = torch.stack(orders).view(*self.runs.shape, -1).to(first.device)
        for job in self.jobs:
            job.network.train()
        log = self.steps.epoch(orders)
        for job in self.jobs:
            job.network.eval()
        validation = errors(self.runs, first.validation, first.config.scale.peak)
        validation = validation.view(-1).tolist()
        logs = log.view(len(log), len(self.jobs), -1).unbind(1)
        share = (time.perf_counter() - started) / len(self.jobs)
        return [(*each, share) for each in zip(logs, validation, strict=True)]


def finish(jobs: Sequence["Job"]) -> list[Record | TrainingError]:
    """Train runs of one shape, each from where it stands to its end; return how each ended.

    They need not stand at the same epoch. Whoever ends or fails leaves, and the others go on.
    """
    ended: dict[Job, Record | TrainingError] = {}
    with contextlib.ExitStack() as stack:
        left = {}
        for job in jobs:
            job.begin(together=len(jobs))
            left[job] = stack.enter_context(contextlib.closing(job.epochs()))
        group = None
        while left:
            turn = {job: next(epochs, None) for job, epochs in left.items()}
            done = {job: _outcome(job, job.end) for job, epoch in turn.items() if epoch is None}
            ended |= done
            turn = {job: epoch for job, epoch in turn.items() if job not in done}
            if group is None or group.jobs != list(turn):
                group = None  # its memory is needed
                group = Group(list(turn)) if turn else None
            results = group.epoch(list(turn.values())) if turn else []
            for (job, epoch), found in zip(turn.items(), results, strict=True):
                failure = _outcome(job, functools.partial(_close, job, epoch, *found))
                if failure is not None:
                    ended[job] = failure
            left = {job: epochs for job, epochs in left.items() if job not in ended}
    return [ended[job] for job in jobs]


def _close(job: "Job", *ended) -> None:
    job.close(*ended)
    job.save()


def _outcome(job: "Job", work: Callable[[], Record | None]) -> Record | TrainingError | None:
    try:
        with job.recorded():
            return work()
    except TrainingError as error:
        # A traceback would keep the network and its memory.
        return error.with_traceback(None)


def groups(configs: Iterable[RunConfig], most: int = GROUP_SIZE) -> list[list[RunConfig]]:
    """Return each configuration once, together with those that can be trained beside it.

    Side by side go runs, but of LSTM and GRU, that differ in seed, learning rate, or the starts
    of λ1 and λ2.

    >>> [len(group) for group in groups([RunConfig(seed=seed) for seed in range(10)])]
    [8, 2]
    """
    alike = defaultdict(list)
    for config in dict.fromkeys(configs):
        starts = {"lambda1": 1.0, "lambda2": float(config.lambda2 > 0)}
        usual = replace(config, seed=0, learning_rate=RunConfig.learning_rate, **starts)
        alike[config if config.model in _NEVER else usual].append(config)
    lists = alike.values()
    return [runs[first : first + most] for runs in lists for first in range(0, len(runs), most)]
