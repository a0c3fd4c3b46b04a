"""The explorer of the tables tells what the records and the printed tables say, and no more."""

import json
import math

import pandas as pd
import pytest
from test_explorers import EXPORT, in_chromium, in_node
from test_tables import run

from unfolded import results, tables
from unfolded.errors import ConfigError
from unfolded.explorers import element
from unfolded.explorers.cells import CellsExplorer, recorded
from unfolded.grid import VARIED

MODULE = element.script("cells.js")
SCRIPT = MODULE.replace(EXPORT, "")
FACTS = {"epochs": 200, "seconds": 9.5, "device": "cpu", "processor": "X", "commit": "0123456789ab"}


def some():
    """Two seeds of one cell, one run of another, a small run, and one with something changed."""
    rows = [run(33.0), run(34.0, seed=1), run(20.0, model="gru", cs_rate=0.1)]
    rows += [run(25.0, profile="short", protocol="normalised"), run(99.0, lambda2=0.5)]
    return pd.DataFrame([row | FACTS for row in rows])


def explorer(**state):
    return CellsExplorer(data=recorded(some()), **state)


def test_every_printed_cell_is_there_and_what_was_lost_is_lost():
    printed = results.printed()
    held = recorded(some())["printed"]
    for cell in printed.itertuples():
        place = VARIED[cell.table][1].index(cell.value)
        ours = held[cell.table][cell.model.lower()][place]
        assert ours == cell.psnr_db or (ours is None and math.isnan(cell.psnr_db))
    count = sum(len(line) for table in held.values() for line in table.values())
    assert count == len(printed)


def test_a_cell_holds_what_the_tables_say_of_it():
    sets = recorded(some())["sets"]
    assert [each["key"] for each in sets] == ["paper/authors/mnist", "short/normalised/mnist"]
    ours = sets[0]["cells"][1]["reweighted-rnn"]
    expected = tables.beside_print(tables.full_scale(some()))
    expected = expected.query("table == 1 and value == 0.2 and model == 'reweighted-RNN'").iloc[0]
    for name in ("ours", "low", "high"):
        assert ours[1][name] == pytest.approx(expected[name], abs=1e-3)
    assert ours[1]["verdict"] == expected["verdict"] and len(ours[1]["records"]) == 2
    assert ours[0] is None, "no run, no number"
    small = sets[1]["cells"]
    assert small[1]["reweighted-rnn"][1]["verdict"] is None, "another scale gets no verdict"
    assert small[2]["reweighted-rnn"][0]["ours"] == 25.0


def test_the_record_of_a_point_is_the_record_of_its_run():
    data = recorded(some())
    anchors = data["sets"][0]["cells"][1]["gru"][0]["records"]
    row = some()[2:3].iloc[0]
    assert anchors == [f"built-{row['config_hash']}"]
    assert data["records"][anchors[0]] == {
        "hash": row["config_hash"], "seed": 0, "epochs": 200, "seconds": 10,
        "hardware": "CPU X", "commit": "0123456789ab",
    }  # fmt: skip


def test_committed_runs_lead_to_the_page_of_records():
    data = recorded(results.committed())
    known = {f"run-{name}" for name in results.committed()["config_hash"]}
    assert set(data["records"]) <= known
    assert data["source"]["anchor"] in known
    assert json.dumps(data, allow_nan=False)


def test_the_picture_draws_the_chosen_table():
    fig, alt = explorer(table=3).picture()
    assert alt.startswith("Table 3: PSNR against layers d") and "1 of 54 cells" in alt
    panel = next(ax for ax in fig.axes if ax.get_title(loc="left") == "reweighted-RNN")
    ours = panel.get_lines()[1].get_ydata()
    assert ours[2] == 33.5 and math.isnan(ours[0])


@pytest.mark.parametrize(
    "bad",
    [dict(table=4), dict(at=6), dict(at=-1), dict(model="x"), dict(shown="gru,x"), dict(tables=1)],
    ids=str,
)
def test_what_no_table_has_is_refused(bad):
    with pytest.raises(ConfigError, match=r"expected .*; got .*; "):
        explorer(**bad)


def test_without_a_run_there_is_nothing_to_explore():
    with pytest.raises(ConfigError, match="at least one finished run; got none"):
        recorded(some().iloc[:0])


def test_the_element_carries_its_source():
    page = explorer().element()
    assert page.startswith('<cells-explorer data-source="{&quot;text&quot;: &quot;tables.csv · 4 ')


# In the script --------------------------------------------------------------------------------


def test_words_name_gaps_as_what_they_are():
    cell = {"ours": 30.2, "low": None, "high": None, "verdict": "lower", "records": ["a"]}
    about = {"name": "GRU", "label": "width h", "value": "256", "number": 2, "printed": 31.46}
    body = "data.map(describe)"
    several = cell | {"low": 29.0, "high": 31.4, "verdict": None, "records": ["a", "b"]}
    lost = about | {"printed": None}
    data = [about | {"cell": cell}, about | {"cell": None}, lost | {"cell": several},
            about | {"cell": several}]  # fmt: skip
    head = "GRU, width h 256 (Table 2): "
    assert in_node(body, data, SCRIPT) == [
        f"{head}printed 31.46 dB; ours 30.20 dB from 1 run, no interval from one seed; "
        "▼ lower (−1.26 dB).",
        f"{head}printed 31.46 dB; not run with these settings.",
        f"{head}the printed value is lost in the source; ours 30.20 dB from 2 runs, "
        "95 % interval 29.00 to 31.40.",
        f"{head}printed 31.46 dB; ours 30.20 dB from 2 runs, 95 % interval 29.00 to 31.40; "
        "runs of another scale, so no verdict.",
    ]


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
def test_points_are_reached_by_keyboard_and_tell_their_runs(tmp_path):
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
    assert seen["start"]["words"].startswith("reweighted-RNN, CS rate 0.1 (Table 1): printed 26.25")
    assert (seen["start"]["printed"], seen["start"]["points"]) == (15, 15)
    assert seen["start"]["dots"] == 2 and seen["start"]["links"] == []
    ends = [label.split(" (")[0] for label in seen["keys"]]
    rates = ["0.2", "0.5", "0.4", "0.1"]
    assert ends[:4] == [f"reweighted-RNN, CS rate {rate}" for rate in rates]
    assert ends[4:] == [f"{name}, CS rate 0.1" for name in ("LSTM", "reweighted-RNN")] * 1 + [
        "reweighted-RNN, CS rate 0.1"
    ]
    assert seen["keys"][0].startswith("reweighted-RNN, CS rate 0.2 (Table 1): printed 34.19 dB; ")
    assert seen["moved"]["reached"] == 1
    assert seen["start"]["count"].startswith("Of 45 cells of Table 1, 2 were run with these")


@pytest.mark.browser
def test_choices_change_the_picture_and_links_lead_to_records(tmp_path):
    body = f"""(() => {{ {SEE}
      const pick = (name, value) => {{
        const control = explorer.querySelector(`select[name=${{name}}]`);
        control.value = value;
        control.dispatchEvent(new Event("input", {{ bubbles: true }}));
        return see();
      }};
      const steps = {{ start: see() }};
      steps.small = pick("runs", "short/normalised/mnist");
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
    hashes = list(some()["config_hash"])
    page = "../book/records.html#built-"
    assert seen["start"]["links"] == [page + name for name in hashes[:2]]
    assert seen["small"]["links"] == [page + hashes[3]]
    assert "no verdict" in seen["small"]["words"]
    assert seen["widths"]["printed"] == 18 and seen["widths"]["words"].endswith("settings.")
    assert (seen["nine"]["printed"], seen["eight"]["printed"], seen["table"]) == (54, 48, 54)
    assert seen["lost"] == results.printed().query("table == 3")["psnr_db"].isna().sum() > 0


@pytest.mark.browser
@pytest.mark.parametrize("width", [320, 800])
def test_it_fits_a_phone_and_every_control_has_a_name(width, tmp_path):
    body = f"""(() => {{ {SEE}
      const ids = [...document.querySelectorAll("[id]")].map((node) => node.id);
      return {{
        wide: explorer.parentElement.scrollWidth, repeated: ids.length - new Set(ids).size,
        unnamed: all("select").filter((e) => !e.labels.length).length,
        silent: all(".ce-hit").filter((e) => !e.getAttribute("aria-label")).length,
        live: part("words").getAttribute("aria-live"), image: all("img").length,
      }};
    }})()"""
    markup = f'<div style="width: {width}px">{explorer(table=2).element()}</div>'
    seen = in_chromium(body, None, tmp_path, markup, SCRIPT)
    assert seen.pop("wide") <= width
    assert seen == dict(repeated=0, unnamed=0, silent=0, live="polite", image=0)


def test_the_script_stands_alone():
    assert MODULE.rstrip().endswith("\n" + EXPORT)
    assert MODULE.count("\nexport") == 1
