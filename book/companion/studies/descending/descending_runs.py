"""Train and disturb what the page shows, and store it in data/results/.

    python -m companion descending

Stored results are not computed again.
"""

import functools
from collections.abc import Sequence
from dataclasses import asdict, replace

from companion import result_store
from companion.build import options
from companion.studies.descending.constrained_training import EPSILON, Trial, train
from companion.studies.descending.descending_results import BY_FRAME, TESTS, TRIALS
from companion.studies.descending.perturbations import by_frame, evaluation
from unfolded.choices import UNFOLDED

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
    chosen = options.parse("descending", __doc__, arguments, "source", seeds={"default": SEEDS})
    trials = (replace(t, seed=seed, source=chosen.source) for seed in chosen.seeds for t in PLAN)
    tasks = {result_store.key(asdict(t)): functools.partial(_run, t) for t in trials}
    result_store.complete(TRIALS, tasks, "no trial is planned", jobs=-1)
    return 0


def _run(trial: Trial) -> tuple[str, dict[str, list[dict]]]:
    """Return the rows of a trial, of its tests, and for the first seed those of the frames."""
    unfolded = trial.model in UNFOLDED and trial.seed == SEEDS[0]

    def measure() -> tuple:
        trained = train(trial)
        frames = by_frame(trained).to_dict("records") if unfolded else []
        return trained, evaluation(trained).to_dict("records"), frames

    (trained, tests, frames), facts = result_store.timed(measure)
    name = {"trial": result_store.key(asdict(trial))}
    row = name | {"way": trial.way} | asdict(trial) | {"epsilon": EPSILON.get(trial.merit)}
    if trained.history:
        means = {key: value[-100:].mean(0) for key, value in vars(trained.history).items()}
        row |= {"loss": means["loss"].item()}
        for key in ("duals", "slack"):
            row |= {f"{key}_{l}": value for l, value in enumerate(means[key].tolist(), 1)}
    tables = {
        TESTS: tests,
        BY_FRAME: frames,
        TRIALS: [row | {"data_sha256": trained.data_sha256} | facts],
    }
    psnr = [test["psnr_authors"] for test in tests if test["what"] == "nothing"][-1]
    text = f"{trial.model}, {trial.way}, seed {trial.seed}: {psnr:.2f} dB"
    return text, {table: [name | row for row in rows] for table, rows in tables.items() if rows}
