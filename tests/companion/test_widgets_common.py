"""Common parts of all explorers: colours, numbers, axes, lines, controls and traits."""

import functools
import itertools
import math
import re
import subprocess
from types import SimpleNamespace

import pytest
from test_player_widget import small
from test_scale_widget import few_scales
from test_stepper_widget import data as recorded_steps
from test_table_widget import explorer as cells_explorer
from test_widgets import EXPORT, classic, in_chromium, in_node, in_widget

from companion.plots import line_plots
from companion.widgets import base_widget, units_widget
from companion.widgets.activation_widget import ActivationExplorer
from companion.widgets.bounds_widget import BoundsExplorer
from companion.widgets.player_widget import PlayerExplorer
from companion.widgets.scale_widget import ScaleExplorer
from companion.widgets.signs_widget import SignsExplorer
from companion.widgets.stepper_widget import StepperExplorer
from companion.widgets.units_widget import UnitsExplorer
from companion.widgets.unroll_widget import UnrollExplorer
from unfolded.choices import COMPARED
from unfolded.errors import ConfigError
from unfolded.provenance import ROOT

COMMON = (base_widget.FOLDER / "common.js").read_text(encoding="utf-8")
MODULES = sorted({path.name for path in base_widget.FOLDER.glob("*.js")} - {"common.js"})


def test_a_network_has_the_style_of_all_figures():
    listed = re.search(r"NETWORKS = (\[.*\])", COMMON)[1]
    colours = re.search(r"LIGHT = (\[.*\])", COMMON)[1]
    assert re.findall(r'"(.*?)"', listed) == list(COMPARED)
    expected = [look["color"].lower() for look in map(line_plots.STYLES.get, COMPARED)]
    assert re.findall(r'"(.*?)"', colours) == expected


def test_numbers_are_short_and_readable():
    numbers = [0, -1.5, 0.1 + 0.2, 1234.5, 2.67e-5, 1e9, 1e-4, -3.14159e-7, 4096]
    texts = in_node("data.map((x) => common.number(x))", numbers, COMMON)
    assert texts == ["0", "−1.5", "0.3", "1235", "2.67e−5", "1e9", "1e−4", "−3.14e−7", "4096"]
    assert in_node("common.number(data, 4)", 31.456, COMMON) == "31.46"


@pytest.mark.parametrize("ends", [(0.2, 9.7), (-6, 6), (-3e-5, 4e-5), (100, 1e6)])
def test_ticks_are_round_and_lie_within(ends):
    ticks = in_node("common.ticks(...data, 6)", ends, COMMON)
    steps = {f"{b - a:.3g}" for a, b in itertools.pairwise(ticks)}
    assert 3 <= len(ticks) <= 8 and len(steps) == 1 and steps.pop()[0] in "125"
    slack = 1e-9 * (ends[1] - ends[0])
    assert ends[0] - slack <= ticks[0] and ticks[-1] <= ends[1] + slack


def test_a_line_has_gaps_at_missing_numbers():
    body = "common.path(data, { x: (u) => u, y: (v) => v })"
    assert in_node(body, [[0, 1], [1, 2], [2, None], [3, 4], [4, 5]], COMMON) == "M0,1L1,2M3,4L4,5"


def test_a_page_loads_the_scripts_of_its_own_explorers(tmp_path):
    from companion.sphinx import assets

    loaded, handlers = [], {}
    app = SimpleNamespace(srcdir=ROOT, connect=handlers.__setitem__)
    app.add_js_file = lambda name, **how: loaded.append((name, how["loading_method"]))
    assets.install_explorers(app, tmp_path)
    explorer = ActivationExplorer().element()
    for body in (explorer, "a page without &lt;activation-explorer&gt;", None):
        context = {} if body is None else {"body": body}
        handlers["html-page-context"](app, "page", "page.html", context, None)
    assert loaded == [("activation.js", "defer")]
    assert {path.name for path in tmp_path.iterdir()} == set(MODULES)
    for path in tmp_path.iterdir():
        text = path.read_text(encoding="utf-8")
        assert text.startswith("(() => {") and text.count("const common = ") == 1
        # A classic script without keywords of modules, which parses.
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


@pytest.mark.parametrize("name", MODULES)
def test_a_script_has_no_imports_and_no_motion_if_reduced_motion_is_preferred(name):
    text = base_widget.script(name)
    if name != "recovery.js":
        assert text.rstrip().endswith("\n" + EXPORT)
    assert len(re.findall(r"^\s*export\b", text, re.M)) == 1
    assert not re.search(r"^\s*import\b|https?:|require\(|fetch\(", text, re.M)
    moving = [line for line in text.splitlines() if re.search("transition|animation", line)]
    assert moving and all("prefers-reduced-motion: no-preference" in line for line in moving)


@functools.cache
def learned_units():
    return units_widget.learned(small()["truth"])


EXPLORERS = {
    "activation.js": ActivationExplorer,
    "bounds.js": BoundsExplorer,
    "cells.js": cells_explorer,
    "player.js": lambda **state: PlayerExplorer(data=small()["data"], **state),
    "scale.js": lambda **state: ScaleExplorer(data=few_scales(), **state),
    "signs.js": SignsExplorer,
    "stepper.js": lambda **state: StepperExplorer(data=recorded_steps(), **state),
    "units.js": lambda **state: UnitsExplorer(data=learned_units(), **state),
    "unroll.js": UnrollExplorer,
}
"""The explorer that a script draws, from its state."""


REFUSED = {
    "activation.js": [{"lamda1": 1.0}],
    "bounds.js": [{"alpha": 0}, {"beta": -1}, {"gamma": math.nan}, {"T": 0}, {"d": 2.5}, {"h": 1},
                  {"m": "8"}, {"a": 1.1}, {"n": True}, {"against": "c"}, {"lambda1": 1.0}],
    "cells.js": [{"table": 4}, {"at": 6}, {"at": -1}, {"model": "x"}, {"shown": "gru,x"},
                 {"tables": 1}],
    "player.js": [{"frame": 0}, {"frame": 6}, {"sequence": 3}, {"sequence": True}, {"frame": 1.5},
                  {"marked": 3}, {"speed": 2}],
    "scale.js": [{"scale": 0}, {"scale": 128}, {"scale": True}, {"size": "h"}],
    "signs.js": [{"signs": "+-"}, {"signs": "+-+-+0"}, {"beta": 0}, {"beta": 6.0}, {"beta": True}],
    "stepper.js": [{"step": -1}, {"step": 1.5}, {"step": True}, {"problem": "gru"},
                   {"method": "SISTA"}, {"objective": "(2)"}, {"speed": 1}],
    "units.js": [{"network": "lstm"}, {"layer": 0}, {"layer": True}, {"unit": 8},
                 {"suppose": "x"}],
    "unroll.js": [{"network": "lstm"}, {"depth": 0}, {"depth": 5}, {"step": -1}, {"step": True}],
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "bad"), [(name, bad) for name in REFUSED for bad in REFUSED[name]], ids=str
)
def test_an_impossible_state_is_rejected(name, bad):
    with pytest.raises(ConfigError, match=r"expected .*; got .*; ") as caught:
        EXPLORERS[name](**bad)
    assert next(iter(bad)) in str(caught.value)


@pytest.mark.parametrize("name", EXPLORERS)
def test_a_page_without_a_kernel_has_the_element_and_without_scripts_a_picture(name):
    explorer = EXPLORERS[name]()
    data, _ = explorer._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data
    markup = data["text/html"]
    assert markup.startswith(f"<{explorer.TAG} ") and "<noscript>" in markup
    assert 'src="data:image/png;base64,' in markup
    assert len(re.search('alt="([^"]+)"', markup)[1]) > 60


@pytest.mark.parametrize(
    ("name", "trait", "value", "bad"), [("activation.js", "c", 2.0, -1.0), ("bounds.js", "T", 9, 0)]
)
def test_an_explorer_keeps_its_state_if_a_new_state_is_invalid(name, trait, value, bad):
    explorer = EXPLORERS[name](**{trait: value})
    with pytest.raises(ConfigError):
        setattr(explorer, trait, bad)
    assert getattr(explorer, trait) == value


FOLLOWED = {
    "activation.js": ("pull('[name=g]', 2.5)", {"g": 2.5}, {"hbar": -3}, "input[name=hbar]", "-3"),
    "bounds.js": ("pull('[name=T]', 0)", {"T": 1}, {"h": 2048}, 'output[data-for="h"]', "2048"),
    "player.js": ("pull('[name=frame]', 4)", {"frame": 4}, {"sequence": 2}, "select", "2"),
    "scale.js": ("pull('select', 'equal size')", {"size": "equal size"}, {"scale": 1}, "output",
                 "[0, 1]"),
    "signs.js": ("el.querySelector('[data-coin]').click()", {"signs": "-+++++"}, {"beta": 0.5},
                 "output", "0.5"),
    "stepper.js": ("el.querySelector('[data-by=\"1\"]').click()", {"step": 1},
                   {"problem": "l1-l1-rnn"}, "select", "l1-l1-rnn"),
}  # fmt: skip
"""What a reader does, what Python gets, what Python sets, and where the page shows it."""


@pytest.mark.browser
@pytest.mark.parametrize("name", FOLLOWED)
def test_an_explorer_and_python_are_synchronised(name, tmp_path):
    act, expected, ((trait, value),), selector, text = (
        part if i != 2 else part.items() for i, part in enumerate(FOLLOWED[name])
    )
    steps = f"""{act};
      values["{trait}"] = {value!r};
      heard["change:{trait}"]();
      const shown = el.querySelector('{selector}').value;
      stop();
      delete values.data;
      return {{ values, saved, shown, left: Object.keys(heard).length }};
    """
    explorer = EXPLORERS[name](**({"signs": "++++++"} if name == "signs.js" else {}))
    names = [*explorer.NAMES, *(["data"] if explorer.has_trait("data") else [])]
    start = {key: getattr(explorer, key) for key in names}
    seen = in_widget(steps, start, tmp_path, code=classic(name))
    values = {key: start[key] for key in explorer.NAMES} | expected | {trait: value}
    assert seen == {"values": values, "saved": 1, "shown": text, "left": 0}


ODD = {
    "activation.js": (
        '<activation-explorer lambda1="-1" c="0" g="x" hbar="7"></activation-explorer>',
        {"lambda1": 1, "lambda2": 0.5, "g": 1, "hbar": 7, "c": 1, "u": 3},
    ),
    "bounds.js": (
        '<bounds-explorer alpha="-1" T="2.5" d="x" k="0" m="77" a="2" against="z">'
        "</bounds-explorer>",
        {name: getattr(BoundsExplorer(), name) for name in BoundsExplorer.NAMES} | {"m": 77},
    ),
    "signs.js": (
        '<signs-explorer signs="+x" beta="7"></signs-explorer>',
        {name: getattr(SignsExplorer(), name) for name in SignsExplorer.NAMES},
    ),
}


@pytest.mark.browser
@pytest.mark.parametrize("name", ODD)
def test_an_invalid_attribute_has_the_default_and_ids_are_unique(name, tmp_path):
    markup, expected = ODD[name]
    body = f"""(() => {{
      const ids = [...document.querySelectorAll("[id]")].map((node) => node.id);
      const second = document.querySelectorAll("{EXPLORERS[name].TAG}")[1].state;
      return [second, ids.length - new Set(ids).size];
    }})()"""
    result = in_chromium(body, None, tmp_path, EXPLORERS[name]().element() + markup, classic(name))
    assert result == [expected, 0]


LOOKS = {
    "activation.js": (".ae-phi", "stroke"),
    "bounds.js": (".ue-line", "stroke"),
    "cells.js": (".ce-printed", "stroke"),
    "player.js": ("path.ue-line", "stroke"),
    "scale.js": (".ue-dot", "fill"),
    "signs.js": (".si-heads", "fill"),
    "stepper.js": ("path[data-method=ISTA]", "stroke"),
    "units.js": (".un-middle", "stroke"),
    "unroll.js": ("svg text", "fill"),
}
"""What is drawn in one colour in the light theme and in another in the dark."""


@pytest.mark.browser
@pytest.mark.parametrize("name", LOOKS)
def test_an_explorer_fits_a_phone_has_named_controls_and_a_dark_theme(name, tmp_path):
    selector, paint = LOOKS[name]
    body = f"""(() => {{
      const colour = () => getComputedStyle(document.querySelector("{selector}")).{paint};
      const light = colour();
      const boxes = [...document.querySelectorAll("body > div")].map((box) => {{
        const all = (selector) => [...box.querySelectorAll(selector)];
        const ids = all("[id]").map((node) => node.id);
        const sized = all("button, select, input:not([type=radio], [type=checkbox])");
        return [box.scrollWidth, {{
          small: sized.map((e) => e.getBoundingClientRect())
            .filter(({{ width, height }}) => Math.min(width, height) < 24).length,
          unnamed: all("input, select").filter((e) => !e.labels.length).length
            + all("button, .ce-hit").filter((e) => !(e.ariaLabel || e.textContent)).length,
          submit: all("button").filter((e) => e.type !== "button").length,
          silent: all("input[type=range]:not([aria-valuetext])").length
            + all("svg:not(svg svg, .ue-swatch)").filter((e) => !e.role
              || !(e.ariaLabel || e.querySelector("desc"))).length,
          repeated: ids.length - new Set(ids).size,
          left: all(":scope > * > img, noscript").length,
          live: all("[aria-live=polite], [role=status]").length,
        }}];
      }});
      document.documentElement.dataset.theme = "dark";
      return {{ light, dark: colour(), boxes }};
    }})()"""
    state = {"bounds.js": {"against": "T", "T": 99_999}, "cells.js": {"table": 2}}.get(name, {})
    element, widths = EXPLORERS[name](**state).element(), (320, 390, 800)
    markup = "".join(f'<div style="width: {width}px">{element}</div>' for width in widths)
    result = in_chromium(body, None, tmp_path, markup, classic(name))
    assert result["light"] != result["dark"]
    for width, (page_width, seen) in zip(widths, result["boxes"], strict=True):
        assert page_width <= width
        assert seen == dict.fromkeys(seen, 0) | {"live": 1}
