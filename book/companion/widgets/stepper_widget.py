"""One frame, step by step: iterations of three solvers and layers of a network."""

from collections.abc import Mapping
from typing import NamedTuple

import torch
import traitlets
from matplotlib.figure import Figure
from torch import Tensor

from companion.plots import line_plots
from companion.widgets.base_widget import Explorer, script
from companion.widgets.frame_encoding import SIDE, levels, packed, unpacked
from unfolded import metrics, solvers
from unfolded.errors import ConfigError, complain
from unfolded.networks.reweighted import ReweightedRNN
from unfolded.runs.config import FRAME

OBJECTIVES = ("(1)", "(3)")
LAYERS = "layers"
METHODS = ("ISTA", "FISTA", "Algorithm 1", LAYERS)
UNITS = 48
"""Number of displayed units of the code: the largest ones."""


class StepperExplorer(Explorer):
    """Buttons and a slider that step through iterations and layers on one frame.

    For each method: the decoded frame with its PSNR; below, the largest units of the code of the
    chosen ``method``, and objective and PSNR against steps. ``problem`` is one of the names given
    to :func:`recorded`; ``objective`` is "(1)" or "(3)".
    Raises ConfigError for an unknown problem or objective and for a step below zero.
    """

    TAG = "stepper-explorer"
    NAMES = ("problem", "step", "method", "objective")
    _esm = script("stepper.js")
    data = traitlets.Dict().tag(sync=True)
    problem = traitlets.Unicode("").tag(sync=True)
    step = traitlets.Int(0).tag(sync=True)
    method = traitlets.Unicode(LAYERS).tag(sync=True)
    objective = traitlets.Unicode(OBJECTIVES[1]).tag(sync=True)

    def __init__(self, *, data: dict, **values):
        super().__init__(data=data, **values)

    def validated(self, proposal):
        """Return the proposed value of a trait. Raises ConfigError unless the data has it."""
        name, value = proposal["trait"].name, super().validated(proposal)
        names = [problem["name"] for problem in self.data.get("problems", [])]
        if name == "problem" and value and value not in names:
            expected = f"problem to be one of {', '.join(names)}"
            raise ConfigError(complain(expected, repr(value), "choose one"))
        return value

    @staticmethod
    def check(name: str, value) -> None:
        """Raise ConfigError for a step that is not a whole number and for unknown names."""
        if name == "step" and (isinstance(value, bool) or not isinstance(value, int) or value < 0):
            expected = "step to be a whole number of at least 0"
            raise ConfigError(complain(expected, repr(value), "choose another"))
        choices = {"objective": OBJECTIVES, "method": METHODS}.get(name, (value,))
        if value not in choices:
            expected = f"{name} to be one of {', '.join(choices)}"
            raise ConfigError(complain(expected, repr(value), "choose one"))

    def psnr(self, problem: str, method: str) -> list[float]:
        """Return the PSNR of a method's frame at each of its steps in dB, averaging "authors"."""
        problem_data = next(entry for entry in self.data["problems"] if entry["name"] == problem)
        method_data = next(entry for entry in problem_data["methods"] if entry["name"] == method)
        shape = len(method_data["steps"]), 1, FRAME
        frames = torch.from_numpy(unpacked(method_data["frames"], shape)).double()
        truth = torch.from_numpy(unpacked(self.data["truth"], (1, FRAME))).double()
        pairs = ((truth[None], frame[None]) for frame in frames)
        return [metrics.psnr(*pair, peak=255, average="authors") for pair in pairs]

    def picture(self) -> tuple[Figure, str]:
        """Return the last frame of each method in each problem, and its PSNR in words."""
        truth, parts = unpacked(self.data["truth"], (FRAME,)), []
        images = {"truth": truth.reshape(SIDE, SIDE)}
        for problem in self.data["problems"]:
            for method in problem["methods"]:
                name = f"{method['name']}, {method['steps'][-1]}"
                frame = unpacked(method["frames"], (len(method["steps"]), FRAME))[-1]
                images[f"{problem['name']}\n{name}"] = frame.reshape(SIDE, SIDE)
                psnr = self.psnr(problem["name"], method["name"])[-1]
                parts.append(f"{name} steps {psnr:.1f} dB ({problem['name']})")
        alt = f"Frame {self.data['frame']} and the last frame of each method: {', '.join(parts)}."
        return line_plots.gallery(images, columns=4), alt


def recorded(
    problems: Mapping[str, ReweightedRNN], frames: Tensor, t: int, *, iterations: int
) -> dict:
    """Return the data of a stepper for frame t, as plain numbers and text; see :func:`posed`.

    problems: name -> a network whose symbols define the problem; frames (1, time, n0) in grey
    levels 0..255, in the networks' precision; t counts from one.
    Raises ConfigError for a t without a previous frame, and for less than one iteration.
    """
    if iterations < 1:
        raise ConfigError(complain("iterations >= 1", iterations, "choose more"))
    if not 1 < t <= frames.shape[1]:
        expected = f"t from 2 to {frames.shape[1]}"
        raise ConfigError(complain(expected, t, "choose a frame with one before it"))
    entries = [
        {"name": name, **posed(net, frames, t, iterations)} for name, net in problems.items()
    ]
    return {"truth": packed(levels(frames[0, t - 1])), "frame": t, "problems": entries}


@torch.no_grad()
def posed(net: ReweightedRNN, frames: Tensor, t: int, iterations: int) -> dict:
    r"""Define the problem of frame t by a network's symbols, for three solvers and the network.

    All methods share x, A, D, λ1, λ2, g = g_d and :math:`\hbar = G h_{t-1}`, which the network
    computes from previous frames, and all start at ħ. ISTA and FISTA minimise (1); Algorithm 1,
    with Z = I, minimises (3); each uses :math:`c = \|AD\|_2^2`. The layers have other Z_l, g_l, c.
    Both objectives, (1) and (3) with the shared symbols, are evaluated at every code.
    """
    symbols, x = net.symbols(), net.measure(frames)
    previous_code, x_t, g = net.codes(x[:, : t - 1])[0, -1], x[:, t - 1 : t], symbols["g"][-1]
    hbar, lambda1 = symbols["G"] @ previous_code, symbols["lambda1"]
    l1_arguments = {"x": x_t, "A": symbols["A"], "D": symbols["D"], "lambda1": lambda1}
    l1_l1_arguments = l1_arguments | {
        "lambda2": symbols["lambda2"],
        "G": symbols["G"],
        "h0": previous_code,
    }
    counts = schedule(iterations)
    # A solver returns only its last code; one run for each number of iterations is cheap.
    runs = (
        [solvers.ista(**l1_arguments, h0=hbar, iterations=k) for k in counts],
        [solvers.fista(**l1_arguments, h0=hbar, iterations=k) for k in counts],
        [solvers.reweighted_l1_l1(**l1_l1_arguments, g=g, iterations=k) for k in counts],
        [
            solvers.reweighted_l1_l1(
                **l1_l1_arguments,
                Z=symbols["Z"][:l],
                g=symbols["g"][:l],
                c=symbols["c"],
                iterations=l,
            )
            for l in range(1, net.depth + 1)
        ],
    )
    paths = (torch.stack([hbar, *(run.codes[0, 0] for run in solutions)]) for solutions in runs)
    codes = dict(zip(METHODS, paths, strict=True))
    forms = {
        "(1)": Objective(x_t[0, 0], symbols["A"] @ symbols["D"], hbar, lambda1 + 0 * g, 0 * g),
        "(3)": Objective(
            x_t[0, 0], symbols["A"] @ symbols["D"], hbar, lambda1 * g, symbols["lambda2"] * g
        ),
    }
    magnitudes = torch.stack([path[-1].abs() for path in codes.values()]).amax(0)
    units = magnitudes.argsort(descending=True)[:UNITS].sort().values
    return {
        "lambda1": float(lambda1),
        "lambda2": float(symbols["lambda2"]),
        "hidden": net.hidden,
        "least": {name: float(form(form.minimiser())) for name, form in forms.items()},
        "methods": [
            {
                "name": name,
                "steps": [0, *counts] if name != LAYERS else [*range(net.depth + 1)],
                "frames": packed(levels(path @ symbols["D"].T)),
                "codes": [[round(v, 1) for v in h] for h in path[:, units].tolist()],
                "active": (path != 0).sum(1).tolist(),
                "objective": {key: form(path).tolist() for key, form in forms.items()},
            }
            for name, path in codes.items()
        ],
    }


class Objective(NamedTuple):
    r"""The objective of one frame: (3) with a = λ1 g and b = λ2 g, (1) with a = λ1 and b = 0.

    .. math:: \tfrac12\|x - Mh\|_2^2 + \langle a, |h| \rangle + \langle b, |h - \hbar| \rangle

    Shapes: x (n,); M = AD (n, h); hbar, a, b (h,); called with codes (…, h).
    """

    x: Tensor
    M: Tensor
    hbar: Tensor
    a: Tensor
    b: Tensor

    def __call__(self, h: Tensor) -> Tensor:
        """Return the value at each code."""
        fidelity = 0.5 * (self.x - h @ self.M.T).square().sum(-1)
        return fidelity + (self.a * h.abs() + self.b * (h - self.hbar).abs()).sum(-1)

    def minimiser(self, iterations: int = 2000) -> Tensor:
        """Return the result of many iterations with the momentum of FISTA, from ħ."""
        c = torch.linalg.matrix_norm(self.M, 2) ** 2
        arguments = {"M": self.M, "c": c, "a": self.a / c, "b": self.b / c}
        h = y = self.hbar
        for k in range(iterations):
            iterate = solvers.reweighted_step(y, self.x, self.hbar, **arguments)
            h, y = iterate, iterate + k / (k + 3) * (iterate - h)
        return h


def schedule(most: int) -> list[int]:
    """Return all numbers of iterations up to ten, then increasingly sparse ones up to ``most``.

    >>> schedule(20)
    [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 17, 20]
    """
    ratio, counts = 1.2, [*range(1, min(most, 10) + 1)]
    while counts[-1] < most:
        counts.append(min(most, round(counts[-1] * ratio)))
    return counts
