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

WAYS = ("as reported", "best λ")
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


def initialised(found: RunSet, way: str) -> Callable[[RunConfig], RunConfig]:
    """Return the function that sets the initial λ of a run according to one of :data:`WAYS`."""
    return found.best_start if way == WAYS[1] else grid.initialised


def summary(found: RunSet, base: RunConfig = WIDE) -> pd.DataFrame:
    """Return the effects of all ablations that ran, one row per effect, for a forest plot.

    Panel "lead": reweighted-RNN minus the best other network of each setting, which is selected
    on validation data. Panel "worth": reweighted-RNN minus the same network without a component.
    Columns: panel, effect, initialisation, and those of :class:`companion.run_set.Difference`.
    """
    questions, trained, rows = named_grids.ablations(base), found.trained, []
    for way in WAYS:
        start = initialised(found, way)
        for name, (question, answer) in _SETTINGS.items():
            runs = [start(run) for run in questions[question][answer]]
            others = [run for run in runs if run.model != "reweighted-rnn"]
            best = min(others, key=trained.validation)
            gap = trained.difference(runs[0], best)
            rows += _row("lead", f"{name}, over {title(best.model)}", way, gap)
        for name, (question, answer) in _PARTS.items():
            first, *_ = questions[question].values()
            gap = trained.difference(start(first[0]), start(questions[question][answer][0]))
            rows += _row("worth", name, way, gap)
    table = pd.DataFrame(rows, columns=_EFFECT)
    return mark(table, found.runs)


def described(effects: pd.DataFrame) -> str:
    """Return the effects of :func:`summary` in words, for the description of a figure."""
    each = [
        f"{row.effect} {row.mean:+.2f} dB ({row.initialisation})" for row in effects.itertuples()
    ]
    said = labels.minus("; ".join(each))
    return f"Leads and losses with intervals: {said}." if each else "No ablation has run yet."


def finding(effects: pd.DataFrame) -> str:
    """Return the findings from the effects of :func:`summary`, in sentences."""
    count = len(WAYS) * (len(_SETTINGS) + len(_PARTS))
    said = [f"{len(effects)} of {count} effects have been measured"]
    few = int((effects["seeds"] < SEEDS).sum())
    said[0] += f", {few} of them with fewer than {SEEDS} seeds." if few else "."
    heads = {"lead": "The smallest lead is", "worth": "The largest loss is"}
    for panel, head in heads.items():
        own = effects[effects["panel"] == panel].reset_index(drop=True)
        if len(own):
            row = own.loc[own["mean"].idxmin() if panel == "lead" else own["mean"].idxmax()]
            name = row["effect"] if panel == "lead" else f"without {row['effect']}"
            said.append(f"{head} {_interval(row)} ({name}; {row['initialisation']}).")
        behind = own[own["high"] < 0]["effect"]
        if panel == "lead" and len(own) and behind.empty:
            said.append("No setting that has run turns the ranking around.")
        elif panel == "lead" and len(own):
            said.append(f"reweighted-RNN is behind: {', '.join(dict.fromkeys(behind))}.")
    return " ".join(said)


def _interval(row: pd.Series) -> str:
    gap = Difference(*(row[name] for name in Difference._fields))
    return signed(gap).replace(" [", " dB [", 1)


def _row(panel: str, effect: str, way: str, gap: Difference | None) -> list[tuple]:
    return [(panel, effect, way, *gap)] if gap else []


def answers(found: RunSet, question: str, widths: Sequence[int] = (256, 128)) -> pd.DataFrame:
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
            for way, start in _ways(found, question, first.model).items():
                runs = [start(each[number]) for each in answers.values()]
                if hidden != widths[0] and not any(found.seeds(run) for run in runs[1:]):
                    continue
                where = f"h = {hidden}" if hidden != widths[0] else ""
                label = ", ".join(filter(None, [title(first.model), way, where]))
                usual = None if question == "downsampling filter" else runs[0]
                rows[label] = [cell(found, run, usual) for run in runs]
                used += runs
    table = pd.DataFrame.from_dict(rows, orient="index", columns=list(answers))
    return mark(table, found.source(used))


def _ways(found: RunSet, question: str, model: str) -> dict[str, Callable]:
    """Return the initialisations with runs for a question, by name."""
    if model not in UNFOLDED or question == "initial λ":
        return {"": lambda run: run}
    if question == "downsampling filter":
        pairs = STARTS["earlier code"], AS_REPORTED
        return {
            f"from {pair[0]:g}, {pair[1]:g}": functools.partial(grid.initialised, pair=pair)
            for pair in pairs
        }
    return {way: initialised(found, way) for way in WAYS}


def cell(found: RunSet, run: RunConfig, usual: RunConfig | None = None) -> str:
    """Return the PSNR of a configuration and its gain over the usual one, as text."""
    values = found.at(run)
    if values.empty:
        return "not run"
    low, high = interval(values["psnr_authors"])
    said = f"{values['psnr_authors'].mean():.2f}"
    said += f" ± {(high - low) / 2:.2f}" if len(values) > 1 else ""
    if did_not_train(values).all():
        return f"{said} ({FAILED})"
    gap = found.trained.difference(run, usual) if usual and run != usual else None
    return f"{said} ({signed(gap)})" if gap else said


def signed(gap: Difference) -> str:
    """Return a difference with its 95 % interval as text.

    >>> signed(Difference(-1.0, -1.5, -0.5, 3, 50))
    '−1.00 [−1.50, −0.50]'
    """
    return labels.minus(f"{gap.mean:+.2f} [{gap.low:+.2f}, {gap.high:+.2f}]")


# The two solutions --------------------------------------------------------------------------------


def solutions(found: RunSet) -> pd.DataFrame:
    """Compare the two initialisations of λ if both have run at the paper's scale.

    One row per network, width, rate and depth, for runs with all other settings at their defaults:
    PSNR from (1, 0.01) and from (0.003, 0.02), the paired difference, second minus first, and the
    final λ1 and λ2. Columns: model, hidden, cs_rate, depth, "from …" twice, difference, low, high,
    seeds, and learned_lambda1, learned_lambda2 with the suffixes _1 and _2.
    """
    pairs = STARTS["earlier code"], AS_REPORTED
    rows, used = [], []
    for run in _unchanged(found, UNFOLDED):
        both = [grid.initialised(run, pair) for pair in pairs]
        gap = found.trained.difference(both[1], both[0])
        if gap is None:
            continue
        used += both
        names = ["psnr_authors", "learned_lambda1", "learned_lambda2"]
        ends = [found.at(each)[names].astype(float).mean() for each in both]
        own = {f"{name}_{k}": end[name] for name in names for k, end in enumerate(ends, 1)}
        facts = {name: getattr(run, name) for name in ("model", "hidden", "cs_rate", "depth")}
        rows.append(facts | own | {"difference": gap.mean, "low": gap.low, "high": gap.high,
                                   "seeds": gap.seeds})  # fmt: skip
    columns = ["model", "hidden", "cs_rate", "depth", "psnr_authors_1", "psnr_authors_2",
               "difference", "low", "high", "seeds", "learned_lambda1_1", "learned_lambda2_1",
               "learned_lambda1_2", "learned_lambda2_2"]  # fmt: skip
    return mark(pd.DataFrame(rows, columns=columns), found.source(used))


def _unchanged(found: RunSet, models: Iterable[str]) -> list[RunConfig]:
    """Return the configurations of a table that ran, without duplicates up to seed and λ."""
    usual = {name: value for name, value in PRINTED.as_dict().items() if name not in _VARIED}
    runs = _where(found.runs, usual)
    runs = runs[runs["model"].isin(models)].sort_values(["hidden", "cs_rate", "depth"])
    names = ["model", "hidden", "cs_rate", "depth"]
    return [replace(PRINTED, **each) for each in runs[names].drop_duplicates().to_dict("records")]


def _where(runs: pd.DataFrame, same: dict[str, object]) -> pd.DataFrame:
    kept = np.logical_and.reduce([runs[name] == value for name, value in same.items()])
    return runs.loc[kept.astype(bool)]


_VARIED = ("model", "hidden", "cs_rate", "depth", "seed", "lambda1", "lambda2")


def ends(found: RunSet, base: RunConfig = WIDE) -> dict[str, pd.DataFrame]:
    """Return the first seed's curve of reweighted-RNN from each pair of initial λ that ran."""
    runs = {pair: grid.initialised(base, pair) for pair in STARTS.values()}
    curves = {f"from {one:g}, {two:g}": found.curve(run) for (one, two), run in runs.items()}
    return {name: curve for name, curve in curves.items() if curve is not None}


# Overfitting --------------------------------------------------------------------------------------


def overfitting(found: RunSet, reduction: str = "area") -> pd.DataFrame:
    """Return test divided by training error for every run at the paper's scale, one row per run.

    Contains the trained runs of one filter under the protocol `authors` at the default rate and
    depth. Columns: those of runs.csv, and train_mse (mean over the last epoch), ratio (test
    over training error), least and last (validation error), least_epoch, and late (last over
    least). Weights at the lowest validation error are not stored, so the ratio is at the last
    epoch, and ``late`` states the benefit of stopping at the lowest validation error.
    """
    runs = found.trained.runs
    same = {"profile": "paper", "protocol": "authors", "reduction": reduction, "cs_rate": 0.2}
    runs = _where(runs, same)
    usual = runs["model"].map(usual_depth)
    runs = runs.loc[runs["depth"].eq(usual).astype(bool)]
    curves = [found.curves[name] for name in runs["config_hash"]]
    validation = [curve["validation_mse"] for curve in curves]
    table = runs.assign(
        train_mse=np.array([curve["train_mse"].iloc[-1] for curve in curves], dtype=float),
        least=np.array([each.min() for each in validation], dtype=float),
        last=np.array([each.iloc[-1] for each in validation], dtype=float),
        least_epoch=np.array([each.to_numpy().argmin() + 1 for each in validation], dtype=int),
    )
    table = table.assign(ratio=table["test_mse"] / table["train_mse"])
    table = table.assign(late=table["last"] / table["least"])
    return mark(table.sort_values(["model", "hidden", "seed"]), runs)


def by_width(table: pd.DataFrame) -> pd.DataFrame:
    """Return :func:`overfitting` averaged over seeds, one row per network, width and initial λ."""
    what = ["model", "hidden", "lambda1", "lambda2"]
    names = ["parameters", "train_mse", "test_mse", "ratio", "least", "least_epoch", "last", "late"]
    means = table.groupby(what, as_index=False)[names].mean()
    seeds = table.groupby(what, as_index=False)["seed"].count()["seed"]
    pair = [f"{row.lambda1:g}, {row.lambda2:g}" if row.model in UNFOLDED else "–"
            for row in means.itertuples()]  # fmt: skip
    shown = pd.DataFrame({
        "network": means["model"].map(title), "initial λ": pair, "h": means["hidden"],
        "parameters": means["parameters"].astype(int), "seeds": seeds,
        "training error": means["train_mse"], "test error": means["test_mse"],
        "test / training": means["ratio"], "least validation error": means["least"],
        "at epoch": means["least_epoch"].round().astype(int), "last / least": means["late"],
    })  # fmt: skip
    return mark(shown, table)


def seed_spread(found: RunSet, widths: Sequence[int] = (128, 256)) -> pd.DataFrame:
    """Return minimum and maximum PSNR over the seeds of each network of the default row.

    One row per network, initialisation and width with two or more seeds; columns: lowest, highest,
    range (dB) and seeds.
    """
    rows, used = {}, []
    for hidden in widths:
        for run in grid.row(replace(PRINTED, hidden=hidden)):
            for way, start in _ways(found, "downsampling filter", run.model).items():
                own = found.at(start(run))["psnr_authors"]
                if len(own) > 1:
                    label = ", ".join(filter(None, [title(run.model), way, f"h = {hidden}"]))
                    rows[label] = own.min(), own.max(), own.max() - own.min(), len(own)
                    used.append(start(run))
    columns = ["lowest", "highest", "range (dB)", "seeds"]
    return mark(pd.DataFrame.from_dict(rows, orient="index", columns=columns), found.source(used))


def widest(table: pd.DataFrame) -> str:
    """Return the ratios of reweighted-RNN by width in words, averaged over runs."""
    own = table[table["model"] == "reweighted-rnn"].groupby("hidden")["ratio"].mean()
    return ", ".join(f"{ratio:.2f} at h = {hidden}" for hidden, ratio in own.items()) or "no run"


def short_filters(found: RunSet) -> pd.DataFrame:
    """Return the PSNR of the default row under each filter, from short runs at h = 128, as text."""
    answers = named_grids.ablations(SHORT)["downsampling filter"]
    table = answer_table(found, answers).T.rename(index=title)
    return mark(table, answer_table(found, answers))
