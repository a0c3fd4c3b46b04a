"""What all explorers share: colours of the figures, numbers, axes, lines."""

import itertools
import re
import subprocess
from types import SimpleNamespace

import pytest
from test_widgets import in_node

from companion.plots import line_plots
from companion.widgets import base_widget
from companion.widgets.activation_widget import ActivationExplorer
from unfolded.provenance import ROOT

COMMON = (base_widget.FOLDER / "common.js").read_text(encoding="utf-8")
MODULES = sorted({path.name for path in base_widget.FOLDER.glob("*.js")} - {"common.js"})


def test_a_network_looks_as_in_all_figures():
    listed = re.search(r"NETWORKS = (\[.*\])", COMMON)[1]
    colours = re.search(r"LIGHT = (\[.*\])", COMMON)[1]
    assert re.findall(r'"(.*?)"', listed) == list(line_plots.STYLES)
    expected = [look["color"].lower() for look in line_plots.STYLES.values()]
    assert re.findall(r'"(.*?)"', colours) == expected


def test_numbers_are_short_and_read_well():
    given = [0, -1.5, 0.1 + 0.2, 1234.5, 2.67e-5, 1e9, 1e-4, -3.14159e-7, 4096]
    found = in_node("data.map((x) => common.number(x))", given, COMMON)
    assert found == ["0", "−1.5", "0.3", "1235", "2.67e−5", "1e9", "1e−4", "−3.14e−7", "4096"]
    assert in_node("common.number(data, 4)", 31.456, COMMON) == "31.46"


@pytest.mark.parametrize("ends", [(0.2, 9.7), (-6, 6), (-3e-5, 4e-5), (100, 1e6)])
def test_ticks_are_round_and_lie_within(ends):
    found = in_node("common.ticks(...data, 6)", ends, COMMON)
    steps = {f"{b - a:.3g}" for a, b in itertools.pairwise(found)}
    assert 3 <= len(found) <= 8 and len(steps) == 1 and steps.pop()[0] in "125"
    slack = 1e-9 * (ends[1] - ends[0])
    assert ends[0] - slack <= found[0] and found[-1] <= ends[1] + slack


def test_a_line_has_gaps_where_numbers_are_missing():
    body = "common.path(data, { x: (u) => u, y: (v) => v })"
    assert in_node(body, [[0, 1], [1, 2], [2, None], [3, 4], [4, 5]], COMMON) == "M0,1L1,2M3,4L4,5"


def test_a_page_loads_the_scripts_of_its_own_explorers(tmp_path):
    from companion.sphinx import assets

    loaded, told = [], {}
    app = SimpleNamespace(srcdir=ROOT, connect=told.__setitem__)
    app.add_js_file = lambda name, **how: loaded.append((name, how["loading_method"]))
    assets.install_explorers(app, tmp_path)
    explorer = ActivationExplorer().element()
    for body in (explorer, "a page without &lt;activation-explorer&gt;", None):
        context = {} if body is None else {"body": body}
        told["html-page-context"](app, "page", "page.html", context, None)
    assert loaded == [("activation.js", "defer")]
    assert {path.name for path in tmp_path.iterdir()} == set(MODULES)
    for path in tmp_path.iterdir():
        text = path.read_text(encoding="utf-8")
        assert text.startswith("(() => {") and text.count("const common = ") == 1
        # A classic script: no module's words are left, and it parses.
        assert not re.search(r"^\s*(import|export)\b", text, re.M)
        assert subprocess.run(["node", "--check", path], capture_output=True).returncode == 0


# The figure on the cover loads its weights from a page, so it is no widget of a notebook.
@pytest.mark.parametrize("name", sorted({*MODULES} - {"recovery.js"}))
def test_a_live_notebook_finds_render_in_the_module(name, tmp_path):
    (tmp_path / "module.mjs").write_text(base_widget.script(name), encoding="utf-8")
    ask = 'import("./module.mjs").then((found) => console.log(typeof found.default.render))'
    call = ["node", "--input-type=module", "-e", ask]
    ran = subprocess.run(call, cwd=tmp_path, capture_output=True, text=True)
    assert ran.stdout.strip() == "function", ran.stderr
