"""Trained networks in the repository, in half precision, with their test results."""

import hashlib
import tomllib
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import torch
from torch import nn

from companion import result_store, results
from companion.build import options
from companion.run_set import PRINTED
from unfolded import files
from unfolded.errors import ConfigError, RecordError, complain
from unfolded.networks import storage
from unfolded.provenance import ROOT
from unfolded.runs import input_frames, records
from unfolded.runs.config import RunConfig
from unfolded.runs.grid import STARTS, SUCCESSOR, initialised, row
from unfolded.training import checkpoint
from unfolded.training.trainer import tested

WEIGHTS = ROOT / "data" / "weights"
HIDDEN = 256
"""The width of the stored networks, small enough for the repository."""

TABLES = ("weights", "cover")
"""Tables of stored networks: the default row, and the networks of the figure on the cover."""

COVER = ("reweighted-rnn", "l1-l1-rnn")
"""Networks on the cover, from the initial λ1, λ2 of the successor paper; together below 1 MB."""


def pretrained(model: str, table: str = "weights") -> tuple[nn.Module, RunConfig]:
    """Return a trained network of a table of :data:`TABLES` at h = 256, at the paper's scale.

    Its weights were rounded to half precision; :func:`stored_weights` states the effect.
    Raises ConfigError for a model that is not stored, RecordError if the file is damaged.
    """
    rows = stored_weights(table=table).set_index("model")
    if model not in rows.index:
        do = "choose one, or train it"
        raise ConfigError(complain(f"one of {', '.join(rows.index)}", repr(model), do))
    path = results.register_read(_path(model, table))
    want, do = f"the weights of {model} at {path}", "restore them with git checkout"
    try:
        content = path.read_bytes()
    except OSError as error:
        raise RecordError(complain(want, error, do)) from error
    if hashlib.sha256(content).hexdigest() != rows.at[model, "sha256"]:
        raise RecordError(complain(want, "a file with another checksum", do))
    network, header = storage.read(path)
    return network.float().requires_grad_(False), RunConfig(**header["config"])


def _path(model: str, table: str) -> Path:
    prefix = "cover-" if table == "cover" else ""
    return WEIGHTS / f"{prefix}{model}.safetensors"


def stored_weights(*models: str, table: str = "weights") -> pd.DataFrame:
    """Return a table in data/weights/: model, run, checksum, and PSNR with the rounded weights.

    With ``models``, only their rows, as the source of results computed from them.

    >>> stored_weights("gru", "lstm")["model"].tolist()
    ['lstm', 'gru']
    """
    rows = results.read(WEIGHTS / f"{table}.csv")
    return rows[rows["model"].isin(models)] if models else rows


def model_cards() -> pd.DataFrame:
    """Return the model cards of the stored networks of the default row.

    Columns: model, data, protocol, psnr_authors, bytes, licence, loading (an expression in the
    folder of the file), config_hash and file (a path in the repository).

    >>> model_cards().set_index("model").at["gru", "loading"]
    'unfolded.load("gru.safetensors").float()'
    """
    project = results.register_read(ROOT / "pyproject.toml").read_text(encoding="utf-8")
    rows = stored_weights()[["model", "psnr_authors", "bytes", "config_hash"]]
    configs = [pretrained(model)[1] for model in rows["model"]]
    paths = [_path(model, "weights") for model in rows["model"]]
    return rows.assign(
        data=[f"{c.source}, filter {c.reduction}, CS rate {c.cs_rate:g}" for c in configs],
        protocol=[f"{c.protocol}, pixels 0 to {c.scale.peak:g}" for c in configs],
        licence=tomllib.loads(project)["project"]["license"],
        loading=[f'unfolded.load("{path.name}").float()' for path in paths],
        file=[path.relative_to(ROOT).as_posix() for path in paths],
    )


def store_weights(store: str | Path | None = None, table: str = "weights") -> pd.DataFrame:
    """Write the finished runs of a table at h = 256 to data/weights/; return the table.

    An unfolded network of the default row has the initial λ1, λ2 with the least validation error
    among the finished runs and the run of the stored network. Tests each network with rounded
    weights on the test sequences, which must be available. Entries of runs that are missing in the
    store, or already stored, remain unchanged; entries of runs on other frames are removed.
    """
    path = WEIGHTS / f"{table}.csv"
    base = RunConfig(**(PRINTED.as_dict() | {"hidden": HIDDEN}))
    stored = stored_weights(table=table).to_dict("records") if path.exists() else []
    rows = {entry["model"]: entry for entry in stored if _on_frames_of(base, entry["model"], table)}
    for config in row(base, COVER if table == "cover" else None):
        pairs = [SUCCESSOR] if table == "cover" else STARTS.values()
        best = best_run([initialised(config, pair) for pair in pairs], store)
        if best is not None and _replaces(best, rows.get(config.model)):
            rows[config.model] = _store(best, store, _path(config.model, table))
    for model in {entry["model"] for entry in stored} - set(rows):
        files.drop(_path(model, table))
    ordered = [rows[config.model] for config in row(base) if config.model in rows]
    networks = pd.DataFrame(ordered)
    result_store.write(path, networks)
    return networks


def best_run(configs: Sequence[RunConfig], store: str | Path | None) -> records.Record | None:
    """Return the finished run with the least validation error at the last epoch, or None."""
    runs = [records.load(records.folder_of(config, store), config) for config in configs]
    finished = [run for run in runs if run is not None and run.status == "done"]
    return min(finished, key=lambda run: run.curves["validation_mse"][-1], default=None)


def _on_frames_of(base: RunConfig, model: str, table: str) -> bool:
    _, header = storage.read(_path(model, table))
    return header["config"].get("reduction", base.reduction) == base.reduction


def _replaces(record: records.Record, row: dict | None) -> bool:
    """Return whether a run replaces a stored network: another λ only by a smaller error."""
    if row is None:
        return True
    if row["config_hash"] == record.config_hash:
        return row["commit"] != record.provenance["commit"]
    error = results.curves(row["config_hash"])["validation_mse"].iloc[-1]
    return record.curves["validation_mse"][-1] < error


def _store(record: records.Record, store: str | Path | None, path: Path) -> dict:
    config = RunConfig(**record.config)
    network, _ = checkpoint.load_network(records.folder_of(config, store))
    storage.write(path, network.half(), {"config": config.as_dict()})
    content = path.read_bytes()
    network = network.float()
    with torch.no_grad():
        scores, _ = tested(network, input_frames.load(config).test, config.scale.peak)
    return {
        "model": config.model,
        "sha256": hashlib.sha256(content).hexdigest(),
        "psnr_authors": round(scores["psnr_authors"], 4),
        "psnr_authors_before_rounding": round(record.metrics["psnr_authors"], 4),
        "bytes": len(content),
        "commit": record.provenance["commit"],
        "config_hash": record.config_hash,
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Copy the trained networks from a folder of runs to data/weights/ and list them."""
    about = "Copy finished runs at h = 256 to data/weights/ in half precision."
    table = {
        "choices": TABLES,
        "default": TABLES[0],
        "help": "weights: networks of the default row; cover: networks on the cover",
    }
    chosen = options.parse("weights", about, arguments, "store", table=table)
    networks = store_weights(chosen.store, chosen.table)
    print(networks.to_string(index=False))
    print(f"{len(networks)} networks in {WEIGHTS}")
    return 0
