"""The six findings on the cover: a sentence and a picture each, from the committed results."""

import functools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch

from companion import attribution, labels
from companion.labels import listing, title
from companion.plots import thumbnails
from companion.reproduction import identification, memory_value, paper_tables, solution_analysis
from companion.run_set import SHORT, WIDE, RunSet, leads
from companion.widgets import recovery_widget
from unfolded import bounds, metrics
from unfolded.prox import phi
from unfolded.runs import grid
from unfolded.runs.config import RunConfig

FILES = tuple(
    Path("data", name)
    for name in ("results/runs.csv", "results/memory.csv", "results/solutions.csv",
                 "results/linear_levels.csv", "paper/tables.csv", "weights/cover.csv")
)  # fmt: skip
"""The committed files behind the findings, without curves and weights."""


class Finding(NamedTuple):
    """A finding: heading, sentence, SVG picture, links as (page, text), and source."""

    heading: str
    sentence: str
    picture: str
    links: tuple[tuple[str, str], ...]
    source: attribution.Source


def layers() -> Finding:
    """Compare the layers of a trained network with iterations of the solver that they unroll."""
    network, frames, rows = recovery_widget.example()
    psnr = {
        name: metrics.psnr(frames[:, -1:], row[:, -1:], peak=255, average="authors")
        for name, row in rows.items()
    }
    trained, _, solver = rows
    better = psnr[trained] > psnr[solver]
    names = ("frame", f"{network.depth} layers", f"{recovery_widget.ITERATIONS[-1]} iterations")
    images = dict(zip(names, (frames, rows[trained], rows[solver]), strict=True))
    levels = ("", f"\n{psnr[trained]:.1f} dB", f"\n{psnr[solver]:.1f} dB")
    side = recovery_widget.SIDE
    pixels = {
        f"{name}{level}": image[0, -1].view(side, side).clamp(0, 255).numpy()
        for (name, image), level in zip(images.items(), levels, strict=True)
    }
    alt = f"A frame and two reconstructions: {names[1]}{levels[1]}, {names[2]}{levels[2]}."
    return Finding(
        "Layers against iterations",
        f"From the same measurements and with the same learned dictionary, {names[1]} of a trained "
        f"network reconstruct this frame {'better' if better else 'worse'} than {names[2]} of the "
        "solver that they unfold. Numbers: PSNR.",
        thumbnails.frames(pixels, alt.replace("\n", ", ")),
        (("notebooks/04_algorithm_1", "Algorithm 1, step by step"),),
        recovery_widget.source(),
    )


def experiment() -> Finding:
    """State the filter whose linear level is closest to the values of the narrowest networks."""
    cells = identification.runs_by_filter(identification.stored_runs())
    levels = identification.linear_levels()
    medians = identification.distances(cells, levels[identification.AT.cs_rate])
    names = {"bilinear": "bilinear", "area": "block means", "antialiased": "antialiased"}
    medians = medians.rename(index=names)
    best = medians.idxmin()
    conclusion = (
        "as the paper states"
        if best == "bilinear"
        else "not with the bilinear decimation that the paper names"
    )
    alt = (
        "Median distance in dB of the reported values from the level of each filter: "
        + ", ".join(f"{name} {value:.1f}" for name, value in medians.items())
    )
    return Finding(
        "Which experiment was reported",
        f"At h = {identification.AT.hidden}, the values in the paper agree with frames reduced by "
        f"{best}, {conclusion}. Bars: median distance in dB of these values from the best linear "
        "reconstruction with each filter.",
        thumbnails.bars(medians.to_dict(), f"{alt}.", best=[best]),
        (("notebooks/24_which_experiment_was_reported", "Which experiment was reported?"),),
        attribution.of(cells, levels),
    )


def ranking() -> Finding:
    """State where reweighted-RNN is the best network at the paper's scale, and where not.

    Widths without a result of another network are omitted.
    """
    run_set = RunSet.committed()
    cells = paper_tables.compare_with_paper(run_set)
    cells = cells[(cells["table"] == 2) & (cells["runs"] > 0)]
    best = cells.groupby(["value", cells["model"].str.lower()])["ours"].max().unstack()
    margins = best["reweighted-rnn"] - best.drop(columns="reweighted-rnn").max(axis=1)
    margins = margins.dropna()
    cells = cells[cells["value"].isin(margins.index)]
    won = int((margins > 0).sum())
    widths = f"h = {listing(f'{width:g}' for width in margins.index)}"
    where = widths if won == len(margins) else f"{won} of {len(margins)} widths, {widths}"
    widest = margins.index[-1]
    shown = best.loc[widest].dropna().sort_values(ascending=False)
    shown.index = [title(name) for name in shown.index]
    alt = f"PSNR in dB at width {widest:g}: " + ", ".join(
        f"{name} {value:.1f}" for name, value in shown.items()
    )
    main = title("reweighted-rnn")
    normalised, runs = _normalised(run_set)
    return Finding(
        f"When {main} is better, and when not",
        f"So far, with pixels from 0 to 255, {main} has the highest PSNR at {where} "
        f"({labels.span(cells['runs'], 'seed')}). {normalised} "
        f"Bars: the five best at h = {widest:g}, in the authors' averaging.",
        thumbnails.bars(shown.iloc[:5].to_dict(), f"{alt}.", best=[main]),
        (("notebooks/08_first_comparison", "Is reweighted-RNN the best network?"),
         ("notebooks/14_fairness", "Is the comparison fair?")),
        attribution.of(cells, run_set.source(runs)),
    )  # fmt: skip


def _normalised(run_set: RunSet) -> tuple[str, list[RunConfig]]:
    """Return a sentence on pixels from 0 to 1, and its runs: at full scale or else short ones."""
    short = " in short runs with bilinear frames"
    for where, row in (("", WIDE), (short, replace(SHORT, reduction="bilinear"))):
        runs = list(grid.row(replace(row, protocol="normalised")))
        gaps = leads(run_set, runs)
        if len(gaps):
            ahead = [title(name) for name in gaps.loc[gaps["verdict"] == "behind", "other"]]
            rank = f"behind {listing(ahead)}" if ahead else "behind no other network"
            seeds = labels.span(gaps["seeds"], "seed")
            return f"With pixels from 0 to 1 it is {rank}{where} ({seeds}).", runs
    return "With pixels from 0 to 1 it has not been compared.", []


def activation() -> Finding:
    """Compare the trained activation of both solutions of reweighted-RNN."""
    rows = solution_analysis.committed()
    lines, removed = {}, []
    for start, solution in rows.groupby("start", sort=False):
        first = solution.iloc[0]
        a, b, hbar = (float(first[name]) for name in ("a_0.5", "b_0.5", "prediction"))
        reach = a + b + 2 * hbar
        u = torch.linspace(-reach, reach, 121, dtype=torch.float64)
        values = phi(u, *(torch.tensor(value, dtype=torch.float64) for value in (hbar, a, b)))
        lines[f"λ {start}"] = list(zip((u / hbar).tolist(), (values / hbar).tolist(), strict=True))
        parts = {"the plateau at zero": "zero", "the plateau at ħ": "plateau"}
        removed += [name for name, part in parts.items() if solution[part].mean() < 0.01]
    runs = f"h = {rows['hidden'].iloc[0]}, {labels.counted(rows['seed'].nunique(), 'seed')}"
    text = {
        2: "only one plateau of the activation is in use, and the initial λ determines which",
        1: f"{removed[0] if removed else ''} is not in use from one of them",
        0: "both plateaus of the activation are in use",
    }[len(removed)]
    return Finding(
        "What training does to the new activation",
        f"After training from two initial λ ({runs}), {text}. A plateau is in use if at least 1 % "
        "of the entries of the codes are on it.",
        thumbnails.curves(lines, "The activation Φ in the first layer after training, from two "
                          "initial λ: one curve is flat at zero, the other one is flat at ħ.",
                          "x: u / ħ, y: Φ / ħ"),
        (("notebooks/03_activation_shapes", "The shapes of the activation"),
         ("notebooks/14_fairness", "both solutions")),
        attribution.of(rows),
    )  # fmt: skip


def theorem() -> Finding:
    """Compare the bound of Theorem 3.1 with what a class within its conditions reaches."""
    counts = [2**k for k in range(6, 25)]
    beta, reached = 4.0, 1.0  # λ1 = λ2 = 1: β = λ1 + 3 λ2, and the class reaches λ2 for every m.
    bound = [
        bounds.rademacher_reweighted([1e-300], [beta], m=m, n=m + 1, h=m + 1, T=2, B_x=1.0)
        for m in counts
    ]
    places = range(len(counts))
    lines = {
        "bound (14)": list(zip(places, bound, strict=True)),
        "reached by the class": [(place, reached) for place in places],
    }
    return Finding(
        "The theorem and its correction",
        "Theorem 3.1 does not hold for the network: a class within its conditions follows every "
        "pattern of signs, although the bound tends to zero with more samples. A bound that "
        "includes the norm of G holds, but it is vacuous for trained networks.",
        thumbnails.curves(lines, "Against the number of samples, the bound (14) decreases below "
                          "the complexity of the class, which is constant.",
                          "x: samples (logarithmic), y: complexity"),
        (("notebooks/15_theorem_3_1", "Theorem 3.1"),
         ("notebooks/16_a_bound_that_holds", "A bound that holds")),
        attribution.Source(),
    )  # fmt: skip


def memory() -> Finding:
    """State the loss of the best network without its state, next to the other networks."""
    rows = memory_value.summary(memory_value.Outcomes.committed().trained())
    rows = rows[rows["memory"] == "on"]
    best = rows.loc[rows["as_trained"].idxmax()]
    rival = rows.loc[rows.loc[rows["model"] != best["model"], "as_trained"].idxmax()]
    values = {
        "with memory": best["as_trained"],
        "without memory": best["without_state"],
        "shuffled frames": best["shuffled"],
        title(rival["model"]): rival["as_trained"],
    }
    above = best["without_state"] > rival["as_trained"]
    alt = ", ".join(f"{name} {value:.1f} dB" for name, value in values.items())
    return Finding(
        "The value of memory",
        f"Tested without the previous frames, {title(best['model'])} loses {-best['past']:.1f} dB "
        f"and is {'still better' if above else 'no longer better'} than every other network with "
        f"memory (h = 256, {labels.counted(best['seeds'], 'seed')}). Bars: PSNR, by sequence.",
        thumbnails.bars(values, f"PSNR: {alt}.", best=list(values)[:1]),
        (("notebooks/08_first_comparison", "Is reweighted-RNN the best network?"),),
        attribution.of(rows),
    )


ALL: tuple[Callable[[], Finding], ...] = (
    layers, experiment, ranking, activation, theorem, memory,
)  # fmt: skip


@functools.cache
def findings() -> tuple[Finding, ...]:
    """Return the six findings in the order of the cover."""
    return tuple(make() for make in ALL)
