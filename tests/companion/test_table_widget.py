"""The explorer of the tables shows exactly the values of the records and of the paper."""

import functools
import json
import math
from dataclasses import replace

import pytest
from synthetic_runs import SUCCESSOR_PAIR, mean_frame, record
from test_widgets import classic, in_chromium, in_node

from companion import results
from companion.claims.decision import committed_runs
from companion.reproduction import paper_tables
from companion.run_set import RunSet
from companion.widgets.table_widget import CellsExplorer, recorded
from unfolded.errors import ConfigError
from unfolded.runs.grid import VARIED

SCRIPT = classic("cells.js")
FACTS = {"device": "cpu", "processor": "X", "commit": "0123456789ab"}


@functools.cache
def example_runs():
    """Two seeds of one cell, another initial λ, a network that did not train, a run at h = 256,
    a small run, and two runs with something else changed.
    """
    rows = [record(33.0, **SUCCESSOR_PAIR), record(34.0, seed=1, **SUCCESSOR_PAIR)]
    rows += [record(33.3151, validation=50.0), record(20.0, model="gru", cs_rate=0.1)]
    rows += [record(mean_frame(), model="fastrnn"), record(25.0, model="gru", hidden=256)]
    rows += [record(25.0, profile="short", protocol="normalised")]
    rows += [record(99.0, lambda2=0.5), record(98.0, model="gru", reduction="bilinear")]
    facts = FACTS | {"epochs": 200, "seconds": 9.5}
    evidence = RunSet.of(rows)
    return replace(evidence, runs=evidence.runs.assign(**facts))


@functools.cache
def cells():
    return recorded(example_runs())


def explorer(**state):
    return CellsExplorer(data=cells(), **state)


def test_every_cell_of_the_paper_is_present_and_missing_values_are_marked_lost():
    printed = results.paper_cells()
    tables = cells()["printed"]
    for cell in printed.itertuples():
        place = VARIED[cell.table][1].index(cell.value)
        ours = tables[cell.table][cell.model.lower()][place]
        assert ours == cell.psnr_db or (ours is None and math.isnan(cell.psnr_db))
    count = sum(len(line) for table in tables.values() for line in table.values())
    assert count == len(printed)


def test_a_cell_contains_the_unrounded_values_of_the_tables():
    sets = cells()["sets"]
    keys = ["paper/authors/mnist/paper", "paper/authors/mnist/256", "short/normalised/mnist/128"]
    assert [entry["key"] for entry in sets] == keys
    ours = sets[0]["cells"][1]["reweighted-rnn"]
    expected = paper_tables.compare_with_paper(example_runs())
    expected = expected.query("table == 1 and value == 0.2 and model == 'reweighted-RNN'")
    for row in expected.itertuples():
        cell = ours[1][row.start]
        for name in ("ours", "low", "high"):
            assert cell[name] == getattr(row, name) or math.isnan(getattr(row, name))
        assert cell["verdict"] == row.verdict and len(cell["records"]) == row.runs
        assert cell["lambda"] == [row.lambda1, row.lambda2]
    assert ours[1][paper_tables.BEST]["ours"] == 33.3151
    assert ours[0] is None, "no run, no number"


def test_only_the_width_of_the_paper_has_verdicts():
    _, wide_set, small_set = cells()["sets"]
    assert not wide_set["full"] and not small_set["full"]
    assert wide_set["cells"][1]["gru"][1][""] | {"records": []} == {
        "ours": 25.0, "low": None, "high": None, "seeds": 1, "untrained": 0, "diverged": 0,
        "lambda": None, "verdict": None, "records": [],
    }  # fmt: skip
    assert small_set["cells"][2]["reweighted-rnn"][0][paper_tables.BEST]["verdict"] is None


def test_a_network_that_did_not_train_has_no_value():
    cell = cells()["sets"][0]["cells"][1]["fastrnn"][1][""]
    assert (cell["ours"], cell["verdict"], cell["untrained"]) == (None, "did not train", 1)
    assert len(cell["records"]) == 1


def test_every_table_has_both_baselines():
    for entry in cells()["sets"]:
        for number, (_, values) in VARIED.items():
            levels = paper_tables.baselines(number)
            assert set(entry["levels"][number]) == {"PCA", paper_tables.MEAN}
            for name, line in entry["levels"][number].items():
                assert line == list(levels.loc[levels["level"] == name, "psnr"])
                assert len(line) == len(values)


def test_the_record_of_a_point_is_the_record_of_its_run():
    anchors = cells()["sets"][0]["cells"][1]["gru"][0][""]["records"]
    row = example_runs().runs.query("model == 'gru' and cs_rate == 0.1").iloc[0]
    assert anchors == [f"built-{row['config_hash']}"]
    assert cells()["records"][anchors[0]] == {
        "hash": row["config_hash"], "seed": 0, "epochs": 200, "seconds": 10,
        "hardware": "CPU X", "commit": "0123456789ab",
    }  # fmt: skip


def test_committed_runs_link_to_the_page_of_records():
    data = recorded(committed_runs())
    known = {f"run-{name}" for name in results.load_table()["config_hash"]}
    assert set(data["records"]) <= known
    assert data["source"]["anchor"] in known | {"committed-runs"}
    assert json.dumps(data, allow_nan=False)


def test_the_picture_draws_the_chosen_table():
    fig, alt = explorer(table=3).picture()
    assert alt.startswith("Table 3: PSNR against layers d") and "1 of 54 cells" in alt
    panel = next(ax for ax in fig.axes if ax.get_title(loc="left") == "reweighted-RNN")
    lines = [list(map(float, line.get_ydata())) for line in panel.get_lines()]
    assert sorted((line[2] for line in lines[3:]), reverse=True) == [33.5, 33.3151]


def test_an_explorer_without_a_run_is_rejected():
    with pytest.raises(ConfigError, match="at least one finished run; got none"):
        recorded(replace(example_runs(), runs=example_runs().runs.iloc[:0]))


def test_the_element_has_a_source():
    page = explorer().element()
    text = page.split("&quot;")[3]
    assert text.startswith("tables.csv, linear_levels.csv · 7 runs made with this book")


# In the script --------------------------------------------------------------------------------


def test_the_text_names_both_values_and_missing_ones():
    value = {"ours": 30.2, "low": None, "high": None, "verdict": "lower", "seeds": 1,
           "untrained": 0, "diverged": 0, "lambda": None}  # fmt: skip
    about = {"name": "GRU", "label": "width h", "value": "256", "number": 2, "printed": 31.46}
    about |= {"full": True}
    several = value | {"low": 29.0, "high": 31.4, "verdict": None, "seeds": 3, "untrained": 1}
    still = value | {"ours": None, "verdict": "did not train", "untrained": 1}
    lost_seeds = value | {"ours": None, "verdict": "diverged", "diverged": 2, "seeds": 0}
    starts = {"λ of the successor paper": value | {"lambda": [0.003, 0.02]},
              "best λ": value | {"ours": 33.3151, "verdict": "higher"}}  # fmt: skip
    lost = about | {"printed": None}
    data = [about | {"cell": {"": value}}, about | {"cell": None}, lost | {"cell": {"": several}},
            about | {"cell": {"": several}, "full": False}, about | {"cell": {"": still}},
            about | {"cell": starts}, about | {"cell": {"": lost_seeds}},
            about | {"cell": {"": value | {"diverged": 2}}, "full": False}]  # fmt: skip
    head, paper = "GRU, width h 256 (Table 2): ", "the paper 31.46 dB; "
    assert in_node("data.map(describe)", data, SCRIPT) == [
        f"{head}{paper}ours 30.20 dB (1 seed), ▼ lower (−1.26 dB).",
        f"{head}{paper}not run with these settings.",
        f"{head}the paper's value is lost in the source; ours 30.20 dB (3 seeds, 95 % interval "
        "29.00 to 31.40, 1 seed did not train).",
        f"{head}ours 30.20 dB (3 seeds, 95 % interval 29.00 to 31.40, 1 seed did not train).",
        f"{head}{paper}ours did not train: it is within 0.05 dB of the mean frame.",
        f"{head}{paper}λ of the successor paper 30.20 dB (1 seed, initial λ 0.003 and 0.02), "
        "▼ lower (−1.26 dB); best λ 33.32 dB (1 seed), ▲ higher (+1.86 dB).",
        f"{head}{paper}ours diverged.",
        f"{head}ours 30.20 dB (1 seed, 2 seeds diverged).",
    ]


def test_a_point_is_at_our_best_value_or_at_the_mean_frame_or_at_the_papers():
    single, pair = (
        {"": {"ours": 30.0}},
        {"λ of the successor paper": {"ours": 28.0}, "best": {"ours": 29.0}},
    )
    still = {"": {"ours": None, "untrained": 1}}
    diverged = {"": {"ours": None, "untrained": 0, "diverged": 1}}
    data = [[single, 31.0, 16.0], [pair, 31.0, 16.0], [still, 31.0, 16.0], [None, 31.0, 16.0],
            [None, None, 16.0], [diverged, 31.0, 16.0]]  # fmt: skip
    result = in_node("data.map((arguments_) => place(...arguments_))", data, SCRIPT)
    assert result == [30.0, 29.0, 16.0, 31.0, None, 31.0]


@pytest.mark.browser
def test_the_chart_shows_both_values_the_baselines_and_untrained_networks(tmp_path):
    body = """[...document.getElementsByTagName("cells-explorer")].map((explorer) => {
      const count = (selector) => explorer.querySelectorAll(selector).length;
      const text = (part) => explorer.querySelector(`[data-part="${part}"]`).textContent;
      return { counts: data.map(count), words: text("words"), count: text("count"),
        bad: /NaN|undefined/.test(explorer.innerHTML) };
    })"""
    counted = ["circle.ue-dot", ".ue-dot.ce-reported", ".ce-untrained", ".ce-printed", ".ce-hit",
               "[data-level]", "[data-part=alternative] tr"]  # fmt: skip
    options = {"shown": ",".join(cells()["names"]), "table": 1, "at": 1}
    markup = "".join(explorer(runs=e["key"], **options).element() for e in cells()["sets"])
    first, second, third = in_chromium(body, counted, tmp_path, markup, SCRIPT)
    assert not any(entry["bad"] for entry in (first, second, third))
    assert first["counts"] == [3, 1, 1, 45, 45, 2, 1 + 12 + 2]
    assert second["counts"][:5] == [1, 0, 0, 0, 1] and third["counts"][:4] == [1, 0, 0, 0]
    assert "best λ 33.32 dB (1 seed, initial λ 1 and 0.01)" in first["words"]
    assert first["count"].startswith("Of 45 cells of Table 1, 3 were run")
    assert second["count"].endswith(
        "The paper's values are of another scale, so they are not shown."
    )


SEE = """
  const [explorer] = document.getElementsByTagName("cells-explorer");
  const all = (selector) => [...explorer.querySelectorAll(selector)];
  const part = (name) => explorer.querySelector(`[data-part="${name}"]`);
  const see = () => ({
    words: part("words").textContent, dots: all("circle.ue-dot").length,
    printed: all(".ce-printed").length, points: all(".ce-hit").length,
    links: [...part("records").querySelectorAll("a")].map((a) => a.getAttribute("href")),
    reached: all('.ce-hit[tabindex="0"]').length, count: part("count").textContent,
  });
"""


@pytest.mark.browser
def test_points_are_accessible_by_keyboard_and_name_their_runs(tmp_path):
    body = f"""(() => {{ {SEE}
      const steps = {{ start: see() }};
      const press = (key) => {{
        const event = new KeyboardEvent("keydown", {{ key, bubbles: true }});
        document.activeElement.dispatchEvent(event);
        return document.activeElement.getAttribute("aria-label");
      }};
      explorer.querySelector('.ce-hit[tabindex="0"]').focus();
      steps.keys = data.map(press);
      steps.moved = see();
      return steps;
    }})()"""
    keys = ["ArrowRight", "End", "ArrowLeft", "Home", "ArrowDown", "ArrowUp", "ArrowUp"]
    shown = "reweighted-rnn,gru,lstm"
    seen = in_chromium(body, keys, tmp_path, explorer(at=0, shown=shown).element(), SCRIPT)
    assert seen["start"]["words"].startswith(
        "reweighted-RNN, CS rate 0.1 (Table 1): the paper 26.25"
    )
    assert (seen["start"]["printed"], seen["start"]["points"]) == (15, 15)
    assert seen["start"]["dots"] == 3 and seen["start"]["links"] == []
    ends = [label.split(" (")[0] for label in seen["keys"]]
    rates = ["0.2", "0.5", "0.4", "0.1"]
    assert ends[:4] == [f"reweighted-RNN, CS rate {rate}" for rate in rates]
    assert ends[4:] == [f"{name}, CS rate 0.1" for name in ("LSTM", "reweighted-RNN")] * 1 + [
        "reweighted-RNN, CS rate 0.1"
    ]
    assert seen["keys"][0].startswith("reweighted-RNN, CS rate 0.2 (Table 1): the paper 34.19 dB; ")
    assert seen["moved"]["reached"] == 1
    assert seen["start"]["count"].startswith("Of 45 cells of Table 1, 3 were run with these")


@pytest.mark.browser
def test_choices_change_the_picture_and_links_go_to_records(tmp_path):
    body = f"""(() => {{ {SEE}
      const pick = (name, value) => (pull(`select[name=${{name}}]`, value), see());
      const steps = {{ start: see() }};
      steps.small = pick("runs", "short/normalised/mnist/128");
      pick("runs", "paper/authors/mnist/paper");
      steps.widths = pick("table", "2");
      explorer.querySelector('[data-group="all nine"]').click();
      steps.nine = see();
      explorer.querySelector('[data-toggle="gru"]').click();
      steps.eight = see();
      steps.table = part("alternative").querySelectorAll("td").length;
      steps.lost = (pick("table", "3"), part("alternative").textContent.match(/lost/g).length);
      return steps;
    }})()"""
    seen = in_chromium(body, None, tmp_path, explorer(at=1).element(), SCRIPT)
    hashes = list(example_runs().runs["config_hash"])
    page = "../book/records.html#built-"
    assert seen["start"]["links"] == [page + name for name in hashes[:3]]
    assert seen["small"]["links"] == [page + hashes[6]]
    assert "the paper" not in seen["small"]["words"] and seen["small"]["printed"] == 0
    assert seen["widths"]["printed"] == 18 and seen["widths"]["words"].endswith("settings.")
    assert (seen["nine"]["printed"], seen["eight"]["printed"], seen["table"]) == (54, 48, 84)
    cells = paper_tables.compare_with_paper(example_runs()).query("table == 3")
    assert seen["lost"] == cells["psnr_db"].isna().sum() > 0, "one a row of an unfolded network"
