"""The interactive bounds of five networks, with and without a Python kernel."""

import math

import numpy as np
import traitlets
from matplotlib.figure import Figure

from companion.plots import line_plots, style
from companion.theory.equal_norms import against
from companion.widgets.base_widget import Explorer, script
from unfolded.errors import ConfigError, complain

WHOLE = {
    "d": (1, 50),
    "T": (1, 10**5),
    "m": (1, 10**9),
    "n": (1, 10**5),
    "h": (2, 10**6),
    "k": (1, 10**6),
}
REAL = {"alpha": (1e-3, 1e3), "beta": (1e-3, 1e3), "gamma": (1e-3, 1e3), "a": (1e-6, 1.0)}
LIMITS = WHOLE | REAL
SLIDERS = {
    "d": (1, 12),
    "T": (1, 1000),
    "m": (100, 10**6),
    "n": (1, 128),
    "h": (128, 4096),
    "k": (1, 128),
    "a": (1e-3, 1.0),
} | dict.fromkeys(("alpha", "beta", "gamma"), (0.1, 10.0))
STATE = ("d", "T", "alpha", "beta", "gamma", "m", "n", "h", "k", "a")


class BoundsExplorer(Explorer):
    r"""Sliders for d, T, α, β, γ, m, n and h, and the corresponding bounds of five networks.

    Two more sliders relate the networks' norms: ``k`` entries in each row of W and U, and the
    weight ``a`` of FastRNN. ``against`` is the slider along which the curves are drawn; the
    formulas are those of `log_bounds`. With a kernel, the traits and the sliders are
    synchronised; a static page shows the same element, drawn by the same script.
    Shapes: ten numbers. Units: none, because inputs have size one.
    Raises ConfigError for a number outside its limits and for an unknown name.
    Source: (14)–(17), (51), (54), and the companion's own `rademacher_repaired`.

    >>> BoundsExplorer(T=100, against="T").element().split(" alpha")[0]
    '<bounds-explorer against="T" d="3" T="100"'
    """

    TAG = "bounds-explorer"
    NAMES = ("against", *STATE)
    _esm = script("bounds.js")
    against = traitlets.Unicode("alpha").tag(sync=True)
    d = traitlets.Int(3).tag(sync=True)
    T = traitlets.Int(20).tag(sync=True)
    alpha = traitlets.Float(0.9).tag(sync=True)
    beta = traitlets.Float(1.0).tag(sync=True)
    gamma = traitlets.Float(1.0).tag(sync=True)
    m = traitlets.Int(8000).tag(sync=True)
    n = traitlets.Int(51).tag(sync=True)
    h = traitlets.Int(1024).tag(sync=True)
    k = traitlets.Int(16).tag(sync=True)
    a = traitlets.Float(1.0).tag(sync=True)

    @staticmethod
    def check(name: str, value) -> None:
        """Raise ConfigError for a number outside its limits or an unknown slider name."""
        if name == "against":
            if value not in STATE:
                expected = f"against to be one of {', '.join(STATE)}"
                raise ConfigError(complain(expected, repr(value), "choose one"))
            return
        low, high = LIMITS[name]
        number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
        if not (number and low <= value <= high and (name in REAL or value == int(value))):
            kind = "a number" if name in REAL else "a whole number"
            expected = f"{name} to be {kind} between {low:g} and {high:g}"
            raise ConfigError(complain(expected, repr(value), "choose another value"))

    def picture(self) -> tuple[Figure, str]:
        """Return a static figure of the same curves, and its description."""
        return picture(self.against, **{name: getattr(self, name) for name in STATE})


def picture(name: str, **state) -> tuple[Figure, str]:
    """Draw the bounds along one argument of `log_bounds`, with a description.

    What to see: which curve is lowest, and which curves are steep.

    >>> fig, alt = picture("T", **{name: getattr(BoundsExplorer(), name) for name in STATE})
    >>> fig.axes[0].get_xlabel()
    '$T$'
    """
    values = axis(name, state[name])
    lines = against(name, values, **{key: value for key, value in state.items() if key != name})
    fig, ax = style.panels(height=4.2)
    symbol = {"alpha": r"\alpha", "beta": r"\beta", "gamma": r"\gamma"}.get(name, name)
    labels = {"xlabel": f"${symbol}$", "ylabel": "$\\log_{10}$ of the bound"}
    line_plots.curves(lines, x=values, ax=ax, **labels)
    # The repaired bound is not a network with a colour in the book: black distinguishes it.
    ax.lines[-1].set(color="#222222", ls=(0, (8, 2)))
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3)
    if name not in ("d", "n"):
        ax.set_xscale("log")
    ends = (f"{key} from {line[0]:.1f} to {line[-1]:.1f}" for key, line in lines.items())
    return fig, (
        f"log10 of each bound for {name} from {values[0]:g} to {values[-1]:g}: {'; '.join(ends)}."
    )


def axis(name: str, value: float) -> list:
    """Return about forty values of an argument, evenly spaced on its scale, around its range.

    >>> axis("d", 3)[-1], axis("h", 1024)
    (12, [128, 256, 512, 1024, 2048, 4096])
    """
    low, high = SLIDERS[name]
    low, high = min(low, value), max(high, value)
    if name in ("h", "k"):
        points = 2.0 ** np.arange(math.floor(math.log2(low)), math.ceil(math.log2(high)) + 1)
    elif name in ("d", "n"):
        points = np.linspace(low, high, min(41, high - low + 1))
    else:
        points = np.geomspace(low, high, 41)
    if name in REAL:
        return points.tolist()
    return sorted({round(point) for point in points.tolist()})
