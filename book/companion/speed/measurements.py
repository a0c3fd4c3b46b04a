"""The measurements of the page on speed: tables of stored records, and one on this machine."""

import re

import pandas as pd
import torch
from torch.optim import Adam

from companion import labels, results
from companion.attribution import mark
from companion.labels import VERDICTS, readable
from companion.speed.interleaved_timing import interleave
from unfolded import data, networks
from unfolded.errors import RecordError
from unfolded.provenance import stamp
from unfolded.runs.config import PROTOCOLS
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

FASTEST_TOLERANCE = 1.05
"""A selected routine counts as the fastest up to this factor."""

UNUSUAL_FACTOR = 3.0
"""A time that differs from the record by a larger factor is reported as unusual."""


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
    """Return the processor of a record, without trade marks and without family and model.

    >>> processor(pd.DataFrame({"processor": ["Intel(R) Xeon(R) Processor (model 1)"]}))
    'Intel Xeon'
    """
    return re.sub(r"\(R\)| Processor\b| \([^)]*model[^)]*\)$", "", table["processor"].iloc[0])


def origin(name: str) -> str:
    """Return a sentence on the machine of a record."""
    table = record(name)
    if table is None:
        command = name.replace("-system", " --allocator system")
        return f"`{name}`: {NOT_RUN}; `python -m benchmarks {command} --commit` measures it."
    facts = "`{name}`: {device}, {processor}, {threads} threads, torch {torch}, commit `{commit}`."
    return facts.format(**(table.iloc[0].to_dict() | {"name": name}))


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

    "fastest": no other routine is faster; "within 5 %": none is faster by more than the factor
    FASTEST_TOLERANCE, which is the target for all products of a machine.
    """
    tables = [_products_summary(name) for name in records_of("products")]
    return mark(pd.concat(tables, ignore_index=True), *tables)


def _products_summary(name: str) -> pd.DataFrame:
    table = products(name)
    if "selected" not in table:
        return table
    least = table.drop(columns=["product", "selected"]).min(axis=1)
    fastest, close = least >= 1, least >= 1 / FASTEST_TOLERANCE
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
        return "The machine has no C compiler"
    first, later = rows["median_ms"]
    return (
        f"On {processor(table)}, the first process that uses the C kernels takes "
        f"{first / 1e3:.2f} s to compile and load them; a later process takes {later:.1f} ms to "
        "load them"
    )


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
    """Return the complete GPU record: the differences found by each check, times, and failures."""
    columns = ["what", "model", "dtype", "hidden", "output_difference", "gradient_difference"]
    columns += ["parameter_difference", "log_difference"]
    columns += ["median_ms", "first_s", "captured", "failed"]
    table = record("gpu")
    if table is None:
        return pd.DataFrame([dict.fromkeys(columns, NOT_RUN)])
    table = table.reindex(columns=columns).astype({"hidden": "Int64"}).astype(object)
    return table.where(table.notna(), "–")


def compare_with_record(measured: pd.DataFrame, hidden: int = 256) -> str:
    """Return a comparison of the engine time of :func:`measure_step` with the record at that width.

    The record of this processor, else the first one. Load, the number of threads, the allocator
    and the commit can differ from those of the record.
    """
    tables = {table["processor"].iloc[0]: table for name in records_of("step")
              if (table := record(name)) is not None}  # fmt: skip
    if not tables:
        return f"The record: {NOT_RUN}."
    machine = stamp()["processor"]
    name = machine if machine in tables else next(iter(tables))
    table = tables[name]
    same = table["what"].eq("engine") & table["model"].eq("reweighted-rnn")
    median = table.loc[same & table["hidden"].eq(hidden), "median_ms"]
    if median.empty:
        return f"The record at this width: {NOT_RUN}."
    current, recorded = float(measured["median_ms"].iloc[0]), float(median.iloc[0])
    text = f"The engine takes {current:.1f} ms here, on {machine}, and {recorded:.1f} ms in the "
    text += f"record above, on {name}"
    factor = max(current / recorded, recorded / current)
    if factor <= UNUSUAL_FACTOR:
        return f"{text}."
    return (
        f"{text}, a factor of {factor:.0f}. Possible causes are another processor, other load, "
        "another number of threads, the settings of the allocator, or a change of the code since "
        "the record. Do not use the ratio of the two rows; use the record."
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
