"""Learning curves of a table or a row, and their findings in sentences and tables.

``curves``: name -> a table with one row per epoch, as :func:`curves_of` returns.
"""

from collections.abc import Mapping

import pandas as pd

from companion import attribution
from companion.labels import NOT_RUN, UNTRAINED, listing, span, title
from companion.reproduction import linear_baseline
from companion.reproduction.paper_tables import BEST, MEAN, starts
from companion.run_set import RunSet, epochs_to
from unfolded.runs import grid
from unfolded.runs.config import RunConfig

PARTS = {"train_mse": "training error", "validation_mse": "validation error"}


def curves_along(
    number: int, base: RunConfig, run_set: RunSet, start: str = BEST
) -> dict[str, pd.DataFrame]:
    """Return the existing learning curves of reweighted-RNN along the varied value of a table.

    Keys such as "d = 3"; the first of several seeds. ``base`` has the fixed settings;
    ``start`` selects the initial λ.
    """
    field, symbol = grid.VARIED[number][0], {1: "rate", 2: "h", 3: "d"}[number]
    runs = grid.table(number, base, ["reweighted-rnn"])
    curves = {f"{symbol} = {getattr(run, field):g}": run_set.curve(starts(run_set, run)[start])
            for run in runs}  # fmt: skip
    return {name: curve for name, curve in curves.items() if curve is not None}


def curves_of(base: RunConfig, run_set: RunSet, start: str = BEST) -> dict[str, pd.DataFrame]:
    """Return the existing learning curves of the networks, by name.

    The first of several seeds. ``base`` has the common settings; ``start`` selects the initial λ of
    the unfolded networks.
    """
    rows = {run.model: starts(run_set, run) for run in grid.row(base)}
    configs = {name: runs.get(start, runs.get("")) for name, runs in rows.items()}
    curves = {name: run_set.curve(config) for name, config in configs.items()}
    return {name: curve for name, curve in curves.items() if curve is not None}


def error_levels(base: RunConfig) -> dict[str, float]:
    """Return the test error of the two baselines at a CS rate, in squared grey levels, by name."""
    errors = linear_baseline.baselines_for(base, (base.cs_rate,)).set_index("cs_rate")["test_mse"]
    return {"best linear (PCA)": float(errors[base.cs_rate]), MEAN: float(errors[0.0])}


def missing_networks(run_set: RunSet, base: RunConfig) -> str:
    """Return sentences on the networks of a row that did not train or have not run."""
    trained, reasons = run_set.trained, {}
    for run in grid.row(base):
        if not trained.tested_starts(run):
            reason = UNTRAINED if run_set.tested_starts(run) else NOT_RUN
            reasons.setdefault(reason, []).append(title(run.model))
    texts = [f"{reason.capitalize()}: {', '.join(names)}." for reason, names in reasons.items()]
    return " ".join(texts)


def final_errors(curves: Mapping[str, pd.DataFrame]) -> str:
    """Return a sentence with the last validation error of each curve, for a description.

    >>> final_errors({"gru": pd.DataFrame({"validation_mse": [9.0, 4.0]})})
    'Validation error at the end: GRU: 4.'
    """
    last = {title(name): table["validation_mse"].iloc[-1] for name, table in curves.items()}
    values = ", ".join(f"{name}: {mse:.0f}" for name, mse in last.items())
    return f"Validation error at the end: {values}."


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


def schedules(run_set: RunSet, runs: pd.DataFrame) -> pd.DataFrame:
    """Return when the learning rate of some runs was reduced, one row per run.

    ``runs``: rows of ``run_set.runs``. Columns: network, seed, reductions (how many), first
    reduction (epoch), final learning rate, best epoch (of the validation error).
    """
    rows = []
    for run in runs.itertuples():
        curve = run_set.curves[run.config_hash]
        rate = curve["learning_rate"].to_numpy()
        drops = [epoch + 1 for epoch in range(1, len(rate)) if rate[epoch] < rate[epoch - 1]]
        rows.append({
            "network": run_label(run), "seed": run.seed, "reductions": len(drops),
            "first reduction (epoch)": f"{drops[0]}" if drops else "–",
            "final learning rate": f"{rate[-1]:.2g}",
            "best epoch": int(curve["validation_mse"].argmin()) + 1, "epochs": len(rate),
        })  # fmt: skip
    return attribution.mark(pd.DataFrame(rows), runs)


def convergence(table: pd.DataFrame) -> str:
    """Return the result of :func:`schedules` in a sentence."""
    if table.empty:
        return "None of these networks has been run yet."
    constant = table[table["reductions"] == 0]
    late = (table["best epoch"] > 0.95 * table["epochs"]).sum()
    text = f"In {len(constant)} of these {len(table)} runs the learning rate was never reduced, "
    text += f"and in {late} the least validation error is in the last twentieth of the epochs: for "
    text += "them the number of epochs is a budget, not the end of training."
    reductions = table[table["reductions"] > 0].groupby("network", sort=False)["reductions"]
    parts = [f"{network} ({span(counts, 'time')})" for network, counts in reductions]
    return text + (f" It was reduced in runs of {listing(parts, most=6)}." if parts else "")


def run_label(run) -> str:
    """Return the name of a run's network, with the initial λ for an unfolded network."""
    name = title(run.model)
    if run.model not in grid.UNFOLDED:
        return name
    return f"{name}, λ from {run.lambda1:g}, {run.lambda2:g}"
