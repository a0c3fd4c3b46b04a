"""The stored trials and tests, and comparisons of constrained and unconstrained training."""

from collections.abc import Iterable

import numpy as np
import pandas as pd
from scipy import special

from companion import attribution, results
from companion.labels import title
from companion.statistics import LEVEL, holm, interval

TRIALS, TESTS, BY_FRAME = "descending.csv", "descending_tests.csv", "descending_frames.csv"
ALIKE = 0.05
"""Tolerance in dB for equal results."""
LARGEST_LOSS = 255.0**2
"""The largest squared error of a pixel. A training with a larger final loss has diverged."""

WAYS = {
    "as it was": "before",
    "free": "unconstrained",
    "free + noise 0.1": "unconstrained, noise 0.1",
    "objective + noise 0.1": "objective, noise 0.1",
}
"""Labels of the trainings on a page; other trainings have the name of their constraint."""


def stored_rows(name: str = TESTS, with_diverged: bool = False) -> pd.DataFrame:
    """Return a stored table; rows of tests and frames include the fields of their trial.

    Rows of diverged trainings are excluded unless ``with_diverged`` is set.
    """
    table, trials = results.load_table(name), results.load_table(TRIALS)
    if name == TRIALS:
        return table
    rows = trials if with_diverged else trials.drop(diverged(trials).index)
    fields = rows[["trial", "model", "way", "seed"]]
    return attribution.mark(table.merge(fields, on="trial", validate="m:1"), table, trials)


def diverged(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the trainings whose loss, a mean over the last 100 batches, is above LARGEST_LOSS."""
    return trials[(trials["steps"] > 0) & ~(trials["loss"] <= LARGEST_LOSS)]


def describe_divergence(trials: pd.DataFrame) -> str:
    """Return a sentence on the trainings that diverged, by network and method."""
    rows, count = diverged(trials), int((trials["steps"] > 0).sum())
    if rows.empty:
        return f"No training diverged, of {count}."
    groups = rows.groupby(["model", "way"], sort=False).size()
    names = [f"{title(model)}, {WAYS.get(way, way)} ({n})" for (model, way), n in groups.items()]
    return f"{len(rows)} of the {count} trainings diverged: {'; '.join(names)}."


def outcomes(
    tests: pd.DataFrame, score: str = "psnr_authors", layer: int | None = None
) -> pd.DataFrame:
    """Return the score of a layer: rows model, test, level, seed; one column per method.

    Without ``layer``, the score is that of the last layer.
    """
    chosen = tests.groupby("model")["layer"].transform("max") if layer is None else layer
    rows = tests[tests["layer"] == chosen]
    return rows.pivot_table(index=["model", "what", "level", "seed"], columns="way", values=score)


def against(reached: pd.DataFrame, way: str, rival: str = "free") -> pd.DataFrame:
    """Return the lead of one method over another on common seeds, one row per case.

    ``reached`` has one column per method; a case has equal values of all index levels but the seed.
    ``low`` and ``high`` are the 95 % interval of Student's t for the mean paired difference, and
    ``p`` is its two-sided p-value; :func:`decided` gives the verdict over these cases.

    >>> index = pd.MultiIndex.from_product([["net"], ["noise"], [0.1], [0, 1, 2]])
    >>> table = pd.DataFrame({"held": [2.0, 2.1, 2.2], "free": [1.0, 1.1, 1.1]}, index)
    >>> against(table.rename_axis(["model", "what", "level", "seed"]), "held")["verdict"].item()
    'better'
    """
    lead = (reached[way] - reached[rival]).dropna()
    lead = lead.groupby([name for name in lead.index.names if name != "seed"], sort=False)
    rows = lead.agg(["mean", "size", "sem"]).rename(columns={"size": "seeds"})
    ends = np.array([interval(group) for _, group in lead]).reshape(-1, 2)
    rows["low"], rows["high"] = ends.T
    with np.errstate(divide="ignore", invalid="ignore"):
        rows["p"] = 2 * special.stdtr(rows["seeds"] - 1, -(rows["mean"] / rows["sem"]).abs())
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


def verdict_counts(cases: pd.DataFrame) -> dict[str, int]:
    """Return the number of cases of :func:`decided` with each verdict."""
    counts = cases["verdict"].value_counts()
    return {word: int(counts.get(word, 0)) for word in ("better", "worse", "alike", "undecided")}


def in_words(counts: dict[str, int], cases: str = "disturbances") -> str:
    """Return the counts of verdicts in words, without verdicts that do not occur.

    >>> in_words({"better": 1, "worse": 0, "alike": 2, "undecided": 0})
    'better in 1, alike in 2 of 3 disturbances'
    """
    words = ", ".join(f"{word} in {number}" for word, number in counts.items() if number)
    return f"{words} of {sum(counts.values())} {cases}"


def layer_changes(
    tests: pd.DataFrame, model: str, cases: Iterable[tuple[str, int, str]]
) -> pd.DataFrame:
    """Return the effect of constraints on layers of an undisturbed network, one row per case.

    ``cases``: constraint, layer and score, a column of ``tests``. A row contains them and the mean
    difference from the unconstrained training, paired by seed, with its 95 % interval. The cases
    are one family of tests, corrected by Holm's method: "higher", "lower" or "undecided".
    """
    clean = tests[(tests["model"] == model) & (tests["what"] == "nothing")]
    rows = [
        against(outcomes(clean, score, layer), way).assign(way=way, layer=layer, score=score)
        for way, layer, score in cases
    ]
    table = pd.concat(rows, ignore_index=True)
    words = np.where(table["mean"] > 0, "higher", "lower")
    verdicts = np.where(holm(table["p"]) <= LEVEL, words, "undecided")
    columns = ["way", "layer", "score", "mean", "low", "high"]
    return table[columns].assign(verdict=verdicts)


def rising_layers(tests: pd.DataFrame, model: str, way: str, merit: str) -> list[int]:
    """Return the layers that increase the mean merit of an undisturbed network, with every seed."""
    ratios = in_the_mean(tests, merit).loc[(model, way)]
    return [int(layer) for layer in ratios.columns[(ratios > 1).all()]]


def in_the_mean(tests: pd.DataFrame, merit: str) -> pd.DataFrame:
    """Return the ratio of the mean merit of each layer to that of the previous layer, undisturbed.

    One row per model, method and seed, one column per layer. A layer below 1 descends in the mean.
    """
    clean = tests[tests["what"] == "nothing"].dropna(subset=[merit])
    path = clean.pivot(index=["model", "way", "seed"], columns="layer", values=merit)
    return (path / path.shift(axis=1)).iloc[:, 1:]
