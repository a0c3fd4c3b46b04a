"""Training of one network as the protocol says; what is interrupted goes on where it was."""

import contextlib
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import filelock
import torch
from torch import Tensor, nn
from torch.optim import Adam
from torch.optim.lr_scheduler import ReduceLROnPlateau
from tqdm.auto import tqdm

from unfolded import checkpoints, data, metrics, results
from unfolded.config import RunConfig
from unfolded.errors import ConfigError, DataError, RecordError, TrainingError, complain
from unfolded.provenance import stamp
from unfolded.results import Record
from unfolded.seeds import derive

_EVALUATED_TOGETHER = 250


def run(
    config: RunConfig,
    *,
    device: str = "cpu",
    store: str | Path | None = None,
    progress: bool = True,
    again: bool = False,
) -> Record:
    """Return the record of a run, training it if there is none yet.

    A finished run is read, not repeated, unless ``again``; a failed one is tried anew; an
    interrupted one goes on after its last whole epoch and ends with the same numbers.
    Raises TrainingError on a non-finite loss (a failed record is kept), RecordError if the folder
    is in use, damaged or cannot be written, DataError or ConfigError on bad input.
    """
    device = resolve(device)
    folder = results.folder_of(config, store)
    with _held(folder):
        found = results.load(folder)
        if found and found.status == "done" and not again:
            return found
        if again:
            checkpoints.drop_state(folder)
        with _flushed_denormals():
            return _Run(config, device, folder, progress).finish()


def resolve(device: str) -> str:
    """Return the device to use: "cpu", "cuda", "cuda:1", or "auto" for CUDA where there is one.

    Raises ConfigError if CUDA is asked for and there is none.
    """
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    kind, _, index = device.partition(":")
    if kind not in ("cpu", "cuda") or (index and not index.isdigit()):
        raise ConfigError(complain("a device such as cpu, cuda, cuda:1 or auto", device, "choose"))
    if kind == "cuda" and int(index or 0) >= torch.cuda.device_count():
        got = f"{torch.cuda.device_count()} CUDA devices"
        raise ConfigError(complain(f"the device {device}", got, "use --device cpu or auto"))
    return device


def unseen_frames(config: RunConfig) -> Tensor:
    """Return the test sequences of a configuration in the protocol's units: (count, 20, n0)."""
    return _load(config)[0][2]


class _Run:
    """One run: network, optimiser, schedule and curves, at some epoch."""

    def __init__(self, config: RunConfig, device: str, folder: Path, progress: bool):
        self.config, self.device, self.folder, self.progress = config, device, folder, progress
        (train, validation, test), self.data_sha256 = _load(config)
        self.train, self.validation = train.to(device), validation.to(device)
        self.test = test.to(device)
        self.network = checkpoints.build_network(config).to(device)
        scale = config.scale
        self.optimiser = Adam(self.network.parameters(), lr=scale.learning_rate)
        # PyTorch counts the epochs it tolerates; the paper counts those after which it decays.
        self.schedule = ReduceLROnPlateau(
            self.optimiser, factor=scale.decay, patience=scale.patience - 1, threshold=0.0
        )
        self.curves = {"train_mse": [], "validation_mse": [], "learning_rate": []}
        self.seconds = 0.0
        self._resume()

    def finish(self) -> Record:
        """Train to the last epoch, test, and write record and weights."""
        record = Record(
            config=self.config.as_dict(),
            config_hash=self.config.hash,
            status="failed",
            parameters=sum(p.numel() for p in self.network.parameters()),
            data_sha256=self.data_sha256,
            provenance=stamp(self.device),
        )
        try:
            for epoch in self._epochs():
                self._epoch(epoch)
                self._save()
        except TrainingError as error:
            # What diverged once diverges again: the next try starts anew.
            checkpoints.drop_state(self.folder)
            failed = replace(record, curves=self.curves, seconds=self.seconds, reason=str(error))
            results.save(failed, self.folder)
            raise
        checkpoints.save_weights(self.folder, self.network, self.config)
        record = replace(
            record,
            status="done",
            metrics=self._test(),
            curves=self.curves,
            learned=learned(self.network),
            seconds=round(self.seconds, 3),
        )
        results.save(record, self.folder)
        checkpoints.drop_state(self.folder)
        return record

    def _epochs(self) -> Iterator[int]:
        name = f"{self.config.model} {self.config.hash}"
        first, last = len(self.curves["train_mse"]), self.config.size.epochs
        live = self.progress and sys.stderr.isatty()
        bar = tqdm(
            range(first, last), name, total=last, initial=first, disable=not live, unit="epoch"
        )
        for epoch in bar:
            yield epoch
            now = {key: values[-1] for key, values in self.curves.items()}
            bar.set_postfix({key: f"{value:.3g}" for key, value in now.items()})
            if self.progress and not live:
                line = "  ".join(f"{key} {value:.6g}" for key, value in now.items())
                done = f"{name}  epoch {epoch + 1}/{last}"
                print(f"{done}  {line}  {self.seconds:.0f} s", file=sys.stderr, flush=True)

    def _epoch(self, epoch: int) -> None:
        started = time.perf_counter()
        scale = self.config.scale
        generator = torch.Generator().manual_seed(derive(self.config.seed, "order", epoch))
        order = torch.randperm(len(self.train), generator=generator).to(self.device)
        self.network.train()
        total = 0.0
        for step, rows in enumerate(order.split(scale.batch)):
            frames = self.train[rows]
            loss = (self.network(frames) - frames).square().sum() / len(rows)
            value = loss.item()
            if not value < float("inf"):
                raise TrainingError(_blame(self.network, epoch, step, value))
            self.optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(self.network.parameters(), scale.clip)
            self.optimiser.step()
            total += value * len(rows)
        validation = self._mse(self.validation)
        unit = (255 / scale.peak) ** 2
        self.curves["train_mse"].append(total / self.train.numel() * unit)
        self.curves["validation_mse"].append(validation)
        self.curves["learning_rate"].append(self.optimiser.param_groups[0]["lr"])
        self.schedule.step(validation)
        self.seconds += time.perf_counter() - started

    @torch.no_grad()
    def _recovered(self, frames: Tensor) -> Tensor:
        self.network.eval()
        return torch.cat([self.network(part) for part in frames.split(_EVALUATED_TOGETHER)])

    def _mse(self, frames: Tensor) -> float:
        """Mean squared error in squared grey levels of 255, whatever the protocol's units."""
        error = (self._recovered(frames) - frames) * (255 / self.config.scale.peak)
        return error.double().square().mean().item()

    def _test(self) -> dict[str, float]:
        estimate = self._recovered(self.test)
        peak = self.config.scale.peak
        values = {
            f"psnr_{average}": metrics.psnr(self.test, estimate, peak=peak, average=average)
            for average in metrics.AVERAGES
        }
        return {**values, "test_mse": self._mse(self.test)}

    def _save(self) -> None:
        checkpoints.save_state(
            self.folder,
            {
                "config_hash": self.config.hash,
                "network": self.network.state_dict(),
                "optimiser": self.optimiser.state_dict(),
                "schedule": self.schedule.state_dict(),
                "curves": self.curves,
                "seconds": self.seconds,
            },
        )

    def _resume(self) -> None:
        state = checkpoints.load_state(self.folder, self.config)
        if state is not None:
            self.network.load_state_dict(state["network"])
            self.optimiser.load_state_dict(state["optimiser"])
            self.schedule.load_state_dict(state["schedule"])
            self.curves, self.seconds = state["curves"], state["seconds"]


def learned(network: nn.Module) -> dict[str, float]:
    """Return the scalars that an unfolded network has learned: c, λ1, λ2, and the range of g."""
    if not hasattr(network, "symbols"):
        return {}
    symbols = network.symbols()
    scalars = {name: symbols[name].item() for name in ("c", "lambda1", "lambda2")}
    if symbols.get("g") is not None:
        scalars |= {"g_min": symbols["g"].min().item(), "g_max": symbols["g"].max().item()}
    return scalars


def _load(config: RunConfig) -> tuple[list[Tensor], str]:
    """Return train, validation and test frames as vectors in the protocol's units, and a hash."""
    frames = data.sequences(config.source, count=config.size.count, reduction=config.reduction)
    if not bool(torch.isfinite(torch.from_numpy(frames)).all()):
        got = f"NaN or infinite pixels in {config.source}"
        raise DataError(complain("finite frames", got, "replace the data file"))
    unit = config.scale.peak / 255
    parts = [torch.from_numpy(part).flatten(2) * unit for part in data.split(frames)]
    return parts, data.checksum(frames)


def _blame(network: nn.Module, epoch: int, step: int, loss: float) -> str:
    """Name the parameter that blew up: the first non-finite one, else the largest."""
    where = f"a loss of {loss} in epoch {epoch + 1}, step {step + 1}"
    sizes = {name: p.detach().abs().max().item() for name, p in network.named_parameters()}
    bad = [name for name, size in sizes.items() if not size < float("inf")]
    name = bad[0] if bad else max(sizes, key=sizes.__getitem__)
    got = f"{where}; parameter {name} reached {sizes[name]:g}"
    return complain("a finite loss", got, "lower the learning rate or keep positivity='exp'")


@contextlib.contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Keep a second process out of a run's folder; a killed process lets go by itself."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(folder / ".lock", timeout=0)
        lock.acquire()
    except filelock.Timeout as error:
        got = "another process trains this run"
        raise RecordError(complain(f"{folder.name} to be free", got, "wait for it")) from error
    except OSError as error:
        do = "choose a folder that can be written with UNFOLDED_RUNS or --store"
        got = error.strerror or str(error)
        raise RecordError(complain(f"to write into {folder}", got, do)) from error
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def _flushed_denormals() -> Iterator[None]:
    """Treat denormal numbers as zero: they slow a step several times over and mean nothing."""
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)
