"""The value of memory: trained networks tested normally, without state, and on shuffled frames.

    python -m companion memory-value --store runs --hidden 256

tests the finished runs of a folder and merges the results into data/results/memory.csv; stored
results are not computed again.
"""

import functools
import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from companion import result_store, results
from companion.build import options
from companion.reproduction.memory_value import CONDITIONS, ERRORS, SETTINGS, TABLE
from companion.statistics import decibel
from unfolded import metrics, runtime
from unfolded.errors import RecordError, complain
from unfolded.runs import input_frames, records, results_table
from unfolded.runs.config import RunConfig, usual_depth
from unfolded.seeds import derive
from unfolded.training import checkpoint
from unfolded.training.stacking import SingleModel, estimates

PERMUTATIONS = 3
"""Number of random orders of each sequence; their errors are averaged."""

_FREE = ("model", "depth", "seed", "lambda1", "lambda2", "memory", "variant")
"""Fields that may differ between the runs of one table."""


def permute_frames(frames: Tensor, number: int) -> Tensor:
    """Return the frames of each sequence in a separate random order, which is deterministic.

    Shapes: frames (sequences, time, features), result likewise.

    >>> permute_frames(torch.arange(4.0).reshape(1, 4, 1), 0).sort(1).values.flatten().tolist()
    [0.0, 1.0, 2.0, 3.0]
    """
    generator = torch.Generator().manual_seed(derive(0, "order of frames", number))
    order = torch.rand(frames.shape[:2], generator=generator).argsort(1)
    return frames.gather(1, order[..., None].expand_as(frames))


def conditions(
    network: nn.Module, frames: Tensor, permutations: int = PERMUTATIONS
) -> dict[str, list[tuple[Tensor, Tensor]]]:
    """Return reference and estimate of test frames in each of :data:`CONDITIONS`.

    One pair, or one for each permutation. Both (sequences, time, n0), in the order of the network
    input. Without state, each frame is processed from the initial state.
    """
    model, single_frames = SingleModel(network), frames.reshape(-1, 1, frames.shape[-1])
    orders = [permute_frames(frames, number) for number in range(permutations)]
    return {
        "as_trained": [(frames, estimates(model, frames))],
        "without_state": [(frames, estimates(model, single_frames).reshape(frames.shape))],
        "shuffled": [(order, estimates(model, order)) for order in orders],
    }


def evaluate(
    network: nn.Module, frames: Tensor, peak: float, permutations: int = PERMUTATIONS
) -> tuple[dict[str, float], pd.DataFrame]:
    """Return PSNR in two averagings, and the error of each sequence, in each condition.

    Columns of the second: :data:`CONDITIONS`, mean squared errors in squared grey levels of 255,
    averaged over permutations; PSNR in the averaging "sequence" is that of these errors.
    """
    scores, errors = {}, {}
    for name, pairs in conditions(network, frames, permutations).items():
        mse = [((a - b) * (255 / peak)).double().square().mean((1, 2)) for a, b in pairs]
        errors[name] = torch.stack(mse).mean(0).numpy()
        psnr = [metrics.psnr(a, b, peak=peak, average="authors") for a, b in pairs]
        scores[f"psnr_authors_{name}"] = float(np.mean(psnr))
        scores[f"psnr_sequence_{name}"] = float(decibel(errors[name]).mean())
    return scores, pd.DataFrame(errors)


def eligible_runs(runs: pd.DataFrame, base: RunConfig) -> pd.DataFrame:
    """Return the finished runs that differ from ``base`` only in network (with its usual depth),
    seed, initial λ, variant, and memory. Networks without the prior term (λ2 = 0) are excluded."""
    fixed = {name: value for name, value in base.as_dict().items() if name not in _FREE}
    matches = [runs[name].eq(value) for name, value in fixed.items()]
    matches += [runs["status"].eq("done"), runs["lambda2"].ne(0)]
    matches += [runs["depth"].eq(runs["model"].map(usual_depth))]
    return runs[np.logical_and.reduce(matches)]


def evaluate_run(folder: Path, row: dict, cache: dict, permutations: int = PERMUTATIONS) -> tuple:
    """Test the network of a finished run; return its table row and its errors.

    Raises RecordError if the weights are damaged, or the frames differ from those of the training.
    """
    network, config = checkpoint.load_network(folder)
    frames = input_frames.on_device(config, "cpu", cache)
    if row["data_sha256"] != frames.sha256:
        got, do = f"those of {frames.sha256[:12]}", "use the data of the run"
        raise RecordError(complain(f"frames {row['data_sha256'][:12]}", got, do))
    with torch.no_grad(), runtime.flushed_denormals():
        psnr, errors = evaluate(network, frames.test, config.scale.peak, permutations)
    settings = {name: row[name] for name in ("config_hash", *SETTINGS)}
    settings |= {"permutations": permutations, "weights_sha256": weights_sha256(folder)}
    return settings | psnr | {"data_sha256": frames.sha256} | result_store.origin(), errors


def weights_sha256(folder: Path) -> str:
    """Return the checksum of the weights in a run's folder; "" if they do not exist."""
    path = folder / checkpoint.WEIGHTS
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else ""


def update(
    base: RunConfig, store: str | Path | None = None, permutations: int = PERMUTATIONS
) -> list[dict]:
    """Test the runs of a folder that are not stored or have new weights; return their rows."""
    tasks, cache = {}, {}
    for row in eligible_runs(results.collect(store), base).to_dict("records"):
        folder = records.store(store) / row["config_hash"]
        if checksum := weights_sha256(folder):
            key = row["config_hash"], checksum, str(permutations)
            tasks[key] = functools.partial(_run, folder, row, cache, permutations)
    expected = (
        f"finished runs with weights on {base.source}, profile {base.profile}, h = {base.hidden}"
    )
    do = "train one, or choose another --store, --source, --profile or --hidden"
    searched = complain(expected, f"none in {records.store(store)}", do)
    columns = "config_hash", "weights_sha256", "permutations"
    return result_store.complete(TABLE, tasks, searched, columns=columns)


def _run(folder: Path, row: dict, cache: dict, permutations: int) -> tuple[str, dict]:
    """Write the errors of a run; return its row. A row without errors is not stored."""
    result, errors = evaluate_run(folder, row, cache, permutations)
    path = results_table.RESULTS / ERRORS / f"{folder.name}.csv"
    result_store.write(path, errors.rename_axis("sequence").reset_index(), digits=4)
    levels = (f"{name} {result[f'psnr_authors_{name}']:.2f}" for name in CONDITIONS)
    text = f"{row['model']} seed {row['seed']} {folder.name}: {', '.join(levels)} dB"
    return text, {TABLE: [result]}


def main(arguments: Sequence[str] | None = None) -> int:
    """Test the runs of a folder."""
    names = ("store", "hidden", "source", "profile")
    chosen = options.parse("memory-value", __doc__, arguments, *names)
    fields = {name: getattr(chosen, name) for name in names[1:]}
    update(RunConfig(**fields), chosen.store)
    return 0
