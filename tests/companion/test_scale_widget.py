"""The explorer of the pixel scale: values and ranks of stored runs, with labelled controls."""

import re
from dataclasses import replace

import pytest
from synthetic_runs import evidence, run
from test_widgets import classic, in_chromium, in_node

from companion.claims.decision import committed_runs
from companion.labels import UNTRAINED
from companion.reproduction.ablation_effects import scale_levels
from companion.widgets.scale_widget import ScaleExplorer, recorded
from unfolded.errors import ConfigError

SCRIPT = classic("scale.js")
SEE = """
  const [explorer] = document.getElementsByTagName("scale-explorer");
  const rows = () => [...explorer.querySelectorAll(".sc-row")]
    .map((row) => [new DOMMatrix(row.style.transform).f,
      ...[...row.querySelectorAll("text")].map((text) => text.textContent)])
    .sort((a, b) => a[0] - b[0]).map(([, ...texts]) => texts);
  const see = () => ({ rows: rows(), scale: explorer.state.scale,
    said: explorer.querySelector("output").value,
    words: explorer.querySelector('[data-part="words"]').textContent });
"""


def few_scales():
    """Return few runs: GRU is ahead with pixels in [0, 1] only, FastRNN trains there only."""
    small = {"hidden": 256, "protocol": "normalised"}
    start = {"lambda1": 1.0, "lambda2": 0.01}
    runs = [
        run("reweighted-rnn", 10.0, hidden=256, **start),
        run("reweighted-rnn", 20.0, **small, **start),
        run("gru", 30.0, hidden=256),
        run("gru", 30.0, hidden=256, seed=1),
        run("gru", 9.0, **small),
        run("fastrnn", 9e3, hidden=256),
        run("fastrnn", 40.0, **small),
        replace(run("indrnn", 40.0, hidden=256), status="diverged"),
    ]
    return recorded(scale_levels(evidence(runs)))


@pytest.fixture(scope="module")
def data():
    return few_scales()


def test_every_value_is_from_stored_runs_and_none_is_interpolated():
    run_set = committed_runs()
    levels = scale_levels(run_set)
    data = recorded(levels)
    peaks = [scale["peak"] for scale in data["scales"]]
    assert peaks == sorted(peaks) and len(peaks) > 1
    assert "runs.csv" in data["source"]["text"]
    for row in levels.itertuples():
        at = [scale["protocol"] for scale in data["scales"]].index(row.protocol)
        cell = data["cells"][row.size][row.model][at]
        assert (cell["seeds"], cell["reason"]) == (row.seeds, row.reason)
        assert cell["psnr"] == (row.psnr if row.seeds else None)
    widths = [len(line) for cells in data["cells"].values() for line in cells.values()]
    assert set(widths) == {len(peaks)}


def test_there_is_no_explorer_without_runs_at_two_scales():
    with pytest.raises(ConfigError, match=r"expected runs .* two pixel scales; got none; run"):
        recorded(scale_levels(evidence([run("reweighted-rnn", 10.0, hidden=256)])))


def test_networks_are_ranked_by_psnr_and_others_have_no_rank(data):
    body = "[0, 1].map((at) => ranking(data.cells['equal width'], at))"
    small, large = in_node(body, data, SCRIPT)
    assert [(cell["rank"], cell["model"]) for cell in small[:4]] == [
        (1, "gru"),
        (2, "reweighted-rnn"),
        (3, "fastrnn"),
        (None, "l1-l1-rnn"),
    ]
    assert [cell["model"] for cell in large if cell["rank"]] == ["reweighted-rnn", "gru"]
    assert [cell["model"] for cell in large if cell["reason"] == UNTRAINED] == ["fastrnn"]
    psnr = [cell["psnr"] for cell in small if cell["rank"]]
    assert psnr == sorted(psnr, reverse=True)


@pytest.mark.browser
def test_the_slider_reorders_the_rows_and_play_returns_to_the_largest_scale(data, tmp_path):
    body = f"""(() => {{ {SEE}
      const steps = [see()];
      pull("input[name=scale]", 0);
      steps.push(see());
      return [steps, explorer.following().scale, explorer.querySelector("tbody").textContent];
    }})()"""
    markup = ScaleExplorer(data=data).element()
    (large, small), following, table = in_chromium(body, None, tmp_path, markup, SCRIPT)
    assert (large["scale"], large["said"]) == (255, "[0, 255]")
    assert (small["scale"], small["said"]) == (1, "[0, 1]")
    assert [row[:2] for row in large["rows"][:2]] == [["1", "reweighted-RNN"], ["2", "GRU"]]
    assert [row[:2] for row in small["rows"][:2]] == [["1", "GRU"], ["2", "reweighted-RNN"]]
    states = {row[1]: row[2] for row in large["rows"]}
    assert states["FastRNN"] == "did not train" and states["LSTM"] == "not run"
    assert states["IndRNN"] == "diverged"
    assert states["GRU"] == f"{data['cells']['equal width']['gru'][1]['psnr']:.2f} dB"
    assert "Did not train: FastRNN." in large["words"] and "LSTM" in small["words"]
    assert following == 255 and "(2 seeds)" in table


def test_the_static_picture_has_every_value(data):
    alt = re.search('alt="([^"]+)"', ScaleExplorer(data=data).element())[1]
    best = data["cells"]["equal width"]["gru"][0]["psnr"]
    assert f"equal width, pixels from 0 to 1: GRU {best:.1f} dB, reweighted-RNN" in alt
