"""Training on the columns of images: RMSprop with the settings of SISTA-RNN's public code."""

import math
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import joblib
import torch
from torch import Tensor, nn

from companion.result_store import key
from companion.studies.sista_images.image_solvers import transition
from companion.studies.sista_images.image_task import DEVIATION, LAMBDA1, LAMBDA2, Task, task
from companion.studies.sista_images.separate_link import SeparateSistaRNN
from unfolded import networks
from unfolded.networks.base import UnfoldedNetwork
from unfolded.networks.srnn import SRNN
from unfolded.runtime import flushed_denormals, keep_freed_memory, threads_for
from unfolded.seeds import derive
from unfolded.training import checkpoint
from unfolded.training.train_step import check

DEPTH = 3
"""K, the number of iterations or layers per column."""
_DECAY, _FIRST_SQUARE = 0.9, 1e-3
"""RMSprop settings: forgetting factor, and initial running mean of squares."""
_DENSE, _INTERVAL = 64, 16
"""Validation follows each of the first epochs, then every sixteenth and the last epoch."""


@dataclass(frozen=True)
class Trial:
    """The settings that determine the results of a training.

    ``rate``: learning rate; ``deviation``: scale of the columns, as in `image_task.task`;
    ``count``: maximum number of training images; ``estimated``: F starts at its least-squares
    estimate instead of I (SISTA-RNN only); ``lambda2``: its initial value;
    ``held``: the name of a matrix that is not trained; ``separate``: the link of the public code,
    `separate_link` (SISTA-RNN only).
    """

    model: str = "sista-rnn"
    source: str = "free"
    count: int | None = None
    epochs: int = 10
    batch: int = 50
    rate: float = 1e-4
    deviation: float = DEVIATION
    depth: int = DEPTH
    seed: int = 0
    estimated: bool = False
    lambda2: float = LAMBDA2
    held: str = ""
    separate: bool = False

    @property
    def hash(self) -> str:
        """Twelve hexadecimal digits that identify the trial; default fields are ignored."""
        defaults = asdict(Trial())
        changes = {k: value for k, value in asdict(self).items() if value != defaults[k]}
        return key(changes)

    @property
    def name(self) -> str:
        """The label in a table."""
        return f"{self.network_name}, rate {self.rate:g}"

    @property
    def network_name(self) -> str:
        """The label without the learning rate."""
        rescaled = "" if self.deviation == DEVIATION else ", rescaled"
        F = ", F estimated" if self.estimated else ""
        penalty = "" if self.lambda2 == LAMBDA2 else f", λ2 = {self.lambda2:g}"
        constants = f", {self.held} held" if self.held else ""
        inverse = ", separate inverse" if self.separate else ""
        return f"{self.model}{rescaled}{F}{penalty}{constants}{inverse}"

    def task(self) -> Task:
        """Return the task in the units of this trial."""
        return task(self.source, seed=self.seed, count=self.count, deviation=self.deviation)


def network(trial: Trial, A: Tensor, D: Tensor) -> nn.Module:
    """Return an untrained network with the known A and D as initial values.

    An unfolded network is the algorithm of its model with F = I or G = I, α = 1 and the given λ1.
    ``srnn`` is the generic stack with the soft threshold as activation.
    """
    sizes = {"n0": D.shape[0], "n": len(A), "hidden": D.shape[1], "depth": trial.depth}
    sizes["seed"] = trial.seed
    if trial.model == "srnn":
        net = SRNN(activation="soft", **sizes)
    else:
        # λ1 and λ2 of the l1-l1 term scale with the units; λ2 of the quadratic term does not.
        per = trial.deviation / DEVIATION
        scale = 1.0 if trial.model == "sista-rnn" else per
        sizes |= {"lambda1": LAMBDA1 * per, "lambda2": trial.lambda2 * scale}
        if trial.separate:
            net = SeparateSistaRNN(**sizes, positivity="exp")
        else:
            net = networks.build(trial.model, **sizes)
    with torch.no_grad():
        net.A.copy_(A)
        if isinstance(net, UnfoldedNetwork):
            net.D.copy_(D)
        if trial.separate:
            net.E.copy_(D)
    # A generic network uses measurements as input and does not use A.
    net.A.requires_grad_(isinstance(net, UnfoldedNetwork))
    return net


class Training:
    """Training of a network on its task; ``best`` are the weights at the lowest validation error.

    ``curves`` has one row per validation, the first before any step: epoch, total updates, total
    seconds on one core, training MSE of the epoch and validation MSE in squared grey levels.
    """

    def __init__(self, trial: Trial, on: Task | None = None):
        self.trial, self.on = trial, on or trial.task()
        self.network = network(trial, self.on.A, self.on.D)
        if trial.estimated:
            self.network.F.data.copy_(transition(self.on))
        if trial.held:
            getattr(self.network, trial.held).requires_grad_(False)
        self.parameters = [p for p in self.network.parameters() if p.requires_grad]
        self.optimiser = torch.optim.RMSprop(self.parameters, lr=trial.rate, alpha=_DECAY)
        for p in self.parameters:
            start = {"step": torch.tensor(0.0), "square_avg": torch.full_like(p, _FIRST_SQUARE)}
            self.optimiser.state[p] = start
        self.curves: list[dict[str, float]] = []
        self.epoch, self.updates, self.seconds, self.best = 0, 0, 0.0, math.inf
        self.weights: dict[str, Tensor] = {}

    def finish(self, folder: Path | None = None) -> "Training":
        """Train to the last epoch and load the best weights.

        With a ``folder``, a checkpoint follows each validation, and an interrupted training
        continues after its last checkpoint with the same result.
        Raises TrainingError on NaN, and RecordError if the checkpoint is damaged.
        """
        with threads_for(self.network.hidden), flushed_denormals(), keep_freed_memory():
            if not folder or not self._resume(folder):
                self._record(math.nan)
            while self.epoch < self.trial.epochs:
                loss = self._epoch(self.epoch)
                self.epoch += 1
                is_last = self.epoch == self.trial.epochs
                if self.epoch <= _DENSE or not self.epoch % _INTERVAL or is_last:
                    self._record(loss)
                    if folder:
                        checkpoint.save_state(folder, self._state())
        self.network.load_state_dict(self.weights)
        return self

    def _state(self) -> dict:
        names = ("epoch", "updates", "seconds", "best", "weights", "curves")
        modules = {"network": self.network.state_dict(), "optimiser": self.optimiser.state_dict()}
        progress = {name: getattr(self, name) for name in names}
        return {"config_hash": self.trial.hash, "progress": progress} | modules

    def _resume(self, folder: Path) -> bool:
        state = checkpoint.load_state(folder, self.trial)
        if state is None:
            return False
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        vars(self).update(state["progress"])
        return True

    def _epoch(self, epoch: int) -> float:
        started, losses = time.process_time(), []
        for rows in self._batches(epoch):
            columns = self.on.train[rows]
            loss = (self.network.recover(self.on.measure(columns)) - columns).square().mean()
            check(self.network, loss.item(), "loss", f"epoch {epoch + 1}")
            self.optimiser.zero_grad()
            loss.backward()
            if not isinstance(self.network, UnfoldedNetwork):
                nn.utils.clip_grad_norm_(self.parameters, 1.0)
            self.optimiser.step()
            losses.append(loss.item())
        self.updates += len(losses)
        self.seconds += time.process_time() - started
        return sum(losses) / len(losses)

    def _batches(self, epoch: int) -> Iterator[Tensor]:
        generator = torch.Generator().manual_seed(derive(self.trial.seed, "order", epoch))
        order = torch.randperm(len(self.on.train), generator=generator)
        return iter(order.split(self.trial.batch))

    def recovered(self, columns: Tensor) -> Tensor:
        """Return the columns recovered by the network, batch by batch: (count, T, N)."""
        with torch.no_grad():
            batches = columns.split(self.trial.batch)
            return torch.cat([self.network.recover(self.on.measure(s)) for s in batches])

    def _record(self, train: float) -> None:
        error = (self.recovered(self.on.validation) - self.on.validation).square().mean().item()
        check(self.network, error, "validation error", f"epoch {self.epoch}")
        grey = self.on.unit**2
        values = {"train_mse": train * grey, "validation_mse": error * grey}
        progress = {"updates": self.updates, "seconds": self.seconds}
        self.curves.append({"epoch": self.epoch, **progress, **values})
        if error < self.best:
            self.best = error
            self.weights = {k: v.clone() for k, v in self.network.state_dict().items()}


def train_all(trials: Iterable[Trial]) -> list[Training]:
    """Run the trainings to the end, one process per core, and return them."""
    calls = (joblib.delayed(_run)(trial) for trial in trials)
    return joblib.Parallel(n_jobs=-1)(calls)


def _run(trial: Trial) -> Training:
    return Training(trial).finish()
