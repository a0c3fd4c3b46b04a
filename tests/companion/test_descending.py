"""The objective of a frame after each layer, and training with descent constraints."""

from dataclasses import asdict, replace

import pandas as pd
import pytest
import torch

from companion import result_store
from companion.pretrained import pretrained
from companion.studies import descent_constraints
from companion.studies.descending import (
    constrained_training,
    descending_results,
    descending_runs,
    perturbations,
)
from companion.studies.descending import layer_constraints as sd
from companion.studies.descending.descending_runs import PLAN, SEEDS
from unfolded import solvers
from unfolded.choices import UNFOLDED
from unfolded.errors import ConfigError
from unfolded.networks import build
from unfolded.runs import results_table

SIZES = {"n0": 16, "n": 7, "hidden": 12}


def network(name="reweighted-rnn", depth=3, **options):
    return build(name, **SIZES, depth=depth, **options).double().requires_grad_(False)


@pytest.mark.parametrize("name", ["reweighted-rnn", "l1-l1-rnn"])
def test_the_codes_of_the_last_layer_equal_those_of_the_network(name, normal):
    net, x = network(name), normal(2, 5, 7)
    if net.Z is not None:
        net.Z += 0.1 * normal(*net.Z.shape)
    h, hbar = sd.layers(net, x)
    torch.testing.assert_close(h[-1], net.codes(x))
    torch.testing.assert_close(h[0], hbar)
    torch.testing.assert_close(hbar[:, 1:], h[-1][:, :-1] @ net.G.T)


def test_untrained_layers_decrease_the_objective_of_each_frame(normal):
    """With Z = I, g = 1 and c a Lipschitz constant a layer is a proximal-gradient step on (3)."""
    net, x = network(depth=6, lambda1=0.1, lambda2=0.05), normal(2, 4, 7)
    assert torch.linalg.matrix_norm(net.A @ net.D, 2) ** 2 <= net.positive("c")
    h, hbar = sd.layers(net, x)
    values = sd.objective(net, h, hbar, x)
    assert bool((values[1:] <= values[:-1] + 1e-12).all())
    residuals = sd.residual(net, h, hbar, x)
    assert bool((residuals[1:] <= residuals[:-1] + 1e-12).all())


def test_the_residual_vanishes_at_the_solution_of_the_solver(normal):
    net, x = network(lambda1=0.1, lambda2=0.05), normal(2, 3, 7)
    A, D, G = net.A, net.D, net.G
    options = {"lambda1": 0.1, "lambda2": 0.05, "c": 1.0, "iterations": 1500}
    solved = solvers.l1_l1(x, A, D, G, **options)
    before = torch.cat([torch.zeros(2, 1, 12).double(), solved.codes[:, :-1]], 1)
    hbar = before @ G.T
    assert sd.residual(net, solved.codes, hbar, x).max() < 1e-5
    value = sd.objective(net, solved.codes, hbar, x)
    torch.testing.assert_close(value, solved.objective[..., -1])
    assert sd.residual(net, solved.codes + 0.1, hbar, x).min() > 1e-3


def test_noise_changes_only_the_layers_after_it(normal):
    net, x = network(), normal(2, 3, 7)
    still, _ = sd.layers(net, x)
    noisy, _ = sd.layers(net, x, lambda h, l: h + 1.0 if l == 2 else h)
    assert torch.equal(still[:3, :, 0], noisy[:3, :, 0])
    assert not torch.equal(still[3, :, 0], noisy[3, :, 0])


def test_constrained_training_violates_the_constraint_less_than_plain_training():
    """Half of the residual in each layer is more than plain training gives."""
    ends = {}
    frames = torch.rand(8, 4, 16, generator=torch.Generator().manual_seed(1)).double()
    for rate in (0.0, 1.0):
        net = build("reweighted-rnn", **SIZES, depth=3, lambda1=0.1).double()

        def terms(net=net):
            x = net.measure(frames)
            h, hbar = sd.layers(net, x)
            merits = sd.residual(net, h, hbar, x).flatten(1)
            return (net.decode(h[-1]) - frames).square().sum((1, 2)).mean(), merits

        rates = {"rate": 0.01, "dual_rate": rate}
        history = descent_constraints.train(net.parameters(), terms, 60, epsilon=0.5, **rates)
        assert history.loss[-1] < history.loss[0]
        ends[rate] = history.slack[-1].max().item()
    assert ends[0.0] > 0 and ends[1.0] < ends[0.0] / 2


def test_untrained_layers_descend_and_a_layer_with_negative_Z_does_not(normal):
    frames = normal(3, 4, 16).abs()
    table = sd.by_layer(network(depth=4, lambda1=0.01), frames, peak=1.0)
    assert list(table["layer"]) == [0, 1, 2, 3, 4] and table["objective"][0] == 1
    assert (table["objective descends"][1:] == 1).all()
    assert (table["objective"].diff()[1:] < 0).all()
    net = network(depth=2, lambda1=0.01)
    net.Z[1] *= -1
    away = sd.by_layer(net, frames, peak=1.0)
    assert away["objective"][2] > away["objective"][1]
    assert away["objective descends"][2] < 0.1 < away["objective descends"][1]


def test_the_objective_of_sista_rnn_equals_that_of_the_solver(normal):
    net, x = network("sista-rnn", depth=4, lambda1=0.1, lambda2=0.05), normal(2, 3, 7)
    solved = solvers.sista(
        x, net.A, net.D, net.F, lambda1=0.1, lambda2=0.05, c=net.positive("c"), iterations=4
    )
    h, prediction = sd.layers(net, x)
    torch.testing.assert_close(h[-1], solved.codes)
    values = sd.objective(net, h, prediction, x)
    torch.testing.assert_close(values.movedim(0, -1), solved.objective)
    ends = solvers.sista(
        x, net.A, net.D, net.F, lambda1=0.1, lambda2=0.05, c=net.positive("c"), iterations=5000
    )
    before = torch.cat([torch.zeros(2, 1, 12).double(), ends.codes[:, :-1]], 1)
    prediction = before @ (net.F @ net.D).T
    assert sd.residual(net, ends.codes, prediction, x).max() < 1e-5


# Networks trained with and without the constraint -----------------------------------------------


@pytest.fixture(scope="module")
def short_trainings():
    """Three trainings of three steps on the embedded digits."""
    ways = ({}, {"merit": "objective"}, {"merit": "distance", "noise": 0.1})
    return [
        constrained_training.train(constrained_training.Trial(steps=3, source="digits", **way))
        for way in ways
    ]


def test_trials_share_start_and_batches(short_trainings):
    free, constrained_trial, _ = short_trainings
    assert free.history.loss[0] == constrained_trial.history.loss[0]
    torch.testing.assert_close(free.history.slack[0], constrained_trial.history.slack[0])
    assert free.history.duals.abs().max() == 0 < constrained_trial.history.duals.max()
    assert not torch.equal(free.network.D, constrained_trial.network.D)


def test_a_repeated_trial_has_the_same_result(short_trainings):
    again = constrained_training.train(short_trainings[2].trial)
    for a, b in zip(
        again.network.parameters(), short_trainings[2].network.parameters(), strict=True
    ):
        assert torch.equal(a, b)


def test_zero_steps_do_not_change_the_network():
    for name in ("sista-rnn", "lstm"):
        trained = constrained_training.train(
            constrained_training.Trial(name, steps=0, source="digits")
        )
        as_it_was, _ = pretrained(name)
        assert trained.history is None
        for a, b in zip(trained.network.parameters(), as_it_was.parameters(), strict=True):
            assert torch.equal(a, b)


def test_each_disturbance_changes_only_its_own_quantity(short_trainings):
    few = replace(short_trainings[0], test=short_trainings[0].test[:8])
    clean, x, net = perturbations.met(few, "nothing", 0)
    assert net is few.network and torch.equal(x, net.measure(clean))
    frames, noisy, _ = perturbations.met(few, "noise on the measurements", 0.1)
    assert torch.equal(frames, clean)
    assert (noisy - x).std() == pytest.approx(0.1 * constrained_training.rms(x).item(), rel=0.03)
    _, new_x, same = perturbations.met(few, "another matrix", 0.1)
    assert same is net and not torch.equal(new_x, x)
    _, known, new_net = perturbations.met(few, "another matrix, known", 0.1)
    torch.testing.assert_close(known, new_net.measure(clean))
    assert new_net.A is not net.A and torch.equal(new_net.D, net.D)
    bright, seen, _ = perturbations.met(few, "brighter, grey levels", 30)
    assert bright.max() <= 255 and torch.equal(bright[clean <= 225], clean[clean <= 225] + 30)
    torch.testing.assert_close(seen, net.measure(bright))
    longer, _, _ = perturbations.met(few, "frames, to and fro", 39)
    assert torch.equal(longer[:, :20], clean) and torch.equal(longer[:, 19:], clean.flip(1))


def test_the_table_agrees_with_a_direct_computation(short_trainings):
    few = replace(short_trainings[1], test=short_trainings[1].test[:40])
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


def test_a_network_without_unfolded_layers_is_evaluated_by_its_pictures():
    trained = constrained_training.train(
        constrained_training.Trial("lstm", steps=0, source="digits")
    )
    few = replace(trained, test=trained.test[:40])
    table = perturbations.evaluation(few)
    assert "objective" not in table and "noise between layers" not in set(table["what"])
    alike = table.query("what.str.startswith('another')").groupby("level")["psnr_frame"]
    assert (alike.max() - alike.min() < 1).all()  # every new matrix costs about as much


@pytest.mark.parametrize(
    "wrong",
    [{"merit": "length"}, {"model": "lstm", "merit": "objective"}, {"model": "lstm", "noise": 0.1}],
)
def test_an_invalid_constraint_is_rejected(wrong):
    with pytest.raises(ConfigError, match="expected for"):
        constrained_training.Trial(**wrong)


def test_stored_trials_are_skipped_and_interrupted_ones_repeated(tmp_path, monkeypatch, capsys):
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
    # A trial killed after its tests and before its own row is repeated, without duplicate rows.
    tests = (tmp_path / descending_results.TESTS).read_text()
    (tmp_path / descending_results.TRIALS).write_text("\n".join(first.splitlines()[:2]) + "\n")
    assert descending_runs.main(["--source", "digits"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1
    assert sorted((tmp_path / descending_results.TESTS).read_text().split()) == sorted(
        tests.split()
    )


def test_stored_trials_are_complete_and_paired():
    plan = {result_store.key(asdict(replace(trial, seed=seed))) for seed in SEEDS for trial in PLAN}
    table, tests = (
        descending_results.stored_rows(descending_results.TRIALS),
        descending_results.stored_rows(),
    )
    assert set(table["trial"]) == plan
    assert set(tests["trial"]) == plan - set(descending_results.diverged(table)["trial"])
    assert not table["commit"].str.contains("changes").any()
    levels = sum(map(len, perturbations.DISTURBED.values()))
    for (_, model), rows in tests.groupby(["trial", "model"]):
        assert len(rows) == (levels + 3 if model in UNFOLDED else levels - 4)


def test_diverged_trainings_are_counted_by_network_and_method():
    trials = pd.DataFrame(
        {"model": "gru", "way": "free", "steps": [0, 9, 9, 9], "loss": [None, 70.0, 1e9, 65_026.0]}
    )
    assert descending_results.diverged(trials).index.tolist() == [2, 3]
    text = descending_results.describe_divergence(trials)
    assert text == "2 of the 3 trainings diverged: GRU, unconstrained (2)."
    assert descending_results.describe_divergence(trials[:2]) == "No training diverged, of 1."
    assert len(descending_results.diverged(trials.assign(loss=float("nan")))) == 3


def test_a_difference_is_decided_if_its_interval_excludes_zero():
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
