"""The loop of an algorithm, unrolled step by step into layers and frames (Fig. 2 of the paper)."""

import traitlets
from matplotlib.figure import Figure

from companion.labels import title
from companion.plots import network_diagram
from companion.widgets.base_widget import Explorer, script
from unfolded.errors import ConfigError, complain

NETWORKS = ("reweighted-rnn", "l1-l1-rnn", "sista-rnn", "stacked")
DEEPEST = 4
FURTHER = 3
"""Steps after the last layer: a second frame, a third frame, the layer-specific parameters."""


class UnrollExplorer(Explorer):
    """A slider and a play button that unroll the loop of Algorithm 1 into a recurrent network.

    Step 0 shows the loop, step l its iteration l as layer l; then follow two further frames and
    the layer-specific parameters. ``network`` is an unfolded network or "stacked", which has no
    loop; ``depth`` is the number d of layers. Without a value, ``step`` is the last one.
    Raises ConfigError for an unknown network, a depth outside 1 to 4, and a negative step.
    Source: Fig. 2, (8)–(12), and (35) for SISTA-RNN.

    >>> UnrollExplorer(depth=2).step
    5
    """

    TAG = "unroll-explorer"
    NAMES = ("network", "depth", "step")
    _esm = script("unroll.js")
    network = traitlets.Unicode(NETWORKS[0]).tag(sync=True)
    depth = traitlets.Int(3).tag(sync=True)
    step = traitlets.Int(3 + FURTHER).tag(sync=True)

    def __init__(self, **values):
        if isinstance(depth := values.get("depth"), int):
            values.setdefault("step", depth + FURTHER)
        super().__init__(**values)

    @staticmethod
    def check(name: str, value) -> None:
        """Raise ConfigError for a value that is not valid for this trait."""
        if name == "network":
            if value not in NETWORKS:
                expected = f"network to be one of {', '.join(NETWORKS)}"
                raise ConfigError(complain(expected, repr(value), "choose one"))
            return
        low, high = {"depth": (1, DEEPEST), "step": (0, DEEPEST + FURTHER)}[name]
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            expected = f"{name} to be a whole number from {low} to {high}"
            raise ConfigError(complain(expected, repr(value), "choose another"))

    def picture(self) -> tuple[Figure, str]:
        """Return the unrolled network at two frames, with a description."""
        paths = "The measurement enters every layer, and the code of frame t-1 enters the layers."
        if self.network == "stacked":
            paths = "The measurement enters layer 1, and each layer has a state of its own."
        return network_diagram.unrolled(self.network, depth=self.depth), (
            f"{title(self.network)}, unrolled: {self.depth} layers (upwards) for the frames t-1 "
            f"and t. {paths}"
        )
