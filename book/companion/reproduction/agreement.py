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
from companion.run_set import Difference, RunSet, against_all
from unfolded import metrics
from unfolded.runs import grid
from unfolded.runs.config import RunConfig

_MANY = 6
"""Maximum number of cells that a sentence lists by name."""

MODEL = "reweighted-rnn"


def trained(found: RunSet, floor: float | None = None) -> RunSet:
    """Return the run set without the runs that did not train.

    ``floor``: the PSNR of the mean frame in dB, if it is not committed.
    """
    if floor is None:
        untrained = linear_baseline.did_not_train(found.runs)
    else:
        untrained = found.runs["psnr_authors"] <= floor + linear_baseline.DID_NOT_TRAIN
    return replace(found, runs=found.runs[~untrained])


# Ranking and trend --------------------------------------------------------------------------------


def leads(found: RunSet, number: int, base: RunConfig = FULL) -> pd.DataFrame:
    """Return the lead of reweighted-RNN over each other network in each cell of a table.

    Both networks of a pair are initialised in the same way, "as reported" or "as well as we can",
    and compared on the same test sequences with the same seeds. Columns: start, value, other,
    mean, low, high (dB, averaged by sequence), seeds, sequences, verdict; pairs without runs are
    omitted.
    """
    found, known, rows = trained(found), {}, []
    for value, runs in _columns(number, base).items():
        every = {run.model: paper_tables.starts(found, run) for run in runs}
        for start in (REPORTED, BEST):
            ours = every[MODEL][start]
            for other in (name for name in every if name != MODEL):
                theirs = every[other].get(start, every[other].get(""))
                if (ours, theirs) not in known:
                    known[ours, theirs] = found.difference(ours, theirs)
                gap = known[ours, theirs]
                if gap is not None:
                    row = {"start": start, "value": value, "other": other, **gap._asdict()}
                    rows.append(row | {"verdict": gap.verdict})
    columns = ["start", "value", "other", *Difference._fields, "verdict"]
    return attribution.mark(pd.DataFrame(rows, columns=columns), found.source(_used(known)))


def _columns(number: int, base: RunConfig) -> dict[float, list[RunConfig]]:
    field, values = grid.VARIED[number]
    return {value: [replace(run, **{field: value}) for run in grid.row(base)] for value in values}


def _used(pairs: Iterable[tuple[RunConfig, RunConfig]]) -> list[RunConfig]:
    return list(dict.fromkeys(itertools.chain(*pairs)))


def ranking(gaps: pd.DataFrame, number: int) -> str:
    """Return whether :func:`leads` supports "reweighted-RNN is best at every value", in words."""
    pairs = len(grid.VARIED[number][1]) * (len(grid.row(FULL)) - 1)
    return "\n".join(f"- {_ranked(gaps, start, pairs, number)}" for start in (REPORTED, BEST))


def _ranked(gaps: pd.DataFrame, start: str, pairs: int, number: int) -> str:
    own = gaps[gaps["start"] == start]
    if own.empty:
        return f"**{_upper(start)}: not tested.** None of the {pairs} comparisons has been run."
    ahead, whole = (own["verdict"] == "ahead").sum(), len(own) == pairs
    least = own.loc[own["mean"].idxmin()]
    behind = own[own["verdict"] != "ahead"]
    if behind.empty:
        sure = whole and own["seeds"].min() >= SEEDS
        word = "confirmed" if sure else f"confirmed so far ({ahead} of {pairs} comparisons)"
    else:
        word = "mixed" if ahead else "refuted" if (own["verdict"] == "behind").all() else "open"
    at = NAMES[grid.VARIED[number][0]]
    said = f"**{_upper(start)}: {word}.** reweighted-RNN is ahead in {ahead} of the {len(own)} "
    said += f"comparisons that were run ({pairs} in the whole table). Its smallest lead is "
    said += f"{signed(least['mean'])} dB [{signed(least['low'])}, {signed(least['high'])}], over "
    said += f"{title(least['other'])} at {at} {least['value']:g} ({_seeds(least['seeds'])})"
    places = [f"{title(row.other)} at {at} {row.value:g}" for row in behind.itertuples()]
    return said + (f"; it is not ahead of {_listed(places)}." if places else ".")


def steps(found: RunSet, number: int, base: RunConfig = FULL) -> pd.DataFrame:
    """Return the gain of each network from value to value along a table, one row per existing step.

    A step goes from one value to the next one that was run. Columns: model, start, low_value,
    high_value, mean, low, high (dB, averaged by sequence), seeds, sequences, verdict ("rises",
    "falls" or "undecided"), paper (the paper's step in dB, NaN if a value is lost).
    """
    found, rows, used = trained(found), [], []
    cells = results.printed().query("table == @number")
    paper = {(model.lower(), value): psnr for model, value, psnr in
             zip(cells["model"], cells["value"], cells["psnr_db"], strict=True)}  # fmt: skip
    along = zip(*_columns(number, base).values(), strict=True)
    values, words = grid.VARIED[number][1], {"ahead": "rises", "behind": "falls"}
    for runs in along:
        model = runs[0].model
        for start in paper_tables.starts_of(model):
            own = (paper_tables.starts(found, run)[start] for run in runs)
            each = dict(zip(values, own, strict=True))
            ran = [value for value in values if len(found.at(each[value]))]
            for low, high in itertools.pairwise(ran):
                gap = found.difference(each[high], each[low])
                if gap is None:
                    continue
                used += [each[low], each[high]]
                step = {"model": model, "start": start, "low_value": low, "high_value": high}
                step |= gap._asdict() | {"verdict": words.get(gap.verdict, "undecided")}
                step["paper"] = paper[model, high] - paper[model, low]
                rows.append(step)
    names = ["model", "start", "low_value", "high_value", *Difference._fields, "verdict", "paper"]
    return attribution.mark(pd.DataFrame(rows, columns=names), found.source(used), cells)


def trend(found: pd.DataFrame) -> pd.DataFrame:
    """Return the counts of :func:`steps`, one row per network and initialisation with any step.

    "total" is the gain in dB from the first existing value to the last, averaged by sequence.
    """
    rows = {}
    for (model, start), own in found.groupby(["model", "start"], sort=False):
        count = own["verdict"].value_counts()
        known = own.dropna(subset="paper")
        row = {"steps run": len(own)}
        row |= {word: int(count.get(word, 0)) for word in ("rises", "falls", "undecided")}
        row["direction as in the paper"] = f"{_same(known)} of {len(known)}"
        row["total (dB)"] = signed(own["mean"].sum())
        paper = signed(own["paper"].sum()) if len(known) == len(own) else "–"
        row["total in the paper (dB)"] = paper
        few, most = own["seeds"].min(), own["seeds"].max()
        rows[label(model, start)] = row | {"seeds": f"{few}" if few == most else f"{few}–{most}"}
    return attribution.mark(pd.DataFrame(rows).T, found)


def _same(known: pd.DataFrame) -> int:
    return int(((known["mean"] > 0) == (known["paper"] > 0)).sum())


def trend_told(found: pd.DataFrame, number: int) -> str:
    """Return a sentence on whether the steps along a table have the direction of the paper's."""
    what = {1: "CS rate", 2: "width", 3: "depth"}[number]
    known = found.dropna(subset="paper")
    if known.empty:
        return f"**The trend with {what}: not tested.** No network has been run at two values."
    several = [REPORTED, BEST] if known["start"].ne("").any() else [""]
    told = []
    for start in several:
        own = known[known["start"].isin(["", start])]
        named = f" with λ {start}" if start else ""
        told.append(f"{_same(own)} of {len(own)} steps{named}")
    same = _same(known)
    word = "confirmed so far" if same == len(known) else "mixed" if same else "refuted"
    rows = sum(len(paper_tables.starts_of(run.model)) for run in grid.row(FULL))
    if len(found) == rows * (len(grid.VARIED[number][1]) - 1) and found["seeds"].min() >= SEEDS:
        word = word.removesuffix(" so far")
    return (
        f"**The trend with {what}: {word}.** PSNR changes in the direction that the paper "
        f"reports in {_listed(told)}, counting the steps that were run and whose values are known."
    )


def finding(cells: pd.DataFrame, own: pd.DataFrame, levels: pd.DataFrame) -> str:
    """Return the findings of the figure of a table, in sentences.

    ``cells``: rows of :func:`companion.reproduction.paper_tables.compare_with_paper`; ``own``: of
    `paper_tables.measured`; ``levels``: of `paper_tables.baselines`.
    """
    linear = levels[levels["level"] == "PCA"].set_index("value")["psnr"]
    paper = cells.drop_duplicates(["model", "value"]).dropna(subset="psnr_db")
    above = (paper["psnr_db"] > paper["value"].map(linear) + AGREES).sum()
    low, high = linear.min(), linear.max()
    level = f"{low:.2f} dB" if low == high else f"{low:.2f} to {high:.2f} dB"
    said = f"Of the {len(paper)} values that the paper reports, {above} are more than {AGREES} dB "
    said += f"above the best linear reconstruction ({level})"
    first = paper.loc[paper.groupby("value")["psnr_db"].idxmax(), "model"]
    said += f", and {_firsts(first)}."
    ran = own[own["runs"] > 0]
    if ran.empty:
        return f"{said} None of our cells has been run yet."
    best = ran[ran["start"] != REPORTED]
    over = (best["ours"] > best["value"].map(linear) + AGREES).sum()
    first = best.loc[best.groupby("value")["ours"].idxmax(), "model"]
    said += f" Of our {len(best)} cells that were run, as well as we can, {over} are, and "
    return f"{said}{_firsts(first)}."


def _firsts(models: pd.Series) -> str:
    count = models.map(title).value_counts()
    told = [f"{name} is the best at {number}" for name, number in count.items()]
    return f"{_listed(told)} of {len(models)} values"


def counted(cells: pd.DataFrame) -> str:
    """Return the number of cells of one table with each verdict, for both initialisations.

    ``cells``: rows of `paper_tables.compare_with_paper` or `paper_tables.measured`.
    """
    told = {}
    for start, other in ((REPORTED, BEST), (BEST, REPORTED)):
        own = cells[cells["start"] != other]
        words = own["verdict"].map(lambda word: paper_tables.SYMBOLS.get(word, f"  {word}")[2:])
        words = words.replace({"agrees": "agree", "run": "were run"})
        if "status" in own:
            words = words.mask(paper_tables.garbled(own), "garbled in the source")
        listed = (f"{number} {word}" for word, number in words.value_counts().items())
        told[start] = ", ".join(listed)
    if told[REPORTED] == told[BEST]:
        listed = told[BEST]
    else:
        listed = "; ".join(f"with λ {start}, {words}" for start, words in told.items())
    several = cells.query("pairs > 0 and start == @BEST")
    count = len(cells.drop_duplicates(["model", "value"]))
    said = f"Of {count} cells: {listed}. Most seeds in a cell: {cells['runs'].max()}."
    if len(several):
        few, most = several["pairs"].min(), several["pairs"].max()
        of = f"{few}" if few == most else f"{few} to {most}"
        said += f" In the cells that were run, λ is selected from {of} of {len(grid.STARTS)} pairs "
        said += "so far."
    return said


# Small runs ---------------------------------------------------------------------------------------


def made(small: pd.DataFrame) -> str:
    """Return a sentence on the conditions of small runs: data, scale, hardware, time, failures.

    ``small``: one row per run, as in :meth:`unfolded.runs.records.Record.row`.
    """
    first, failed = small.iloc[0], small[small["status"] != "done"]
    names = _listed(sorted({title(name) for name in failed["model"]})) if len(failed) else "none"
    return (
        f"Data `{first['source']}`, protocol `{first['protocol']}`, profile `{first['profile']}`, "
        f"{_seeds(small['seed'].nunique())}, on {first['device']}: {first['processor']}, commit "
        f"`{first['commit']}`. Training took {small['seconds'].sum() / 60:.1f} minutes of one "
        f"core. Failed runs: {names}."
    )


def ranges(cells: pd.DataFrame) -> str:
    """Return the range of the PSNR of each network along a table, in words."""
    told = []
    for model, own in cells[cells["runs"] > 0].groupby("model", sort=False):
        ends = own.sort_values("value")["ours"].iloc[[0, -1]]
        told.append(f"{title(model)} {ends.iloc[0]:.1f} to {ends.iloc[1]:.1f} dB")
    return "; ".join(told) or "no network trained"


def counts(found: RunSet, number: int, base: RunConfig) -> pd.DataFrame:
    """Return the number of small run pairs in which reweighted-RNN leads, by kind of network.

    Runs that did not train are omitted.
    """
    there = trained(found, linear_baseline.mean_frame_psnr(base))
    gaps = against_all(there, number, base).query("verdict != 'not run'")
    kinds = {True: "against unfolded networks", False: "against stacked networks"}
    over = gaps["other"].isin(grid.UNFOLDED).map(kinds)
    table = pd.crosstab(over, gaps["verdict"]).rename_axis(index=None, columns=None)
    return attribution.mark(table, gaps)


# The account --------------------------------------------------------------------------------------


def account(cells: pd.DataFrame) -> str:
    """Return a summary of agreement, differences and their reasons, in Markdown.

    ``cells``: `paper_tables.compare_with_paper`. Levels and differences use the averaging of
    these cells. All numbers are computed; without a run, a sentence states this.
    """
    count = len(cells.drop_duplicates(["table", "model", "value"]))
    own = cells[cells["start"].ne(BEST) & cells["runs"].gt(0)]
    known = own[own["psnr_db"].notna()]
    if known.empty:
        return f"**How closely it matches.** None of the paper's {count} cells has been run."
    parts = [_how_closely(known, count), _where_not(known), _linear(cells), _initial(cells)]
    parts.append(_untrained(cells))
    return "\n\n".join(part for part in parts if part)


def summary(cells: pd.DataFrame) -> str:
    """Return a sentence or two on the number of agreeing cells and the best network of Table 2."""
    count = len(cells.drop_duplicates(["table", "model", "value"]))
    own = cells[cells["start"].ne(BEST) & cells["runs"].gt(0)]
    if own.empty:
        return f"None of the paper's {count} cells has been run at full scale."
    agree = own["verdict"].eq("agrees").sum()
    wide = cells[cells["table"].eq(2) & cells["start"].ne(REPORTED) & cells["runs"].gt(0)]
    said = f"{len(own)} of the paper's {count} cells have been run at full scale; with λ "
    said += f"initialised as reported, {agree} of these agree with the paper."
    if len(wide):
        first = wide.loc[wide.groupby("value")["ours"].idxmax(), "model"]
        said += f" As well as we can, {_firsts(first)} of Table 2 that were run."
    return said


def averagings(found: RunSet) -> pd.DataFrame:
    """Return the number of cells that agree with the paper, one row per averaging of PSNR."""
    rows = {}
    for average in metrics.AVERAGES:
        cells = paper_tables.compare_with_paper(found, average=average)
        own = cells[cells["start"].ne(BEST) & cells["runs"].gt(0)].dropna(subset="psnr_db")
        gap = own["difference"]
        rows[AVERAGINGS[average]] = {
            "cells compared": f"{len(own)}",
            "agree": f"{own['verdict'].eq('agrees').sum()}",
            "median difference (dB)": signed(gap.median()) if len(gap) else "–",
            "median absolute difference (dB)": f"{gap.abs().median():.2f}" if len(gap) else "–",
        }
    return attribution.mark(pd.DataFrame(rows).T, paper_tables.full_scale(found.runs))


AVERAGINGS = {
    "authors": "as the authors' earlier code averages",
    "frame": "by frame",
    "sequence": "by sequence",
    "global": "over all pixels",
}
"""The names of the PSNR averagings."""


def schedules(found: RunSet, runs: pd.DataFrame) -> pd.DataFrame:
    """Return when the learning rate of some runs was reduced, one row per run.

    ``runs``: rows of ``found.runs``. Columns: network, seed, reductions (how many), first reduction
    (epoch), final learning rate, best epoch (of the validation error).
    """
    rows = []
    for run in runs.itertuples():
        curve = found.curves[run.config_hash]
        rate = curve["learning_rate"].to_numpy()
        cut = [epoch + 1 for epoch in range(1, len(rate)) if rate[epoch] < rate[epoch - 1]]
        rows.append({
            "network": named(run), "seed": run.seed, "reductions": len(cut),
            "first reduction (epoch)": f"{cut[0]}" if cut else "–",
            "final learning rate": f"{rate[-1]:.2g}",
            "best epoch": int(curve["validation_mse"].argmin()) + 1, "epochs": len(rate),
        })  # fmt: skip
    return attribution.mark(pd.DataFrame(rows), runs)


def converged(table: pd.DataFrame) -> str:
    """Return the result of :func:`schedules` in a sentence."""
    if table.empty:
        return "None of these networks has been run yet."
    never = table[table["reductions"] == 0]
    late = (table["best epoch"] > 0.95 * table["epochs"]).sum()
    said = f"In {len(never)} of these {len(table)} runs the learning rate was never reduced, and in"
    said += f" {late} the least validation error is in the last twentieth of the epochs: for them "
    said += "the number of epochs is a budget, not the end of training."
    cut = table[table["reductions"] > 0]
    most = cut.sort_values("reductions", ascending=False)
    told = [f"{row.network} ({row.reductions} times)" for row in most.itertuples()]
    return said + (f" It was reduced for {_listed(told)}." if told else "")


def missing(found: RunSet, base: RunConfig) -> str:
    """Return a sentence on the networks of a row without any run."""
    names = [title(run.model) for run in grid.row(base)
             if not any(len(found.at(each)) for each in grid.starts(run).values())]  # fmt: skip
    return f"Not run yet: {', '.join(names)}." if names else "All nine networks have been run."


def named(run) -> str:
    """Return the name of a run's network, with the initial λ for an unfolded network."""
    known = title(run.model)
    if run.model not in grid.UNFOLDED:
        return known
    return f"{known}, λ from {run.lambda1:g}, {run.lambda2:g}"


def _how_closely(known: pd.DataFrame, count: int) -> str:
    agree = known["verdict"] == "agrees"
    by = [f"{own.eq('agrees').sum()} of {len(own)} at {NAMES[varied]} {value:g}"
          for (varied, value), own in known.groupby(["varies", "value"])["verdict"]]  # fmt: skip
    few, most = known["runs"].min(), known["runs"].max()
    of = _seeds(few) if few == most else f"{few:.0f} to {most:.0f} seeds"
    return (
        f"**How closely it matches.** {len(known)} of the paper's {count} cells have been run at "
        f"full scale ({of} each). With λ initialised as reported, {agree.sum()} of these "
        f"{len(known)} agree with the paper, within {AGREES} dB or within our interval over "
        f"{SEEDS} seeds: {_listed(by, 12)}. The median absolute difference is "
        f"{known['difference'].abs().median():.2f} dB."
    )


def _where_not(known: pd.DataFrame) -> str:
    wrong = known[known["verdict"] != "agrees"]
    if wrong.empty:
        return "**Where it does not.** No cell that was run differs from the paper."
    wrong = wrong.sort_values("difference", key=abs, ascending=False)
    places = [f"{_place(cell)} ({signed(cell.difference)} dB)" for cell in wrong.itertuples()]
    return f"**Where it does not.** The paper's value is not reproduced for {_listed(places)}."


def _linear(cells: pd.DataFrame) -> str:
    """State which values, of the paper and ours, are at the best linear reconstruction."""
    own = cells[cells["start"].ne(BEST)]
    level = pd.Series([_level(cell) for cell in own.itertuples()], own.index)
    narrow = own["varies"].eq("hidden") & own["value"].eq(128)
    near = (own["psnr_db"] - level).abs() <= AGREES
    said = "**Why: the linear level.** The best linear reconstruction from as many measurements "
    said += f"(PCA, {FULL.n} components) reaches {_level_of(FULL.cs_rate):.2f} dB. At h = 128, "
    said += f"{(near & narrow).sum()} of the paper's {narrow.sum()} values are within {AGREES} dB "
    said += "of it"
    stuck = own["runs"].gt(0) & ((own["ours"] - level).abs() <= AGREES)
    missed = own[stuck & (own["psnr_db"] - level > AGREES) & own["verdict"].eq("lower")]
    ran = own["runs"].gt(0)
    said += f"; of our {ran.sum()} cells, {stuck.sum()} are." if ran.any() else "."
    if len(missed):
        places = [_place(cell) for cell in missed.itertuples()]
        said += " Our runs do not get past it, and the paper's value is higher, for "
        said += f"{_listed(places)}."
    return said


def _level_of(rate: float) -> float:
    return linear_baseline.level(cs_rate=rate)


def _level(cell) -> float:
    return _level_of(cell.value if cell.varies == "cs_rate" else FULL.cs_rate)


def _initial(cells: pd.DataFrame) -> str:
    """State the effect of selecting the initial λ on validation data."""
    place = ["table", "model", "value"]
    sides = [cells[cells["start"].eq(start) & cells["runs"].gt(0)].set_index(place)
             for start in (REPORTED, BEST)]  # fmt: skip
    ends = {"left_index": True, "right_index": True, "suffixes": ("", "_best")}
    both = sides[0].merge(sides[1], **ends)
    several = both[both["pairs_best"] > 1]
    if several.empty:
        return ""
    gain = several["ours_best"] - several["ours"]
    other = (several["lambda1_best"] != several["lambda1"]).sum()
    pair = ", ".join(f"{value:g}" for value in grid.AS_REPORTED)
    said = f"**Why: the initial λ.** As reported means λ1, λ2 = {pair}. In {len(several)} cells of "
    said += f"unfolded networks more than one pair has been run; in {other} of them another pair "
    said += f"has the least validation error. Selecting it changes PSNR by {signed(gain.min())} to "
    said += f"{signed(gain.max())} dB."
    return said + "".join(_lead(sides, value) for value in _shared(sides))


def _shared(sides: list[pd.DataFrame]) -> list[float]:
    """Return the widths at which both networks ran from several pairs."""
    best = sides[1].reset_index().query("table == 2 and pairs > 1")
    count = best[best["model"].isin(["reweighted-RNN", "l1-l1-RNN"])]["value"].value_counts()
    return sorted(count.index[count == 2])


def _lead(sides: list[pd.DataFrame], value: float) -> str:
    ours, other = ((2, name, value) for name in ("reweighted-RNN", "l1-l1-RNN"))
    if any(key not in side.index for side in sides for key in (ours, other)):
        return ""
    reported, best = (side.at[ours, "ours"] - side.at[other, "ours"] for side in sides)
    paper = sides[0].at[ours, "psnr_db"] - sides[0].at[other, "psnr_db"]
    return (
        f" At h = {value:g} reweighted-RNN leads ℓ1-ℓ1-RNN by {paper:.2f} dB in the paper, by "
        f"{reported:.2f} dB as reported and by {best:.2f} dB as well as we can."
    )


def _untrained(cells: pd.DataFrame) -> str:
    own = cells[cells["start"].ne(BEST) & cells["verdict"].eq("did not train")]
    if own.empty:
        return ""
    places = _listed([_place(cell) for cell in own.itertuples()])
    return (
        f"**Did not train.** {places}: the result is within {linear_baseline.DID_NOT_TRAIN} dB of "
        "the mean frame, so it enters no comparison."
    )


def _place(cell) -> str:
    return f"{title(cell.model)} at {NAMES[cell.varies]} {cell.value:g}"


def _listed(words: list[str], most: int = _MANY) -> str:
    """Return words as a list in a sentence; a long list is cut, with the number of the others."""
    if len(words) > most:
        return f"{', '.join(words[:most])}, and {len(words) - most} more"
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


def _seeds(count: float) -> str:
    return f"{count:.0f} seed{'' if count == 1 else 's'}"


def _upper(words: str) -> str:
    return words[0].upper() + words[1:]
