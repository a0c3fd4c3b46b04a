"""Identification of the published experiment: runs by filter, and the effects of hypotheses."""

import itertools
from dataclasses import replace

import pandas as pd

from companion import results
from companion.attribution import mark
from companion.labels import DIVERGED, NOT_RUN, UNTRAINED, pair, part_of, signed, title
from companion.reproduction import linear_baseline, paper_tables
from companion.run_set import PRINTED, RunSet, split
from unfolded.choices import UNFOLDED, VARIANTS
from unfolded.data import REDUCTIONS
from unfolded.runs import grid
from unfolded.runs.config import RunConfig

AT = replace(PRINTED, hidden=128)
"""The column of Table 2 with the smallest differences in the paper: h = 128 at CS rate 0.2."""

_LAMBDAS = ["lambda1", "lambda2", "learned_lambda1", "learned_lambda2"]

_SHORT, _BILINEAR, _SUCCESSOR = "*", "°", "†"
"""Markers of an effect known only from short runs, bilinear frames, or λ from (0.003, 0.02)."""


def stored_runs() -> RunSet:
    """Return the finished runs of data/results/ without curves and errors by sequence."""
    runs, failed = split(results.load_table())
    return RunSet(runs, {}, {}, failed)


def runs_by_filter(run_set: RunSet, base: RunConfig = AT) -> pd.DataFrame:
    """Return the printed value and our runs of each network with the frames of each filter.

    One row per network, filter and pair of initial λ1, λ2 that has run; unfolded networks may have
    several. The last rows are variants of stacked networks. Columns: model, reduction, start (of
    `grid.STARTS`, "variant" and its name, or empty for a stacked network), printed, ours (mean over
    seeds), low and high (extremes), seeds, excluded (number of seeds that diverged or did not
    train), untrained (whether no seed trained; the values are then those of all), difference, and
    the final λ1 and λ2; ``attrs["hidden"]`` is the width, ``attrs["diverged"]`` has model, filter
    and start of the runs that diverged with every seed. Units: dB, with the averaging of the
    authors' earlier code.
    """
    paper = results.paper_values(2)
    rows, used, diverged = [], [], []
    for run in [*grid.row(base), *paper_tables.variants_of(base)]:
        for reduction in REDUCTIONS:
            for start, config in run_set.starts(replace(run, reduction=reduction)).items():
                if run.model not in UNFOLDED:
                    start = f"variant {run.variant}" if run.variant != "default" else ""
                runs = run_set.trained_at(config)
                if runs.empty:
                    if run_set.diverged(config):
                        diverged.append((run.model, reduction, start))
                    continue
                used.append(config)
                psnr, printed = runs["psnr_authors"], paper[run.model, base.hidden]
                rows.append(
                    {
                        **{"model": run.model, "reduction": reduction, "start": start},
                        "printed": printed,
                        **{"ours": psnr.mean(), "low": psnr.min(), "high": psnr.max()},
                        "seeds": len(psnr),
                        "excluded": run_set.excluded(config),
                        "untrained": bool(linear_baseline.did_not_train(runs).all()),
                        "difference": psnr.mean() - printed,
                        **runs[_LAMBDAS].mean(),
                    }
                )
    columns = ["model", "reduction", "start", "printed", "ours", "low", "high", "seeds", "excluded"]
    table = pd.DataFrame(rows, columns=[*columns, "untrained", "difference", *_LAMBDAS])
    table = mark(table, run_set.source(used), paper)
    table.attrs |= {"hidden": base.hidden, "diverged": diverged}
    return table


def linear_levels(rates: tuple[float, ...] = linear_baseline.RATES) -> pd.DataFrame:
    """Return the best linear reconstruction in dB, one row per filter, one column per CS rate."""
    table = linear_baseline.stored_baselines().query("source == 'mnist' and cs_rate in @rates")
    wide = table.pivot(index="reduction", columns="cs_rate", values="psnr_authors")
    wide = wide.reindex(REDUCTIONS).rename_axis(index=None, columns=None)
    return mark(wide, table)


HYPOTHESES: dict[str, dict[str, object]] = {
    "area frames": {"reduction": "area"},
    "antialiased frames": {"reduction": "antialiased"},
    "pixels in [0, 1]": {"protocol": "normalised"},
    **{
        f"initial λ {pair(first, second)}": {"lambda1": first, "lambda2": second}
        for name, (first, second) in grid.STARTS.items()
        if name != "earlier code"
    },
    "PyTorch's schedule": {"schedule": "pytorch"},
    "PSNR by frame": {"metric": "psnr_frame"},
    "PSNR by sequence": {"metric": "psnr_sequence"},
    "PSNR over all pixels": {"metric": "psnr_global"},
    **{
        f"{title(model)}: variant {variant}": {"model": model, "variant": variant}
        for model, variants in VARIANTS.items()
        for variant in variants
    },
    "loss averaged": {},
}
"""Hypotheses on the experiment, and the changes of a run for each; empty without such a run.

The defaults are bilinear frames, pixels in [0, 255], initial λ (1, 0.01) and the paper's schedule.
"""


def hypotheses(run_set: RunSet, base: RunConfig = AT) -> pd.DataFrame:
    """Return the effect of each hypothesis on each network, in dB, as text.

    One row per hypothesis, one column per network. Each effect is the mean difference over the
    seeds that trained with both settings, all others equal, at the width of ``base``; if no seed
    trained with one of them, its runs count as they are. The runs are those of profile `paper` with
    `area` frames if they exist, else from λ = (0.003, 0.02) (marked †), from bilinear frames
    (marked °) or short runs (marked *). If there are several seeds, their number is in parentheses:
    "(1 of 3)" if some diverged or did not train.
    The first rows are the differences to explain, the paper's value minus ours for either filter.
    """
    models = [run.model for run in grid.row(base)]
    table = {name: {m: _effect(run_set, base, m, change) for m in models}
             for name, change in HYPOTHESES.items()}  # fmt: skip
    cells = runs_by_filter(run_set, base)
    rows = {f"paper − ours, {frames}{mark_}": _gaps(cells, frames, start)
            for frames in ("bilinear", "area")
            for start, mark_ in (("earlier code", ""), ("successor", _SUCCESSOR))
            if frames == "area" or start == "earlier code"}  # fmt: skip
    text = {name: {m: effects.get(m, NOT_RUN) for m in models} for name, effects in rows.items()}
    return mark(pd.DataFrame(text | table).T[models], cells, run_set.runs)


def _gaps(cells: pd.DataFrame, reduction: str, start: str) -> dict[str, str]:
    """Return the paper's value minus ours of each network that has run, as text."""
    rows = cells[(cells["reduction"] == reduction) & cells["start"].isin(["", start])]
    diverged = {
        model: DIVERGED
        for model, frames, pair_name in cells.attrs["diverged"]
        if frames == reduction and pair_name in ("", start)
    }
    return diverged | {
        row.model: UNTRAINED
        if row.untrained
        else signed(-row.difference) + _several(row.seeds, row.seeds + row.excluded)
        for row in rows.itertuples()
    }


def _effect(run_set: RunSet, base: RunConfig, model: str, change: dict) -> str:
    """Return the effect of a change on a network, from the best available runs, as text."""
    change = dict(change)
    metric = change.pop("metric", None)
    if not change and metric is None:
        return NOT_RUN
    lambdas = "lambda1" in change
    if change.get("model", model) != model or lambdas > (model in UNFOLDED):
        return "–"
    change.pop("model", None)
    filters = ("bilinear",) if "reduction" in change else ("area", "bilinear")
    pairs = ("earlier code", "successor") if model in UNFOLDED and not lambdas else ("",)
    outcome = NOT_RUN
    for profile, reduction, start in itertools.product(("paper", "short"), filters, pairs):
        run = replace(base, model=model, depth=None, profile=profile, reduction=reduction)
        run = grid.initialised(run, grid.STARTS[start]) if start else run
        sides = run, replace(run, **change)
        reference, changed = map(run_set.trained_at, sides)
        first, second = ({*run_set.seeds(side), *run_set.diverged(side)} for side in sides)
        if not first & second:
            continue
        if reference.empty:
            outcome = f"reference {DIVERGED}"
            continue
        if changed.empty:
            return DIVERGED
        if linear_baseline.did_not_train(pd.concat([reference, changed])).all():
            return UNTRAINED
        ours, theirs = (
            rows.set_index("seed")[name].astype(float)
            for rows, name in ((changed, metric or "psnr_authors"), (reference, "psnr_authors"))
        )
        gains = (ours - theirs).dropna()
        if gains.empty:
            return DIVERGED if any(map(run_set.diverged, sides)) else UNTRAINED
        markers = _BILINEAR * (reduction != "area" and "reduction" not in change)
        markers += _SHORT * (profile == "short") + _SUCCESSOR * (start == "successor")
        return signed(gains.mean()) + markers + _several(len(gains), len(first & second))
    return outcome


def _several(seeds: int, common: int) -> str:
    return f" ({part_of(seeds, common - seeds)})" if common > 1 else ""


def distances(cells: pd.DataFrame, levels: pd.Series) -> pd.Series:
    """Return the median distance in dB of the printed values from the linear level of each filter.

    ``levels``: filter -> dB. A median is robust to one network far above all levels.
    """
    printed = cells.groupby("model")["printed"].first()
    return pd.Series({name: (printed - level).abs().median() for name, level in levels.items()})
