"""Train a multi-scale Glow on MNIST by maximum likelihood, for GLOW-Prox.

    python -m companion glow                  images of 32 grey levels, for GLOW-Prox
    python -m companion glow --levels 256     to compare the likelihood with published ones

Both may run at the same time. An interrupted command continues after its last checkpoint.
"""

import functools
import hashlib
from collections.abc import Sequence
from dataclasses import asdict

import torch
from safetensors.torch import load
from torch import Tensor

from companion import result_store
from companion.build import options
from companion.studies import descent_constraints
from companion.studies.descent_constraints import Checkpoint, History
from companion.studies.inpainting import glow
from companion.studies.inpainting.glow import FlowTraining, Glow, padded_digits
from companion.studies.training_state import state_of
from unfolded import files, runtime
from unfolded.data import checksum
from unfolded.runs import records, results_table
from unfolded.seeds import derive

CLIP = 1.0
"""The largest norm of the gradient."""


def train(training: FlowTraining, store=None) -> tuple[Glow, History]:
    """Train a Glow on the bits per pixel; an interrupted training continues from its ``store``.

    Raises TrainingError on a non-finite loss.
    """
    levels = training.levels
    images, _ = padded_digits(training.source, levels)
    draws = torch.Generator().manual_seed(derive(training.seed, "glow", "batches"))
    flow = Glow(scales=training.scales, blocks=training.blocks, hidden=training.hidden,
                seed=training.seed)  # fmt: skip
    flow.initialise(glow.dequantised(images[:256], levels, draws))

    def terms() -> tuple[Tensor, None]:
        x = images[torch.randint(len(images), (training.batch,), generator=draws)]
        return flow.bits(glow.dequantised(x, levels, draws), levels).mean() / x[0].numel(), None

    checkpoint: Checkpoint | None = store and store((draws,))
    with runtime.threads_for(1), runtime.flushed_denormals(), runtime.keep_freed_memory():
        history = descent_constraints.train(
            flow.parameters(), terms, training.steps, rate=training.rate, clip=CLIP,
            checkpoint=checkpoint,
        )  # fmt: skip
    return flow, history


def main(arguments: Sequence[str] | None = None) -> int:
    """Train the flow for a number of grey levels, unless it is stored."""
    levels = {"type": int, "choices": (glow.LEVELS, 256), "default": glow.LEVELS}
    chosen = options.parse("glow", __doc__, arguments, levels=levels | {"help": "grey levels"})
    training = FlowTraining(levels=chosen.levels)
    tasks = {result_store.key(asdict(training)): functools.partial(_run, training)}
    folder = records.store() / "glow"
    result_store.complete(glow.TABLE, tasks, "no training is planned", folder=folder)
    return 0


def _run(training: FlowTraining) -> tuple[str, dict[str, list[dict]]]:
    """Return the row of a training; for GLOW-Prox, the weights are stored as well."""
    provenance, levels = result_store.origin(), training.levels
    key = result_store.key(asdict(training))
    flow, history = train(training, state_of(records.store() / "glow" / key, key))
    test = padded_digits(training.source, levels)[1]
    row = {"trial": key} | asdict(training)
    row |= {"parameters": sum(p.numel() for p in flow.parameters())}
    row |= {"test": len(test), "bits_before_rounding": glow.bits_per_pixel(flow, test, levels)}
    content = glow.half(flow)
    flow.load_state_dict(load(content))
    row |= {"bits": glow.bits_per_pixel(flow, test, levels)}
    row |= {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    row |= {"data_sha256": checksum(test.numpy()), "seconds": round(history.seconds.sum().item())}
    if levels == glow.LEVELS:
        files.write(results_table.RESULTS / glow.WEIGHTS, content)
    text = f"Glow: {row['bits']:.3f} bits per pixel on {len(test)} held-out digits"
    return text, {glow.TABLE: [row | provenance]}
