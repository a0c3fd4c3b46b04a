"""The grids of the paper's tables and of the ablations."""

import dataclasses
import shlex

import pytest

from companion import results
from unfolded import networks
from unfolded.__main__ import main
from unfolded.choices import COMPARED, MODELS
from unfolded.errors import ConfigError
from unfolded.networks import build
from unfolded.runs import grid, named_grids, parameter_count
from unfolded.runs.config import RunConfig

SMOKE = RunConfig(profile="smoke")


def test_the_grids_of_tables_vary_the_fields_of_the_paper():
    printed = results.paper_cells()
    for number, (name, values) in grid.VARIED.items():
        cells = printed[printed["table"] == number]
        assert set(cells["varies"]) == {name}
        assert sorted(set(cells["value"])) == list(values)


@pytest.mark.parametrize("number", grid.VARIED)
def test_a_table_contains_each_cell_once(number):
    base = RunConfig(profile="smoke", protocol="normalised", seed=4)
    runs = grid.table(number, base)
    name, values = grid.VARIED[number]
    assert len({run.hash for run in runs}) == len(runs) == len(values) * len(COMPARED)
    assert [getattr(run, name) for run in runs[:: len(COMPARED)]] == list(values)
    assert {(run.protocol, run.seed) for run in runs} == {("normalised", 4)}
    if number != 3:
        assert {run.depth for run in runs if run.model == "lstm"} == {2}
        assert {run.depth for run in runs if run.model != "lstm"} == {3}


def test_a_network_outside_the_comparison_is_in_no_grid_by_default(monkeypatch):
    monkeypatch.setattr(named_grids, "MODELS", (*MODELS, "own-rnn"))
    runs = named_grids.named("tables", RunConfig(profile="paper"))
    assert {run.model for run in runs} == set(COMPARED)
    cells = sum(len(values) for _, values in grid.VARIED.values()) * len(COMPARED)
    # The default row is in all three tables; for the LSTM only in two, at its own depth.
    assert cells - len(runs) == 2 * 8 + 2 - 0


def test_an_unknown_table_or_grid_is_rejected():
    with pytest.raises(ConfigError, match="expected a table from 1, 2, 3; got 4"):
        grid.table(4, RunConfig())
    with pytest.raises(ConfigError, match=r"expected a grid from row, .*; got 'rows'"):
        named_grids.named("rows", SMOKE)


@pytest.mark.parametrize("name", named_grids.GRIDS)
def test_a_grid_contains_each_run_once_and_preserves_other_fields(name):
    runs = named_grids.named(name, RunConfig(profile="smoke", seed=4, source="mnist"))
    assert len({run.hash for run in runs}) == len(runs)
    assert {(run.source, run.profile) for run in runs} == {("mnist", "smoke")}
    assert {run.seed for run in runs} == {4}


def test_every_ablation_contains_the_default_row_of_its_models():
    default = set(grid.row(SMOKE))
    for question, answers in named_grids.ablations(SMOKE).items():
        runs = [set(runs) for runs in answers.values()]
        assert any(answer <= default for answer in runs), question
        assert len({frozenset(answer) for answer in runs}) == len(runs), question


@pytest.mark.parametrize("model", networks.names())
@pytest.mark.parametrize("hidden", [128, 160])
def test_matched_networks_have_the_parameters_of_reweighted_rnn(model, hidden):
    run = RunConfig(model=model, profile="smoke", hidden=hidden)
    ours = dataclasses.replace(run, model="reweighted-rnn", depth=None)

    def count(config):
        return sum(p.numel() for p in build(**config.network()).parameters())

    match = parameter_count.matched(run)
    assert dataclasses.replace(match, hidden=hidden) == run
    step = count(dataclasses.replace(match, hidden=match.hidden + 1)) - count(match)
    # SpectralRNN adds two reflectors with every fourth unit.
    assert abs(count(match) - count(ours)) <= (4 if model == "spectralrnn" else 1) * step


@pytest.mark.parametrize("name", ["row", "ablations", "table-2"])
def test_the_options_of_a_run_give_that_run(name, capsys, monkeypatch):
    runs = []
    monkeypatch.setattr("unfolded.training.run", lambda config, **_: runs.append(config) or 1 / 0)
    base = RunConfig(profile="smoke", source="mnist", protocol="normalised")
    for run in named_grids.named(name, base):
        with pytest.raises(ZeroDivisionError):
            main(["train", *run.arguments()])
        assert runs.pop() == run


@pytest.mark.parametrize("source", ["digits", "mnist", "moving-mnist"])
def test_each_line_of_a_listed_grid_is_a_valid_command(source, capsys):
    words = ["--profile", "smoke", "--source", source]
    assert main(["grid", "--grid", "row", "--models", "gru", *words]) == 0
    run = RunConfig(model="gru", profile="smoke", source=source)
    assert capsys.readouterr().out == f"{run.hash} {shlex.join(run.arguments())}\n"


def test_ablations_include_memory_schedule_and_a_control_of_equal_size():
    questions = named_grids.ablations(SMOKE)
    assert {run.memory for run in questions["memory"]["off"]} == {"off"}
    assert {run.schedule for run in questions["learning-rate schedule"]["pytorch"]} == {"pytorch"}
    (control,) = questions["what is reweighted"]["neither, equal size"]
    assert control == parameter_count.matched(dataclasses.replace(SMOKE, model="l1-l1-rnn"))


def test_ablations_of_the_successor_paper_change_only_the_unfolded_networks():
    names = "ablations", "ablations-successor"
    usual, reported = (named_grids.named(name, SMOKE) for name in names)
    pairs = {(run.lambda1, run.lambda2) for run in reported if run.model in grid.UNFOLDED}
    assert pairs == {grid.SUCCESSOR, (grid.SUCCESSOR[0], 0.0)}
    stacked = {run for run in usual if run.model not in grid.UNFOLDED}
    assert {run for run in reported if run.model not in grid.UNFOLDED} == stacked


@pytest.mark.parametrize(
    ("model", "options"),
    [("l1-l1-rnn", {"norm_penalty": 1.0}), ("reweighted-rnn", {"reweighting": "Z"})],
)
def test_options_of_some_networks_are_accepted_for_these(model, options):
    base = RunConfig(model=model, profile="smoke", **options)
    for name in ("row", "table-1", "tables", "smoke"):
        runs = named_grids.named(name, base, [model])
        assert runs and {run.model for run in runs} == {model}
