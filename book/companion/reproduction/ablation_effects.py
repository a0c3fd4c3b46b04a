"""Effects of the ablations and of the initialisation, for the figures of a page, with sentences.

Every function takes finished runs and works with any subset of them, including none.
"""

from dataclasses import replace

import numpy as np
import pandas as pd

from companion import labels
from companion.attribution import mark
from companion.claims.decision import SEEDS
from companion.labels import DIVERGED, NOT_RUN, UNTRAINED, title
from companion.reproduction.paper_tables import BEST, SUCCESSOR
from companion.run_set import PRINTED, SHORT, WIDE, RunSet, epochs_to
from companion.statistics import Difference
from unfolded.runs import grid, named_grids
from unfolded.runs.config import PROTOCOLS, RunConfig
from unfolded.runs.grid import STARTS

INITIALISATIONS = (SUCCESSOR, BEST)
"""The two initialisations: the pair of the successor paper, and the best on validation data."""

BASES = {
    f"h = {WIDE.hidden}": WIDE,
    "h = 128": replace(PRINTED, hidden=128),
    "short runs, h = 128, bilinear frames": replace(SHORT, reduction="bilinear"),
}
"""The bases of the effects by name, best evidence first; the last one is preliminary."""

PRELIMINARY = list(BASES)[-1]

_EFFECT = ["panel", "effect", "initialisation", "evidence", "over", "ran", *Difference._fields]

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


def summary(run_set: RunSet) -> pd.DataFrame:
    """Return the effects of all ablations that ran, for a forest plot.

    Panel "lead": reweighted-RNN minus the best other network (``over``) of each setting, which is
    selected on validation data. Panel "worth": reweighted-RNN minus the same network without a
    component. Each effect has the first of :data:`BASES` with runs as ``evidence``, with one row
    per initialisation. ``ran``: the number of other networks that have run; other columns: those
    of :class:`companion.statistics.Difference`.
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
    """Return initialisation -> the other network and the values of a difference, if it ran.

    If the best λ is that of the successor paper, only the latter has an entry.
    """
    groups, trained = named_grids.ablations(base)[question], run_set.trained
    gaps, compared = {}, []
    if panel == "lead":
        run, *others = groups[answer]
    else:
        run, others = next(iter(groups.values()))[0], groups[answer]
    for init in INITIALISATIONS:
        pairs = [initialised_pair(run_set, init, run, other) for other in others]
        best = min(pairs, key=lambda pair: trained.validation(pair[1]))
        gap = trained.difference(*best)
        if gap and best not in compared:
            compared.append(best)
            ran = sum(trained.difference(*pair) is not None for pair in pairs)
            gaps[init] = (title(best[1].model), ran, *gap)
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
    pairs = [
        pair for pair in zip(*candidates, strict=True) if all(map(run_set.trained.seeds, pair))
    ]
    if not pairs:
        return runs
    return tuple(min(side, key=run_set.trained.validation) for side in zip(*pairs, strict=True))


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
    few = int((effects["seeds"] < SEEDS).sum())
    text = f"{few} of {len(effects)} values in the figure have fewer than {SEEDS} seeds."
    leads = effects[effects["panel"] == "lead"].groupby("effect", sort=False)
    parts = [_lead(name, rows) for name, rows in leads]
    if not parts:
        return text
    lead = f"The lead of reweighted-RNN over the best other network is {labels.listing(parts)}."
    return f"{lead} {text}"


def _lead(name: str, rows: pd.DataFrame) -> str:
    """Return the range of the leads in one setting, with what limits them."""
    values = dict.fromkeys(map(labels.signed, (rows["mean"].min(), rows["mean"].max())))
    others = labels.listing(dict.fromkeys(rows["over"]))
    notes = [name]
    notes += [f"only {others} has run"] * int(rows["ran"].max() == 1)
    notes += ["short runs"] * int((rows["evidence"] == PRELIMINARY).any())
    notes += [f"{others} has the higher PSNR"] * int((rows["high"] < 0).all())
    return f"{' to '.join(values)} dB ({'; '.join(notes)})"


def scale_levels(run_set: RunSet) -> pd.DataFrame:
    """Return the PSNR of each network by pixel scale, at equal width and at equal size.

    Runs of the first of :data:`BASES` at which reweighted-RNN has run with two scales, each
    network with the same initial λ for all; ``attrs["evidence"]`` is the name of the base.
    Columns: size ("equal width", "equal size"), model, protocol, psnr (mean over trained seeds,
    dB; NaN without one), seeds (trained), reason (why there is no trained seed; else empty).
    """
    columns = ["size", "model", "protocol", "psnr", "seeds", "reason"]
    for name, base in BASES.items():
        rows, used = [], []
        groups = named_grids.ablations(base)["number of parameters"]
        for size, kind in (("equal width", "as printed"), ("equal size", "matched")):
            run_lists = (groups[f"{kind}, {protocol}"] for protocol in PROTOCOLS)
            for pair in zip(*run_lists, strict=True):
                for run in initialised_pair(run_set, INITIALISATIONS[1], *pair):
                    psnr = run_set.trained.at(run)["psnr_authors"]
                    reason = "" if len(psnr) else run_set.no_result(run)
                    used.append(run)
                    rows.append((size, run.model, run.protocol, psnr.mean(), len(psnr), reason))
        table = mark(pd.DataFrame(rows, columns=columns), run_set.source(used))
        table.attrs["evidence"] = name
        ours = table[(table["model"] == "reweighted-rnn") & (table["size"] == "equal width")]
        if ours["seeds"].gt(0).sum() > 1:
            return table
    return mark(pd.DataFrame(columns=columns), run_set.runs)


def describe_scales(levels: pd.DataFrame) -> str:
    """State which networks of :func:`scale_levels` are better than reweighted-RNN in [0, 1].

    Also how many other networks trained, and which diverged, did not train or have not run.
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
        verb = "has" if len(ahead) < 2 else "have"
        text = f"At {size}, {labels.listing(map(title, ahead)) if len(ahead) else 'none'} of the "
        text += f"{len(trained)} other networks that trained {verb} a higher PSNR"
        for reason in (DIVERGED, UNTRAINED, NOT_RUN):
            if (models := rows.loc[rows["reason"] == reason, "model"]).any():
                text += f"; {reason}: {', '.join(map(title, models))}"
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


def lambda_curves(run_set: RunSet, base: RunConfig = WIDE) -> dict[str, pd.DataFrame]:
    """Return the first seed's curve of reweighted-RNN from each pair of initial λ that ran."""
    runs = {pair: grid.initialised(base, pair) for pair in STARTS.values()}
    curves = {
        f"from {first:g}, {second:g}": run_set.curve(run) for (first, second), run in runs.items()
    }
    return {name: curve for name, curve in curves.items() if curve is not None}
