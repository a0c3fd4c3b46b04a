"""The learned activations of the units of a trained network, evaluated on test data."""

import numpy as np
import torch
import traitlets
from matplotlib.figure import Figure
from torch import Tensor

from companion import attribution
from companion.labels import title
from companion.plots import line_plots
from companion.pretrained import pretrained, stored_weights
from companion.widgets.base_widget import Explorer, script
from unfolded.errors import ConfigError, complain
from unfolded.networks.reweighted import ReweightedRNN
from unfolded.prox import prox_l1_l1

NETWORKS = {
    "reweighted-rnn": ("reweighted-rnn", "weights"),
    "cover-reweighted-rnn": ("reweighted-rnn", "cover"),
    "l1-l1-rnn": ("l1-l1-rnn", "weights"),
    "cover-l1-l1-rnn": ("l1-l1-rnn", "cover"),
}
"""The stored networks with Φ, by file name: model, and table of :mod:`companion.pretrained`."""

LAYERS, UNITS, BINS = 3, 8, 30
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
SUPPOSE = ("learned", "start", "equal")


class UnitsExplorer(Explorer):
    r"""The learned Φ of one unit of a trained network, for values of ħ on test data.

    ``network`` and ``layer`` select the layer, ``unit`` one of the stored units, 0 with the
    smallest g. ``suppose`` replaces λ2 in the curves: as ``learned``, as at the ``start`` of
    training, or ``equal`` to λ1. ``data`` is the result of :func:`learned`.
    Shapes: one unit. Units: grey levels, those of the codes.
    Raises ConfigError for an unknown network, layer, unit or supposition.
    Source: the activation (6)–(7) with the thresholds λ_i g_l / c of (8).

    >>> UnitsExplorer(data=learned(torch.zeros(2, 3, 256)), layer=2).tau1 > 0
    True
    """

    TAG = "units-explorer"
    NAMES = ("network", "layer", "unit", "suppose")
    _esm = script("units.js")
    data = traitlets.Dict().tag(sync=True)
    network = traitlets.Unicode("reweighted-rnn").tag(sync=True)
    layer = traitlets.Int(1).tag(sync=True)
    unit = traitlets.Int(UNITS // 2).tag(sync=True)
    suppose = traitlets.Unicode("learned").tag(sync=True)

    @staticmethod
    def check(name: str, value) -> None:
        """Raise ConfigError for a value that is not a valid choice of this trait."""
        choices = {
            "network": NETWORKS,
            "layer": range(1, LAYERS + 1),
            "unit": range(UNITS),
            "suppose": SUPPOSE,
        }[name]
        if isinstance(value, bool) or value not in choices:
            expected = f"{name} to be one of {', '.join(map(str, choices))}"
            raise ConfigError(complain(expected, repr(value), "choose one"))

    @property
    def chosen(self) -> dict:
        """The data of the chosen unit."""
        return self.data["networks"][self.network]["layers"][self.layer - 1][self.unit]

    @property
    def tau1(self) -> float:
        """The threshold τ1 = λ1 g / c of the chosen unit."""
        return self.chosen["tau1"]

    @property
    def tau2(self) -> float:
        """The threshold τ2 = λ2 g / c of the chosen unit, with the supposed λ2."""
        facts = self.data["networks"][self.network]
        ratio = {"start": facts["start"], "equal": 1.0}.get(self.suppose)
        return self.chosen["tau2"] if ratio is None else ratio * self.tau1

    def picture(self) -> tuple[Figure, str]:
        """Return Φ for five quantiles of ħ above the histogram of u, with a description."""
        unit_data, label = self.chosen, self.data["networks"][self.network]["label"]
        low, high, *fractions = unit_data["u"]
        u = np.linspace(low, high, 481)
        fig, (top, bottom) = line_plots.panels(2, 1, height=5.0, sharex=True, height_ratios=(3, 1))
        family = {
            rf"$\hbar$ = {hbar:.3g}": prox_l1_l1(u, hbar, self.tau1, self.tau2)
            for hbar in unit_data["quantiles"]
        }
        line_plots.activation(u, family, ax=top, title=f"{label}, layer {self.layer}")
        bottom.stairs(fractions, np.linspace(low, high, len(fractions) + 1), fill=True)
        bottom.set(xlabel="$u$", ylabel="share of frames")
        top.set_xlabel("")
        gap = max(np.ptp([line.numpy() for line in family.values()], axis=0))
        return fig, (
            f"The learned activation of unit {unit_data['index']} of layer {self.layer} of "
            f"{label}, for five quantiles of ħ: a threshold of {self.tau1:.3g}; the curves "
            f"differ by at most {gap:.2g}. Below: a histogram of its inputs."
        )


@torch.no_grad()
def learned(frames: Tensor) -> dict:
    r"""Return the data of the explorer for the trained networks with Φ.

    For each network and layer :data:`UNITS` units, evenly spaced in the ranks of g (or of the
    spread of ħ for equal g). For each unit: τ1 and τ2, the quantiles :data:`LEVELS` of ħ,
    histograms of ħ and u over their middle 99 %, and how often its output was 0, was ħ, was
    between them, or had another value. ``start`` is the ratio of the initial λ2 and λ1, which
    ``label`` states.
    Shapes: frames (batch, time, n0). Units: those of the frames.

    >>> facts = learned(torch.zeros(2, 3, 256))["networks"]["l1-l1-rnn"]
    >>> len(facts["layers"]), len(facts["layers"][0])
    (3, 8)
    """
    entries = {}
    for name, (model, table) in NETWORKS.items():
        network, config = pretrained(model, table)
        network = network.double()
        hbar, u = inside(network, frames.double())
        layers = [
            [_facts(network, l, i, hbar[:, i], u[l, :, i]) for i in ranked(network, l, hbar)]
            for l in range(network.depth)
        ]
        entries[name] = {
            "model": model,
            "label": f"{title(model)} ({config.lambda1:g}, {config.lambda2:g})",
            "start": config.lambda2 / config.lambda1,
            "layers": layers,
        }
    rows = [stored_weights(model, table=table) for model, table in NETWORKS.values()]
    facts = {"count": hbar.shape[0], "levels": list(LEVELS), "networks": entries}
    return facts | {"source": attribution.of(rows).stamp()}


def inside(network: ReweightedRNN, frames: Tensor) -> tuple[Tensor, Tensor]:
    """Return ħ (count, h) and the inputs u of Φ (d, count, h) for all frames of all sequences."""
    (W, U), (a, b) = network.layer_weights(), network.thresholds()
    h, hbars, inputs = network.h0.expand(len(frames), -1), [], []
    for x_t in network.measure(frames).unbind(1):
        hbar = h @ network.G.T
        for l in range(network.depth):
            inputs.append(h @ W[l].T + x_t @ U[l].T)
            h = prox_l1_l1(inputs[-1], hbar, a[l], b[l])
        hbars.append(hbar)
    layers = [torch.cat(inputs[l :: network.depth]) for l in range(network.depth)]
    return torch.cat(hbars), torch.stack(layers)


def ranked(network: ReweightedRNN, layer: int, hbar: Tensor) -> list[int]:
    """Return units that are evenly spaced in the ranks of g, then of the spread of ħ."""
    g, spread = network.symbols()["g"][layer], hbar.std(0)
    order = sorted(range(len(g)), key=lambda i: (g[i].item(), spread[i].item()))
    steps = np.linspace(0, len(order) - 1, UNITS).round().astype(int)
    return [order[step] for step in steps]


def _facts(network: ReweightedRNN, layer: int, unit: int, hbar: Tensor, u: Tensor) -> dict:
    tau1, tau2 = (taus[layer, unit].item() for taus in network.thresholds())
    phi = prox_l1_l1(u, hbar, tau1, tau2)
    zero_mask, hbar_mask = phi == 0, (phi == hbar) & (phi != 0)
    inner_mask = (phi * hbar > 0) & (phi.abs() < hbar.abs())
    fractions = [fraction.double().mean().item() for fraction in (zero_mask, hbar_mask, inner_mask)]
    return {
        "index": unit,
        "g": _round(network.symbols()["g"][layer, unit].item()),
        "tau1": _round(tau1),
        "tau2": _round(tau2),
        "quantiles": [_round(q) for q in hbar.quantile(hbar.new_tensor(LEVELS)).tolist()],
        "hbar": _histogram(hbar),
        "u": _histogram(u),
        "middle": _round(u.median().item()),
        "shares": [round(fraction, 5) for fraction in (*fractions, max(0.0, 1 - sum(fractions)))],
    }


def _histogram(values: Tensor) -> list[float]:
    """Return both ends of the middle 99 % of the values, then the share in each bin."""
    low, high = values.quantile(values.new_tensor([0.005, 0.995])).tolist()
    if high - low < 1e-9:
        low, high = low - 0.5, high + 0.5
    counts, _ = np.histogram(values.numpy(), BINS, (low, high))
    fractions = (round(fraction, 4) for fraction in (counts / len(values)).tolist())
    return [_round(low), _round(high), *fractions]


def _round(value: float) -> float:
    return float(f"{value:.5g}")
