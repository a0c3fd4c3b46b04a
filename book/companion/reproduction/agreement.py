"""Agreement of our runs with the paper's tables: ranking, trend, and a summary in sentences.

The rules of the claims are in `claims.experiment_rules`; this module describes tables. Runs that
did not train are excluded from all comparisons.
"""

import itertools
from collections.abc import Iterable
from dataclasses import replace

import pandas as pd

from companion import attribution, results
from companion.reproduction import linear_baseline, paper_tables
from companion.reproduction.paper_tables import (
    AGREES,
    BEST,
    FULL,
    NAMES,
    REPORTED,
    SEEDS,
    label,
    signed,
    title,
)
from companion.run_set import Difference, RunSet, compare_with_all
from unfolded import metrics
from unfolded.runs import grid
from unfolded.runs.config import RunConfig

_MANY = 6
"""Maximum number of cells that a sentence lists by name."""

MODEL = "reweighted-rnn"


def trained_runs(run_set: RunSet, floor: float | None = None) -> RunSet:
    """Return the run set without the runs that did not train.

    ``floor``: the PSNR of the mean frame in dB, if it is not committed.
    """
    if floor is None:
        untrained = linear_baseline.did_not_train(run_set.runs)
    else:
        untrained = run_set.runs["psnr_authors"] <= floor + linear_baseline.DID_NOT_TRAIN
    return replace(run_set, runs=run_set.runs[~untrained])


# Ranking and trend --------------------------------------------------------------------------------


def leads(run_set: RunSet, number: int, base: RunConfig = FULL) -> pd.DataFrame:
    """Return the lead of reweighted-RNN over each other network in each cell of a table.

    Both networks of a pair are initialised in the same way, "as reported" or "as well as we can",
    and compared on the same test sequences with the same seeds. Columns: start, value, other,
    mean, low, high (dB, averaged by sequence), seeds, sequences, verdict; pairs without runs are
    omitted.
    """
    run_set, gaps, rows = trained_runs(run_set), {}, []
    for value, runs in _columns(number, base).items():
        configs = {run.model: paper_tables.starts(run_set, run) for run in runs}
        for start in (REPORTED, BEST):
            ours = configs[MODEL][start]
            for competitor in (name for name in configs if name != MODEL):
                reference = configs[competitor].get(start, configs[competitor].get(""))
                if (ours, reference) not in gaps:
                    gaps[ours, reference] = run_set.difference(ours, reference)
                gap = gaps[ours, reference]
                if gap is not None:
                    row = {"start": start, "value": value, "other": competitor, **gap._asdict()}
                    rows.append(row | {"verdict": gap.verdict})
    columns = ["start", "value", "other", *Difference._fields, "verdict"]
    return attribution.mark(pd.DataFrame(rows, columns=columns), run_set.source(_configs(gaps)))


def _columns(number: int, base: RunConfig) -> dict[float, list[RunConfig]]:
    field, values = grid.VARIED[number]
    return {value: [replace(run, **{field: value}) for run in grid.row(base)] for value in values}


def _configs(pairs: Iterable[tuple[RunConfig, RunConfig]]) -> list[RunConfig]:
    return list(dict.fromkeys(itertools.chain(*pairs)))


def ranking(gaps: pd.DataFrame, number: int) -> str:
    """Return whether :func:`leads` supports "reweighted-RNN is best at every value", in words."""
    pairs = len(grid.VARIED[number][1]) * (len(grid.row(FULL)) - 1)
    return "\n".join(f"- {_ranking(gaps, start, pairs, number)}" for start in (REPORTED, BEST))


def _ranking(gaps: pd.DataFrame, start: str, pairs: int, number: int) -> str:
    rows = gaps[gaps["start"] == start]
    if rows.empty:
        return f"**{_upper(start)}: not tested.** None of the {pairs} comparisons has been run."
    ahead, full = (rows["verdict"] == "ahead").sum(), len(rows) == pairs
    worst = rows.loc[rows["mean"].idxmin()]
    behind = rows[rows["verdict"] != "ahead"]
    if behind.empty:
        firm = full and rows["seeds"].min() >= SEEDS
        word = "confirmed" if firm else f"confirmed so far ({ahead} of {pairs} comparisons)"
    else:
        word = "mixed" if ahead else "refuted" if (rows["verdict"] == "behind").all() else "open"
    axis = NAMES[grid.VARIED[number][0]]
    text = f"**{_upper(start)}: {word}.** reweighted-RNN is ahead in {ahead} of the {len(rows)} "
    text += f"comparisons that were run ({pairs} in the whole table). Its smallest lead is "
    text += f"{signed(worst['mean'])} dB [{signed(worst['low'])}, {signed(worst['high'])}], over "
    text += f"{title(worst['other'])} at {axis} {worst['value']:g} ({_seeds(worst['seeds'])})"
    places = [f"{title(row.other)} at {axis} {row.value:g}" for row in behind.itertuples()]
    return text + (f"; it is not ahead of {_listing(places)}." if places else ".")


def steps(run_set: RunSet, number: int, base: RunConfig = FULL) -> pd.DataFrame:
    """Return the gain of each network from value to value along a table, one row per existing step.

    A step goes from one value to the next one that was run. Columns: model, start, low_value,
    high_value, mean, low, high (dB, averaged by sequence), seeds, sequences, verdict ("rises",
    "falls" or "undecided"), paper (the paper's step in dB, NaN if a value is lost).
    """
    run_set, rows, used = trained_runs(run_set), [], []
    cells = results.paper_cells().query("table == @number")
    paper = {(model.lower(), value): psnr for model, value, psnr in
             zip(cells["model"], cells["value"], cells["psnr_db"], strict=True)}  # fmt: skip
    table_rows = zip(*_columns(number, base).values(), strict=True)
    values, words = grid.VARIED[number][1], {"ahead": "rises", "behind": "falls"}
    for runs in table_rows:
        model = runs[0].model
        for start in paper_tables.starts_of(model):
            configs = (paper_tables.starts(run_set, run)[start] for run in runs)
            config_at = dict(zip(values, configs, strict=True))
            run_values = [value for value in values if len(run_set.at(config_at[value]))]
            for low, high in itertools.pairwise(run_values):
                gap = run_set.difference(config_at[high], config_at[low])
                if gap is None:
                    continue
                used += [config_at[low], config_at[high]]
                step = {"model": model, "start": start, "low_value": low, "high_value": high}
                step |= gap._asdict() | {"verdict": words.get(gap.verdict, "undecided")}
                step["paper"] = paper[model, high] - paper[model, low]
                rows.append(step)
    names = ["model", "start", "low_value", "high_value", *Difference._fields, "verdict", "paper"]
    return attribution.mark(pd.DataFrame(rows, columns=names), run_set.source(used), cells)


def trend(gains: pd.DataFrame) -> pd.DataFrame:
    """Return the counts of :func:`steps`, one row per network and initialisation with any step.

    "total" is the gain in dB from the first existing value to the last, averaged by sequence.
    """
    rows = {}
    for (model, start), group in gains.groupby(["model", "start"], sort=False):
        count = group["verdict"].value_counts()
        pairs = group.dropna(subset="paper")
        row = {"steps run": len(group)}
        row |= {word: int(count.get(word, 0)) for word in ("rises", "falls", "undecided")}
        row["direction as in the paper"] = f"{_matches(pairs)} of {len(pairs)}"
        row["total (dB)"] = signed(group["mean"].sum())
        paper = signed(group["paper"].sum()) if len(pairs) == len(group) else "–"
        row["total in the paper (dB)"] = paper
        low, high = group["seeds"].min(), group["seeds"].max()
        rows[label(model, start)] = row | {"seeds": f"{low}" if low == high else f"{low}–{high}"}
    return attribution.mark(pd.DataFrame(rows).T, gains)


def _matches(group: pd.DataFrame) -> int:
    return int(((group["mean"] > 0) == (group["paper"] > 0)).sum())


def describe_trend(gains: pd.DataFrame, number: int) -> str:
    """Return a sentence on whether the steps along a table have the direction of the paper's."""
    axis = {1: "CS rate", 2: "width", 3: "depth"}[number]
    pairs = gains.dropna(subset="paper")
    if pairs.empty:
        return f"**The trend with {axis}: not tested.** No network has been run at two values."
    starts = [REPORTED, BEST] if pairs["start"].ne("").any() else [""]
    parts = []
    for start in starts:
        group = pairs[pairs["start"].isin(["", start])]
        suffix = f" with λ {start}" if start else ""
        parts.append(f"{_matches(group)} of {len(group)} steps{suffix}")
    match = _matches(pairs)
    word = "confirmed so far" if match == len(pairs) else "mixed" if match else "refuted"
    rows = sum(len(paper_tables.starts_of(run.model)) for run in grid.row(FULL))
    if len(gains) == rows * (len(grid.VARIED[number][1]) - 1) and gains["seeds"].min() >= SEEDS:
        word = word.removesuffix(" so far")
    return (
        f"**The trend with {axis}: {word}.** PSNR changes in the direction that the paper reports "
        f"in {_listing(parts)}, counting the steps that were run and whose values are known."
    )


def finding(cells: pd.DataFrame, ours: pd.DataFrame, levels: pd.DataFrame) -> str:
    """Return the findings of the figure of a table, in sentences.

    ``cells``: rows of :func:`companion.reproduction.paper_tables.compare_with_paper`; ``ours``: of
    `paper_tables.run_cells`; ``levels``: of `paper_tables.baselines`.
    """
    linear = levels[levels["level"] == "PCA"].set_index("value")["psnr"]
    paper = cells.drop_duplicates(["model", "value"]).dropna(subset="psnr_db")
    above = (paper["psnr_db"] > paper["value"].map(linear) + AGREES).sum()
    low, high = linear.min(), linear.max()
    level = f"{low:.2f} dB" if low == high else f"{low:.2f} to {high:.2f} dB"
    text = f"Of the {len(paper)} values that the paper reports, {above} are more than {AGREES} dB "
    text += f"above the best linear reconstruction ({level})"
    first = paper.loc[paper.groupby("value")["psnr_db"].idxmax(), "model"]
    text += f", and {_winners(first)}."
    done = ours[ours["runs"] > 0]
    if done.empty:
        return f"{text} None of our cells has been run yet."
    best = done[done["start"] != REPORTED]
    over = (best["ours"] > best["value"].map(linear) + AGREES).sum()
    first = best.loc[best.groupby("value")["ours"].idxmax(), "model"]
    text += f" Of our {len(best)} cells that were run, as well as we can, {over} are, and "
    return f"{text}{_winners(first)}."


def _winners(models: pd.Series) -> str:
    count = models.map(title).value_counts()
    parts = [f"{name} is the best at {number}" for name, number in count.items()]
    return f"{_listing(parts)} of {len(models)} values"


def verdict_counts(cells: pd.DataFrame) -> str:
    """Return the number of cells of one table with each verdict, for both initialisations.

    ``cells``: rows of `paper_tables.compare_with_paper` or `paper_tables.run_cells`.
    """
    counts_of_start = {}
    for start, opposite in ((REPORTED, BEST), (BEST, REPORTED)):
        rows = cells[cells["start"] != opposite]
        words = rows["verdict"].map(lambda word: paper_tables.SYMBOLS.get(word, f"  {word}")[2:])
        words = words.replace({"agrees": "agree", "run": "were run"})
        if "status" in rows:
            words = words.mask(paper_tables.is_garbled(rows), "garbled in the source")
        listing = (f"{number} {word}" for word, number in words.value_counts().items())
        counts_of_start[start] = ", ".join(listing)
    if counts_of_start[REPORTED] == counts_of_start[BEST]:
        listing = counts_of_start[BEST]
    else:
        listing = "; ".join(f"with λ {start}, {words}" for start, words in counts_of_start.items())
    pairs = cells.query("pairs > 0 and start == @BEST")
    count = len(cells.drop_duplicates(["model", "value"]))
    text = f"Of {count} cells: {listing}. Most seeds in a cell: {cells['runs'].max()}."
    if len(pairs):
        low, high = pairs["pairs"].min(), pairs["pairs"].max()
        span = f"{low}" if low == high else f"{low} to {high}"
        text += (
            f" In the cells that were run, λ is selected from {span} of {len(grid.STARTS)} pairs "
        )
        text += "so far."
    return text


# Small runs ---------------------------------------------------------------------------------------


def run_conditions(small: pd.DataFrame) -> str:
    """Return a sentence on the conditions of small runs: data, scale, hardware, time, failures.

    ``small``: one row per run, as in :meth:`unfolded.runs.records.Record.row`.
    """
    first, failed = small.iloc[0], small[small["status"] != "done"]
    names = _listing(sorted({title(name) for name in failed["model"]})) if len(failed) else "none"
    return (
        f"Data `{first['source']}`, protocol `{first['protocol']}`, profile `{first['profile']}`, "
        f"{_seeds(small['seed'].nunique())}, on {first['device']}: {first['processor']}, commit "
        f"`{first['commit']}`. Training took {small['seconds'].sum() / 60:.1f} minutes of one "
        f"core. Failed runs: {names}."
    )


def ranges(cells: pd.DataFrame) -> str:
    """Return the range of the PSNR of each network along a table, in words."""
    parts = []
    for model, rows in cells[cells["runs"] > 0].groupby("model", sort=False):
        ends = rows.sort_values("value")["ours"].iloc[[0, -1]]
        parts.append(f"{title(model)} {ends.iloc[0]:.1f} to {ends.iloc[1]:.1f} dB")
    return "; ".join(parts) or "no network trained"


def counts(run_set: RunSet, number: int, base: RunConfig) -> pd.DataFrame:
    """Return the number of small run pairs in which reweighted-RNN leads, by kind of network.

    Runs that did not train are omitted.
    """
    trained_set = trained_runs(run_set, linear_baseline.mean_frame_psnr(base))
    gaps = compare_with_all(trained_set, number, base).query("verdict != 'not run'")
    kinds = {True: "against unfolded networks", False: "against stacked networks"}
    pair_kinds = gaps["other"].isin(grid.UNFOLDED).map(kinds)
    table = pd.crosstab(pair_kinds, gaps["verdict"]).rename_axis(index=None, columns=None)
    return attribution.mark(table, gaps)


# The account --------------------------------------------------------------------------------------


def account(cells: pd.DataFrame) -> str:
    """Return a summary of agreement, differences and their reasons, in Markdown.

    ``cells``: `paper_tables.compare_with_paper`. Levels and differences use the averaging of
    these cells. All numbers are computed; without a run, a sentence states this.
    """
    count = len(cells.drop_duplicates(["table", "model", "value"]))
    rows = cells[cells["start"].ne(BEST) & cells["runs"].gt(0)]
    pairs = rows[rows["psnr_db"].notna()]
    if pairs.empty:
        return f"**How closely it matches.** None of the paper's {count} cells has been run."
    parts = [_closeness(pairs, count), _differences(pairs), _linear(cells), _initial(cells)]
    parts.append(_failures(cells))
    return "\n\n".join(part for part in parts if part)


def summary(cells: pd.DataFrame) -> str:
    """Return a sentence or two on the number of agreeing cells and the best network of Table 2."""
    count = len(cells.drop_duplicates(["table", "model", "value"]))
    rows = cells[cells["start"].ne(BEST) & cells["runs"].gt(0)]
    if rows.empty:
        return f"None of the paper's {count} cells has been run at full scale."
    agree = rows["verdict"].eq("agrees").sum()
    table = cells[cells["table"].eq(2) & cells["start"].ne(REPORTED) & cells["runs"].gt(0)]
    text = f"{len(rows)} of the paper's {count} cells have been run at full scale; with λ "
    text += f"initialised as reported, {agree} of these agree with the paper."
    if len(table):
        first = table.loc[table.groupby("value")["ours"].idxmax(), "model"]
        text += f" As well as we can, {_winners(first)} of Table 2 that were run."
    return text


def averagings(run_set: RunSet) -> pd.DataFrame:
    """Return the number of cells that agree with the paper, one row per averaging of PSNR."""
    rows = {}
    for average in metrics.AVERAGES:
        cells = paper_tables.compare_with_paper(run_set, average=average)
        matched = cells[cells["start"].ne(BEST) & cells["runs"].gt(0)].dropna(subset="psnr_db")
        gap = matched["difference"]
        rows[AVERAGINGS[average]] = {
            "cells compared": f"{len(matched)}",
            "agree": f"{matched['verdict'].eq('agrees').sum()}",
            "median difference (dB)": signed(gap.median()) if len(gap) else "–",
            "median absolute difference (dB)": f"{gap.abs().median():.2f}" if len(gap) else "–",
        }
    return attribution.mark(pd.DataFrame(rows).T, paper_tables.full_scale(run_set.runs))


AVERAGINGS = {
    "authors": "as the authors' earlier code averages",
    "frame": "by frame",
    "sequence": "by sequence",
    "global": "over all pixels",
}
"""The names of the PSNR averagings."""


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
    text = (
        f"In {len(constant)} of these {len(table)} runs the learning rate was never reduced, and in"
    )
    text += f" {late} the least validation error is in the last twentieth of the epochs: for them "
    text += "the number of epochs is a budget, not the end of training."
    reduced = table[table["reductions"] > 0]
    ordered = reduced.sort_values("reductions", ascending=False)
    parts = [f"{row.network} ({row.reductions} times)" for row in ordered.itertuples()]
    return text + (f" It was reduced for {_listing(parts)}." if parts else "")


def missing_networks(run_set: RunSet, base: RunConfig) -> str:
    """Return a sentence on the networks of a row without any run."""
    names = [title(run.model) for run in grid.row(base)
             if not any(len(run_set.at(start)) for start in grid.starts(run).values())]  # fmt: skip
    return f"Not run yet: {', '.join(names)}." if names else "All nine networks have been run."


def run_label(run) -> str:
    """Return the name of a run's network, with the initial λ for an unfolded network."""
    name = title(run.model)
    if run.model not in grid.UNFOLDED:
        return name
    return f"{name}, λ from {run.lambda1:g}, {run.lambda2:g}"


def _closeness(rows: pd.DataFrame, count: int) -> str:
    agree = rows["verdict"] == "agrees"
    parts = [f"{words.eq('agrees').sum()} of {len(words)} at {NAMES[varied]} {value:g}"
          for (varied, value), words in rows.groupby(["varies", "value"])["verdict"]]  # fmt: skip
    low, high = rows["runs"].min(), rows["runs"].max()
    span = _seeds(low) if low == high else f"{low:.0f} to {high:.0f} seeds"
    return (
        f"**How closely it matches.** {len(rows)} of the paper's {count} cells have been run at "
        f"full scale ({span} each). With λ initialised as reported, {agree.sum()} of these "
        f"{len(rows)} agree with the paper, within {AGREES} dB or within our interval over "
        f"{SEEDS} seeds: {_listing(parts, 12)}. The median absolute difference is "
        f"{rows['difference'].abs().median():.2f} dB."
    )


def _differences(rows: pd.DataFrame) -> str:
    wrong = rows[rows["verdict"] != "agrees"]
    if wrong.empty:
        return "**Where it does not.** No cell that was run differs from the paper."
    wrong = wrong.sort_values("difference", key=abs, ascending=False)
    places = [f"{_place(cell)} ({signed(cell.difference)} dB)" for cell in wrong.itertuples()]
    return f"**Where it does not.** The paper's value is not reproduced for {_listing(places)}."


def _linear(cells: pd.DataFrame) -> str:
    """State which values, of the paper and ours, are at the best linear reconstruction."""
    rows = cells[cells["start"].ne(BEST)]
    level = pd.Series([_level(cell) for cell in rows.itertuples()], rows.index)
    narrow = rows["varies"].eq("hidden") & rows["value"].eq(128)
    near = (rows["psnr_db"] - level).abs() <= AGREES
    text = "**Why: the linear level.** The best linear reconstruction from as many measurements "
    text += f"(PCA, {FULL.n} components) reaches {_level_of(FULL.cs_rate):.2f} dB. At h = 128, "
    text += f"{(near & narrow).sum()} of the paper's {narrow.sum()} values are within {AGREES} dB "
    text += "of it"
    at_level = rows["runs"].gt(0) & ((rows["ours"] - level).abs() <= AGREES)
    lower = rows[at_level & (rows["psnr_db"] - level > AGREES) & rows["verdict"].eq("lower")]
    done = rows["runs"].gt(0)
    text += f"; of our {done.sum()} cells, {at_level.sum()} are." if done.any() else "."
    if len(lower):
        places = [_place(cell) for cell in lower.itertuples()]
        text += " Our runs do not get past it, and the paper's value is higher, for "
        text += f"{_listing(places)}."
    return text


def _level_of(rate: float) -> float:
    return linear_baseline.level(cs_rate=rate)


def _level(cell) -> float:
    return _level_of(cell.value if cell.varies == "cs_rate" else FULL.cs_rate)


def _initial(cells: pd.DataFrame) -> str:
    """State the effect of selecting the initial λ on validation data."""
    place = ["table", "model", "value"]
    tables = [cells[cells["start"].eq(start) & cells["runs"].gt(0)].set_index(place)
             for start in (REPORTED, BEST)]  # fmt: skip
    ends = {"left_index": True, "right_index": True, "suffixes": ("", "_best")}
    joined = tables[0].merge(tables[1], **ends)
    pairs = joined[joined["pairs_best"] > 1]
    if pairs.empty:
        return ""
    gain = pairs["ours_best"] - pairs["ours"]
    count = (pairs["lambda1_best"] != pairs["lambda1"]).sum()
    pair = ", ".join(f"{value:g}" for value in grid.AS_REPORTED)
    text = f"**Why: the initial λ.** As reported means λ1, λ2 = {pair}. In {len(pairs)} cells of "
    text += f"unfolded networks more than one pair has been run; in {count} of them another pair "
    text += f"has the least validation error. Selecting it changes PSNR by {signed(gain.min())} to "
    text += f"{signed(gain.max())} dB."
    return text + "".join(_lead(tables, value) for value in _widths(tables))


def _widths(tables: list[pd.DataFrame]) -> list[float]:
    """Return the widths at which both networks ran from several pairs."""
    best = tables[1].reset_index().query("table == 2 and pairs > 1")
    count = best[best["model"].isin(["reweighted-RNN", "l1-l1-RNN"])]["value"].value_counts()
    return sorted(count.index[count == 2])


def _lead(tables: list[pd.DataFrame], value: float) -> str:
    ours, competitor = ((2, name, value) for name in ("reweighted-RNN", "l1-l1-RNN"))
    if any(key not in table.index for table in tables for key in (ours, competitor)):
        return ""
    reported, best = (table.at[ours, "ours"] - table.at[competitor, "ours"] for table in tables)
    paper = tables[0].at[ours, "psnr_db"] - tables[0].at[competitor, "psnr_db"]
    return (
        f" At h = {value:g} reweighted-RNN leads ℓ1-ℓ1-RNN by {paper:.2f} dB in the paper, by "
        f"{reported:.2f} dB as reported and by {best:.2f} dB as well as we can."
    )


def _failures(cells: pd.DataFrame) -> str:
    untrained = cells[cells["start"].ne(BEST) & cells["verdict"].eq("did not train")]
    if untrained.empty:
        return ""
    places = _listing([_place(cell) for cell in untrained.itertuples()])
    return (
        f"**Did not train.** {places}: the result is within {linear_baseline.DID_NOT_TRAIN} dB of "
        "the mean frame, so it enters no comparison."
    )


def _place(cell) -> str:
    return f"{title(cell.model)} at {NAMES[cell.varies]} {cell.value:g}"


def _listing(words: list[str], limit: int = _MANY) -> str:
    """Return words as a list in a sentence; a long list is cut, with the number of the others."""
    if len(words) > limit:
        return f"{', '.join(words[:limit])}, and {len(words) - limit} more"
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


def _seeds(count: float) -> str:
    return f"{count:.0f} seed{'' if count == 1 else 's'}"


def _upper(words: str) -> str:
    return words[0].upper() + words[1:]
