"""The two solutions of an unfolded network: thresholds of Φ, and the regions in which codes lie.

    python -m companion solutions --store runs

evaluates the finished runs of a folder and merges the results into data/results/solutions.csv.
"""

import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure

from companion import result_store, results
from companion.attribution import mark
from companion.build import options
from companion.labels import pair, title
from companion.plots.style import panels
from companion.run_set import PRINTED
from companion.studies.descending.layer_constraints import layers
from unfolded.errors import complain
from unfolded.networks.base import UnfoldedNetwork
from unfolded.prox import phi
from unfolded.runs import input_frames, records
from unfolded.training import checkpoint

TABLE = "solutions.csv"
MODELS = ("reweighted-rnn", "l1-l1-rnn")
"""The networks whose activation has a plateau at ħ."""

REGIONS = ("zero", "plateau", "between", "outside")
"""A code at 0; at ħ; strictly between 0 and ħ; with the other sign than ħ, or beyond ħ."""

_FIXED = ("cs_rate", "depth", "source", "protocol", "profile", "reduction", "positivity")
_FIXED += ("memory", "reweighting", "schedule")
"""Fields with the values of the default row."""

_SEQUENCES = 200
_QUANTILES = (0.1, 0.5, 0.9)


@torch.no_grad()
def regions(codes: torch.Tensor, hbar: torch.Tensor) -> dict[str, float]:
    """Return the fraction of the codes in each of :data:`REGIONS`; both tensors have one shape.

    A code equals 0 or ħ if it differs by less than 1e-5 of the root mean square of the codes.

    >>> regions(torch.tensor([0.0, 2.0, 1.0, -1.0]), torch.full((4,), 2.0))
    {'zero': 0.25, 'plateau': 0.25, 'between': 0.25, 'outside': 0.25}
    """
    tolerance = 1e-5 * codes.square().mean().sqrt()
    zero = codes.abs() <= tolerance
    plateau = ~zero & ((codes - hbar).abs() <= tolerance)
    between = ~zero & ~plateau & (codes * hbar > 0) & (codes.abs() < hbar.abs())
    outside = ~(zero | plateau | between)
    parts = (zero, plateau, between, outside)
    return {name: part.float().mean().item() for name, part in zip(REGIONS, parts, strict=True)}


@torch.no_grad()
def analyse(network: UnfoldedNetwork, frames: torch.Tensor) -> list[dict[str, float]]:
    r"""Return a row per layer l: the regions of its codes, and quantiles of its thresholds.

    The thresholds are :math:`a_l = \lambda_1 g_l / c` and :math:`b_l = \lambda_2 g_l / c` over the
    units; ``prediction`` is the median of :math:`|\hbar|`. Both have the unit of a code, as has
    ``size``, the root mean square of the codes. Shapes: frames (sequences, time, n0).
    """
    codes, hbar = layers(network, network.measure(frames))
    rows = []
    for number, (layer, a, b) in enumerate(zip(codes[1:], *network.thresholds(), strict=True), 1):
        row = {"layer": number, **regions(layer, hbar)}
        for name, threshold in (("a", a), ("b", b)):
            values = threshold.double().numpy()
            row |= {f"{name}_{q:g}": float(np.quantile(values, q)) for q in _QUANTILES}
        row |= {"size": layer.square().mean().sqrt().item()}
        rows.append(row | {"prediction": hbar.abs().median().item()})
    return rows


def update(store: str | None = None) -> list[dict]:
    """Evaluate the runs of a folder that are not stored; return the rows added to the table."""
    runs = results.collect(store)
    fixed = {name: getattr(PRINTED, name) for name in _FIXED}
    matches = [runs[name].eq(value) for name, value in fixed.items()]
    matches += [runs["status"].eq("done"), runs["model"].isin(MODELS)]
    hashes = runs[np.logical_and.reduce(matches)]["config_hash"]
    tasks = {f"{name}-1": functools.partial(_run, records.store(store) / name) for name in hashes}
    settings = ", ".join(f"{name} {value}" for name, value in fixed.items())
    expected, got = f"finished runs of {' or '.join(MODELS)} with {settings}", records.store(store)
    searched = complain(expected, f"none in {got}", "train one, or choose another --store")
    return result_store.complete(TABLE, tasks, searched)


def _run(folder: Path) -> tuple[str, dict[str, list[dict]]]:
    network, config = checkpoint.load_network(folder)
    frames = input_frames.load(config).test[:_SEQUENCES]
    fields = ("model", "hidden", "seed", "lambda1", "lambda2")
    facts = {field: getattr(config, field) for field in fields} | {"config_hash": folder.name}
    origin, rows, lines = {"sequences": len(frames)} | result_store.origin(), [], []
    for row in analyse(network, frames):
        name = f"{folder.name}-{row['layer']}"
        rows.append({"solution": name} | facts | row | origin)
        fractions = ", ".join(f"{region} {row[region]:.3f}" for region in REGIONS)
        lines.append(f"{config.model} h = {config.hidden} {name}: {fractions}")
    return "\n".join(lines), {TABLE: rows}


def committed(model: str = MODELS[0]) -> pd.DataFrame:
    """Return the stored rows of a network at the smallest width with both initialisations.

    Columns of ``analyse``, with the initialisation as ``start``; one seed, the smallest. The table
    is empty if no width has two initialisations.
    """
    table = results.load_table(TABLE, missing=["start", "layer", *REGIONS])
    if table.empty:
        return table
    table = table.query("model == @model")
    pairs = table.groupby("hidden")["lambda1"].nunique()
    widths = pairs[pairs > 1].index
    table = table[table["hidden"] == (min(widths) if len(widths) else -1)]
    table = table[table["seed"] == table["seed"].min()]
    starts = zip(table["lambda1"], table["lambda2"], strict=True)
    table = table.assign(start=[f"from {pair(*start)}" for start in starts])
    table = table.sort_values(["lambda1", "layer"], ascending=[False, True])
    return mark(table.reset_index(drop=True), table)


def figure(rows: pd.DataFrame) -> tuple[Figure, str]:
    """Draw Φ of the first layer in each solution, and the regions of the codes by layer.

    ``rows``: :func:`committed`. What to see: where the plateau at ħ has a visible width, and what
    fraction of the codes lies on it.
    """
    starts = list(dict.fromkeys(rows["start"]))
    fig, axes = panels(2, max(len(starts), 1), height=5.6, squeeze=False)
    sentences = []
    for column, start in enumerate(starts):
        solution = rows[rows["start"] == start]
        first = solution.iloc[0]
        a, b, hbar = (float(first[name]) for name in ("a_0.5", "b_0.5", "prediction"))
        reach = 2 * (a + b) + 2 * hbar
        u = torch.linspace(-reach, reach, 1001, dtype=torch.float64)
        values = phi(u, *(torch.tensor(value, dtype=torch.float64) for value in (hbar, a, b)))
        top, bottom = axes[0, column], axes[1, column]
        top.plot(u, values, lw=1.8)
        top.axhline(hbar, color="#8a8a8a", lw=1, ls=":")
        top.set(title=f"$\\lambda_1, \\lambda_2$ {start}", xlabel="$u$")
        left = np.zeros(len(solution))
        for name, shade in zip(REGIONS, ("0.85", "#0072B2", "#56B4E9", "#D55E00"), strict=True):
            fraction = solution[name].to_numpy(float)
            bottom.barh(solution["layer"], fraction, left=left, color=shade, label=name)
            left += fraction
        bottom.set(yticks=solution["layer"], ylim=(len(solution) + 0.5, 0.5), xlim=(0, 1))
        bottom.set_xlabel("fraction of the codes")
        fractions = ", ".join(f"{name} {first[name]:.1%}" for name in REGIONS)
        sentences.append(f"{start}: thresholds {a:.3g} and {b:.3g}, ħ {hbar:.3g}; {fractions}")
    axes[0, 0].set_ylabel(r"$\Phi(u)$, first layer")
    axes[1, 0].set_ylabel("layer")
    if starts:
        fig.legend(*axes[1, 0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    else:
        axes[0, 0].text(0.5, 0.5, "not run", transform=axes[0, 0].transAxes, ha="center")
    name = title(rows["model"].iloc[0]) if len(rows) else title(MODELS[0])
    return mark(fig, rows), f"Φ of the first layer of {name}. {'; '.join(sentences) or 'Not run'}."


def sentence(rows: pd.DataFrame) -> str:
    """Return a statement on the zeros and the plateau of both solutions, averaged over layers."""
    if rows.empty:
        return "Not run from both initialisations."
    parts = []
    for start, solution in rows.groupby("start", sort=False):
        zero, plateau = (float(solution[name].mean()) for name in ("zero", "plateau"))
        parts.append(f"{start}, {zero:.0%} of the codes are zero and {plateau:.0%} equal ħ")
    first = rows.iloc[0]
    return (
        f"{title(first['model'])}, h = {first['hidden']}, one seed, mean over layers: "
        f"{'; '.join(parts)}. A solution with zeros uses the sparsity prior; a solution with a "
        "plateau uses the temporal prior."
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Evaluate the runs of a folder."""
    update(options.parse("solutions", __doc__, arguments, "store").store)
    return 0
