"""Identification of the published experiment: runs by filter, hypotheses, open questions."""

import itertools
from collections.abc import Mapping
from dataclasses import replace

import pandas as pd

from companion import results
from companion.attribution import mark
from companion.labels import (
    DIVERGED,
    NOT_RUN,
    UNTRAINED,
    counted,
    listing,
    pair,
    signed,
    span,
    title,
)
from companion.reproduction import linear_baseline, paper_tables
from companion.reproduction.paper_tables import AGREES
from companion.run_set import PRINTED, RunSet
from unfolded import networks
from unfolded.choices import UNFOLDED, VARIANTS
from unfolded.data import REDUCTIONS
from unfolded.runs import grid
from unfolded.runs.config import RunConfig

AT = replace(PRINTED, hidden=128)
"""The column of Table 2 with the smallest differences in the paper: h = 128 at CS rate 0.2."""

WORDS = {
    "reduction": "frames",
    "eval_mse": "validation MSE (squared grey levels)",
    "apart": "replay − log (dB)",
    "zeros": "fraction of zero codes",
    "spread": "range over seeds (dB)",
    "variance": "variance (squared grey levels)",
}
"""Labels of the columns of these tables, with units."""

_LAMBDAS = ["lambda1", "lambda2", "learned_lambda1", "learned_lambda2"]

_SHORT, _BILINEAR, _SUCCESSOR = "*", "°", "†"
"""Markers of an effect known only from short runs, bilinear frames, or λ from (0.003, 0.02)."""


def stored_runs() -> RunSet:
    """Return the finished runs of data/results/ without curves and errors by sequence."""
    runs = results.load_table()
    done = runs["status"] == "done"
    return RunSet(runs[done], {}, {}, frozenset(runs.loc[~done, "config_hash"]))


def runs_by_filter(run_set: RunSet, base: RunConfig = AT) -> pd.DataFrame:
    """Return the printed value and our runs of each network with the frames of each filter.

    One row per network, filter and pair of initial λ1, λ2 that has run; unfolded networks may have
    several. The last rows are variants of stacked networks. Columns: model, reduction, start (of
    `grid.STARTS`, "variant" and its name, or empty for a stacked network), printed, ours (mean over
    seeds), low and high (extremes), seeds, untrained (no seed is better than the mean frame),
    difference, and the final λ1 and λ2; ``attrs["hidden"]`` is the width, ``attrs["diverged"]`` has
    model and start of the runs with `area` frames that ended without a result. Units: dB, with the
    averaging of the authors' earlier code.
    """
    paper = results.paper_values(2)
    rows, used, diverged = [], [], []
    for run in [*grid.row(base), *paper_tables.variants_of(base)]:
        for reduction in REDUCTIONS:
            for start, config in run_set.starts(replace(run, reduction=reduction)).items():
                if run.model not in UNFOLDED:
                    start = f"variant {run.variant}" if run.variant != "default" else ""
                runs = run_set.at(config)
                if runs.empty:
                    if reduction == "area" and config.hash in run_set.failed:
                        diverged.append((run.model, start))
                    continue
                used.append(config)
                psnr, printed = runs["psnr_authors"], paper[run.model, base.hidden]
                rows.append(
                    {
                        **{"model": run.model, "reduction": reduction, "start": start},
                        "printed": printed,
                        **{"ours": psnr.mean(), "low": psnr.min(), "high": psnr.max()},
                        "seeds": len(psnr),
                        "untrained": bool(linear_baseline.did_not_train(runs).all()),
                        "difference": psnr.mean() - printed,
                        **runs[_LAMBDAS].mean(),
                    }
                )
    columns = ["model", "reduction", "start", "printed", "ours", "low", "high", "seeds"]
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
    seeds of both settings, all others equal, at the width of ``base``; from runs of profile `paper`
    with `area` frames if they exist, else from λ = (0.003, 0.02) (marked †), from bilinear frames
    (marked °) or from short runs (marked *). A number above one of seeds is in parentheses.
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
    rows = cells[(cells["reduction"] == reduction) & cells["start"].isin(["", start])]
    return {
        row.model: UNTRAINED if row.untrained else signed(-row.difference) + _several(row.seeds)
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
    for profile, reduction, start in itertools.product(("paper", "short"), filters, pairs):
        run = replace(base, model=model, depth=None, profile=profile, reduction=reduction)
        run = grid.initialised(run, grid.STARTS[start]) if start else run
        reference, changed = run_set.at(run), run_set.at(replace(run, **change))
        if linear_baseline.did_not_train(pd.concat([reference, changed])).all():
            if len(reference) and len(changed):
                return UNTRAINED
            continue
        ours, theirs = (
            rows.set_index("seed")[name].astype(float)
            for rows, name in ((changed, metric or "psnr_authors"), (reference, "psnr_authors"))
        )
        gains = (ours - theirs).dropna()
        if gains.empty:
            continue
        markers = _BILINEAR * (reduction != "area" and "reduction" not in change)
        markers += _SHORT * (profile == "short") + _SUCCESSOR * (start == "successor")
        return signed(gains.mean()) + markers + _several(len(gains))
    return NOT_RUN


def _several(seeds: int) -> str:
    return f" ({seeds})" if seeds > 1 else ""


def distances(cells: pd.DataFrame, levels: pd.Series) -> pd.Series:
    """Return the median distance in dB of the printed values from the linear level of each filter.

    ``levels``: filter -> dB. A median is robust to one network far above all levels.
    """
    printed = cells.groupby("model")["printed"].first()
    return pd.Series({name: (printed - level).abs().median() for name, level in levels.items()})


def finding(cells: pd.DataFrame, levels: Mapping[str, float]) -> str:
    """State which filter agrees best with the paper, from :func:`runs_by_filter`, in a sentence.

    A network comes close to the paper if it does so from one of the initial λ that have run. This
    choice uses the values of the paper to identify a protocol: it is not a reproduction.
    """
    medians = distances(cells, levels).sort_values()
    best = str(medians.index[0])
    rows = cells[(cells["reduction"] == best) & ~_of_variant(cells)]
    gaps = rows["difference"].abs().groupby(rows["model"]).min()
    return (
        f"At h = {cells.attrs['hidden']}, the paper's values are closest to `{best}` frames: their "
        "median distance from the best linear reconstruction is "
        f"{medians.iloc[0]:.2f} dB (other frames: at least {medians.iloc[1]:.2f} dB). With these "
        f"frames, {int((gaps <= AGREES).sum())} of our {len(gaps)} networks are within {AGREES:g} "
        "dB of them (unfolded networks from at least one initial λ; seeds of each run: "
        f"{span(rows['seeds'])})."
    )


def _of_variant(cells: pd.DataFrame) -> pd.Series:
    return cells["start"].str.startswith("variant")


def describe_filters(cells: pd.DataFrame, levels: Mapping[str, float]) -> str:
    """State the median difference of the stacked networks from the paper with each filter.

    ``cells``: :func:`runs_by_filter`; ``levels``: filter -> the best linear reconstruction in dB.
    """
    rows = cells[cells["start"].eq("") & ~cells["untrained"]]
    parts = [
        f"{signed(group['difference'].median())} dB with `{name}` frames "
        f"({counted(len(group), 'network')}, linear level {levels[name]:.2f} dB)"
        for name, group in rows.groupby("reduction", sort=False)
    ]
    return f"Stacked networks that trained, median of ours minus the paper: {', '.join(parts)}."


def decisive_runs(cells: pd.DataFrame) -> pd.DataFrame:
    """Return :func:`runs_by_filter` as text, one row per network and pair of initial λ.

    Columns: the value of the paper, ours for each filter that has run, the difference for `area`
    frames, all in dB, and its number of seeds.
    """
    rows = {}
    for (model, start), group in cells.groupby(["model", "start"], sort=False):
        row = {"the paper (dB)": f"{group['printed'].iloc[0]:.2f}"}
        group = group.set_index("reduction")
        for name in dict.fromkeys(cells["reduction"]):
            row[f"{name} frames (dB)"] = _level(group.loc[name]) if name in group.index else NOT_RUN
        area = group.loc["area"] if "area" in group.index else None
        failed = area is None or area["untrained"]
        row["area − the paper (dB)"] = "–" if failed else signed(area["difference"])
        row["seeds (area)"] = "–" if area is None else f"{area['seeds']}"
        rows[_label(model, start)] = row
    return mark(pd.DataFrame(rows).T, cells)


def _level(row: pd.Series) -> str:
    return f"{row['ours']:.2f}" + f" ({UNTRAINED})" * bool(row["untrained"])


def _label(model: str, start: str) -> str:
    name = f"λ from {pair(*grid.STARTS[start])}" if start in grid.STARTS else start
    return title(model) + f", {name}" * bool(name)


def solutions(cells: Mapping[int, pd.DataFrame]) -> pd.DataFrame:
    """Return the effect of the initial λ, one row per network, width and pair, as text.

    ``cells``: h -> rows of :func:`runs_by_filter` of unfolded networks and one filter.
    """
    rows = [
        {
            "network": title(row.model),
            "h": f"{hidden}",
            "initial λ1, λ2": pair(*grid.STARTS[row.start]),
            "final λ1, λ2": f"{row.learned_lambda1:.2g}, {row.learned_lambda2:.2g}",
            "PSNR (dB)": f"{row.ours:.2f}",
            "ours − the paper (dB)": signed(row.difference),
            "seeds": f"{row.seeds}",
        }
        for hidden, table in cells.items()
        for row in table.itertuples()
    ]
    return mark(pd.DataFrame(rows), *cells.values())


def describe_starts(cells: pd.DataFrame) -> str:
    """State the PSNR of each unfolded network from each initial λ, for an alternative text."""
    sentences = []
    for model, rows in cells.groupby("model", sort=False):
        starts = zip(rows["ours"], rows["start"], strict=True)
        ends = [f"{ours:.2f} dB from {pair(*grid.STARTS[start])}" for ours, start in starts]
        sentences.append(f"{title(model)}: {', '.join(ends)}.")
    return " ".join(sentences)


def describe_solutions(cells: Mapping[int, pd.DataFrame], level: float) -> str:
    """State how training changes λ1 and λ2 from each initial pair, and what the pair decides.

    ``cells``: as in :func:`solutions`; ``level``: the best linear reconstruction in dB.
    """
    rows = pd.concat([table.assign(hidden=hidden) for hidden, table in cells.items()])
    sentences = []
    for start, group in rows.groupby("start", sort=False):
        first, second = grid.STARTS[start]
        sentences.append(
            f"From {pair(first, second)}, λ1 increases in "
            f"{(group['learned_lambda1'] > first).sum()} and λ2 in "
            f"{(group['learned_lambda2'] > second).sum()} of {counted(len(group), 'case')}."
        )
    linear = (rows["ours"] - level).abs() <= AGREES
    several = linear.groupby([rows["model"], rows["hidden"]]).agg(["any", "all", "size"])
    several = several[several["size"] > 1]
    mixed = several["any"] & ~several["all"]
    sentences.append(
        f"In {mixed.sum()} of the {len(several)} cases with several pairs, the network ends within "
        f"{AGREES:g} dB of the best linear reconstruction from one pair and not from another. A "
        f"case is a network at a width, with {span(rows['seeds'], 'seed')}."
    )
    return " ".join(sentences)


def describe_lead(cells: pd.DataFrame) -> str:
    """State the lead of reweighted-RNN over the other unfolded networks from each initial λ.

    ``cells``: :func:`runs_by_filter` of unfolded networks, one filter. Pairs from which not all of
    them have run are omitted.
    """
    wide = cells.pivot(index="start", columns="model")
    names = "ours", "seeds", "printed"
    ours, seeds, paper = (wide[name].reindex(columns=grid.UNFOLDED) for name in names)
    lead, printed = (
        table["reweighted-rnn"] - table.drop(columns="reweighted-rnn").max(axis=1)
        for table in (ours.dropna(), paper.dropna())
    )
    if lead.empty:
        return "From no initial λ have all unfolded networks been run."
    texts = [
        f"{signed(value)} dB from {pair(*grid.STARTS[start])} ({span(seeds.loc[start], 'seed')})"
        for start, value in lead.items()
    ]
    return (
        f"At h = {cells.attrs['hidden']}, reweighted-RNN minus the better of the other two "
        f"unfolded networks is {listing(texts)}; in the paper it is "
        f"{signed(printed.iloc[0])} dB."
    )


def open_differences(*widths: pd.DataFrame) -> pd.DataFrame:
    """Return ours minus the paper with `area` frames in dB, as text, one column per width.

    ``widths``: :func:`runs_by_filter`. One row per network and initial λ that has run;
    differences of at most 0.5 dB are marked with :data:`AGREEMENT`; the number of seeds is in
    parentheses.
    """
    rows: dict[tuple[str, str], dict[str, str]] = {}
    columns = [f"h = {cells.attrs['hidden']} (dB)" for cells in widths]
    for column, cells in zip(columns, widths, strict=True):
        for row in cells[cells["reduction"] == "area"].itertuples():
            text = signed(row.difference) + f" {AGREEMENT}" * (abs(row.difference) <= AGREES)
            text = UNTRAINED if row.untrained else f"{text} ({row.seeds})"
            rows.setdefault((row.model, row.start), {})[column] = text
        for model, start in cells.attrs["diverged"]:
            rows.setdefault((model, start), {})[column] = DIVERGED
    order = networks.names()
    texts = {_label(*key): rows[key] for key in sorted(rows, key=lambda key: order.index(key[0]))}
    table = pd.DataFrame.from_dict(texts, orient="index", columns=columns).fillna(NOT_RUN)
    return mark(table, *widths)


AGREEMENT = "≈"
"""Marks a difference of at most 0.5 dB."""


def describe_open_differences(table: pd.DataFrame) -> str:
    """State for which networks of :func:`open_differences` one setting agrees at every width."""
    agree = table.apply(lambda column: column.str.contains(AGREEMENT))
    names = [name.split(", ")[0] for name in table.index]
    everywhere = agree.all(axis=1).groupby(names, sort=False).any()
    some_pair = agree.groupby(names, sort=False).any().all(axis=1)
    kinds = {
        "agree at every width from one setting": everywhere,
        "agree at every width, but not from one initial λ": some_pair & ~everywhere,
        "do not agree at every width": ~some_pair,
    }
    return " ".join(
        f"Networks that {kind}: {', '.join(mask.index[mask]) or 'none'}."
        for kind, mask in kinds.items()
    )
