"""Networks trained on, held or free: paired, disturbed as told, stored once."""

from dataclasses import asdict, replace

import pytest
import torch

from companion import result_store
from companion.pretrained import pretrained
from companion.studies.descending import (
    constrained_training,
    descending_results,
    descending_runs,
    perturbations,
)
from companion.studies.descending import layer_constraints as sd
from companion.studies.descending.descending_runs import PLAN, SEEDS
from unfolded.choices import UNFOLDED
from unfolded.errors import ConfigError
from unfolded.runs import results_table


@pytest.fixture(scope="module")
def briefly():
    """Three trainings of three steps on the embedded digits."""
    ways = ({}, {"merit": "objective"}, {"merit": "distance", "noise": 0.1})
    return [
        constrained_training.train(constrained_training.Trial(steps=3, source="digits", **way))
        for way in ways
    ]


def test_trials_share_start_and_batches(briefly):
    free, constrained_trial, _ = briefly
    assert free.history.loss[0] == constrained_trial.history.loss[0]
    torch.testing.assert_close(free.history.slack[0], constrained_trial.history.slack[0])
    assert free.history.duals.abs().max() == 0 < constrained_trial.history.duals.max()
    assert not torch.equal(free.network.D, constrained_trial.network.D)


def test_a_trial_is_the_same_twice(briefly):
    again = constrained_training.train(briefly[2].trial)
    for a, b in zip(again.network.parameters(), briefly[2].network.parameters(), strict=True):
        assert torch.equal(a, b)


def test_no_steps_leave_the_network_as_it_was():
    for name in ("sista-rnn", "lstm"):
        trained = constrained_training.train(
            constrained_training.Trial(name, steps=0, source="digits")
        )
        as_it_was, _ = pretrained(name)
        assert trained.history is None
        for a, b in zip(trained.network.parameters(), as_it_was.parameters(), strict=True):
            assert torch.equal(a, b)


def test_each_disturbance_changes_what_it_says(briefly):
    few = replace(briefly[0], test=briefly[0].test[:8])
    clean, x, net = perturbations.met(few, "nothing", 0)
    assert net is few.network and torch.equal(x, net.measure(clean))
    frames, noisy, _ = perturbations.met(few, "noise on the measurements", 0.1)
    assert torch.equal(frames, clean)
    assert (noisy - x).std() == pytest.approx(0.1 * constrained_training.rms(x).item(), rel=0.03)
    _, other, same = perturbations.met(few, "another matrix", 0.1)
    assert same is net and not torch.equal(other, x)
    _, known, new_net = perturbations.met(few, "another matrix, known", 0.1)
    torch.testing.assert_close(known, new_net.measure(clean))
    assert new_net.A is not net.A and torch.equal(new_net.D, net.D)
    bright, seen, _ = perturbations.met(few, "brighter, grey levels", 30)
    assert bright.max() <= 255 and torch.equal(bright[clean <= 225], clean[clean <= 225] + 30)
    torch.testing.assert_close(seen, net.measure(bright))
    longer, _, _ = perturbations.met(few, "frames, to and fro", 39)
    assert torch.equal(longer[:, :20], clean) and torch.equal(longer[:, 19:], clean.flip(1))


def test_the_table_counts_what_it_says(briefly):
    few = replace(briefly[1], test=briefly[1].test[:40])
    table = perturbations.evaluation(few)
    assert len(table) == 3 + sum(map(len, perturbations.DISTURBED.values()))
    by_hand = sd.by_layer(few.network, few.test, peak=255.0, merits=sd.MERITS)
    rows = table.query("what == 'nothing'").set_index("layer")
    for l in range(4):
        assert rows.loc[l, "psnr_global"] == pytest.approx(by_hand["PSNR"][l], rel=1e-6)
    for name in sd.MERITS:
        assert rows.loc[2, f"{name}_descends"] == pytest.approx(by_hand[f"{name} descends"][2])
        ratio = rows.loc[3, name] / rows.loc[0, name]
        assert ratio == pytest.approx(by_hand[name][3], rel=1e-4)
    path = perturbations.by_frame(few)
    assert path.query("layer == 3")["objective"].mean() == pytest.approx(
        rows.loc[3, "objective"], rel=1e-4
    )


def test_a_network_without_such_layers_is_judged_by_its_pictures():
    trained = constrained_training.train(
        constrained_training.Trial("lstm", steps=0, source="digits")
    )
    few = replace(trained, test=trained.test[:40])
    table = perturbations.evaluation(few)
    assert "objective" not in table and "noise between layers" not in set(table["what"])
    alike = table.query("what.str.startswith('another')").groupby("level")["psnr_frame"]
    assert (alike.max() - alike.min() < 1).all()  # it cannot be told of a new matrix


@pytest.mark.parametrize(
    "wrong",
    [{"merit": "length"}, {"model": "lstm", "merit": "objective"}, {"model": "lstm", "noise": 0.1}],
)
def test_what_cannot_be_held_is_refused(wrong):
    with pytest.raises(ConfigError, match="expected for"):
        constrained_training.Trial(**wrong)


def test_what_is_stored_is_not_done_again_and_what_was_cut_off_is(tmp_path, monkeypatch, capsys):
    plan = (constrained_training.Trial(steps=0), constrained_training.Trial("lstm", steps=0))
    monkeypatch.setattr(descending_runs, "PLAN", plan)
    monkeypatch.setattr(descending_runs, "SEEDS", (0,))
    monkeypatch.setattr(constrained_training, "TEST", 40)
    monkeypatch.setattr(results_table, "RESULTS", tmp_path)
    monkeypatch.delenv("UNFOLDED_READS", raising=False)
    assert descending_runs.main(["--source", "digits"]) == 0
    first = (tmp_path / descending_results.TRIALS).read_text()
    assert len(capsys.readouterr().out.splitlines()) == 2
    assert descending_runs.main(["--source", "digits"]) == 0
    assert (
        capsys.readouterr().out == ""
        and (tmp_path / descending_results.TRIALS).read_text() == first
    )
    # Killed after the tests of a trial and before its own row: done again, nothing twice.
    tests = (tmp_path / descending_results.TESTS).read_text()
    (tmp_path / descending_results.TRIALS).write_text("\n".join(first.splitlines()[:2]) + "\n")
    assert descending_runs.main(["--source", "digits"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1
    assert sorted((tmp_path / descending_results.TESTS).read_text().split()) == sorted(
        tests.split()
    )


def test_stored_trials_are_whole_and_paired():
    plan = {result_store.key(asdict(replace(trial, seed=seed))) for seed in SEEDS for trial in PLAN}
    table, tests = (
        descending_results.stored_rows(descending_results.TRIALS),
        descending_results.stored_rows(),
    )
    assert set(table["trial"]) == plan == set(tests["trial"])
    assert not table["commit"].str.contains("changes").any()
    levels = sum(map(len, perturbations.DISTURBED.values()))
    for (_, model), rows in tests.groupby(["trial", "model"]):
        assert len(rows) == (levels + 3 if model in UNFOLDED else levels - 4)


def test_against_asks_for_an_interval_without_zero():
    reached = descending_results.outcomes(descending_results.stored_rows())
    cases = descending_results.against(reached, "objective")
    row = cases[cases["model"].eq("reweighted-rnn") & cases["what"].eq("nothing")].iloc[0]
    pair = reached.loc[("reweighted-rnn", "nothing")][["objective", "free"]]
    gaps = pair["objective"] - pair["free"]
    assert row["mean"] == pytest.approx(gaps.mean()) and row["seeds"] == len(gaps) == 3
    apart = cases["verdict"].isin(["better", "worse"])
    assert (cases["low"] * cases["high"] > 0)[apart].all()
    assert (
        (cases[["low", "high"]].abs().max(axis=1) <= descending_results.ALIKE)
        .eq(cases["verdict"].eq("alike"))
        .all()
    )
