"""The published sizes of the systems of related papers, compared with those of stored results."""

from collections.abc import Mapping

import pandas as pd

from companion.labels import listing, power_of_ten

PUBLISHED = {
    "SISTA-RNN": {
        "images": "Caltech-256",
        "batches per epoch": 490,
        "pixels per column": 128,
        "measurements per column": 32,
        "layers": 3,
        "pictures per batch": 50,
        "updates": 49_000,
    },
    "LISTA": {
        "images": "CIFAR-10",
        "dictionary": "random, uniform",
        "training signals": 32_000,
        "pixels": 1024,
        "atoms": 1228,
        "layers": 10,
        "signals per batch": 512,
        "steps": 310_000,
    },
    "GLOW-Prox": {
        "images": "CelebA-HQ",
        "values per picture": 64 * 64 * 3,
        "layers": 5,
        "scales": 4,
        "blocks per scale": 18,
        "coupling": "affine",
        "grey levels": 32,
        "constraint": "ratio of gradient norms",
        "ε": 0.05,
        "layer noise": "norm 1/l",
        "pictures per batch": 8,
        "steps": 135_000,
    },
}
"""The settings in the public code of each system, by quantity. LISTA: 5000 epochs of 62 batches;
GLOW-Prox: 40 epochs of 27,000 pictures. Source: code of Wisdom et al. (2017), Hadou et al. (2024).
"""
_DATA = ("images", "batches per epoch", "training signals", "dictionary")
"""The quantities that describe the data and not the network or its training."""

OPERATIONS = {"one processor core": 5e10, "a large GPU": 2e13}
"""Assumed operations per second in training, in single precision, of two kinds of hardware."""


def differences(system: str, here: Mapping[str, object]) -> pd.DataFrame:
    """Return one row per published setting, with its value here.

    >>> differences("LISTA", {"images": "digits"}).iloc[0].tolist()
    ['images', 'CIFAR-10', 'digits', True]
    """
    rows = []
    for name, published in PUBLISHED[system].items():
        value = here.get(name)
        # A training that is longer than the published one counts as one of the published length.
        is_longer = name in ("updates", "steps") and value is not None and value >= published
        rows.append((name, published, value, value != published and not is_longer))
    return pd.DataFrame(rows, columns=["setting", "published", "here", "differs"], dtype=object)


def settings_table(system: str, here: Mapping[str, object]) -> pd.DataFrame:
    """Return the published settings and those of stored results, as text for a page."""
    table = differences(system, here)
    words = table["differs"].map({True: "yes", False: "no"})
    return table.map(_text).assign(differs=words)


def agreements(system: str, here: Mapping[str, object]) -> str:
    """Return the quantities in which a system equals the published one, as text.

    >>> agreements("LISTA", {"layers": 10, "atoms": 3})
    'layers 10'
    """
    table = differences(system, here).query("here == published")
    return ", ".join(f"{row.setting} {_text(row.published)}" for row in table.itertuples())


def statement(system: str, here: Mapping[str, object]) -> str:
    """Return which system was evaluated, as a sentence in Markdown.

    >>> statement("SISTA-RNN", PUBLISHED["SISTA-RNN"])
    'The evaluated system is **the published SISTA-RNN**.'
    """
    table = differences(system, here)
    different = table.loc[table["differs"].astype(bool), "setting"]
    if different.empty:
        return f"The evaluated system is **the published {system}**."
    count = f"{len(different)} of {len(table)} settings differ"
    if different.isin(_DATA).all():
        return f"The evaluated system is **the published {system} on other data**: {count}."
    return f"The evaluated system is **a reduced version of the published {system}**: {count}."


def cost(system: str) -> str:
    """Return the operations and the time of one training of the published length, as text."""
    total = _OPERATIONS[system]() * PUBLISHED[system]["steps"]
    hours = [f"{_hours(total / rate)} on {name}" for name, rate in OPERATIONS.items()]
    rates = listing(map(_scientific, OPERATIONS.values()))
    return (
        f"One training of {system} of the published size and length has about {_scientific(total)} "
        f"operations: about {' or '.join(hours)}, at an assumed {rates} operations per second."
    )


def lista_operations(
    pixels: int = 1024, atoms: int = 1228, layers: int = 10, batch: int = 512
) -> int:
    """Return the operations of one step of LISTA: forward, and twice as many backward.

    >>> f"{lista_operations():.2g}"
    '8.5e+10'
    """
    return 3 * 2 * batch * layers * atoms * (atoms + pixels)


def glow_operations(
    side: int = 64, channels: int = 3, layers: int = 5, scales: int = 4, blocks: int = 18
) -> int:
    """Return the operations of one step of GLOW-Prox on eight pictures, convolutions only.

    Each block has three convolutions (3×3, 1×1, 3×3) with 512 hidden channels, which are computed
    in the flow and again in its inverse; the backward pass has twice as many operations.
    """
    width, total = 512, 0
    for _ in range(scales):
        side, channels = side // 2, 4 * channels
        per_pixel = 9 * channels // 2 * width + width**2 + 9 * width * channels
        total += side**2 * per_pixel
        channels //= 2
    return 3 * 2 * 8 * layers * 2 * blocks * total


_OPERATIONS = {"LISTA": lista_operations, "GLOW-Prox": glow_operations}


def _hours(seconds: float) -> str:
    hours = seconds / 3600
    return f"{hours / 24:.0f} days" if hours > 72 else f"{hours:.1f} hours"


def _scientific(value: float) -> str:
    digit, exponent = f"{value:.0e}".split("e")
    return f"{digit} × {power_of_ten(int(exponent))}"


def _text(value: object) -> str:
    if value is None:
        return "–"
    return f"{value:,}" if isinstance(value, int) else str(value)
