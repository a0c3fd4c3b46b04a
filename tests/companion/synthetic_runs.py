"""Synthetic records with given test errors and curves, without a run."""

import dataclasses
import itertools

import numpy as np

from companion.claims import decision
from companion.reproduction import linear_baseline, paper_tables
from companion.run_set import PRINTED, WIDE, RunSet
from unfolded import networks
from unfolded.runs import parameter_count
from unfolded.runs.config import RunConfig
from unfolded.runs.grid import STARTS, SUCCESSOR, UNFOLDED
from unfolded.runs.records import METRICS, Record

PAIRS = (STARTS["earlier code"], SUCCESSOR)
SEEDS = (0, 1, 2)
SUCCESSOR_PAIR = dict(zip(("lambda1", "lambda2"), SUCCESSOR, strict=True))
L1_L1 = dataclasses.replace(WIDE, model="l1-l1-rnn")
LESS = {
    "Z": {"reweighting": "Z"},
    "g": {"reweighting": "g"},
    "neither": {"model": "l1-l1-rnn"},
    "matched": {"model": "l1-l1-rnn", "hidden": parameter_count.matched(L1_L1).hidden},
}
"""The network without reweighted Z, g or both, and with as many parameters."""


def run(model, mse, *, curve=(9.0, 4.0, 1.0), psnr=None, **fields):
    """One record: test errors around ``mse`` that scatter with the sequence and the seed."""
    config = dataclasses.replace(PRINTED, model=model, depth=None)
    config = dataclasses.replace(config, **fields)
    random = np.random.default_rng(config.seed)
    errors = mse * np.linspace(0.9, 1.1, 50) * np.exp(random.normal(0, 0.001, 50))
    psnr = 10 * np.log10(255**2 / mse) if psnr is None else psnr
    curves = {"train_mse": list(curve), "validation_mse": list(curve)}
    scores = dict.fromkeys(METRICS, psnr)
    return Record(config.as_dict(), config.hash, "done", scores, curves, list(errors))


def starts(model, mse, pairs=PAIRS, seeds=SEEDS, **fields):
    """Records of a configuration from each initialisation and with each seed."""
    for seed in seeds:
        for lambda1, lambda2 in pairs if model in UNFOLDED else PAIRS[:1]:
            initial = {"lambda1": lambda1, "lambda2": fields.get("lambda2", lambda2)}
            yield run(model, mse, seed=seed, **{**fields, **initial})


def all_networks(ours=10.0, competitors=20.0, **where):
    """Records of all networks of a row."""
    for model in networks.names():
        yield from starts(model, ours if model == "reweighted-rnn" else competitors, **where)


def evidence(*records):
    return RunSet.of(itertools.chain(*records))


def record(psnr=30.0, status="done", validation=100.0, **fields):
    """One record with this PSNR in every averaging."""
    config = RunConfig(**{"profile": "paper", "source": "mnist", **fields})
    curves = {"train_mse": [90.0], "validation_mse": [validation]}
    scores = dict.fromkeys(METRICS, psnr)
    return Record(config.as_dict(), config.hash, status, scores, curves, [50.0, 60.0])


def mean_frame():
    return linear_baseline.level(cs_rate=0)


def gru(psnr=30.0, **fields):
    return record(psnr, model="gru", **fields)


def cells_of(rows, **options):
    """Return the cells of the paper's tables with these runs."""
    return paper_tables.compare_with_paper(RunSet.of(rows), **options)


def replace_committed_runs(monkeypatch):
    """Return a function that lets the rules judge given records instead of the committed ones."""

    def use(*groups):
        runs = evidence(*groups)
        monkeypatch.setattr(decision, "committed_runs", lambda: runs)

    return use
