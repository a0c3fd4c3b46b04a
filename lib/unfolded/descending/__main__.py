"""Train and disturb what the page shows, and store it in data/results/.

    python -m unfolded.descending

What is stored already is not done again.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, replace

import joblib

from unfolded import merging, networks
from unfolded.data import SOURCES
from unfolded.descending.disturbed import by_frame, judged
from unfolded.descending.keep import BY_FRAME, TESTS, TRIALS
from unfolded.descending.trials import EPSILON, Trial, train
from unfolded.errors import UnfoldedError

SEEDS = (0, 1, 2)
_WAYS = ({"steps": 0}, {}, {"merit": "objective"}, {"merit": "distance"}, {"merit": "residual"})
_NOISY = ({"noise": 0.1}, {"noise": 0.1, "merit": "objective"})
PLAN = (
    *(Trial("reweighted-rnn", **way) for way in _WAYS),
    *(Trial("lstm", **way) for way in _WAYS[:2]),
    *(Trial(model, **way) for model in ("l1-l1-rnn", "sista-rnn") for way in _WAYS),
    *(Trial("reweighted-rnn", **way) for way in _NOISY),
)
"""What is stored, for each of SEEDS."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Train what is not stored yet; errors are one line on standard error."""
    parser = argparse.ArgumentParser(
        prog="python -m unfolded.descending", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--source", choices=SOURCES, default="mnist", help="default mnist")
    options = parser.parse_args(arguments)
    known = merging.stored(TRIALS)
    plan = [replace(t, seed=seed, source=options.source) for seed in SEEDS for t in PLAN]
    left = [trial for trial in plan if merging.key(asdict(trial)) not in known]
    work = joblib.Parallel(n_jobs=-1, return_as="generator_unordered")
    try:
        for row, tests, frames in work(joblib.delayed(_stored)(trial) for trial in left):
            # The trial itself comes last: one whose tests are not written is done again.
            merging.merge(TESTS, tests)
            if frames:
                merging.merge(BY_FRAME, frames)
            merging.merge(TRIALS, [row])
            said = [one["psnr_authors"] for one in tests if one["what"] == "nothing"][-1]
            print(f"{row['model']}, {row['way']}, seed {row['seed']}: {said:.2f} dB", flush=True)
    except UnfoldedError as error:
        print(f"unfolded: {error}", file=sys.stderr)
        return 1
    return 0


def _stored(trial: Trial) -> tuple[dict, list[dict], list[dict]]:
    """Return a trial's row, those of its tests, and of the first seed those by frame."""
    where, start = merging.origin(), time.perf_counter()
    name = {"trial": merging.key(asdict(trial))}
    trained = train(trial)
    row = name | {"way": trial.way} | asdict(trial) | {"epsilon": EPSILON.get(trial.merit)}
    if trained.history:
        last = {key: value[-100:].mean(0) for key, value in vars(trained.history).items()}
        row |= {"loss": last["loss"].item()}
        for key in ("duals", "slack"):
            row |= {f"{key}_{l}": value for l, value in enumerate(last[key].tolist(), 1)}
    row |= {"data_sha256": trained.data_sha256} | where
    tests = judged(trained).to_dict("records")
    unfolded = networks.unfolded(trial.model) and trial.seed == SEEDS[0]
    frames = by_frame(trained).to_dict("records") if unfolded else []
    row |= {"seconds": round(time.perf_counter() - start, 1)}
    return row, [name | one for one in tests], [name | one for one in frames]


if __name__ == "__main__":
    sys.exit(main())
