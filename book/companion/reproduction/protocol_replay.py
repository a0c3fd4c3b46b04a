"""The first iterations of the authors' earlier training logs, repeated with our frames.

`python -m companion protocol-replay` stores them: data/results/log_replay.csv.
"""

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import Tensor, nn

from companion import result_store
from companion.build import options
from unfolded import data, metrics, runtime
from unfolded.errors import ConfigError, TrainingError, complain
from unfolded.networks import L1L1RNN, SistaRNN
from unfolded.solvers import descend

STORED = "log_replay.csv"
"""The table in data/results/ that :func:`main` fills."""

MEASUREMENTS = (51, 64, 85, 102, 128)
"""n for compression by 5, 4, 3, 2.5 and 2, rounded down; the logs do not state n."""

BATCH, RATE, PEAK, PIXELS = 32, 3e-4, 255.0, 256
"""Sequences in a batch, learning rate of Adam, white level, pixels of a frame."""

A_SEED = 2018
"""Seed of NumPy's RandomState for A in the earlier code."""


@dataclass(frozen=True)
class Trial:
    """One replay. ``seed`` determines the order of the training sequences and the generic weights.

    ``network``: "l1-l1-rnn", "sista-rnn", "srnn" or "gru"; ``n``: measurements of a frame;
    ``hidden``: the width h of each of three layers; ``source``, ``reduction``: those of the frames.
    """

    network: str = "l1-l1-rnn"
    reduction: str = "area"
    n: int = 85
    seed: int = 0
    hidden: int = 1024
    source: str = "mnist"


def first_matrix(n: int, n0: int = PIXELS) -> Tensor:
    r"""Return A as drawn in the earlier code, uniform on :math:`\pm\tfrac12\sqrt{6/(n+n_0)}`.

    Shapes: (n, n0). Source: frame_reconstruction.py of dhungle/L1-L1-RNN, commit 75f23ff.

    >>> first_matrix(85).shape
    torch.Size([85, 256])
    """
    bound = np.sqrt(6 / (n + n0))
    samples = np.random.RandomState(A_SEED).uniform(-bound, bound, (n, n0)) / 2
    return torch.from_numpy(samples.astype(np.float32))


def phi_by_cases(u: Tensor, hbar: Tensor, tau1: Tensor, tau2: Tensor) -> Tensor:
    r"""Return Φ by the cases of (7), the first that applies from large :math:`u` to small.

    For τ1, τ2 ≥ 0 this is :func:`unfolded.prox.prox_l1_l1`. In the logs λ2 becomes negative;
    Φ is then not a proximal operator and its value depends on the order of the cases.

    Shapes: u, hbar (batch, h); tau1, tau2 (h,). Units: those of ``u``.
    Source: Prop. B.1; the order is that of the earlier code.

    >>> u = torch.tensor([-4.0, -1.0, 1.0, 2.5, 6.0])
    >>> phi_by_cases(u, torch.tensor(2.0), torch.tensor(1.0), torch.tensor(0.5))
    tensor([-2.5000,  0.0000,  0.5000,  2.0000,  4.5000])
    """
    with torch.no_grad():
        positive, reach = (hbar >= 0).to(u.dtype), tau1 + tau2
        sign, low, high = 2 * positive - 1, hbar.clamp(max=0), hbar.clamp(min=0)
        lean = sign * (tau1 - tau2)
        edges = (high + reach, high + lean, low + lean, low - reach)
        # Indicators 0 or 1 of the cases: above both points, at the upper point, between them,
        # at the lower point, and below both.
        cases, left = [], torch.ones_like(u)
        for edge in edges:
            cases.append(left * (u >= edge))
            left = left - cases[-1]
        over, upper, inner, lower = cases
        outer, between = over - left, inner * sign
        at_hbar = upper * positive + lower * (1 - positive)
        line = 1 - upper - lower
    return line * u - (outer + between) * tau1 - (outer - between) * tau2 + at_hbar * hbar


class EarlierL1L1(L1L1RNN):
    """ℓ1-ℓ1-RNN with Φ by cases, which is also defined for negative λ2."""

    def run_reference(self, x: Tensor, h: Tensor) -> Tensor:
        """Run the layers with autograd: x (batch, time, n), h (batch, h) -> (batch, time, h)."""
        (a, b), M, c = self.thresholds(), self.A @ self.D, self.positive("c")
        codes = []
        for x_t in x.unbind(1):
            h = hbar = h @ self.G.T
            for l in range(self.depth):
                h = phi_by_cases(descend(h, x_t, M, c), hbar, a[l], b[l])
            codes.append(h)
        return torch.stack(codes, 1)


class Stacked(nn.Module):
    """The generic network of the earlier code: an affine measurement, three layers, a read-out.

    ``cells``: ``nn.GRU`` or ``nn.RNN``; all weights have PyTorch's initialisation.
    Shapes: frames (batch, time, 256) in and out.
    """

    def __init__(self, cells: type[nn.Module], n: int, hidden: int):
        super().__init__()
        self.measured = nn.Linear(PIXELS, n)
        self.cells = cells(n, hidden, num_layers=3, batch_first=True)
        self.readout = nn.Linear(hidden, PIXELS)

    def forward(self, frames: Tensor) -> Tensor:
        """Measure and recover frames."""
        return self.readout(self.cells(self.measured(frames))[0])


def build(trial: Trial) -> nn.Module:
    """Return the network of a trial with the initialisation of the earlier code.

    Unfolded networks: A of :func:`first_matrix`; D the overcomplete DCT that is a tight frame;
    c = 1, λ1 = 1, λ2 = 0.01, all without a constraint on the sign; G = I, F = I; and one trained
    initial h_0 = 0 for each position in the batch: (32, h).
    Raises ConfigError on another network.
    """
    generic = {"gru": nn.GRU, "srnn": nn.RNN}
    if trial.network in generic:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(trial.seed)
            return Stacked(generic[trial.network], trial.n, trial.hidden)
    unfolded = {"l1-l1-rnn": EarlierL1L1, "sista-rnn": SistaRNN}
    if trial.network not in unfolded:
        choices = ", ".join([*unfolded, *generic])
        raise ConfigError(complain(f"a network from {choices}", repr(trial.network), "choose one"))
    sizes = {"n0": PIXELS, "n": trial.n, "hidden": trial.hidden, "depth": 3, "seed": 0}
    network = unfolded[trial.network](**sizes, positivity="free", lambda1=1.0, lambda2=0.01)
    network.A.data = first_matrix(trial.n)
    network.h0 = nn.Parameter(torch.zeros(BATCH, trial.hidden))
    return network


def frames_of(source: str, reduction: str, count: int = 10_000) -> tuple[Tensor, Tensor]:
    """Return training and validation frames in 0 … 255: (sequences, 20, 256) each."""
    frames = data.sequences(source, count=count, reduction=reduction)
    train, validation, _ = data.split(frames)
    return tuple(torch.from_numpy(part).flatten(2) for part in (train, validation))


def replay(
    trial: Trial, train: Tensor, validation: Tensor, at: Sequence[int] = (50,)
) -> list[dict]:
    """Return the values of the log after some iterations of a training, one row per iteration.

    Each iteration is a step of Adam on the mean squared error over a batch, without clipping. Keys:
    iteration; eval_mse, squared grey levels, and psnr, dB, the means over the complete batches of
    the validation sequences except the last one; zeros, the share of zero codes in the last
    training batch; lambda1 and lambda2 after the step. A network without codes has NaN in the last
    three.

    Shapes: train (sequences, time, 256), validation likewise; units: grey levels of 0 … 255.
    Raises TrainingError if the error of a step is above 1e8, where the earlier code stops.
    """
    network, at = build(trial), set(at)
    optimiser = torch.optim.Adam(network.parameters(), lr=RATE)
    order, rows = batches(len(train), trial.seed), []
    for iteration in range(1, max(at) + 1):
        batch = train[next(order)]
        recovered, zeros = _recover(network, batch)
        loss = (recovered - batch).square().mean()
        if not loss < 1e8:
            want, got = "an error below 1e8", f"{loss.item():g} at iteration {iteration}"
            raise TrainingError(complain(want, got, "choose another start"))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if iteration in at:
            scores = _evaluate(network, validation)
            rows.append({"iteration": iteration, **scores, "zeros": zeros, **_weights(network)})
    return rows


def batches(count: int, seed: int) -> Iterator[Tensor]:
    """Yield the rows of one batch after another, without end; each pass has a new order.

    In the first pass, seed 0 uses the order of the sequences, as the earlier code reads its file.
    That file has other sequences than our source, so other seeds use another order.
    Raises ConfigError for fewer sequences than a batch has.
    """
    if count < BATCH:
        raise ConfigError(complain(f"at least {BATCH} sequences", count, "pass more"))
    random = np.random.default_rng(seed)
    order = np.arange(count) if seed == 0 else random.permutation(count)
    while True:
        yield from torch.from_numpy(order[: count - count % BATCH]).view(-1, BATCH)
        order = random.permutation(count)


def _recover(network: nn.Module, batch: Tensor) -> tuple[Tensor, float]:
    """Return the recovered frames of a network, and the share of its codes that are zero."""
    if isinstance(network, Stacked):
        return network(batch), float("nan")
    codes = network.codes(network.measure(batch))
    return network.decode(codes), (codes == 0).float().mean().item()


def _weights(network: nn.Module) -> dict[str, float]:
    names = ("lambda1", "lambda2")
    if isinstance(network, Stacked):
        return dict.fromkeys(names, float("nan"))
    return {name: network.positive(name).item() for name in names}


@torch.no_grad()
def _evaluate(network: nn.Module, validation: Tensor) -> dict[str, float]:
    offsets = range(0, max(len(validation) - BATCH, 1), BATCH)
    errors, levels = [], []
    for first in offsets:
        batch = validation[first : first + BATCH]
        recovered, _ = _recover(network, batch)
        errors.append((recovered - batch).square().mean().item())
        levels.append(metrics.psnr(batch, recovered, peak=PEAK, average="authors"))
    return {"eval_mse": float(np.mean(errors)), "psnr": float(np.mean(levels))}


SEEDS, AT, LATER = (0, 1, 2), (10, 50), (10, 50, 100)
"""Settings of the stored replays: seeds, stored iterations, and those of the first seed with
`area` frames at n = 85."""


def plan() -> list[Trial]:
    """Return the stored replays, the most informative first.

    At n = 85 three seeds of the unfolded networks, and one seed of the stacked networks, which are
    slow; at other n one seed of ℓ1-ℓ1-RNN.
    """

    def of(network: str, **fields) -> list[Trial]:
        return [Trial(network, how, **fields) for how in data.REDUCTIONS]

    unfolded = ("l1-l1-rnn", "sista-rnn")
    groups = [of(name, seed=seed) for seed in SEEDS for name in unfolded]
    groups += [of("l1-l1-rnn", n=n) for n in MEASUREMENTS if n != Trial.n]
    groups += [of(name) for name in ("srnn", "gru")]
    return [trial for group in groups for trial in group]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the replays that are not stored yet."""
    networks = list(dict.fromkeys(trial.network for trial in plan()))
    choice = {"nargs": "+", "choices": networks, "default": networks, "help": "networks to replay"}
    chosen = options.parse("protocol-replay", __doc__, arguments, networks=choice)
    trials, frames = plan(), functools.cache(frames_of)
    tasks = {_name(trial): functools.partial(_run, trial, frames)
             for trial in trials if trial.network in chosen.networks}  # fmt: skip
    result_store.complete(STORED, tasks, "no replay is planned for these networks")
    return 0


def _name(trial: Trial) -> str:
    return result_store.key(asdict(trial))


def _run(trial: Trial, frames: Callable) -> tuple[str, dict[str, list[dict]]]:
    """Return the rows of a replay on one thread, with the trial, the provenance and the seconds."""
    parts, at = (
        frames(trial.source, trial.reduction),
        LATER if trial == Trial(trial.network) else AT,
    )
    with runtime.threads_for(1), runtime.flushed_denormals():
        rows, facts = result_store.timed(lambda: replay(trial, *parts, at))
    last = {**asdict(trial), **rows[-1]}
    fields = [str(last[name]) for name in ("network", "reduction", "n", "seed", "iteration")]
    text = " ".join([*fields, f"{last['eval_mse']:.1f}"])
    return text, {
        STORED: [{"trial": _name(trial), **asdict(trial), **row, **facts} for row in rows]
    }
