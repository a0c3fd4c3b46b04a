"""The effect of memory: evaluation without state, stored values, and repeated evaluations."""

import io
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from small_runs import small

from companion import results
from companion.reproduction import linear_baseline, memory_evaluation, memory_value
from companion.reproduction.memory_evaluation import conditions, evaluate, permute_frames
from companion.reproduction.memory_value import CONDITIONS, Outcomes
from unfolded import training
from unfolded.errors import RecordError
from unfolded.networks import build
from unfolded.runs import input_frames, records, results_table

PLAN = [small(seed=0), small(seed=1), small(seed=0, memory="off"), small("gru")]
PLAN += [small("l1-l1-rnn", lambda1=0.003, lambda2=0.02)]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A folder with a few finished runs of a second."""
    folder = tmp_path_factory.mktemp("runs")
    for run in PLAN:
        training.run(run, store=folder, progress=False)
    return folder


@pytest.fixture
def table(tmp_path, monkeypatch):
    """The path of a table that is not the repository's."""
    linear_baseline.stored_baselines()  # read while it can be found
    monkeypatch.setattr(results_table, "RESULTS", tmp_path)
    return tmp_path / memory_value.TABLE


@pytest.fixture
def tested(store, table):
    list(memory_evaluation.update(small(), store))
    return Outcomes.committed(hidden=9)


@pytest.fixture(scope="module")
def frames():
    return input_frames.load(small()).test


def network(**fields):
    run = small(**fields)
    return build(**run.network()).requires_grad_(False)


@pytest.mark.parametrize("model", ["reweighted-rnn", "l1-l1-rnn", "sista-rnn"])
def test_a_network_without_a_recurrent_link_ignores_the_past(model, frames):
    _, errors = evaluate(network(model=model, memory="off"), frames, 255.0)
    for name in CONDITIONS[1:]:
        assert np.allclose(errors[name], errors["as_trained"], rtol=1e-5)


@pytest.mark.parametrize(("model", "peak"), [("reweighted-rnn", 255.0), ("gru", 1.0)])
def test_a_network_with_a_recurrent_link_depends_on_the_past(model, peak, frames):
    _, errors = evaluate(network(model=model), frames * (peak / 255), peak)
    assert not np.allclose(errors["without_state"], errors["as_trained"], rtol=1e-5)
    assert not np.allclose(errors["shuffled"], errors["as_trained"], rtol=1e-5)


@pytest.mark.parametrize("model", ["reweighted-rnn", "srnn"])
def test_shuffling_equal_frames_does_not_change_the_errors(model, frames):
    still = frames[:, :1].expand_as(frames).contiguous()
    _, errors = evaluate(network(model=model), still, 255.0)
    assert np.allclose(errors["shuffled"], errors["as_trained"], rtol=1e-6)


def test_a_network_without_state_treats_every_frame_as_the_first(frames):
    outputs = conditions(network(), frames)
    whole, single = (outputs[name][0][1] for name in CONDITIONS[:2])
    assert torch.allclose(single[:, 0], whole[:, 0], atol=1e-3)
    turned = conditions(network(), frames.flip(1))["without_state"][0][1]
    assert torch.allclose(turned.flip(1), single, atol=1e-3)


def test_permutations_contain_all_frames_and_differ(frames):
    first, second = permute_frames(frames, 0), permute_frames(frames, 1)
    assert torch.equal(first, permute_frames(frames, 0)) and not torch.equal(first, second)
    assert not torch.equal(first, frames)
    for mixed in (first, second):
        assert torch.equal(mixed.sum(2).sort(1).values, frames.sum(2).sort(1).values)


def test_stored_values_equal_those_of_the_record(store, tested):
    assert set(tested.runs["config_hash"]) == {run.hash for run in PLAN}
    for run in PLAN:
        record = records.load(records.folder_of(run, store))
        errors = tested.errors[run.hash]["as_trained"]
        assert np.allclose(errors, record.sequence_mse, rtol=1e-3)
        row = tested.runs.set_index("config_hash").loc[run.hash]
        assert row["psnr_authors_as_trained"] == pytest.approx(
            record.metrics["psnr_authors"], abs=1e-3
        )
        assert (row["model"], row["memory"]) == (run.model, run.memory)


def test_a_run_is_tested_once_and_again_after_a_change(store, tested, table):
    before = table.read_bytes()
    assert list(memory_evaluation.update(small(), store)) == [] and table.read_bytes() == before
    rows = pd.read_csv(io.BytesIO(before), dtype=str)
    rows.loc[rows["config_hash"] == PLAN[0].hash, "weights_sha256"] = "of other weights"
    rows.to_csv(table, index=False)
    again = list(memory_evaluation.update(small(), store))
    assert [row["config_hash"] for row in again] == [PLAN[0].hash]
    assert len(results.load_table(memory_value.TABLE)) == len(PLAN)


def test_only_runs_of_the_protocol_are_eligible(store):
    runs = results.collect(store)
    assert len(memory_evaluation.eligible_runs(runs, small())) == len(PLAN)
    assert memory_evaluation.eligible_runs(runs, small(reduction="bilinear")).empty
    assert memory_evaluation.eligible_runs(runs, small(hidden=8)).empty
    assert memory_evaluation.eligible_runs(runs.assign(lambda2=0.0), small()).empty


def test_frames_of_another_source_are_rejected(store):
    row = records.load(records.folder_of(PLAN[0], store)).row() | {"data_sha256": "0" * 64}
    with pytest.raises(RecordError, match="frames 000000000000"):
        memory_evaluation.evaluate_run(records.folder_of(PLAN[0], store), row, {})


def test_the_summary_has_a_row_for_each_network_and_initial_lambda(tested):
    rows = memory_value.summary(tested).set_index("network")
    assert list(rows["seeds"]) == [2, 1, 1, 1]
    ours = rows.loc["reweighted-RNN, λ from (1, 0.01)"]
    gap = ours["without_state"] - ours["as_trained"]
    assert ours["past"] == pytest.approx(gap) and ours["past_low"] <= gap <= ours["past_high"]
    without = rows.loc["reweighted-RNN, λ from (1, 0.01), trained without memory"]
    assert without["past"] == pytest.approx(0, abs=0.01) == without["order"]


def test_networks_trained_without_the_link_are_paired_by_seed(tested):
    (row,) = memory_value.compare_with_no_link(tested).to_dict("records")
    errors = [tested.errors[run.hash]["as_trained"] for run in (PLAN[0], PLAN[2])]
    gap = np.mean(10 * np.log10(errors[1] / errors[0]))
    assert row["mean"] == pytest.approx(gap) and row["seeds"] == 1
    rows = memory_value.compare_with_no_link(tested)
    text = memory_value.describe_link(rows.assign(mean=1.5, low=1.0, high=2.0))
    assert text.startswith("With the link, PSNR is higher in 1 of 1 row, by the intervals: ")
    assert text.endswith("reweighted-RNN, λ from (1, 0.01) +1.50 dB.")
    assert "has not been run" in memory_value.describe_link(rows[:0])


def test_missing_runs_are_named(tested):
    left = memory_value.missing_networks(tested)
    assert "reweighted-RNN, λ from (1, 0.01)" not in left and "GRU" not in left
    assert {"LSTM", "SISTA-RNN, λ from (0.003, 0.02), trained without memory"} <= set(left)
    assert len(left) == 3 * 4 + 6 - 4


def test_the_tables_without_stored_values_are_empty(table):
    nothing = Outcomes.committed()
    assert memory_value.summary(nothing.trained()).empty and nothing.untrained().runs.empty
    assert memory_value.compare_with_no_link(nothing).empty
    assert len(memory_value.missing_networks(nothing)) == 18


def test_runs_at_the_mean_frame_are_listed_separately(tested, monkeypatch):
    level = tested.runs["psnr_authors_as_trained"].min()
    monkeypatch.setattr(memory_value, "did_not_train", lambda runs: runs["psnr_authors"] <= level)
    apart, rest = tested.untrained().runs, tested.trained().runs
    assert len(apart) == 1 and len(rest) == len(PLAN) - 1


def test_the_figure_has_a_line_for_each_row_and_the_command_names_each_run(store, table, capsys):
    arguments = ["--store", str(store), "--profile", "small", "--source", "digits", "--hidden", "9"]
    assert memory_evaluation.main(arguments) == 0
    output = capsys.readouterr().out
    assert all(run.hash in output for run in PLAN)
    rows = memory_value.summary(Outcomes.committed(hidden=9))
    (ax,) = memory_value.draw_changes(rows).axes
    assert [tick.get_text() for tick in ax.get_yticklabels()] == [
        name.replace(", λ", ",\nλ") for name in rows.loc[rows["memory"] == "on", "network"]
    ]
    assert replace(PLAN[0], seed=1).hash in rows["config_hash"].iloc[0]


def test_the_page_states_the_stored_values(tested, table):
    rows = memory_value.summary(tested)
    shown = memory_value.display_table(rows)
    assert list(shown.columns) == [
        *("network", "as trained (dB)", "change without state (dB)", "change, shuffled (dB)"),
        "seeds",
    ]
    assert len(memory_value.sentences(rows)) == len(rows) - 1
    assert "of 3 rows" in memory_value.verdict(rows)
    assert memory_value.verdict(rows.iloc[:0]) == "Not run."
    linked = memory_value.display_table(memory_value.compare_with_no_link(tested))
    assert linked["network"].tolist() == ["reweighted-RNN, λ from (1, 0.01)"]
    assert memory_value.list_runs(tested).startswith(
        "reweighted-RNN, λ from (1, 0.01) (seeds: 0, 1);"
    )
