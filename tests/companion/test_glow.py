"""The multi-scale Glow: a bijection, its density, its training and the trials that use it."""

import math
from dataclasses import replace

import pytest
import torch
from perturbed_networks import perturbed

from companion import result_store
from companion.studies.inpainting import glow, glow_runs, glow_trials, inpainting_runs
from companion.studies.inpainting.glow import FlowTraining, Glow
from companion.studies.inpainting.glow_trials import GlowTrial
from companion.studies.inpainting.inpainting_trials import DISTURBED, evaluation, recovered
from companion.studies.training_state import state_of
from unfolded.errors import RecordError
from unfolded.runs import results_table

DISTURBANCE = "noise between layers", 0.5
SMALL = FlowTraining(scales=2, blocks=1, hidden=4, batch=4, steps=6, source="digits")


@pytest.fixture
def flow():
    flow = Glow(scales=3, blocks=2, hidden=8)
    flow.initialise(glow.dequantised(glow.padded_digits("digits")[0][:64], 32, torch.Generator()))
    return flow


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(results_table, "RESULTS", tmp_path / "results")
    monkeypatch.setenv("UNFOLDED_RUNS", str(tmp_path / "runs"))
    monkeypatch.delenv("UNFOLDED_READS", raising=False)
    return tmp_path / "results"


def test_the_flow_is_a_bijection_for_any_parameters(flow):
    x = torch.rand(3, 1, 32, 32, generator=torch.Generator().manual_seed(0)).double()
    perturbed(flow, 0.05)
    z = flow.latent(x)
    assert z.shape == (3, 1024)
    torch.testing.assert_close(flow.image(z), x, rtol=0, atol=1e-9)
    torch.testing.assert_close(flow.latent(flow.image(z / 2)), z / 2, rtol=0, atol=1e-9)


def test_the_bits_are_those_of_the_normal_density_and_the_jacobian(monkeypatch):
    monkeypatch.setattr(glow, "SIDE", 8)
    flow = Glow(scales=3, blocks=2, hidden=8)
    images = torch.rand(65, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    flow.initialise(images[1:])
    perturbed(flow, 0.05)
    x = images[:1].double()
    jacobian = torch.autograd.functional.jacobian(lambda v: flow.latent(v)[0], x)
    _, log_det = torch.linalg.slogdet(jacobian.view(64, 64))
    log_density = log_det - flow.latent(x).square().sum() / 2 - 32 * math.log(2 * math.pi)
    expected = 64 * 5 - log_density / math.log(2)
    torch.testing.assert_close(flow.bits(x, 32)[0], expected, rtol=1e-9, atol=1e-6)


def test_a_coupling_changes_the_scale_at_most_by_e(flow):
    perturbed(flow, 10.0)
    coupling = flow.flow.flows[0][0].flows[0].flows[1]
    half = torch.randn(4, 8, 4, 4, dtype=torch.double, generator=torch.Generator().manual_seed(0))
    _, log_det = coupling.inverse([half, half])
    assert log_det.abs().max() <= half[0].numel() + 1e-9


def test_held_out_digits_and_training_digits_are_disjoint():
    train, test = glow.padded_digits("digits")
    assert len(train) + len(test) == 1797 and train.shape[1:] == (1, 32, 32)
    assert not set(map(bytes, train.flatten(1).numpy())) & set(map(bytes, test.flatten(1).numpy()))
    assert train.max() <= 31 / 32 and train[..., :2].abs().max() == 0


def test_training_lowers_the_bits_and_continues_after_an_interruption(tmp_path):
    training = replace(SMALL, steps=40)
    flow, history = glow_runs.train(training)
    assert history.loss[-5:].mean() < history.loss[:5].mean() - 0.1
    store = state_of(tmp_path, result_store.key(vars(training)), interval=10)

    class Interruption(Exception):
        pass

    def interrupted(generators):
        checkpoint = store(generators)

        def save(state):
            checkpoint.save(state)
            raise Interruption

        return replace(checkpoint, save=save)

    with pytest.raises(Interruption):
        glow_runs.train(training, interrupted)
    again, continued = glow_runs.train(training, store)
    assert torch.equal(history.loss, continued.loss)
    for a, b in zip(flow.parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_command_stores_a_flow_and_the_trials_that_use_it(folder, monkeypatch, capsys):
    digits = glow.padded_digits("digits")
    monkeypatch.setattr(glow_runs, "FlowTraining", lambda levels: replace(SMALL, levels=levels))
    monkeypatch.setattr(glow, "padded_digits", lambda source: digits)
    monkeypatch.setattr(glow_trials, "PLAN", (GlowTrial("gradient", noise=0.03, steps=2),))
    monkeypatch.setattr(glow_trials, "TEST", 6)
    with pytest.raises(RecordError, match="run `python -m companion glow`"):
        glow.pretrained()
    assert glow.stored_rows().empty and glow_trials.stored_rows().empty
    assert glow_trials.summary(glow_trials.stored_rows())["PSNR (dB)"].tolist() == ["not run"]
    assert "not run" in glow.likelihood(glow.stored_rows())
    assert glow_runs.main([]) == 0
    row, stored = glow.stored_rows().iloc[-1], glow.pretrained()
    assert glow.bits_per_pixel(stored, digits[1], 32) == pytest.approx(row["bits"], rel=1e-4)
    assert row["bits"] == pytest.approx(row["bits_before_rounding"], abs=0.1)
    weights = (folder / glow.WEIGHTS).read_bytes()
    assert glow_runs.main(["--levels", "256"]) == 0
    assert (folder / glow.WEIGHTS).read_bytes() == weights and len(glow.stored_rows()) == 2
    assert inpainting_runs.main(["--system", "glow", "--seeds", "0"]) == 0
    table = glow_trials.stored_rows()
    assert table["network"].unique().tolist() == ["gradient + noise"]
    assert len(table) == (glow_trials.LAYERS + 1) * sum(map(len, DISTURBED.values()))
    last = table.query("what == 'nothing' and layer == 5")["psnr"].item()
    assert glow_trials.summary(table)["PSNR (dB)"].tolist() == [pytest.approx(last)]
    assert f"{row['bits']:.2f} bits per pixel" in glow.likelihood(glow.stored_rows())
    assert glow_trials.pictures("gradient + noise").shape == (7, 6, 32, 32)
    assert glow_trials.pictures("plain") is None
    inpainting_runs.main(["--system", "glow", "--seeds", "0"])
    assert "0 computed, 1 already" in capsys.readouterr().err
    (folder / glow.WEIGHTS).write_bytes(b"damaged")
    with pytest.raises(RecordError, match="another checksum"):
        glow.pretrained()


def test_trials_start_from_the_stored_flow_and_differ_only_in_the_constraint(flow):
    constraints = None, "distance", "gradient"
    plain, *constrained_trials = (
        glow_trials.train(GlowTrial(constraint, steps=2), flow=flow, source="digits")
        for constraint in constraints
    )
    for constraint, trained in zip(constraints, (plain, *constrained_trials), strict=True):
        assert trained.history.loss[0] == plain.history.loss[0]
        kinds = 2 * (glow_trials.LAYERS - 1) if constraint == "gradient" else glow_trials.LAYERS
        assert trained.history.duals.shape == (2, kinds)
        assert bool(trained.history.duals.any()) == (constraint is not None)
        assert trained.network.flows[0].latent(trained.test[:2]).shape == (2, 1024)
        assert int((trained.mask == 0).sum()) == 12**2
        # Adam's first step has the length of the rate, and the second half of it.
        largest = trained.network.log_mu.abs().max()
        assert glow_trials.RATE * 2 < largest <= 1.5 * glow_trials.SCALAR_RATE + 1e-6
        layers = torch.stack(recovered(replace(trained, test=trained.test[:3]), *DISTURBANCE))
        assert layers[1:].min() >= 0 and layers[1:].max() <= 1


def test_the_gradients_are_those_of_the_published_objective(flow):
    net, mask = glow_trials.network(flow), glow_trials.hole(12, size=32)
    y = glow.padded_digits("digits")[0][:3] * mask
    layers = [(x.detach().requires_grad_(), z.detach().requires_grad_())
              for x, z in net.layers(y, mask)]  # fmt: skip
    data, prior = glow_trials.gradients(layers, y, mask)
    for number, (x, z) in enumerate(layers):
        objective = 100 * (y - mask * x).square().sum() + z.square().sum() / 2
        for merits, point in ((data, x), (prior, z)):
            (gradient,) = torch.autograd.grad(objective, point, retain_graph=True)
            torch.testing.assert_close(merits[number], gradient.flatten(1).norm(dim=1))


def test_disturbances_grow_with_the_image(flow):
    trained = glow_trials.train(GlowTrial(steps=1), flow=flow, source="digits")
    table = evaluation(replace(trained, test=trained.test[:4]))
    assert sorted(table.query("what == 'a larger hole, side'")["level"].unique()) == [14, 16]
    assert sorted(table.query("what == 'the hole moved, pixels'")["level"].unique()) == [2, 4, 8]


def test_the_stored_trials_are_trained_from_the_stored_flow():
    table, flows = glow_trials.stored_rows(), glow.stored_rows()
    assert table.empty or len(flows)
    planned = {
        result_store.key(vars(replace(t, seed=s))) for t in glow_trials.PLAN for s in (0, 1, 2)
    }
    assert set(table["trial"]) <= planned
