"""Overfitting at the paper's scale: test error over training error, by width and network.

Every function takes finished runs and works with any subset of them, including none.
"""

import numpy as np
import pandas as pd

from companion.attribution import mark
from companion.labels import counted, title
from companion.reproduction.paper_tables import other_defaults, with_default_settings
from companion.run_set import RunSet
from unfolded.runs.config import usual_depth
from unfolded.runs.grid import UNFOLDED


def error_ratios(run_set: RunSet, reduction: str = "area") -> pd.DataFrame:
    """Return test divided by training error for every run at the paper's scale, one row per run.

    Contains the trained runs of one filter under the protocol `authors` at the default rate and
    depth, without variants of a network or of its training. Columns: those of runs.csv, and
    train_mse (mean over the last epoch), ratio (test over training error), least and last
    (validation error), and late (last over least). Weights at the lowest validation
    error are not stored, so the ratio is at the last epoch, and ``late`` states the benefit of
    stopping at the lowest validation error.
    """
    trained, filter_of_tables = run_set.trained.runs, other_defaults()["reduction"]
    # The default settings include the filter of the tables, but any filter can be chosen here.
    usual = with_default_settings(trained.assign(reduction=filter_of_tables))
    runs = trained.loc[usual.index]
    required = {"profile": "paper", "protocol": "authors", "reduction": reduction, "cs_rate": 0.2}
    matches = [runs[name].eq(value) for name, value in required.items()]
    matches.append(runs["depth"].eq(runs["model"].map(usual_depth)))
    runs = runs.loc[np.logical_and.reduce(matches).astype(bool)]
    curves = [run_set.curves[name] for name in runs["config_hash"]]
    validation = [curve["validation_mse"] for curve in curves]
    table = runs.assign(
        train_mse=np.array([curve["train_mse"].iloc[-1] for curve in curves], dtype=float),
        least=np.array([errors.min() for errors in validation], dtype=float),
        last=np.array([errors.iloc[-1] for errors in validation], dtype=float),
    )
    table = table.assign(ratio=table["test_mse"] / table["train_mse"])
    table = table.assign(late=table["last"] / table["least"])
    return mark(table.sort_values(["model", "hidden", "seed"]), runs)


def averages_by_width(table: pd.DataFrame) -> pd.DataFrame:
    """Return :func:`error_ratios` averaged over seeds, one row per network, width and initial λ."""
    keys = ["model", "hidden", "lambda1", "lambda2"]
    names = ["parameters", "train_mse", "test_mse", "ratio", "late"]
    means = table.groupby(keys, as_index=False)[names].mean()
    seeds = table.groupby(keys, as_index=False)["seed"].count()["seed"]
    pair = [f"{row.lambda1:g}, {row.lambda2:g}" if row.model in UNFOLDED else "–"
            for row in means.itertuples()]  # fmt: skip
    readable = pd.DataFrame({
        "network": means["model"].map(title), "initial λ": pair, "h": means["hidden"],
        "parameters": means["parameters"].astype(int), "seeds": seeds,
        "training MSE (grey levels²)": means["train_mse"],
        "test MSE (grey levels²)": means["test_mse"],
        "test / training": means["ratio"], "last / least validation MSE": means["late"],
    })  # fmt: skip
    return mark(readable, table)


def ratios_by_width(table: pd.DataFrame) -> str:
    """Return the ratios of reweighted-RNN by width in words, with the number of seeds."""
    parts = []
    for hidden, runs in table[table["model"] == "reweighted-rnn"].groupby("hidden"):
        ends = [f"{ratio:.2f}" for ratio in (runs["ratio"].min(), runs["ratio"].max())]
        seeds = counted(runs["seed"].nunique(), "seed")
        parts.append(f"{' to '.join(dict.fromkeys(ends))} at h = {hidden} ({seeds})")
    return ", ".join(parts) or "no run"
