"""The paper's table cells beside ours: printed value, mean and interval over seeds, verdict."""

import base64
import math

import numpy as np
import pandas as pd
from scipy import stats

from unfolded import labels, results, sources
from unfolded.config import PROFILES, RunConfig, usual_depth

AGREES = 0.5
"""Decibels within which two values count as the same."""

_SEEDS = 3
"""So many seeds give an interval that can agree with print; that of two spans decibels."""

_SOURCES = ("moving-mnist", "mnist")
"""What may stand beside print; a cell has runs of one of them, the released file if it was run."""

NAMES = {"cs_rate": "rate", "hidden": "h =", "depth": "d ="}
"""What a table varies, as it heads a column."""

APART = ("model", "cs_rate", "hidden", "depth", "seed", "protocol", "profile", "source")
"""Fields in which runs of one table may differ, or of the same table at another scale."""

FROM_TABLE_1 = "*"
"""Marks a printed value that Table 1 repeats, where the source has lost it in its own table."""

SYMBOLS = {
    "agrees": "≈ agrees",
    "higher": "▲ higher",
    "lower": "▼ lower",
    "not run": "– not run",
    "lost": "? lost in the source",
}


def title(model: str) -> str:
    """Return a network's name as the book writes it; other words are kept.

    >>> title("l1-l1-rnn"), title("gru"), title("mean frame")
    ('ℓ1-ℓ1-RNN', 'GRU', 'mean frame')
    """
    names = {name.lower(): name for name in results.printed()["model"]}
    return names.get(model.lower(), model).replace("l1-l1", "ℓ1-ℓ1")


def garbled(cells: pd.DataFrame) -> pd.Series:
    """Return which printed values are not lost in the source but stand there in several forms."""
    return cells["status"].str.startswith("unreadable")


def full_scale(runs: pd.DataFrame) -> pd.DataFrame:
    """Keep the runs that may stand beside print: its scale and protocol, nothing else changed.

    Moving MNIST from either source, the default reduction, positivity, start values and the rest.
    """
    same = runs["profile"].eq("paper") & runs["protocol"].eq("authors")
    return as_usual(runs[same & runs["source"].isin(_SOURCES)])


def as_usual(runs: pd.DataFrame) -> pd.DataFrame:
    """Keep the runs with the default of every field but those of :data:`APART`."""
    usual = {name: value for name, value in RunConfig().as_dict().items() if name not in APART}
    same = [runs[name].eq(value) for name, value in usual.items()]
    kept = runs[np.logical_and.reduce(same)]
    return sources.mark(kept, kept)


def beside_print(runs: pd.DataFrame, *, hidden: int | None = None, average: str = "authors"):
    """Return every printed cell with our runs of it: ours, low, high, runs, difference, verdict,
    config_hash (of each run, with spaces between).

    ``runs`` has the columns of data/results/runs.csv and should hold one profile and protocol
    only; ``hidden`` replaces the paper's default width where the table does not vary it, for
    runs of a smaller profile. ``low`` and ``high`` bound the 95 % interval of Student's t over
    seeds and are NaN below two runs. Units: dB, in the given averaging.
    """
    done = runs[runs["status"] == "done"]
    cells = results.printed()
    ours = pd.DataFrame([_ours(cell, done, hidden, average) for cell in cells.itertuples()])
    return sources.mark(pd.concat([cells, ours], axis=1), cells, done)


def _ours(cell, done: pd.DataFrame, hidden: int | None, average: str) -> dict:
    model = cell.model.lower()
    want = {"cs_rate": RunConfig.cs_rate, "hidden": hidden or PROFILES["paper"].hidden}
    want |= {"depth": usual_depth(model), cell.varies: cell.value, "model": model}
    fits = done.loc[np.logical_and.reduce([done[name] == value for name, value in want.items()])]
    if set(_SOURCES) <= set(fits["source"]):
        fits = fits[fits["source"] == _SOURCES[0]]
    psnr = fits[f"psnr_{average}"].astype(float)
    low, high = interval(psnr)
    ours = psnr.mean() if len(psnr) else math.nan
    return {
        "ours": ours,
        "low": low,
        "high": high,
        "runs": len(psnr),
        "difference": ours - cell.psnr_db,
        "verdict": verdict(cell.psnr_db, ours, *((low, high) if len(psnr) >= _SEEDS else ())),
        "config_hash": " ".join(fits["config_hash"]),
    }


def interval(values) -> tuple[float, float]:
    """Return the 95 % interval of the mean by Student's t; NaN below two values.

    >>> low, high = interval([1.0, 2.0, 3.0])
    >>> round(low, 2), round(high, 2)
    (-0.48, 4.48)
    """
    if len(values) < 2:
        return math.nan, math.nan
    half = stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)
    return float(np.mean(values) - half), float(np.mean(values) + half)


def verdict(printed: float, ours: float, low: float = math.nan, high: float = math.nan) -> str:
    """Say how ours compares with print: a key of SYMBOLS.

    Ours agrees within half a decibel, or if the printed value lies in our interval.

    >>> verdict(30.0, 30.4), verdict(30.0, 31.0), verdict(30.0, math.nan)
    ('agrees', 'higher', 'not run')
    """
    if math.isnan(printed):
        return "lost"
    if math.isnan(ours):
        return "not run"
    if abs(ours - printed) <= AGREES or low <= printed <= high:
        return "agrees"
    return "higher" if ours > printed else "lower"


def matrix(cells: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return one table of the paper, turned: a row a network, a column a value.

    ``cells``: rows of :func:`beside_print` of one table. The first result holds the texts, the
    printed value over ours with half its 95 % interval, over a verdict's symbol and ours less
    print; the second the verdicts, the keys of SYMBOLS.
    """
    texts = cells.assign(text=[_text(cell) for cell in cells.itertuples()])
    order = {"index": list(dict.fromkeys(cells["model"])), "columns": sorted(set(cells["value"]))}
    place = {"index": "model", "columns": "value"}
    text, verdicts = (texts.pivot(**place, values=what) for what in ("text", "verdict"))
    return text.reindex(**order), verdicts.reindex(**order)


def printed(cell) -> str:
    """Return the printed value of a cell as text, or "lost" or "garbled" in its place."""
    if not math.isnan(cell.psnr_db):
        return f"{cell.psnr_db:.2f}"
    return "garbled" if cell.status.startswith("unreadable") else "lost"


def ours(cell) -> str:
    """Return "not run", one value, or mean ± half the 95 % interval over seeds."""
    if not cell.runs:
        return "not run"
    spread = f" ± {(cell.high - cell.low) / 2:.2f}" if cell.runs > 1 else ""
    return f"{cell.ours:.2f}{spread}"


def _text(cell) -> str:
    marked = printed(cell) + FROM_TABLE_1 * cell.status.startswith("default row")
    apart = "" if math.isnan(cell.difference) else f" {cell.difference:+.2f}".replace("-", "−")
    said = f"\n{SYMBOLS[cell.verdict][0]}{apart}" if cell.runs else ""
    return f"{marked}\n{ours(cell)}{said}"


def coloured(cells: pd.DataFrame):
    """Return :func:`matrix` as a page shows it: colour and symbol tell the verdict."""
    texts, verdicts = matrix(cells)
    varied = str(cells["varies"].iloc[0])
    texts = texts.rename(columns=lambda value: f"{NAMES[varied]} {value:g}")
    texts, verdicts = texts.rename(index=title), verdicts.rename(index=title)
    texts.index.name = texts.columns.name = None
    classes = verdicts.set_axis(texts.columns, axis=1).map(lambda word: f"is-{word.split()[0]}")
    styled = texts.style.set_td_classes(classes)
    carried = sources.attribute(sources.of(cells).stamp())
    return styled.set_table_attributes(f'class="dataframe beside-print"{carried}')


def download(table: pd.DataFrame, name: str) -> str:
    """Return a link that saves a table as CSV; it needs no other file.

    >>> download(pd.DataFrame({"a": [1]}), "a.csv")
    '<a download="a.csv" href="data:text/csv;base64,YQoxCg==">Download a.csv</a>'
    """
    content = table.to_csv(index=False, lineterminator="\n").encode()
    address = f"data:text/csv;base64,{base64.b64encode(content).decode()}"
    return f'<a download="{name}" href="{address}">Download {name}</a>'


def shown(table: pd.DataFrame, digits: str = ".2f", index: bool = False, source=None):
    """Return a table as a page shows it: numbers in one format, verdicts as symbols, "–" for NaN.

    ``source``: what the numbers were read from, if the table has lost it on the way: tables,
    records or files, see :func:`unfolded.sources.of`. The book shows it as a stamp below.
    The class of a plain data frame tells the theme that it has colours of its own in the dark.
    """
    carried = sources.attribute(sources.shown_with(table, source).stamp())
    out = labels.readable(table)
    if "verdict" in out:
        out["verdict"] = out["verdict"].map(lambda word: SYMBOLS.get(word, word))

    def text(value) -> str:
        return labels.typeset(format(value, digits) if isinstance(value, float) else str(value))

    styled = out.style.format(text, na_rep="–")
    styled = styled.set_table_attributes(f'class="dataframe"{carried}')
    return styled if index else styled.hide()
