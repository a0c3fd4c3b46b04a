"""Labels on pages: one name for each network, no names of variables, minus signs."""

import contextlib

import pandas as pd
import pytest

from companion import labels
from companion.plots import line_plots, tables
from companion.speed import targets
from companion.sphinx import outputs
from companion.widgets import base_widget
from unfolded import choices, networks
from unfolded.errors import ConfigError
from unfolded.runs.config import RunConfig
from unfolded.runs.parameter_count import parameters


@pytest.mark.parametrize("name", networks.names())
def test_every_network_is_registered_in_all_places(name):
    is_registered = {
        "MODELS in lib/unfolded/choices.py": name in choices.MODELS,
        "lib/unfolded/runs/parameter_count.py": _has_parameter_count(name),
        "NETWORKS in companion/labels.py": name in labels.NETWORKS,
        "STYLES in companion/plots/line_plots.py": name in line_plots.STYLES,
    }
    if name in choices.COMPARED:
        is_registered["TARGETS in companion/speed/targets.py"] = name in targets.TARGETS
        script = (base_widget.FOLDER / "common.js").read_text(encoding="utf-8")
        is_registered["NETWORKS in companion/widgets/js/common.js"] = f'"{name}"' in script
    missing = [place for place, is_there in is_registered.items() if not is_there]
    assert not missing, f"add {name} to {labels.listing(missing)}"


def _has_parameter_count(name):
    with contextlib.suppress(KeyError, ConfigError):
        return parameters(RunConfig(model=name, profile="smoke")) > 0
    return False


def test_a_table_has_readable_headers_and_minus_signs():
    table = pd.DataFrame({"model": ["l1-l1-rnn", "gru"], "psnr_authors": [-1.5, 2e-6]})
    shown = tables.style_table(table, digits=".3g").to_html()
    for text in ("network", "PSNR, authors (dB)", "ℓ1-ℓ1-RNN", "GRU", "−1.5", "2e-06"):
        assert text in shown
    assert "psnr_" not in shown and "model" not in shown


def test_rows_of_a_transposed_table_have_readable_names():
    table = pd.DataFrame({"GRU": [1.0]}, index=["test_mse"])
    shown = tables.style_table(table, index=True).to_html()
    assert "test MSE (grey levels²)" in shown


def test_numbers_and_other_names_remain_unchanged():
    table = pd.DataFrame({1: ["mean frame"], "verdict": ["agrees"], "count": [3]}, index=[7])
    same = labels.readable(table)
    pd.testing.assert_frame_equal(same, table)
    assert same is not table


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("-3.22 dB [-4.0, -2.5]", "−3.22 dB [−4.0, −2.5]"),
        ("(-0.5) to 1e-05, l2-1, 3-4", "(−0.5) to 1e-05, l2-1, 3-4"),
        ("srnn, l1-l1-RNN and SISTA-RNN", "sRNN, ℓ1-ℓ1-RNN and SISTA-RNN"),
        ("pre-gru, lstms", "pre-gru, lstms"),
        ("15% or 15 %", "15\N{NO-BREAK SPACE}% or 15\N{NO-BREAK SPACE}%"),
        ("`--seed -1` $-1$ [gru](gru-1.html)", "`--seed -1` $-1$ [GRU](gru-1.html)"),
    ],
)
def test_typesetting_of_generated_text_is_idempotent(text, shown):
    assert labels.typeset(text) == shown == labels.typeset(shown)


def test_the_book_typesets_computed_sentences():
    output = {"data": {"text/markdown": ["gru: ", "-1.0 dB"], "text/plain": "x -1"}}
    cell = {"outputs": [output, {"output_type": "stream", "text": "gru -1"}]}
    outputs.typeset(cell)
    assert output["data"] == {"text/markdown": "GRU: −1.0 dB", "text/plain": "x -1"}
    assert cell["outputs"][1]["text"] == "gru -1"


def test_a_figure_names_networks_and_has_whole_ticks():
    fig = line_plots.curves({"gru": [1.0, 2.0, 3.0]}, x=range(3), xlabel="layer", ylabel="y")
    fig.canvas.draw()
    (ax,) = fig.axes
    assert all(float(tick).is_integer() for tick in ax.get_xticks())
    assert ax.lines[0].get_label() == "GRU"
