"""LISTA trained by several methods on one sparse coding problem."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import joblib
import torch
from torch import Tensor

from companion.studies import descent_constraints
from companion.studies.descent_constraints import Checkpoint
from companion.studies.lista.lista_network import LISTA
from companion.studies.lista.sparse_coding import Problem
from unfolded import runtime
from unfolded.seeds import derive

DEPTH, EPSILON = 10, 0.05
BATCH, RATE, _DUAL_RATE = 64, 2e-3, 0.3
CODE_SCALE = 100.0
"""The factor of signals and codes in the public code, where its layer noise is added."""


@dataclass(frozen=True)
class Method:
    """A training method: initialisation, constraint and noise.

    ``noise`` is the σ of a fading `descent_constraints.layer_noise`, in units of the root mean
    square of y*; ``public_noise``, that of :func:`public_noise` with β = 1.
    ``layerwise``: each layer has a separate loss, without gradients between layers.
    """

    start: str = "ista"
    constraint: str | None = None
    noise: float = 0.0
    layerwise: bool = False
    public_noise: bool = False


METHODS = {
    "plain": Method(),
    "layer-wise": Method(layerwise=True),
    "distance": Method(constraint="distance"),
    "residual": Method(constraint="residual"),
    "plain + noise": Method(noise=0.2),
    "distance + noise": Method(constraint="distance", noise=0.2),
    "random: plain": Method(start="random"),
    "random: distance": Method(start="random", constraint="distance"),
    "random: distance + noise": Method(start="random", constraint="distance", noise=0.2),
}
"""The training methods of the page, by name; names include a random initialisation."""


@dataclass(frozen=True)
class Trained:
    """A network and its training history, None for the untrained network."""

    net: LISTA
    history: descent_constraints.History | None = None

    @torch.no_grad()
    def layers(
        self, problem: Problem, disturb: Callable | None = None, y0: Tensor | None = None
    ) -> Tensor:
        """Return the outputs of all layers on the problem's signals: (L + 1, count, h)."""
        with runtime.threads_for(problem.D.shape[1]):
            return torch.stack(self.net.layers(problem.x, disturb, y0))


def untrained(problem: Problem) -> Trained:
    """Return untrained LISTA, which is ISTA."""
    return Trained(LISTA(problem.D, lambda1=problem.lambda1, c=problem.c, depth=DEPTH))


def public_noise(problem: Problem, beta: float, draws: torch.Generator) -> Callable:
    r"""Return the layer noise of the public code, :math:`y + \beta \log\|\nabla s(y)\|\, n`.

    n is normal and s the smooth part of the objective; the formula is that for signals and codes
    multiplied by CODE_SCALE. Norms below 1 add no noise: a black patch has a gradient of zero,
    whose logarithm is infinite. The result takes (y, l) with y (count, h) of the problem's signals.
    Source: the public code of Hadou et al. (2024).
    """

    def disturb(y: Tensor, l: int) -> Tensor:
        gradient = CODE_SCALE * problem.merit("gradient", y.detach())
        size = gradient.clamp(min=1).log()[..., None]
        normal = torch.randn(y.shape, generator=draws, dtype=y.dtype)
        return y + beta / CODE_SCALE * size * normal

    return disturb


def train(
    method: Method,
    problem: Problem,
    *,
    seed: int,
    steps: int,
    batch_size: int = BATCH,
    rate: float = RATE,
    store: Callable[[Sequence[torch.Generator]], Checkpoint] | None = None,
) -> Trained:
    r"""Train LISTA on :math:`\tfrac12\mathbb E\|y_L - y^*\|_2^2`, with or without a constraint.

    The constraint uses the merit in units of its mean at :math:`y_0 = 0`. Batches depend only on
    the seed, so methods are paired. ``store`` returns the checkpoint of the training
    for its generators, if it can be interrupted.
    """
    net = LISTA(problem.D, lambda1=problem.lambda1, c=problem.c, depth=DEPTH, start=method.start,
                seed=derive(seed, "start"))  # fmt: skip
    draws = torch.Generator().manual_seed(derive(seed, "order"))
    name = method.constraint or "distance"
    unit = problem.merit(name, torch.zeros_like(problem.codes)).mean()
    disturbance, noise = None, torch.Generator().manual_seed(derive(seed, "noise"))
    if method.noise:
        disturbance = descent_constraints.layer_noise(
            method.noise * scale(problem), noise, fading=True
        )
    elif method.layerwise:
        disturbance = _detach

    def terms() -> tuple[Tensor, Tensor]:
        batch = problem.only(torch.randint(len(problem.x), (batch_size,), generator=draws))
        disturb = public_noise(batch, 1.0, noise) if method.public_noise else disturbance
        y = torch.stack(net.layers(batch.x, disturb))
        outputs = y[1:] if method.layerwise else y[-1:]
        loss = (outputs - batch.codes).square().sum(-1).mean(1).sum() / 2
        return loss, batch.merit(name, y if method.constraint else y.detach()) / unit

    options = {"rate": rate, "dual_rate": _DUAL_RATE if method.constraint else 0.0}
    if store:
        options["checkpoint"] = store((draws, noise))
    return Trained(
        net, descent_constraints.train(net.parameters(), terms, steps, epsilon=EPSILON, **options)
    )


def train_all(
    problem: Problem, *, seeds: Sequence[int], steps: int, methods: Mapping[str, Method] = METHODS
) -> dict[str, list[Trained]]:
    """Train with each method once per seed, one process per core; "ISTA" is the untrained network.

    The precision is float32, so the networks need ``problem.to(torch.float32)``.
    """
    problem = problem.to(torch.float32)
    pairs = [(name, seed) for seed in seeds for name in methods]
    call = joblib.delayed(_train_in_process)
    calls = (call(methods[name], problem, seed, steps) for name, seed in pairs)
    results = joblib.Parallel(n_jobs=-1)(calls)
    runs = {"ISTA": [untrained(problem)], **{name: [] for name in methods}}
    for (name, _), run in zip(pairs, results, strict=True):
        runs[name].append(run)
    return runs


def scale(problem: Problem) -> float:
    """Return the root mean square of the entries of y*, which is the unit of layer noise."""
    return problem.codes.square().mean().sqrt().item()


def _train_in_process(method: Method, problem: Problem, seed: int, steps: int) -> Trained:
    with runtime.threads_for(problem.D.shape[1]), runtime.flushed_denormals():
        return train(method, problem, seed=seed, steps=steps)


def _detach(y: Tensor, l: int) -> Tensor:
    return y.detach()
