"""GLOW-Prox with a multi-scale Glow in each layer, on MNIST: train and compare."""

import copy
from dataclasses import dataclass

import pandas as pd
import torch
from safetensors.torch import load, save
from torch import Tensor

from companion import results
from companion.labels import NOT_RUN
from companion.studies import descent_constraints
from companion.studies.inpainting import glow, inpainting_trials
from companion.studies.inpainting.glow_prox import GlowProx, hole
from companion.studies.inpainting.inpainting_trials import HOLE, SEEDS, Trained, distances
from unfolded import files, runtime
from unfolded.runs import results_table
from unfolded.seeds import derive

LAYERS, BATCH, EPSILON = 5, 8, 0.05
"""The values of the public code."""
RATE, SCALAR_RATE, DUAL_RATE = 1e-4, 1e-2, 0.3
"""The rates of the flows, of μ and λ, and of the multipliers. With larger rates of the flows, trial
trainings diverged."""
TEST, SHOWN = 200, 6
"""Number of test digits, and of those with stored pictures."""
DATA_WEIGHT = 100.0
"""The weight of the data term in the objective of the public code."""
STORED, PICTURES = "glow_inpainting.csv", "glow_pictures"


@dataclass(frozen=True)
class GlowTrial:
    """A training: its constraint, "distance", "gradient" or None, and its layer noise.

    ``noise`` fades towards the last layer.
    """

    constraint: str | None = None
    noise: float = 0.0
    steps: int = 600
    seed: int = 0

    @property
    def name(self) -> str:
        """Return the label in a legend."""
        return (self.constraint or "plain") + (" + noise" if self.noise else "")


NOISE = 1 / glow.SIDE
"""The layer noise of the public code: of norm 1 for each image, like 1/l in layer l."""
PLAN = tuple(
    GlowTrial(constraint, noise)
    for noise in (NOISE, 0.0)
    for constraint in (None, "gradient", "distance")
)
"""The stored trials, for each of SEEDS."""


def gradients(layers: list[tuple[Tensor, Tensor]], y: Tensor, mask: Tensor) -> tuple[Tensor, ...]:
    r"""Return the merits of the public code, two of (L, batch), from the outputs of the layers.

    They are the norms of the gradients of :math:`100\|y - A x\|^2 + \tfrac12\|z\|^2`: with respect
    to x, :math:`200\|A^\top(A x_l - y)\|`, and with respect to z, the gradient of the negative
    logarithm of the normal density, :math:`\|z_l\|`.
    """
    data = [2 * DATA_WEIGHT * (mask * (mask * x - y)).flatten(1).norm(dim=1) for x, _ in layers]
    prior = [z.flatten(1).norm(dim=1) for _, z in layers]
    return torch.stack(data), torch.stack(prior)


def network(flow: glow.Glow) -> GlowProx:
    """Return GLOW-Prox with a separate copy of the flow in each layer."""
    return GlowProx(flows=[copy.deepcopy(flow) for _ in range(LAYERS)], clamp=True)


def train(trial: GlowTrial, store=None, flow: glow.Glow | None = None, source="mnist") -> Trained:
    r"""Train on ‖x_L − s‖² from the stored Glow, or ``flow``, with a constraint or without.

    Merits are in units of their batch mean in the first row. The distance is constrained in
    all layers; the gradients from the second layer, as in the public code. An interrupted training
    continues from its ``store``. Raises TrainingError on a non-finite loss.
    """
    images, held_out = glow.padded_digits(source)
    net, mask = network(flow or glow.pretrained()), hole(2 * HOLE, size=glow.SIDE)
    order, noise = (
        torch.Generator().manual_seed(derive(trial.seed, "glow inpainting", name))
        for name in ("order", "noise")
    )
    disturb = descent_constraints.layer_noise(trial.noise, noise, fading=True)

    groups = [
        {"params": list(net.flows.parameters())},
        {"params": [net.log_mu, net.log_lambda], "lr": SCALAR_RATE},
    ]

    def terms() -> tuple[Tensor, tuple[Tensor, ...]]:
        truth = images[torch.randint(len(images), (BATCH,), generator=order)]
        y = truth * mask
        layers = net.layers(y, mask, disturb if trial.noise else None)
        merits = (distances([y, *(x for x, _ in layers)], truth),)
        loss = merits[0][-1].square().mean()
        if trial.constraint == "gradient":
            merits = gradients(layers, y, mask)
        return loss, tuple(m / m[0].mean().detach() for m in merits)

    with runtime.threads_for(1), runtime.flushed_denormals(), runtime.keep_freed_memory():
        history = descent_constraints.train(
            groups, terms, trial.steps, rate=RATE, clip=1.0, epsilon=EPSILON,
            dual_rate=DUAL_RATE if trial.constraint else 0.0,
            checkpoint=store and store((order, noise)),
        )  # fmt: skip
    return Trained(trial, net.requires_grad_(False), history, held_out[:TEST])


def store_pictures(trained: Trained) -> None:
    """Store the recovered digits of the first seed, as grey levels: (layers + 2, SHOWN, 32, 32).

    The first is the observed image, the last the truth.
    """
    if trained.trial.seed != SEEDS[0]:
        return
    images = [*inpainting_trials.recovered(trained), trained.test]
    levels = torch.stack([x[:SHOWN, 0] for x in images]) * 255
    content = save({"images": levels.round().clamp(0, 255).to(torch.uint8)})
    files.write(_picture_file(trained.trial.name), content)


def pictures(name: str) -> Tensor | None:
    """Return the pictures of :func:`store_pictures` from 0 to 1, or None if not stored."""
    path = results.register_read(_picture_file(name))
    return load(path.read_bytes())["images"] / 255 if path.exists() else None


def stored_rows() -> pd.DataFrame:
    """Return the stored rows of :func:`evaluation`, with the name as ``network``; may be empty."""
    table = results.load_table(STORED, missing=["trial", "constraint", "noise", "seed"])
    names = [
        GlowTrial(None if pd.isna(kind) else kind, noise).name
        for kind, noise in zip(table["constraint"], table["noise"], strict=True)
    ]
    return table.assign(network=names)


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Return one row per planned network: mean PSNR of the last layer, its range, and seeds.

    The last column is the smallest share of test pictures that a layer brings closer to the truth,
    in the mean over seeds. A network without stored rows is "not run".
    """
    rows = []
    for name in (trial.name for trial in PLAN):
        clean = table[table["network"] == name].query("what == 'nothing'") if len(table) else table
        if clean.empty:
            rows.append({"network": name, "seeds": 0, "PSNR (dB)": NOT_RUN})
            continue
        psnr = clean[clean["layer"] == LAYERS]["psnr"]
        rows.append({
            "network": name, "seeds": len(psnr), "PSNR (dB)": psnr.mean(),
            "lowest (dB)": psnr.min(), "highest (dB)": psnr.max(),
            "fraction that improves": clean.groupby("seed")["descending"].min().mean(),
        })  # fmt: skip
    return pd.DataFrame(rows)


def against_plain(table: pd.DataFrame) -> pd.DataFrame:
    """Return the lead of the constraint on gradients over none, with noise, as in `against`."""
    pair = (GlowTrial("gradient", NOISE).name, GlowTrial(None, NOISE).name)
    return inpainting_trials.against_plain(table[table["network"].isin(pair)], *pair)


def is_complete(table: pd.DataFrame) -> bool:
    """Return whether all planned trials are stored for all SEEDS."""
    return table["trial"].nunique() == len(PLAN) * len(SEEDS)


def settings() -> dict[str, object]:
    """Return the sizes of the planned networks by the names of `published_systems`."""
    flow = glow.FlowTraining()
    return {
        "images": "MNIST",
        "values per picture": glow.SIDE**2,
        "layers": LAYERS,
        "scales": flow.scales,
        "blocks per scale": flow.blocks,
        "coupling": "affine",
        "grey levels": glow.LEVELS,
        "constraint": "difference of gradient norms",
        "ε": EPSILON,
        "layer noise": "norm 1/l",
        "pictures per batch": BATCH,
        "steps": PLAN[0].steps,
    }


def _picture_file(name: str):
    return results_table.RESULTS / PICTURES / f"{name.replace(' + ', '-')}.safetensors"
