"""Typesetting of formulas during the build: MathJax runs in V8, so a page needs no script.

The markup is the HTML that MathJax produces in a browser, with MathML for screen readers.
"""

from __future__ import annotations

import functools
import json
import re
from importlib import metadata
from pathlib import Path

from docutils import nodes
from sphinx.errors import ExtensionError
from sphinx.locale import _
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number, wrap_displaymath

MATHJAX = "static/mathjax/"
COMPONENTS = (
    "startup.js",
    "core.js",
    "adaptors/liteDOM.js",
    "input/tex-full.js",
    "output/chtml.js",
    "output/chtml/fonts/tex.js",
    "a11y/assistive-mml.js",
)
SETTINGS = {
    "loader": {"load": []},
    "startup": {"typeset": False},
    "tex": {"packages": ["base", "ams", "newcommand", "boldsymbol"]},
    "chtml": {"fontURL": "mathjax", "adaptiveCSS": False},
}
START = """
MathJax.config.startup.ready = () => {};
MathJax.startup.getComponents();
MathJax.startup.makeMethods();
const typeset = (tex, display) => MathJax.startup.adaptor.outerHTML(MathJax.tex2chtml(tex, {display}));
0"""  # noqa: E501
CHARACTER = re.compile(r"^mjx-c\.mjx-c([0-9A-F]+)(?:\.[\w-]+)*::before \{[^}]*\}\n*", re.MULTILINE)
USED = re.compile(r"\bmjx-c([0-9A-F]+)\b")
TAG = re.compile(r"\\tag\{([^}]*)\}")
logger = logging.getLogger(__name__)


@functools.cache
def files() -> dict[str, Path]:
    """Return the files of MathJax by their names in its distribution.

    Raises
    ------
    ExtensionError
        The package with MathJax is not installed, or it is incomplete.
    """
    try:
        package_files = metadata.files("sphinx-mathjax-offline") or []
    except metadata.PackageNotFoundError:
        package_files = []
    paths = {
        str(file).replace("\\", "/").partition(MATHJAX)[2]: Path(file.locate())
        for file in package_files
    }
    if missing := [name for name in COMPONENTS if name not in paths]:
        raise ExtensionError(
            f"expected {missing[0]} in the package sphinx-mathjax-offline; got none; run `make env`"
        )
    return paths


class Typesetter:
    """MathJax in a separate V8 engine.

    >>> typesetter = Typesetter()
    >>> typesetter("x", display=False).startswith('<mjx-container class="MathJax" jax="CHTML"')
    True
    >>> typesetter.close()
    """

    def __init__(self):
        from py_mini_racer import MiniRacer

        self.engine = MiniRacer()
        self.engine.eval(f"globalThis.global = globalThis; var MathJax = {json.dumps(SETTINGS)}; 0")
        for name in COMPONENTS:
            self.engine.eval(files()[name].read_text(encoding="utf-8") + ";0")
        self.engine.eval(START)
        self.formula = functools.cache(self._formula)

    def __call__(self, tex: str, display: bool) -> str:
        """Return a formula as HTML; MathJax marks an error in it with <mjx-merror>."""
        return self.formula(tex, display)

    def _formula(self, tex: str, display: bool) -> str:
        return self.engine.eval(f"typeset({json.dumps(tex)}, {json.dumps(display)})")

    def style(self) -> str:
        """Return the style sheet for all characters."""
        return self.engine.eval("MathJax.startup.adaptor.textContent(MathJax.chtmlStylesheet())")

    def close(self) -> None:
        """Stop the threads of V8, because Python waits for them at exit."""
        self.engine.close()


def typeset(writer, node: nodes.Node, tex: str, display: bool) -> str:
    """Return a formula as HTML; warn if MathJax reports an error."""
    html = writer.builder.app.formulas(tex, display)
    if "<mjx-merror" in html or "NaN" in html:
        logger.warning("expected TeX that MathJax reads; got %r; correct it", tex, location=node)
    return html


def visit_math(self, node) -> None:
    """Write an inline formula."""
    html = typeset(self, node, node.astext(), False)
    self.body.append(f'<span class="math notranslate nohighlight">{html}</span>')
    raise nodes.SkipNode


def visit_displaymath(self, node) -> None:
    """Write a displayed formula, followed by its number, which may be that of `\\tag{2}`."""
    tex = node.astext()
    tags = TAG.findall(tex)
    tex = TAG.sub("", tex)
    if not node["nowrap"]:
        tex = wrap_displaymath(tex, None, False)
    self.body.append(self.starttag(node, "div", CLASS="math notranslate nohighlight"))
    self.body.append(typeset(self, node, tex, True))
    if node["number"]:
        tags.append(get_node_equation_number(self, node))
    if tags:
        self.body.append(f'<span class="eqno">({tags[-1]})')
        if node["number"]:
            self.add_permalink_ref(node, _("Link to this equation"))
        self.body.append("</span>")
    self.body.append("</div>\n")
    raise nodes.SkipNode


def start(app) -> None:
    """Start MathJax, and write its fonts and its style sheet into `_static`."""
    from companion.sphinx.assets import copy_if_new

    if app.builder.format != "html":
        return
    app.formulas = Typesetter()
    static = Path(app.outdir, "_static")
    for name, path in files().items():
        if name.endswith(".woff"):
            copy_if_new(path, static / "mathjax" / Path(name).name)
    (static / "mathjax.css").write_text(app.formulas.style(), encoding="utf-8")


def load_style(app, page, template, context, doctree) -> None:
    """Load the style sheet on pages with formulas."""
    if "<mjx-container" in context.get("body", "") + context.get("toc", ""):
        app.add_css_file("mathjax.css")


def finish(app, exception) -> None:
    """Stop MathJax; keep only the characters of the pages in the style sheet."""
    if app.builder.format != "html":
        return
    app.formulas.close()
    pages = Path(app.outdir).rglob("*.html")
    used = {code for page in pages for code in USED.findall(page.read_text(encoding="utf-8"))}
    path = Path(app.outdir, "_static", "mathjax.css")
    style = path.read_text(encoding="utf-8")
    style = CHARACTER.sub(lambda rule: rule[0] if rule[1] in used else "", style)
    path.write_text(re.sub(r"\s*\n\s*", "\n", style), encoding="utf-8")


def setup(app) -> dict:
    app.add_html_math_renderer("built", (visit_math, None), (visit_displaymath, None))
    app.connect("builder-inited", start)
    app.connect("html-page-context", load_style)
    app.connect("build-finished", finish)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": False}
