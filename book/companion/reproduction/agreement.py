"""Ranking and trend of the tables of our runs, and the conditions of small runs.

The rules of the claims are in `claims.experiment_rules`; this module counts and has no verdicts;
`closeness` compares them with the paper's values. Runs that did not train are excluded.
"""

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import replace

import pandas as pd

from companion import attribution, results, statistics
from companion.labels import VERDICTS, counted, listing, signed, signed_interval, span, title
from companion.reproduction import linear_baseline, paper_tables
from companion.reproduction.paper_tables import BEST, FULL, NAMES, SUCCESSOR
from companion.reproduction.table_display import label
from companion.run_set import RunSet, compare_with_all
from companion.statistics import Difference
from unfolded.runs import grid
from unfolded.runs.config import RunConfig

MODEL = "reweighted-rnn"


# Ranking and trend --------------------------------------------------------------------------------


def leads(run_set: RunSet, number: int, base: RunConfig = FULL) -> pd.DataFrame:
    """Return the lead of reweighted-RNN over each other network in each cell of a table.

    Both networks of a pair are initialised in the same way, from the λ of the successor paper or
    from the best λ, and compared on the same test sequences with the same seeds. Columns: start,
    value, other, mean, low, high (dB, averaged by sequence), seeds, sequences, verdict (see
    :func:`_tested`; the comparisons from one initial λ are one family of tests); pairs without runs
    are omitted.
    """
    run_set, gaps, rows = run_set.trained, {}, []
    for value, runs in _columns(number, base).items():
        configs = {run.model: paper_tables.starts(run_set, run) for run in runs}
        for start in (SUCCESSOR, BEST):
            ours = configs[MODEL][start]
            for competitor in (name for name in configs if name != MODEL):
                reference = configs[competitor].get(start, configs[competitor].get(""))
                if (ours, reference) not in gaps:
                    gaps[ours, reference] = run_set.difference(ours, reference)
                gap = gaps[ours, reference]
                if gap is not None:
                    place = {"start": start, "value": value, "other": competitor}
                    rows.append(place | gap._asdict())
    table = pd.DataFrame(rows, columns=["start", "value", "other", *Difference._fields])
    families = [_tested(group, statistics.WORDS) for _, group in table.groupby("start", sort=False)]
    table = pd.concat(families) if families else _tested(table, statistics.WORDS)
    return attribution.mark(table, run_set.source(_configs(gaps)))


def _tested(gaps: pd.DataFrame, words: Mapping[bool | None, str]) -> pd.DataFrame:
    """Return a family of differences with a verdict each, corrected by Holm's method.

    ``words``: the words for "above zero", "below zero" and neither, as in `statistics.WORDS`.
    """
    significant = statistics.holm(gaps["p"]) <= statistics.LEVEL
    verdicts = [
        words[bool(mean > 0) if is_significant else None]
        for mean, is_significant in zip(gaps["mean"], significant, strict=True)
    ]
    return gaps.assign(verdict=pd.Series(verdicts, gaps.index, dtype=object))


def _columns(number: int, base: RunConfig) -> dict[float, list[RunConfig]]:
    field, values = grid.VARIED[number]
    return {value: [replace(run, **{field: value}) for run in grid.row(base)] for value in values}


def _configs(pairs: Iterable[tuple[RunConfig, RunConfig]]) -> list[RunConfig]:
    return list(dict.fromkeys(itertools.chain(*pairs)))


def ranking(gaps: pd.DataFrame, number: int) -> pd.DataFrame:
    """Count the comparisons of :func:`leads` by their verdict, one column per initialisation of λ.

    A comparison is that of reweighted-RNN with one other network at one value of the table. The
    claims on the ranking are judged in `claims.experiment_rules`.
    """
    pairs = len(grid.VARIED[number][1]) * (len(grid.row(FULL)) - 1)
    rows = {start: _ranking(gaps[gaps["start"] == start], pairs, number)
            for start in (SUCCESSOR, BEST)}  # fmt: skip
    return attribution.mark(pd.DataFrame(rows), gaps)


def _ranking(rows: pd.DataFrame, pairs: int, number: int) -> dict[str, str]:
    row = {"comparisons run": f"{len(rows)} of {pairs}"}
    row |= {word: f"{(rows['verdict'] == word).sum()}" for word in statistics.WORDS.values()}
    if rows.empty:
        return row | dict.fromkeys(("smallest lead (dB)", "over", "seeds"), "–")
    worst = rows.loc[rows["mean"].idxmin()]
    row["smallest lead (dB)"] = signed_interval(*worst[["mean", "low", "high"]])
    row["over"] = f"{title(worst['other'])}, {NAMES[grid.VARIED[number][0]]} {worst['value']:g}"
    return row | {"seeds": f"{worst['seeds']}"}


def steps(run_set: RunSet, number: int, base: RunConfig = FULL) -> pd.DataFrame:
    """Return the gain of each network from value to value along a table, one row per existing step.

    A step goes from one value to the next one that was run. Columns: model, start, low_value,
    high_value, mean, low, high (dB, averaged by sequence), seeds, sequences, verdict ("rises",
    "falls" or "undecided", all steps being one family of tests, see :func:`_tested`), authors
    (the step of the mean PSNR in the authors' averaging, dB), paper (the paper's step in dB, NaN if
    a value is lost).
    """
    run_set, rows, used = run_set.trained, [], []
    paper = results.paper_values(number)
    table_rows = zip(*_columns(number, base).values(), strict=True)
    values = grid.VARIED[number][1]
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
                means = [run_set.at(config_at[at])["psnr_authors"].mean() for at in (low, high)]
                step |= {"authors": means[1] - means[0]}
                printed = paper[model, high] - paper[model, low]
                rows.append(step | gap._asdict() | {"paper": printed})
    names = ["model", "start", "low_value", "high_value", *Difference._fields, "authors", "paper"]
    words = {True: "rises", False: "falls", None: "undecided"}
    table = _tested(pd.DataFrame(rows, columns=names), words)
    return attribution.mark(table, run_set.source(used), paper)


def trend(gains: pd.DataFrame) -> pd.DataFrame:
    """Return the counts of :func:`steps`, one row per network and initialisation with any step.

    The totals are gains in dB from the first existing value to the last: by sequence, like the
    steps, and in the authors' averaging, like the values of the paper.
    """
    rows = {}
    for (model, start), group in gains.groupby(["model", "start"], sort=False):
        count = group["verdict"].value_counts()
        pairs = group.dropna(subset="paper")
        row = {"steps run": len(group)}
        row |= {word: int(count.get(word, 0)) for word in ("rises", "falls", "undecided")}
        row["direction as in the paper"] = f"{_matches(pairs)} of {len(pairs)}"
        paper = signed(group["paper"].sum()) if len(pairs) == len(group) else "–"
        row |= {"total by sequence (dB)": signed(group["mean"].sum())}
        row |= {"total (dB)": signed(group["authors"].sum()), "total in the paper (dB)": paper}
        rows[label(model, start)] = row | {"seeds": span(group["seeds"])}
    return attribution.mark(pd.DataFrame(rows).T, gains)


def _matches(group: pd.DataFrame) -> int:
    """Return the number of steps of more than :data:`statistics.ALIKE` in the paper's direction."""
    same = (group["mean"] > 0) == (group["paper"] > 0)
    return int((same & (group["mean"].abs() > statistics.ALIKE)).sum())


def describe_trend(gains: pd.DataFrame, number: int) -> str:
    """Return a sentence on whether the steps along a table have the direction of the paper's."""
    axis = {1: "CS rate", 2: "width", 3: "depth"}[number]
    pairs = gains.dropna(subset="paper")
    if pairs.empty:
        return f"**The trend with {axis}** is not tested: no network has been run at two values."
    return (
        f"**The trend with {axis}.** PSNR changes in the direction that the paper reports, by more "
        f"than {statistics.ALIKE:g} dB, in {_matches(pairs)} of the {len(pairs)} steps that were "
        f"run and whose values are known (seeds in each step: {span(pairs['seeds'])})."
    )


def verdict_counts(cells: pd.DataFrame) -> pd.DataFrame:
    """Return the number of cells of one table by result, one row per initialisation of λ.

    ``cells``: rows of `paper_tables.compare_with_paper`.
    """
    rows = {}
    for start, opposite in ((SUCCESSOR, BEST), (BEST, SUCCESSOR)):
        start_cells = cells[cells["start"] != opposite]
        words = start_cells["verdict"].mask(paper_tables.is_garbled(start_cells), "lost")
        rows[start] = words.value_counts()
    counts = pd.DataFrame(rows).T.reindex(columns=list(VERDICTS))
    counts = counts.dropna(axis=1, how="all").fillna(0).astype(int)
    return attribution.mark(counts.rename(columns=VERDICTS), cells)


def selection(cells: pd.DataFrame) -> str:
    """Return from how many initial pairs the best λ are selected."""
    pairs = cells.query("pairs > 0 and start == @BEST")["pairs"]
    if pairs.empty:
        return "No initial λ has been selected, because no unfolded network has been run."
    count = f"{span(pairs)} of {len(grid.STARTS)}"
    return f"So far, the best λ is selected from {count} pairs in each cell."


# Small runs ---------------------------------------------------------------------------------------


def run_conditions(small: pd.DataFrame) -> str:
    """Return a sentence on the conditions of small runs: data, scale, hardware, time, failures.

    ``small``: one row per run, as in :meth:`unfolded.runs.records.Record.row`.
    """
    first, failed = small.iloc[0], small[small["status"] != "done"]
    names = listing(sorted({title(name) for name in failed["model"]})) if len(failed) else "none"
    seeds = counted(small["seed"].nunique(), "seed")
    return (
        f"Data `{first['source']}`, protocol `{first['protocol']}`, profile `{first['profile']}`, "
        f"{seeds}, on {first['device']}: {first['processor']}, commit "
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
    floor = linear_baseline.mean_frame_psnr(base)
    runs = run_set.runs[~linear_baseline.did_not_train(run_set.runs, floor)]
    gaps = compare_with_all(replace(run_set, runs=runs), number, base)
    gaps = gaps.query("verdict != 'not run'")
    kinds = {True: "against unfolded networks", False: "against stacked networks"}
    pair_kinds = gaps["other"].isin(grid.UNFOLDED).map(kinds)
    table = pd.crosstab(pair_kinds, gaps["verdict"]).rename_axis(index=None, columns=None)
    return attribution.mark(table, gaps)
