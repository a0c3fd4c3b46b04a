"""The ranking of the networks by pixel scale, over the scales that have run."""

import pandas as pd
import traitlets
from matplotlib.figure import Figure

from companion import attribution
from companion.labels import title
from companion.plots import effect_plots
from companion.widgets.base_widget import Explorer, script
from unfolded.errors import ConfigError, complain
from unfolded.runs.config import PROTOCOLS

SIZES = ("equal width", "equal size")
"""What is equal between the networks: the width h, or the number of parameters."""


class ScaleExplorer(Explorer):
    """A slider over the pixel scales that have run, for the networks in the order of their PSNR.

    ``data`` comes from :func:`recorded`; ``scale`` is the largest value of a pixel, ``size`` one of
    :data:`SIZES`. Nothing is interpolated between two scales. Units: dB.
    Raises ConfigError for a scale without a protocol and for another size.

    >>> from companion.reproduction import ablation_effects
    >>> from companion.run_set import RunSet
    >>> levels = ablation_effects.scale_levels(RunSet.committed())
    >>> explorer = ScaleExplorer(data=recorded(levels), scale=1)
    >>> len(explorer.data["scales"]), explorer.element().split(" data-source")[0]
    (2, '<scale-explorer scale="1.0" size="equal width"')
    """

    TAG = "scale-explorer"
    NAMES = ("scale", "size")
    _esm = script("scale.js")
    data = traitlets.Dict().tag(sync=True)
    scale = traitlets.Float(255.0).tag(sync=True)
    size = traitlets.Unicode(SIZES[0]).tag(sync=True)

    @staticmethod
    def check(name: str, value) -> None:
        """Raise ConfigError for a value that is not a valid choice of this trait."""
        peaks = [protocol.peak for protocol in PROTOCOLS.values()]
        choices = {"scale": peaks, "size": SIZES}[name]
        if isinstance(value, bool) or value not in choices:
            expected = f"{name} to be one of {', '.join(map(str, choices))}"
            raise ConfigError(complain(expected, repr(value), "choose one"))

    def picture(self) -> tuple[Figure, str]:
        """Return the PSNR of each network at each scale as a figure, with a description."""
        cells = self.data["cells"]
        rows = [
            {"size": size, "model": model, "protocol": scale["protocol"], **cell}
            for size, networks in cells.items()
            for model, line in networks.items()
            for scale, cell in zip(self.data["scales"], line, strict=True)
        ]
        levels = pd.DataFrame(rows).astype({"psnr": float})
        ranked = levels.dropna(subset="psnr").sort_values("psnr", ascending=False)
        groups = ranked.groupby(["size", "protocol"])
        parts = [
            f"{size}, pixels from 0 to {PROTOCOLS[protocol].peak:g}: "
            + ", ".join(f"{title(row.model)} {row.psnr:.1f} dB" for row in rows.itertuples())
            for (size, protocol), rows in groups
        ]
        alt = "The networks in the order of their PSNR. "
        return effect_plots.pixel_scales(levels), f"{alt}{'; '.join(parts)}."


def recorded(levels: pd.DataFrame) -> dict:
    """Return the PSNR of each network at each pixel scale that has run, as plain lists.

    ``levels``: :func:`companion.reproduction.ablation_effects.scale_levels`.

    ``cells`` has size -> network -> one cell per scale, in increasing order of the scale: ``psnr``
    (mean over trained seeds in dB, None without one), ``seeds`` (trained) and ``reason`` (why there
    is no trained seed; else empty); the numbers are not rounded. Raises ConfigError without
    runs at two scales.
    """
    if levels.empty:
        do = "run the ablations of the pixel scale"
        raise ConfigError(complain("runs of reweighted-RNN at two pixel scales", "none", do))
    peaks = {name: protocol.peak for name, protocol in PROTOCOLS.items()}
    ran = set(levels.loc[levels["seeds"] > 0, "protocol"])
    names = sorted(ran, key=peaks.get)
    cells = {size: {} for size in SIZES}
    for (size, model), rows in levels.groupby(["size", "model"], sort=False):
        rows = rows.set_index("protocol")
        cells[size][model] = [_cell(rows.loc[name]) for name in names]
    return {
        "scales": [{"protocol": name, "peak": peaks[name]} for name in names],
        "names": {model: title(model) for model in dict.fromkeys(levels["model"])},
        "cells": cells,
        "evidence": levels.attrs["evidence"],
        "source": attribution.of(levels).stamp(),
    }


def _cell(row: pd.Series) -> dict:
    psnr = float(row["psnr"]) if row["seeds"] else None
    return {"psnr": psnr, "seeds": int(row["seeds"]), "reason": row["reason"]}
