"""The possible values of the options of networks, data and runs."""

import re

from unfolded.errors import check_choice

UNFOLDED = ("reweighted-rnn", "l1-l1-rnn", "sista-rnn")
"""The unfolded networks."""

STACKED = ("srnn", "lstm", "gru", "indrnn", "fastrnn", "spectralrnn")
"""The stacked networks of the comparison."""

COMPARED = (*UNFOLDED, *STACKED)
"""The networks of the paper's tables, in grids and verdicts."""

MODELS = (*COMPARED,)
"""All networks. A network outside the comparison is added here alone."""

SOURCES = ("digits", "mnist", "moving-mnist")
"""Sources of frames: embedded digits, MNIST with the published generator, the released file."""

OWN = re.compile(r"own-([1-9][0-9]*(?:x[1-9][0-9]*)?)-[0-9a-f]{16}")
"""Frames of the user as a source: size of a frame, and digest (unfolded.data.own_frames)."""

REDUCTIONS = ("bilinear", "area", "antialiased")
"""Filters that reduce a frame from 64x64 to 16x16 pixels."""

POSITIVITY = ("exp", "softplus", "free")
"""Parametrisations of the positive parameters c, λ1, λ2 and g."""

REWEIGHTING = ("Z+g", "Z", "g")
"""The trained reweighting parameters of reweighted-RNN."""

MEMORY = ("on", "off")
"""Whether the link G (F in SISTA-RNN) to the previous frame is trained, or fixed at zero."""

GROUP_SIZE = 8
"""The default number of runs that a GPU trains in one group."""

VARIANTS: dict[str, dict[str, dict[str, object]]] = {
    "indrnn": {"ones": {"start": "ones", "bound": None}, "unbounded": {"bound": None}},
    "fastrnn": {"scaled": {"std": 0.01}},
    "spectralrnn": {"few-reflectors": {"reflectors": 16}},
}
"""Named non-default options of each network. IndRNN "ones": w = 1 and no bound, the defaults of the
code named in the paper; "unbounded": no bound, as recommended by the authors for 20 frames.
FastRNN "scaled": initial W and U with a tenth of the standard deviation in EdgeML.
SpectralRNN "few-reflectors": 16 in each factor, a setting in the code of its authors."""


def variant_options(model: str, variant: str) -> dict[str, object]:
    """Return the constructor options of a variant of a stacked network; none for "default".

    Raises ConfigError on a variant that this network does not have.

    >>> variant_options("indrnn", "unbounded")
    {'bound': None}
    """
    options_by_variant = {"default": {}, **VARIANTS.get(model, {})}
    check_choice(f"a variant of {model}", variant, options_by_variant)
    return options_by_variant[variant]
