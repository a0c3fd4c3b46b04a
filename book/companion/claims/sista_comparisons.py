"""Comparisons of SISTA-RNN with a rival network over paired seeds, by updates and by seconds."""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from companion.claims.decision import Comparison
from companion.labels import title
from companion.statistics import Difference, interval, paired_difference, student
from companion.studies.sista_images import image_results
from companion.studies.sista_images.image_analysis import levels

AXES = ("updates", "seconds")


class Pair(NamedTuple):
    """Two stored trainings of one seed: their rows, and their curves."""

    ours: pd.Series
    theirs: pd.Series
    curves: tuple[pd.DataFrame, pd.DataFrame]


def pairs(rival: str, source: str = "caltech") -> list[Pair]:
    """Return SISTA-RNN and a rival of equal length, one pair per common seed, as a list.

    SISTA-RNN has the public initialisation. Of the longest trainings that both networks have, each
    network is represented by the settings of the lowest validation error with its first seed.
    """
    table = image_results.stored_rows(image_results.RUNS, source)
    table = table[table["status"] == "done"]
    networks = table[image_results.is_public(table)], table[table["model"] == rival]
    lengths = set.intersection(*(set(rows["epochs"]) for rows in networks))
    if not lengths:
        return []
    ours, theirs = (_best(rows[rows["epochs"] == max(lengths)]) for rows in networks)
    curves = dict(tuple(image_results.stored_rows(image_results.CURVES).groupby("trial")))
    result = []
    for seed in sorted(set(ours.index) & set(theirs.index)):
        rows = ours.loc[seed], theirs.loc[seed]
        result.append(Pair(*rows, tuple(curves[row["trial"]] for row in rows)))
    return result


def _best(rows: pd.DataFrame) -> pd.DataFrame:
    rows = rows.assign(name=[trial.name for trial in image_results.trials_of(rows)])
    first = rows[rows["seed"] == rows["seed"].min()]
    name = first.sort_values("validation_mse", kind="stable")["name"].iloc[0]
    return rows[rows["name"] == name].set_index("seed")


def crossing(curve: pd.DataFrame, level: float, axis: str) -> float:
    """Return the updates or seconds until the validation error reaches a level, or infinity.

    Between two validations the logarithm of the error is interpolated. An untrained network that
    is already below the level counts as one epoch.

    >>> curve = {"updates": [0, 8, 16], "validation_mse": [16.0, 4.0, 1.0]}
    >>> crossing(pd.DataFrame(curve), 2.0, "updates")
    12.0
    """
    position, errors = curve[axis].to_numpy(float), np.log(curve["validation_mse"].to_numpy(float))
    below = np.flatnonzero(errors <= math.log(level))
    if not len(below):
        return math.inf
    k = below[0]
    if k == 0:
        return float(position[1])
    return float(np.interp(-math.log(level), -errors[k - 1 : k + 1], position[k - 1 : k + 1]))


def speed_gain(pair: Pair, name: str, axis: str) -> float:
    """Return log2 of the rival's updates or seconds to a level of `levels` over those of SISTA-RNN.

    A training that does not reach the level counts with its whole length, which is less than it
    needs; the result is NaN if this favours SISTA-RNN, or if neither reaches the level.
    """
    level = levels(dict(enumerate(pair.curves)))[name]
    ours, theirs = (crossing(curve, level, axis) for curve in pair.curves)
    ends = [float(curve[axis].iloc[-1]) for curve in pair.curves]
    gain = math.log2(min(theirs, ends[1]) / min(ours, ends[0]))
    is_known = math.isfinite(ours) or (math.isfinite(theirs) and gain < 0)
    return gain if is_known else math.nan


def speed(rival: str, pairs: Sequence[Pair]) -> list[Comparison]:
    """Return one comparison per level of the error and axis: the gain of SISTA-RNN in time."""
    names = levels(dict(enumerate(pairs[0].curves)))
    return [
        Comparison(
            f"{title(rival)}, {name}, {axis}",
            (),
            over_seeds([speed_gain(pair, name, axis) for pair in pairs]),
            unit="doublings",
        )
        for axis in AXES
        for name in names
    ]


def quality(rival: str, pairs: Sequence[Pair]) -> list[Comparison]:
    """Return the lead of SISTA-RNN in dB after equal updates, and after equal seconds.

    After equal updates: PSNR of the test pictures, paired over pictures and seeds. After equal
    seconds, those of the shorter training: the lowest validation error until then, over seeds.
    """
    errors = image_results.stored_rows(image_results.PICTURES).pivot(
        index="trial", columns="picture", values="mse"
    )
    rows = [
        np.stack([errors.loc[row["trial"]] for row in side])
        for side in ([pair.ours for pair in pairs], [pair.theirs for pair in pairs])
    ]
    after_seconds = over_seeds([_lead_after_equal_seconds(pair.curves) for pair in pairs])
    return [
        Comparison(f"{title(rival)}, equal updates", (), paired_difference(*rows)),
        Comparison(f"{title(rival)}, equal seconds", (), after_seconds),
    ]


def _lead_after_equal_seconds(curves: Iterable[pd.DataFrame]) -> float:
    curves = tuple(curves)
    budget = min(curve["seconds"].iloc[-1] for curve in curves)
    ours, theirs = (
        curve.loc[curve["seconds"] <= budget, "validation_mse"].min() for curve in curves
    )
    return 10 * math.log10(theirs / ours)


def over_seeds(values: Sequence[float]) -> Difference | None:
    """Return the mean over seeds with the interval and p-value of Student's t.

    Returns None with fewer than two seeds, or if a value is NaN.

    >>> over_seeds([1.0, 2.0, 3.0]).p < 0.08
    True
    """
    values = np.asarray(values, dtype=float)
    if len(values) < 2 or np.isnan(values).any():
        return None
    return Difference(float(values.mean()), *interval(values), len(values), 1, student(values))
