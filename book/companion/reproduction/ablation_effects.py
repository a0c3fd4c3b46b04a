"""Effects of the ablations, of the initialisation and of the width, as tables for a page.

Every function takes finished runs and works with any subset of them, including none.
"""

import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from companion import labels
from companion.attribution import mark
from companion.claims.decision import SEEDS
from companion.labels import title
from companion.reproduction.linear_baseline import did_not_train
from companion.reproduction.paper_tables import interval
from companion.run_set import PRINTED, SHORT, WIDE, Difference, RunSet
from companion.run_set import answers as answer_table
from unfolded.runs import grid, named_grids
from unfolded.runs.config import RunConfig, usual_depth
from unfolded.runs.grid import AS_REPORTED, STARTS, UNFOLDED

INITIALISATIONS = ("as reported", "best λ")
"""The two initialisations: the reported pair, and the best pair on validation data."""

FAILED = "did not train"

_EFFECT = ["panel", "effect", "initialisation", *Difference._fields]

_SETTINGS = {
    "as printed": ("scale of the pixels", "authors"),
    "pixels in [0, 1]": ("scale of the pixels", "normalised"),
    "equal size": ("number of parameters", "matched, authors"),
    "equal size, pixels in [0, 1]": ("number of parameters", "matched, normalised"),
}

_PARTS = {
    "Z": ("what is reweighted", "g alone"),
    "g": ("what is reweighted", "Z alone"),
    "Z and g": ("what is reweighted", "neither"),
    "Z and g, at equal size": ("what is reweighted", "neither, equal size"),
    "λ2": ("temporal prior", "λ2 = 0"),
    "memory (G)": ("memory", "off"),
    "exp against softplus": ("positive parameters", "softplus"),
    "exp against free parameters": ("positive parameters", "free"),
    "schedule: paper against PyTorch": ("learning-rate schedule", "pytorch"),
}


def initialisation(run_set: RunSet, init: str) -> Callable[[RunConfig], RunConfig]:
    """Return the function that sets the initial λ of a run: one of :data:`INITIALISATIONS`."""
    return run_set.best_start if init == INITIALISATIONS[1] else grid.initialised


def summary(run_set: RunSet, base: RunConfig = WIDE) -> pd.DataFrame:
    """Return the effects of all ablations that ran, one row per effect, for a forest plot.

    Panel "lead": reweighted-RNN minus the best other network of each setting, which is selected
    on validation data. Panel "worth": reweighted-RNN minus the same network without a component.
    Columns: panel, effect, initialisation, and those of :class:`companion.run_set.Difference`.
    """
    questions, trained, rows = named_grids.ablations(base), run_set.trained, []
    for init in INITIALISATIONS:
        start = initialisation(run_set, init)
        for name, (question, answer) in _SETTINGS.items():
            runs = [start(run) for run in questions[question][answer]]
            competitors = [run for run in runs if run.model != "reweighted-rnn"]
            best = min(competitors, key=trained.validation)
            gap = trained.difference(runs[0], best)
            rows += _row("lead", f"{name}, over {title(best.model)}", init, gap)
        for name, (question, answer) in _PARTS.items():
            first, *_ = questions[question].values()
            gap = trained.difference(start(first[0]), start(questions[question][answer][0]))
            rows += _row("worth", name, init, gap)
    table = pd.DataFrame(rows, columns=_EFFECT)
    return mark(table, run_set.runs)


def description(effects: pd.DataFrame) -> str:
    """Return the effects of :func:`summary` in words, for the description of a figure."""
    parts = [
        f"{row.effect} {row.mean:+.2f} dB ({row.initialisation})" for row in effects.itertuples()
    ]
    text = labels.minus("; ".join(parts))
    return f"Leads and losses with intervals: {text}." if parts else "No ablation has run yet."


def finding(effects: pd.DataFrame) -> str:
    """Return the findings from the effects of :func:`summary`, in sentences."""
    count = len(INITIALISATIONS) * (len(_SETTINGS) + len(_PARTS))
    parts = [f"{len(effects)} of {count} effects have been measured"]
    weak = int((effects["seeds"] < SEEDS).sum())
    parts[0] += f", {weak} of them with fewer than {SEEDS} seeds." if weak else "."
    heads = {"lead": "The smallest lead is", "worth": "The largest loss is"}
    for panel, head in heads.items():
        rows = effects[effects["panel"] == panel].reset_index(drop=True)
        if len(rows):
            row = rows.loc[rows["mean"].idxmin() if panel == "lead" else rows["mean"].idxmax()]
            name = row["effect"] if panel == "lead" else f"without {row['effect']}"
            parts.append(f"{head} {_interval(row)} ({name}; {row['initialisation']}).")
        behind = rows[rows["high"] < 0]["effect"]
        if panel == "lead" and len(rows) and behind.empty:
            parts.append("No setting that has run turns the ranking around.")
        elif panel == "lead" and len(rows):
            parts.append(f"reweighted-RNN is behind: {', '.join(dict.fromkeys(behind))}.")
    return " ".join(parts)


def _interval(row: pd.Series) -> str:
    gap = Difference(*(row[name] for name in Difference._fields))
    return signed(gap).replace(" [", " dB [", 1)


def _row(panel: str, effect: str, init: str, gap: Difference | None) -> list[tuple]:
    return [(panel, effect, init, *gap)] if gap else []


def answers(run_set: RunSet, question: str, widths: Sequence[int] = (256, 128)) -> pd.DataFrame:
    """Return the PSNR of each answer to a question of `named_grids.ablations`, as text.

    One row per network, width and initialisation; one column per answer. A cell: mean over seeds
    ± half the 95 % interval, then the paired difference to the first answer with its interval,
    except between filters, whose frames differ. Later widths are listed only if an answer other
    than the first has run.
    """
    rows, used = {}, []
    for hidden in widths:
        answers = named_grids.ablations(replace(PRINTED, hidden=hidden))[question]
        for number, first in enumerate(next(iter(answers.values()))):
            for init, start in _starts(run_set, question, first.model).items():
                runs = [start(group[number]) for group in answers.values()]
                if hidden != widths[0] and not any(run_set.seeds(run) for run in runs[1:]):
                    continue
                width_label = f"h = {hidden}" if hidden != widths[0] else ""
                label = ", ".join(filter(None, [title(first.model), init, width_label]))
                reference = None if question == "downsampling filter" else runs[0]
                rows[label] = [cell(run_set, run, reference) for run in runs]
                used += runs
    table = pd.DataFrame.from_dict(rows, orient="index", columns=list(answers))
    return mark(table, run_set.source(used))


def _starts(run_set: RunSet, question: str, model: str) -> dict[str, Callable]:
    """Return the initialisations with runs for a question, by name."""
    if model not in UNFOLDED or question == "initial λ":
        return {"": lambda run: run}
    if question == "downsampling filter":
        pairs = STARTS["earlier code"], AS_REPORTED
        return {
            f"from {pair[0]:g}, {pair[1]:g}": functools.partial(grid.initialised, pair=pair)
            for pair in pairs
        }
    return {init: initialisation(run_set, init) for init in INITIALISATIONS}


def cell(run_set: RunSet, run: RunConfig, reference: RunConfig | None = None) -> str:
    """Return the PSNR of a configuration and its gain over the usual one, as text."""
    values = run_set.at(run)
    if values.empty:
        return "not run"
    low, high = interval(values["psnr_authors"])
    text = f"{values['psnr_authors'].mean():.2f}"
    text += f" ± {(high - low) / 2:.2f}" if len(values) > 1 else ""
    if did_not_train(values).all():
        return f"{text} ({FAILED})"
    gap = run_set.trained.difference(run, reference) if reference and run != reference else None
    return f"{text} ({signed(gap)})" if gap else text


def signed(gap: Difference) -> str:
    """Return a difference with its 95 % interval as text.

    >>> signed(Difference(-1.0, -1.5, -0.5, 3, 50))
    '−1.00 [−1.50, −0.50]'
    """
    return labels.minus(f"{gap.mean:+.2f} [{gap.low:+.2f}, {gap.high:+.2f}]")


# The two solutions --------------------------------------------------------------------------------


def solutions(run_set: RunSet) -> pd.DataFrame:
    """Compare the two initialisations of λ if both have run at the paper's scale.

    One row per network, width, rate and depth, for runs with all other settings at their defaults:
    PSNR from (1, 0.01) and from (0.003, 0.02), the paired difference, second minus first, and the
    final λ1 and λ2. Columns: model, hidden, cs_rate, depth, "from …" twice, difference, low, high,
    seeds, and learned_lambda1, learned_lambda2 with the suffixes _1 and _2.
    """
    pairs = STARTS["earlier code"], AS_REPORTED
    rows, used = [], []
    for run in _default_runs(run_set, UNFOLDED):
        configs = [grid.initialised(run, pair) for pair in pairs]
        gap = run_set.trained.difference(configs[1], configs[0])
        if gap is None:
            continue
        used += configs
        names = ["psnr_authors", "learned_lambda1", "learned_lambda2"]
        means = [run_set.at(config)[names].astype(float).mean() for config in configs]
        finals = {f"{name}_{k}": mean[name] for name in names for k, mean in enumerate(means, 1)}
        facts = {name: getattr(run, name) for name in ("model", "hidden", "cs_rate", "depth")}
        rows.append(facts | finals | {"difference": gap.mean, "low": gap.low, "high": gap.high,
                                   "seeds": gap.seeds})  # fmt: skip
    columns = ["model", "hidden", "cs_rate", "depth", "psnr_authors_1", "psnr_authors_2",
               "difference", "low", "high", "seeds", "learned_lambda1_1", "learned_lambda2_1",
               "learned_lambda1_2", "learned_lambda2_2"]  # fmt: skip
    return mark(pd.DataFrame(rows, columns=columns), run_set.source(used))


def _default_runs(run_set: RunSet, models: Iterable[str]) -> list[RunConfig]:
    """Return the configurations of a table that ran, without duplicates up to seed and λ."""
    defaults = {name: value for name, value in PRINTED.as_dict().items() if name not in _VARIED}
    runs = _matching_rows(run_set.runs, defaults)
    runs = runs[runs["model"].isin(models)].sort_values(["hidden", "cs_rate", "depth"])
    names = ["model", "hidden", "cs_rate", "depth"]
    return [replace(PRINTED, **row) for row in runs[names].drop_duplicates().to_dict("records")]


def _matching_rows(runs: pd.DataFrame, required: dict[str, object]) -> pd.DataFrame:
    mask = np.logical_and.reduce([runs[name] == value for name, value in required.items()])
    return runs.loc[mask.astype(bool)]


_VARIED = ("model", "hidden", "cs_rate", "depth", "seed", "lambda1", "lambda2")


def lambda_curves(run_set: RunSet, base: RunConfig = WIDE) -> dict[str, pd.DataFrame]:
    """Return the first seed's curve of reweighted-RNN from each pair of initial λ that ran."""
    runs = {pair: grid.initialised(base, pair) for pair in STARTS.values()}
    curves = {
        f"from {first:g}, {second:g}": run_set.curve(run) for (first, second), run in runs.items()
    }
    return {name: curve for name, curve in curves.items() if curve is not None}


# Overfitting --------------------------------------------------------------------------------------


def overfitting(run_set: RunSet, reduction: str = "area") -> pd.DataFrame:
    """Return test divided by training error for every run at the paper's scale, one row per run.

    Contains the trained runs of one filter under the protocol `authors` at the default rate and
    depth. Columns: those of runs.csv, and train_mse (mean over the last epoch), ratio (test
    over training error), least and last (validation error), least_epoch, and late (last over
    least). Weights at the lowest validation error are not stored, so the ratio is at the last
    epoch, and ``late`` states the benefit of stopping at the lowest validation error.
    """
    runs = run_set.trained.runs
    required = {"profile": "paper", "protocol": "authors", "reduction": reduction, "cs_rate": 0.2}
    runs = _matching_rows(runs, required)
    default_depth = runs["model"].map(usual_depth)
    runs = runs.loc[runs["depth"].eq(default_depth).astype(bool)]
    curves = [run_set.curves[name] for name in runs["config_hash"]]
    validation = [curve["validation_mse"] for curve in curves]
    table = runs.assign(
        train_mse=np.array([curve["train_mse"].iloc[-1] for curve in curves], dtype=float),
        least=np.array([errors.min() for errors in validation], dtype=float),
        last=np.array([errors.iloc[-1] for errors in validation], dtype=float),
        least_epoch=np.array([errors.to_numpy().argmin() + 1 for errors in validation], dtype=int),
    )
    table = table.assign(ratio=table["test_mse"] / table["train_mse"])
    table = table.assign(late=table["last"] / table["least"])
    return mark(table.sort_values(["model", "hidden", "seed"]), runs)


def averages_by_width(table: pd.DataFrame) -> pd.DataFrame:
    """Return :func:`overfitting` averaged over seeds, one row per network, width and initial λ."""
    keys = ["model", "hidden", "lambda1", "lambda2"]
    names = ["parameters", "train_mse", "test_mse", "ratio", "least", "least_epoch", "last", "late"]
    means = table.groupby(keys, as_index=False)[names].mean()
    seeds = table.groupby(keys, as_index=False)["seed"].count()["seed"]
    pair = [f"{row.lambda1:g}, {row.lambda2:g}" if row.model in UNFOLDED else "–"
            for row in means.itertuples()]  # fmt: skip
    readable = pd.DataFrame({
        "network": means["model"].map(title), "initial λ": pair, "h": means["hidden"],
        "parameters": means["parameters"].astype(int), "seeds": seeds,
        "training error": means["train_mse"], "test error": means["test_mse"],
        "test / training": means["ratio"], "least validation error": means["least"],
        "at epoch": means["least_epoch"].round().astype(int), "last / least": means["late"],
    })  # fmt: skip
    return mark(readable, table)


def seed_spread(run_set: RunSet, widths: Sequence[int] = (128, 256)) -> pd.DataFrame:
    """Return minimum and maximum PSNR over the seeds of each network of the default row.

    One row per network, initialisation and width with two or more seeds; columns: lowest, highest,
    range (dB) and seeds.
    """
    rows, used = {}, []
    for hidden in widths:
        for run in grid.row(replace(PRINTED, hidden=hidden)):
            for init, start in _starts(run_set, "downsampling filter", run.model).items():
                psnr = run_set.at(start(run))["psnr_authors"]
                if len(psnr) > 1:
                    label = ", ".join(filter(None, [title(run.model), init, f"h = {hidden}"]))
                    rows[label] = psnr.min(), psnr.max(), psnr.max() - psnr.min(), len(psnr)
                    used.append(start(run))
    columns = ["lowest", "highest", "range (dB)", "seeds"]
    return mark(pd.DataFrame.from_dict(rows, orient="index", columns=columns), run_set.source(used))


def ratios_by_width(table: pd.DataFrame) -> str:
    """Return the ratios of reweighted-RNN by width in words, averaged over runs."""
    ratios = table[table["model"] == "reweighted-rnn"].groupby("hidden")["ratio"].mean()
    return ", ".join(f"{ratio:.2f} at h = {hidden}" for hidden, ratio in ratios.items()) or "no run"


def short_filters(run_set: RunSet) -> pd.DataFrame:
    """Return the PSNR of the default row under each filter, from short runs at h = 128, as text."""
    answers = named_grids.ablations(SHORT)["downsampling filter"]
    table = answer_table(run_set, answers).T.rename(index=title)
    return mark(table, answer_table(run_set, answers))
