"""The paper's tables as runs: which configurations fill which cells."""

from collections.abc import Iterable
from dataclasses import replace

from unfolded import networks
from unfolded.config import RunConfig
from unfolded.errors import ConfigError, complain

VARIED = {
    1: ("cs_rate", (0.1, 0.2, 0.3, 0.4, 0.5)),
    2: ("hidden", (128, 256, 512, 1024, 2048, 4096)),
    3: ("depth", (1, 2, 3, 4, 5, 6)),
}
"""Per table: what it varies and over which values; the rest stays at the defaults of §4."""


def row(base: RunConfig, models: Iterable[str] | None = None) -> list[RunConfig]:
    """Return one run a model at the paper's depths, everything else as in ``base``.

    >>> [run.depth for run in row(RunConfig(profile="smoke"), ["gru", "lstm"])]
    [3, 2]
    """
    models = networks.names() if models is None else models
    return [replace(base, model=model, depth=None) for model in models]


def table(number: int, base: RunConfig, models: Iterable[str] | None = None) -> list[RunConfig]:
    """Return the runs that fill one of the paper's three tables, row by row.

    ``base`` gives protocol, profile, source and seed. Raises ConfigError on another number.

    >>> len(table(1, RunConfig(profile="smoke"), ["gru"]))
    5
    """
    if number not in VARIED:
        raise ConfigError(complain("a table from 1, 2, 3", number, "choose one of them"))
    name, values = VARIED[number]
    return [replace(run, **{name: value}) for value in values for run in row(base, models)]
