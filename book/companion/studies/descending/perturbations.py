"""Trained networks under perturbed measurements, matrices, frames or layers."""

from copy import deepcopy

import pandas as pd
import torch
from torch import Tensor

from companion.studies import descent_constraints
from companion.studies.descending.constrained_training import PEAK, Trained, relative, rms
from companion.studies.descending.layer_constraints import MERITS, layers, merit, objective
from unfolded import metrics, runtime
from unfolded.choices import UNFOLDED
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
"""The perturbations of the test and their levels; noise and changes of A are relative to the
root mean square of the perturbed quantity."""

AXIS_LABELS = {
    "noise on the measurements": "relative noise on x",
    "another matrix": "relative change of A",
    "another matrix, known": "relative change of A, known",
    "brighter, grey levels": "brightness (grey levels)",
    "frames, to and fro": "frames, forwards and backwards",
    "noise between layers": "relative noise between layers",
}
"""The name of each perturbation on an axis."""


def met(trained: Trained, kind: str, level: float) -> tuple[Tensor, Tensor, SequenceNetwork]:
    """Return the frames of a perturbation, their measurements, and the network for the recovery.

    "Another matrix" measures with A + ΔA; "known" sets it in the network too, which only an
    unfolded network allows: LSTM keeps its A. "Brighter" frames saturate at white.
    Shapes: (TEST, time, n0), (TEST, time, n).
    """
    frames, net = trained.test, trained.network
    if kind == "brighter, grey levels":
        frames = (frames + level).clamp(max=PEAK)
    if kind == "frames, to and fro":
        frames = to_and_fro(frames, int(level))
    draw = torch.Generator().manual_seed(derive(trained.trial.seed, "descending", kind, level))
    A = net.A
    if kind.startswith("another matrix"):
        A = A + level * rms(A) * torch.randn(A.shape, generator=draw)
    x = frames @ A.T
    if kind == "noise on the measurements":
        x = x + level * rms(x) * torch.randn(x.shape, generator=draw)
    if kind == "another matrix, known" and trained.trial.model in UNFOLDED:
        net = deepcopy(net)
        net.A.data = A
    return frames, x, net


def to_and_fro(frames: Tensor, count: int) -> Tensor:
    """Repeat sequences forwards and backwards up to ``count`` frames: (…, count, n0).

    >>> to_and_fro(torch.arange(3.0).reshape(1, 3, 1), 7).flatten().tolist()
    [0.0, 1.0, 2.0, 1.0, 0.0, 1.0, 2.0]
    """
    end = frames.shape[1] - 1
    return frames[:, [end - abs(end - t % (2 * end)) for t in range(count)]]


@runtime.threads_for(1)
@torch.no_grad()
def evaluation(trained: Trained) -> pd.DataFrame:
    """Return one row per perturbation and level, and one per layer without perturbation.

    ``psnr_*`` in dB for three averagings on the test frames; longer sequences without the frames
    of the trained length. Merits are means over frames, and ``…_descends`` the share of frames in
    which the layer is not worse than the previous one. LSTM has no such layers and no merits.
    """
    rows, unfolded = [], trained.trial.model in UNFOLDED
    for perturbation, level in (
        (perturbation, level) for perturbation, levels in DISTURBED.items() for level in levels
    ):
        if perturbation == "noise between layers" and not unfolded:
            continue
        frames, x, net = met(trained, perturbation, level)
        if unfolded:
            draw = torch.Generator().manual_seed(
                derive(trained.trial.seed, "descending", perturbation)
            )
            h, prediction = layers(
                net, x, relative(level, draw) if "between" in perturbation else None
            )
            outputs = net.decode(h)
        else:
            outputs = net.recover(x)[None]
        frame_range = slice(trained.test.shape[1] if "to and fro" in perturbation else 0, None)
        merits = {}
        for name in MERITS if unfolded else ():
            merits[name] = merit(name, net, h, prediction, x, frames).flatten(1)
        first_layer = 0 if perturbation == "nothing" else len(outputs) - 1
        for l in range(first_layer, len(outputs)):
            row = {"what": perturbation, "level": level, "layer": l if unfolded else net.depth}
            for average in ("authors", "frame", "global"):
                pair = frames[:, frame_range], outputs[l][:, frame_range]
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
    """Return the mean objective of the test sequences, one row per frame and layer."""
    net, x = trained.network, trained.network.measure(trained.test)
    values = objective(net, *layers(net, x), x).mean(1)
    rows = ((t + 1, l, v) for l, path in enumerate(values.tolist()) for t, v in enumerate(path))
    return pd.DataFrame(rows, columns=["frame", "layer", "objective"])
