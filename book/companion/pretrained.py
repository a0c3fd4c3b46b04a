"""Trained networks in the repository, in half precision, with their test results."""

import argparse
import hashlib
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import torch
from torch import nn

from companion import results
from companion.run_set import PRINTED
from unfolded import files
from unfolded.errors import ConfigError, RecordError, complain
from unfolded.networks import storage
from unfolded.provenance import ROOT
from unfolded.runs import input_frames, records
from unfolded.runs.config import RunConfig
from unfolded.runs.grid import row
from unfolded.training import checkpoint
from unfolded.training.trainer import tested

WEIGHTS = ROOT / "data" / "weights"
HIDDEN = 256
"""The width of the stored networks, small enough for the repository."""


def pretrained(model: str) -> tuple[nn.Module, RunConfig]:
    """Return a trained network of the default row at h = 256, at the paper's scale.

    Its weights were rounded to half precision; :func:`kept` states the effect of the rounding.
    Raises ConfigError for a model that is not stored, RecordError if the file is damaged.
    """
    table = kept().set_index("model")
    if model not in table.index:
        do = "choose one, or train it"
        raise ConfigError(complain(f"one of {', '.join(table.index)}", repr(model), do))
    path = results.note(WEIGHTS / f"{model}.safetensors")
    want, do = f"the weights of {model} at {path}", "restore them with git checkout"
    try:
        content = path.read_bytes()
    except OSError as error:
        raise RecordError(complain(want, error, do)) from error
    if hashlib.sha256(content).hexdigest() != table.at[model, "sha256"]:
        raise RecordError(complain(want, "a file with another checksum", do))
    network, header = storage.read(path)
    return network.float().requires_grad_(False), RunConfig(**header["config"])


def kept(*models: str) -> pd.DataFrame:
    """Return data/weights/weights.csv: model, run, checksum, and PSNR with the rounded weights.

    With ``models``, only their rows, as the source of results computed from them.

    >>> kept("gru", "lstm")["model"].tolist()
    ['lstm', 'gru']
    """
    table = results.read(WEIGHTS / "weights.csv")
    return table[table["model"].isin(models)] if models else table


def keep(store: str | Path | None = None) -> pd.DataFrame:
    """Write the finished runs of the default row at h = 256 to data/weights/; return the table.

    Tests each network with rounded weights on the test sequences, which must be available.
    Entries of runs that are missing in the store, or already stored, remain unchanged.
    """
    path = WEIGHTS / "weights.csv"
    rows = {} if not path.exists() else {row["model"]: row for row in kept().to_dict("records")}
    for config in row(RunConfig(**(PRINTED.as_dict() | {"hidden": HIDDEN}))):
        folder = records.folder_of(config, store)
        record = records.load(folder, config)
        if record is None or record.status != "done" or _is_kept(rows.get(config.model), record):
            continue
        rows[config.model] = _keep(config, folder, record)
    table = pd.DataFrame(rows.values())
    files.write(path, table.to_csv(index=False, lineterminator="\n"))
    return table


def _is_kept(row: dict | None, record: records.Record) -> bool:
    origin = record.config_hash, record.provenance["commit"]
    return row is not None and (row["config_hash"], row["commit"]) == origin


def _keep(config: RunConfig, folder: Path, record: records.Record) -> dict:
    network, _ = checkpoint.load_network(folder)
    path = WEIGHTS / f"{config.model}.safetensors"
    storage.write(path, network.half(), {"config": config.as_dict()})
    content = path.read_bytes()
    network = network.float()
    with torch.no_grad():
        found, _ = tested(network, input_frames.unseen(config), config.scale.peak)
    return {
        "model": config.model,
        "sha256": hashlib.sha256(content).hexdigest(),
        "psnr_authors": round(found["psnr_authors"], 4),
        "psnr_authors_before_rounding": round(record.metrics["psnr_authors"], 4),
        "bytes": len(content),
        "commit": record.provenance["commit"],
        "config_hash": record.config_hash,
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Copy the trained networks from a folder of runs to data/weights/ and list them."""
    parser = argparse.ArgumentParser(
        "python -m companion weights",
        description="Copy finished runs of the default row at h = 256 to data/weights/.",
    )
    parser.add_argument("--store", help="folder of the runs; default UNFOLDED_RUNS or runs/")
    table = keep(parser.parse_args(arguments).store)
    print(table.to_string(index=False))
    print(f"{len(table)} networks in {WEIGHTS}")
    return 0
