"""Identification of the published experiment: runs by filter, earlier logs, open questions."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from companion import results
from companion.attribution import mark
from companion.labels import minus, signed, title
from companion.reproduction import linear_baseline
from companion.reproduction.paper_tables import AGREES
from companion.reproduction.protocol_replay import MEASUREMENTS, STORED
from companion.run_set import PRINTED, RunSet
from unfolded import networks
from unfolded.data import REDUCTIONS
from unfolded.provenance import ROOT
from unfolded.runs import grid
from unfolded.runs.config import RunConfig

LOGS = ROOT / "data" / "paper" / "earlier_logs.csv"
"""Logged values of three trainings in the authors' earlier code."""

AT = replace(PRINTED, hidden=128)
"""The column of Table 2 with the smallest differences in the paper: h = 128 at CS rate 0.2."""

WORDS = {
    "reduction": "frames",
    "printed": "the paper (dB)",
    "ours": "ours (dB)",
    "low": "lowest seed (dB)",
    "high": "highest seed (dB)",
    "difference": "ours − the paper (dB)",
    "eval_mse": "validation MSE (squared grey levels)",
    "apart": "less the log (dB)",
    "zeros": "share of zero codes",
    "spread": "between seeds (dB)",
    "variance": "variance (squared grey levels)",
}
"""Labels of the columns of these tables, with units."""

_LAMBDAS = ["lambda1", "lambda2", "learned_lambda1", "learned_lambda2"]

_SHORT, _BILINEAR = "*", "°"
"""Markers of an effect that is known from short runs only, or from bilinear frames only."""


def stored_runs() -> RunSet:
    """Return the finished runs of data/results/ without curves and errors by sequence."""
    runs = results.load_table()
    done = runs["status"] == "done"
    return RunSet(runs[done], {}, {}, frozenset(runs.loc[~done, "config_hash"]))


def runs_by_filter(run_set: RunSet, base: RunConfig = AT) -> pd.DataFrame:
    """Return the printed value and our runs of each network with the frames of each filter.

    One row per network, filter and pair of initial λ1, λ2 that has run; unfolded networks may have
    several. Columns: model, reduction, start (of `grid.STARTS`, empty for a stacked
    network), printed, ours (mean over seeds), low and high (extremes), seeds, difference, and
    the final λ1 and λ2; ``attrs["hidden"]`` is the width. Units: dB, with the averaging of the
    authors' earlier code.
    """
    cells = results.paper_cells().query("table == 2 and value == @base.hidden")
    printed = dict(zip(cells["model"].str.lower(), cells["psnr_db"], strict=True))
    rows, used = [], []
    for run in grid.row(base):
        for reduction in REDUCTIONS:
            for start, config in grid.starts(replace(run, reduction=reduction)).items():
                runs = run_set.at(config)
                if runs.empty:
                    continue
                used.append(config)
                psnr = runs["psnr_authors"]
                rows.append(
                    {
                        "model": run.model,
                        "reduction": reduction,
                        "start": start if networks.unfolded(run.model) else "",
                        "printed": printed[run.model],
                        **{"ours": psnr.mean(), "low": psnr.min(), "high": psnr.max()},
                        "seeds": len(psnr),
                        "difference": psnr.mean() - printed[run.model],
                        **runs[_LAMBDAS].mean(),
                    }
                )
    columns = ["model", "reduction", "start", "printed", "ours", "low", "high", "seeds"]
    columns += ["difference", *_LAMBDAS]
    table = mark(pd.DataFrame(rows, columns=columns), run_set.source(used), cells)
    table.attrs["hidden"] = base.hidden
    return table


def linear_levels(rates: tuple[float, ...] = linear_baseline.RATES) -> pd.DataFrame:
    """Return the best linear reconstruction in dB, one row per filter, one column per CS rate."""
    table = linear_baseline.stored_baselines().query("source == 'mnist' and cs_rate in @rates")
    wide = table.pivot(index="reduction", columns="cs_rate", values="psnr_authors")
    wide = wide.reindex(REDUCTIONS).rename_axis(index=None, columns=None)
    return mark(wide, table)


def levels_by_n() -> pd.DataFrame:
    """Return the best linear reconstruction in dB, one row per filter, one column per n."""
    table = linear_baseline.stored_baselines().query("source == 'mnist'")
    table = table[table["n"].isin(MEASUREMENTS)]
    wide = table.pivot(index="reduction", columns="n", values="psnr_authors").reindex(REDUCTIONS)
    return mark(wide.rename_axis(index=None, columns=None), table)


def variances() -> pd.Series:
    """Return the mean squared error of the mean frame by filter, in squared grey levels.

    It is the variance of a pixel about the mean training frame, over test frames: the error of a
    network that has learned only the mean frame.
    """
    table = linear_baseline.stored_baselines().query("source == 'mnist' and cs_rate == 0")
    return mark(table.set_index("reduction")["test_mse"].reindex(REDUCTIONS), table)


def stored_logs() -> pd.DataFrame:
    """Return the logged values of the earlier trainings, one row per evaluation."""
    return results.read(LOGS)


def stored_replays(networks: tuple[str, ...] = ("l1-l1-rnn", "sista-rnn")) -> pd.DataFrame:
    """Return the stored replays of these networks, one row per stored iteration."""
    table = results.load_table(STORED)
    return mark(table[table["network"].isin(networks)], table)


def compare_with_log(network: str, iteration: int, *, log: str | None = None) -> pd.DataFrame:
    """Return the values of a log at an iteration, and the replays of a network.

    The first row is the log, then one row per filter and n: means over seeds, and the largest
    difference between seeds. Columns: frames, n, seeds, eval_mse (squared grey levels), psnr (dB),
    apart (dB, minus the log), zeros (share of codes), lambda1, lambda2, spread (dB). ``log``: the
    name of the log if it differs from the network: "stacked" for the log without codes.
    """
    log, values = log or network, ["eval_mse", "psnr", "zeros", "lambda1", "lambda2"]
    logged_values = stored_logs().query("network == @log and iteration == @iteration")[values]
    replays = stored_replays((network,)).query("iteration == @iteration")
    rows = [{"frames": "the log", **logged_values.iloc[0]}]
    for (n, reduction), runs in replays.groupby(["n", "reduction"]):
        spread = float(np.ptp(runs["psnr"])) if len(runs) > 1 else np.nan
        means = {"frames": reduction, "n": n, "seeds": len(runs), **runs[values].mean()}
        rows.append(means | {"apart": means["psnr"] - rows[0]["psnr"], "spread": spread})
    table = pd.DataFrame(rows, columns=["frames", "n", "seeds", *values, "apart", "spread"])
    return mark(table, replays, LOGS)


def nearest_replay(table: pd.DataFrame, n: int | None = None) -> pd.Series:
    """Return the replay of :func:`compare_with_log` with PSNR closest to the log, at one n or any.

    >>> columns = {"frames": ["the log", "area"], "n": [None, 64], "apart": [None, 1]}
    >>> nearest_replay(pd.DataFrame(columns))["frames"]
    'area'
    """
    rows = table.dropna(subset=["apart"])
    rows = rows if n is None else rows[rows["n"] == n]
    return rows.loc[rows["apart"].abs().idxmin()]


HYPOTHESES: dict[str, dict[str, object]] = {
    "frames: block means, not bilinear": {"reduction": "area"},
    "frames: antialiased, not bilinear": {"reduction": "antialiased"},
    "pixels in [0, 1], not [0, 255]": {"protocol": "normalised"},
    **{
        f"initial λ ({first:g}, {second:g}), not (1, 0.01)": {"lambda1": first, "lambda2": second}
        for name, (first, second) in grid.STARTS.items()
        if name != "earlier code"
    },
    "schedule: PyTorch's definition of a plateau": {"schedule": "pytorch"},
    "PSNR averaged by frame": {"metric": "psnr_frame"},
    "PSNR averaged by sequence": {"metric": "psnr_sequence"},
    "PSNR of one error over all": {"metric": "psnr_global"},
    **{
        f"{title(model)}: variant {variant}": {"model": model, "variant": variant}
        for model, variants in networks.VARIANTS.items()
        for variant in variants
    },
    "loss averaged, not summed": {},
}
"""Hypotheses on the experiment, and the changes of a run for each; empty without such a run."""


def hypotheses(run_set: RunSet, base: RunConfig = AT) -> pd.DataFrame:
    """Return the effect of each hypothesis on each network, in dB, as text.

    One row per hypothesis, one column per network. Each effect is the difference of two means over
    seeds with all other settings equal, at the width of ``base``; from runs of profile `paper` with
    `area` frames if they exist, else from bilinear frames (marked °) or from short runs (marked *).
    The first rows are the differences to explain, the paper's value minus ours for either filter.
    """
    models = [run.model for run in grid.row(base)]
    table = {name: {m: _effect(run_set, base, m, change) for m in models}
             for name, change in HYPOTHESES.items()}  # fmt: skip
    cells = runs_by_filter(run_set, base)
    rows = {f"the paper − ours, {frames} frames{words}": _gaps(cells, frames, start)
            for frames in ("bilinear", "area")
            for start, words in (("earlier code", ""), ("successor", ", λ (0.003, 0.02)"))
            if frames == "area" or start == "earlier code"}  # fmt: skip
    text = {name: {m: effects.get(m, "not run") for m in models} for name, effects in rows.items()}
    return mark(pd.DataFrame(text | table).T[models], cells, run_set.runs)


def _gaps(cells: pd.DataFrame, reduction: str, start: str) -> dict[str, str]:
    rows = cells[(cells["reduction"] == reduction) & cells["start"].isin(["", start])]
    return {row.model: signed(-row.difference) for row in rows.itertuples()}


def _effect(run_set: RunSet, base: RunConfig, model: str, change: dict) -> str:
    """Return the effect of a change on a network, from the best available runs, as text."""
    change = dict(change)
    metric = change.pop("metric", None)
    if not change and metric is None:
        return "not run"
    if change.get("model", model) != model or ("lambda1" in change) > networks.unfolded(model):
        return "–"
    change.pop("model", None)
    filters = ("bilinear",) if "reduction" in change else ("area", "bilinear")
    for profile in ("paper", "short"):
        for reduction in filters:
            run = replace(base, model=model, depth=None, profile=profile, reduction=reduction)
            reference, changed = run_set.at(run), run_set.at(replace(run, **change))
            if len(reference) and len(changed):
                gain = changed[metric or "psnr_authors"].mean() - reference["psnr_authors"].mean()
                markers = _BILINEAR * (reduction != "area" and "reduction" not in change)
                return signed(gain) + markers + _SHORT * (profile == "short")
    return "not run"


def distances(cells: pd.DataFrame, levels: pd.Series) -> pd.Series:
    """Return the median distance in dB of the printed values from the linear level of each filter.

    ``levels``: filter -> dB. A median is robust to one network far above all levels.
    """
    printed = cells.groupby("model")["printed"].first()
    return pd.Series({name: (printed - level).abs().median() for name, level in levels.items()})


def closest_runs(cells: pd.DataFrame) -> pd.DataFrame:
    """Return, for each network and filter, the run closest to the paper.

    Index (model, reduction); this choice uses the printed values to identify a protocol: it
    is not a reproduction.
    """
    order = cells["difference"].abs().sort_values().index
    return cells.loc[order].groupby(["model", "reduction"]).first()


def describe_runs(cells: pd.DataFrame, levels: pd.Series) -> str:
    """State which filter agrees with the printed values and our runs, in two sentences."""
    medians = distances(cells, levels).sort_values()
    apart = ", ".join(f"{value:.2f} dB with {name} frames" for name, value in medians.items())
    best = closest_runs(cells)["difference"].abs().unstack()
    near = {
        name: f"{int((gaps.dropna() <= AGREES).sum())} of {gaps.notna().sum()} with {name} frames"
        for name, gaps in best.items()
    }
    return (
        f"the median distance of the {cells['model'].nunique()} values that the paper reports from "
        f"the best linear reconstruction is {apart}. Networks that come within {AGREES:g} dB of "
        f"the paper from one of the initial λ that have run: {', '.join(near.values())}."
    )


def describe_logs(tables: Mapping[str, pd.DataFrame], n: int) -> str:
    """State which filter agrees with the logs, by network: see :func:`compare_with_log`."""
    sentences = []
    for network, table in tables.items():
        best, log = nearest_replay(table, n), table.iloc[0]
        gaps = table[(table["n"] == n) & (table["frames"] != best["frames"])]["apart"]
        text = ", ".join(map(signed, gaps))
        seeds = "" if np.isnan(best["spread"]) else f"; seeds differ by {best['spread']:.2f} dB"
        sentences.append(
            f"{title(network)}: the log says {log['psnr']:.2f} dB, and the replay with n = {n} is "
            f"closest with {best['frames']} frames, {signed(best['apart'])} dB{seeds}; with the "
            f"other filters it differs by {text or 'an amount not known yet'} dB. There λ1 and λ2 "
            f"are {best['lambda1']:.4f} and {minus(format(best['lambda2'], '.4f'))}, in the log "
            f"{log['lambda1']:.4f} and {minus(format(log['lambda2'], '.4f'))}."
        )
    return " ".join(sentences)


def describe_plateau(iteration: int, early: int = 50) -> str:
    """State the linear levels close to the logs of the unfolded networks, and agreeing replays."""
    names = ("l1-l1-rnn", "sista-rnn")
    logs = stored_logs().query("iteration == @iteration").set_index("network")["psnr"]
    near = {
        (frames, n): level
        for frames, row in levels_by_n().iterrows()
        for n, level in row.dropna().items()
        if (logs[list(names)] - level).abs().max() <= AGREES
    }
    replays = [compare_with_log(name, early).set_index(["frames", "n"])["apart"] for name in names]
    gaps = {pair: [gap[pair] for gap in replays if pair in gap.index] for pair in near}
    kinds = {"agree": [], "do not agree": [], "have not been made": []}
    for (frames, n), apart in gaps.items():
        close = all(abs(gap) <= AGREES for gap in apart)
        kind = "have not been made" if not apart else "agree" if close else "do not agree"
        kinds[kind].append(f"{frames}, n = {n}")
    psnr = " and ".join(f"{logs[name]:.2f} dB ({title(name)})" for name in names)
    text = ", ".join(f"{frames}, n = {n} ({level:.2f} dB)" for (frames, n), level in near.items())
    words = "; ".join(f"{kind} for {', '.join(pairs) or 'none'}" for kind, pairs in kinds.items())
    return (
        f"At iteration {iteration} the logs say {psnr}. Linear levels within {AGREES:g} dB of "
        f"both: {text or 'none'}. Replays of these agree with the logs where they are within "
        f"{AGREES:g} dB at iteration {early}: they {words}."
    )


def describe_starts(cells: pd.DataFrame) -> str:
    """State the effect of the initial λ in each unfolded network, one sentence per network.

    ``cells``: rows of :func:`runs_by_filter` of one width and filter.
    """
    sentences = []
    for model, rows in cells.groupby("model", sort=False):
        ends = [
            f"{row.ours:.2f} dB from ({row.lambda1:g}, {row.lambda2:g}), which became "
            f"({row.learned_lambda1:.1e}, {row.learned_lambda2:.1e})"
            for row in rows.itertuples()
        ]
        apart = f"; that is {np.ptp(rows['ours']):.2f} dB apart" if len(rows) > 1 else ""
        sentences.append(
            f"{title(model)} (the paper: {rows['printed'].iloc[0]:.2f}): {'; '.join(ends)}{apart}."
        )
    return " ".join(sentences)


def open_differences(cells: pd.DataFrame) -> dict[str, list[str]]:
    """Return the open differences of :func:`runs_by_filter` with `area` frames, by kind.

    "matched": networks with an initial λ within 0.5 dB of the paper; "apart": the other networks
    that ran, with the smallest difference; "only from": matched networks of which another initial
    λ is farther from the paper; "not run": the others.
    """
    area = cells[cells["reduction"] == "area"]
    names_by_kind = {"matched": [], "apart": [], "only from": [], "not run": []}
    for model in networks.names():
        rows = area[area["model"] == model]
        if rows.empty:
            names_by_kind["not run"].append(title(model))
            continue
        best = rows.loc[rows["difference"].abs().idxmin()]
        description = f"{title(model)} ({signed(best['difference'])} dB)"
        if abs(best["difference"]) > AGREES:
            names_by_kind["apart"].append(description)
            continue
        names_by_kind["matched"].append(description)
        differing = rows[rows["difference"].abs() > AGREES]
        if len(differing):
            differences = differing["difference"]
            pair = f"({best['lambda1']:g}, {best['lambda2']:g})"
            names_by_kind["only from"].append(
                f"{title(model)} from {pair} (otherwise {', '.join(map(signed, differences))} dB)"
            )
    return names_by_kind


def describe_open_differences(*widths: pd.DataFrame) -> str:
    """State the open differences at each width, one paragraph per :func:`runs_by_filter`."""
    paragraphs = []
    for cells in widths:
        lists = {
            kind: "; ".join(names) or "none" for kind, names in open_differences(cells).items()
        }
        hidden = cells.attrs["hidden"]
        paragraphs.append(
            f"**h = {hidden}, `area` frames.** Within {AGREES:g} dB of the paper: "
            f"{lists['matched']}. Farther away, ours less the paper from the closest of the "
            f"initial λ that have run: {lists['apart']}. Matched from one of the initial λ only: "
            f"{lists['only from']}. Not run: {lists['not run']}."
        )
    return "\n\n".join(paragraphs)
