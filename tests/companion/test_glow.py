"""The multi-scale Glow and GLOW-Prox: bijections, a density, stored training, constraints."""

import math
from dataclasses import replace

import pytest
import torch

from companion import result_store
from companion.studies.inpainting import glow, glow_runs, glow_trials, inpainting_runs
from companion.studies.inpainting.glow import FlowTraining, Glow
from companion.studies.inpainting.glow_prox import Flow, GlowProx, hole, small_digits
from companion.studies.inpainting.glow_trials import GlowTrial
from companion.studies.inpainting.inpainting_trials import DISTURBED, evaluation, recovered
from companion.studies.training_state import state_of
from unfolded.errors import ConfigError, RecordError
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


def test_the_flow_is_a_bijection_whatever_its_parameters(flow):
    x = torch.rand(3, 1, 32, 32, generator=torch.Generator().manual_seed(0)).double()
    stirred(flow, 0.05)
    z = flow.latent(x)
    assert z.shape == (3, 1024)
    torch.testing.assert_close(flow.image(z), x, rtol=0, atol=1e-9)
    torch.testing.assert_close(flow.latent(flow.image(z / 2)), z / 2, rtol=0, atol=1e-9)


def test_the_bits_are_those_of_the_normal_density_and_the_jacobian(monkeypatch):
    monkeypatch.setattr(glow, "SIDE", 8)
    flow = Glow(scales=3, blocks=2, hidden=8)
    images = torch.rand(65, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    flow.initialise(images[1:])
    stirred(flow, 0.05)
    x = images[:1].double()
    jacobian = torch.autograd.functional.jacobian(lambda v: flow.latent(v)[0], x)
    _, log_det = torch.linalg.slogdet(jacobian.view(64, 64))
    log_density = log_det - flow.latent(x).square().sum() / 2 - 32 * math.log(2 * math.pi)
    expected = 64 * 5 - log_density / math.log(2)
    torch.testing.assert_close(flow.bits(x, 32)[0], expected, rtol=1e-9, atol=1e-6)


def test_a_coupling_changes_the_scale_at_most_by_e(flow):
    stirred(flow, 10.0)
    coupling = flow.flow.flows[0][0].flows[0].flows[1]
    half = torch.randn(4, 8, 4, 4, dtype=torch.double, generator=torch.Generator().manual_seed(0))
    _, log_det = coupling.inverse([half, half])
    assert log_det.abs().max() <= half[0].numel() + 1e-9


def test_held_out_digits_are_no_training_digits():
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


def test_trials_start_from_the_flow_and_differ_in_the_constraint_only(flow):
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


# GLOW-Prox: the flow, the data step, the mask ---------------------------------------------------


@pytest.fixture
def images():
    return torch.rand(6, 1, 16, 16, generator=torch.Generator().manual_seed(0))


def stirred(module, size):
    """Return the module with every free number moved, as training would."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter += size * torch.randn(parameter.shape, generator=generator)
    return module.double()


@pytest.mark.parametrize("blocks", [1, 3])
def test_the_flow_of_glow_prox_is_a_bijection_whatever_its_parameters(blocks, images):
    flow = Flow(blocks=blocks, hidden=8)
    flow.latent(images)
    stirred(flow, 0.05)
    z = flow.latent(images.double())
    assert z.shape == (6, 16, 4, 4)
    torch.testing.assert_close(flow.image(z), images.double(), rtol=0, atol=1e-9)
    torch.testing.assert_close(flow.latent(flow.image(z / 2)), z / 2, rtol=0, atol=1e-9)
    # Not the identity in disguise: one pixel reaches other places of the latent tensor.
    moved = images.double().clone()
    moved[0, 0, 8, 8] += 1
    assert int(((flow.latent(moved) - z)[0].abs() > 1e-9).sum()) > 4


def test_the_data_step_descends_the_data_term_and_leaves_the_hole(images):
    net, mask = GlowProx(layers=1, blocks=1, hidden=8), hole(6)
    with torch.no_grad():
        net.log_mu.fill_(-0.7)
    x = images.clone().requires_grad_()
    y = mask * images.flip(0)

    def term(x):
        return (y - mask * x).square().sum() / 2

    (gradient,) = torch.autograd.grad(term(x), x)
    after = net.data_step(x, y, mask, 1)
    torch.testing.assert_close(after, x - net.log_mu[0].exp() * gradient)
    assert term(after) < 0.3 * term(x)
    torch.testing.assert_close(after[..., mask == 0], x[..., mask == 0], rtol=0, atol=0)


def test_the_shrunk_latent_tensor_is_the_proximal_point(images):
    net, mask = GlowProx(layers=1, blocks=1, hidden=8), hole(0)
    x = net(images, mask)[0]
    weight, flow = net.log_lambda[0].exp(), net.flows[0]
    v = flow.latent(x).detach().requires_grad_()
    objective = weight / 2 * v.square().sum() + (v - flow.latent(images)).square().sum() / 2
    (gradient,) = torch.autograd.grad(objective, v)
    assert gradient.abs().max() < 1e-5 * (1 + v.abs().max())


def test_without_a_pull_a_whole_image_is_a_fixed_point(images):
    net = GlowProx(layers=3, blocks=1, hidden=8)
    with torch.no_grad():
        net.log_lambda.fill_(-40.0)
    for x in net(images, hole(0)):
        torch.testing.assert_close(x, images, rtol=0, atol=1e-4)


def test_what_lies_in_the_hole_is_never_told(images):
    net, mask = GlowProx(layers=2, blocks=1, hidden=8), hole(6)
    net(images * mask, mask)
    other = torch.where(mask == 0, torch.rand_like(images), images)
    for a, b in zip(net(images * mask, mask), net(other * mask, mask), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)


def test_noise_comes_between_layers_and_not_after_the_last(images):
    net, seen = GlowProx(layers=3, blocks=1, hidden=8), []
    net(images, hole(6), noise=lambda x, number: (seen.append(number), x)[1])
    assert seen == [1, 2]


def test_every_parameter_learns(images):
    net, mask = GlowProx(layers=2, blocks=1, hidden=8), hole(6)
    stirred(net, 0.05).float()
    (net(images * mask, mask)[-1] - images).square().sum().backward()
    assert all(p.grad.abs().sum() > 0 for p in net.parameters() if p.requires_grad)


def test_a_seed_gives_the_same_network_and_leaves_the_generator_alone(images):
    state = torch.random.get_rng_state()
    a, b, c = (GlowProx(layers=1, blocks=1, hidden=8, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(state, torch.random.get_rng_state())
    mask = hole(6)
    assert torch.equal(a(images, mask)[0], b(images, mask)[0])
    assert not torch.equal(a(images, mask)[0], c(images, mask)[0])


@pytest.mark.parametrize("side, right", [(17, 0), (-1, 0), (6, 6), (6, -9)])
def test_a_hole_stays_inside_the_image(side, right):
    with pytest.raises(ConfigError, match="a hole inside 16×16"):
        hole(side, right=right)


def test_a_mask_is_of_zeros_and_ones(images):
    with pytest.raises(ConfigError, match="zeros and ones"):
        GlowProx(layers=1, blocks=1, hidden=8)(images, 0.5 * hole(6))


def test_small_digits_keep_the_ink():
    from unfolded.data.datasets import digit_images

    small, large = small_digits(), digit_images()
    assert small.shape == (1797, 1, 16, 16) and small.min() >= 0 and small.max() <= 1
    ink = torch.tensor(large).double().sum((1, 2)) / 255 / 4
    torch.testing.assert_close(small.double().sum((1, 2, 3)), ink, rtol=1e-5, atol=0)


def test_a_source_without_single_digits_is_rejected():
    with pytest.raises(
        ConfigError, match="expected a source among digits, mnist; got 'moving-mnist'"
    ):
        small_digits("moving-mnist")
