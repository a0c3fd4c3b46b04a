"""The stored results of the task: trainings with curves and images, and algorithms."""

import json
import math
from dataclasses import asdict

import numpy as np
import pandas as pd
from safetensors.torch import load, save

from companion import results
from companion.result_store import merge, origin
from companion.studies.sista_images.image_training import Training, Trial, network
from unfolded import files
from unfolded.errors import RecordError, complain
from unfolded.networks.base import UnfoldedNetwork
from unfolded.runs import results_table

RUNS, CURVES, PICTURES = "columns.csv", "columns_curves.csv", "columns_pictures.csv"
ALGORITHMS, WEIGHTS = "columns_algorithms.csv", "columns.safetensors"
PUBLISHED, SELECTION = 49_000, 4_900
"""Updates of the public code, and least number of those that select a learning rate."""


def row(training: Training, reason: str = "") -> dict[str, object]:
    """Return a training as one row: trial, scores on the test images, seconds on one core."""
    trial, curves = training.trial, training.curves
    facts = {"trial": trial.hash, **asdict(trial), "train": len(training.on.train)}
    facts |= {"status": "failed" if reason else "done", "reason": reason}
    facts |= {"parameters": sum(p.numel() for p in training.parameters)}
    facts |= {"updates": training.updates, "seconds": training.seconds}
    if not reason:
        test = training.on.test
        facts |= training.on.scores(test, training.recovered(test))
        errors = [entry["validation_mse"] for entry in curves]
        facts |= {"best_epoch": curves[int(np.argmin(errors))]["epoch"]}
        facts |= {"validation_mse": min(errors)}
        if isinstance(training.network, UnfoldedNetwork):
            symbols = training.network.symbols()
            names = ("c", "lambda1", "lambda2")
            facts |= {f"learned_{name}": symbols[name].item() for name in names}
    return facts | {"data_sha256": training.on.data_sha256}


def store(training: Training, reason: str = "", where: dict | None = None) -> dict:
    """Merge a training into data/results/; it replaces an older one of the same trial.

    Of the SISTA-RNNs with the public initialisation, the weights of the one with the lowest
    validation error are stored in half precision. Returns the row.
    """
    facts = row(training, reason) | (where or origin())
    trial = {"trial": facts["trial"]}
    if not reason:
        merge(CURVES, [trial | entry for entry in training.curves])
        pictures = [{"picture": k, "mse": mse} for k, mse in enumerate(picture_errors(training))]
        merge(PICTURES, [trial | entry for entry in pictures])
        _store_weights(training, facts)
    # The trial is stored last: a trial without stored curves, images or weights is repeated.
    merge(RUNS, [facts])
    return facts


def _store_weights(training: Training, facts: dict[str, object]) -> None:
    """Store the weights of a training if no stored rival has a lower validation error."""
    stored = results.load_table(RUNS, missing=facts).query("source == @training.trial.source")
    trials = pd.DataFrame([*stored.to_dict("records"), facts]).query("status == 'done'")
    rivals = trials[is_public(trials)]
    limit = rivals["validation_mse"].min() * (1 + 1e-5)
    if facts["trial"] in set(rivals["trial"]) and facts["validation_mse"] <= limit:
        state = training.network.state_dict()
        halves = {name: tensor.half().contiguous() for name, tensor in state.items()}
        metadata = {"trial": json.dumps(asdict(training.trial), sort_keys=True)}
        files.write(results_table.RESULTS / WEIGHTS, save(halves, metadata=metadata))


def trials_of(table: pd.DataFrame) -> list[Trial]:
    """Return the trials of a stored table, row by row; missing fields have their defaults."""
    names, rows = Trial.__dataclass_fields__, table.to_dict("records")
    fields = ({k: v for k, v in row.items() if k in names and not pd.isna(v)} for row in rows)
    return [Trial(**arguments) for arguments in fields]


def is_public(table: pd.DataFrame) -> pd.Series:
    """Return for each row whether it is a SISTA-RNN with the public initialisation and P = DᵀFD."""
    names = ("model", "estimated", "lambda2", "held", "separate")
    defaults = {name: getattr(Trial(), name) for name in names}
    matches = [defaults.items() <= asdict(trial).items() for trial in trials_of(table)]
    return pd.Series(matches, index=table.index, dtype=bool)


def selection(source: str = "caltech") -> pd.DataFrame:
    """Return the trainings that select a learning rate, one row per network and rate.

    ``selected`` marks the rate of the lowest validation error of each network; trainings that
    diverge are not selected. The trainings have seed 0 and the least number of epochs that contains
    SELECTION updates.
    """
    table = stored_rows(RUNS, source)
    table = table.assign(network=[trial.network_name for trial in trials_of(table)])
    sizes = zip(table["train"], table["batch"], strict=True)
    lengths = [epochs_for(SELECTION, train, batch) for train, batch in sizes]
    table = table[(table["seed"] == 0) & (table["epochs"] == lengths)]
    best = table.groupby("network")["validation_mse"].transform("min")
    table = table.assign(selected=table["validation_mse"] == best)
    columns = ["network", "rate", "validation_mse", "status", "selected", "updates", "trial"]
    return table[columns].sort_values(["network", "rate"], ignore_index=True)


def selected_rate(network_name: str, source: str = "caltech") -> float:
    """Return the selected learning rate of a network. Raises RecordError if none is stored."""
    rows = selection(source).query("network == @network_name and selected")
    if rows.empty:
        do = "run `python -m companion sista-images --stage selection` first"
        raise RecordError(complain(f"a selected learning rate of {network_name}", "none", do))
    return float(rows["rate"].iloc[0])


def epochs_for(updates: int, pictures: int, batch: int) -> int:
    """Return the number of epochs that contain at least this number of updates.

    >>> epochs_for(49_000, 1584, 50)
    1532
    """
    return math.ceil(updates / math.ceil(pictures / batch))


def picture_errors(training: Training) -> list[float]:
    """Return the error of each test image in squared grey levels, for 8-bit output."""
    task, test = training.on, training.on.test
    error = task.pictures(test) - task.pictures(training.recovered(test))
    return error.square().mean((1, 2)).tolist()


def store_algorithms(rows: list[dict], **where: object) -> None:
    """Merge rows of :func:`companion.studies.sista_images.image_solvers.row` into data/results/."""
    source, seed = where["source"], where["seed"]
    keyed_rows = [{"way": way_of(entry["name"], source, seed)} | entry | where for entry in rows]
    merge(ALGORITHMS, keyed_rows)


def way_of(name: str, source: str, seed: int) -> str:
    """Return the identifier of the row of an algorithm."""
    return f"{name}; {source} {seed}"


def stored_rows(name: str, source: str = "caltech") -> pd.DataFrame:
    """Return a committed table of the task; runs and algorithms are restricted to one source."""
    table = results.load_table(name)
    return table[table["source"] == source] if "source" in table else table


def stored_sista():
    """Return the stored SISTA-RNN, rounded to half precision, and its trial.

    Raises RecordError if the file is missing or damaged.
    """
    path = results.register_read(results_table.RESULTS / WEIGHTS)
    try:
        content = path.read_bytes()
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        trial = Trial(**json.loads(header["__metadata__"]["trial"]))
        weights = {name: tensor.float() for name, tensor in load(content).items()}
        net = network(trial, weights["A"], weights["D"])
        net.load_state_dict(weights)
    except Exception as error:
        do = "restore it with git checkout"
        raise RecordError(complain(f"the weights at {path}", repr(error), do)) from error
    return net.requires_grad_(False), trial
