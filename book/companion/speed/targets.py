"""The targets of the page on speed, compared with the stored records."""

from collections.abc import Sequence

import pandas as pd

from companion import results
from companion.attribution import mark
from companion.labels import readable
from companion.speed.measurements import NOT_RUN, RATIOS, processor, products, record, records_of
from unfolded.choices import UNFOLDED
from unfolded.errors import RecordError
from unfolded.runs import named_grids
from unfolded.runs.config import RunConfig

_UNFOLDED = {256: (2.6, 1.3, 0.6), 1024: (2.2, 1.2, 0.5)}
_NARROW, _WIDE = {256: (2.5, 1.2, 0.7)}, {1024: (1.5, 1.15, 0.75)}
TARGETS = {
    **dict.fromkeys(("reweighted-rnn", "l1-l1-rnn", "sista-rnn"), _UNFOLDED),
    **dict.fromkeys(("srnn", "fastrnn", "spectralrnn"), _NARROW | _WIDE),
    "indrnn": {256: (2.5, 1.5, 0.7)} | _WIDE,
    "gru": {256: (2.5, 1.2, 0.5)} | _WIDE,
    "lstm": {256: (1.8, 1.2, 0.7)} | _WIDE,
}
"""Targets for a training step on two cores by network and width, in the order of RATIOS."""

GPU_TARGETS = {
    "plain / ours": (">=", 10.0),
    "torch.compile / ours": (">=", 3.0),
    "8 runs together / one": ("<=", 2.0),
}


def compare_with_target(measured: float | None, target: tuple[str, float]) -> dict[str, object]:
    """Return a row of a table of targets.

    >>> compare_with_target(2.5, (">=", 2.2))["met"], compare_with_target(None, (">=", 2.2))["met"]
    ('yes', '– not run')
    """
    sign, bound = target
    row = {"target": f"{'≥' if sign == '>=' else '≤'} {bound:g}", "measured": measured}
    if measured is None:
        return row | {"met": NOT_RUN}
    return row | {"met": "yes" if (measured >= bound) == (sign == ">=") else "no"}


def step_targets(name: str = "step") -> pd.DataFrame:
    """Return every target of a training step on the CPU with the value of a record.

    One row per network, width and ratio. ``name``: one of ``records_of("step")``, where freed
    memory is kept as in training, or "step-system", with default allocator settings.
    """
    table, rows = record(name), []
    for model, sizes in TARGETS.items():
        for hidden, bounds in sizes.items():
            for (ratio, (sign, whats)), bound in zip(RATIOS.items(), bounds, strict=True):
                inverse = _ratio(table, whats, model, hidden)
                # Records contain competitor / ours.
                measured = inverse if inverse is None or sign == ">=" else 1 / inverse
                row = compare_with_target(measured, (sign, bound))
                rows.append({"model": model, "h": hidden, "ratio": ratio, **row})
    return mark(pd.DataFrame(rows), table)


def target_table(name: str = "step") -> pd.DataFrame:
    """Return :func:`step_targets` with one column per ratio and a mark for met and missed."""
    rows = step_targets(name)
    marks = {"yes": "✓", "no": "✗", NOT_RUN: ""}
    cells = [
        f"{NOT_RUN if row.met == NOT_RUN else format(row.measured, '.2f')} ({row.target}) "
        f"{marks[row.met]}".strip()
        for row in rows.itertuples()
    ]
    wide = rows.assign(cell=cells).pivot(index=["model", "h"], columns="ratio", values="cell")
    order = list(dict.fromkeys(zip(rows["model"], rows["h"], strict=True)))
    wide = wide.loc[order, list(RATIOS)].reset_index().rename_axis(columns=None)
    return mark(readable(wide), rows)


def verdict(measurement: str = "step") -> str:
    """Return, for each machine, how a step compares with PyTorch's modules and the targets."""
    lines = [f"- {_verdict(name)}" for name in records_of(measurement)]
    heading = "A training step, by network and width (PyTorch's module for an unfolded network is "
    return "\n".join([heading + "nn.LSTM with two layers):", "", *lines])


def _verdict(name: str) -> str:
    table = step_targets(name)
    done = table[table["met"] != NOT_RUN]
    if done.empty:
        return f"{NOT_RUN}."
    module = done[done["ratio"] == "ours / PyTorch's module"]
    missing, is_unfolded = len(table) - len(done), done["model"].isin(UNFOLDED)
    parts = (
        f"{(rows['met'] == 'yes').sum()} of {len(rows)} for {kind} networks"
        for kind, rows in (("unfolded", done[is_unfolded]), ("stacked", done[~is_unfolded]))
    )
    return (
        f"**{processor(record(name))}:** less time than with PyTorch's module in "
        f"{(module['measured'] < 1).sum()} of {len(module)} cases; "
        f"{(done['met'] == 'yes').sum()} targets met ({', '.join(parts)}) and "
        f"{(done['met'] == 'no').sum()} missed" + (f"; {missing} not measured." if missing else ".")
    )


def compare_machines() -> str:
    """Return, for each machine, how often `gemm` is selected and how a step compares."""
    steps, selections = records_of("step"), records_of("products")
    if len(steps) < 2 or len(selections) < 2:
        return f"The comparison of two machines: {NOT_RUN}."
    parts = []
    for step, selection in zip(steps, selections, strict=True):
        routines, ratio = products(selection)["selected"], step_targets(step)
        faster = ratio.loc[ratio["ratio"] == "ours / its products", "measured"].dropna() < 1
        parts.append(
            f"on {processor(record(step))}, `gemm` is selected for {routines.eq('gemm').sum()} of "
            f"{len(routines)} products, and a whole step takes less time than its products as "
            f"calls of PyTorch in {faster.sum()} of {len(faster)} cases"
        )
    return (
        f"The machines differ in the fastest routine: {'; '.join(parts)}. The selection concerns "
        "the products outside the loops in C, which always use the C routine."
    )


def _ratio(
    table: pd.DataFrame | None, competitors: Sequence[str], model: str, hidden: int
) -> float | None:
    """Return the median of competitor / ours within a round for the first competitor present."""
    if table is None:
        return None
    table = table.reindex(columns=["what", "model", "hidden", "ratio"])
    table = table.query("model == @model and hidden == @hidden").dropna(subset="ratio")
    for competitor in competitors:
        row = table[table["what"] == competitor]
        if not row.empty:
            return float(row["ratio"].iloc[0])
    return None


def memory_target() -> pd.DataFrame:
    """Return the target for the peak memory at batch 256 and for each additional sequence."""
    names = ("the step at batch 256", "each additional sequence, from batch 128 to 256")
    measured: list[float | None] = [None, None]
    table = record("growth")
    if table is not None:
        rows = table.query("axis == 'batch' and not recompute").set_index("batch")
        if {128, 256} <= set(rows.index):
            smaller, larger = rows.loc[128], rows.loc[256]
            slope = (larger["peak"] - smaller["peak"]) / (larger["kept"] - smaller["kept"])
            measured = [float(larger["peak_to_kept"]), float(slope)]
    rows = [
        {"peak / kept": name, **compare_with_target(ratio, ("<=", 1.3))}
        for name, ratio in zip(names, measured, strict=True)
    ]
    return mark(pd.DataFrame(rows), table)


def gpu(model: str = "reweighted-rnn") -> pd.DataFrame:
    """Return the targets on a GPU, each with the measured value or "not run"."""
    names = ("plain", "plain, torch.compile", "8 runs, as trained")
    table, rows = record("gpu"), []
    for hidden in (256, 1024):
        for name, (ratio, target) in zip(names, GPU_TARGETS.items(), strict=True):
            measured = _ratio(table, (name,), model, hidden)
            rows.append({"what": ratio, "h": hidden, **compare_with_target(measured, target)})
    try:
        minutes = minutes_of_the_tables(results.load_table())
    except RecordError:
        minutes = None
    total = compare_with_target(minutes, ("<=", 60.0))
    return pd.DataFrame([*rows, {"what": "minutes, all runs of the tables", "h": "all", **total}])


def minutes_of_the_tables(runs: pd.DataFrame) -> float | None:
    """Return the GPU time of all runs of the three tables, or None if some are missing.

    For the profile `paper` and one seed; a run in a group counts its part of the time.
    """
    base = RunConfig(profile="paper", source="mnist")
    hashes = {run.hash for run in named_grids.named("tables", base)}
    done = runs["status"].eq("done") & runs["device"].ne("cpu")
    table_runs = runs[done & runs["config_hash"].isin(hashes)]
    return table_runs["seconds"].sum() / 60 if len(table_runs) == len(hashes) else None
