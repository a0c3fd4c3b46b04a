"""The measured training step on the bundled digits, and the conditions of a measurement."""

import contextlib
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.optim import Adam

from unfolded import data, runtime
from unfolded.runs.config import PROTOCOLS
from unfolded.training.stacking import SingleModel, StackedModels, recover
from unfolded.training.train_step import TrainSteps, backward_loss

N0, N, TIME, BATCH, DEPTH = 256, 51, 20, 32, 3
PROTOCOL = PROTOCOLS["authors"]


def frames(batch: int = BATCH, time: int = TIME) -> Tensor:
    """Return sequences of the bundled digits in grey levels, (batch, time, n0).

    Longer sequences alternate between forward and reversed frames.
    """
    sequences = data.sequences("digits", count=max(batch, 10))[:batch]
    sequences = torch.from_numpy(sequences).flatten(2)
    cycle = torch.cat([sequences, sequences.flip(1)], 1)
    return cycle.repeat(1, -(-time // (2 * TIME)), 1)[:, :time].contiguous()


class Step:
    """A training step: forward, loss, backward, clipping of the norm, Adam."""

    def __init__(
        self,
        network: nn.Module,
        frames: Tensor,
        recover: Callable[[nn.Module, Tensor], Tensor] = recover,
        **adam,
    ):
        self.network, self.frames, self.recover = network, frames, recover
        self.parameters = list(network.parameters())
        self.optimiser = Adam(self.parameters, lr=PROTOCOL.learning_rate, fused=True, **adam)

    def __call__(self) -> None:
        self.optimiser.zero_grad()
        backward_loss(self.recover(self.network, self.frames), self.frames)
        nn.utils.clip_grad_norm_(self.parameters, PROTOCOL.clip)
        self.optimiser.step()


class TrainingSteps:
    """Training steps of one network, or of several networks of equal shapes in parallel.

    The number of threads is that of the measurement; training uses one thread up to width 512.
    """

    def __init__(self, networks: Sequence[nn.Module], frames: Tensor, batch: int = BATCH):
        self.models = StackedModels(networks) if len(networks) > 1 else SingleModel(networks[0])
        self.frames = frames
        adam = {"lr": PROTOCOL.learning_rate, "fused": True}
        optimisers = [Adam(network.parameters(), **adam) for network in networks]
        self.steps = TrainSteps(self.models, optimisers, frames, batch=batch, clip=PROTOCOL.clip)
        orders = torch.stack([torch.randperm(len(frames)) for _ in networks])
        self.orders = orders.view(*self.models.shape, -1).to(frames.device)

    def __call__(self) -> None:
        """Take one step for each batch of the frames."""
        self.steps.epoch(self.orders)

    def forward(self) -> Tensor:
        """Return the recovered frames of one pass through all sequences."""
        return self.models.recover(self.frames)

    def backward(self, recovered: Tensor) -> None:
        """Backpropagate the loss."""
        backward_loss(recovered, self.frames.expand_as(recovered))

    def clear_gradients(self) -> None:
        """Set all gradients to None."""
        for leaf in self.models.leaves:
            leaf.grad = None


ALLOCATORS = {"kept": runtime.keep_freed_memory, "system": contextlib.nullcontext}
"""Freed memory is kept by the process, as in training, or returned to the system."""


@contextlib.contextmanager
def conditions(threads: int, allocator: str = "kept") -> Iterator[None]:
    """Use the same threads, flushed denormals and allocator for all competitors."""
    thread_count = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with runtime.flushed_denormals(), ALLOCATORS[allocator]():
            yield
    finally:
        torch.set_num_threads(thread_count)
