"""Inpainting with GLOW-Prox, plain or under descending constraints: train, perturb, compare."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import joblib
import pandas as pd
import torch
from normflows.flows import GlowBlock
from torch import Tensor

from companion import results
from companion.studies import descent_constraints
from companion.studies.descending.descending_results import against
from companion.studies.inpainting.glow_prox import SIDE, GlowProx, hole, small_digits
from unfolded import runtime
from unfolded.seeds import derive

HOLE, BATCH, RATE, DUAL_RATE = 6, 64, 2e-3, 0.1
"""HOLE is the side of the hole in pixels of 16×16; it grows in proportion to the image."""
TRAIN, TEST = 1297, 500
"""Training and test digits; from a larger source, the first TRAIN + TEST shuffled digits."""

DISTURBED = {
    "nothing": (0.0,),
    "noise on what is seen": (0.02, 0.05, 0.1, 0.2),
    "noise between layers": (0.02, 0.1, 0.5),
    "the hole moved, pixels": (1, 2, 4),
    "a larger hole, side": (7, 8),
}
"""The perturbations of the test and their levels; noise in units of the white level, pixels of
16×16, which are converted to those of larger images."""

AXIS_LABELS = {
    "nothing": "none",
    "noise on what is seen": "noise on observed pixels",
    "noise between layers": "noise between layers",
    "the hole moved, pixels": "shift of the hole (pixels)",
    "a larger hole, side": "side of the hole (pixels)",
}
"""The name of each perturbation on an axis and in a table."""


@dataclass(frozen=True)
class Trial:
    """One training: without constraint if ``epsilon`` is None.

    ``noise`` is the layer noise in training, which fades towards the last layer.
    """

    epsilon: float | None = None
    noise: float = 0.0
    steps: int = 250
    seed: int = 0
    source: str = "digits"

    @property
    def name(self) -> str:
        """Return the label in a legend."""
        kind = "plain" if self.epsilon is None else f"descending, ε = {self.epsilon:g}"
        return kind + (f", noise {self.noise:g}" if self.noise else "")


@dataclass(frozen=True)
class Trained:
    """A network, its training history, and test digits."""

    trial: Trial
    network: GlowProx
    history: descent_constraints.History
    test: Tensor

    @property
    def mask(self) -> Tensor:
        """Return the mask of the training: (side, side)."""
        return hole(HOLE * self.zoom, size=SIDE * self.zoom)

    @property
    def zoom(self) -> int:
        """Return the side of the images in units of 16 pixels."""
        return self.test.shape[-1] // SIDE


def digits(source: str, seed: int) -> tuple[Tensor, Tensor]:
    """Return training and test digits: (TRAIN, 1, 16, 16), (TEST, 1, 16, 16)."""
    images = small_digits(source)
    order = torch.Generator().manual_seed(derive(seed, "inpainting", "digits"))
    sample = images[torch.randperm(len(images), generator=order)[: TRAIN + TEST]]
    return sample[:TRAIN], sample[TRAIN:]


def distances(layers: list[Tensor], truth: Tensor) -> Tensor:
    r"""Return the merits :math:`\|x_l - s\|_2`, l = 0 … L: (L + 1, batch)."""
    return torch.stack([(x - truth).flatten(1).norm(dim=1) for x in layers])


def train(trial: Trial) -> Trained:
    r"""Train a network on ‖x_L − s‖², optionally such that each layer reduces the distance to s.

    The constraint is the distance form of the public code, as a difference of expectations:
    :math:`\mathbb E\|x_l - s\| \le (1 - \varepsilon)\,\mathbb E\|x_{l-1} - s\|`. Digits, batches
    and initialisation do not depend on ``epsilon``. Raises TrainingError on a non-finite loss.
    """
    with runtime.threads_for(1), runtime.flushed_denormals(), runtime.keep_freed_memory():
        images, test = digits(trial.source, trial.seed)
        mask, network = hole(HOLE), GlowProx(seed=derive(trial.seed, "inpainting", "start"))
        order = torch.Generator().manual_seed(derive(trial.seed, "inpainting", "order"))
        noise = torch.Generator().manual_seed(derive(trial.seed, "inpainting", "noise"))
        disturb = (
            descent_constraints.layer_noise(trial.noise, noise, fading=True)
            if trial.noise
            else None
        )
        with torch.no_grad():
            # The first batch initialises the scale of the flows; noise is added because some
            # pixels are black in all digits.
            initial_batch = images[:256] * mask
            network(initial_batch + 0.02 * torch.randn(initial_batch.shape, generator=order), mask)

        def terms() -> tuple[Tensor, Tensor]:
            truth = images[torch.randint(len(images), (BATCH,), generator=order)]
            layers = network(truth * mask, mask, disturb)
            merits = distances([truth * mask, *layers], truth)
            return merits[-1].square().mean(), merits

        is_constrained = trial.epsilon is not None
        history = descent_constraints.train(
            network.parameters(),
            terms,
            steps=trial.steps,
            rate=RATE,
            epsilon=trial.epsilon if is_constrained else 0.0,
            dual_rate=DUAL_RATE if is_constrained else 0.0,
        )
    return Trained(trial, network.requires_grad_(False), history, test)


def recovered(trained: Trained, kind: str = "nothing", level: float = 0.0) -> list[Tensor]:
    """Return x_0, …, x_L of the test digits for one of DISTURBED: L + 1 of (TEST, 1, 16, 16)."""
    noise = torch.Generator().manual_seed(derive(trained.trial.seed, "inpainting", kind, level))
    mask, images, disturb = trained.mask, trained.test, None
    size, side = len(mask), HOLE * trained.zoom
    if kind == "noise on what is seen":
        images = images + level * torch.randn(images.shape, generator=noise)
    elif kind == "noise between layers":
        disturb = descent_constraints.layer_noise(level, noise)
    elif kind == "the hole moved, pixels":
        mask = hole(side, right=int(level), size=size)
    elif kind == "a larger hole, side":
        mask = hole(int(level), size=size)
    return [images * mask, *trained.network(images * mask, mask, disturb)]


@runtime.threads_for(1)
def evaluation(trained: Trained, perturbations: Mapping = DISTURBED) -> pd.DataFrame:
    """Return one row per perturbation, level and layer, over the test digits.

    ``psnr`` is the mean over images of 10 log₁₀(1/mean squared error), in dB, over all pixels;
    ``distance`` the mean of ‖x_l − s‖; ``descending`` the share of images with a closer output.
    """
    rows, settings = [], asdict(trained.trial)
    for perturbation, levels in perturbations.items():
        unit = trained.zoom if "hole" in perturbation else 1
        for level in (unit * level for level in levels):
            layers = recovered(trained, perturbation, level)
            merits = distances(layers, trained.test)
            fractions = [None, *descent_constraints.descending(merits).tolist()]
            for number, (x, merit, fraction) in enumerate(
                zip(layers, merits, fractions, strict=True)
            ):
                psnr = -10 * (x - trained.test).square().mean((1, 2, 3)).log10().mean()
                facts = {"what": perturbation, "level": level, "layer": number, "psnr": psnr.item()}
                rows.append(
                    settings | facts | {"distance": merit.mean().item(), "descending": fraction}
                )
    return pd.DataFrame(rows)


def mean_fill(trained: Trained) -> Tensor:
    """Return the test digits with the hole filled by the mean training digit."""
    images, _ = digits(trained.trial.source, trained.trial.seed)
    mask = hole(HOLE)
    return trained.test * mask + images.mean(0) * (1 - mask)


def side_by_side(trials: list[Trial]) -> list[Trained]:
    """Train the trials in parallel, one process per core."""
    return joblib.Parallel(n_jobs=min(len(trials), joblib.cpu_count()))(
        joblib.delayed(train)(trial) for trial in trials
    )


STORED = "inpainting.csv"
PLAN = (
    Trial(),
    Trial(0.2),
    Trial(0.05),
    Trial(noise=1 / 16),
    Trial(0.2, noise=1 / 16),
)
"""The stored trials, with STEPS steps and for SEEDS; noise of 1/16 per pixel has norm 1 per
image, as in the public code."""
STEPS, SEEDS = 1000, (0, 1, 2)


def stored_rows() -> pd.DataFrame:
    """Return the stored rows of :func:`evaluation`, with the legend label as ``network``."""
    table = results.load_table(STORED)
    trials = (
        table[["epsilon", "noise"]].astype(object).where(table[["epsilon", "noise"]].notna(), None)
    )
    table["network"] = [Trial(*row).name for row in trials.itertuples(index=False)]
    return table


def settings(table: pd.DataFrame) -> dict[str, object]:
    """Return the sizes of the stored networks by the names of `published_systems`."""
    network = GlowProx()
    blocks = [step for step in network.flows[0].steps if isinstance(step, GlowBlock)]
    scales = len(network.flows[0].steps) - len(blocks)
    return {
        "images": str(table["source"].iloc[0]),
        "values per picture": hole(HOLE).numel(),
        "layers": len(network.flows),
        "scales": scales,
        "blocks per scale": len(blocks) // scales,
        "coupling": "additive",
        "grey levels": 256,
        "constraint": "difference of distances",
        "ε": float(table["epsilon"].max()),
        "layer noise": "none",
        "pictures per batch": BATCH,
        "steps": int(table["steps"].max()),
    }


def against_plain(
    table: pd.DataFrame, ours: str = Trial(0.2).name, theirs: str = Trial().name
) -> pd.DataFrame:
    """Return the lead of constrained networks (ε = 0.2) over plain ones, as in `against`."""
    last_layers = table.query("layer == layer.max()")
    psnr = last_layers.pivot_table(
        index=["what", "level", "seed"], columns="network", values="psnr"
    )
    psnr = pd.concat({"glow-prox": psnr}, names=["model"])
    return against(psnr, ours, theirs)


def psnr_by(table: pd.DataFrame, over: str) -> tuple[dict, pd.Index]:
    """Return the PSNR in dB of each network, as network -> (seeds, values), and the values.

    ``over`` is the column of ``table`` with the values, for example "layer" or "level".
    """
    wide = table.pivot_table(index=["network", "seed"], columns=over, values="psnr", dropna=False)
    return {name: rows.to_numpy() for name, rows in wide.groupby("network")}, wide.columns
