"""The configurations of the cells of the paper's tables."""

from collections.abc import Iterable
from dataclasses import replace

from unfolded.choices import COMPARED, UNFOLDED
from unfolded.errors import check_choice
from unfolded.runs.config import RunConfig

VARIED = {
    1: ("cs_rate", (0.1, 0.2, 0.3, 0.4, 0.5)),
    2: ("hidden", (128, 256, 512, 1024, 2048, 4096)),
    3: ("depth", (1, 2, 3, 4, 5, 6)),
}
"""For each table: the varied field and its values; other fields have the defaults of §4."""

STARTS = {
    "earlier code": (1.0, 0.01),
    "successor": (0.003, 0.02),
    "earlier script": (3.0, 2.0),
    "random search": (2.1, 0.00027),
}
"""Pairs of initial λ1, λ2. Three are from the same authors: the log and a script in the code of
ℓ1-ℓ1-RNN, and the later paper. The last one is the draw of ``named_grids.search`` with the least
validation error at h = 128, which is the same draw for all three networks."""

SUCCESSOR = STARTS["successor"]
"""The only initial λ1, λ2 that the authors report in a paper: the later one, not this one."""


def initialised(run: RunConfig, pair: tuple[float, float] = SUCCESSOR) -> RunConfig:
    """Return a run with a pair of initial λ1, λ2; a run of a stacked network is unchanged.

    λ2 = 0 is not an initial value but removes a term: it stays zero.

    >>> ours = initialised(RunConfig(profile="smoke", lambda2=0.0))
    >>> ours.lambda1, ours.lambda2, initialised(RunConfig(model="gru")).lambda1
    (0.003, 0.0, 1.0)
    """
    if run.model not in UNFOLDED:
        return run
    lambda1, lambda2 = pair
    return replace(run, lambda1=lambda1, lambda2=lambda2 if run.lambda2 else 0.0)


def row(base: RunConfig, models: Iterable[str] | None = None) -> list[RunConfig]:
    """Return one run per model, by default COMPARED, at the paper's depths, else as ``base``.

    >>> [run.depth for run in row(RunConfig(profile="smoke"), ["gru", "lstm"])]
    [3, 2]
    """
    models = COMPARED if models is None else models
    return [replace(base, model=model, depth=None) for model in models]


def table(
    number: int,
    base: RunConfig,
    models: Iterable[str] | None = None,
    values: Iterable[float] | None = None,
) -> list[RunConfig]:
    """Return the runs for one of the paper's three tables, row by row.

    ``base`` gives protocol, profile, source and seed; ``values``, by default those of the paper,
    replace the varied values. Raises ConfigError on an unknown number.

    >>> len(table(1, RunConfig(profile="smoke"), ["gru"]))
    5
    >>> [run.cs_rate for run in table(1, RunConfig(profile="smoke"), ["gru"], [0.1, 0.5])]
    [0.1, 0.5]
    """
    check_choice("a table", number, VARIED)
    name, default_values = VARIED[number]
    values = default_values if values is None else values
    return [replace(run, **{name: value}) for value in values for run in row(base, models)]
