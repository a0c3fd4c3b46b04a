"""The random search over the initial λ1, λ2 that the paper describes, repeated in short runs."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd

from companion import labels, results
from companion.attribution import mark
from companion.labels import title
from companion.reproduction.identification import AT
from companion.run_set import RunSet
from unfolded.runs import named_grids
from unfolded.runs.config import RunConfig


def draws(
    run_set: RunSet,
    base: RunConfig = AT,
    curves: Callable[[str], pd.DataFrame] = results.curves,
) -> pd.DataFrame:
    r"""Return the runs of the search, one row per network and pair of initial λ1, λ2.

    Columns: model, lambda1, lambda2, learned_lambda1, learned_lambda2, validation (PSNR in dB of
    the lowest validation error of any epoch, :math:`10 \log_{10}(255^2 / \mathrm{MSE})`), test
    (PSNR in dB, averaged as in the authors' code), selected (the draw of a network with the
    highest validation PSNR). Draws that have not run are missing. ``base``: width and frames;
    ``curves``: config hash -> learning curve in squared grey levels. Source: paper, §4.
    """
    configs = named_grids.search(replace(base, profile="short"))
    runs = pd.concat([run_set.at(config) for config in configs])
    names = ["model", "lambda1", "lambda2", "learned_lambda1", "learned_lambda2"]
    table = runs[names].assign(test=runs["psnr_authors"])
    errors = [curves(name)["validation_mse"].min() for name in runs["config_hash"]]
    table["validation"] = 10 * np.log10(255**2 / np.array(errors, dtype=float))
    best = table.groupby("model")["validation"].transform("max")
    table["selected"] = table["validation"] == best
    return mark(table.reset_index(drop=True), run_set.source(configs))


def describe(table: pd.DataFrame) -> str:
    """State the selected pair of each network and the range of all draws, as an alternative text.

    >>> row = {"model": "gru", "lambda1": 1.0, "lambda2": 0.5, "test": 20.0, "validation": 21.0}
    >>> describe(pd.DataFrame([row | {"selected": True}]))
    'GRU: from 21.00 to 21.00 dB, the highest from (1, 0.5).'
    """
    sentences = []
    for model, rows in table.groupby("model", sort=False):
        best = rows[rows["selected"]].iloc[0]
        low, high = rows["validation"].min(), rows["validation"].max()
        pair = labels.pair(best.lambda1, best.lambda2)
        sentences.append(
            f"{title(model)}: from {low:.2f} to {high:.2f} dB, the highest from {pair}."
        )
    return " ".join(sentences)
