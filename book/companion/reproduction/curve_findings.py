"""Findings of learning curves, in sentences and tables.

``curves``: name -> a table with one row per epoch, as `table_plots.curves_of` returns.
"""

from collections.abc import Mapping

import pandas as pd

from companion import attribution
from companion.labels import listing, title
from companion.run_set import epochs_to

PARTS = {"train_mse": "training error", "validation_mse": "validation error"}


def lowest(curves: Mapping[str, pd.DataFrame]) -> str:
    """Return which network ends with the lowest training and validation error, in a sentence.

    >>> low = pd.DataFrame({"train_mse": [3.0, 1.0], "validation_mse": [3.0, 2.0]})
    >>> lowest({"gru": low, "srnn": low + 1})
    'Of 2 networks, GRU ends with the lowest training error and the lowest validation error.'
    """
    if not curves:
        return "No network has been run."
    first = {words: min(curves, key=lambda name: curves[name][part].iloc[-1])
             for part, words in PARTS.items()}  # fmt: skip
    text = f"Of {len(curves)} networks, "
    if len(set(first.values())) == 1:
        name = title(next(iter(first.values())))
        return f"{text}{name} ends with the {' and the '.join(f'lowest {w}' for w in first)}."
    parts = (f"{title(name)} ends with the lowest {words}" for words, name in first.items())
    return f"{text}{listing(parts)}."


def epochs_until(curves: Mapping[str, pd.DataFrame], linear: float) -> pd.DataFrame:
    """Return the epochs until the validation error falls to some levels, one row per network.

    The first level is ``linear``, the error of the best linear reconstruction; the others are four
    times, twice and once the lowest error of all curves. NaN: the level is not reached.
    """
    best = min((table["validation_mse"].min() for table in curves.values()), default=1.0)
    levels = {f"error {linear:.0f} (linear level)": linear}
    levels |= {f"error {2**k * best:.0f}": 2**k * best for k in (2, 1, 0)}
    rows = {title(name): {words: epochs_to(table, level) for words, level in levels.items()}
            for name, table in curves.items()}  # fmt: skip
    table = pd.DataFrame.from_dict(rows, orient="index", columns=list(levels)).astype(float)
    return table.replace(float("inf"), float("nan"))


def order(curves: Mapping[str, pd.DataFrame], quantity: str, total: int) -> str:
    """Return at how many steps the final validation error falls from curve to curve, in a sentence.

    ``quantity``: what the curves vary, in the plural; ``total``: the number of its values in the
    paper's figure. Each curve is of one seed, so there is no verdict.

    >>> one = pd.DataFrame({"validation_mse": [9.0, 4.0]})
    >>> order({"h = 128": one}, "widths", 6)
    '**Not tested:** 1 of the 6 widths has been run, and a comparison needs two.'
    """
    if len(curves) < 2:
        has = "has" if len(curves) == 1 else "have"
        text = f"{len(curves)} of the {total} {quantity} {has} been run"
        return f"**Not tested:** {text}, and a comparison needs two."
    ends = pd.Series([table["validation_mse"].iloc[-1] for table in curves.values()])
    falls = ends.diff().dropna().lt(0)
    return (
        f"With one seed in each curve, the final validation error falls at {falls.sum()} of "
        f"{len(falls)} steps between the {quantity} that have been run ({len(curves)} of {total})."
    )


def generalisation(curves: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the final training and validation error of each curve, and their ratio."""
    rows = {name: table[list(PARTS)].iloc[-1] for name, table in curves.items()}
    table = pd.DataFrame.from_dict(rows, orient="index", columns=list(PARTS)).astype(float)
    table["ratio"] = table["validation_mse"] / table["train_mse"]
    units = {part: f"{words} (grey levels²)" for part, words in PARTS.items()}
    return attribution.mark(table.rename(columns=units), curves)
