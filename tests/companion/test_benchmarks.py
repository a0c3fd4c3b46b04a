"""The benchmarks measure what they state, and their command stores what the page reads."""

import sys
from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from companion.plots import speed_plots
from companion.speed import measurements
from companion.speed.interleaved_timing import Timing, interleave
from unfolded import networks, solvers

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT))

from benchmarks import __main__ as cli  # noqa: E402
from benchmarks import configurations, gpu, growth, inference, memory, plain, replay, step, workload  # noqa: E402
from benchmarks.records import Record  # noqa: E402

MODELS = ("reweighted-rnn", "l1-l1-rnn", "sista-rnn")
SIZES = {"n0": 256, "n": 20, "hidden": 24, "depth": 3}


# What is measured -------------------------------------------------------------------------------


@pytest.mark.parametrize("model", MODELS)
def test_the_plain_form_equals_the_network(model, normal):
    net = networks.build(model, **SIZES, lambda1=0.1, lambda2=0.05).double()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.05 * normal(*parameter.shape))
    frames = normal(3, 5, 256)
    gap = (plain.recover(net, frames) - net(frames)).abs().max()
    assert gap <= 1e-10 * (1 + net(frames).abs().max())


@pytest.mark.parametrize("model", MODELS)
def test_all_products_of_a_step_are_recorded(model):
    step = workload.Step(networks.build(model, **SIZES), workload.frames(4, 3))
    products = replay.record(step)
    with configurations.without_onednn(), FlopCounterMode(display=False) as counted:
        step()
    assert sum(product.flops for product in products) == counted.get_total_flops() > 0


def test_the_number_of_products_of_the_recurrence_agrees_with_theory():
    T, B, h, d = 5, 4, SIZES["hidden"], SIZES["depth"]
    step = workload.Step(networks.build("reweighted-rnn", **SIZES), workload.frames(B, T))
    square = [p for p in replay.record(step) if p.arguments[1].shape == (h, h)]
    forward_and_back = [p for p in square if p.arguments[0].shape == (B, h)]
    assert sum(p.flops for p in forward_and_back) == 2 * (d + 1) * T * B * 2 * h**2


def test_a_replay_makes_the_same_products_in_the_same_order():
    step = workload.Step(networks.build("reweighted-rnn", **SIZES), workload.frames(4, 3))
    products = replay.record(step)
    again = replay.record(replay.replay(products))
    assert [product.form for product in again] == [product.form for product in products]


def test_products_exclude_those_of_the_selection_of_routines(tmp_path, monkeypatch):
    monkeypatch.delenv("UNFOLDED_ROUTINE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))  # no selection is stored
    first, second = (
        replay.record(step.competitors("l1-l1-rnn", 264, workload.frames())["its products alone"])
        for _ in range(2)
    )
    assert len(first) == len(second)


def test_wide_products_are_recorded_for_every_routine():
    sizes = {**SIZES, "hidden": 768, "depth": 1}
    step = workload.Step(networks.build("reweighted-rnn", **sizes), workload.frames(2, 8))
    with configurations.without_compiled_kernels():
        products = replay.record(step)
    replay.replay(products)()
    least = speed_plots.work(time=8, depth=1, hidden=768, batch=2, n=20)
    assert sum(product.flops for product in products) >= least


@pytest.mark.parametrize("name", ["without_compiled_kernels", "without_onednn", "pytorch_alone"])
def test_a_configuration_changes_no_number_and_is_reset(name):
    net, frames = networks.build("reweighted-rnn", **SIZES), workload.frames(4, 3)
    whole = net(frames).detach()
    context = getattr(configurations, name)
    call = configurations.in_configuration(context, lambda: net(frames).detach())
    assert torch.allclose(call(), whole, rtol=1e-4, atol=1e-3)
    assert torch.equal(net(frames), whole)


def test_measured_memory_equals_allocated_memory():
    size, weight = 1_000_000, torch.ones(1, requires_grad=True)

    def forward():
        products = weight * torch.ones(size)  # one factor is kept for the gradient of the other
        return products.square().sum()  # and so is the square's argument

    used = memory.usage(forward, torch.Tensor.backward)
    assert 8 * size <= used.kept <= 8 * size + 4096
    assert used.peak >= used.kept + 4 * size
    assert 4 <= used.left <= 4096
    assert used.ratio == used.peak / used.kept


def usage(model, **sizes):
    step = growth.step(model, **sizes)
    return memory.usage(step.forward, step.backward).kept


@pytest.mark.parametrize("runs", [1, 2])
def test_recomputation_stores_fewer_bytes(runs):
    sizes = {"time": 6, "depth": 3, "hidden": 32, "batch": 8, "runs": runs}
    stored, recomputed = (
        usage("reweighted-rnn", **sizes, recompute=redo) for redo in (False, True)
    )
    assert stored - recomputed == runs * 4 * 3 * 6 * 8 * 32


def test_streamed_fista_equals_the_solver(normal):
    x, A, D = normal(2, 3, 5), normal(5, 16), normal(16, 24)
    whole = solvers.fista(x, A, D, lambda1=0.1, iterations=7).codes
    M = A @ D
    c = torch.linalg.matrix_norm(M, 2) ** 2
    for t in range(3):
        assert torch.allclose(inference.fista(x[:, t], M, c, 0.1, 7), whole[:, t], atol=1e-12)


def test_long_sequences_repeat_the_frames_in_alternating_order():
    frames = workload.frames(3, 50)
    assert frames.shape == (3, 50, 256)
    assert torch.equal(frames[:, 20:40], frames[:, :20].flip(1))
    assert torch.equal(frames[:, 40:], frames[:, :10])


def test_measurements_alternate_between_competitors():
    calls = []
    interleave({name: lambda n=name: calls.append(n) for name in "ab"}, rounds=2, warm=1)
    assert calls == list("ababab")


def test_a_ratio_is_the_median_of_ratios_within_rounds():
    slow, fast = Timing([2.0, 30.0, 4.0], [1, 2, 3]), Timing([1.0, 10.0, 4.0], [0, 0, 0])
    row = slow.row(fast)
    assert (row["ratio"], row["median_ms"], row["min_ms"], row["faults"]) == (2.0, 4e3, 2e3, 2)
    assert slow.row(fast, steps=2)["median_ms"] == 2e3


def test_the_rounds_of_two_processes_count_together():
    slow = Timing([2.0], [1]) + Timing([30.0, 4.0], [2, 3])
    fast = Timing([1.0], [0]) + Timing([10.0, 4.0], [0, 0])
    row = slow.row(fast)
    assert (row["rounds"], row["ratio"], row["faults"]) == (3, 2.0, 2)


def test_the_formula_of_states_equals_the_memory_of_the_engine():
    sizes = {"time": 6, "depth": 3, "hidden": 32, "batch": 8}
    more = speed_plots.states(**sizes | {"time": 7}) - speed_plots.states(**sizes)
    before, after = (
        usage("sista-rnn", **options, runs=1, recompute=False)
        for options in (sizes, sizes | {"time": 7})
    )
    # In addition to the states, one more frame stores its measurements and products of them.
    assert after - before == more + 4 * 8 * (51 + 256)


@pytest.mark.parametrize("model", gpu.MODELS)
def test_the_checks_for_a_gpu_pass_on_the_cpu(model):
    assert max(gpu.parity(model, torch.float64, "cpu").values()) < 1e-12
    assert max(gpu.side_by_side(model, "cpu").values()) < 1e-5
    assert max(gpu.captured(model, "cpu").values()) == 0  # call by call both times


# Records and the command line -------------------------------------------------------------------


def test_a_stored_record_is_read_with_its_provenance(results_folder):
    record = Record(results_folder / "speed" / "step.csv", allocator="kept")
    record.add({"what": "engine", "ratio": 1.0})
    record.add({"what": "plain", "model": "m", "ratio": 2.5})
    table = measurements.record("step")
    assert list(table["what"]) == ["engine", "plain"] and list(table["ratio"]) == [1.0, 2.5]
    assert set(table["allocator"]) == {"kept"}
    assert table["processor"].notna().all() and table["commit"].notna().all()
    assert [path.name for path in (results_folder / "speed").iterdir()] == ["step.csv"]


@pytest.mark.parametrize("command", ["step", "growth", "inference"])
def test_every_command_prints_a_table_that_the_page_reads(command, results_folder, capsys):
    options = ["--quick", "--threads", "1", "--commit"]
    more = ["--models", "l1-l1-rnn", "gru", "indrnn", "--machine", "intel"]
    assert cli.main([command, *options, *(more if command == "step" else [])]) == 0
    printed = capsys.readouterr().out
    assert "median_ms" in printed and "commit: " in printed
    name = "step-intel" if command == "step" else command  # another machine has its own name
    record = measurements.record(name)
    assert (record["threads"] == 1).all() and measurements.records_of(command) == [name]
    if command == "step":
        whats = {"engine", "reference", "PyTorch's module", "its products alone"}
        assert all(
            set(record[record["model"] == name]["what"]) == whats for name in ("gru", "indrnn")
        )
    if command == "growth":
        text = speed_plots.growth(record, "median_ms", speed_plots.work, ylabel="ms")[1]
        assert all(axis in text for axis in growth.USUAL)
    if command == "inference":
        assert "300 iterations" in speed_plots.recovery(record)[1]


@pytest.mark.parametrize(
    "arguments",
    ["nothing", "", "step --rounds 1", "step --threads 0", "step --hidden -3", "step --models rnn",
     "gpu --models lstm", "growth --model gru", "inference --protocol other",
     "step --commit --out x", "step --allocator mine", "step --machine ../x"],
)  # fmt: skip
def test_a_bad_argument_is_rejected_in_one_line(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments.split())
    assert ended.value.code == 2
    out, err = capsys.readouterr()
    assert not out and err.startswith("benchmarks: ") and len(err.splitlines()) == 1


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_the_cuda_command_without_cuda_reports_it_and_writes_nothing(results_folder, capsys):
    assert cli.main(["gpu", "--commit"]) == 1
    assert "expected a CUDA device; got none" in capsys.readouterr().err
    assert measurements.record("gpu") is None
