"""The authors' earlier logs, compared with the replays and with the linear levels."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from companion import results
from companion.attribution import mark
from companion.labels import counted, listing, signed, title
from companion.reproduction import linear_baseline
from companion.reproduction.paper_tables import AGREES
from companion.reproduction.protocol_replay import MEASUREMENTS, STORED
from unfolded.data import REDUCTIONS
from unfolded.provenance import ROOT

LOGS = ROOT / "data" / "paper" / "earlier_logs.csv"
"""Logged values of three trainings in the authors' earlier code."""

_LARGEST = "largest |replay − log| at iteration {} (dB)"

WORDS = {
    "reduction": "frames",
    "eval_mse": "validation MSE (grey levels²)",
    "apart": "replay − log (dB)",
    "zeros": "fraction of zero codes",
    "spread": "range over seeds (dB)",
    "variance": "variance (grey levels²)",
}
"""Labels of the columns of the tables of logs and replays, with units."""


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
    difference between seeds. Columns: frames, n, seeds, eval_mse (grey levels²), psnr (dB),
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


def describe_nearest(tables: Mapping[str, pd.DataFrame]) -> str:
    """State which replay of each network is closest to its log in PSNR, in a sentence.

    ``tables``: network -> :func:`compare_with_log`.
    """
    parts = [
        f"{row['frames']} frames with n = {row['n']:.0f} for {title(network)} "
        f"({signed(row['apart'])} dB, {counted(row['seeds'], 'seed')})"
        for network, row in ((name, nearest_replay(table)) for name, table in tables.items())
    ]
    return f"The replay with the PSNR closest to the log has {listing(parts)}."


def replay_differences(n: int = 85, iteration: int = 50) -> pd.DataFrame:
    """Return the PSNR of the replays minus that of the log in dB, one row per filter.

    One column per replayed network; the log without codes is replayed as two networks. Missing
    replays are NaN.
    """
    logs = {"l1-l1-rnn": None, "sista-rnn": None, "gru": "stacked", "srnn": "stacked"}
    columns, used = {}, []
    for network, log in logs.items():
        table = compare_with_log(network, iteration, log=log)
        used.append(table)
        label = f"stacked network as {title(network)}" if log else title(network)
        columns[label] = table[table["n"] == n].set_index("frames")["apart"]
    return mark(pd.DataFrame(columns).reindex(REDUCTIONS).rename_axis(None), *used)


def plateau_candidates(iteration: int = 1000, early: int = 50) -> pd.DataFrame:
    """Return the filters and n whose linear level is within 0.5 dB of both plateaus of the logs.

    Columns: frames, n, the level (dB), each log at ``iteration`` minus the level (dB), and the
    largest absolute difference between replays and logs at ``early`` (dB; NaN without a replay).
    """
    names = ("l1-l1-rnn", "sista-rnn")
    logs = stored_logs().query("iteration == @iteration").set_index("network")["psnr"]
    replays = [compare_with_log(name, early).set_index(["frames", "n"])["apart"] for name in names]
    rows, by_n = [], levels_by_n()
    for frames, line in by_n.iterrows():
        for n, level in line.dropna().items():
            gaps = {f"{title(name)} − level (dB)": logs[name] - level for name in names}
            if max(map(abs, gaps.values())) > AGREES:
                continue
            apart = [abs(gap[frames, n]) for gap in replays if (frames, n) in gap.index]
            row = {"frames": frames, "n": n, "linear level (dB)": level} | gaps
            rows.append(row | {_LARGEST.format(early): max(apart, default=np.nan)})
    columns = ["frames", "n", "linear level (dB)"]
    columns += [*(f"{title(name)} − level (dB)" for name in names), _LARGEST.format(early)]
    return mark(pd.DataFrame(rows, columns=columns), by_n, LOGS)
