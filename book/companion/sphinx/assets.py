"""Copy assets of the pages into `_static`, so that a built page needs no other host."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from sphinx.errors import ExtensionError

ICONS = ("fa-solid-900", "fa-regular-400", "fa-brands-400")
"""The theme's icon fonts; companion.css uses their subsets."""


def copy_if_new(source: Path, target: Path) -> None:
    """Copy unless the target has the same size and a later time."""
    if target.is_file():
        copy, original = target.stat(), source.stat()
        if copy.st_size == original.st_size and copy.st_mtime >= original.st_mtime:
            return
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(source, target)


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
    install_explorers(app, static)
    install_filter(app, static)
    for path in sorted(Path(__file__).parent.rglob("*.css")):
        copy_if_new(path, static / path.name)
        app.add_css_file(path.name)


def reduce_theme(app, exception) -> None:
    """Write fonts with the icons of the pages, and remove files that no page loads."""
    if exception is not None or app.builder.format != "html":
        return
    static = Path(app.outdir, "_static")
    style = (static / "styles" / "pydata-sphinx-theme.css").read_text(encoding="utf-8")
    names = set()
    for page in Path(app.outdir).rglob("*.html"):
        names |= set(re.findall(r"\bfa-[\w-]+", page.read_text(encoding="utf-8")))
    subset_icons(static, style, names | {"fa-xmark"})  # The theme's script inserts it.
    # Browsers load the icon fonts as woff2; the copies in TrueType are for browsers before 2015.
    unused = ("*.map", "fontawesome.js*", "webfonts/*.ttf")
    for path in {path for pattern in unused for path in static.rglob(pattern)}:
        path.unlink()


def subset_icons(static: Path, style: str, names: set[str]) -> None:
    """Write the fonts with the named icons, and with those that the style sheet contains."""
    from fontTools import subset
    from pydata_sphinx_theme import __file__ as theme

    rules = re.findall(r'((?:\.fa-[\w-]+:before,?)+)\{content:"\\([0-9a-f]+)"', style)
    codes = {int(code, 16) for rule, code in rules if names & set(re.findall(r"fa-[\w-]+", rule))}
    codes |= {ord(character) for character in re.findall("[\ue000-\uf8ff]", style)}
    fonts = Path(theme).parent.rglob("fontawesome/webfonts/*.ttf")
    for path in sorted(path for path in fonts if path.stem in ICONS):
        font = subset.load_font(path, subset.Options())
        subsetter = subset.Subsetter()
        subsetter.populate(unicodes=codes)
        subsetter.subset(font)
        font.save(static / path.name)
