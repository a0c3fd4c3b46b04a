"""Labels for readers: names of networks, column headings, minus signs."""

import math
import re
from collections.abc import Iterable

import pandas as pd

NETWORKS = {
    "reweighted-rnn": "reweighted-RNN",
    "l1-l1-rnn": "ℓ1-ℓ1-RNN",
    "sista-rnn": "SISTA-RNN",
    "srnn": "sRNN",
    "lstm": "LSTM",
    "gru": "GRU",
    "indrnn": "IndRNN",
    "fastrnn": "FastRNN",
    "spectralrnn": "SpectralRNN",
}
"""Label of each network by registry name."""

HEADS = {
    "model": "network",
    "cs_rate": "CS rate",
    "hidden": "width h",
    "depth": "layers d",
    "psnr_authors": "PSNR, authors (dB)",
    "psnr_frame": "PSNR, frame (dB)",
    "psnr_sequence": "PSNR, sequence (dB)",
    "psnr_global": "PSNR, global (dB)",
    "psnr_authors_before_rounding": "PSNR before rounding (dB)",
    "psnr": "PSNR (dB)",
    "PSNR": "PSNR (dB)",
    "ssim": "SSIM",
    "mse": "MSE (grey levels²)",
    "test_mse": "test MSE (grey levels²)",
    "train_mse": "training MSE (grey levels²)",
    "validation_mse": "validation MSE (grey levels²)",
    "learned_c": "learned c",
    "learned_lambda1": "learned λ1",
    "learned_lambda2": "learned λ2",
    "lambda1": "λ1",
    "lambda2": "λ2",
    "config_hash": "run",
    "data_sha256": "SHA-256 of the data",
    "frames_per_second": "frames per second",
    "median_ms": "median (ms)",
    "q1_ms": "first quartile (ms)",
    "q3_ms": "third quartile (ms)",
    "first_s": "first call (s)",
    "output_difference": "difference of outputs",
    "gradient_difference": "difference of gradients",
    "parameter_difference": "difference of parameters",
    "log_difference": "difference of training logs",
    "seconds": "time (s)",
    "s/epoch": "time per epoch (s)",
    "mean": "mean difference (dB)",
    "low": "95 % interval, from",
    "high": "to",
}
"""Heading, with unit, of each column named by a variable."""

SYMBOLS = {"lambda1": "λ1", "lambda2": "λ2", "g_min": "smallest g", "g_max": "largest g"}
"""Labels of the scalars of an unfolded network as table rows."""

NOT_RUN, UNTRAINED, DIVERGED = "not run", "did not train", "diverged"
"""Texts in place of a value: no run, runs as the mean frame, a run that ended without a result."""

VERDICTS = {
    "agrees": "≈ agrees",
    "higher": "▲ higher",
    "lower": "▼ lower",
    UNTRAINED: "○ did not train",
    DIVERGED: "✕ diverged",
    NOT_RUN: "– not run",
    "lost": "? lost in the source",
}
"""Symbol and text of each verdict on a cell, and of each text in place of a value."""


def title(name: str) -> str:
    """Return the label of a network or of its variant in the book.

    Other words are unchanged.

    >>> title("l1-l1-rnn"), title("sista-rnn, F estimated"), title("mean frame")
    ('ℓ1-ℓ1-RNN', 'SISTA-RNN, F estimated', 'mean frame')
    """
    network, comma, variant = name.partition(",")
    return NETWORKS.get(network.lower(), network.replace("l1-l1", "ℓ1-ℓ1")) + comma + variant


def minus(text: str) -> str:
    """Return a text with minus signs instead of hyphens before numbers.

    >>> minus("-3.22 [-4, +1], 2e-06, l1-l1, 2026-11-22")
    '−3.22 [−4, +1], 2e-06, l1-l1, 2026-11-22'
    """
    return re.sub(r"(?<![\w.)\]-])-(?=\.?\d)", "−", text)


_LITERAL = re.compile(r"(`[^`]*`|\$[^$]*\$|\]\([^)]*\)|<[^>]*>)")
"""Code, mathematics, addresses and tags, which typesetting must not change."""

_NETWORK_NAMES = re.compile(rf"(?<![\w-])({'|'.join(NETWORKS)})(?![\w-])", re.IGNORECASE)


def power_of_ten(exponent: float) -> str:
    """Return the power of ten closest to a number, given by its logarithm to base ten.

    >>> power_of_ten(96.6), power_of_ten(-4.2)
    ('10⁹⁷', '10⁻⁴')
    """
    return "10" + str(round(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def typeset(text: str) -> str:
    """Return generated text as typeset in the book: names of networks, minus signs, "15 %".

    Code, mathematics, addresses and tags are unchanged.

    >>> typeset("gru -0.5 dB, l1-l1-RNN 15%, `gru -1`")
    'GRU −0.5 dB, ℓ1-ℓ1-RNN 15\xa0%, `gru -1`'
    """
    parts = _LITERAL.split(text)
    parts[::2] = [_typeset_part(part) for part in parts[::2]]
    return "".join(parts)


def _typeset_part(part: str) -> str:
    text = _NETWORK_NAMES.sub(lambda match: title(match[0]), part)
    return re.sub(r"(?<=\d) ?%", "\N{NO-BREAK SPACE}%", minus(text))


def signed(value: float, digits: int = 2) -> str:
    """Return a difference with its sign.

    >>> signed(-0.5), signed(2, 1), signed(-0.001)
    ('−0.50', '+2.0', '0.00')
    """
    text = f"{value:+.{digits}f}"
    return minus(text) if float(text) else text[1:]


def signed_interval(value: float, low: float, high: float, digits: int = 2) -> str:
    """Return a difference with its interval, or "–" for an interval that is not known (NaN).

    >>> signed_interval(-1.0, -1.5, 0.5), signed_interval(2, math.nan, math.nan, digits=1)
    ('−1.00 [−1.50, +0.50]', '+2.0 [–]')
    """
    ends = (signed(end, digits) for end in (low, high))
    return f"{signed(value, digits)} [{'–' if math.isnan(low) else ', '.join(ends)}]"


def counted(count: float, noun: str) -> str:
    """Return a number of things in words.

    >>> counted(1, "seed"), counted(3.0, "run")
    ('1 seed', '3 runs')
    """
    return f"{count:.0f} {noun}{'s' if count != 1 else ''}"


def part_of(count: int, others: int) -> str:
    """Return a count, and the total if there are others.

    >>> part_of(3, 0), part_of(1, 2)
    ('3', '1 of 3')
    """
    return f"{count} of {count + others}" if others else f"{count}"


def listing(words: Iterable[str], most: int | None = None) -> str:
    """Return words as a list in a sentence; the words after ``most`` are only counted.

    >>> listing(["GRU"]), listing(["GRU", "LSTM"]), listing(["GRU", "LSTM", "sRNN"], most=1)
    ('GRU', 'GRU and LSTM', 'GRU, and 2 more')
    """
    *first, last = words
    if most and len(first) >= most:
        return f"{', '.join(first[:most])}, and {len(first) + 1 - most} more"
    return f"{', '.join(first)} and {last}" if first else last


def span(values: Iterable[float], noun: str = "") -> str:
    """Return the range of some numbers as text, with a noun in the plural if it is given.

    >>> span([1, 3, 2], "seed"), span([1, 1], "seed"), span([2, 2])
    ('1 to 3 seeds', '1 seed', '2')
    """
    low, high = min(values), max(values)
    return f"{low:g} to " * bool(low < high) + (counted(high, noun) if noun else f"{high:g}")


def pair(lambda1: float, lambda2: float) -> str:
    """Return a pair of initial λ as text.

    >>> pair(0.003, 0.02)
    '(0.003, 0.02)'
    """
    return f"({lambda1:g}, {lambda2:g})"


def head(name: object) -> object:
    """Return the label of a column, or of a row of a transposed table; other names are unchanged.

    >>> head("test_mse"), head("verdict"), head(1)
    ('test MSE (grey levels²)', 'verdict', 1)
    """
    if not isinstance(name, str):
        return name
    return HEADS.get(name) or SYMBOLS.get(name) or title(name)


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table with readable column headings and the network names of the paper.

    >>> readable(pd.DataFrame({"model": ["gru"], "psnr_authors": [22.0]})).columns.tolist()
    ['network', 'PSNR, authors (dB)']
    """
    out = table.copy()
    for place, kind in enumerate(out.dtypes):
        if pd.api.types.is_object_dtype(kind) or pd.api.types.is_string_dtype(kind):
            out.isetitem(place, out.iloc[:, place].map(_text))
    return out.rename(index=head, columns=head)


def _text(value: object) -> object:
    return title(value) if isinstance(value, str) else value
