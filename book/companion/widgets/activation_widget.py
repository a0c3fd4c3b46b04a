"""The interactive activation Φ, with and without a Python kernel."""

import math

import ipywidgets
import numpy as np
import traitlets
from matplotlib.figure import Figure

from companion.plots import line_plots, style
from companion.widgets.base_widget import Explorer, script
from unfolded.errors import ConfigError, complain
from unfolded.prox import prox_l1_l1

NAMES = ("lambda1", "lambda2", "g", "hbar", "c")


class ActivationExplorer(Explorer):
    r"""Sliders for λ1, λ2, g, ħ and c, and the corresponding curve of Φ.

    .. math:: \Phi(u) = \arg\min_v\; \tau_1|v| + \tau_2|v-\hbar| + \tfrac12 (v-u)^2,
        \qquad \tau_i = \lambda_i g / c

    With a kernel, the five traits and the sliders are synchronised. A static page shows the same
    element, drawn by the same script, without a kernel.
    Shapes: five numbers. Units: λ and ħ those of a code; g and c none.
    Raises ConfigError for a negative λ, for g or c not above zero, and for non-finite numbers.
    Source: (6), (7) and Fig. 1.

    >>> explorer = ActivationExplorer(lambda1=1.0, lambda2=0.5, g=2.0, hbar=-2.0)
    >>> explorer.thresholds()
    (2.0, 1.0)
    >>> explorer.element().split(">")[0]
    '<activation-explorer lambda1="1.0" lambda2="0.5" g="2.0" hbar="-2.0" c="1.0"'
    """

    TAG = "activation-explorer"
    NAMES = NAMES
    _esm = script("activation.js")
    lambda1 = traitlets.Float(1.0).tag(sync=True)
    lambda2 = traitlets.Float(0.5).tag(sync=True)
    g = traitlets.Float(1.0).tag(sync=True)
    hbar = traitlets.Float(2.0).tag(sync=True)
    c = traitlets.Float(1.0).tag(sync=True)

    @staticmethod
    def check(name: str, value) -> None:
        """Raise ConfigError for a value without a proximal operator."""
        _check(name, value)

    def thresholds(self) -> tuple[float, float]:
        """Return (τ1, τ2) = (λ1 g / c, λ2 g / c)."""
        return self.lambda1 * self.g / self.c, self.lambda2 * self.g / self.c

    def picture(self) -> tuple[Figure, str]:
        """Return Φ and the objective at one u on the upper plateau, with a description."""
        (tau1, tau2), hbar = self.thresholds(), self.hbar
        fig, (left, right) = line_plots.panels(1, 2)
        _draw(hbar, tau1, tau2, ax=left)
        u = sum(kinks(hbar, tau1, tau2)[2:]) / 2
        minimiser = prox_l1_l1(u, hbar, tau1, tau2).item()
        v = np.linspace(minimiser - 3.0, minimiser + 3.0, 481)
        right.plot(v, tau1 * abs(v) + tau2 * abs(v - hbar) + (v - u) ** 2 / 2)
        right.axvline(minimiser, color=line_plots.FAINT, lw=1, ls=":")
        right.set(xlabel="$v$", title=rf"$\varphi(v)$ for $u$ = {u:.3g}")
        ends = ", ".join(f"{kink:.3g}" for kink in kinks(hbar, tau1, tau2))
        return fig, (
            f"Left: the activation rises, with flat pieces at 0 and at {hbar:.3g}; it bends at u = "
            f"{ends}. Right: its objective for u = {u:.3g} is least at v = {minimiser:.3g}."
        )


def kinks(hbar: float, tau1: float, tau2: float) -> list[float]:
    r"""Return the values of u, in ascending order, at which the linear pieces of Φ meet.

    .. math:: \min(0,\hbar)-\tau_1-\tau_2,\quad \min(0,\hbar)+s,\quad \max(0,\hbar)+s,\quad
        \max(0,\hbar)+\tau_1+\tau_2, \qquad s = \pm(\tau_1-\tau_2)

    with plus for ħ ≥ 0 and minus below. Shapes: numbers in, a list of four out. Units: those of u.
    Source: the limits of the cases in (6) and (7).

    >>> kinks(2.0, 1.0, 0.5)
    [-1.5, 0.5, 2.5, 3.5]
    """
    low, high, radius = min(0.0, hbar), max(0.0, hbar), tau1 + tau2
    difference = tau2 - tau1 if hbar < 0 else tau1 - tau2
    return [low - radius, low + difference, high + difference, high + radius]


def sliders(*, lambda1=1.0, lambda2=0.5, g=1.0, hbar=2.0, c=1.0) -> ipywidgets.VBox:
    """Return standard ipywidgets sliders over a matplotlib figure; they need a kernel.

    Each change calls `prox_l1_l1` and `line_plots.activation`, so the figure shows library values.
    Raises ConfigError as `ActivationExplorer` does.

    >>> sliders(g=0.0)
    Traceback (most recent call last):
    unfolded.errors.ConfigError: expected g to be a finite number > 0; got 0.0; choose another value
    """
    start = dict(lambda1=lambda1, lambda2=lambda2, g=g, hbar=hbar, c=c)
    low = dict(lambda1=0.0, lambda2=0.0, g=0.05, hbar=-4.0, c=0.25)
    high = dict(lambda1=2.0, lambda2=2.0, g=3.0, hbar=4.0, c=4.0)
    controls = {}
    for name, value in start.items():
        _check(name, value)
        controls[name] = ipywidgets.FloatSlider(
            value=value,
            min=min(low[name], value),
            max=max(high[name], value),
            step=0.05,
            description=name.replace("lambda", "λ").replace("hbar", "ħ"),
        )
    # An image widget instead of `interactive_output`: an Output widget can block a headless run of
    # the notebook indefinitely.
    picture = ipywidgets.Image(format="png", layout=ipywidgets.Layout(max_width="42rem"))

    def redraw(_=None):
        picture.value = style.png(_figure(**{k: slider.value for k, slider in controls.items()}))

    for slider in controls.values():
        slider.observe(redraw, "value")
    redraw()
    return ipywidgets.VBox([ipywidgets.VBox(list(controls.values())), picture])


def _figure(lambda1, lambda2, g, hbar, c):
    return _draw(hbar, lambda1 * g / c, lambda2 * g / c)


def _draw(hbar, tau1, tau2, ax=None):
    u = np.linspace(-6.0, 6.0, 481)
    return line_plots.activation(
        u,
        prox_l1_l1(u, hbar, tau1, tau2),
        kinks=[x for x in kinks(hbar, tau1, tau2) if abs(x) <= u[-1]],
        plateaus={"0": 0.0, r"$\hbar$": hbar},
        title=rf"$\tau_1$ = {tau1:.3g}, $\tau_2$ = {tau2:.3g}",
        ax=ax,
    )


def _check(name: str, value) -> None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    minimum = {"hbar": -math.inf, "g": 0.0, "c": 0.0}.get(name)
    is_valid = math.isfinite(number) and (number >= 0 if minimum is None else number > minimum)
    if not is_valid:
        descriptions = {None: "a finite number >= 0", 0.0: "a finite number > 0"}
        expected = descriptions.get(minimum, "a finite number")
        raise ConfigError(complain(f"{name} to be {expected}", repr(value), "choose another value"))
