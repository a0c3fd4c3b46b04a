"""LISTA at the published size: 1024 pixels, 1228 atoms, ten layers, batches of 512.

    python -m companion lista --stage targets     solve the problems
    python -m companion lista                     train the networks that are not stored yet

An interrupted command continues after its last checkpoint. Several processes may run the same
command; each trains different networks.
"""

import functools
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import torch
from torch import Tensor

from companion import attribution, result_store, results
from companion.build import options
from companion.studies import descent_constraints
from companion.studies.descent_constraints import Checkpoint
from companion.studies.lista import lista_tables, lista_training, sparse_coding
from companion.studies.lista.lista_training import (
    CODE_SCALE,
    METHODS,
    Method,
    Trained,
    public_noise,
)
from companion.studies.lista.sparse_coding import Problem
from companion.studies.natural_images import images, patches
from companion.studies.training_state import state_of
from unfolded import runtime
from unfolded.data import checksum
from unfolded.dictionaries import overcomplete_dct
from unfolded.runs import records, results_table
from unfolded.seeds import derive

TRIALS, CURVES = "lista.csv", "lista_curves.csv"
TESTS, ERRORS = "lista_tests.csv", "lista_errors.csv"
TEST, PAIRED, CHUNK, WINDOW = 512, 100, 1024, 20
"""Test signals, those with stored errors, signals solved at once, and steps per row of a curve."""
SIGMAS = (0.0, 0.01, 0.1, 1.0, 10.0, 100.0, 1000.0)
"""β of the layer noise in the test; those above zero are the levels of the public code."""
LAMBDA1, TOLERANCE = 0.05, 1e-4


@dataclass(frozen=True)
class Trial:
    """A training: a key of METHODS_AT_SIZE, and the sizes of the problem and the network."""

    method: str = "random: plain"
    side: int = 32
    atoms: int = 1228
    count: int = 16_384
    batch: int = 512
    steps: int = 2000
    rate: float = 1e-4
    seed: int = 0

    @property
    def hash(self) -> str:
        """Twelve hexadecimal digits that identify the trial."""
        return result_store.key(asdict(self))


METHODS_AT_SIZE = {
    name: METHODS[name] for name in ("random: plain", "random: distance", "plain", "distance")
} | {
    "random: plain + noise": Method(start="random", public_noise=True),
    "random: distance + noise": Method(start="random", constraint="distance", public_noise=True),
}
"""The methods, the most informative first; "noise" is that of the public code."""


PLAN = (Trial("ISTA", steps=0), *(Trial(name) for name in METHODS_AT_SIZE))


def problem(trial: Trial, part: str) -> Problem:
    """Return a problem of this size on patches of Caltech-101, with optima to TOLERANCE.

    ``part`` is "train" (``trial.count`` patches) or "test" (TEST patches, of other pictures). The
    optima are stored in the folder of runs, CHUNK signals per file.
    """
    pictures = images("caltech")[0 if part == "train" else 2]
    squares = np.concatenate([patches(p, trial.side, 3 * trial.side // 4) for p in pictures])
    count = trial.count if part == "train" else TEST
    order = np.random.default_rng(derive(0, "lista", part)).permutation(len(squares))[:count]
    x = torch.from_numpy(squares[order].reshape(len(order), -1) / 255.0)
    D = overcomplete_dct(trial.side**2, trial.atoms, dtype=x.dtype)
    folder, solve = _folder() / "targets", joblib.delayed(_optima)
    work = joblib.Parallel(n_jobs=-1)(solve(chunk, D, folder) for chunk in x.split(CHUNK))
    codes, certificate = (torch.cat(parts) for parts in zip(*work, strict=True))
    c = torch.linalg.matrix_norm(D, 2).item() ** 2
    return Problem(D, LAMBDA1, c, x, codes, certificate).to(torch.float32)


def _optima(x: Tensor, D: Tensor, folder: Path) -> tuple[Tensor, Tensor]:
    hash = f"{checksum(x.numpy())[:12]}-{D.shape[1]}"
    store = state_of(folder / hash, hash)()
    state = store.load()
    if state is None:
        with runtime.threads_for(1):
            solved = sparse_coding.solve(x, D, LAMBDA1, tolerance=TOLERANCE)
        state = {"codes": solved.codes, "certificate": solved.certificate}
        store.save(state)
    return state["codes"], state["certificate"]


def train(
    trial: Trial, signals: Problem, store: Callable[..., Checkpoint] | None = None
) -> Trained:
    """Train the network of a trial; an interrupted training continues from its ``store``."""
    if not trial.steps:
        return lista_training.untrained(signals)
    options = {"batch_size": trial.batch, "rate": trial.rate, "store": store}
    method = METHODS_AT_SIZE[trial.method]
    return lista_training.train(method, signals, seed=trial.seed, steps=trial.steps, **options)


@torch.no_grad()
def tests(trained: Trained, signals: Problem, seed: int = 0) -> tuple[list[dict], list[dict]]:
    """Return one row per level of noise and layer, and one per level and signal for PAIRED signals.

    With noise, :math:`y_0 = \\beta n` at the scale of the public code. ``distance`` is that to y*
    and ``l1`` the norm, both relative to y*; ``descending`` is the share of signals that move
    closer to y*; ``error`` is the squared distance of the last layer.
    """
    layers, errors = [], []
    for sigma in SIGMAS:
        draws = torch.Generator().manual_seed(derive(seed, "lista test", sigma))
        disturb = public_noise(signals, sigma, draws) if sigma else None
        normal = torch.randn(signals.codes.shape, generator=draws)
        y = trained.layers(signals, disturb, sigma / CODE_SCALE * normal)
        distances = signals.merit("distance", y)
        fractions = [None, *descent_constraints.descending(distances).tolist()]
        for layer, fraction in enumerate(fractions):
            layers.append({
                "sigma": sigma, "layer": layer, "descending": fraction,
                "distance": lista_tables.relative(signals, y[layer]),
                "l1": (y[layer].abs().sum(-1).mean() / signals.codes.abs().sum(-1).mean()).item(),
            })  # fmt: skip
        squares = distances[-1, :PAIRED].square().tolist()
        errors += [{"sigma": sigma, "signal": k, "error": e} for k, e in enumerate(squares)]
    return layers, errors


def curves(trained: Trained) -> list[dict]:
    """Return the loss and the largest slack of a training, means over WINDOW steps, and seconds."""
    if trained.history is None:
        return []
    loss, slack = trained.history.loss, trained.history.slack.amax(1)
    seconds = trained.history.seconds.double().cumsum(0)
    ends = range(WINDOW, len(loss) + 1, WINDOW)
    return [
        {
            "step": k,
            "seconds": seconds[k - 1].item(),
            "loss": loss[k - WINDOW : k].mean().item(),
            "slack": slack[k - WINDOW : k].mean().item(),
        }
        for k in ends
    ]


def stored_rows(name: str = TRIALS) -> pd.DataFrame:
    """Return a stored table of the trials, with their methods; empty if nothing is stored yet."""
    # A page that finds no table is stale when there is one.
    paths = [results.register_read(results_table.RESULTS / file) for file in (TRIALS, name)]
    if not all(path.exists() for path in paths):
        return pd.DataFrame(columns=["trial", "method", "seed"])
    trials = results.load_table(TRIALS)
    if name == TRIALS:
        return trials
    table = results.load_table(name).merge(trials[["trial", "method", "seed"]], on="trial")
    return attribution.mark(table, trials)


def settings(row: pd.Series) -> dict[str, object]:
    """Return the sizes of a stored trial by the names of `published_systems`."""
    return {
        "images": "Caltech-101",
        "dictionary": "cosines",
        "training signals": int(row["train"]),
        "pixels": int(row["side"]) ** 2,
        "atoms": int(row["atoms"]),
        "layers": lista_training.DEPTH,
        "signals per batch": int(row["batch"]),
        "steps": int(row["steps"]),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Solve the problems, or train the trials that are not stored yet."""
    stage = {"choices": ("targets", "train"), "default": "train"}
    seed = {"type": int, "default": 0, "help": "seed of the trainings"}
    chosen = options.parse("lista", __doc__, arguments, stage=stage, seed=seed)
    signals, test = (problem(PLAN[0], part) for part in ("train", "test"))
    if chosen.stage == "train":
        trials, folder = (replace(trial, seed=chosen.seed) for trial in PLAN), _folder()
        tasks = {trial.hash: functools.partial(_run, trial, signals, test) for trial in trials}
        result_store.complete(TRIALS, tasks, "no trial is planned", folder=folder)
    return 0


def _run(trial: Trial, signals: Problem, test: Problem) -> tuple[str, dict[str, list[dict]]]:
    """Return the rows of a trial, of its curves and of its tests."""
    provenance = result_store.origin()
    with runtime.flushed_denormals(), runtime.keep_freed_memory():
        trained = train(trial, signals, state_of(_folder() / trial.hash, trial.hash))
    seconds = trained.history.seconds.sum().item() if trained.history else 0.0
    layers, errors = tests(trained, test)
    name = {"trial": trial.hash}
    row = asdict(trial) | {"train": len(signals.x), "seconds": round(seconds, 1)}
    row |= {"data_sha256": checksum(signals.x.numpy())} | provenance
    tables = {CURVES: curves(trained), TESTS: layers, ERRORS: errors, TRIALS: [row]}
    clean = [row["distance"] for row in layers if not row["sigma"]]
    text = f"{trial.method}, seed {trial.seed}: relative distance {clean[-1]:.3f}"
    return text, {table: [name | row for row in rows] for table, rows in tables.items() if rows}


def _folder() -> Path:
    return records.store() / "lista"
