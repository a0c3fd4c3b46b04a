"""The page on speed agrees with the records."""

import pandas as pd
import pytest

from companion.plots import speed_plots
from companion.speed import measurements, targets
from companion.speed.measurements import NOT_RUN
from unfolded.choices import COMPARED
from unfolded.provenance import stamp
from unfolded.runs import named_grids
from unfolded.runs.config import RunConfig


def write(folder, name, rows, processor="P"):
    (folder / "speed").mkdir(exist_ok=True)
    facts = {"device": "cpu", "processor": processor, "threads": 2, "torch": "2", "commit": "0123"}
    table = pd.DataFrame([{**row, **facts} for row in rows])
    table.to_csv(folder / "speed" / f"{name}.csv", index=False)


def test_every_target_without_records_is_not_run(results_folder, capsys):
    for name in ("step", "growth", "inference", "gpu"):
        assert measurements.record(name) is None and "not run" in measurements.origin(name)
    assert "--allocator system --commit" in measurements.origin("step-system")
    assert set(targets.step_targets()["met"]) == set(targets.gpu()["met"]) == {NOT_RUN}
    assert NOT_RUN in targets.verdict()
    for table in ("step_times", "variants", "products_summary", "gpu_rows", "memory", "recovery"):
        rows = getattr(measurements, table)()
        assert (rows == NOT_RUN).all(axis=None) and len(rows) == 1
    assert set(targets.memory_target()["met"]) == {measurements.compile_seconds()} == {NOT_RUN}
    for show in ("show_times", "show_memory", "show_recovery", "show_ratios"):
        getattr(speed_plots, show)()
    assert capsys.readouterr().out.split("\n") == [*[NOT_RUN] * 4, ""]


def test_targets_are_compared_with_ratios_of_the_record(results_folder):
    ratios = {"engine": 1.0, "plain": 2.5, "lstm": 2.5, "gru": 9.0, "its products alone": 0.5}
    size = {"model": "reweighted-rnn", "hidden": 256}
    write(
        results_folder, "step", [{"what": name, "ratio": r, **size} for name, r in ratios.items()]
    )
    table = targets.step_targets()
    assert len(table) == 9 * 2 * 3 and set(table["model"]) == set(COMPARED)
    rows = table.query("model == 'reweighted-rnn' and h == 256").set_index("ratio")
    expected = {"plain / ours": 2.5, "ours / its products": 2.0, "ours / PyTorch's module": 0.4}
    assert rows["measured"].to_dict() == expected
    assert list(rows["met"]) == ["no", "no", "yes"]
    assert set(targets.step_targets().query("h == 1024")["met"]) == {NOT_RUN}
    assert set(targets.step_targets("step-system")["met"]) == {NOT_RUN}
    assert "P, 2 threads" in measurements.origin("step")
    row = targets.target_table().query("network == 'reweighted-RNN' and h == 256").iloc[0]
    assert list(row)[2:] == ["2.50 (≥ 2.6) ✗", "2.00 (≤ 1.3) ✗", "0.40 (≤ 0.6) ✓"]


def test_a_stacked_network_is_compared_with_its_module_and_with_the_reference(results_folder):
    ratios = {"engine": 1.0, "reference": 2.0, "PyTorch's module": 4.0, "its products alone": 1.0}
    size = {"model": "gru", "hidden": 1024}
    rows = [{"what": name, "ratio": r, "median_ms": r, **size} for name, r in ratios.items()]
    write(results_folder, "step", rows)
    compared = targets.step_targets().query("model == 'gru' and h == 1024")
    assert list(compared["measured"]) == [2.0, 1.0, 0.25] and set(compared["met"]) == {"yes"}
    assert list(compared["target"]) == ["≥ 1.5", "≤ 1.15", "≤ 0.75"]


def test_the_summary_of_routines_counts_the_fastest(results_folder):
    times = {"4": (1.0, 1.2), "5": (1.0, 0.98), "6": (1.0, 0.5)}
    rows = [
        {"what": routine, "selected": routine == "native", "ratio": ratio, "layouts": "nn"}
        | {"rows": size, "inner": 2, "columns": 3}
        for size, ratios in times.items()
        for routine, ratio in zip(("native", "gemm"), ratios, strict=True)
    ]
    write(results_folder, "products", rows)
    write(results_folder, "products-intel", rows[:2], "Q(R) Processor")
    assert measurements.products_summary().to_numpy().tolist() == [
        ["P", "native", 3, 1, 2, 2.0, ""],
        ["P", "all", 3, 1, 2, 2.0, "no"],
        ["Q", "native", 1, 1, 1, 1.0, ""],
        ["Q", "all", 1, 1, 1, 1.0, "yes"],
    ]


def test_records_of_two_machines_are_compared(results_folder, capsys):
    assert NOT_RUN in targets.compare_machines()
    size = {"model": "gru", "hidden": 256, "median_ms": 1.0}
    product = {"layouts": "nn", "rows": 1, "inner": 2, "columns": 3, "ratio": 1.0}
    for end, machine, ratio in (("", "P", 2.0), ("-intel", "Q", 0.5)):
        ratios = {"engine": 1.0, "its products alone": ratio}
        rows = [{"what": name, "ratio": value, **size} for name, value in ratios.items()]
        write(results_folder, f"step{end}", rows, machine)
        chosen = {"what": "gemm" if end else "native", "selected": True}
        write(results_folder, f"products{end}", [product | chosen], machine)
    text = targets.compare_machines()
    assert "on P, `gemm` is selected for 0 of 1 products" in text and "in 1 of 1 cases; " in text
    assert "on Q, `gemm` is selected for 1 of 1 products" in text and "in 0 of 1 cases. " in text
    assert "\n- **P:** " in targets.verdict() and "\n- **Q:** " in targets.verdict()
    here = stamp()["processor"]
    write(
        results_folder, "step-intel", [{"what": "engine", **size, "model": "reweighted-rnn"}], here
    )
    measured = pd.DataFrame({"median_ms": [1.0]})
    assert f"in the record above, on {here}" in measurements.compare_with_record(measured)


def test_memory_is_reported_for_a_step_and_for_a_sample(results_folder):
    sizes = {128: (10, 20), 256: (20, 32)}
    rows = [
        {"axis": "batch", "batch": batch, "recompute": False, "kept": storage, "peak": peak}
        | {"peak_to_kept": peak / storage}
        for batch, (storage, peak) in sizes.items()
    ]
    write(results_folder, "growth", rows)
    compared = targets.memory_target()
    assert list(compared["measured"]) == [1.6, 1.2] and list(compared["met"]) == ["no", "yes"]


def test_the_verdict_counts_the_targets(results_folder):
    ratios = {"engine": 1.0, "plain": 2.7, "lstm": 2.5, "its products alone": 0.5}
    sizes = [{"model": "reweighted-rnn", "hidden": hidden} for hidden in (256, 1024)]
    rows = [
        {"what": name, "ratio": r, "median_ms": r, **s} for s in sizes for name, r in ratios.items()
    ]
    write(results_folder, "step", rows)
    assert targets.verdict() == (
        "A training step, by network and width (PyTorch's module for an unfolded network is "
        "nn.LSTM with two layers):\n\n- **P:** less time than with PyTorch's module "
        "in 2 of 2 cases; 4 targets met (4 of 6 for unfolded networks, 0 of 0 for stacked "
        "networks) and 2 missed; 48 not measured."
    )
    assert targets.verdict("step-system").endswith(f"- {NOT_RUN}.")
    times = measurements.step_times()
    assert list(times["h"]) == [256, 1024]
    assert list(times["ours (ms)"]) == [1.0, 1.0] and list(times["plain (ms)"]) == [2.7, 2.7]
    alt = speed_plots.ratios({"P": targets.step_targets()})[1]
    assert "P, h = 256, plain PyTorch: slower for 1 of 1, 1 targets met" in alt


def test_a_record_of_a_gpu_may_contain_only_failures(results_folder):
    parity = {"what": "parity", "model": "sista-rnn", "dtype": "float64"}
    write(results_folder, "gpu", [parity | {"failed": "RuntimeError: none"}])
    assert set(targets.gpu()["met"]) == {NOT_RUN}
    missing = dict.fromkeys(measurements.gpu_rows().columns, "–")
    failed = {"failed": "RuntimeError: none"}
    assert measurements.gpu_rows().iloc[0].to_dict() == missing | parity | failed


def test_work_is_linear_in_all_sizes_except_the_width():
    usual = {"time": 20, "depth": 3, "hidden": 1024, "batch": 32}
    assert speed_plots.work(**usual) / 1e9 == pytest.approx(17, abs=0.5)  # the floor of one step
    for name in ("time", "batch"):
        assert speed_plots.work(**usual | {name: 2 * usual[name]}) == 2 * speed_plots.work(**usual)
    assert speed_plots.work(**usual, runs=8) == 8 * speed_plots.work(**usual)
    assert speed_plots.work(**usual | {"hidden": 10**6}) == pytest.approx(
        100 * speed_plots.work(**usual | {"hidden": 10**5}), rel=1e-2
    )


def test_the_time_of_the_tables_is_the_sum_of_their_runs_on_a_gpu():
    base = RunConfig(profile="paper", source="mnist")
    rows = [
        {"status": "done", "device": "NVIDIA H200", "config_hash": run.hash, "seconds": 20.0}
        for run in named_grids.named("tables", base)
    ]
    other = {"status": "done", "device": "NVIDIA H200", "config_hash": "another", "seconds": 1e9}
    assert targets.minutes_of_the_tables(pd.DataFrame([*rows, other])) == 45.0
    assert targets.minutes_of_the_tables(pd.DataFrame(rows[1:])) is None
    on_cpu = pd.DataFrame([rows[0] | {"device": "cpu"}, *rows[1:]])
    assert targets.minutes_of_the_tables(on_cpu) is None


def test_a_measurement_on_this_machine_compares_two_methods(monkeypatch):
    table = measurements.measure_step(hidden=8, rounds=2)
    assert list(table["what"]) == ["engine", "solver's steps"]
    assert table["times ours"].iloc[0] == 1.0


@pytest.mark.parametrize("ratio", [1.1, 3.5])
@pytest.mark.parametrize("name", measurements.records_of("step"))
def test_a_time_far_from_the_record_of_this_machine_is_explained(monkeypatch, name, ratio):
    record = measurements.record(name)
    monkeypatch.setattr(measurements, "stamp", lambda: record.iloc[0].to_dict())
    engine = record.query("what == 'engine' and model == 'reweighted-rnn' and hidden == 256")
    before = engine["median_ms"].item()
    sentence = measurements.compare_with_record(pd.DataFrame({"median_ms": [before * ratio, 1.0]}))
    assert ("Possible causes" in sentence) == (ratio > measurements.UNUSUAL_FACTOR)
    assert f"{before:.1f} ms in the record" in sentence
