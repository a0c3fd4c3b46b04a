"""The command line of SISTA-RNN's task: train what the page shows, and store it in data/results/.

    python -m companion sista-images --epochs 40             short trainings, one seed
    python -m companion sista-images --stage selection       learning rates, on validation data
    python -m companion sista-images --stage published       published length, selected rates

Stored trainings are not repeated; an interrupted training continues after its last
checkpoint. Several processes may run the same command; each trains different networks.
"""

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from companion import result_store
from companion.build import options
from companion.studies.natural_images import SOURCES, images
from companion.studies.sista_images import image_results, image_solvers
from companion.studies.sista_images.image_solvers import Way
from companion.studies.sista_images.image_task import Task
from companion.studies.sista_images.image_training import Training, Trial
from unfolded.errors import TrainingError
from unfolded.runs import records

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


NETWORKS = (
    ("sista-rnn", {}),
    ("lstm", {"deviation": 1.0}),
    ("srnn", {}),
    ("sista-rnn", {"separate": True}),
    ("sista-rnn", {"lambda2": 0.01}),
    ("l1-l1-rnn", {}),
    ("reweighted-rnn", {}),
    ("sista-rnn", {"estimated": True}),
    ("sista-rnn", {"separate": True, "lambda2": 0.01}),
)
"""Model and options of the trainings of published length; the first REPEATED have SEEDS."""
RATES, SEEDS, REPEATED = (1e-4, 3e-4, 1e-3, 3e-3), (0, 1, 2), 3
STAGES = ("short", "selection", "published")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the trials that are not stored yet."""
    stage = {"choices": STAGES, "default": "short", "help": "trainings to run"}
    source = {"choices": SOURCES, "default": "caltech", "help": "source of the pictures"}
    epochs = {"help": "number of epochs of the stage short"}
    seed = {"type": int, "default": 0, "help": "seed of the stage short"}
    settings = {"stage": stage, "source": source, "epochs": epochs, "seed": seed}
    chosen = options.parse("sista-images", __doc__, arguments, **settings)
    source, seed = chosen.source, chosen.seed if chosen.stage == "short" else 0
    task = functools.cache(Trial(source=source, seed=seed).task)
    tasks = {image_results.way_of(way.name, source, seed):
             functools.partial(_solve, way, task, source, seed) for way in WAYS}  # fmt: skip
    result_store.complete(image_results.ALGORITHMS, tasks, "no algorithm is planned")
    folder = records.store() / "sista-images"
    trials = planned(chosen.stage, source, chosen.epochs, chosen.seed)
    tasks = {trial.hash: functools.partial(_train, trial, folder) for trial in trials}
    result_store.complete(image_results.RUNS, tasks, "no trial is planned", folder=folder)
    return 0


def planned(stage: str, source: str, epochs: int, seed: int) -> Iterator[Trial]:
    """Yield the trials of a stage, the most informative first.

    "short": PLAN with these epochs and this seed. "selection": each of NETWORKS at each of RATES.
    "published": NETWORKS at their selected rates, with at least the updates of the public code.
    Raises RecordError if a rate is not selected yet.
    """
    if stage == "short":
        for model, rate, settings in PLAN:
            yield Trial(model=model, rate=rate, source=source, epochs=epochs, seed=seed, **settings)
        return
    updates = image_results.SELECTION if stage == "selection" else image_results.PUBLISHED
    length = image_results.epochs_for(updates, len(images(source)[0]), Trial().batch)
    for k, (model, settings) in enumerate(NETWORKS):
        trial = Trial(model=model, source=source, epochs=length, **settings)
        if stage == "selection":
            yield from (replace(trial, rate=rate) for rate in RATES)
        else:
            rate = image_results.selected_rate(trial.network_name, source)
            for seed in SEEDS if k < REPEATED else SEEDS[:1]:
                yield replace(trial, rate=rate, seed=seed)


def _train(trial: Trial, folder: Path) -> tuple[str, dict]:
    """Train and store a trial."""
    provenance, training, reason = result_store.origin(), Training(trial), ""
    try:
        training.finish(folder / trial.hash)
    except TrainingError as error:
        reason = str(error)
    row = image_results.store(training, reason, provenance)
    result = reason or f"{row['psnr']:.2f} dB"
    return f"{trial.name} seed {trial.seed}: {result}", {}


def _solve(way: Way, task: Callable[[], Task], source: str, seed: int) -> tuple[str, dict]:
    """Run and store an algorithm; to a tolerance, also with the λ that a search finds."""
    on = task()
    facts = {"source": source, "seed": seed, "data_sha256": on.data_sha256}
    facts |= result_store.origin()
    rows = [image_solvers.row(way, on, on.test)]
    if way.iterations is None:
        best_row = image_solvers.row(image_solvers.searched(way, on), on, on.test)
        rows.insert(0, best_row | {"name": f"{way.name}, λ searched"})
    image_results.store_algorithms(rows, **facts)
    return "\n".join(f"{entry['name']}: {entry['psnr']:.2f} dB" for entry in rows), {}
