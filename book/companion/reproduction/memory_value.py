"""The value of memory: tables, sentences and figure from the results in data/results/memory.csv.

`memory_evaluation` tests the networks normally, without state, and on shuffled frames.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from companion import labels, results
from companion.attribution import mark
from companion.labels import pair, signed, signed_interval, title
from companion.plots.style import panels
from companion.reproduction.linear_baseline import did_not_train
from companion.statistics import Difference, decibel, paired_difference
from unfolded.choices import COMPARED, UNFOLDED
from unfolded.networks import names
from unfolded.runs import results_table
from unfolded.runs.grid import STARTS, SUCCESSOR

TABLE, ERRORS = "memory.csv", "memory"
"""The table in data/results/, one row per run, and the folder of errors, one file per run."""

CONDITIONS = ("as_trained", "without_state", "shuffled")
"""Complete sequences; frames as sequences of length one; shuffled frames of a sequence."""

_TRAINED = "psnr_authors_as_trained"

SETTINGS = ("model", "cs_rate", "hidden", "depth", "seed", "source", "protocol", "profile")
SETTINGS += ("reduction", "lambda1", "lambda2", "memory", "variant")
"""The settings of a run in the table."""

_PAIRS = (STARTS["earlier code"], SUCCESSOR)
"""The compared pairs of initial λ1, λ2."""

_GROUP = ["model", "lambda1", "lambda2", "variant", "memory"]
"""The fields that identify a row of the page: its runs differ only in the seed."""


@dataclass(frozen=True)
class Outcomes:
    """Tested runs, one row per run, and their errors: config hash -> one column per condition."""

    runs: pd.DataFrame
    errors: dict[str, pd.DataFrame]

    @classmethod
    def committed(cls, hidden: int = 256) -> "Outcomes":
        """Return the results in data/results/ for a width; empty tables if there are none."""
        runs = results.load_table(TABLE, missing=["config_hash", *SETTINGS, _TRAINED])
        runs = runs.query("hidden == @hidden")
        folder = results_table.RESULTS / ERRORS
        errors = {name: results.read(folder / f"{name}.csv") for name in runs["config_hash"]}
        return cls(runs, errors)

    def trained(self) -> "Outcomes":
        """Return the runs that learned to reconstruct."""
        return self._subset(~self._did_not_train())

    def untrained(self) -> "Outcomes":
        """Return the runs whose output is close to the mean frame."""
        return self._subset(self._did_not_train())

    def _did_not_train(self) -> pd.Series:
        return did_not_train(self.runs.rename(columns={_TRAINED: "psnr_authors"}))

    def _subset(self, mask: pd.Series) -> "Outcomes":
        return Outcomes(mark(self.runs[mask], self.runs[mask]), self.errors)

    def errors_of(self, names: Iterable[str], condition: str) -> np.ndarray:
        """Return the errors of runs under a condition: (runs, sequences) in squared grey levels."""
        return np.stack([self.errors[name][condition].to_numpy(float) for name in names])


def label(model: str, lambda1: float, lambda2: float, variant: str, memory: str) -> str:
    """Return the label of a network and its training on the page.

    >>> label("sista-rnn", 1.0, 0.01, "default", "off"), label("gru", 1.0, 0.01, "default", "on")
    ('SISTA-RNN, λ from (1, 0.01), trained without memory', 'GRU')
    """
    start_words = [f"λ from {pair(lambda1, lambda2)}"] if model in UNFOLDED else []
    variant_words = [variant] if variant != "default" else []
    memory_words = ["trained without memory"] if memory == "off" else []
    return ", ".join([title(model), *start_words, *variant_words, *memory_words])


def summary(outcomes: Outcomes) -> pd.DataFrame:
    """Return a row for each network and initial λ: PSNR in each condition, and the differences.

    ``past`` is the loss without state and ``order`` the loss on shuffled frames, each the mean over
    seeds and sequences of the difference of a sequence's PSNR, with its 95 % interval
    (see :func:`companion.statistics.paired_difference`). Columns: network, model, memory, the
    conditions, past, past_low, past_high, order, order_low, order_high, seeds, sequences,
    config_hash. In dB.
    """
    rows = []
    for key, runs in _groups(outcomes.runs):
        errors = [outcomes.errors_of(runs["config_hash"], name) for name in CONDITIONS]
        levels = dict(zip(CONDITIONS, (decibel(mse).mean() for mse in errors), strict=True))
        past, order = (paired_difference(changed, errors[0]) for changed in errors[1:])
        rows.append(
            {"network": label(*key), "model": key[0], "memory": key[-1], **levels}
            | _interval_columns("past", past)
            | _interval_columns("order", order)
            | {"seeds": past.seeds, "sequences": past.sequences}
            | {"config_hash": " ".join(runs["config_hash"])}
        )
    columns = ["network", "model", "memory", *CONDITIONS]
    columns += [f"{column}{end}" for column in ("past", "order") for end in ("", "_low", "_high")]
    table = pd.DataFrame(rows, columns=[*columns, "seeds", "sequences", "config_hash"])
    return mark(table, outcomes.runs)


def compare_with_no_link(outcomes: Outcomes) -> pd.DataFrame:
    """Return the lead of networks trained with the link over those trained with the link at zero.

    One row per network and initial λ with both runs; seeds and sequences are paired.
    Columns: network, with_link, without_link, mean, low, high, seeds, sequences, verdict, and
    trained_and_cut: the lead of the network trained with the link and applied without state over
    the network trained with the link at zero.
    """
    rows, runs = [], {key: group.set_index("seed") for key, group in _groups(outcomes.runs)}
    for key, on in runs.items():
        off = runs.get((*key[:-1], "off"))
        seeds = [] if off is None or key[-1] == "off" else sorted(set(on.index) & set(off.index))
        if not seeds:
            continue
        hashes, reference_hashes = (
            [group.at[seed, "config_hash"] for seed in seeds] for group in (on, off)
        )
        linked, cut = (outcomes.errors_of(hashes, name) for name in CONDITIONS[:2])
        reference = outcomes.errors_of(reference_hashes, CONDITIONS[0])
        gap = paired_difference(linked, reference)
        levels = {"with_link": decibel(linked).mean(), "without_link": decibel(reference).mean()}
        cut = {"trained_and_cut": paired_difference(cut, reference).mean}
        rows.append({"network": label(*key), **levels, **gap._asdict()} | cut)
        rows[-1] |= {"verdict": gap.verdict, "config_hash": " ".join([*hashes, *reference_hashes])}
    columns = ["network", "with_link", "without_link", *Difference._fields]
    table = pd.DataFrame(rows, columns=[*columns, "trained_and_cut", "verdict", "config_hash"])
    return mark(table, outcomes.runs)


def describe_link(rows: pd.DataFrame) -> str:
    """State what the link is worth, from the rows of :func:`compare_with_no_link`."""
    if rows.empty:
        return "This control has not been run yet."
    better = int((rows["low"] > 0).sum())
    parts = [f"{row.network} {signed(row.mean)} dB" for row in rows.itertuples()]
    return (
        f"With the link, PSNR is higher in {better} of {labels.counted(len(rows), 'row')}, by the "
        f"intervals: {'; '.join(parts)}."
    )


def missing_networks(outcomes: Outcomes) -> list[str]:
    """Return the networks of the comparison without a result, by their labels on the page.

    The comparison needs the stacked networks, and the unfolded networks from both initial λ,
    trained with and without memory.
    """
    existing, required = {key for key, _ in _groups(outcomes.runs)}, []
    for model in COMPARED:
        pairs = _PAIRS if model in UNFOLDED else [STARTS["earlier code"]]
        for memory in ("on", "off") if model in UNFOLDED else ("on",):
            required += [(model, *pair, "default", memory) for pair in pairs]
    return [label(*key) for key in required if key not in existing]


def display_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Return a :func:`summary` or :func:`compare_with_no_link` for display, intervals as text."""
    columns = {"as_trained": "as trained (dB)", "with_link": "trained with link (dB)"}
    columns |= {"without_link": "trained without link (dB)"}
    columns = {old: new for old, new in columns.items() if old in rows}
    out = rows[["network", *columns]].rename(columns=columns)
    heads = {"past": "change without state", "order": "change, shuffled", "mean": "difference"}
    for name in (name for name in heads if name in rows):
        low, high = ("low", "high") if name == "mean" else (f"{name}_low", f"{name}_high")
        ends = rows[name], rows[low], rows[high]
        out[f"{heads[name]} (dB)"] = list(map(signed_interval, *ends))
    if "trained_and_cut" in rows:
        out["without state, less trained without link (dB)"] = rows["trained_and_cut"].map(signed)
    out["seeds"] = rows["seeds"]
    return mark(out, rows)


def sentences(rows: pd.DataFrame) -> list[str]:
    """Return a sentence for each row of a summary, for the description of the figure."""
    return [
        f"{row.network} {signed(row.past)} dB without state, {signed(row.order)} dB shuffled"
        for row in rows[rows["memory"] == "on"].itertuples()
    ]


def verdict(rows: pd.DataFrame) -> str:
    """Return a summary in a few Markdown sentences; "Not run." if it has no row."""
    trained = rows[rows["memory"] == "on"]
    if trained.empty:
        return "Not run."
    parts = []
    for column, name in (("past", "Without state"), ("order", "On shuffled frames")):
        worse, better = (int(mask.sum()) for mask in (trained[f"{column}_high"] < 0,
                                                      trained[f"{column}_low"] > 0))  # fmt: skip
        parts.append(
            f"{name}, PSNR is lower in {worse} and higher in {better} of {len(trained)} rows, "
            "by the intervals."
        )
    best = trained.loc[trained["as_trained"].idxmax()]
    competitors = trained[trained["model"] != best.model]
    if len(competitors):
        rival = competitors.loc[competitors["as_trained"].idxmax()]
        gap = best.without_state - rival.as_trained
        parts.append(
            f"Without state, the best network as trained ({best.network}) is {abs(gap):.2f} dB "
            f"{'above' if gap > 0 else 'below'} the best other network with its state "
            f"({rival.network})."
        )
    return " ".join(parts)


def list_runs(outcomes: Outcomes) -> str:
    """Return the networks of the runs with their seeds, or "none"."""
    parts = [f"{label(*key)} (seeds: {', '.join(map(str, group['seed']))})"
            for key, group in _groups(outcomes.runs)]  # fmt: skip
    return "; ".join(parts) or "none"


def draw_changes(rows: pd.DataFrame) -> Figure:
    """Draw the value of the past and of the order, two dots with intervals per row of a summary.

    Omits the networks trained without memory, for which both are zero.
    What to see: which networks lose much without a past, and which lose more with a wrong past.
    """
    rows = rows[rows["memory"] == "on"]
    fig, ax = panels(height=1.3 + 0.38 * len(rows))
    styles = {"past": ("o", "#0072B2", "without state"), "order": ("D", "#D55E00", "shuffled")}
    for shift, (column, (marker, colour, name)) in zip((-0.14, 0.14), styles.items(), strict=True):
        places = np.arange(len(rows)) + shift
        ax.hlines(places, rows[f"{column}_low"], rows[f"{column}_high"], colour, lw=3, alpha=0.45)
        ax.plot(rows[column], places, marker, color=colour, ls="none", label=name)
    ax.axvline(0, color="#8a8a8a", lw=1)
    ax.set(xlabel="change of PSNR (dB)", ylim=(len(rows) - 0.5, -0.5))
    ax.set_yticks(range(len(rows)), rows["network"].str.replace(", ", ",\n", n=1))
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    return mark(fig, rows)


def _groups(runs: pd.DataFrame):
    """Yield the runs that differ only in the seed, in the order of the networks."""
    if runs.empty:
        return
    order = runs["model"].map({name: number for number, name in enumerate(names())})
    by, up = ["place", "memory", "lambda1", "seed"], [True, False, False, True]
    ordered = runs.assign(place=order).sort_values(by, ascending=up)
    yield from ordered.drop(columns="place").groupby(_GROUP, sort=False)


def _interval_columns(name: str, gap: Difference) -> dict[str, float]:
    return {name: gap.mean, f"{name}_low": gap.low, f"{name}_high": gap.high}
