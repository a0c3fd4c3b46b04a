"""Playback of test sequences and of their recoveries by networks and solvers."""

import math
from collections.abc import Mapping

import torch
import traitlets
from matplotlib.figure import Figure
from torch import Tensor

from companion import pretrained
from companion.labels import title
from companion.plots import line_plots
from companion.widgets.base_widget import Explorer, script
from companion.widgets.frame_encoding import levels, packed, unpacked
from unfolded import metrics, networks, solvers
from unfolded.errors import ConfigError, complain
from unfolded.runs.config import FRAME

TRUTH = "truth"


class PlayerExplorer(Explorer):
    """A sequence selector, a frame slider and a play button for recovered frames side by side.

    Below each frame is its PSNR in the averaging "authors", in dB; a chart shows the PSNR of all
    frames. ``data`` comes from :func:`recorded`; ``sequence`` and ``frame`` count from one;
    ``marked`` is the row with the highlighted curve.
    Raises ConfigError for a number below one, or beyond the data.

    >>> truth = torch.zeros(2, 20, 256)
    >>> explorer = PlayerExplorer(data=recorded(truth, {"networks": {"gru": truth + 51}}), frame=7)
    >>> explorer.psnr("gru")
    13.979400086720377
    """

    TAG = "player-explorer"
    NAMES = ("sequence", "frame", "marked")
    _esm = script("player.js")
    data = traitlets.Dict().tag(sync=True)
    sequence = traitlets.Int(1).tag(sync=True)
    frame = traitlets.Int(1).tag(sync=True)
    marked = traitlets.Unicode("").tag(sync=True)

    def __init__(self, *, data: dict, **values):
        super().__init__(data=data, **values)

    def validated(self, proposal):
        """Return the proposed value of a trait. Raises ConfigError unless the data has it."""
        name, value = proposal["trait"].name, super().validated(proposal)
        limits = {"sequence": self.data.get("sequences", 1), "frame": self.data.get("time", 1)}
        if name in limits and value > limits[name]:
            expected = f"{name} of at most {limits[name]}"
            raise ConfigError(complain(expected, value, "choose one that the data has"))
        return value

    @staticmethod
    def check(name: str, value) -> None:
        """Raise ConfigError for a sequence or frame that is not an integer from one on."""
        if name == "marked":
            if not isinstance(value, str):
                expected = "marked to be the name of a row"
                raise ConfigError(complain(expected, repr(value), "choose one"))
        elif isinstance(value, bool) or not isinstance(value, int) or value < 1:
            expected = f"{name} to be a whole number of at least 1"
            raise ConfigError(complain(expected, repr(value), "choose another"))

    def frames(self, name: str) -> Tensor:
        """Return a row of the chosen sequence in integer grey levels: (1, time, height, width)."""
        row = next(row for row in self.data["rows"] if row["name"] == name)
        shape = [self.data[size] for size in ("sequences", "time", "height", "width")]
        grey = unpacked(row["frames"], shape)[self.sequence - 1]
        return torch.from_numpy(grey).float()[None]

    def psnr(self, name: str) -> float:
        """Return the PSNR of a row over the chosen sequence in dB."""
        pair = self.frames(TRUTH), self.frames(name)
        return metrics.psnr(*pair, peak=255, average="authors")

    def picture(self) -> tuple[Figure, str]:
        """Return the chosen frame of every row, and the PSNR over the sequence in words."""
        names = [row["name"] for row in self.data["rows"]]
        images = {n: self.frames(n)[0, self.frame - 1] for n in names}
        psnr_text = ", ".join(f"{title(name)} {self.psnr(name):.1f} dB" for name in names[1:])
        alt = f"Frame {self.frame} of test sequence {self.sequence}, and its reconstructions; "
        return line_plots.gallery(images, columns=4), f"{alt}over the sequence: {psnr_text}."


def recorded(frames: Tensor, groups: Mapping[str, Mapping[str, Tensor]]) -> dict:
    """Return the data of a player, as plain numbers and text.

    frames and each row: (sequences, time, height, width), or (sequences, time, n0) for square
    frames, in grey levels 0..255; groups: heading -> name -> row. Raises ConfigError if a row has
    another shape.
    """
    rows = [{"name": TRUTH, "group": TRUTH, "frames": packed(levels(frames))}]
    for group, members in groups.items():
        for name, row in members.items():
            if row.shape != frames.shape:
                expected, actual = f"{name} of shape {tuple(frames.shape)}", tuple(row.shape)
                raise ConfigError(complain(expected, actual, "recover all frames"))
            rows.append({"name": name, "group": group, "frames": packed(levels(row))})
    sequences, time, *size = frames.shape
    height, width = size if len(size) == 2 else [math.isqrt(*size)] * 2
    sizes = {"sequences": sequences, "time": time, "height": height, "width": width}
    labels = {row["name"]: title(row["name"]) for row in rows}
    return sizes | {"rows": rows, "labels": labels}


@torch.no_grad()
def recoveries(frames: Tensor, *, iterations: int) -> dict[str, dict[str, Tensor]]:
    r"""Recover frames with each network of :mod:`companion.pretrained` and with four solvers.

    The solvers use the initial values of the unfolded networks of that width: the random A, cosines
    as D, F = G = I, λ1 and λ2; Algorithm 1 has Z = I and g = 1. Their step is the longest safe
    step, :math:`c = \|AD\|_2^2`. The measurements alone give the frame of least norm,
    :math:`A^\top (AA^\top)^{-1} x`, for that A and for the A learned by reweighted-RNN.
    Shapes: frames and each row (sequences, time, n0). Units: grey levels 0..255.
    """
    trained_networks = {
        model: pretrained.pretrained(model)[0] for model in pretrained.stored_weights()["model"]
    }
    _, setup = pretrained.pretrained("reweighted-rnn")
    sizes = {"n": setup.n, "hidden": setup.hidden, "seed": setup.seed}
    start = networks.build("reweighted-rnn", **sizes).symbols()
    A, D, G, F = start["A"], start["D"], start["G"], torch.eye(FRAME)
    x, l1_arguments = frames @ A.T, {"lambda1": start["lambda1"], "iterations": iterations}
    l1_l1_arguments = l1_arguments | {"lambda2": start["lambda2"]}
    solutions = {
        "ISTA": solvers.ista(x, A, D, **l1_arguments),
        "FISTA": solvers.fista(x, A, D, **l1_arguments),
        "SISTA": solvers.sista(x, A, D, F, **l1_l1_arguments),
        "Algorithm 1": solvers.reweighted_l1_l1(x, A, D, G, **l1_l1_arguments),
    }
    trained_A = trained_networks["reweighted-rnn"].A
    return {
        "measurements alone": {
            "random A": x @ torch.linalg.pinv(A).T,
            "learned A": frames @ trained_A.T @ torch.linalg.pinv(trained_A).T,
        },
        "trained networks": {model: network(frames) for model, network in trained_networks.items()},
        f"solvers, {iterations} iterations a frame": {
            name: solution.codes @ D.T for name, solution in solutions.items()
        },
    }
