"""The command line of SISTA-RNN's task: train what the page shows, and store it in data/results/.

    python -m companion sista-images --source caltech --epochs 40

What is stored already is not trained again; of each training the longest is shown.
"""

import argparse
from collections.abc import Sequence

from companion.result_store import origin, stored_keys
from companion.studies.natural_images import SOURCES
from companion.studies.sista_images import image_results, image_solvers
from companion.studies.sista_images.image_solvers import Way
from companion.studies.sista_images.image_training import Training, Trial
from unfolded.errors import TrainingError

PLAN = (
    ("sista-rnn", 1e-4, {}),
    ("lstm", 1e-3, {"deviation": 1.0}),
    ("sista-rnn", 1e-4, {"estimated": True}),
    ("reweighted-rnn", 3e-4, {}),
    ("l1-l1-rnn", 3e-4, {}),
    ("srnn", 1e-3, {}),
    ("sista-rnn", 3e-4, {}),
    ("sista-rnn", 3e-4, {"lambda2": 0.01}),
    ("sista-rnn", 1e-3, {}),
    ("lstm", 1e-3, {}),
    ("reweighted-rnn", 1e-4, {}),
    ("l1-l1-rnn", 1e-4, {}),
    ("srnn", 1e-4, {}),
    ("lstm", 1e-4, {"deviation": 1.0}),
)
"""Model, learning rate, and other options, the most informative first."""
WAYS = [
    Way(iterations, lambda2=lambda2)
    for iterations in (3, None)
    for lambda2 in (None, image_solvers.LAMBDA2)
] + [Way(iterations, estimated=True) for iterations in (3, None)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the trials that are not stored yet."""
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="python -m companion sista-images", description=__doc__, formatter_class=formatter
    )
    parser.add_argument("--source", choices=SOURCES, default="caltech", help="default caltech")
    parser.add_argument("--epochs", type=int, default=40, help="default 40")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    _solve(options.source, options.seed)
    for model, rate, settings in PLAN:
        run_options = {"source": options.source, "epochs": options.epochs, "seed": options.seed}
        _train(Trial(model=model, rate=rate, **run_options, **settings))
    return 0


def _train(trial: Trial) -> None:
    if image_results.name_of(trial) in stored_keys(image_results.RUNS):
        return
    provenance, training, reason = origin(), Training(trial), ""
    try:
        training.finish()
    except TrainingError as error:
        reason = str(error)
    row = image_results.keep(training, reason, provenance)
    print(trial.name, reason or f"{row['psnr']:.2f} dB", flush=True)


def _solve(source: str, seed: int) -> None:
    task, provenance = Trial(source=source, seed=seed).task(), origin()
    facts = {"source": source, "seed": seed, "data_sha256": task.data_sha256} | provenance
    for method in WAYS:
        if image_results.way_of(method.name, source, seed) in stored_keys(image_results.ALGORITHMS):
            continue
        rows = [image_solvers.row(method, task, task.test)]
        if method.iterations is None:
            best_row = image_solvers.row(image_solvers.searched(method, task), task, task.test)
            rows.insert(0, best_row | {"name": f"{method.name}, λ searched"})
        image_results.keep_algorithms(rows, **facts)
        print(*(f"{entry['name']}: {entry['psnr']:.2f} dB" for entry in rows), sep="\n", flush=True)
