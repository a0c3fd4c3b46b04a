"""Tables of the ablations, of the initialisation and of the seeds, as text.

Every function takes finished runs and works with any subset of them, including none.
"""

import functools
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from companion import labels
from companion.attribution import mark
from companion.labels import DIVERGED, NOT_RUN, UNTRAINED, title
from companion.reproduction.linear_baseline import did_not_train
from companion.reproduction.paper_tables import BEST, SUCCESSOR
from companion.run_set import PRINTED, SHORT, RunSet, mean_text
from companion.run_set import answers as answer_table
from unfolded.runs import grid, named_grids
from unfolded.runs.config import RunConfig, usual_depth
from unfolded.runs.grid import STARTS, UNFOLDED

_PAIRS = (STARTS["earlier code"], grid.SUCCESSOR)

_COMPONENTS = {
    "temporal prior": {"λ2 = 0": "λ2 = 0"},
    "memory": {"off": "no memory"},
    "learning-rate schedule": {"pytorch": "PyTorch's schedule"},
    "positive parameters": {"softplus": "softplus", "free": "free parameters"},
}
"""Questions on one component: the answers other than the default, with their labels."""


def parts(run_set: RunSet, widths: Sequence[int] = (256, 128)) -> pd.DataFrame:
    """Return :func:`answers` to four questions on one component in one table, as text."""
    tables = {question: answers(run_set, question, widths) for question in _COMPONENTS}
    default = pd.concat([table.iloc[:, 0] for table in tables.values()])
    columns = {"default": default[~default.index.duplicated()]}
    for question, names in _COMPONENTS.items():
        columns |= {label: tables[question][name] for name, label in names.items()}
    merged = pd.DataFrame(columns).reindex(columns["default"].index).fillna(NOT_RUN)
    return mark(merged, *tables.values())


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
            for init, start in _starts(run_set, question, first).items():
                runs = [start(group[number]) for group in answers.values()]
                if hidden != widths[0] and not any(run_set.seeds(run) for run in runs[1:]):
                    continue
                width_label = f"h = {hidden}" if hidden != widths[0] else ""
                label = ", ".join(filter(None, [title(first.model), init, width_label]))
                reference = None if question == "downsampling filter" else runs[0]
                rows[label] = [_cell(run_set, run, reference) for run in runs]
                used += runs
    table = pd.DataFrame.from_dict(rows, orient="index", columns=list(answers))
    return mark(table, run_set.source(used))


def _starts(run_set: RunSet, question: str, run: RunConfig) -> dict[str, Callable]:
    """Return the initialisations with runs for a question, by name.

    If one component of a network is changed, all answers have the best initial λ of the first.
    """
    if run.model not in UNFOLDED or question == "initial λ":
        return {"": lambda run: run}
    if question == "downsampling filter":
        return {f"from {labels.pair(*pair)}": functools.partial(grid.initialised, pair=pair)
                for pair in _PAIRS}  # fmt: skip
    starts = {SUCCESSOR: grid.initialised, BEST: run_set.best_start}
    if question in _COMPONENTS:
        best = run_set.best_start(run)
        pair = (best.lambda1, best.lambda2)
        starts[BEST] = functools.partial(grid.initialised, pair=pair)
    return starts


def _cell(run_set: RunSet, run: RunConfig, reference: RunConfig | None = None) -> str:
    """Return the PSNR of a configuration and its gain over the usual one, as text."""
    values = run_set.trained_at(run)
    if values.empty:
        return DIVERGED if run_set.diverged(run) else NOT_RUN
    text = mean_text(values["psnr_authors"], run_set.excluded(run))
    if did_not_train(values).all():
        return f"{text} ({UNTRAINED})"
    gap = run_set.trained.difference(run, reference) if reference and run != reference else None
    return f"{text} ({labels.signed_interval(gap.mean, gap.low, gap.high)})" if gap else text


def solutions(run_set: RunSet) -> pd.DataFrame:
    """Compare the two initialisations of λ if both have run at the paper's scale.

    One row per network, width, rate and depth, for runs with all other settings at their defaults:
    PSNR from (1, 0.01) and from (0.003, 0.02), the paired difference, second minus first, and the
    final λ1 and λ2. Columns: model, hidden, cs_rate, depth, "from …" twice, difference, low, high,
    seeds, and learned_lambda1, learned_lambda2 with the suffixes _1 and _2.
    """
    rows, used = [], []
    for run in _default_runs(run_set):
        configs = [grid.initialised(run, pair) for pair in _PAIRS]
        gap = run_set.trained.difference(configs[1], configs[0])
        if gap is None:
            continue
        used += configs
        names = ["psnr_authors", "learned_lambda1", "learned_lambda2"]
        means = [run_set.trained_at(config)[names].astype(float).mean() for config in configs]
        finals = {f"{name}_{k}": mean[name] for name in names for k, mean in enumerate(means, 1)}
        facts = {name: getattr(run, name) for name in ("model", "hidden", "cs_rate", "depth")}
        rows.append(facts | finals | {"difference": gap.mean, "low": gap.low, "high": gap.high,
                                   "seeds": gap.seeds})  # fmt: skip
    columns = ["model", "hidden", "cs_rate", "depth", "psnr_authors_1", "psnr_authors_2",
               "difference", "low", "high", "seeds", "learned_lambda1_1", "learned_lambda2_1",
               "learned_lambda1_2", "learned_lambda2_2"]  # fmt: skip
    return mark(pd.DataFrame(rows, columns=columns), run_set.source(used))


def _default_runs(run_set: RunSet) -> list[RunConfig]:
    """Return the configurations of a table that ran, without duplicates up to seed and λ."""
    runs, names = run_set.runs, ["model", "hidden", "cs_rate", "depth"]
    defaults = {name: value for name, value in PRINTED.as_dict().items()
                if name not in (*names, "seed", "lambda1", "lambda2")}  # fmt: skip
    matches = [runs[name].eq(value) for name, value in defaults.items()]
    runs = runs[np.logical_and.reduce([*matches, runs["model"].isin(UNFOLDED)])]
    rows = runs.sort_values(names[1:])[names].drop_duplicates().to_dict("records")
    return [replace(PRINTED, **row) for row in rows]


def readable_solutions(table: pd.DataFrame) -> pd.DataFrame:
    """Return :func:`solutions` as text, with the pairs of initial λ in the column headings."""
    pairs, rows = [labels.pair(*pair) for pair in _PAIRS], []
    for row in table.itertuples():
        others = {"CS rate": row.cs_rate, "d =": row.depth}
        usual = {"CS rate": PRINTED.cs_rate, "d =": usual_depth(row.model)}
        varied = [f"{name} {value:g}" for name, value in others.items() if value != usual[name]]
        text = {"network": ", ".join([title(row.model), f"h = {row.hidden}", *varied])}
        text |= {f"from {pair} (dB)": f"{getattr(row, f'psnr_authors_{k}'):.2f}"
                 for k, pair in enumerate(pairs, 1)}  # fmt: skip
        gap = labels.signed_interval(row.difference, row.low, row.high)
        text |= {"difference (dB)": gap, "seeds": f"{row.seeds}"}
        for k, pair in enumerate(pairs, 1):
            ends = (getattr(row, f"learned_lambda{number}_{k}") for number in (1, 2))
            text[f"final λ1, λ2 from {pair}"] = ", ".join(map("{:.2g}".format, ends))
        rows.append(text)
    return mark(pd.DataFrame(rows), table)


def seed_spread(run_set: RunSet, widths: Sequence[int] = (128, 256)) -> pd.DataFrame:
    """Return minimum and maximum PSNR over the seeds of each network of the default row.

    One row per network, initialisation and width with two or more seeds that trained; columns:
    lowest, highest, range (dB) and seeds.
    """
    rows, used = {}, []
    for hidden in widths:
        for run in grid.row(replace(PRINTED, hidden=hidden)):
            for init, start in _starts(run_set, "downsampling filter", run).items():
                psnr = run_set.trained_at(start(run))["psnr_authors"]
                if len(psnr) > 1:
                    label = ", ".join(filter(None, [title(run.model), init, f"h = {hidden}"]))
                    rows[label] = psnr.min(), psnr.max(), psnr.max() - psnr.min(), len(psnr)
                    used.append(start(run))
    columns = ["lowest", "highest", "range (dB)", "seeds"]
    return mark(pd.DataFrame.from_dict(rows, orient="index", columns=columns), run_set.source(used))


def short_filters(run_set: RunSet) -> pd.DataFrame:
    """Return the PSNR of the default row under each filter, from short runs at h = 128, as text."""
    table = answer_table(run_set, named_grids.ablations(SHORT)["downsampling filter"])
    return mark(table.T.rename(index=title), table)
