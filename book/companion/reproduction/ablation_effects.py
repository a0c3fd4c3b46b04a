"""Effects of the ablations and of the initialisation, as tables for a page.

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
from companion.labels import DIVERGED, NOT_RUN, UNTRAINED, title
from companion.reproduction.linear_baseline import did_not_train
from companion.reproduction.paper_tables import BEST, SUCCESSOR
from companion.run_set import PRINTED, SHORT, WIDE, RunSet, epochs_to, mean_text
from companion.run_set import answers as answer_table
from companion.statistics import Difference
from unfolded.runs import grid, named_grids
from unfolded.runs.config import PROTOCOLS, RunConfig, usual_depth
from unfolded.runs.grid import STARTS, UNFOLDED

INITIALISATIONS = (SUCCESSOR, BEST)
"""The two initialisations: the pair of the successor paper, and the best on validation data."""

BASES = {
    f"h = {WIDE.hidden}": WIDE,
    "h = 128": replace(PRINTED, hidden=128),
    "short runs, h = 128, bilinear frames": replace(SHORT, reduction="bilinear"),
}
"""The bases of the effects by name, best evidence first; the last one is preliminary."""

PRELIMINARY = list(BASES)[-1]

_PAIRS = (STARTS["earlier code"], grid.SUCCESSOR)

_EFFECT = ["panel", "effect", "initialisation", "evidence", "over", *Difference._fields]

_SETTINGS = {
    "as in the paper": ("scale of the pixels", "authors"),
    "pixels in [0, 1]": ("scale of the pixels", "normalised"),
    "equal size": ("number of parameters", "matched, authors"),
    "equal size, pixels in [0, 1]": ("number of parameters", "matched, normalised"),
}

_PARTS = {
    "Z": ("what is reweighted", "g alone"),
    "g": ("what is reweighted", "Z alone"),
    "Z and g": ("what is reweighted", "neither"),
    "Z and g, equal size": ("what is reweighted", "neither, equal size"),
    "λ2 (set to 0)": ("temporal prior", "λ2 = 0"),
    "memory (G = 0)": ("memory", "off"),
    "exp (softplus instead)": ("positive parameters", "softplus"),
    "exp (free instead)": ("positive parameters", "free"),
    "the paper's schedule": ("learning-rate schedule", "pytorch"),
}

_COMPONENTS = {
    "temporal prior": {"λ2 = 0": "λ2 = 0"},
    "memory": {"off": "no memory"},
    "learning-rate schedule": {"pytorch": "PyTorch's schedule"},
    "positive parameters": {"softplus": "softplus", "free": "free parameters"},
}
"""Questions on one component: the answers other than the default, with their labels."""


def initialisation(run_set: RunSet, init: str) -> Callable[[RunConfig], RunConfig]:
    """Return the function that sets the initial λ of a run: one of :data:`INITIALISATIONS`."""
    return run_set.best_start if init == INITIALISATIONS[1] else grid.initialised


def summary(run_set: RunSet) -> pd.DataFrame:
    """Return the effects of all ablations that ran, for a forest plot.

    Panel "lead": reweighted-RNN minus the best other network (``over``) of each setting, which is
    selected on validation data. Panel "worth": reweighted-RNN minus the same network without a
    component. Each effect has the first of :data:`BASES` with runs as ``evidence``, with one row
    per initialisation. Other columns: those of :class:`companion.statistics.Difference`.
    """
    rows = []
    for panel, effects in (("lead", _SETTINGS), ("worth", _PARTS)):
        for name, (question, answer) in effects.items():
            cases = (_effects(run_set, panel, base, question, answer) for base in BASES.values())
            evidence = zip(BASES, cases, strict=True)
            evidence, gaps = next(((name, gaps) for name, gaps in evidence if gaps), ("", {}))
            rows += [(panel, name, init, evidence, *gap) for init, gap in gaps.items()]
    return mark(pd.DataFrame(rows, columns=_EFFECT), run_set.runs)


def _effects(run_set: RunSet, panel: str, base: RunConfig, question: str, answer: str) -> dict:
    """Return initialisation -> the other network and the values of a difference, if it ran."""
    groups, trained, gaps = named_grids.ablations(base)[question], run_set.trained, {}
    if panel == "lead":
        run, *others = groups[answer]
    else:
        run, others = next(iter(groups.values()))[0], groups[answer]
    for init in INITIALISATIONS:
        pairs = [initialised_pair(run_set, init, run, other) for other in others]
        best = min(pairs, key=lambda pair: trained.validation(pair[1]))
        gap = trained.difference(*best)
        if gap:
            gaps[init] = (title(best[1].model), *gap)
    return gaps


def initialised_pair(
    run_set: RunSet, init: str, run: RunConfig, reference: RunConfig
) -> tuple[RunConfig, RunConfig]:
    """Return both runs with an initialisation, one of :data:`INITIALISATIONS`.

    The best λ of each run is selected on validation data among the pairs of initial λ from which
    both have run, so that neither has a larger search.
    """
    runs = (run, reference)
    if init == INITIALISATIONS[0]:
        return tuple(map(grid.initialised, runs))
    candidates = [[grid.initialised(config, pair) for pair in STARTS.values()] for config in runs]
    both = [pair for pair in zip(*candidates, strict=True) if all(map(run_set.trained.seeds, pair))]
    if not both:
        return runs
    return tuple(min(side, key=run_set.trained.validation) for side in zip(*both, strict=True))


def description(effects: pd.DataFrame) -> str:
    """Return the effects of :func:`summary` in words, for the description of a figure."""
    parts = [
        f"{row.effect} {row.mean:+.2f} dB ({row.initialisation}; {row.evidence})"
        for row in effects.itertuples()
    ]
    text = labels.minus("; ".join(parts))
    return f"Leads and losses with intervals: {text}." if parts else "No ablation has run yet."


def finding(effects: pd.DataFrame) -> str:
    """Return the findings from the effects of :func:`summary`, in sentences."""
    if effects.empty:
        return "No ablation has run yet."
    lead = effects[effects["panel"] == "lead"]
    behind = lead[lead["high"] < 0]
    text = (
        f"reweighted-RNN is ahead of the best other network in {int((lead['low'] > 0).sum())} of "
        f"{len(lead)} comparisons of a setting and an initial λ"
    )
    if len(behind):
        names = dict.fromkeys(f"{row.effect} ({row.over})" for row in behind.itertuples())
        text += f" and behind with {', '.join(names)}"
    count, weak = effects["effect"].nunique(), effects[effects["evidence"] == PRELIMINARY]
    parts = [text, f"{weak['effect'].nunique()} of {count} effects come from short runs only"]
    few = int((effects["seeds"] < SEEDS).sum())
    parts.append(f"{few} of {len(effects)} values have fewer than {SEEDS} seeds")
    return f"{'. '.join(parts)}."


def scale_levels(run_set: RunSet) -> pd.DataFrame:
    """Return the PSNR of each network by pixel scale, at equal width and at equal size.

    Runs of the first of :data:`BASES` at which reweighted-RNN has run with two scales, each
    network with the same initial λ for all; ``attrs["evidence"]`` is the name of the base.
    Columns: size ("equal width", "equal size"), model, protocol, psnr (mean over trained seeds,
    dB; NaN without one), seeds (trained), untrained (seeds that did not train).
    """
    columns = ["size", "model", "protocol", "psnr", "seeds", "untrained"]
    for name, base in BASES.items():
        rows, used = [], []
        groups = named_grids.ablations(base)["number of parameters"]
        for size, kind in (("equal width", "as printed"), ("equal size", "matched")):
            both = (groups[f"{kind}, {protocol}"] for protocol in PROTOCOLS)
            for pair in zip(*both, strict=True):
                for run in initialised_pair(run_set, INITIALISATIONS[1], *pair):
                    psnr = run_set.trained.at(run)["psnr_authors"]
                    untrained = len(run_set.at(run)) - len(psnr)
                    used.append(run)
                    rows.append((size, run.model, run.protocol, psnr.mean(), len(psnr), untrained))
        table = mark(pd.DataFrame(rows, columns=columns), run_set.source(used))
        table.attrs["evidence"] = name
        ours = table[(table["model"] == "reweighted-rnn") & (table["size"] == "equal width")]
        if ours["seeds"].gt(0).sum() > 1:
            return table
    return mark(pd.DataFrame(columns=columns), run_set.runs)


def describe_scales(levels: pd.DataFrame) -> str:
    """State which networks of :func:`scale_levels` are ahead with pixels in [0, 1].

    Also how many other networks trained, and which did not train or have not run.
    """
    small = levels[levels["protocol"] == "normalised"]
    texts, seeds = [], small.loc[small["seeds"] > 0, "seeds"]
    for size, rows in small.groupby("size", sort=False):
        is_ours = rows["model"].eq("reweighted-rnn")
        if not rows.loc[is_ours, "seeds"].gt(0).any():
            texts.append(f"At {size}, it has not run with pixels in [0, 1].")
            continue
        trained = rows[~is_ours & (rows["seeds"] > 0)]
        ahead = trained.loc[trained["psnr"] > rows.loc[is_ours, "psnr"].item(), "model"]
        text = f"At {size}, reweighted-RNN is behind {', '.join(map(title, ahead)) or 'none'} of "
        text += labels.counted(len(trained), "other network") + " that trained"
        others = rows[rows["seeds"] == 0]
        failed = others["untrained"] > 0
        for words, mask in ((UNTRAINED, failed), (NOT_RUN, ~failed)):
            if mask.any():
                text += f"; {words}: {', '.join(map(title, others.loc[mask, 'model']))}"
        texts.append(f"{text}.")
    if seeds.empty:
        return "reweighted-RNN has not run with both pixel scales yet."
    return (
        f"With pixels in [0, 1], so far ({levels.attrs['evidence']}; seeds: {labels.span(seeds)}): "
        f"{' '.join(texts)}"
    )


def describe_negative_lambda2(run_set: RunSet) -> str:
    """State after how many epochs λ2 of reweighted-RNN is negative in the free form."""
    for name, base in BASES.items():
        run = named_grids.ablations(base)["positive parameters"]["free"][0]
        curve = run_set.curve(run_set.best_start(run))
        if curve is not None:
            epoch = epochs_to(curve, 0.0, "lambda2")
            negative = f"is negative after epoch {epoch:.0f}"
            when = negative if np.isfinite(epoch) else "stays positive"
            return f"With free parameters, λ2 of reweighted-RNN {when} ({name})."
    return "reweighted-RNN has not run with free parameters yet."


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
                rows[label] = [cell(run_set, run, reference) for run in runs]
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
    starts = {init: initialisation(run_set, init) for init in INITIALISATIONS}
    if question in _COMPONENTS:
        best = run_set.best_start(run)
        pair = (best.lambda1, best.lambda2)
        starts[INITIALISATIONS[1]] = functools.partial(grid.initialised, pair=pair)
    return starts


def cell(run_set: RunSet, run: RunConfig, reference: RunConfig | None = None) -> str:
    """Return the PSNR of a configuration and its gain over the usual one, as text."""
    values = run_set.at(run)
    if values.empty:
        return DIVERGED if run.hash in run_set.failed else NOT_RUN
    text = mean_text(values["psnr_authors"])
    if did_not_train(values).all():
        return f"{text} ({UNTRAINED})"
    gap = run_set.trained.difference(run, reference) if reference and run != reference else None
    return f"{text} ({labels.signed_interval(gap.mean, gap.low, gap.high)})" if gap else text


# The two solutions --------------------------------------------------------------------------------


def solutions(run_set: RunSet) -> pd.DataFrame:
    """Compare the two initialisations of λ if both have run at the paper's scale.

    One row per network, width, rate and depth, for runs with all other settings at their defaults:
    PSNR from (1, 0.01) and from (0.003, 0.02), the paired difference, second minus first, and the
    final λ1 and λ2. Columns: model, hidden, cs_rate, depth, "from …" twice, difference, low, high,
    seeds, and learned_lambda1, learned_lambda2 with the suffixes _1 and _2.
    """
    rows, used = [], []
    for run in _default_runs(run_set, UNFOLDED):
        configs = [grid.initialised(run, pair) for pair in _PAIRS]
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


# Filters and seeds --------------------------------------------------------------------------------


def seed_spread(run_set: RunSet, widths: Sequence[int] = (128, 256)) -> pd.DataFrame:
    """Return minimum and maximum PSNR over the seeds of each network of the default row.

    One row per network, initialisation and width with two or more seeds; columns: lowest, highest,
    range (dB) and seeds.
    """
    rows, used = {}, []
    for hidden in widths:
        for run in grid.row(replace(PRINTED, hidden=hidden)):
            for init, start in _starts(run_set, "downsampling filter", run).items():
                psnr = run_set.at(start(run))["psnr_authors"]
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
