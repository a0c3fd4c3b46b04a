"""The tables of the page "How fast": stored records, and a measurement on this machine."""

import re
from collections.abc import Sequence

import pandas as pd
import torch
from torch.optim import Adam

from companion import labels, results
from companion.attribution import mark
from companion.interleaved_timing import interleave
from companion.labels import VERDICTS, readable
from unfolded import data, networks
from unfolded.choices import UNFOLDED
from unfolded.errors import RecordError
from unfolded.provenance import stamp
from unfolded.runs import named_grids
from unfolded.runs.config import PROTOCOLS, RunConfig
from unfolded.runtime import flushed_denormals
from unfolded.training.stacking import SingleModel
from unfolded.training.train_step import TrainSteps

NOT_RUN = VERDICTS[labels.NOT_RUN]

MACHINES = ("", "-intel")
"""The ends of the names of the records of one measurement, one for each machine."""

RATIOS = {
    "plain / ours": (">=", ("plain", "reference")),
    "ours / its products": ("<=", ("its products alone",)),
    "ours / PyTorch's module": ("<=", ("PyTorch's module", "lstm")),
}
"""Ratio: the sign of its targets and the names of the competitor in a record.

The module is `nn.LSTM` for the unfolded networks, LSTM; `nn.GRU` for GRU; else `nn.RNN`."""

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

CLOSE = 1.05
"""A selected routine counts as the fastest up to this factor."""

FAR = 3.0
"""A time that differs from the record by a larger factor needs an explanation."""

GPU_TARGETS = {
    "plain / ours": (">=", 10.0),
    "torch.compile / ours": (">=", 3.0),
    "8 runs together / one": ("<=", 2.0),
}


def record(name: str) -> pd.DataFrame | None:
    """Return a table of data/results/speed/, or None if it was not measured."""
    try:
        return results.load_table(f"speed/{name}.csv")
    except RecordError:
        return None


def records_of(measurement: str) -> list[str]:
    """Return the names of the records of a measurement, one for each machine that has run it.

    Without any record, the name for the first machine.
    """
    names = [f"{measurement}{machine}" for machine in MACHINES]
    return [name for name in names if record(name) is not None] or names[:1]


def processor(table: pd.DataFrame) -> str:
    """Return the processor of a record, without trade marks.

    >>> processor(pd.DataFrame({"processor": ["Intel(R) Xeon(R) Processor"]}))
    'Intel Xeon'
    """
    return re.sub(r"\(R\)| Processor$", "", str(table["processor"].iloc[0]))


def origin(name: str) -> str:
    """Return a sentence on the machine of a record."""
    table = record(name)
    if table is None:
        command = name.replace("-system", " --allocator system")
        return f"`{name}`: {NOT_RUN}; `python -m benchmarks {command} --commit` measures it."
    facts = "`{name}`: {device}, {processor}, {threads} threads, torch {torch}, commit `{commit}`."
    return facts.format(**(table.iloc[0].to_dict() | {"name": name}))


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


def targets(name: str = "step") -> pd.DataFrame:
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
    """Return :func:`targets` with one column per ratio and a mark for met and missed."""
    rows = targets(name)
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
    return "\n".join(["A training step, by network and width:", "", *lines])


def _verdict(name: str) -> str:
    table = targets(name)
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
    """Return what differs between the machines: the selected routine, and the gain from it."""
    steps, selections = records_of("step"), records_of("products")
    if len(steps) < 2 or len(selections) < 2:
        return f"The comparison of two machines: {NOT_RUN}."
    parts = []
    for step, selection in zip(steps, selections, strict=True):
        routines, ratio = products(selection)["selected"], targets(step)
        faster = ratio.loc[ratio["ratio"] == "ours / its products", "measured"].dropna() < 1
        parts.append(
            f"on {processor(record(step))}, `gemm` is selected for {routines.eq('gemm').sum()} of "
            f"{len(routines)} products, and a whole step takes less time than its products as "
            f"calls of PyTorch in {faster.sum()} of {len(faster)} cases"
        )
    return (
        f"The machines differ in the fastest routine: {'; '.join(parts)}. Where `gemm` is the "
        "fastest, the engine gains from the work between the products, and not from the products."
    )


def _ratio(
    table: pd.DataFrame | None, competitors: Sequence[str], model: str, hidden: int
) -> float | None:
    """Return the median of competitor / ours within a run for the first competitor present."""
    if table is None:
        return None
    table = table.reindex(columns=["what", "model", "hidden", "ratio"])
    table = table.query("model == @model and hidden == @hidden").dropna(subset="ratio")
    for competitor in competitors:
        row = table[table["what"] == competitor]
        if not row.empty:
            return float(row["ratio"].iloc[0])
    return None


def step_times(name: str = "step") -> pd.DataFrame:
    """Return the median milliseconds of a training step by network and width."""
    table = record(name)
    if table is None:
        return pd.DataFrame([{"h": NOT_RUN}])
    columns = {"engine": "ours (ms)"}
    columns |= dict.fromkeys(RATIOS["plain / ours"][1], "plain (ms)")
    columns |= dict.fromkeys(RATIOS["ours / its products"][1], "its products (ms)")
    columns |= dict.fromkeys(RATIOS["ours / PyTorch's module"][1], "PyTorch's module (ms)")
    rows = table[table["what"].isin(columns) & table["hidden"].notna()]
    rows = rows.astype({"hidden": int}).rename(columns={"hidden": "h"})
    rows = rows.assign(what=rows["what"].map(columns))
    order = list(dict.fromkeys(zip(rows["model"], rows["h"], strict=True)))
    wide = rows.pivot_table("median_ms", ["model", "h"], "what").loc[order]
    present = [column for column in dict.fromkeys(columns.values()) if column in wide]
    wide = wide[present].reset_index().rename_axis(columns=None)
    return mark(readable(wide), table)


def variants(name: str = "step") -> pd.DataFrame:
    """Return the time of the unfolded networks without parts of the engine, over that with all."""
    table = record(name)
    if table is None:
        return pd.DataFrame([{"h": NOT_RUN}])
    names = {
        "engine without compiled kernels": "no compiled kernels",
        "engine without oneDNN": "no oneDNN",
        "engine in PyTorch alone": "neither",
        "solver's steps": "autograd over the solver",
    }
    rows = table[table["what"].isin(names)].astype({"hidden": int})
    rows = rows.rename(columns={"hidden": "h"}).assign(what=rows["what"].map(names))
    wide = rows.pivot_table("ratio", ["model", "h"], "what", sort=False)[list(names.values())]
    wide = wide.reset_index().rename_axis(columns=None)
    return mark(readable(wide), table)


def products(name: str = "products") -> pd.DataFrame:
    """Return each large product of a step with the time of every routine over the selected one."""
    timings = record(name)
    if timings is None:
        return pd.DataFrame([{"product": NOT_RUN}])
    layouts = timings["layouts"].map({"nn": "X Wᵀ", "nt": "X W", "tn": "Xᵀ Wᵀ", "tt": "Xᵀ W"})
    shapes = timings[["rows", "inner", "columns"]].astype(str).agg(" × ".join, axis=1)
    timings = timings.assign(product=layouts + ", " + shapes)
    chosen = timings[timings["selected"]].set_index("product")["what"].rename("selected")
    wide = timings.pivot_table("ratio", "product", "what", sort=False)
    return mark(wide.join(chosen).reset_index().rename_axis(columns=None), [timings])


def products_summary() -> pd.DataFrame:
    """Return, by machine and selected routine, the number of products and how often it is fastest.

    "fastest": no other routine is faster; "within 5 %": none is faster by more than CLOSE, which is
    the target for all products of a machine.
    """
    tables = [_products_summary(name) for name in records_of("products")]
    return mark(pd.concat(tables, ignore_index=True), *tables)


def _products_summary(name: str) -> pd.DataFrame:
    table = products(name)
    if "selected" not in table:
        return table
    least = table.drop(columns=["product", "selected"]).min(axis=1)
    fastest, close = least >= 1, least >= 1 / CLOSE
    rows = pd.DataFrame({"selected": table["selected"], "fastest": fastest, "close": close})
    rows["slower"] = 1 / least
    by = rows.groupby("selected").agg(
        products=("fastest", "size"),
        fastest=("fastest", "sum"),
        close=("close", "sum"),
        slower=("slower", "max"),
    )
    by.loc["all"] = [*by[["products", "fastest", "close"]].sum(), rows["slower"].max()]
    by = by.astype({"products": int, "fastest": int, "close": int}).reset_index()
    by["met"] = ""
    by.loc[by.index[-1], "met"] = "yes" if close.all() else "no"
    names = {"selected": "selected routine", "fastest": "it is the fastest"}
    names |= {"close": "within 5 % of the fastest", "slower": "largest time / fastest"}
    by.insert(0, "processor", processor(record(name)))
    return mark(by.rename(columns=names | {"met": "target met"}), table)


def compile_seconds() -> str:
    """Return a sentence on the time of the first use of the compiled kernels."""
    table = record("step")
    if table is None:
        return NOT_RUN
    rows = table[table["what"].str.startswith("compiling")]
    if rows["median_ms"].isna().any():
        return "no compiler"
    times = (f"{row.what}: {row.median_ms / 1e3:.2f} s" for row in rows.itertuples())
    return f"On {processor(table)}: {'; '.join(times)}"


def memory() -> pd.DataFrame:
    """Return the memory of a step in megabytes, and the backward pass peak over the stored states.

    Both at the usual sizes and for activations larger than the gradients.
    """
    sizes = {"kept": "kept (MB)", "peak": "peak (MB)", "left": "gradients (MB)"}
    columns = ["batch", "recompute", *sizes.values(), "peak / kept"]
    table = record("growth")
    if table is None:
        return pd.DataFrame([dict.fromkeys(columns, NOT_RUN)])
    rows = table.query("axis == 'batch' and batch in [32, 256]")
    rows = rows.rename(columns={"peak_to_kept": "peak / kept"} | sizes)[columns]
    return rows.assign(**{name: rows[name] / 1e6 for name in sizes.values()})


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


def recovery() -> pd.DataFrame:
    """Return frames per second and PSNR in dB of all networks and of FISTA, by batch size."""
    columns = ["what", "batch", "frames_per_second", "psnr_frame", "psnr_authors", "lambda1"]
    table = record("inference")
    if table is None:
        return pd.DataFrame([dict.fromkeys(columns, NOT_RUN)])
    rate = table["frames_per_second"].round().astype(int)
    weight = table["lambda1"].map("{:g}".format).where(table["lambda1"].notna(), "–")
    return table.assign(frames_per_second=rate, lambda1=weight)[columns]


def gpu_rows() -> pd.DataFrame:
    """Return the complete GPU record: differences from the plain path, times, and failures."""
    columns = ["what", "model", "dtype", "hidden", "output_difference", "gradient_difference"]
    columns += ["median_ms", "first_s", "captured", "failed"]
    table = record("gpu")
    if table is None:
        return pd.DataFrame([dict.fromkeys(columns, NOT_RUN)])
    table = table.reindex(columns=columns).astype({"hidden": "Int64"}).astype(object)
    return table.where(table.notna(), "–")


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


def compare_with_record(measured: pd.DataFrame, hidden: int = 256) -> str:
    """Return a comparison of the engine time of :func:`measure_step` with the record at that width.

    The record of this processor, else the first one. A large difference is due to the machine:
    other load, or slower cores.
    """
    tables = {processor(table): table for name in records_of("step")
              if (table := record(name)) is not None}  # fmt: skip
    if not tables:
        return f"The record: {NOT_RUN}."
    here = processor(pd.DataFrame([stamp()]))
    name = here if here in tables else next(iter(tables))
    table = tables[name]
    same = table["what"].eq("engine") & table["model"].eq("reweighted-rnn")
    median = table.loc[same & table["hidden"].eq(hidden), "median_ms"]
    if median.empty:
        return f"The record at this width: {NOT_RUN}."
    current, recorded = float(measured["median_ms"].iloc[0]), float(median.iloc[0])
    text = f"The engine takes {current:.1f} ms here ({here}) and {recorded:.1f} ms in the record"
    text += f" above ({name})"
    if max(current / recorded, recorded / current) <= FAR:
        return f"{text}."
    return (
        f"{text}, a factor of {max(current / recorded, recorded / current):.0f}. So large a "
        "difference is due to the machine, most likely to other work on it while this page was "
        "executed, and the ratio of the two rows is not reliable either: use the record."
    )


def measure_step(hidden: int = 256, rounds: int = 7) -> pd.DataFrame:
    """Time a training step on this machine, with the engine and with the solver steps in autograd.

    A short measurement, not a record. Batch 32, T = 20, d = 3, the threads of PyTorch.
    """
    scale, frames = PROTOCOLS["authors"], data.sequences("digits", count=40)
    frames = torch.from_numpy(frames).flatten(2)[: scale.batch]
    order = torch.arange(scale.batch)

    def step(fast: bool):
        net = networks.build("reweighted-rnn", hidden=hidden)
        net.fast = fast
        adam = Adam(net.parameters(), lr=scale.learning_rate, fused=True)
        steps = TrainSteps(SingleModel(net), [adam], frames, batch=scale.batch, clip=scale.clip)
        return lambda: steps.epoch(order)

    with flushed_denormals():
        timings = interleave({"engine": step(True), "solver's steps": step(False)}, rounds=rounds)
    rows = [{"what": name, **timing.row(timings["engine"])} for name, timing in timings.items()]
    rows = pd.DataFrame(rows).rename(columns={"ratio": "times ours"})
    return rows[["what", "median_ms", "q1_ms", "q3_ms", "times ours"]]
