"""All routines compute the same products; the fastest is selected and recorded."""

import itertools
import json
import os
import shutil
import subprocess
import sys
import time
import types

import pytest
import torch
from small_runs import small

from unfolded import recurrence, training
from unfolded.errors import ConfigError
from unfolded.recurrence import matmul, use
from unfolded.recurrence.backends import native, reference, selection
from unfolded.recurrence.routine_selection import fastest, selected
from unfolded.runs import records, results_table
from unfolded.runtime import cpuinfo

LAYOUTS = {
    "rows": lambda matrix: matrix,
    "columns": lambda matrix: matrix.T.contiguous().T,
    "part of the rows": lambda matrix: torch.cat([matrix, matrix], 1)[:, : matrix.shape[1]],
    "part of the columns": lambda matrix: (
        torch.cat([matrix, matrix]).T.contiguous().T[: len(matrix)]
    ),
    "every second entry": lambda matrix: matrix.repeat_interleave(2, 1)[:, ::2],
}


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache folder, with the measurement enabled."""
    monkeypatch.delenv("UNFOLDED_ROUTINE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


def _file(folder):
    (path,) = folder.rglob("routines-*.json")
    return path


class Clock:
    """A clock that only the routines of a test advance."""

    def __init__(self):
        self.seconds = 0.0

    def routine(self, *durations):
        """Return a routine whose calls take the given times in turn."""
        turns = itertools.cycle(durations)

        def run():
            self.seconds += next(turns)

        return run


@pytest.fixture
def clock(monkeypatch):
    """A clock in place of the system's."""
    clock = Clock()
    monkeypatch.setattr(time, "perf_counter", lambda: clock.seconds)
    return clock


@pytest.fixture
def routines(clock):
    """A slow and a quick routine."""
    return {"slow": clock.routine(2e-3), "quick": clock.routine(1e-3)}


CASES = list(itertools.product(("native", "gemm", "onednn"), (1, 33, 300), (7, 803)))


@pytest.mark.parametrize(("routine", "rows", "width"), CASES)
def test_every_routine_computes_the_product(routine, rows, width, normal, monkeypatch):
    monkeypatch.setenv("UNFOLDED_ROUTINE", routine)
    x, W = normal(rows, width).float(), normal(403, width).float()
    exact = x.double() @ W.double().T
    # Each entry is a sum of `width` rounded products: twice the first-order bound.
    rounding = 2 * (width + 1) * torch.finfo(torch.float32).eps
    bound = rounding * (x.abs().double() @ W.abs().double().T)
    for layout in LAYOUTS.values():
        for product in (
            matmul.matmul_nt(layout(x), layout(W)),
            matmul.prepared_matmul(layout(W), rows=rows, uses=1)(x),
            matmul.prepared_matmul(layout(W), rows=rows, uses=100)(x),
        ):
            assert product.shape == exact.shape
            assert ((product - exact).abs() <= bound).all()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_onednn_multiplies_only_complete_matrices(layout, normal, monkeypatch):
    if "onednn" not in matmul.routines():
        pytest.skip("PyTorch has no oneDNN")
    monkeypatch.setenv("UNFOLDED_ROUTINE", "onednn")
    x, W = normal(300, 803).float(), normal(403, 803).float()
    is_complete = layout in ("rows", "columns")
    assert (matmul.routine_name(x, LAYOUTS[layout](W)) == "onednn") == is_complete


@pytest.mark.parametrize("routine", ["native", "gemm", "onednn"])
def test_a_matrix_multiplies_several_matrices(routine, normal, monkeypatch):
    monkeypatch.setenv("UNFOLDED_ROUTINE", routine)
    x, W = normal(40, 20, 256).float(), normal(300, 256).float()
    for left, right in ((x, W), (x[0], W.expand(3, -1, -1)), (x[:3], W.expand(3, -1, -1))):
        assert torch.allclose(matmul.matmul_nt(left, right), left @ right.mT, atol=1e-3)


def test_threads_do_not_change_a_native_product(normal, monkeypatch, threads):
    monkeypatch.setenv("UNFOLDED_ROUTINE", "native")
    x, W = normal(100, 300).float(), normal(90, 300).float()
    product = matmul.matmul_nt(x, W)
    threads(3)
    assert torch.equal(matmul.matmul_nt(x, W), product)


def test_infinite_and_missing_values_propagate(normal, monkeypatch):
    x, W = normal(40, 300).float(), normal(90, 300).float()
    x[3, 5], x[7, 9] = torch.nan, torch.inf
    for routine in matmul.routines():
        monkeypatch.setenv("UNFOLDED_ROUTINE", routine)
        product = matmul.matmul_nt(x, W)
        assert product[3].isnan().all() and product[7].isinf().all()
        assert product[[0, 39]].isfinite().all()


def test_the_fastest_routine_is_selected_and_stored(cache, routines):
    assert fastest("stored", routines) == "quick"
    (key,) = (key for key in selected if key.startswith("stored,"))
    assert json.loads(_file(cache).read_text())[key] == "quick"


def test_a_stored_selection_is_read(cache, routines):
    fastest("first", routines)
    content = json.loads(_file(cache).read_text())
    names = {"second": "slow", "third": "unknown", "fourth": ["slow"]}
    content = {key.replace("first", new): name for key in content for new, name in names.items()}
    _file(cache).write_text(json.dumps(content))
    assert fastest("second", routines) == "slow"
    assert fastest("third", routines) == "quick"
    assert fastest("fourth", routines) == "quick"


@pytest.mark.parametrize("content", ["", "[]", "{", pytest.param("[" * 10**5, id="nested")])
def test_a_damaged_cache_is_replaced(content, cache, routines):
    fastest(f"before {content!r}", routines)
    _file(cache).write_text(content)
    assert fastest(f"after {content!r}", routines) == "quick"


def test_a_cache_that_cannot_be_written_is_ignored(cache, routines):
    (cache / "unfolded").write_text("a file in place of the folder")
    assert fastest("unwritable", routines) == "quick"


def test_a_disturbed_measurement_is_not_stored(cache, clock):
    erratic = clock.routine(1e-3, 3e-3, 3e-3)
    assert fastest("disturbed", {"erratic": erratic}) == "erratic"
    assert not list(cache.rglob("routines-*.json"))


def test_a_routine_can_be_set_by_the_variable(routines, monkeypatch):
    named = {"native": routines["slow"], "gemm": routines["quick"]}
    for name, expected in (("native", "native"), ("gemm", "gemm"), ("onednn", "native")):
        monkeypatch.setenv("UNFOLDED_ROUTINE", name)
        assert fastest("forced", named) == expected
    monkeypatch.setenv("UNFOLDED_ROUTINE", "oneDNN")
    with pytest.raises(ConfigError, match=r"UNFOLDED_ROUTINE from native, .*got 'oneDNN'"):
        fastest("forced", named)


def test_contexts_that_overlap_leave_the_default_backend():
    first, second = use("torch"), use("reference")
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert selection.chosen() == "reference"
    third = use("reference")
    third.__enter__()
    with use("torch"):
        second.__exit__(None, None, None)
        assert selection.chosen() == "torch"
    assert selection.chosen() == "reference"
    third.__exit__(None, None, None)
    assert selection.chosen() is None


@pytest.mark.parametrize("backend", selection.BACKENDS)
def test_triton_is_used_on_cuda_unless_another_backend_is_selected(backend, monkeypatch):
    rows = types.SimpleNamespace(is_cuda=True)
    monkeypatch.setattr(selection, "_on_cuda", lambda: "Triton")
    assert selection.elementwise(rows, None) == "Triton"
    monkeypatch.setattr(native, "library", lambda: "C")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    with use(backend):
        is_triton = selection.elementwise(rows, None) == "Triton"
    assert is_triton == (backend == "triton")
    monkeypatch.setattr(selection, "_on_cuda", lambda: reference)
    with pytest.raises(ConfigError, match="CUDA with Triton"), use("triton"):
        pass


def test_backend_and_settings_limit_the_routines(monkeypatch):
    with use("torch"):
        assert "native" not in matmul.routines()
    monkeypatch.setattr(torch.backends.mkldnn, "enabled", False)
    assert "onednn" not in matmul.routines()
    assert "gemm" in matmul.routines()


# Records state what computed them ---------------------------------------------------------------


NAMES = {"backend", "scan", "measurement", "decoding", "instructions"}
SETS = {"AVX-512": "avx512f", "AVX2": "avx2", "AVX": "avx", "NEON": "asimd"}
compiled = pytest.mark.skipif(native.library() is None, reason="no compiler")


def trained(tmp_path, **fields):
    record = training.run(small(**fields), store=tmp_path, progress=False)
    assert records.load(tmp_path / record.config_hash) == record
    return {name: record.provenance[name] for name in NAMES}


@compiled
def test_a_record_states_backend_routines_and_instruction_set(tmp_path):
    facts = trained(tmp_path / "native")
    assert (facts["backend"], facts["scan"]) == ("native", "C")
    assert {facts["measurement"], facts["decoding"]} <= {"native", "gemm", "onednn"}
    flags = (cpuinfo().get("flags") or cpuinfo().get("Features", "")).split()
    assert facts["instructions"] in {name for name, flag in SETS.items() if flag in flags} or (
        facts["instructions"] == "baseline"
    )


@pytest.mark.parametrize("backend", ["torch", "reference"])
def test_a_record_states_the_selected_backend(tmp_path, backend):
    with recurrence.use(backend):
        facts = trained(tmp_path)
    assert (facts["backend"], facts["scan"], facts["instructions"]) == (backend, "PyTorch", None)


def test_a_record_of_a_network_without_the_engine_states_this(tmp_path):
    facts = trained(tmp_path, positivity="free")
    assert (facts["backend"], facts["scan"]) == ("reference", "PyTorch")


@compiled
def test_short_sequences_do_not_use_the_loops_in_c():
    for length, dtype, scan in ((20, None, "C"), (1, None, "PyTorch"), (20, torch.half, "PyTorch")):
        x, A, D = (torch.zeros(*size, dtype=dtype) for size in ((64, length, 5), (2, 5), (5, 4)))
        assert recurrence.routines(x, A, D)["scan"] == scan


def test_the_columns_of_the_table_do_not_change(tmp_path, monkeypatch):
    monkeypatch.setattr(results_table, "RESULTS", tmp_path)
    record = training.run(small(), store=tmp_path / "runs", progress=False)
    assert results_table.merge([record]) == 1
    assert not NAMES & set((tmp_path / "runs.csv").read_text().splitlines()[0].split(","))


CODE = """
import torch, unfolded
for _ in range(3):
    print(unfolded.build("l1-l1-rnn", hidden=4, depth=1)(torch.zeros(9, 9, 256)).shape)
"""


@pytest.mark.parametrize(
    ("compiler", "message"),
    [
        (" ", "no C compiler cc"),
        ("false", "from the compiler no file and no message"),
        ("true", "from the compiler no file and no message"),
        ("sh -c 'echo wrong option >&2; exit 1'", "from the compiler wrong option"),
        ("absent", "[Errno 2] No such file or directory: 'absent'"),
    ],
)
def test_a_missing_compiler_is_reported_once_in_a_process(compiler, message, tmp_path):
    for name in filter(shutil.which, ("sh", "true", "false")):
        (tmp_path / name).symlink_to(shutil.which(name))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "CC": compiler,
                   "PATH": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}  # fmt: skip
    call = [sys.executable, "-c", CODE]
    done = subprocess.run(call, capture_output=True, text=True, env=environment)
    assert done.stdout.count("torch.Size([9, 9, 256])") == 3
    assert done.stderr.startswith(f"expected compiled C kernels; got: {message}; install a C")
    assert done.stderr.count("\n") == 1
