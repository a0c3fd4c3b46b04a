"""The build of the book: shared doctrees, alt text, classic scripts and cells of tables."""

import dataclasses
import shutil
from types import SimpleNamespace

import pandas as pd
import pytest
from sphinx.errors import ExtensionError

from companion import results
from companion.build import html
from companion.reproduction import linear_baseline, paper_tables
from companion.sphinx import assets, outputs, table_cells
from unfolded.runs import records, results_table
from unfolded.runs.config import RunConfig


def test_builds_share_the_doctrees_unless_there_were_warnings(tmp_path, monkeypatch):
    doctrees, output = tmp_path / ".doctrees", tmp_path / "html"
    for name, path in (
        ("BUILD", tmp_path),
        ("DOCTREES", doctrees),
        ("READ_MARKER", doctrees / "whole"),
    ):
        monkeypatch.setattr(html, name, path)
    states = []

    def sphinx(call, **_):
        states.append(((doctrees / "page").is_file(), output.is_dir()))
        for folder in (doctrees, output):
            folder.mkdir(exist_ok=True)
        (doctrees / "page").touch()
        assert not html.READ_MARKER.exists(), "an interrupted build counts as one with warnings"
        return SimpleNamespace(returncode=statuses.pop(0), stdout="")

    monkeypatch.setattr(html.subprocess, "run", sphinx)
    statuses = [0, 0, 0, 1, 0]
    builders = ["html", "html", "singlehtml", "html", "html"]
    assert [html.run_sphinx(builder)[0] for builder in builders] == [True, True, True, False, True]
    # Pages read for the PDF are written again for the book.
    assert states == [(False, False), (True, True), (True, True), (True, False), (False, True)]


def test_alt_text_is_moved_to_the_cell_and_is_required():
    image = {"output_type": "display_data", "data": {"image/svg+xml": "<svg/>"}}
    cell = {"metadata": {}, "outputs": [image | {"metadata": {"image/svg+xml": {"alt": "A line"}}}]}
    outputs.move_alt(cell, "here")
    assert cell["metadata"]["mystnb"]["image"]["alt"] == "A line"
    with pytest.raises(ExtensionError, match="expected alt text"):
        outputs.move_alt({"metadata": {}, "outputs": [image | {"metadata": {}}]}, "here")
    second_image = image | {"metadata": {"image/svg+xml": {"alt": "Another"}}}
    with pytest.raises(ExtensionError, match="one figure per cell"):
        outputs.move_alt({"metadata": {}, "outputs": [*cell["outputs"], second_image]}, "here")


def test_a_module_becomes_a_classic_script():
    script = assets.classic("export const a = 1;\nexport { a };\nexport default { a };\n", "a.js")
    assert script == "(() => {\nconst a = 1;\n\nvoid { a };\n})();\n"
    with pytest.raises(ExtensionError, match="without imports"):
        assets.classic('import b from "./b.js";\n', "a.js")


def test_cells_of_the_paper_are_compared_with_matching_runs_only(tmp_path, monkeypatch):
    usual = dataclasses.asdict(RunConfig(hidden=256, source="mnist", protocol="authors"))
    usual |= {"lambda1": 0.003, "lambda2": 0.02}
    rows = [("paper", 0, 31.0), ("paper", 1, 32.0), ("laptop", 2, 99.0)]
    runs = [
        usual
        | {"profile": profile, "seed": seed, "psnr_authors": psnr, "status": "done"}
        | {"config_hash": f"hash{seed}"}
        for profile, seed, psnr in rows
    ]
    (tmp_path / "curves").mkdir()
    for seed in (0, 1):
        (tmp_path / "curves" / f"hash{seed}.csv").write_text("epoch,validation_mse\n1,100\n")
    shutil.copy(results_table.RESULTS / linear_baseline.LEVELS, tmp_path)
    runs.append(runs[0] | {"positivity": "free", "psnr_authors": 99.0})
    runs.append(runs[0] | {"status": "failed", "psnr_authors": float("nan")})
    pd.DataFrame(runs, columns=records.COLUMNS).to_csv(tmp_path / "runs.csv", index=False)
    monkeypatch.setattr(results_table, "RESULTS", tmp_path)
    monkeypatch.setattr(results, "ROOT", tmp_path)
    (tmp_path / "data" / "paper").mkdir(parents=True)
    (tmp_path / table_cells.PAPER).write_text(
        "table,varies,value,model,psnr_db,status\n"
        "2,hidden,256,reweighted-RNN,31.46,printed\n2,hidden,512,reweighted-RNN,,lost\n"
    )
    cells = table_cells.cells()
    run = cells[cells["value"] == 256]
    assert list(run["start"]) == [paper_tables.SUCCESSOR, paper_tables.BEST]
    assert list(run["ours"]) == [31.5, 31.5] and list(run["runs"]) == [2, 2]
    assert set(run["verdict"]) == {"agrees"}
    assert set(cells.loc[cells["value"] == 512, "runs"]) == {0}
