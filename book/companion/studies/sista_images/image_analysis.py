"""Analysis of a trained SISTA-RNN as a model of columns, and comparison of trainings."""

import math
from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from companion.statistics import Difference, paired_difference
from companion.studies.natural_images import SIDE
from companion.studies.sista_images import image_results
from companion.studies.sista_images.image_task import MEASUREMENTS, Task
from companion.studies.sista_images.image_training import Training
from unfolded.errors import RecordError, complain


def trained(trainings: Iterable[Training]) -> pd.DataFrame:
    """Return trainings as rows of a table with their names, the highest PSNR first."""
    rows = [{"name": training.trial.name} | image_results.row(training) for training in trainings]
    return _sort(pd.DataFrame(rows))


def comparable(source: str = "caltech") -> pd.DataFrame:
    """Return the trainings of the greatest length at which a SISTA-RNN and an LSTM finished.

    The SISTA-RNN has the public initialisation; all trainings have the first seed. Raises
    RecordError if there is no such length.
    """
    table = image_results.stored_rows(image_results.RUNS, source)
    table = table[table["seed"] == table["seed"].min()]
    table = table.assign(name=[trial.name for trial in image_results.trials_of(table)])
    runs = table[table["status"] == "done"]
    rivals = runs[image_results.is_public(runs)], runs[runs["model"] == "lstm"]
    lengths = set.intersection(*(set(rows["epochs"]) for rows in rivals))
    if not lengths:
        do = "run `python -m companion sista-images`"
        raise RecordError(complain("a SISTA-RNN and an LSTM of equal length", "none", do))
    return _sort(table[table["epochs"] == max(lengths)])


def _sort(table: pd.DataFrame) -> pd.DataFrame:
    epochs = table["updates"] / np.ceil(table["train"] / table["batch"])
    table = table.assign(seconds_an_epoch=table["seconds"] / epochs)
    return table.sort_values("psnr", ascending=False).reset_index(drop=True)


def curves(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the stored curves of the finished trainings of a table, by name."""
    curves_by_trial = dict(tuple(image_results.stored_rows(image_results.CURVES).groupby("trial")))
    finished_runs = table[table["status"] == "done"]
    return {
        name: curves_by_trial[trial]
        for name, trial in zip(finished_runs["name"], finished_runs["trial"], strict=True)
    }


def reached(curve: pd.DataFrame, level: float) -> dict[str, float]:
    """Return updates and seconds after which the validation error is at or below a level.

    >>> curve = {"updates": [0, 5, 10], "seconds": [0.0, 1.0, 2.0], "validation_mse": [9, 6, 3]}
    >>> reached(pd.DataFrame(curve), 6)
    {'updates': 5.0, 'seconds': 1.0}
    """
    rows = curve[curve["validation_mse"] <= level]
    names = ("updates", "seconds")
    return {name: float(rows[name].iloc[0]) if len(rows) else math.inf for name in names}


def times(paths: Mapping[str, pd.DataFrame], levels: Mapping[str, float]) -> pd.DataFrame:
    """Return updates and seconds to each level of the validation error, one row per training."""
    columns = {
        name: {
            (quantity, label): value
            for label, level in levels.items()
            for quantity, value in reached(path, level).items()
        }
        for name, path in paths.items()
    }
    return pd.DataFrame(columns).T.sort_index(axis=1)


def levels(paths: Mapping[str, pd.DataFrame]) -> dict[str, float]:
    """Return 1/2 to 1/5 of the error of an untrained LSTM, which outputs the mean of all pixels."""
    untrained = max(path["validation_mse"].iloc[0] for path in paths.values())
    return {f"1/{k}": untrained / k for k in (2, 3, 4, 5)}


def rivals(table: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """Return the best finished SISTA-RNN with the public initialisation, and the best LSTM.

    The best network has the lowest validation error: the test images are not used for selection.
    """
    runs = table[table["status"].eq("done")].sort_values("validation_mse", kind="stable")
    return runs[image_results.is_public(runs)].iloc[0], runs[runs["model"].eq("lstm")].iloc[0]


def lead(table: pd.DataFrame, ours: str, theirs: str) -> Difference:
    """Return the lead in dB of a stored training over another, paired over the test images."""
    trials = table.set_index("name")["trial"]
    errors = image_results.stored_rows(image_results.PICTURES).pivot(
        index="trial", columns="picture", values="mse"
    )
    return paired_difference(*(errors.loc[[trials[name]]].to_numpy() for name in (ours, theirs)))


def settings(row: pd.Series) -> dict[str, object]:
    """Return the sizes of a stored training by the names of `companion.studies.published_systems`.

    `free` are the pictures of scikit-image and scikit-learn.
    """
    return {
        "images": {"caltech": "Caltech-101", "free": "freely licensed images"}[row["source"]],
        "batches per epoch": math.ceil(row["train"] / row["batch"]),
        "pixels per column": SIDE,
        "measurements per column": MEASUREMENTS,
        "layers": int(row["depth"]),
        "pictures per batch": int(row["batch"]),
        "updates": int(row["updates"]),
    }


def diagonals(F: Tensor, span: int = 8) -> dict[int, float]:
    """Return the mean of each diagonal of F, from ``span`` below the main one to ``span`` above.

    >>> diagonals(torch.eye(4), span=1)
    {-1: 0.0, 0: 1.0, 1: 0.0}
    """
    return {k: F.diagonal(k).mean().item() for k in range(-span, span + 1)}


@torch.no_grad()
def readings(symbols: dict[str, Tensor], on: Task) -> dict[str, float]:
    r"""Interpret the parameters of a SISTA-RNN as those of its statistical model.

    With :math:`p(h_t \mid h_{t-1}) \propto \exp(-\nu_1\|h_t\|_1 - \tfrac{\nu_2}2 \|D h_t -
    F D h_{t-1}\|_2^2)` and white noise, :math:`\lambda_1/\lambda_2 = \nu_1/\nu_2`. A gradient step
    1/α is safe up to α = L and stable up to α = L/2, with the Lipschitz constant
    :math:`L = \|D^\top(A^\top A + \lambda_2 I) D\|_2`. The error of F is that of predicting a test
    column from the previous column, in squared grey levels.
    """
    A, D, F, c = (symbols[name] for name in ("A", "D", "F", "c"))
    lambda1, lambda2 = symbols["lambda1"], symbols["lambda2"]
    M, eye = A @ D, torch.eye(len(D))
    lipschitz = torch.linalg.matrix_norm(M.T @ M + lambda2 * D.T @ D, 2)
    inputs, targets = on.test[:, :-1], on.test[:, 1:]
    return {
        "α": c.item(),
        "L": lipschitz.item(),
        "λ1": lambda1.item(),
        "λ2": lambda2.item(),
        "ν1/ν2": (lambda1 / lambda2).item(),
        "error of F": (targets - inputs @ F.T).square().mean().item() * on.unit**2,
        "largest |eigenvalue| of F": torch.linalg.eigvals(F).abs().max().item(),
        "‖F − I‖": (F - eye).norm().item(),
        "‖DᵀD − I‖": (D.T @ D - eye).norm().item(),
    }


def moments(on: Task, F: Tensor) -> dict[str, float]:
    r"""Return estimates of the same numbers from the training columns, for a given F.

    Each factor of the prior is estimated separately, :math:`\hat\nu_1 = 1/\overline{|h|}` (Laplace)
    and :math:`\hat\nu_2 = 1/\overline{v^2}` (Gauss): for the product they are rough estimates.
    """
    innovation = on.train[:, 1:] - on.train[:, :-1] @ F.T
    nu1, nu2 = 1 / (on.train @ on.D).abs().mean(), 1 / innovation.square().mean()
    symbols = {"A": on.A, "D": on.D, "F": F, "c": nu1, "lambda1": nu1, "lambda2": nu2}
    values = readings(symbols, on)
    names = ("ν1/ν2", "error of F", "largest |eigenvalue| of F", "‖F − I‖", "‖DᵀD − I‖")
    return {name: values[name] for name in names}
