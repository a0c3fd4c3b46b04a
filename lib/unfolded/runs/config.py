"""The configuration of a run, the two protocols and the four profiles."""

import dataclasses
import hashlib
import json
import math
from dataclasses import dataclass

from unfolded import choices
from unfolded.errors import ConfigError, check_choice, complain, real_number, whole_number

FRAME = 16 * 16
"""n0: number of pixels of a frame of the paper."""

SCHEDULES = {"paper": (4, 0.0), "pytorch": (5, 1e-4)}
"""``patience`` and relative ``threshold`` of PyTorch's ``ReduceLROnPlateau`` by name: the learning
rate decreases after 5 epochs without a lower validation loss, as in §4, or, with PyTorch's
defaults, after more than 5 epochs that lower it by less than one part in 10,000."""


@dataclass(frozen=True)
class Protocol:
    """The scale of the frames; the protocols have all other settings in common."""

    peak: float
    batch: int = 32
    learning_rate: float = 3e-4
    decay: float = 0.3
    patience: int = 5
    clip: float = 0.25


@dataclass(frozen=True)
class Profile:
    """The size of a run: total sequences, epochs, and the default width."""

    count: int
    epochs: int
    hidden: int


PROTOCOLS = {"authors": Protocol(peak=255.0), "normalised": Protocol(peak=1.0)}
PROFILES = {
    "smoke": Profile(count=100, epochs=2, hidden=32),
    "laptop": Profile(count=1_000, epochs=8, hidden=256),
    "short": Profile(count=10_000, epochs=40, hidden=128),
    "paper": Profile(count=10_000, epochs=200, hidden=1024),
}


@dataclass(frozen=True)
class RunConfig:
    """All settings that determine the results of a run; their hash names the run's folder.

    ``hidden`` and ``depth`` default to the profile's width and to the paper's depth: three
    layers, two for LSTM. ``lambda1`` and ``lambda2`` are initial values in units of a grey level
    of 255; the protocol "normalised" divides them by 255 like the frames, except λ2 of SISTA-RNN,
    which multiplies a square and has no unit; λ2 = 0 stays fixed.
    ``source`` is a name of :data:`unfolded.choices.SOURCES`, or that of own frames, see
    :func:`unfolded.data.own_frames.checked`; they define n0, and all their sequences are used.
    ``reweighting`` selects the trained parameters of reweighted-RNN, Z and g. ``norm_penalty`` is
    the weight of a sum of row norms of an unfolded network (``row_norms`` in
    unfolded.training.train_step) relative to the training error of a pixel, in squared grey
    levels of 255 under either protocol.
    ``learning_rate`` is the initial rate; ``schedule`` controls its reduction (see
    :data:`SCHEDULES`). ``memory`` "off" fixes the link of an unfolded network to the previous
    frame at zero. ``variant`` selects other options of a stacked network (see
    :data:`unfolded.choices.VARIANTS`). Raises ConfigError on an invalid value. Numbers are stored
    as plain int and float, so that 1 and 1.0, or NumPy's types, name the same run.

    >>> RunConfig(model="lstm", profile="smoke").depth
    2
    """

    model: str = "reweighted-rnn"
    cs_rate: float = 0.2
    hidden: int | None = None
    depth: int | None = None
    seed: int = 0
    source: str = "digits"
    protocol: str = "authors"
    profile: str = "laptop"
    reduction: str = "area"
    positivity: str = "exp"
    lambda1: float = 1.0
    lambda2: float = 0.01
    reweighting: str = "Z+g"
    norm_penalty: float = 0.0
    learning_rate: float = Protocol.learning_rate
    schedule: str = "paper"
    memory: str = "on"
    variant: str = "default"

    def __post_init__(self):
        source_match = choices.OWN.fullmatch(str(self.source))
        for name, values in CHOICES.items():
            if not (source_match and name == "source"):
                check_choice(name, getattr(self, name), values)
        defaults = {"hidden": PROFILES[self.profile].hidden, "depth": usual_depth(self.model)}
        for name, default in defaults.items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, default)
        limits = choices.variant_options(self.model, self.variant)
        values = {"norm_penalty": real_number("norm_penalty", self.norm_penalty, 0, 1e30)}
        for name in ("lambda1", "lambda2", "learning_rate"):
            value, do = getattr(self, name), "choose an initial value such as 0.01"
            least = 0 if name == "lambda2" and value == 0 else 1e-30
            values[name] = real_number(name, value, least, 1e30, do)
        least = limits.get("reflectors", 1)
        for name, *bounds in (("hidden", least, 10**5), ("depth", 1, 10**4), ("seed", 0)):
            do = "choose another value, or another variant" if bounds[0] > 1 else "choose another"
            values[name] = whole_number(name, getattr(self, name), *bounds, do=do)
        n0, do = self.n0, f"pass n/n0, at least 1/{self.n0} and below 1"
        most = 1 if n0 == 1 else math.nextafter(1, 0)
        values["cs_rate"] = real_number("cs_rate", self.cs_rate, 1 / n0, most, do)
        for name, value in values.items():
            object.__setattr__(self, name, value)
        is_unfolded = self.model in choices.UNFOLDED
        for name, owner, applies in (
            ("reduction", "moving digits", not source_match),
            ("reweighting", "reweighted-rnn", self.model == "reweighted-rnn"),
            ("memory", "an unfolded network", is_unfolded),
            ("norm_penalty", "an unfolded network", is_unfolded),
        ):
            value = getattr(self, name)
            if not applies and value != getattr(RunConfig, name):
                want, got = f"{name} {value} for {owner} only", f"{self.model} on {self.source}"
                raise ConfigError(complain(want, got, "leave it out"))

    @property
    def n0(self) -> int:
        """Number of pixels of a frame."""
        source_match = choices.OWN.fullmatch(self.source)
        return math.prod(map(int, source_match[1].split("x"))) if source_match else FRAME

    @property
    def n(self) -> int:
        """Measurements of a frame, int(cs_rate · n0), rounded as in the authors' code."""
        return max(1, int(self.cs_rate * self.n0))

    def network(self) -> dict[str, object]:
        """Return the arguments of :func:`unfolded.build`, with thresholds in the protocol's units.

        λ1 and λ2 of an ℓ1 norm scale with the pixels, unlike λ2 of SISTA-RNN, a factor of a square.
        """
        unit = self.scale.peak / 255
        names = ("hidden", "depth", "seed", "positivity", "reweighting", "variant")
        return {name: getattr(self, name) for name in names} | {
            **{"name": self.model, "n0": self.n0, "n": self.n},
            "lambda1": self.lambda1 * unit,
            "lambda2": self.lambda2 * (1 if self.model == "sista-rnn" else unit),
            "memory": self.memory == "on",
        }

    @property
    def scale(self) -> Protocol:
        """The settings of the protocol."""
        return PROTOCOLS[self.protocol]

    @property
    def size(self) -> Profile:
        """The settings of the profile."""
        return PROFILES[self.profile]

    def arguments(self) -> list[str]:
        """Return the options with which ``python -m unfolded train`` performs this run.

        >>> RunConfig(model="gru", profile="smoke", seed=1).arguments()
        ['--model', 'gru', '--seed', '1', '--profile', 'smoke']
        """
        default, words = RunConfig(model=self.model, profile=self.profile).as_dict(), []
        for name, value in self.as_dict().items():
            if name in ("model", "profile") or value != default[name]:
                words += [f"--{name.replace('_', '-')}", str(value)]
        return words

    def as_dict(self) -> dict[str, object]:
        """Return the fields by name."""
        return dataclasses.asdict(self)

    @property
    def hash(self) -> str:
        """Twelve hexadecimal digits that name this configuration."""
        # A field that was added later enters the hash only with a value other than its default, so
        # that the names of older runs do not change.
        fields = self.as_dict().items()
        content = {name: value for name, value in fields if LATER.get(name, ...) != value}
        content["scale"] = dataclasses.asdict(self.scale)
        content |= {"count": self.size.count, "epochs": self.size.epochs}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]


TABLE_FIELDS = ("model", "cs_rate", "hidden", "depth", "seed", "protocol", "profile", "source")
"""The fields that may differ between runs of one table, or of the same table at other scales."""

FIRST_FIELDS = (*TABLE_FIELDS, "reduction", "positivity", "lambda1", "lambda2")
"""The fields of the first version."""

LATER = {f.name: f.default for f in dataclasses.fields(RunConfig) if f.name not in FIRST_FIELDS}
"""The fields added since, and their values for older runs."""

CHOICES = {
    "model": choices.MODELS,
    "source": choices.SOURCES,
    "reduction": choices.REDUCTIONS,
    "protocol": PROTOCOLS,
    "profile": PROFILES,
    "positivity": choices.POSITIVITY,
    "reweighting": choices.REWEIGHTING,
    "schedule": SCHEDULES,
    "memory": choices.MEMORY,
}


def other_defaults() -> dict[str, object]:
    """Return the defaults of the fields outside :data:`TABLE_FIELDS`."""
    fields = RunConfig().as_dict().items()
    return {name: value for name, value in fields if name not in TABLE_FIELDS}


def usual_depth(model: str) -> int:
    """Return the depth of §4 for tables with fixed depth: three layers, two for LSTM."""
    return 2 if model == "lstm" else 3
