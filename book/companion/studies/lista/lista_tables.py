"""Layer-wise results of trained networks on a sparse coding problem."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from companion.statistics import LEVEL, holm, interval, student
from companion.studies import descent_constraints
from companion.studies.lista.lista_training import EPSILON, Trained, scale
from companion.studies.lista.sparse_coding import Problem
from unfolded.seeds import derive


def paths(trained: Mapping, problem: Problem, merit: str) -> dict[str, np.ndarray]:
    """Return the mean merit of every layer, one row per seed: name -> (seeds, L + 1)."""
    return {
        name: np.stack(
            [problem.merit(merit, model.layers(problem)).mean(1).numpy() for model in models]
        )
        for name, models in trained.items()
    }


def under_noise(trained: Mapping, problem: Problem, sigmas: Sequence[float]) -> dict:
    """Return the relative distance of y_L to y* under layer noise: name -> (seeds, sigmas).

    All networks have the same noise, with σ in units of :func:`scale`; the distance is
    E‖y_L − y*‖ over E‖y*‖.
    """
    noises = [torch.Generator().manual_seed(derive(0, "test noise")) for _ in sigmas]
    states = [noise.get_state() for noise in noises]

    def distances(model: Trained) -> list[float]:
        values = []
        for sigma, noise, state in zip(sigmas, noises, states, strict=True):
            noise.set_state(state)
            disturb = descent_constraints.layer_noise(sigma * scale(problem), noise)
            values.append(relative(problem, model.layers(problem, disturb)[-1]))
        return values

    return {
        name: np.array([distances(model) for model in models]) for name, models in trained.items()
    }


def relative(problem: Problem, y: Tensor) -> float:
    """Return E‖y − y*‖ over E‖y*‖."""
    return (problem.merit("distance", y).mean() / problem.codes.norm(dim=-1).mean()).item()


def summary(trained: Mapping, problem: Problem) -> pd.DataFrame:
    """Return one row per method: distance of the last layer, and which layers descend.

    Distances and objectives are relative to those of y*, with half the 95 % interval over seeds;
    "in the mean" counts layers with E‖y_l − y*‖ ≤ (1 − ε) E‖y_{l−1} − y*‖, the mean over seeds;
    "per sample" is the share of layers and samples with any decrease of the distance.
    """
    optimum = problem.objective(problem.codes).mean()
    rows = []
    for name, models in trained.items():
        layers = [model.layers(problem) for model in models]
        distances = [problem.merit("distance", y) for y in layers]
        errors = [relative(problem, y[-1]) for y in layers]
        low, high = interval(errors)
        excess = [problem.merit("objective", y[-1]).mean() / optimum for y in layers]
        constraint_counts = [(descent_constraints.slack(m, EPSILON) <= 0).sum() for m in distances]
        rows.append({
            "method": name, "distance": np.mean(errors), "±": (high - low) / 2,
            "objective above": np.mean(excess), "in the mean": float(np.mean(constraint_counts)),
            "per sample": np.mean([descent_constraints.descending(m).mean() for m in distances]),
        })  # fmt: skip
    return pd.DataFrame(rows)


def effects(values: Mapping, changes: Mapping[str, tuple[str, str]]) -> pd.DataFrame:
    """Return the factor by which each change of the training multiplies a distance.

    ``values``: name -> one distance per seed; ``changes``: name -> (with the change, without it).
    The factor is the geometric mean over paired seeds, with its 95 % interval by Student's t. The
    changes are one family of tests, corrected by Holm's method: "smaller", "larger" or "undecided".

    >>> values = {"plain": np.array([1.0, 1.0, 1.0]), "held": np.array([0.5, 0.51, 0.49])}
    >>> effects(values, {"constraint": ("held", "plain")})["distance"].item()
    'smaller'
    """
    rows, p_values = [], []
    for name, (variant, baseline) in changes.items():
        ratios = np.log(values[variant]) - np.log(values[baseline])
        low, high = interval(ratios)
        p_values.append(student(ratios) if len(ratios) > 1 else np.nan)
        factors = {"factor": ratios.mean(), "low": low, "high": high}
        rows.append({"change": name} | {key: np.exp(value) for key, value in factors.items()})
    table = pd.DataFrame(rows)
    is_decided = holm(p_values) <= LEVEL
    words = np.where(table["factor"] < 1, "smaller", "larger")
    return table.assign(distance=np.where(is_decided, words, "undecided"))


def effect(row: Mapping) -> str:
    """Return a row of :func:`effects` in words.

    >>> row = {"factor": 0.5, "low": 0.4, "high": 0.6, "distance": "smaller"}
    >>> effect(row)
    'factor 0.500 [0.400, 0.600], smaller'
    """
    return "factor {factor:.3f} [{low:.3f}, {high:.3f}], {distance}".format(**row)


def both_sides(trained: Trained, problem: Problem, merit: str) -> pd.DataFrame:
    r"""Return, for each layer, the mean merit on new signals and its bound.

    The first half of the signals certifies: each slack is replaced by the end of its one-sided
    interval at level 0.05/L (normal approximation), so that all L hold jointly at 0.95. The
    second half estimates the left side and the initial merit.
    """
    values = problem.merit(merit, trained.layers(problem)).double()
    half = values.shape[1] // 2
    steps = values[1:, :half] - (1 - EPSILON) * values[:-1, :half]
    z = torch.special.ndtri(torch.tensor(1 - 0.05 / len(steps), dtype=torch.float64))
    zeta = steps.mean(1) + z * steps.std(1) / half**0.5
    left = values[:, half:].mean(1)
    right = descent_constraints.guarantee(left[0].item(), zeta, EPSILON)
    zetas = [np.nan, *zeta.tolist()]
    return pd.DataFrame({"layer": range(len(left)), "left": left, "right": right, "ζ": zetas})


def under_inputs(trained: Mapping, problems: Mapping[str, Problem]) -> pd.DataFrame:
    """Return the relative distance of y_L to the optimum of each problem, one row per method.

    A value is the mean over seeds, with half its 95 % interval for several seeds.
    """
    rows = []
    for name, models in trained.items():
        row = {"method": name}
        for change, problem in problems.items():
            errors = [relative(problem, model.layers(problem)[-1]) for model in models]
            low, high = interval(errors)
            spread = f" ± {(high - low) / 2:.2f}" if len(errors) > 1 else ""
            row[change] = f"{np.mean(errors):.2f}{spread}"
        rows.append(row)
    return pd.DataFrame(rows)


def counted(trained: Trained, problem: Problem, sigma: float) -> dict[str, float]:
    """Return the share of samples and layers that "descend" under noise, by three criteria.

    Closer to y* than the previous layer; closer than the noisy input of the layer; and the
    criterion of the public code: distance below 2 (1 − ε) times that of the noisy input.
    """
    add = descent_constraints.layer_noise(sigma * scale(problem), torch.Generator().manual_seed(0))
    layer_inputs = []

    def disturb(y: Tensor, l: int) -> Tensor:
        layer_inputs.append(add(y, l))
        return layer_inputs[-1]

    y = trained.layers(problem, disturb)
    distances, previous_distances = (
        problem.merit("distance", y[1:]),
        problem.merit("distance", y[:-1]),
    )
    input_distances = torch.cat(
        [previous_distances[:1], problem.merit("distance", torch.stack(layer_inputs))]
    )
    return {
        "than the previous layer": (distances <= previous_distances).float().mean().item(),
        "than what it read": (distances <= input_distances).float().mean().item(),
        "public count": (distances < 2 * (1 - EPSILON) * input_distances).float().mean().item(),
    }
