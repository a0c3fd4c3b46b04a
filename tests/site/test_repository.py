"""What the repository states about itself agrees with its contents."""

import contextlib
import inspect
import re
import shutil
import subprocess
import tomllib

import pytest
import torch
import yaml
from packaging.requirements import Requirement

from unfolded import dictionaries, networks, prox, solvers
from unfolded.provenance import ROOT
from unfolded.runs import config, grid
from unfolded.runs.config import RunConfig

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
# Packages whose name on conda-forge is not that on PyPI.
CONDA = {"torch": "pytorch"}
# Packages that conda-forge lacks: pip brings them with this one.
PIP_ONLY = {"normflows"}


BOOK = tomllib.loads((ROOT / "book" / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def requirements(*extras):
    lines = [*PROJECT["dependencies"], *BOOK["dependencies"]]
    lines.remove(PROJECT["name"])
    for extra in extras:
        lines += PROJECT["optional-dependencies"][extra]
    return [Requirement(line) for line in lines]


def test_the_table_of_contents_names_every_page():
    toc = (ROOT / "_toc.yml").read_text(encoding="utf-8")
    pages = [*ROOT.glob("notebooks/*.ipynb"), *ROOT.glob("book/*.md")]
    names = sorted(path.relative_to(ROOT).with_suffix("").as_posix() for path in pages)
    assert names == sorted(re.findall(r"(?:file|root): (\S+)", toc)), "complete _toc.yml"


def test_conda_environment_has_the_bounds_of_pyproject():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    plain = [line for line in environment["dependencies"] if isinstance(line, str)]
    specs = {re.split(r"[ <>=!]", line, maxsplit=1)[0]: line for line in plain}
    expected = {"python": f"python {PROJECT['requires-python']}", "pip": "pip"}
    for requirement in requirements():
        if requirement.name in PIP_ONLY:
            continue
        name = CONDA.get(requirement.name, requirement.name)
        expected[name] = f"{name} {requirement.specifier}"
    assert {k: spec(v) for k, v in specs.items()} == {k: spec(v) for k, v in expected.items()}
    assert environment["channels"] == ["conda-forge"]


def spec(line):
    """Return name and set of bounds, since their order and spaces say nothing."""
    name, bounds = re.fullmatch(r"([\w-]+)\s*(.*)", line).groups()
    return name, frozenset(bounds.replace(" ", "").split(","))


def test_constraints_pin_every_requirement_within_its_bounds():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    assert not any("+" in version for version in pins.values())
    normal = {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in pins.items()}
    for requirement in requirements("book", "test", "workflow"):
        name = re.sub(r"[-_.]+", "-", requirement.name).lower()
        assert normal[name] in requirement.specifier, name


def notation():
    """Return (names, shape) for each row of the notation page's tables."""
    text = (ROOT / "book" / "notation.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1:-1] for line in text.splitlines() if line.startswith("| $")]
    assert all(len(row) == 5 for row in rows)
    return [(re.findall(r"`(\w+)`", row[1]), row[2].strip()) for row in rows]


def code_names():
    """Return every public name a reader may meet: functions, parameters, fields, symbols."""
    result = set()
    for module in (prox, solvers, networks):
        for name, thing in inspect.getmembers(module):
            if inspect.isfunction(thing) and not name.startswith("_"):
                result |= {name} | set(inspect.signature(thing).parameters)
    for name in networks.names():
        net = networks.build(name, n0=16, n=5, hidden=9, depth=2)
        for method in (member for member in dir(net) if not member.startswith("_")):
            result.add(method)
        result |= set(inspect.signature(net.forward).parameters)
        if hasattr(net, "symbols"):
            result |= set(net.symbols())
    return result


def test_every_name_on_the_notation_page_is_in_the_library():
    used = {name for names, _ in notation() for name in names}
    assert used >= {"A", "D", "F", "G", "Z", "g", "c", "lambda1", "lambda2", "h0", "n", "n0"}
    assert used - code_names() == set()


def test_shapes_on_the_notation_page_equal_those_of_the_tensors():
    sizes = {"n0": 16, "n": 5, "hidden": 9, "depth": 2}
    shapes = {names[0]: shape for names, shape in notation() if names}
    seen = set()
    for name in networks.names():
        net = networks.build(name, **sizes)
        if not hasattr(net, "symbols"):
            continue
        for symbol, tensor in net.symbols().items():
            seen.add(symbol)
            words = re.findall(r"\w+", shapes[symbol])
            assert tuple(tensor.shape) == tuple(sizes[word] for word in words), (name, symbol)
    assert seen == {"A", "D", "F", "G", "Z", "g", "c", "lambda1", "lambda2", "h0"}


def test_the_page_of_differences_names_the_defaults_of_a_run():
    text = (ROOT / "book" / "differences.md").read_text(encoding="utf-8")
    usual = RunConfig(protocol="authors", profile="paper")
    for words in (
        f"`{usual.positivity}` of a free number",
        f"at {usual.lambda1:g} and {usual.lambda2:g}",
        f"batches of {usual.scale.batch}",
        f"clipped at {usual.scale.clip}",
        f"{usual.size.epochs} epochs at the profile `paper`",
        f"to {usual.scale.decay} of itself after {usual.scale.patience} epochs",
        "a learning rate of 3e-4",
    ):
        assert words in text
    assert usual.learning_rate == 3e-4


def own_texts():
    """Yield the text files that git tracks or would add, with their contents."""
    call = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    if not shutil.which("git") or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: which files belong to the repository is unknown")
    names = subprocess.run(call, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for path in map(ROOT.joinpath, names.splitlines()):
        with contextlib.suppress(UnicodeDecodeError, FileNotFoundError):
            yield path, path.read_text(encoding="utf-8")


def test_no_file_names_a_machine_or_a_package_registry():
    # Written in pieces, so that this file does not find itself.
    homes = "|".join("/" + name + "/" for name in ("home", "root", "work", "Users"))
    hosts = "|".join(("pypi" + r"\.org", "pythonhosted" + r"\.org", "download.pytorch" + r"\.org"))
    pattern = re.compile(rf"(?<![\w.}}~])(?:{homes})\w|{hosts}")
    assert {path: pattern.findall(text) for path, text in own_texts() if pattern.search(text)} == {}


def test_readme_is_short_and_names_the_commands():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 120
    for command in ("make book", "make test", "papermill notebooks/", "-p device cuda"):
        assert command in text


def test_make_help_lists_every_target():
    if not shutil.which("make"):
        pytest.skip("make is not installed")
    done = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    for target in ("env", "notebooks", "book", "pdf", "lab", "test", "lint", "clean", "help"):
        assert f"make {target} " in done.stdout


def test_make_env_refuses_an_old_python(tmp_path):
    if not shutil.which("make"):
        pytest.skip("make is not installed")
    (tmp_path / "book").mkdir()
    for name in ("Makefile", "pyproject.toml", "book/pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path / name)
    old = tmp_path / "python-old"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.9.2"\nexit 1\n')
    old.chmod(0o755)
    call = ["make", "env", f"PYTHON={old}"]
    done = subprocess.run(call, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode != 0
    assert "expected Python 3.11, 3.12 or 3.13; got Python 3.9.2" in done.stderr
    assert not (tmp_path / ".venv").exists()


def run_continuous_integration(folder, *, browser=True, failing=""):
    """Run .ci/run with a `make` that prints its target and fails for one of them."""
    (folder / ".ci").mkdir()
    script = shutil.copy(ROOT / ".ci" / "run", folder / ".ci")
    tools = folder / "bin"
    tools.mkdir()
    for name in ("bash", "dirname", "id"):
        (tools / name).symlink_to(shutil.which(name))
    for name in ("make", "slurmctld", *(["google-chrome", "chromedriver"] if browser else [])):
        (tools / name).write_text(
            '#!/bin/bash\n[ "$0" = "${0%make}" ] && exit\n'
            f'echo "target $1"; [ "$1" != "{failing}" ]\n'
        )
        (tools / name).chmod(0o755)
    call = [shutil.which("bash"), script]
    return subprocess.run(call, env={"PATH": str(tools)}, capture_output=True, text=True)


@pytest.mark.parametrize("browser", [True, False])
def test_continuous_integration_tests_the_built_book_and_prints_it_with_a_browser(
    tmp_path, browser
):
    done = run_continuous_integration(tmp_path, browser=browser)
    assert done.returncode == 0, done.stderr
    targets = re.findall("target (.*)", done.stdout)
    assert targets[:2] == ["env", "book"]
    assert sorted(targets[2:]) == (["pdf", "test"] if browser else ["test"])


@pytest.mark.parametrize("target", ["env", "book", "pdf", "test"])
def test_continuous_integration_fails_if_a_target_fails(tmp_path, target):
    assert run_continuous_integration(tmp_path, failing=target).returncode != 0


# Settings and numbers in the prose --------------------------------------------------------------


def page(name):
    return (ROOT / "book" / f"{name}.md").read_text(encoding="utf-8")


def test_the_page_of_differences_has_the_size_of_every_profile():
    rows = re.findall(r"^\| `(\w+)` \| ([\d,]+) \| (\d+) \| (\d+) \|$", page("differences"), re.M)
    rows_by_name = {name: tuple(int(v.replace(",", "")) for v in sizes) for name, *sizes in rows}
    # Other tests add a profile of their own.
    sizes = {name: vars(size) for name, size in config.PROFILES.items() if name != "small"}
    assert rows_by_name == {name: tuple(profile.values()) for name, profile in sizes.items()}


@pytest.mark.parametrize("h", grid.VARIED[2][1])
def test_the_page_of_differences_states_where_the_dictionary_is_nearly_rank_deficient(h):
    text = page("differences")
    assert (
        "hardly so at $h = 512$ and $2048$, where the smallest singular value is below 0.01" in text
    )
    D = dictionaries.overcomplete_dct(config.FRAME, h, dtype=torch.float64)
    least = torch.linalg.svdvals(D).min()
    assert 1e-4 < least < 0.01 if h in (512, 2048) else abs(least - 1) < 1e-9


def test_the_page_of_the_protocol_states_the_growth_of_fastrnn():
    cell = networks.build("fastrnn", hidden=400, depth=1).cells[0]
    with torch.no_grad():
        W, a, b = cell.weights()
        assert abs(a + b - 1) < 1e-6
        radius = torch.linalg.eigvals(W).abs().max() / 0.1 / 400**0.5
    assert abs(radius - 1) < 0.1
    largest = 0.1 * 4096**0.5
    grown = f"multiplies the norm of the state by at most {a * largest + b:.2f}, not {largest:.1f}"
    assert grown in page("protocol")


def expression(formula):
    """Return a formula of the cheat sheet in Python."""
    for tex, code in ((r"\tau_", "tau"), (r"\hbar", "hbar"), (r"\le", "<="), ("$", "")):
        formula = formula.replace(tex, code)
    return formula


def test_the_pieces_of_the_activation_on_the_cheat_sheet_equal_those_of_the_library():
    rows = re.findall(r"^\| (\$.*u.*[<>\\].*\$) \| (\$.+\$) \|$", page("cheat_sheet"), re.M)
    branches = [tuple(map(expression, row)) for row in rows if "<" in row[0] or r"\le" in row[0]
              or ">" in row[0]]  # fmt: skip
    assert len(branches) == 5
    u = torch.linspace(-6, 6, 97, dtype=torch.float64)
    for tau1, tau2, hbar in ((1.0, 0.5, 2.0), (0.3, 1.2, 1.0), (1.0, 1.0, 0.0)):
        expected = prox.prox_l1_l1(u, torch.tensor(hbar), tau1, tau2)
        for value, target in zip(u.tolist(), expected.tolist(), strict=True):
            names = {"u": value, "tau1": tau1, "tau2": tau2, "hbar": hbar}
            (piece,) = {round(eval(form, names), 9) for test, form in branches if eval(test, names)}
            assert abs(piece - target) < 1e-9
