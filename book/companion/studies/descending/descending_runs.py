"""Train and disturb what the page shows, and store it in data/results/.

    python -m companion descending

Stored results are not computed again.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import asdict, replace

import joblib

from companion import result_store
from companion.studies.descending.constrained_training import EPSILON, Trial, train
from companion.studies.descending.descending_results import BY_FRAME, TESTS, TRIALS
from companion.studies.descending.perturbations import by_frame, judged
from unfolded import networks
from unfolded.data import SOURCES

SEEDS = (0, 1, 2)
_VARIANTS = ({"steps": 0}, {}, {"merit": "objective"}, {"merit": "distance"}, {"merit": "residual"})
_NOISE_VARIANTS = ({"noise": 0.1}, {"noise": 0.1, "merit": "objective"})
PLAN = (
    *(Trial("reweighted-rnn", **variant) for variant in _VARIANTS),
    *(Trial("lstm", **variant) for variant in _VARIANTS[:2]),
    *(Trial(model, **variant) for model in ("l1-l1-rnn", "sista-rnn") for variant in _VARIANTS),
    *(Trial("reweighted-rnn", **variant) for variant in _NOISE_VARIANTS),
)
"""The stored trials, for each of SEEDS."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Train the trials that are not stored yet."""
    parser = argparse.ArgumentParser(
        prog="python -m companion descending", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--source", choices=SOURCES, default="mnist", help="default mnist")
    options = parser.parse_args(arguments)
    keys = result_store.stored_keys(TRIALS)
    plan = [replace(t, seed=seed, source=options.source) for seed in SEEDS for t in PLAN]
    new_trials = [trial for trial in plan if result_store.key(asdict(trial)) not in keys]
    work = joblib.Parallel(n_jobs=-1, return_as="generator_unordered")
    for row, tests, frames in work(joblib.delayed(_table_rows)(trial) for trial in new_trials):
        # The trial is stored last: a trial without stored tests is repeated.
        result_store.merge(TESTS, tests)
        if frames:
            result_store.merge(BY_FRAME, frames)
        result_store.merge(TRIALS, [row])
        psnr = [test["psnr_authors"] for test in tests if test["what"] == "nothing"][-1]
        print(f"{row['model']}, {row['way']}, seed {row['seed']}: {psnr:.2f} dB", flush=True)
    return 0


def _table_rows(trial: Trial) -> tuple[dict, list[dict], list[dict]]:
    """Return the row of a trial, those of its tests, and for the first seed those of the frames."""
    origin, start = result_store.origin(), time.perf_counter()
    name = {"trial": result_store.key(asdict(trial))}
    trained = train(trial)
    row = name | {"way": trial.way} | asdict(trial) | {"epsilon": EPSILON.get(trial.merit)}
    if trained.history:
        means = {key: value[-100:].mean(0) for key, value in vars(trained.history).items()}
        row |= {"loss": means["loss"].item()}
        for key in ("duals", "slack"):
            row |= {f"{key}_{l}": value for l, value in enumerate(means[key].tolist(), 1)}
    row |= {"data_sha256": trained.data_sha256} | origin
    tests = judged(trained).to_dict("records")
    unfolded = networks.unfolded(trial.model) and trial.seed == SEEDS[0]
    frames = by_frame(trained).to_dict("records") if unfolded else []
    row |= {"seconds": round(time.perf_counter() - start, 1)}
    return row, [name | entry for entry in tests], [name | entry for entry in frames]
