"""The stored trials and tests, and comparisons of constrained and unconstrained training."""

import numpy as np
import pandas as pd
from scipy import stats

from companion import attribution, results
from companion.statistics import LEVEL, holm, interval

TRIALS, TESTS, BY_FRAME = "descending.csv", "descending_tests.csv", "descending_frames.csv"
ALIKE = 0.05
"""Tolerance in dB for equal results."""

WAYS = {
    "as it was": "before",
    "free": "unconstrained",
    "free + noise 0.1": "unconstrained, noise 0.1",
    "objective + noise 0.1": "objective, noise 0.1",
}
"""Labels of the trainings on a page; other trainings have the name of their constraint."""


def kept(name: str = TESTS) -> pd.DataFrame:
    """Return a stored table; rows of tests and frames include the fields of their trial."""
    table, trials = results.load_table(name), results.load_table(TRIALS)
    if name == TRIALS:
        return table
    test_rows = table.merge(trials[["trial", "model", "way", "seed"]], on="trial", validate="m:1")
    return attribution.mark(test_rows, table, trials)


def outcomes(tests: pd.DataFrame, score: str = "psnr_authors") -> pd.DataFrame:
    """Return the score of the last layer: rows model, test, level, seed; one column per method."""
    last_layers = tests[tests["layer"] == tests.groupby("model")["layer"].transform("max")]
    return last_layers.pivot_table(
        index=["model", "what", "level", "seed"], columns="way", values=score
    )


def against(reached: pd.DataFrame, way: str, rival: str = "free") -> pd.DataFrame:
    """Return the lead of one method over another on common seeds, one row per case.

    ``low`` and ``high`` are the 95 % interval of Student's t for the mean paired difference, and
    ``p`` is its two-sided p-value; :func:`decided` gives the verdict over these cases.

    >>> index = pd.MultiIndex.from_product([["net"], ["noise"], [0.1], [0, 1, 2]])
    >>> table = pd.DataFrame({"held": [2.0, 2.1, 2.2], "free": [1.0, 1.1, 1.1]}, index)
    >>> against(table.rename_axis(["model", "what", "level", "seed"]), "held")["verdict"].item()
    'better'
    """
    lead = (reached[way] - reached[rival]).dropna().groupby(["model", "what", "level"], sort=False)
    rows = lead.agg(["mean", "size", "sem"]).rename(columns={"size": "seeds"})
    ends = np.array([interval(group) for _, group in lead]).reshape(-1, 2)
    rows["low"], rows["high"] = ends.T
    with np.errstate(divide="ignore", invalid="ignore"):
        rows["p"] = 2 * stats.t.sf((rows["mean"] / rows["sem"]).abs(), rows["seeds"] - 1)
    return decided(rows.drop(columns="sem").reset_index())


def decided(cases: pd.DataFrame) -> pd.DataFrame:
    """Return cases of :func:`against` as one family of tests, with one verdict per case.

    The verdict is "alike" if the 95 % interval lies within ALIKE dB of zero, else "better" or
    "worse" if the p-value, corrected by Holm's method for the number of cases, is at most 5 %,
    else "undecided".
    """
    alike = (cases["low"] >= -ALIKE) & (cases["high"] <= ALIKE)
    is_significant = holm(cases["p"]) <= LEVEL
    choices = [alike, is_significant & (cases["mean"] > 0), is_significant & (cases["mean"] < 0)]
    return cases.assign(verdict=np.select(choices, ["alike", "better", "worse"], "undecided"))


def in_the_mean(tests: pd.DataFrame, merit: str) -> pd.DataFrame:
    """Return the ratio of the mean merit of each layer to that of the previous layer, undisturbed.

    One row per model, method and seed, one column per layer. A layer below 1 descends in the mean.
    """
    clean = tests[tests["what"] == "nothing"].dropna(subset=[merit])
    path = clean.pivot(index=["model", "way", "seed"], columns="layer", values=merit)
    return (path / path.shift(axis=1)).iloc[:, 1:]
