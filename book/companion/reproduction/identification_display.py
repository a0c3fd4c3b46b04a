"""Tables and sentences on the identification of the published experiment.

``cells``: rows of `identification.runs_by_filter`.
"""

from collections.abc import Mapping

import pandas as pd

from companion.attribution import mark
from companion.labels import (
    DIVERGED,
    NOT_RUN,
    UNTRAINED,
    counted,
    listing,
    pair,
    part_of,
    signed,
    span,
    title,
)
from companion.reproduction import identification
from companion.reproduction.paper_tables import AGREES
from unfolded import networks
from unfolded.runs import grid

_FRAMES = {
    "area": "the means of 4×4 blocks",
    "bilinear": "bilinear sampling",
    "antialiased": "a triangular filter",
}
"""What each filter does, in words."""

AGREEMENT = "≈"
"""Marks a difference of at most 0.5 dB."""


def finding(cells: pd.DataFrame, levels: Mapping[str, float]) -> str:
    """State in a sentence which filter agrees best with the paper.

    A network comes close to the paper if it does so from one of the initial λ that have run. This
    choice uses the values of the paper to identify a protocol: it is not a reproduction. The
    largest number of networks from the same initial λ is stated as well.
    """
    medians = identification.distances(cells, levels).sort_values()
    best = str(medians.index[0])
    rows = cells[cells["reduction"] == best]
    is_variant = rows["start"].str.startswith("variant")
    is_near = rows["difference"].abs() <= AGREES
    agrees = is_near[~is_variant].groupby(rows["model"]).any()
    by_start = is_near[~is_variant].groupby(rows["start"]).sum()
    same_start = int(by_start.get("", 0) + max(by_start.drop("", errors="ignore"), default=0))
    near = rows[is_variant & is_near & ~rows["model"].isin(agrees[agrees].index)]
    text = (
        f"At h = {cells.attrs['hidden']}, the paper's values are closest to `{best}` frames, which "
        f"are reduced by {_FRAMES[best]}: the median distance of the values from the best linear "
        f"reconstruction is {medians.iloc[0]:.2f} dB (other frames: at least "
        f"{medians.iloc[1]:.2f} dB). With these "
        f"frames, {agrees.sum()} of our {len(agrees)} networks are within {AGREES:g} "
        "dB of them (unfolded networks from at least one initial λ; from the same one, "
        f"{same_start}; seeds of each run: {span(rows.loc[~is_variant, 'seeds'])})."
    )
    if near.empty:
        return text
    names = [f"{title(row.model)} ({row.start})" for row in near.itertuples()]
    return f"{text} Variants of other networks are also within this distance: {listing(names)}."


def describe_filters(cells: pd.DataFrame, levels: Mapping[str, float]) -> str:
    """State the median difference of the stacked networks from the paper with each filter.

    ``levels``: filter -> the best linear reconstruction in dB.
    """
    rows = cells[cells["start"].eq("") & ~cells["untrained"]]
    parts = [
        f"{signed(group['difference'].median())} dB with `{name}` frames "
        f"({counted(len(group), 'network')}, linear level {levels[name]:.2f} dB)"
        for name, group in rows.groupby("reduction", sort=False)
    ]
    return f"Stacked networks that trained, median of ours minus the paper: {', '.join(parts)}."


def decisive_runs(cells: pd.DataFrame) -> pd.DataFrame:
    """Return the runs by filter as text, one row per network and pair of initial λ.

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
        row["seeds (area)"] = "–" if area is None else part_of(area["seeds"], area["excluded"])
        rows[_label(model, start)] = row
    return mark(pd.DataFrame(rows).T, cells)


def _level(row: pd.Series) -> str:
    return f"{row['ours']:.2f}" + f" ({UNTRAINED})" * bool(row["untrained"])


def _label(model: str, start: str) -> str:
    name = f"λ from {pair(*grid.STARTS[start])}" if start in grid.STARTS else start
    return title(model) + f", {name}" * bool(name)


def solutions(cells: Mapping[int, pd.DataFrame]) -> pd.DataFrame:
    """Return the effect of the initial λ, one row per network, width and pair, as text.

    ``cells``: h -> cells of unfolded networks and one filter.
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

    ``cells``: of unfolded networks and one filter. Pairs from which not all of them have run are
    omitted.
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

    ``widths``: the cells of each width. One row per network and initial λ that has run;
    differences of at most 0.5 dB are marked with :data:`AGREEMENT`; the number of seeds is in
    parentheses.
    """
    rows: dict[tuple[str, str], dict[str, str]] = {}
    columns = [f"h = {cells.attrs['hidden']} (dB)" for cells in widths]
    for column, cells in zip(columns, widths, strict=True):
        for row in cells[cells["reduction"] == "area"].itertuples():
            text = signed(row.difference) + f" {AGREEMENT}" * (abs(row.difference) <= AGREES)
            text = UNTRAINED if row.untrained else f"{text} ({part_of(row.seeds, row.excluded)})"
            rows.setdefault((row.model, row.start), {})[column] = text
        for model, reduction, start in cells.attrs["diverged"]:
            if reduction == "area":
                rows.setdefault((model, start), {})[column] = DIVERGED
    order = networks.names()
    texts = {_label(*key): rows[key] for key in sorted(rows, key=lambda key: order.index(key[0]))}
    table = pd.DataFrame.from_dict(texts, orient="index", columns=columns).fillna(NOT_RUN)
    return mark(table, *widths)


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
