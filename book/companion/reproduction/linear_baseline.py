"""Baselines without gradient-based training: the mean frame, and the best linear reconstruction.

``python -m companion linear-baseline`` writes them to data/results/linear_levels.csv.
"""

import functools
import math
from collections.abc import Iterable, Sequence

import pandas as pd
import torch
from torch import Tensor

from companion import result_store, results
from companion.build import options
from unfolded import data, metrics
from unfolded.errors import ConfigError, complain
from unfolded.runs import input_frames
from unfolded.runs.config import PROFILES, RunConfig
from unfolded.runs.grid import VARIED

LEVELS = "linear_levels.csv"
"""The file in data/results/ with the baselines."""

DID_NOT_TRAIN = 0.05
"""Tolerance in dB: a run at most this far above the mean frame did not train."""

RATES = VARIED[1][1]
"""The CS rates of Table 1."""

EARLIER = (1 / 4, 1 / 3)
"""The CS rates n = 64 and n = 85, which the authors' earlier trainings may have used."""


def principal_components(train: Tensor, n: int | None = None) -> tuple[Tensor, Tensor]:
    r"""Return the mean frame (n0,) and the n leading principal directions (n, n0) of frames.

    .. math:: C = \tfrac1N \sum_i (s_i - \bar s)(s_i - \bar s)^\top = V \Lambda V^\top

    The directions are the leading columns of V, computed in double precision; for ``n`` None, all
    of them. Shapes: frames (…, n0). Raises ConfigError unless 1 ≤ n ≤ n0.
    """
    frames = train.reshape(-1, train.shape[-1]).double()
    size = frames.shape[1]
    n = size if n is None else n
    if not 1 <= n <= size:
        want = f"a number of components from 1 to {size}"
        raise ConfigError(complain(want, n, "choose another"))
    mean = frames.mean(0)
    centred = frames - mean
    _, vectors = torch.linalg.eigh(centred.T @ centred / len(frames))
    return mean, vectors.flip(1).T[:n]


def linear_reconstruction(train: Tensor, test: Tensor, n: int) -> Tensor:
    r"""Reconstruct frames from the n linear measurements that are optimal for the training frames.

    .. math:: \hat s = \bar s + V_n V_n^\top (s - \bar s)

    By the Eckart–Young theorem no linear encoder with n outputs and affine decoder has a smaller
    mean squared error on the training frames. Shapes: both (…, n0), result as ``test``.
    Raises ConfigError unless 1 ≤ n ≤ n0.

    >>> frames = torch.tensor([[0.0, 0.0], [2.0, 2.0], [4.0, 4.0]])
    >>> linear_reconstruction(frames, frames[:1] + 1, 1).round(decimals=3)
    tensor([[1., 1.]])
    """
    return _projection(test, *principal_components(train, n))


def _projection(test: Tensor, mean: Tensor, directions: Tensor) -> Tensor:
    centred = test.double() - mean
    return (mean + centred @ directions.T @ directions).to(test.dtype)


def mean_frame(train: Tensor, test: Tensor) -> Tensor:
    """Return the mean of the training frames in the shape of ``test``: (…, n0)."""
    return train.mean(tuple(range(train.ndim - 1))).expand_as(test)


def scores(reference: Tensor, estimate: Tensor, peak: float) -> dict[str, float]:
    """Return the PSNR in dB for each averaging, and ``test_mse`` in squared grey levels of 255."""
    error = ((estimate - reference) * (255 / peak)).double()
    psnr = metrics.all_psnr(reference, estimate, peak=peak)
    return psnr | {"test_mse": error.square().mean().item()}


def levels(config: RunConfig, rates: Iterable[float] = RATES) -> list[dict[str, object]]:
    """Return the baselines on the test frames of a configuration, as rows of the table.

    Columns: level (name of the row), source, reduction, method ("mean frame" or "PCA"), cs_rate
    and n (0 for the mean frame), the scores, and the provenance. PSNR does not depend on the
    protocol, since both methods scale with the pixels.
    """
    train, _, test, checksum = input_frames.load(config)
    peak, origin = config.scale.peak, result_store.origin() | {"data_sha256": checksum}
    estimates = {("mean frame", 0.0, 0): mean_frame(train, test)}
    mean, directions = principal_components(train)
    for rate in rates:
        n = int(rate * train.shape[-1])
        estimates["PCA", rate, n] = _projection(test, mean, directions[:n])
    return [
        {
            "level": _name(config.source, config.reduction, method, n),
            **{"source": config.source, "reduction": config.reduction, "method": method},
            **{"cs_rate": rate, "n": n},
            **scores(test, estimate, peak),
            **origin,
        }
        for (method, rate, n), estimate in estimates.items()
    ]


@functools.cache
def stored_baselines() -> pd.DataFrame:
    """Return the baselines of data/results/, cached."""
    return results.load_table(LEVELS)


def baselines_for(config: RunConfig, rates: Iterable[float] = RATES) -> pd.DataFrame:
    """Return the baselines for the frames of a configuration: committed ones, or new ones.

    Committed baselines have the full number of sequences, for each source and filter of the table;
    the others are computed here. Columns as in :func:`levels`; a CS rate that is missing in the
    table is computed as well.
    """
    rows = stored_baselines()
    matches = rows[rows["source"].eq(config.source) & rows["reduction"].eq(config.reduction)]
    if config.size.count == PROFILES["paper"].count and set(rates) <= set(matches["cs_rate"]):
        return matches
    return pd.DataFrame(levels(config, rates))


def mean_frame_psnr(config: RunConfig, average: str = "authors") -> float:
    """Return the test PSNR in dB of the mean frame on the frames of a configuration."""
    return float(baselines_for(config, ()).query("cs_rate == 0")[f"psnr_{average}"].iloc[0])


def level(
    *,
    source: str = "mnist",
    reduction: str = "area",
    cs_rate: float = 0.0,
    average: str = "authors",
) -> float:
    """Return a committed baseline in dB: PCA at a CS rate, or the mean frame at rate 0.

    Raises ConfigError if the table does not contain it.
    """
    rows = stored_baselines()
    matches = rows["source"].eq(source) & rows["reduction"].eq(reduction)
    values = rows.loc[matches & rows["cs_rate"].eq(cs_rate), f"psnr_{average}"]
    if len(values) != 1:
        do = "run `python -m companion linear-baseline`"
        want = f"one baseline of {source}, {reduction}, rate {cs_rate:g}"
        raise ConfigError(complain(want, f"{len(values)} rows", do))
    return float(values.iloc[0])


def did_not_train(runs: pd.DataFrame, floor: float | None = None) -> pd.Series:
    """Return which runs are not better than the mean frame plus a tolerance of 0.05 dB.

    ``runs`` has the columns of data/results/runs.csv. ``floor``: the PSNR of the mean frame in dB,
    by default the committed baseline; a run on a source or filter without one counts as trained.
    """
    if floor is not None:
        return runs["psnr_authors"] <= floor + DID_NOT_TRAIN
    means = (
        stored_baselines().query("cs_rate == 0").set_index(["source", "reduction"])["psnr_authors"]
    )
    places = zip(runs["source"], runs["reduction"], strict=True)
    limit = pd.Series([means.get(place, -math.inf) for place in places], runs.index, dtype=float)
    return runs["psnr_authors"] <= limit + DID_NOT_TRAIN


def main(arguments: Sequence[str] | None = None) -> int:
    """Compute the baselines of a source with each reduction that are not stored yet."""
    source = options.parse("linear-baseline", __doc__, arguments, "source").source
    tasks = {_name(source, reduction, "mean frame", 0): functools.partial(_run, source, reduction)
             for reduction in data.REDUCTIONS}  # fmt: skip
    result_store.complete(LEVELS, tasks, "no baseline is planned")
    return 0


def _run(source: str, reduction: str) -> tuple[str, dict[str, list[dict]]]:
    config = RunConfig(source=source, reduction=reduction, profile="paper")
    rows = levels(config, (*RATES, *EARLIER))
    text = "\n".join(f"{row['level']}: {row['psnr_authors']:.2f} dB" for row in rows)
    return text, {LEVELS: rows}


def _name(source: str, reduction: str, method: str, n: int) -> str:
    return f"{source} {reduction} {method} {n}"
