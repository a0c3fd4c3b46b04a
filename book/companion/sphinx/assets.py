"""Copy assets of the pages into `_static`, so that a built page needs no other host."""

from __future__ import annotations

import re
import shutil
from importlib import metadata
from pathlib import Path

from sphinx.errors import ExtensionError

# A part of MathJax's 24 MB: TeX input, HTML output, fonts, and extensions loaded on demand.
MATHJAX = ("tex-mml-chtml.js", "output/chtml/fonts/", "input/tex/extensions/")


def copy_if_new(source: Path, target: Path) -> None:
    """Copy unless the target has the same size and a later time."""
    if target.is_file():
        copy, original = target.stat(), source.stat()
        if copy.st_size == original.st_size and copy.st_mtime >= original.st_mtime:
            return
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(source, target)


def install_mathjax(static: Path) -> None:
    """Copy the parts of MathJax used by these pages.

    Raises
    ------
    ExtensionError
        The MathJax package contains no MathJax files.
    """
    marker = "static/mathjax/"
    files = metadata.files("sphinx-mathjax-offline") or []
    for file in files:
        name = str(file).replace("\\", "/").partition(marker)[2]
        if name.startswith(MATHJAX):
            copy_if_new(Path(file.locate()), static / "mathjax" / name)
    if not (static / "mathjax" / MATHJAX[0]).is_file():
        raise ExtensionError(
            f"expected {MATHJAX[0]} in the package sphinx-mathjax-offline; got none; run `make env`"
        )


def classic(module: str, name: str, *, common: str = "") -> str:
    """Return an ES module, after the common code of all modules, as a separate classic script.

    Browsers reject module scripts on pages opened from disk.

    >>> classic("export const a = 1;\\nexport default { a };", "a.js")
    '(() => {\\nconst a = 1;\\nvoid { a };\\n})();\\n'
    """
    text = f"{common}{module}"
    if re.search(r"^\s*import\s[^(]", text, flags=re.MULTILINE):
        raise ExtensionError(f"expected {name} without imports; got one; write it as a single file")
    text = re.sub(r"^export\s+default\s+", "void ", text, flags=re.MULTILINE)
    text = re.sub(r"^export\s*\{[^}]*\}\s*;?", "", text, flags=re.MULTILINE)
    text = re.sub(r"^export\s+", "", text, flags=re.MULTILINE)
    return f"(() => {{\n{text.rstrip()}\n}})();\n"


def install_explorers(app, static: Path) -> None:
    """Write each explorer as a classic script; each page loads the scripts of its explorers."""
    folder = Path(app.srcdir, "book", "companion", "widgets", "js")
    common = (folder / "common.js").read_text(encoding="utf-8")
    tags = {}
    for path in sorted(folder.glob("*.js")):
        if path.name == "common.js":
            continue
        module = path.read_text(encoding="utf-8")
        tags[path.name] = re.findall(r"\bcommon\.define\(\s*\"([\w-]+)\"", module)
        script = classic(module, path.name, common=common)
        (static / path.name).write_text(script, encoding="utf-8")

    def load(app, page, template, context, doctree):
        body = context.get("body", "")
        for name, elements in tags.items():
            if any(f"<{tag}" in body for tag in elements):
                app.add_js_file(name, loading_method="defer")

    app.connect("html-page-context", load)


def install_filter(app, static: Path) -> None:
    """Copy the filter of the claims; a page with a list of claims loads it."""
    name = "claim_filter.js"
    copy_if_new(Path(__file__).parent / "overview" / name, static / name)

    def load(app, page, template, context, doctree):
        if 'class="claim-cards"' in context.get("body", ""):
            app.add_js_file(name, loading_method="defer")

    app.connect("html-page-context", load)


def install(app) -> None:
    """Fill `_static` before the pages are written."""
    if app.builder.format != "html":
        return
    static = Path(app.outdir, "_static")
    static.mkdir(parents=True, exist_ok=True)
    install_mathjax(static)
    install_explorers(app, static)
    install_filter(app, static)
    for path in sorted(Path(__file__).parent.rglob("*.css")):
        copy_if_new(path, static / path.name)
        app.add_css_file(path.name)


def remove_source_maps(app, exception) -> None:
    """Remove the source maps of the theme: three megabytes that only its developers read."""
    if exception is None and app.builder.format == "html":
        for path in Path(app.outdir, "_static").rglob("*.map"):
            path.unlink()
