"""The authors' logs and our replays of their first iterations agree as the page states."""

import numpy as np
import pytest

from companion import results
from companion.reproduction import log_comparison
from companion.reproduction.log_comparison import compare_with_log
from companion.reproduction.protocol_replay import RATE
from unfolded.data import REDUCTIONS


def test_the_logs_are_consistent():
    logs = log_comparison.stored_logs()
    assert logs.groupby("network")["iteration"].agg(list).map(lambda log: log[-1]).eq(3000).all()
    assert (logs["iteration"] % 50 == 0).all() and len(logs) == 180
    # The mean over batches of a logarithm, of clipped whole grey levels.
    decibel = 10 * np.log10(255**2 / logs["eval_mse"])
    assert (logs["psnr"] - decibel).between(-0.05, 1.2).all()
    assert logs["zeros"].dropna().between(0, 1).all()
    assert logs.loc[logs["network"] == "stacked", ["zeros", "lambda1"]].isna().all(axis=None)


def test_stored_replays_start_at_the_initial_values_and_have_provenance():
    table = results.load_table("log_replay.csv")
    rows = table.dropna(subset=["lambda1"])
    # A step of Adam is about as long as the learning rate.
    reach = 1.05 * RATE * rows["iteration"]
    assert ((rows["lambda1"] - 1).abs() <= reach).all()
    assert ((rows["lambda2"] - 0.01).abs() <= reach).all()
    assert not table.duplicated(["network", "reduction", "n", "seed", "iteration"]).any()
    assert table["commit"].str.fullmatch(r"[0-9a-f]{12}").all() and table["seconds"].gt(0).all()


@pytest.mark.parametrize("network", ["l1-l1-rnn", "sista-rnn"])
def test_the_table_of_a_log_contains_its_replays(network):
    table = compare_with_log(network, 50)
    log, *replays = table.to_dict("records")
    assert log["frames"] == "the log" and np.isnan(log["apart"]) and np.isnan(log["n"])
    assert {row["frames"] for row in replays if row["n"] == 85} == set(REDUCTIONS)
    for row in replays:
        assert row["apart"] == pytest.approx(row["psnr"] - log["psnr"])


def test_replays_with_area_frames_are_closest_to_the_logs():
    table = log_comparison.replay_differences(85, 50)
    assert list(table.index) == list(REDUCTIONS) and len(table.columns) == 4
    expected = compare_with_log("l1-l1-rnn", 50).query("frames == 'area' and n == 85")["apart"]
    assert table.at["area", "ℓ1-ℓ1-RNN"] == expected.item()
    assert (table.abs().idxmin() == "area").all()


def test_candidates_for_the_plateau_are_close_to_both_logs():
    table = log_comparison.plateau_candidates(1000)
    gaps = table.filter(like="− level").abs()
    assert len(table) and (gaps <= 0.5).all(axis=None)
    closest = table.loc[table.filter(like="replay").iloc[:, 0].idxmin()]
    assert (closest["frames"], closest["n"]) == ("area", 85)
