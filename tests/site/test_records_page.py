"""Provenance: sources of tables and figures, their stamps, and the page of records."""

import copy
import dataclasses
import json
import re
import zipfile
from html import unescape

import pandas as pd
import pytest
from browser import in_a_browser, open_page, screen
from docutils import nodes
from test_results import record
from test_site import ROOT, SITE, TOC, WHOLE, article

from companion import attribution, results, run_set
from companion.build import freshness
from companion.plots import line_plots, style, table_plots, tables
from companion.reproduction import paper_tables
from companion.run_set import RunSet
from companion.sphinx import run_records, stamps
from unfolded.errors import ConfigError
from unfolded.runs.config import RunConfig

RUNS = results.load_table()


# What travels ---------------------------------------------------------------------------------


def test_a_committed_table_has_its_file_and_runs_as_source():
    source = attribution.of(RUNS)
    assert source.files == ("data/results/runs.csv",)
    assert source.runs() == list(RUNS["config_hash"])
    assert set(zip(*source.rows, strict=True).__next__()) == {"data/results/runs.csv"}


@pytest.mark.parametrize(
    "step",
    [
        lambda runs: runs.query("profile == 'short'"),
        lambda runs: runs[runs["profile"] == "short"].sort_values("model"),
        lambda runs: runs[runs["profile"] == "short"][["model", "config_hash"]].reset_index(),
    ],
)
def test_a_part_of_a_table_has_a_part_of_its_source(step):
    expected = RUNS.loc[RUNS["profile"] == "short", "config_hash"]
    source = attribution.of(step(RUNS))
    assert set(source.runs()) == set(expected) and source.files == ("data/results/runs.csv",)
    assert {row.profile for row in source.rows} == {"short"}


def test_the_source_of_a_cell_is_the_runs_of_its_settings():
    evidence = RunSet.committed()
    cells = paper_tables.compare_with_paper(evidence)
    cell = cells.query("table == 2 and value == 256 and model == 'reweighted-RNN'")
    run = RunConfig(profile="paper", source="mnist", hidden=256)
    want = [
        evidence.at(config)["config_hash"] for config in paper_tables.starts(evidence, run).values()
    ]
    assert set(attribution.of(cell).runs()) == set().union(*want) != set()
    assert attribution.of(cell).files == ("data/paper/tables.csv", "data/results/runs.csv")
    none = attribution.of(cells.query("runs == 0 and untrained == 0"))
    assert none.runs() == [] and none.text() == "tables.csv, runs.csv · 0 runs"


def test_runs_of_this_build_are_distinguished_from_committed_runs():
    source = attribution.of(record(), {"a": [record(seed=1)]})
    assert source.text().startswith("2 runs made with this book · smoke · authors · digits · ")
    assert source.anchor() == "runs-made-with-this-book"
    assert attribution.of(record()).anchor() == f"built-{RunConfig(profile='smoke').hash}"
    union = source | attribution.of(RUNS)
    assert union.anchor() == "committed-runs"
    assert union.text().startswith(f"runs.csv · {len(RUNS)} runs · 2 runs made with this book · ")


def test_the_source_of_a_comparison_contains_the_runs_of_both_sides():
    trainings = [record(model=name) for name in ("reweighted-rnn", "gru", "lstm")]
    evidence = RunSet.of(dataclasses.replace(run, sequence_mse=[4.0, 5.0]) for run in trainings)
    runs = [RunConfig(profile="smoke", model=name) for name in ("reweighted-rnn", "gru")]
    expected = {run.hash for run in runs}
    for table in (run_set.leads(evidence, runs), run_set.answers(evidence, {"usual": runs})):
        assert set(attribution.of(table).runs()) == expected
    assert set(attribution.of(evidence.curves[runs[0].hash]).runs()) == {runs[0].hash}


def test_a_figure_has_the_source_of_its_table():
    curves = {"gru": attribution.mark(pd.DataFrame({"train_mse": [2.0], "validation_mse": [3.0]}),
                                   record(model="gru"))}  # fmt: skip
    source = attribution.of(table_plots.learning_curves(curves))
    assert source.runs() == [RunConfig(profile="smoke", model="gru").hash]
    assert attribution.of(line_plots.dots({"a": 1.0}, xlabel="x")) == attribution.Source()


def test_pandas_copies_a_table_without_copying_its_source():
    source = attribution.of(RUNS)
    assert copy.deepcopy(source) is source
    assert RUNS.attrs["source"] == RUNS.copy().attrs["source"]


def test_an_explicit_source_has_priority_and_an_empty_one_is_rejected():
    table = pd.DataFrame({"a": [1.0]})
    html = tables.style_table(table, source=RUNS.head(1)).to_html()
    stamp = json.loads(unescape(re.search(r'data-source="([^"]*)"', html)[1]))
    assert stamp["anchor"] == f"run-{RUNS['config_hash'].iloc[0]}"
    assert "data-source" not in tables.style_table(table).to_html()
    for wrong in (table, "runs.csv", []):
        with pytest.raises(ConfigError, match="expected a table, record or file as source"):
            tables.style_table(table, source=wrong)
        with pytest.raises(ConfigError, match="expected a table, record or file as source"):
            style.show(style.panels()[0], "Axes.", source=wrong)


# What the book makes of it --------------------------------------------------------------------


def shown(source=None, html=None):
    picture = {"data": {"image/png": "AA=="}, "metadata": {"image/png": {"source": source or {}}}}
    return picture if html is None else {"data": {"text/html": html}, "metadata": {}}


def test_only_figures_and_tables_have_a_stamp():
    source = {"text": "runs.csv · 1 <run>", "anchor": "run-1"}
    table = tables.style_table(pd.DataFrame({"a": [1]}), source=RUNS.head(1)).to_html()
    outputs = [shown(source), shown(), shown(html=table), shown(html="<b>no table</b>"),
               shown(html='<cells-explorer table="1"></cells-explorer>')]  # fmt: skip
    cell = {"outputs": [*outputs, {"output_type": "stream", "text": "<table>"}]}
    stamps.add_stamps(cell, "computed here", "../book/status.html#made-x")
    texts = ["".join(o.get("data", {}).get("text/html", "")) for o in cell["outputs"]]
    links = [re.search(r'href="(.*)">(.*)</a>', text) for text in texts if "stamp" in text]
    assert ["stamp" in text for text in texts] == [0, 1, 0, 1, 0, 1, 0, 0, 1, 0]
    assert [match[1] for match in links] == [
        "../book/records.html#run-1",
        "../book/status.html#made-x",
        f"../book/records.html#run-{RUNS['config_hash'].iloc[0]}",
        "../book/status.html#made-x",
    ]
    assert links[0][2] == "runs.csv · 1 &lt;run&gt;" and links[1][2] == "computed here"


def test_the_stamp_of_a_figure_with_a_caption_is_in_the_caption():
    figure = {"caption": "A line."}
    cell = {"outputs": [shown()], "metadata": {"mystnb": {"figure": figure}}}
    stamps.add_stamps(cell, "computed here", "here")
    assert len(cell["outputs"]) == 1
    assert figure["caption"] == f"A line.\n\n{stamps.stamp('computed here', 'here')}"


def test_the_page_of_records_has_every_run_with_its_numbers():
    parts = run_records.tables_of(RUNS, "run")
    rows = {row["ids"][0]: row for part in parts for row in part.findall(nodes.row) if row["ids"]}
    assert list(rows) == [f"run-{name}" for name in attribution.of(RUNS).runs()]
    shown = ("Model", "h", "Seed", "PSNR, global", "Commit")
    for run in RUNS.itertuples():
        cells = [entry.astext() for entry in rows[f"run-{run.config_hash}"].children]
        values = dict(zip(run_records.HEADER, cells, strict=True))
        psnr = f"{run.psnr_global:.2f}" if run.status == "done" else "–"
        expected = [run.model, str(run.hidden), str(run.seed), psnr, run.commit]
        assert [values[name] for name in shown] == expected
    odd = RUNS[RUNS["lambda2"].eq(0) & RUNS["reduction"].eq("bilinear")].iloc[:1]
    assert run_records.changed(next(odd.itertuples())) == "reduction bilinear, lambda2 0.0"


def test_every_committed_table_is_on_the_page_of_records():
    apart = {"curves", "memory", "sequences"}
    files = {path.relative_to(ROOT).as_posix() for kind in ("*.csv", "*.safetensors")
            for path in (ROOT / "data").rglob(kind) if path.parent.name not in apart}  # fmt: skip
    listed = run_records.committed_files(ROOT)
    assert {*files, "data/claims.toml"} == set(listed)
    assert len({attribution.Source((path,)).anchor() for path in listed}) == len(listed)
    cells = run_records.rows_and_columns(ROOT / "data/paper/tables.csv")
    assert cells == ["153", "table, varies, value, model, psnr_db, status"]


# The built pages ------------------------------------------------------------------------------

built = pytest.mark.skipif(not WHOLE.is_file(), reason="the book is not built: run `make book`")
NOTEBOOKS = [name for name in TOC if name.startswith("notebooks/")]
# A figure or a table of an output, and the text between it and the next.
SHOWN = re.compile(r'<img\b|<table\b[^>]*class="dataframe|<[a-z]+-explorer\b')


def outputs(page):
    """Return the outputs of a page, one text each."""
    return re.split(r'<div class="output ', page)[1:]


@built
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_every_figure_and_table_is_followed_by_its_stamp(name):
    page = article(SITE / f"{name}.html")
    captioned = re.findall(r"<figure\b.*?</figure>", page, flags=re.DOTALL)
    assert all('<p class="stamp">' in figure for figure in captioned)
    texts = outputs(re.sub(r"<figure\b.*?</figure>", "", page, flags=re.DOTALL))
    for number, text in enumerate(texts):
        if SHOWN.search(text):
            assert '<p class="stamp">' in texts[number + 1], text[:200]


@built
@pytest.mark.parametrize("name", TOC)
def test_the_footer_of_a_page_states_its_provenance(name):
    foot = re.findall(r'<p class="made">(.*?)</p>', article(SITE / f"{name}.html"))
    assert len(foot) == 1
    if name in NOTEBOOKS:
        facts = freshness.read_record(freshness.Place(ROOT, name.removeprefix("notebooks/")))
        for fact in (facts["finished"][:10], f"{facts['seconds']:.1f} s", facts["machine"],
                     facts["versions"]["torch"], facts["notebook"][:8]):  # fmt: skip
            assert fact in foot[0]
    else:
        assert foot[0].startswith("Built from commit ")


@built
def test_a_run_can_be_downloaded_with_its_curve_and_its_errors():
    page = (SITE / "book" / "records.html").read_text(encoding="utf-8")
    (archive,) = re.findall(r'href="([^"]+tables\.zip)"', page)
    names = set(zipfile.ZipFile((SITE / "book" / archive).resolve()).namelist())
    assert {f"data/results/curves/{name}.csv" for name in RUNS["config_hash"]} <= names
    (errors,) = re.findall(r'href="([^"]+\.csv\.gz)"', page)
    stored = {path.stem for path in (ROOT / "data/results/sequences").glob("*.csv")}
    assert stored == set(pd.read_csv((SITE / "book" / errors).resolve(), index_col=0))


@in_a_browser
def test_a_stamp_opens_the_record_of_its_run(browser):
    stamps_of_one = re.compile(r'<p class="stamp">Source: <a [^>]*#(?:run|built)-')
    pages = [name for name in TOC if stamps_of_one.search(article(SITE / f"{name}.html"))]
    assert pages, "no page has a figure or table of a single run"
    open_page(browser, SITE.as_uri(), pages[0])
    stamp = browser.find_element("css selector", "p.stamp a:is([href*='#run-'], [href*='#built-'])")
    anchor = stamp.get_attribute("href").partition("#")[2]
    browser.execute_script("arguments[0].click()", stamp)
    row = browser.find_element("css selector", "tr:target")
    place = browser.execute_script("return arguments[0].getBoundingClientRect().top", row)
    assert row.get_attribute("id") == anchor and 0 < place < 780
    assert anchor.partition("-")[2] in row.text


TABS = """
const labels = [...document.querySelectorAll(".sd-tab-set > label")];
return labels.map(label => label.getBoundingClientRect().right);
"""
STICK = """
const table = document.querySelector(arguments[0]);
const cell = table.querySelector("tbody tr > :first-child");
let box = table.parentElement;
while (box.scrollWidth <= box.clientWidth) box = box.parentElement;
box.scrollLeft = 150;
return [cell.getBoundingClientRect().left - box.getBoundingClientRect().left, box.scrollLeft];
"""


@in_a_browser
@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("notebooks/10_table_1", ".beside-print"),
        ("book/records", ".paper-table"),
        ("book/notation", "table"),
    ],
)
def test_the_first_column_remains_visible_on_a_phone(browser, name, table):
    with screen(browser, 390):
        open_page(browser, SITE.as_uri(), name)
        left, scrolled = browser.execute_script(STICK, table)
        assert scrolled > 0 and abs(left) <= 1.5
        assert all(right <= 390 for right in browser.execute_script(TABS))
