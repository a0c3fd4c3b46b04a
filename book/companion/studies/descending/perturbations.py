"""What trained networks do when measurements, matrix, frames or layers are disturbed."""

from copy import deepcopy

import pandas as pd
import torch
from torch import Tensor

from companion.studies import descent_constraints
from companion.studies.descending.constrained_training import PEAK, Trained, relative, rms
from companion.studies.descending.layer_constraints import MERITS, layers, merit, objective
from unfolded import metrics, networks, runtime
from unfolded.networks.base import SequenceNetwork
from unfolded.seeds import derive

DISTURBED = {
    "nothing": (0.0,),
    "noise on the measurements": (0.01, 0.03, 0.1, 0.3),
    "another matrix": (0.01, 0.03, 0.1, 0.3),
    "another matrix, known": (0.01, 0.03, 0.1, 0.3),
    "brighter, grey levels": (10, 30, 60),
    "frames, to and fro": (39, 77),
    "noise between layers": (0.01, 0.03, 0.1, 0.3),
}
"""What a network meets in the test, and how much of it; noise and changes of A as a share of the
root mean square of what they are added to."""


def met(trained: Trained, what: str, level: float) -> tuple[Tensor, Tensor, SequenceNetwork]:
    """Return the frames of a disturbance, what is measured of them, and the network to recover.

    "Another matrix" measures with A + ΔA; "known" puts it into the network too, which only an
    unfolded one allows: LSTM goes on with the A that it has. "Brighter" frames saturate at white.
    Shapes: (TEST, time, n0), (TEST, time, n).
    """
    frames, net = trained.test, trained.network
    if what == "brighter, grey levels":
        frames = (frames + level).clamp(max=PEAK)
    if what == "frames, to and fro":
        frames = to_and_fro(frames, int(level))
    draw = torch.Generator().manual_seed(derive(trained.trial.seed, "descending", what, level))
    A = net.A
    if what.startswith("another matrix"):
        A = A + level * rms(A) * torch.randn(A.shape, generator=draw)
    x = frames @ A.T
    if what == "noise on the measurements":
        x = x + level * rms(x) * torch.randn(x.shape, generator=draw)
    if what == "another matrix, known" and networks.unfolded(trained.trial.model):
        net = deepcopy(net)
        net.A.data = A
    return frames, x, net


def to_and_fro(frames: Tensor, count: int) -> Tensor:
    """Play sequences forwards and backwards until there are ``count`` frames: (…, count, n0).

    >>> to_and_fro(torch.arange(3.0).reshape(1, 3, 1), 7).flatten().tolist()
    [0.0, 1.0, 2.0, 1.0, 0.0, 1.0, 2.0]
    """
    last = frames.shape[1] - 1
    return frames[:, [last - abs(last - t % (2 * last)) for t in range(count)]]


@runtime.threads_for(1)
@torch.no_grad()
def judged(trained: Trained) -> pd.DataFrame:
    """Return one row a disturbance and level, and undisturbed one a layer, over the test frames.

    ``psnr_*`` in dB by three averagings, of longer sequences without the frames of the trained
    length; the merits are means over frames, and ``…_descends`` the share of frames in which the
    layer is no worse than the one before it. LSTM has no such layers: there they are missing.
    """
    rows, unfolded = [], networks.unfolded(trained.trial.model)
    for what, level in ((what, level) for what, levels in DISTURBED.items() for level in levels):
        if what == "noise between layers" and not unfolded:
            continue
        frames, x, net = met(trained, what, level)
        if unfolded:
            draw = torch.Generator().manual_seed(derive(trained.trial.seed, "descending", what))
            h, link = layers(net, x, relative(level, draw) if "between" in what else None)
            outputs = net.decode(h)
        else:
            outputs = net.recover(x)[None]
        new = slice(trained.test.shape[1] if "to and fro" in what else 0, None)
        merits = {}
        for name in MERITS if unfolded else ():
            merits[name] = merit(name, net, h, link, x, frames).flatten(1)
        first = 0 if what == "nothing" else len(outputs) - 1
        for l in range(first, len(outputs)):
            row = {"what": what, "level": level, "layer": l if unfolded else net.depth}
            for average in ("authors", "frame", "global"):
                pair = frames[:, new], outputs[l][:, new]
                row[f"psnr_{average}"] = metrics.psnr(*pair, peak=PEAK, average=average)
            for name, values in merits.items():
                row[name] = values[l].mean().item()
                if l:
                    row[f"{name}_descends"] = descent_constraints.descending(
                        values[l - 1 : l + 1]
                    ).item()
            rows.append(row)
    return pd.DataFrame(rows)


@runtime.threads_for(1)
@torch.no_grad()
def by_frame(trained: Trained) -> pd.DataFrame:
    """Return the mean objective of the test sequences, a row a frame and layer."""
    net, x = trained.network, trained.network.measure(trained.test)
    values = objective(net, *layers(net, x), x).mean(1)
    rows = ((t + 1, l, v) for l, path in enumerate(values.tolist()) for t, v in enumerate(path))
    return pd.DataFrame(rows, columns=["frame", "layer", "objective"])
