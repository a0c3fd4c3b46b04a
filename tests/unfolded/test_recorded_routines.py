"""Records state what computed them; a missing compiler is reported once."""

import os
import subprocess
import sys

import pytest
import torch
from small_runs import small

from unfolded import recurrence, training
from unfolded.recurrence.backends import native
from unfolded.runs import records, results_table
from unfolded.runtime import cpuinfo

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
    flags = {word for line in cpuinfo() if line.startswith(("flags", "Features"))
             for word in line.split()}  # fmt: skip
    assert facts["instructions"] in {name for name, flag in SETS.items() if flag in flags} or (
        facts["instructions"] == "baseline"
    )


@pytest.mark.parametrize("backend", ["torch", "reference"])
def test_a_record_states_the_backend_that_was_chosen(tmp_path, backend):
    with recurrence.use(backend):
        facts = trained(tmp_path)
    assert (facts["backend"], facts["scan"], facts["instructions"]) == (backend, "PyTorch", None)


def test_a_network_without_the_engine_is_stated(tmp_path):
    facts = trained(tmp_path, positivity="free")
    assert (facts["backend"], facts["scan"]) == ("reference", "PyTorch")


@compiled
def test_short_sequences_do_not_use_the_loops_in_c():
    for time, dtype, scan in ((20, None, "C"), (1, None, "PyTorch"), (20, torch.half, "PyTorch")):
        x, A, D = (torch.zeros(*size, dtype=dtype) for size in ((64, time, 5), (2, 5), (5, 4)))
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


def test_a_missing_compiler_is_one_line_of_a_process(tmp_path):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "CC": "",
                   "PATH": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}  # fmt: skip
    call = [sys.executable, "-c", CODE]
    done = subprocess.run(call, capture_output=True, text=True, env=environment)
    assert done.stdout.count("torch.Size([9, 9, 256])") == 3
    assert done.stderr.startswith("no compiled kernels, slower PyTorch operations serve: ")
    assert done.stderr.count("\n") == 1
