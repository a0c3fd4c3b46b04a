"""Comparison of runs: paired differences on the same test sequences, with intervals."""

import functools
import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace

import numpy as np
import pandas as pd

from companion import results
from companion.attribution import Source, mark, of
from companion.labels import DIVERGED, NOT_RUN, UNTRAINED, part_of
from companion.reproduction.linear_baseline import did_not_train
from companion.statistics import Difference, interval, paired_difference
from unfolded.runs.config import RunConfig
from unfolded.runs.grid import STARTS, UNFOLDED, VARIED, initialised, row
from unfolded.runs.records import COLUMNS, Record

PRINTED = RunConfig(profile="paper", source="mnist")
"""The default row as printed, with frames that replace the released frames."""

WIDE = replace(PRINTED, hidden=256)
"""The default row at the width at which all tables, networks and ablations run."""

SHORT = replace(PRINTED, profile="short", hidden=None)
"""The default row in short runs: all training sequences, fewer epochs, a narrow network."""


@dataclass(frozen=True)
class RunSet:
    """Finished runs with their test errors and learning curves.

    ``runs``: a table with the columns of data/results/runs.csv; ``errors``: config hash ->
    (sequences,) squared grey levels; ``curves``: config hash -> a table with one row per epoch;
    ``failed``: a table like ``runs`` of the runs that diverged and have no result.
    """

    runs: pd.DataFrame
    errors: dict[str, np.ndarray]
    curves: dict[str, pd.DataFrame]
    failed: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=COLUMNS))

    @classmethod
    def of(cls, records: Iterable[Record]) -> "RunSet":
        """Return the run set of the given records."""
        records = list(records)
        done = {record.config_hash: record for record in records if record.status == "done"}
        failed = {r.config_hash: r.row() for r in records if r.config_hash not in done}
        return cls(
            pd.DataFrame([record.row() for record in done.values()], columns=COLUMNS),
            {name: np.array(record.sequence_mse) for name, record in done.items()},
            {name: mark(pd.DataFrame(record.curves), record) for name, record in done.items()},
            pd.DataFrame(failed.values(), columns=COLUMNS),
        )

    @classmethod
    def committed(cls) -> "RunSet":
        """Return the run set of data/results/."""
        runs, failed = split(results.load_table())
        names = list(runs["config_hash"])
        tested = {name: results.sequences(name) for name in names}
        errors = {name: t["test_mse"].to_numpy() for name, t in tested.items() if t is not None}
        source = of(runs)
        curves = {name: mark(results.curves(name), source.only([name])) for name in names}
        return cls(runs, errors, curves, failed)

    def at(self, run: RunConfig) -> pd.DataFrame:
        """Return the runs of a configuration with any seed, one row per seed."""
        return self.runs.iloc[self._places.get(_without_seed(run.as_dict()), [])]

    def diverged(self, run: RunConfig) -> tuple[int, ...]:
        """Return the seeds with which a configuration diverged, in order."""
        places = self._failed_places.get(_without_seed(run.as_dict()), [])
        return tuple(self.failed["seed"].iloc[places])

    def seeds_without_result(self, run: RunConfig) -> dict[str, int]:
        """Return the number of seeds of a configuration that did not train, and that diverged."""
        untrained = len(self.at(run)) - len(self.trained.at(run))
        return {UNTRAINED: untrained, DIVERGED: len(self.diverged(run))}

    def excluded(self, run: RunConfig) -> int:
        """Return the number of seeds that :meth:`trained_at` omits: diverged or did not train.

        If no seed trained, :meth:`trained_at` omits only those that diverged.
        """
        return len(self.diverged(run)) + len(self.at(run)) - len(self.trained_at(run))

    def no_result(self, run: RunConfig) -> str:
        """Return why no seed of a configuration trained: not run, did not train, or diverged."""
        if len(self.at(run)):
            return UNTRAINED
        return DIVERGED if self.diverged(run) else NOT_RUN

    @functools.cached_property
    def _places(self) -> dict[tuple, list[int]]:
        return _rows_by_config(self.runs)

    @functools.cached_property
    def _failed_places(self) -> dict[tuple, list[int]]:
        return _rows_by_config(self.failed)

    @functools.cached_property
    def trained(self) -> "RunSet":
        """The run set without untrained runs, which are excluded from all comparisons.

        Such a run is about as good as the mean frame: see `linear_baseline.did_not_train`.
        """
        runs = self.runs.loc[~did_not_train(self.runs).astype(bool)]
        return RunSet(mark(runs, self.runs), self.errors, self.curves, self.failed)

    def trained_at(self, run: RunConfig) -> pd.DataFrame:
        """Return the runs of a configuration that trained, or all of them if none did."""
        runs = self.trained.at(run)
        return runs if len(runs) else self.at(run)

    def curve(self, run: RunConfig) -> pd.DataFrame | None:
        """Return the learning curve of the first seed of a configuration, or None without a run."""
        hashes = list(self.seeds(run).values())
        return self.curves[hashes[0]] if hashes else None

    def validation(self, run: RunConfig) -> float:
        """Return the lowest validation error of a configuration, in squared grey levels.

        It is the mean over seeds, and infinity without a run.
        """
        minima = [self.curves[name]["validation_mse"].min() for name in self.seeds(run).values()]
        return float(np.mean(minima)) if minima else float("inf")

    @staticmethod
    def starts(run: RunConfig) -> dict[str, RunConfig]:
        """Return a run for each pair of initial λ, by name; one run for a stacked network.

        >>> list(RunSet.starts(PRINTED)), list(RunSet.starts(replace(PRINTED, model="gru")))
        (['earlier code', 'successor', 'earlier script', 'random search'], ['default'])
        """
        if run.model not in UNFOLDED:
            return {"default": run}
        return {name: initialised(run, pair) for name, pair in STARTS.items()}

    def tested_starts(self, run: RunConfig) -> list[RunConfig]:
        """Return the runs of :meth:`starts` that have run."""
        return [config for config in self.starts(run).values() if self.seeds(config)]

    def best_start(self, run: RunConfig) -> RunConfig:
        """Return this run with the initial λ1, λ2 of lowest validation error.

        The choice is among the pairs of :data:`unfolded.runs.grid.STARTS` with runs; it uses no
        test data. λ2 = 0 remains zero. The run is unchanged if the network has no λ or no pair
        has run.
        """
        return min(self.tested_starts(run), key=self.validation, default=run)

    def source(self, runs: Iterable[RunConfig]) -> Source:
        """Return the source of the runs of these configurations."""
        return of(*(self.at(run) for run in runs))

    def difference(self, run: RunConfig, reference: RunConfig) -> Difference | None:
        """Return the lead of a configuration over another one, or None if one has not run.

        Seeds and test sequences are paired.
        """
        pairs = self.pairs(run, reference)
        if not pairs:
            return None
        sides = zip(*pairs, strict=True)
        return paired_difference(
            *(np.stack([self.errors[name] for name in side]) for side in sides)
        )

    def pairs(self, run: RunConfig, reference: RunConfig) -> list[tuple[str, str]]:
        """Return the hashes of the tested runs of two configurations, for each common seed."""
        hashes, reference_hashes = self.seeds(run), self.seeds(reference)
        pairs = [
            (hashes[seed], reference_hashes[seed]) for seed in hashes if seed in reference_hashes
        ]
        return [pair for pair in pairs if all(name in self.errors for name in pair)]

    def seeds(self, run: RunConfig) -> dict[int, str]:
        """Return the seeds of a configuration's runs, in order, with the hashes of the runs."""
        return self._seeds.get(_without_seed(run.as_dict()), {})

    @functools.cached_property
    def _seeds(self) -> dict[tuple, dict[int, str]]:
        names, seeds = self.runs["config_hash"].to_list(), self.runs["seed"].to_list()
        return {
            config: {seeds[place]: names[place] for place in places}
            for config, places in self._places.items()
        }


def split(table: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the runs of data/results/runs.csv with a result, and those that diverged."""
    done = table["status"] == "done"
    return table[done], table[~done]


def _rows_by_config(runs: pd.DataFrame) -> dict[tuple, list[int]]:
    """Return configuration without its seed -> the rows of its runs, in the order of the seeds."""
    names = [column.name for column in fields(RunConfig)]
    configs = list(enumerate(runs[names].to_dict("records")))
    rows: dict[tuple, list[int]] = {}
    for row_number, config in sorted(configs, key=lambda item: item[1]["seed"]):
        rows.setdefault(_without_seed(config), []).append(row_number)
    return rows


def _without_seed(config: Mapping[str, object]) -> tuple:
    return tuple(value for name, value in sorted(config.items()) if name != "seed")


def compare_with_all(
    run_set: RunSet, number: int, base: RunConfig = PRINTED, model: str = "reweighted-rnn"
) -> pd.DataFrame:
    """Return the lead of a network over each other one in every cell of a table, one row per pair.

    ``base`` has the fixed settings. Columns: value (the varied value), other,
    mean, low, high, seeds, sequences, p, verdict; the verdict is "not run" without a common seed.
    """
    name, values = VARIED[number]
    rows, used = [], []
    for value in values:
        runs = {run.model: replace(run, **{name: value}) for run in row(base)}
        used += runs.values()
        for competitor in (network for network in runs if network != model):
            gap = run_set.difference(runs[model], runs[competitor])
            result = gap._asdict() | {"verdict": gap.verdict} if gap else {"verdict": NOT_RUN}
            rows.append({"value": value, "other": competitor, **result})
    table = pd.DataFrame(rows, columns=["value", "other", *Difference._fields, "verdict"])
    return mark(table, run_set.source(used))


def epochs_to(curves: pd.DataFrame, level: float, name: str = "validation_mse") -> float:
    """Return the first epoch at which the error is at or below a level, or infinity.

    >>> epochs_to(pd.DataFrame({"validation_mse": [3.0, 2.0, 1.0]}), 2.0)
    2.0
    """
    below = np.flatnonzero(curves[name].to_numpy() <= level)
    return float(below[0] + 1) if len(below) else float("inf")


def leads(
    run_set: RunSet, runs: Iterable[RunConfig], model: str = "reweighted-rnn"
) -> pd.DataFrame:
    """Return the lead of a network over each other one of these runs, one row per existing pair.

    Columns: other, mean, low, high, seeds, sequences, p, verdict.
    """
    by_model, rows = {run.model: run for run in runs}, []
    for competitor in (network for network in by_model if network != model):
        gap = run_set.difference(by_model[model], by_model[competitor])
        if gap is not None:
            rows.append({"other": competitor, **gap._asdict(), "verdict": gap.verdict})
    table = pd.DataFrame(rows, columns=["other", *Difference._fields, "verdict"])
    return mark(table, run_set.source(by_model.values()))


def answers(
    run_set: RunSet, runs: Mapping[str, Iterable[RunConfig]], metric: str = "psnr_authors"
) -> pd.DataFrame:
    """Return a metric for each answer of `named_grids.ablations` and network, as text.

    One row per answer, one column per network: mean over the seeds that trained and half the 95 %
    interval, with "(1 of 3 seeds)" if others diverged or did not train and a note if none trained;
    else "not run" or "diverged".
    """
    table = {
        name: {run.model: _answer(run_set, run, metric) for run in group}
        for name, group in runs.items()
    }
    return mark(pd.DataFrame(table).T, run_set.source(itertools.chain(*runs.values())))


def _answer(run_set: RunSet, run: RunConfig, metric: str) -> str:
    runs = run_set.trained_at(run)
    if runs.empty:
        return run_set.no_result(run)
    text = mean_text(runs[metric], run_set.excluded(run))
    return text + f" ({UNTRAINED})" * bool(did_not_train(runs).all())


def mean_text(values: pd.Series, excluded: int = 0) -> str:
    """Return the mean of values over seeds ± half its 95 % interval, as text.

    ``excluded``: the number of further seeds, which have no value.

    >>> mean_text(pd.Series([20.0]), excluded=2), mean_text(pd.Series([20.0, 20.1, 20.2]))
    ('20.00 (1 of 3 seeds)', '20.10 ± 0.25')
    """
    low, high = interval(values)
    text = f"{values.mean():.2f}" + (f" ± {(high - low) / 2:.2f}" if len(values) > 1 else "")
    return text + (f" ({part_of(len(values), excluded)} seeds)" if excluded else "")
