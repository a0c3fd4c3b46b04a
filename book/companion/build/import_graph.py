"""Static analysis of the files of library and companion that a notebook imports."""

from __future__ import annotations

import ast
import functools
import json
from pathlib import Path

PACKAGES = {"unfolded": "lib", "companion": "book"}
"""The repository folder of each package."""

LAZY = {
    "unfolded.build": "unfolded.networks",
    "unfolded.save": "unfolded.networks.storage",
    "unfolded.load": "unfolded.networks.storage",
}
"""Names of a package that import a module at first use."""


def notebook_code(notebook: Path) -> str:
    """Return the code cells of a notebook as one source text, without shell and magic lines."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    lines = []
    for cell in cells:
        if cell["cell_type"] == "code":
            source = cell["source"]
            text = source if isinstance(source, str) else "".join(source)
            lines += [
                line for line in text.splitlines() if not line.lstrip().startswith(("%", "!"))
            ]
    return "\n".join(lines)


@functools.cache  # Most pages import the same files.
def imported_names(source: str, package: str = "") -> frozenset[str]:
    """Return the dotted names that `source` may import from the packages.

    `package` is the package for relative imports. `from a import b` yields both `a` and `a.b`,
    because only the file system shows whether `b` is a module.
    """
    names = set()
    try:
        tree = ast.parse(source)
    except SyntaxError:
        # The execution of the notebook reports the syntax error; the imports are unknown.
        return frozenset()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*parents, base] if base else parents)
            names |= {base} | {f"{base}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            names |= {LAZY.get(f"{node.value.id}.{node.attr}", "")}
    names |= {LAZY.get(name, "") for name in names}
    return frozenset(name for name in names if name.partition(".")[0] in PACKAGES)


def files_of(module: str, root: Path) -> list[Path]:
    """Return the Python files executed by importing `module`, including its parent packages."""
    parts = module.split(".")
    folder = root / PACKAGES[parts[0]]
    files = []
    for end in range(1, len(parts) + 1):
        module_path = folder.joinpath(*parts[:end])
        candidates = (module_path / "__init__.py", module_path.with_suffix(".py"))
        files += [path for path in candidates if path.is_file()]
    return files


def data_files(path: Path) -> list[Path]:
    """Return the scripts, styles, tables and C sources in a module's folder and its folder js."""
    kinds = {".js", ".css", ".mplstyle", ".json", ".csv", ".c", ".h"}
    files = [*path.parent.iterdir(), *(path.parent / "js").glob("*.js")]
    return [file for file in files if file.is_file() and file.suffix in kinds]


def reachable_files(source: str, root: Path) -> list[Path]:
    """Return all files of the packages that `source` imports, directly or indirectly."""
    queue = set(imported_names(source))
    names: set[str] = set()
    files: set[Path] = set()
    while queue:
        name = queue.pop()
        names.add(name)
        for path in files_of(name, root):
            if path in files:
                continue
            files.add(path)
            files.update(data_files(path))
            text = path.read_text(encoding="utf-8")
            folder = root / PACKAGES[name.partition(".")[0]]
            package = ".".join(path.parent.relative_to(folder).parts)
            queue |= imported_names(text, package)
            if "import_module" in text or "pkgutil" in text:
                # A module imported by name at run time may be any module of the package.
                queue |= {f"{package}.{sibling.stem}" for sibling in path.parent.glob("*.py")}
        queue -= names
    return sorted(files)
