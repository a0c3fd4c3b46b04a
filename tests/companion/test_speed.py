"""The benchmarks measure what they say, and the page "How fast" says what the records say."""

import sys
from pathlib import Path

import pandas as pd
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from companion import results, speed
from companion.interleaved_timing import Timing, interleave
from companion.plots import speed_plots
from unfolded import networks, solvers
from unfolded.choices import COMPARED
from unfolded.provenance import stamp
from unfolded.runs import named_grids, results_table
from unfolded.runs.config import RunConfig

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT))

from benchmarks import __main__ as cli  # noqa: E402
from benchmarks import gpu, growth, inference, levers, memory, plain, replay, step, workload  # noqa: E402
from benchmarks.records import Record  # noqa: E402

MODELS = ("reweighted-rnn", "l1-l1-rnn", "sista-rnn")
SIZES = {"n0": 256, "n": 20, "hidden": 24, "depth": 3}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty data/results/ of the test's own."""
    monkeypatch.setattr(results, "ROOT", tmp_path)
    monkeypatch.setattr(results_table, "RESULTS", tmp_path)
    monkeypatch.setenv("UNFOLDED_RUNS", str(tmp_path / "runs"))
    return tmp_path


def write(folder, name, rows, processor="P"):
    (folder / "speed").mkdir(exist_ok=True)
    facts = {"device": "cpu", "processor": processor, "threads": 2, "torch": "2", "commit": "0123"}
    table = pd.DataFrame([{**row, **facts} for row in rows])
    table.to_csv(folder / "speed" / f"{name}.csv", index=False)


# What is measured -------------------------------------------------------------------------------


@pytest.mark.parametrize("model", MODELS)
def test_the_plain_form_is_the_network(model, normal):
    net = networks.build(model, **SIZES, lambda1=0.1, lambda2=0.05).double()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.05 * normal(*parameter.shape))
    frames = normal(3, 5, 256)
    gap = (plain.recover(net, frames) - net(frames)).abs().max()
    assert gap <= 1e-10 * (1 + net(frames).abs().max())


@pytest.mark.parametrize("model", MODELS)
def test_what_is_recorded_are_all_products_of_a_step(model):
    step = workload.Step(networks.build(model, **SIZES), workload.frames(4, 3))
    products = replay.record(step)
    with levers.without_onednn(), FlopCounterMode(display=False) as counted:
        step()
    assert sum(product.flops for product in products) == counted.get_total_flops() > 0


def test_the_products_of_the_recurrence_are_those_of_theory():
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


def test_wide_products_are_recorded_whatever_routine_serves_them():
    sizes = {**SIZES, "hidden": 768, "depth": 1}
    step = workload.Step(networks.build("reweighted-rnn", **sizes), workload.frames(2, 8))
    with levers.without_compiled_kernels():
        products = replay.record(step)
    replay.replay(products)()
    least = speed_plots.work(time=8, depth=1, hidden=768, batch=2, n=20)
    assert sum(product.flops for product in products) >= least


@pytest.mark.parametrize("name", ["without_compiled_kernels", "without_onednn", "pytorch_alone"])
def test_a_lever_changes_no_number_and_is_put_back(name):
    net, frames = networks.build("reweighted-rnn", **SIZES), workload.frames(4, 3)
    whole = net(frames).detach()
    call = levers.under(getattr(levers, name), lambda: net(frames).detach())
    assert torch.allclose(call(), whole, rtol=1e-4, atol=1e-3)
    assert torch.equal(net(frames), whole)


def test_memory_is_what_was_allocated():
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
def test_recomputing_keeps_fewer_bytes(runs):
    sizes = {"time": 6, "depth": 3, "hidden": 32, "batch": 8, "runs": runs}
    stored, recomputed = (
        usage("reweighted-rnn", **sizes, recompute=redo) for redo in (False, True)
    )
    assert stored - recomputed == runs * 4 * 3 * 6 * 8 * 32


def test_streams_of_fista_are_those_of_the_solver(normal):
    x, A, D = normal(2, 3, 5), normal(5, 16), normal(16, 24)
    whole = solvers.fista(x, A, D, lambda1=0.1, iterations=7).codes
    M = A @ D
    c = torch.linalg.matrix_norm(M, 2) ** 2
    for t in range(3):
        assert torch.allclose(inference.fista(x[:, t], M, c, 0.1, 7), whole[:, t], atol=1e-12)


def test_long_sequences_run_to_and_fro():
    frames = workload.frames(3, 50)
    assert frames.shape == (3, 50, 256)
    assert torch.equal(frames[:, 20:40], frames[:, :20].flip(1))
    assert torch.equal(frames[:, 40:], frames[:, :10])


def test_competitors_take_turns():
    calls = []
    interleave({name: lambda n=name: calls.append(n) for name in "ab"}, rounds=2, warm=1)
    assert calls == list("ababab")


def test_a_ratio_is_the_median_of_ratios_within_rounds():
    slow, fast = Timing([2.0, 30.0, 4.0], [1, 2, 3]), Timing([1.0, 10.0, 4.0], [0, 0, 0])
    row = slow.row(fast)
    assert (row["ratio"], row["median_ms"], row["min_ms"], row["faults"]) == (2.0, 4e3, 2e3, 2)
    assert slow.row(fast, steps=2)["median_ms"] == 2e3


# Records and the command line -------------------------------------------------------------------


def test_a_record_comes_back_with_its_origin(folder):
    record = Record(folder / "speed" / "step.csv", allocator="kept")
    record.add({"what": "engine", "ratio": 1.0})
    record.add({"what": "plain", "model": "m", "ratio": 2.5})
    table = speed.record("step")
    assert list(table["what"]) == ["engine", "plain"] and list(table["ratio"]) == [1.0, 2.5]
    assert set(table["allocator"]) == {"kept"}
    assert table["processor"].notna().all() and table["commit"].notna().all()
    assert [path.name for path in (folder / "speed").iterdir()] == ["step.csv"]


@pytest.mark.parametrize("command", ["step", "growth", "inference"])
def test_every_command_prints_a_table_that_the_page_reads(command, folder, capsys):
    options = ["--quick", "--threads", "1", "--commit"]
    more = ["--models", "l1-l1-rnn", "gru", "indrnn", "--machine", "intel"]
    assert cli.main([command, *options, *(more if command == "step" else [])]) == 0
    printed = capsys.readouterr().out
    assert "median_ms" in printed and "commit: " in printed
    name = "step-intel" if command == "step" else command  # another machine has its own name
    record = speed.record(name)
    assert (record["threads"] == 1).all() and speed.records_of(command) == [name]
    if command == "step":
        whats = {"engine", "reference", "PyTorch's module", "its products alone"}
        assert all(
            set(record[record["model"] == name]["what"]) == whats for name in ("gru", "indrnn")
        )
    if command == "growth":
        said = speed_plots.growth(record, "median_ms", speed_plots.work, ylabel="ms")[1]
        assert all(axis in said for axis in growth.USUAL)
    if command == "inference":
        assert "300 iterations" in speed_plots.recovery(record)[1]


@pytest.mark.parametrize(
    "arguments",
    ["nothing", "", "step --rounds 1", "step --threads 0", "step --hidden -3", "step --models rnn",
     "gpu --models lstm", "growth --model gru", "inference --protocol other",
     "step --commit --out x", "step --allocator mine", "step --machine ../x"],
)  # fmt: skip
def test_a_bad_argument_is_refused_in_one_line(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments.split())
    assert ended.value.code == 2
    out, err = capsys.readouterr()
    assert not out and err.startswith("benchmarks: ") and len(err.splitlines()) == 1


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_without_cuda_the_command_for_it_says_so_and_writes_nothing(folder, capsys):
    assert cli.main(["gpu", "--commit"]) == 1
    assert "expected a CUDA device; got none" in capsys.readouterr().err
    assert speed.record("gpu") is None


# The page ---------------------------------------------------------------------------------------


def test_without_records_everything_is_not_run(folder, capsys):
    for name in ("step", "growth", "inference", "gpu"):
        assert speed.record(name) is None and "not run" in speed.origin(name)
    assert "--allocator system --commit" in speed.origin("step-system")
    assert set(speed.targets()["met"]) == set(speed.gpu()["met"]) == {speed.NOT_RUN}
    assert speed.NOT_RUN in speed.verdict()
    for table in (speed.step_times(), speed.variants(), speed.products_summary(), speed.gpu_rows()):
        assert (table == speed.NOT_RUN).all(axis=None) and len(table) == 1
    assert set(speed.memory_target()["met"]) == {speed.compile_seconds()} == {speed.NOT_RUN}
    for table in (speed.memory(), speed.recovery()):
        assert (table == speed.NOT_RUN).all(axis=None) and len(table) == 1
    for show in ("show_times", "show_memory", "show_recovery", "show_ratios"):
        getattr(speed_plots, show)()
    assert capsys.readouterr().out.split("\n") == [*[speed.NOT_RUN] * 4, ""]


def test_targets_are_compared_with_ratios_of_the_record(folder):
    ratios = {"engine": 1.0, "plain": 2.5, "lstm": 2.5, "gru": 9.0, "its products alone": 0.5}
    size = {"model": "reweighted-rnn", "hidden": 256}
    write(folder, "step", [{"what": name, "ratio": r, **size} for name, r in ratios.items()])
    table = speed.targets()
    assert len(table) == 9 * 2 * 3 and set(table["model"]) == set(COMPARED)
    rows = table.query("model == 'reweighted-rnn' and h == 256").set_index("ratio")
    expected = {"plain / ours": 2.5, "ours / its products": 2.0, "ours / PyTorch's module": 0.4}
    assert rows["measured"].to_dict() == expected
    assert list(rows["met"]) == ["no", "no", "yes"]
    assert set(speed.targets().query("h == 1024")["met"]) == {speed.NOT_RUN}
    assert set(speed.targets("step-system")["met"]) == {speed.NOT_RUN}
    assert "P, 2 threads" in speed.origin("step")
    row = speed.target_table().query("network == 'reweighted-RNN' and h == 256").iloc[0]
    assert list(row)[2:] == ["2.50 (≥ 2.6) ✗", "2.00 (≤ 1.3) ✗", "0.40 (≤ 0.6) ✓"]


def test_a_stacked_network_is_compared_with_its_module_and_with_the_reference(folder):
    ratios = {"engine": 1.0, "reference": 2.0, "PyTorch's module": 4.0, "its products alone": 1.0}
    size = {"model": "gru", "hidden": 1024}
    rows = [{"what": name, "ratio": r, "median_ms": r, **size} for name, r in ratios.items()]
    write(folder, "step", rows)
    targets = speed.targets().query("model == 'gru' and h == 1024")
    assert list(targets["measured"]) == [2.0, 1.0, 0.25] and set(targets["met"]) == {"yes"}
    assert list(targets["target"]) == ["≥ 1.5", "≤ 1.15", "≤ 0.75"]


def test_the_summary_of_routines_counts_the_fastest(folder):
    times = {"4": (1.0, 1.2), "5": (1.0, 0.98), "6": (1.0, 0.5)}
    rows = [
        {"what": routine, "selected": routine == "native", "ratio": ratio, "layouts": "nn"}
        | {"rows": size, "inner": 2, "columns": 3}
        for size, ratios in times.items()
        for routine, ratio in zip(("native", "gemm"), ratios, strict=True)
    ]
    write(folder, "products", rows)
    write(folder, "products-intel", rows[:2], "Q(R) Processor")
    assert speed.products_summary().to_numpy().tolist() == [
        ["P", "native", 3, 1, 2, 2.0, ""],
        ["P", "all", 3, 1, 2, 2.0, "no"],
        ["Q", "native", 1, 1, 1, 1.0, ""],
        ["Q", "all", 1, 1, 1, 1.0, "yes"],
    ]


def test_records_of_two_machines_are_compared(folder, capsys):
    assert speed.NOT_RUN in speed.compare_machines()
    size = {"model": "gru", "hidden": 256, "median_ms": 1.0}
    product = {"layouts": "nn", "rows": 1, "inner": 2, "columns": 3, "ratio": 1.0}
    for end, machine, ratio in (("", "P", 2.0), ("-intel", "Q", 0.5)):
        ratios = {"engine": 1.0, "its products alone": ratio}
        rows = [{"what": name, "ratio": value, **size} for name, value in ratios.items()]
        write(folder, f"step{end}", rows, machine)
        chosen = {"what": "gemm" if end else "native", "selected": True}
        write(folder, f"products{end}", [product | chosen], machine)
    said = speed.compare_machines()
    assert "on P, `gemm` is selected for 0 of 1 products" in said and "in 1 of 1 cases; " in said
    assert "on Q, `gemm` is selected for 1 of 1 products" in said and "in 0 of 1 cases. " in said
    assert "\n- **P:** " in speed.verdict() and "\n- **Q:** " in speed.verdict()
    here = speed.processor(pd.DataFrame([stamp()]))
    write(folder, "step-intel", [{"what": "engine", **size, "model": "reweighted-rnn"}], here)
    measured = pd.DataFrame({"median_ms": [1.0]})
    assert f"in the record above ({here})" in speed.compare_with_record(measured)


def test_memory_is_told_for_a_step_and_for_a_sample(folder):
    sizes = {128: (10, 20), 256: (20, 32)}
    rows = [
        {"axis": "batch", "batch": batch, "recompute": False, "kept": storage, "peak": peak}
        | {"peak_to_kept": peak / storage}
        for batch, (storage, peak) in sizes.items()
    ]
    write(folder, "growth", rows)
    targets = speed.memory_target()
    assert list(targets["measured"]) == [1.6, 1.2] and list(targets["met"]) == ["no", "yes"]


def test_the_verdict_counts_the_targets(folder):
    ratios = {"engine": 1.0, "plain": 2.7, "lstm": 2.5, "its products alone": 0.5}
    sizes = [{"model": "reweighted-rnn", "hidden": hidden} for hidden in (256, 1024)]
    rows = [
        {"what": name, "ratio": r, "median_ms": r, **s} for s in sizes for name, r in ratios.items()
    ]
    write(folder, "step", rows)
    assert speed.verdict() == (
        "A training step, by network and width:\n\n- **P:** less time than with PyTorch's module "
        "in 2 of 2 cases; 4 targets met (4 of 6 for unfolded networks, 0 of 0 for stacked "
        "networks) and 2 missed; 48 not measured."
    )
    assert speed.verdict("step-system").endswith(f"- {speed.NOT_RUN}.")
    times = speed.step_times()
    assert list(times["h"]) == [256, 1024]
    assert list(times["ours (ms)"]) == [1.0, 1.0] and list(times["plain (ms)"]) == [2.7, 2.7]
    alt = speed_plots.ratios({"P": speed.targets()})[1]
    assert "P, h = 256, plain PyTorch: slower for 1 of 1, 1 targets met" in alt


def test_a_record_of_a_gpu_may_hold_failures_alone(folder):
    parity = {"what": "parity", "model": "sista-rnn", "dtype": "float64"}
    write(folder, "gpu", [parity | {"failed": "RuntimeError: none"}])
    assert set(speed.gpu()["met"]) == {speed.NOT_RUN}
    missing = dict.fromkeys(speed.gpu_rows().columns, "–")
    failed = {"failed": "RuntimeError: none"}
    assert speed.gpu_rows().iloc[0].to_dict() == missing | parity | failed


def test_work_is_linear_but_for_the_width():
    usual = {"time": 20, "depth": 3, "hidden": 1024, "batch": 32}
    assert speed_plots.work(**usual) / 1e9 == pytest.approx(17, abs=0.5)  # the floor of one step
    for name in ("time", "batch"):
        assert speed_plots.work(**usual | {name: 2 * usual[name]}) == 2 * speed_plots.work(**usual)
    assert speed_plots.work(**usual, runs=8) == 8 * speed_plots.work(**usual)
    assert speed_plots.work(**usual | {"hidden": 10**6}) == pytest.approx(
        100 * speed_plots.work(**usual | {"hidden": 10**5}), rel=1e-2
    )


def test_states_are_what_the_engine_stores():
    sizes = {"time": 6, "depth": 3, "hidden": 32, "batch": 8}
    more = speed_plots.states(**sizes | {"time": 7}) - speed_plots.states(**sizes)
    before, after = (
        usage("sista-rnn", **options, runs=1, recompute=False)
        for options in (sizes, sizes | {"time": 7})
    )
    # Beside the states a frame more keeps its measurements and what is made of them.
    assert after - before == more + 4 * 8 * (51 + 256)


def test_the_tables_take_as_long_as_their_runs_on_a_gpu_together():
    base = RunConfig(profile="paper", source="mnist")
    rows = [
        {"status": "done", "device": "NVIDIA H200", "config_hash": run.hash, "seconds": 20.0}
        for run in named_grids.named("tables", base)
    ]
    other = {"status": "done", "device": "NVIDIA H200", "config_hash": "another", "seconds": 1e9}
    assert speed.minutes_of_the_tables(pd.DataFrame([*rows, other])) == 45.0
    assert speed.minutes_of_the_tables(pd.DataFrame(rows[1:])) is None
    assert (
        speed.minutes_of_the_tables(pd.DataFrame([rows[0] | {"device": "cpu"}, *rows[1:]])) is None
    )


def test_a_look_at_this_machine_compares_two_ways(monkeypatch):
    table = speed.measure_step(hidden=8, rounds=2)
    assert list(table["what"]) == ["engine", "solver's steps"]
    assert table["times ours"].iloc[0] == 1.0


@pytest.mark.parametrize("model", gpu.MODELS)
def test_the_checks_that_a_gpu_will_meet_hold_here(model):
    assert max(gpu.parity(model, torch.float64, "cpu").values()) < 1e-12
    assert max(gpu.side_by_side(model, "cpu").values()) < 1e-5
    assert max(gpu.captured(model, "cpu").values()) == 0  # call by call both times
