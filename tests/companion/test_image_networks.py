"""The networks on pictures: before training they equal their algorithms."""

import pytest
import torch

from companion.studies.sista_images import image_solvers
from companion.studies.sista_images.image_solvers import Way
from companion.studies.sista_images.image_task import DEVIATION, LAMBDA1, LAMBDA2, task
from companion.studies.sista_images.image_training import Training, Trial, network
from companion.studies.sista_images.separate_link import SeparateSistaRNN
from unfolded import solvers

SMALL = {"count": 8, "epochs": 1, "batch": 4}


@pytest.fixture(scope="module")
def small_task():
    return task(count=8)


@pytest.fixture(scope="module")
def trained(small_task):
    return Training(Trial(**SMALL), small_task).finish()


@pytest.mark.parametrize("estimated", [False, True])
def test_an_untrained_sista_rnn_equals_three_iterations_of_sista(small_task, estimated):
    run = Training(Trial(estimated=estimated, **SMALL), small_task)
    way = Way(3, estimated=estimated)
    expected = image_solvers.recovered(way, small_task, small_task.test)
    error = run.recovered(small_task.test) - expected
    assert error.abs().max() < 1e-4 * expected.abs().max()


@pytest.mark.parametrize("model", ["l1-l1-rnn", "reweighted-rnn"])
def test_untrained_l1_l1_networks_equal_their_algorithm(small_task, model):
    net = network(Trial(model=model), small_task.A, small_task.D)
    x = small_task.measure(small_task.test)
    how = {"lambda1": LAMBDA1, "lambda2": LAMBDA2, "c": 1.0, "iterations": 3}
    expected = solvers.l1_l1(x, small_task.A, small_task.D, torch.eye(128), **how).codes
    assert torch.allclose(net.codes(x), expected, rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize("model", ["sista-rnn", "l1-l1-rnn", "reweighted-rnn"])
def test_units_do_not_change_the_output_of_an_untrained_network(small_task, model):
    unit_task = task(count=8, deviation=1.0)
    unit_net = network(Trial(model=model, deviation=1.0), unit_task.A, unit_task.D)
    net = network(Trial(model=model), small_task.A, small_task.D)
    scaled = unit_net.recover(unit_task.measure(unit_task.test)) * DEVIATION
    assert torch.allclose(
        net.recover(small_task.measure(small_task.test)), scaled, rtol=1e-3, atol=1e-2
    )


def test_generic_networks_receive_the_measurements_and_do_not_train_A(small_task, trained):
    for model in ("srnn", "lstm"):
        run = Training(Trial(model=model, **SMALL), small_task).finish()
        assert torch.equal(run.network.A, small_task.A)
        count = sum(p.numel() for p in run.network.parameters()) - small_task.A.numel()
        assert sum(p.numel() for p in run.parameters) == count
    net = trained.network
    assert not torch.equal(net.A, small_task.A) and not torch.equal(net.F, torch.eye(128))


def test_a_frozen_matrix_keeps_its_initial_value(small_task, trained):
    trial = Trial(held="F", **SMALL)
    run = Training(trial, small_task).finish()
    assert torch.equal(run.network.F, torch.eye(128)) and not torch.equal(
        run.network.D, small_task.D
    )
    sizes = [sum(p.numel() for p in training.parameters) for training in (trained, run)]
    assert sizes[0] - sizes[1] == 128**2
    assert "F held" in trial.name


def test_the_algorithms_without_lambda2_agree_at_the_initial_D_and_differ_for_another_D(small_task):
    x = small_task.measure(small_task.test)
    pair = [
        Trial(model=m, lambda2=1e-6, held=h) for m, h in (("sista-rnn", "F"), ("l1-l1-rnn", "G"))
    ]
    nets = [network(trial, small_task.A, small_task.D) for trial in pair]
    first = [net.recover(x) for net in nets]
    assert torch.allclose(*first, rtol=1e-3, atol=1e-2)
    for net in nets:
        net.D.data *= 1.05
    first = [net.recover(x) for net in nets]
    assert (first[0] - first[1]).square().mean() > 0.01 * first[1].square().mean()


def test_the_untrained_generic_network_has_the_soft_threshold_of_the_algorithm(small_task):
    net = network(Trial(model="srnn", depth=1), small_task.A, small_task.D)
    (layer,), x = net.cells, small_task.measure(small_task.test)[:, :1]
    u = x[:, 0] @ layer.U.T + layer.bias + layer.recurrent_bias
    expected = u.sign() * (u.abs() - LAMBDA1).clamp(min=0)
    assert torch.allclose(net.codes(x)[:, 0], expected, atol=1e-5)


@pytest.mark.parametrize("lambda2", [1.0, 0.01])
def test_the_initial_separate_inverse_equals_the_tied_link_and_its_engine_the_reference(
    small_task, lambda2, normal
):
    x = small_task.measure(small_task.test)
    tied, net = (
        network(Trial(separate=s, lambda2=lambda2), small_task.A, small_task.D)
        for s in (False, True)
    )
    torch.testing.assert_close(net.recover(x), tied.recover(x), rtol=1e-4, atol=1e-3)
    net.E.data += 0.002 * normal(128, 128).float()
    net.F.data += 0.002 * normal(128, 128).float()
    assert not torch.allclose(net.recover(x), tied.recover(x), atol=0.1)
    h0 = net.h0.expand(len(x), -1)
    torch.testing.assert_close(net.codes(x), net.run_reference(x, h0), rtol=1e-3, atol=1e-2)
    # The first layer in the unrolled form: soft(W h + V x).
    (W, *_), (V, _) = net.layer_weights()
    sizes = {"n0": 128, "n": 32, "hidden": 128, "depth": 1, "seed": 0}
    options = {"positivity": "exp", "lambda1": LAMBDA1, "lambda2": lambda2}
    layer = SeparateSistaRNN(**sizes, **options)
    layer.load_state_dict(net.state_dict())
    h = normal(2, 128).float()
    u = h @ W.T + x[:, 0] @ V.T
    expected = u.sign() * (u.abs() - LAMBDA1).clamp(min=0)
    torch.testing.assert_close(layer.solver()(x[:, 0], h), expected, rtol=1e-3, atol=1e-3)


def test_the_separate_inverse_is_trained(small_task, trained):
    run = Training(Trial(separate=True, rate=1e-5, **SMALL), small_task).finish()
    assert not torch.equal(run.network.E, small_task.D) and not torch.equal(
        run.network.D, run.network.E
    )
    sizes = [sum(p.numel() for p in training.parameters) for training in (run, trained)]
    assert sizes[0] - sizes[1] == 128**2 and "separate inverse" in run.trial.name


@pytest.mark.parametrize("lambda2", [1.0, 0.01])
def test_the_matrix_between_layers_is_1_minus_lambda2_minus_the_gram_matrix(small_task, lambda2):
    # u = h − Mᵀ(Mh − x) − λ2 (h − P h_{t−1}) at α = 1: with λ2 = 1 the identity cancels.
    net = network(Trial(lambda2=lambda2), small_task.A, small_task.D)
    S, M = net.layer_weights()[0][1], net.A @ net.D
    assert torch.allclose(S, (1 - lambda2) * torch.eye(128) - M.T @ M, atol=1e-5)
