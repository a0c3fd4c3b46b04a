"""The repeated search over the initial λ1, λ2: which draws exist, and how one is selected."""

from dataclasses import asdict, replace

import pandas as pd
import pytest
from matplotlib.figure import Figure

from companion.plots import identification_plots
from companion.reproduction import identification, lambda_search
from companion.reproduction.identification import AT
from companion.run_set import RunSet
from unfolded.runs import grid, named_grids
from unfolded.runs.records import COLUMNS

CONFIGS = named_grids.search(replace(AT, profile="short"))


def run_set(configs, psnr):
    learned = {"status": "done", "learned_lambda1": 2.0, "learned_lambda2": 0.5}
    rows = [
        dict.fromkeys(COLUMNS)
        | asdict(config)
        | learned
        | {"config_hash": config.hash, "psnr_authors": psnr(config), "psnr_frame": psnr(config)}
        for config in configs
    ]
    return RunSet(pd.DataFrame(rows, columns=COLUMNS), {}, {})


def test_validation_selects_the_draw_and_the_test_set_does_not():
    # The test PSNR increases with λ1, the validation PSNR decreases.
    runs = run_set(CONFIGS, lambda config: 30 + config.lambda1)
    errors = {config.hash: [900.0, 100 + config.lambda1] for config in CONFIGS}

    def curves(name):
        return pd.DataFrame({"validation_mse": errors[name]})

    table = lambda_search.draws(runs, curves=curves)
    least = min(config.lambda1 for config in CONFIGS)
    selected = table[table["selected"]]
    assert list(selected["model"]) == list(dict.fromkeys(config.model for config in CONFIGS))
    assert set(selected["lambda1"]) == {least}
    assert table["test"].idxmax() not in selected.index
    assert selected["validation"].iloc[0] == pytest.approx(28.13, abs=0.01)  # MSE 100, peak 255


def test_the_stored_search_is_complete_and_its_figure_shows_every_draw():
    table = lambda_search.draws(identification.stored_runs())
    assert len(table) == len(CONFIGS) and table.groupby("model")["selected"].sum().eq(1).all()
    fig = identification_plots.search(table)
    assert isinstance(fig, Figure)
    assert sum(len(ax.lines) for ax in fig.axes) == len(table)


def test_the_tables_use_the_draw_that_validation_data_select_for_every_network():
    table = lambda_search.draws(identification.stored_runs())
    selected = table[table["selected"]]
    pairs = set(zip(selected["lambda1"], selected["lambda2"], strict=True))
    assert pairs == {grid.STARTS["random search"]}
