"""One run from the start to the record, alone or in a group of runs with simultaneous steps."""

import contextlib
import functools
import math
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim import Adam
from torch.optim.lr_scheduler import ReduceLROnPlateau
from tqdm.auto import tqdm

from unfolded import files, metrics, recurrence
from unfolded.errors import TrainingError
from unfolded.networks import build, storage
from unfolded.networks.base import UnfoldedNetwork
from unfolded.provenance import stamp
from unfolded.runs import records
from unfolded.runs.config import SCHEDULES, RunConfig
from unfolded.runs.input_frames import Frames
from unfolded.runs.records import Record
from unfolded.seeds import derive
from unfolded.training import checkpoint
from unfolded.training.stacking import SingleModel, StackedModels, estimates, mean_squared_errors
from unfolded.training.train_step import TrainSteps, check, check_log

_CHECKPOINT_INTERVAL = 30.0
"""Seconds between two checkpoints on a GPU, where writing one takes longer than an epoch."""


class Trainer:
    """One run: network, optimiser, schedule and curves, at some epoch."""

    def __init__(
        self, config: RunConfig, device: str, folder: Path, progress: bool, frames: Frames
    ):
        self.config, self.device, self.folder, self.progress = config, device, folder, progress
        self.train, self.validation, self.test, self.data_sha256 = frames
        self.network = build(**config.network()).to(device)
        patience, threshold = SCHEDULES[config.schedule]
        self.optimiser = Adam(self.network.parameters(), lr=config.learning_rate, fused=True)
        self.schedule = ReduceLROnPlateau(
            self.optimiser, factor=config.scale.decay, patience=patience, threshold=threshold
        )
        names = ("train_mse", "validation_mse", "learning_rate", *scalars(self.network))
        self.curves = {name: [] for name in names}
        self.seconds, self.saved = 0.0, -math.inf
        self.name = f"{config.model} {config.hash}"
        self.record: Record | None = None
        self.bar: tqdm | None = None

    @property
    def epoch(self) -> int:
        """Number of complete epochs."""
        return len(self.curves["train_mse"])

    def begin(self, group_size: int = 1) -> None:
        """Resume from the checkpoint, if any, in a group of ``group_size`` runs; show a bar."""
        self._resume()
        # This key is used in stored records.
        group = {"together": group_size} if group_size > 1 else {}
        batch, in_engine = self.train[: self.config.scale.batch], self.network.uses_engine
        A, D = self.network.A.detach(), self.network.decoder_matrix().detach()
        routines = recurrence.routines(batch, A, D, in_engine)
        self.record = Record(
            config=self.config.as_dict(),
            config_hash=self.config.hash,
            status="failed",
            parameters=sum(p.numel() for p in self.network.parameters()),
            data_sha256=self.data_sha256,
            provenance=stamp(self.device) | routines | group,
        )
        options = {"initial": self.epoch, "total": self.config.size.epochs, "unit": "epoch"}
        options["disable"] = not (self.progress and sys.stderr.isatty())
        self.bar = tqdm(desc=self.name, **options)

    def attempt(self, work: Callable[[], Record | None]) -> Record | TrainingError | None:
        """Return the result of ``work``, or the error if the run diverges: its record is failed."""
        try:
            return work()
        except TrainingError as error:
            # The run would diverge again, so the next attempt starts from the beginning.
            files.drop(self.folder / checkpoint.STATE)
            files.drop(self.folder / checkpoint.WEIGHTS)
            self._write_record(reason=str(error))
            return error.with_traceback(None)  # a traceback would keep references to the network

    def end(self) -> Record:
        """Test the network; write its record and its weights."""
        values, errors = tested(self.network, self.test, self.config.scale.peak)
        position = f"epoch {self.config.size.epochs}, the last"
        check(self.network, values["test_mse"], "test error", position)
        header = {"config": self.config.as_dict()}
        storage.write(self.folder / checkpoint.WEIGHTS, self.network, header)
        results = {"metrics": values, "sequence_mse": errors, "learned": learned(self.network)}
        record = self._write_record(**results, status="done")
        files.drop(self.folder / checkpoint.STATE)
        return record

    def _write_record(self, **results) -> Record:
        seconds = round(self.seconds, 3)
        record = replace(self.record, curves=self.curves, seconds=seconds, **results)
        records.save(record, self.folder)
        return record

    def show(self) -> None:
        """Show the last values of the curves in the progress bar, or in a line of a log."""
        last_values = {key: values[-1] for key, values in self.curves.items()}
        self.bar.set_postfix({key: f"{value:.3g}" for key, value in last_values.items()})
        self.bar.update()
        if self.progress and self.bar.disable:
            line = "  ".join(f"{key} {value:.6g}" for key, value in last_values.items())
            position = f"{self.name}  epoch {self.epoch}/{self.bar.total}"
            print(f"{position}  {line}  {self.seconds:.0f} s", file=sys.stderr, flush=True)

    def order(self) -> Tensor:
        """Return the order of the training sequences in the next epoch, on the host."""
        generator = torch.Generator().manual_seed(derive(self.config.seed, "order", self.epoch))
        return torch.randperm(len(self.train), generator=generator)

    def end_epoch(self, log: Tensor, validation: float, seconds: float) -> None:
        """Complete an epoch with the log of :meth:`TrainSteps.epoch`, validation error and time.

        Raises TrainingError on a value that is not finite.
        """
        scale = self.config.scale
        check_log(self.network, log, self.epoch)
        position = f"epoch {self.epoch + 1}, step {len(log)}, its last"
        check(self.network, validation, "validation error", position)
        rows = map(len, self.train.split(scale.batch))
        total = sum(loss * count for loss, count in zip(log[:, 0].tolist(), rows, strict=True))
        unit = (255 / scale.peak) ** 2
        epoch_values = {
            "train_mse": total / self.train.numel() * unit,
            "validation_mse": validation,
            "learning_rate": self.optimiser.param_groups[0]["lr"],
            **scalars(self.network),
        }
        for name, values in self.curves.items():
            values.append(epoch_values[name])
        self.schedule.step(validation)
        self.seconds += seconds

    def save(self) -> None:
        """Write the checkpoint; on a GPU, where epochs are short, at most every half minute."""
        timestamp = time.monotonic()
        if self.device != "cpu" and timestamp - self.saved < _CHECKPOINT_INTERVAL:
            return
        self.saved = timestamp
        # Saving a slice would save the complete tensor, so clone it.
        network = {name: tensor.clone() for name, tensor in self.network.state_dict().items()}
        state = {
            "config_hash": self.config.hash,
            "network": network,
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
            "curves": self.curves,
            "seconds": self.seconds,
        }
        checkpoint.save_state(self.folder, state)
        # The checkpoint replaces the record of an earlier attempt: only one may give the progress.
        files.drop(self.folder / records.RECORD)

    def _resume(self) -> None:
        state = checkpoint.load_state(self.folder, self.config)
        if state is None:
            return
        try:
            self.network.load_state_dict(state["network"])
            self.optimiser.load_state_dict(state["optimiser"])
            for moments in self.optimiser.state.values():
                # Fused Adam misreads the memory layout of checkpoints from older versions.
                moments.update((name, moment.contiguous()) for name, moment in moments.items())
            self.schedule.load_state_dict(state["schedule"])
            self.curves, self.seconds = state["curves"], state["seconds"]
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            got = "one that does not fit the network, perhaps of another version"
            raise checkpoint.damaged_state(self.folder, got) from error


class RunGroup:
    """Runs with simultaneous steps; call :attr:`steps` with row indices of the training frames."""

    def __init__(self, trainers: Sequence[Trainer]):
        self.trainers = list(trainers)
        networks = [trainer.network for trainer in trainers]
        self.models = StackedModels(networks) if len(networks) > 1 else SingleModel(*networks)
        first, optimisers = trainers[0], [trainer.optimiser for trainer in trainers]
        scale = first.config.scale
        # Rescale the penalty: ℓ is a sum, but the penalty is relative to a pixel's error.
        unit = first.train[0].numel() * (scale.peak / 255) ** 2
        penalty = first.config.norm_penalty * unit
        options = {"batch": scale.batch, "clip": scale.clip, "penalty": penalty}
        self.steps = TrainSteps(self.models, optimisers, first.train, **options)

    def epoch(self) -> list[tuple[Tensor, float, float]]:
        """Train each run for its next epoch; return log, validation error and part of the time."""
        start_time, first = time.perf_counter(), self.trainers[0]
        orders = torch.stack([trainer.order() for trainer in self.trainers])
        orders = orders.view(*self.models.shape, -1).to(first.device)
        for trainer in self.trainers:
            trainer.network.train()
        log = self.steps.epoch(orders)
        for trainer in self.trainers:
            trainer.network.eval()
        validation = mean_squared_errors(self.models, first.validation, first.config.scale.peak)
        validation = validation.view(-1).tolist()
        logs = log.view(len(log), len(self.trainers), -1).unbind(1)
        seconds = (time.perf_counter() - start_time) / len(self.trainers)
        return [(*result, seconds) for result in zip(logs, validation, strict=True)]


def train_runs(trainers: Sequence[Trainer]) -> list[Record | TrainingError]:
    """Train runs of equal shape to the last epoch; their current epochs may differ."""
    outcomes: dict[Trainer, Record | TrainingError] = {}
    group, active = None, list(trainers)
    with contextlib.ExitStack() as bars:
        for trainer in trainers:
            trainer.begin(group_size=len(trainers))
            bars.enter_context(trainer.bar)
        while active:
            for trainer in active:
                if trainer.epoch >= trainer.config.size.epochs:
                    outcomes[trainer] = trainer.attempt(trainer.end)
            active = [trainer for trainer in active if trainer not in outcomes]
            if group is None or group.trainers != active:
                group = None  # free its memory
                group = RunGroup(active) if active else None
            results = group.epoch() if group else []
            for trainer, result in zip(active, results, strict=True):
                failure = trainer.attempt(functools.partial(trainer.end_epoch, *result))
                if failure is None:
                    trainer.save()
                    trainer.show()
                else:
                    outcomes[trainer] = failure
    return [outcomes[trainer] for trainer in trainers]


def tested(network: nn.Module, frames: Tensor, peak: float) -> tuple[dict[str, float], list[float]]:
    """Return the metrics of a record on test frames, and the error of each sequence."""
    estimate = estimates(SingleModel(network), frames)
    values = metrics.all_psnr(frames, estimate, peak=peak)
    errors = ((estimate - frames) * (255 / peak)).double().square().mean((1, 2))
    return values | {"test_mse": errors.mean().item()}, errors.tolist()


def scalars(network: nn.Module) -> dict[str, float]:
    """Return the current c, λ1 and λ2 of an unfolded network, else an empty dictionary."""
    if not isinstance(network, UnfoldedNetwork):
        return {}
    return {name: network.positive(name).item() for name in ("c", "lambda1", "lambda2")}


def learned(network: nn.Module) -> dict[str, float]:
    """Return the learned scalars of an unfolded network: c, λ1, λ2, and the range of g."""
    values = scalars(network)
    g = network.symbols().get("g") if values else None
    return values if g is None else values | {"g_min": g.min().item(), "g_max": g.max().item()}
