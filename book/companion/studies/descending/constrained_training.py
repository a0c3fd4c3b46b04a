"""Further training of a trained network, with or without descending constraints."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import joblib
import torch
from torch import Tensor

from companion import pretrained
from companion.studies import descent_constraints
from companion.studies.descending.layer_constraints import layers
from companion.studies.descending.layer_constraints import merit as merit_of
from unfolded import runtime
from unfolded.choices import UNFOLDED
from unfolded.data import SOURCES
from unfolded.errors import ConfigError, complain
from unfolded.networks.base import SequenceNetwork
from unfolded.runs import input_frames
from unfolded.runs.config import RunConfig
from unfolded.seeds import derive

PROFILES = dict.fromkeys(SOURCES, "short") | {"digits": "laptop"}
"""Number of training sequences; a thousand suffice for the embedded digits."""
RATE, DUAL_RATE, BATCH, TEST, PEAK = 1e-4, 10.0, 32, 320, 255.0
EPSILON = {"objective": 0.1, "residual": 0.1, "distance": 0.25}
"""The fraction by which each layer has to decrease a merit in the mean."""


@dataclass(frozen=True)
class Trial:
    """Further training of a network of :mod:`companion.pretrained` for ``steps`` batches.

    ``merit``, one of MERITS, is the quantity in each layer's constraint; None for no constraint.
    ``noise`` is added between the layers in training, relative to the codes' root mean square.
    Raises ConfigError on an unknown merit, or for a network whose layers are not solver steps.
    """

    model: str = "reweighted-rnn"
    merit: str | None = None
    noise: float = 0.0
    steps: int = 1000
    seed: int = 0
    source: str = "mnist"

    def __post_init__(self):
        merits = (None, *EPSILON) if self.model in UNFOLDED else (None,)
        if self.merit not in merits or (self.noise and len(merits) == 1):
            expected = f"for {self.model} a merit from {', '.join(map(str, merits))}"
            actual = f"{self.merit!r}, noise {self.noise}"
            raise ConfigError(complain(expected, actual, "choose one; noise needs layers"))

    @property
    def way(self) -> str:
        """Return the label of the training method in a legend."""
        if not self.steps:
            return "as it was"
        return (self.merit or "free") + (f" + noise {self.noise:g}" if self.noise else "")


@dataclass(frozen=True)
class Trained:
    """A network, its training history (None without training), and test sequences."""

    trial: Trial
    network: SequenceNetwork
    history: descent_constraints.History | None
    test: Tensor
    data_sha256: str


def train(trial: Trial) -> Trained:
    r"""Train a network further on the mean squared error, with the constraint if ``merit`` is set.

    .. math:: \mathbb E\,M(h_t^{(l)}) \le (1 - \varepsilon)\,\mathbb E\,M(h_t^{(l-1)})

    over frames and sequences, with M in units of its mean at layer 0 before the first step; a
    multiplier is then in squared grey levels. Batches do not depend on ``merit``.
    Raises TrainingError if the loss is not finite.
    """
    with runtime.threads_for(1), runtime.flushed_denormals():
        run = RunConfig(source=trial.source, profile=PROFILES[trial.source])
        sequences, _, test, sha256 = input_frames.load(run)
        network = pretrained.pretrained(trial.model)[0].requires_grad_(trial.steps > 0)
        order = torch.Generator().manual_seed(derive(trial.seed, "descending", "order"))
        noise = torch.Generator().manual_seed(derive(trial.seed, "descending", "noise"))
        disturb = relative(trial.noise, noise) if trial.noise else None
        unfolded, merit = trial.model in UNFOLDED, trial.merit or "objective"
        with torch.no_grad():
            unit = _merits(network, sequences[:TEST], merit)[1][0].mean() if unfolded else None

        def terms() -> tuple[Tensor, Tensor | None]:
            frames = sequences[torch.randint(len(sequences), (BATCH,), generator=order)]
            if not unfolded:
                return (network(frames) - frames).square().mean(), None
            h, merits = _merits(network, frames, merit, disturb)
            return (network.decode(h[-1]) - frames).square().mean(), merits / unit

        history, dual_rate = None, DUAL_RATE if trial.merit else 0.0
        if trial.steps:
            options = {"rate": RATE, "epsilon": EPSILON[merit], "dual_rate": dual_rate}
            history = descent_constraints.train(network.parameters(), terms, trial.steps, **options)
    return Trained(trial, network.requires_grad_(False), history, test[:TEST], sha256)


def side_by_side(trials: Sequence[Trial]) -> list[Trained]:
    """Train the trials in parallel, one process per core."""
    return joblib.Parallel(n_jobs=-1)(joblib.delayed(train)(trial) for trial in trials)


def _merits(net, frames: Tensor, merit: str, disturb=None) -> tuple[Tensor, Tensor]:
    x = net.measure(frames)
    h, prediction = layers(net, x, disturb)
    return h, merit_of(merit, net, h, prediction, x, frames).flatten(1)


def relative(share: float, draw: torch.Generator) -> Callable[[Tensor, int], Tensor]:
    """Return a function that adds noise to codes, relative to their root mean square."""
    noise = descent_constraints.layer_noise(share, draw)
    return lambda h, l: h + rms(h).detach() * noise(torch.zeros_like(h), l)


def rms(tensor: Tensor) -> Tensor:
    """Return the root mean square of all entries."""
    return tensor.square().mean().sqrt()
