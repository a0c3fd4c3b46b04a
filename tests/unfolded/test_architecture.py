"""Rules for the code: layers, permitted packages, forbidden imports, sizes, and names."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from test_repository import ROOT

from companion.build import import_graph

LIBRARY, COMPANION = ROOT / "lib" / "unfolded", ROOT / "book" / "companion"

LAYERS = (
    {"__main__"},
    {"training"},
    {"networks", "options"},
    {"runs", "recurrence"},
    {"bounds", "data", "solvers"},
    {"choices", "dictionaries", "files", "metrics", "provenance", "prox"},
    {"errors", "runtime", "seeds"},
)
"""A part of the library imports from its own layer at most itself, else from lower layers."""

THIRD_PARTY = {
    "": {"torch", "numpy", "joblib"},
    "bounds": {"torch"},
    "data": {"numpy", "pooch", "requests", "sklearn"},
    "networks": {"torch", "numpy", "safetensors"},
    "recurrence": {"torch", "numpy", "pooch", "triton"},
    "runs": {"torch", "numpy", "filelock"},
    "training": {"torch", "numpy", "tqdm", "joblib"},
}
"""The installed packages that each folder of the library may import ("": modules at the top)."""

LIMITS = {
    "companion.plots.line_plots": 8,
    "companion.plots.pixel_plots": 8,
    "companion.plots.network_diagram": 8,
    "notebooks/01_sequential_recovery": 18,
    "notebooks/02_proximal_operator": 12,
    "notebooks/21_inpainting_with_a_flow": 25,
}
"""The largest number of Python files of the library that importing a module or a page may read."""

NO_NETWORK = ("01_sequential_recovery", "02_proximal_operator", "21_inpainting_with_a_flow")
"""Pages that execute no network of the library, and do not depend on a kernel."""


def modules(package):
    """Return the files of a package by dotted name."""
    paths = {}
    for path in sorted(package.rglob("*.py")):
        parts = [package.name, *path.relative_to(package).with_suffix("").parts]
        paths[".".join(parts[: -1 if parts[-1] == "__init__" else None])] = path
    return paths


UNFOLDED = modules(LIBRARY)


def imports(path):
    """Return the dotted names that a file imports: modules, and names from modules."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def part(name):
    """Return the module or package directly below the library that a dotted name lies in."""
    return name.split(".")[1] if "." in name else ""


def test_every_part_of_the_library_imports_from_lower_layers_only():
    depth = {name: number for number, layer in enumerate(LAYERS) for name in layer}
    assert set(depth) == {part(name) for name in UNFOLDED} - {""}
    faults = []
    for name, path in UNFOLDED.items():
        for module in imports(path):
            inside = not module.startswith("unfolded.") or part(module) == part(name)
            if not inside and depth[part(module)] <= depth[part(name)]:
                faults.append(f"{name} imports {module}")
    assert faults == []
    assert len(LAYERS) <= 7


def test_no_import_cycle_in_the_library():
    used = {}
    for name, path in UNFOLDED.items():
        names = imports(path)
        known = {module if module in UNFOLDED else module.rpartition(".")[0] for module in names}
        used[name] = {module for module in known if module in UNFOLDED and module != name}
    seen, stack = set(), []

    def visit(name):
        assert name not in stack, [*stack[stack.index(name) :], name]
        if name in seen:
            return
        stack.append(name)
        for dependency in sorted(used[name]):
            visit(dependency)
        stack.pop()
        seen.add(name)

    for name in UNFOLDED:
        visit(name)


def test_the_library_imports_only_permitted_packages():
    faults = []
    for name, path in UNFOLDED.items():
        folder = part(name) if (LIBRARY / part(name)).is_dir() else ""
        for package in {module.partition(".")[0] for module in imports(path)}:
            permitted = package in sys.stdlib_module_names or package == "unfolded"
            if not permitted and package not in THIRD_PARTY[folder]:
                faults.append(f"{name} imports {package}")
    assert faults == []


FORBIDDEN = [
    ("plots", ("unfolded",), ("unfolded.errors", "unfolded.runs", "unfolded.choices")),
    ("sphinx", ("torch",), ()),
    ("labels", ("unfolded", "companion"), ()),
    ("statistics", ("companion.reproduction", "companion.plots"), ()),
]
"""Part of the companion, forbidden packages, exceptions."""


@pytest.mark.parametrize(("place", "forbidden", "permitted"), FORBIDDEN)
def test_forbidden_imports_of_the_companion(place, forbidden, permitted):
    files = [path for name, path in modules(COMPANION).items() if part(name) == place]
    assert files
    faults = [
        (path.name, name)
        for path in files
        for name in imports(path)
        if name.startswith(forbidden) and not (permitted and name.startswith(permitted))
    ]
    assert faults == []


def test_only_the_library_itself_imports_the_backends():
    files = [*modules(COMPANION).values(), *(ROOT / "workflow").glob("*.py")]
    inner = [
        (path.name, name) for path in files for name in imports(path) if ".recurrence." in name
    ]
    assert inner == []


@pytest.mark.parametrize("package", [LIBRARY, COMPANION], ids=lambda path: path.name)
def test_folders_are_small_and_module_names_are_unique(package):
    for folder in {path.parent for path in package.rglob("*.py")}:
        entries = [path for path in folder.iterdir() if path.name != "__pycache__"]
        assert len(entries) <= 20, folder
    names = [
        path.stem for path in package.rglob("*.py") if path.stem not in ("__init__", "__main__")
    ]
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize("name", LIMITS)
def test_imports_reach_few_files_of_the_library(name):
    page = ROOT / f"{name}.ipynb"
    source = import_graph.notebook_code(page) if page.is_file() else f"import {name}"
    paths = [path for path in import_graph.reachable_files(source, ROOT) if path.suffix == ".py"]
    assert len([path for path in paths if path.is_relative_to(LIBRARY)]) <= LIMITS[name]


@pytest.mark.parametrize("name", NO_NETWORK)
def test_a_page_without_a_network_does_not_depend_on_a_kernel(name):
    code = import_graph.notebook_code(Path(ROOT, "notebooks", f"{name}.ipynb"))
    assert not [path for path in import_graph.reachable_files(code, ROOT) if path.suffix == ".c"]


def test_the_library_has_at_most_its_limit_of_lines():
    lines = sum(len(path.read_text(encoding="utf-8").splitlines()) for path in UNFOLDED.values())
    assert lines <= 6500, "shorten the library, or raise the limit and say why in the commit"


ROLELESS = {"said", "found", "told", "made", "own", "held", "each", "kept", "these", "those"}
ROLELESS |= {"given", "wanted", "judged"}
"""Pronouns and participles that no variable has as its name; fields of a class may have them."""


def test_names_of_variables_state_a_role():
    folders = ("lib", "book/companion", "benchmarks", "workflow", "tests")
    files = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    faults = []
    for path in sorted([*files, *(ROOT / "notebooks").glob("*.ipynb")]):
        notebook = path.suffix == ".ipynb"
        code = import_graph.notebook_code(path) if notebook else path.read_text(encoding="utf-8")
        nodes = list(ast.walk(ast.parse(code)))
        classes = [node for node in nodes if isinstance(node, ast.ClassDef)]
        lines = [line for node in classes for line in node.body]
        fields = [line.target for line in lines if isinstance(line, ast.AnnAssign)]
        names = {node.arg for node in nodes if isinstance(node, ast.arg)}
        variables = [node for node in nodes if isinstance(node, ast.Name) and node not in fields]
        names |= {node.id for node in variables if isinstance(node.ctx, ast.Store)}
        faults += [f"{path.relative_to(ROOT)}: {name}" for name in sorted(names & ROLELESS)]
    assert not faults, "\n".join(["rename to nouns that state the role, as `output`:", *faults])


ALONE = """
import re
import sys
from importlib import metadata
from packaging.requirements import Requirement

def normal(name):
    return re.sub("[-_.]+", "-", name).lower()

def closure(name, seen):
    if normal(name) not in seen:
        seen.add(normal(name))
        for line in metadata.requires(name) or []:
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                closure(requirement.name, seen)
    return seen

permitted = closure("unfolded", set())
names = metadata.packages_distributions()
blocked = {n for n, d in names.items() if not permitted & set(map(normal, d))}
blocked -= {"packaging", "sphinx"}  # SciPy asks whether sphinx is loaded

assert {"pandas", "matplotlib", "companion"} <= blocked
sys.modules.update(dict.fromkeys(blocked))  # importing them fails
from unfolded import bounds, training
from unfolded.runs.config import RunConfig

record = training.run(RunConfig(profile="smoke", hidden=4), store=sys.argv[1], progress=False)
print(record.status, bounds.generalization_gap(0.1, eta=1.0, delta=0.05, m=8000))
"""


def test_the_library_works_with_only_its_own_dependencies(tmp_path):
    call = [sys.executable, "-c", ALONE, str(tmp_path)]
    done = subprocess.run(call, capture_output=True, text=True, timeout=250)
    assert done.stdout.startswith("done 0.33"), done.stderr
