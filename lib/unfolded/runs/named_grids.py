"""Named sets of runs: tables, ablations, identification of the protocol."""

import functools
import itertools
from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from unfolded.choices import COMPARED, MEMORY, MODELS, POSITIVITY, UNFOLDED, VARIANTS
from unfolded.errors import check_choice
from unfolded.runs.config import PROTOCOLS, SCHEDULES, RunConfig
from unfolded.runs.grid import STARTS, VARIED, initialised, row, table
from unfolded.runs.parameter_count import matched


def ablations(base: RunConfig) -> dict[str, dict[str, list[RunConfig]]]:
    """Return the runs of the ablations by question and answer, in addition to the default row.

    Each answer is a list of runs that differ from ``row(base)`` as stated in its name.

    >>> list(ablations(RunConfig(profile="smoke"))["what is reweighted"])
    ['Z and g', 'Z alone', 'g alone', 'neither', 'neither, equal size']
    """
    reweighted_run = replace(base, model="reweighted-rnn", depth=None)
    unfolded_runs = row(base, UNFOLDED)
    l1_l1_run = replace(base, model="l1-l1-rnn", depth=None)
    return {
        "scale of the pixels": _vary(row(base), "protocol", PROTOCOLS),
        "number of parameters": {
            f"{size}, {protocol}": [resized(replace(run, protocol=protocol)) for run in row(base)]
            for size, resized in (("as printed", replace), ("matched", matched))
            for protocol in PROTOCOLS
        },
        "what is reweighted": {
            "Z and g": [reweighted_run],
            "Z alone": [replace(reweighted_run, reweighting="Z")],
            "g alone": [replace(reweighted_run, reweighting="g")],
            "neither": [l1_l1_run],
            "neither, equal size": [matched(l1_l1_run)],
        },
        "temporal prior": {
            "λ2 trained": unfolded_runs,
            "λ2 = 0": [replace(run, lambda2=0.0) for run in unfolded_runs],
        },
        "memory": _vary(unfolded_runs, "memory", MEMORY),
        "initial λ": {
            name: [initialised(run, pair) for run in unfolded_runs] for name, pair in STARTS.items()
        },
        "learning-rate schedule": _vary(unfolded_runs, "schedule", SCHEDULES),
        "positive parameters": _vary(unfolded_runs, "positivity", POSITIVITY),
        "downsampling filter": _vary(row(base), "reduction", ("area", "bilinear", "antialiased")),
    }


def _vary(runs: list[RunConfig], field: str, values: Iterable[str]) -> dict[str, list[RunConfig]]:
    return {value: [replace(run, **{field: value}) for run in runs] for value in values}


def search(base: RunConfig, draws: int = 8) -> list[RunConfig]:
    """Return a random search over the initial λ1, λ2 of the unfolded networks, as §4 describes.

    Both are drawn log-uniformly from [1e-5, 3], the range of the paper, and rounded to two digits;
    the draws are the same for each network and do not depend on ``base``.

    >>> len(search(RunConfig(profile="short")))
    24
    """
    low, high = np.log10(1e-5), np.log10(3.0)
    exponents = np.random.default_rng(2021).uniform(low, high, (draws, 2))
    pairs = [[float(f"{10**exponent:.1e}") for exponent in pair] for pair in exponents]
    return [initialised(run, pair) for pair in pairs for run in row(base, UNFOLDED)]


def identification(base: RunConfig) -> list[RunConfig]:
    """Return the runs that distinguish hypotheses about the paper's protocol.

    The unfolded networks with each pair of initial λ and both learning-rate schedules, the
    variants of the stacked networks, and FastRNN with pixels in [0, 1].
    """
    starts = [initialised(run, pair) for pair in STARTS.values() for run in row(base, UNFOLDED)]
    unfolded_runs = itertools.chain(*_vary(starts, "schedule", SCHEDULES).values())
    stacked_runs = [
        replace(base, model=model, depth=None, variant=variant)
        for model, variants in VARIANTS.items()
        for variant in ("default", *variants)
    ]
    fastrnn_run = replace(base, model="fastrnn", depth=None, protocol="normalised")
    return [*unfolded_runs, *stacked_runs, fastrnn_run]


def named(name: str, base: RunConfig, models: Iterable[str] | None = None) -> list[RunConfig]:
    """Return the runs of a named grid without duplicates; fixed fields are those of ``base``.

    With ``models``, only their runs: ``base`` may then have options that other networks lack.
    Raises ConfigError on a name that is not in :data:`GRIDS`.

    >>> len(named("tables", RunConfig(profile="paper")))
    135
    """
    check_choice("a grid", name, GRIDS)
    models = COMPARED if models is None else [model for model in MODELS if model in models]
    return [run for run in dict.fromkeys(GRIDS[name](base, models)) if run.model in models]


def _ablation_runs(base: RunConfig, excluded: str = "") -> list[RunConfig]:
    questions = [answers for name, answers in ablations(base).items() if name != excluded]
    return [run for answers in questions for answer in answers.values() for run in answer]


GRIDS = {
    "row": row,
    **{f"table-{number}": functools.partial(table, number) for number in VARIED},
    "tables": lambda base, models: [run for k in VARIED for run in table(k, base, models)],
    "ablations": lambda base, _: _ablation_runs(base),
    "ablations-successor": lambda base, _: map(initialised, _ablation_runs(base, "initial λ")),
    "search": lambda base, _: search(base),
    "identification": lambda base, _: identification(base),
    "smoke": lambda base, models: row(replace(base, profile="smoke", hidden=None), models),
}
"""The grids of ``sweep --grid``; "ablations-successor" has the initial λ of SUCCESSOR."""
