"""What each layer of a network for sequences makes of its frame's problem."""

import pytest
import torch

from companion.studies import descent_constraints
from companion.studies.descending import layer_constraints as sd
from unfolded import solvers
from unfolded.networks import build

SIZES = {"n0": 16, "n": 7, "hidden": 12}


def network(name="reweighted-rnn", depth=3, **options):
    return build(name, **SIZES, depth=depth, **options).double().requires_grad_(False)


@pytest.mark.parametrize("name", ["reweighted-rnn", "l1-l1-rnn"])
def test_the_last_layer_is_the_network(name, normal):
    net, x = network(name), normal(2, 5, 7)
    if net.Z is not None:
        net.Z += 0.1 * normal(*net.Z.shape)
    h, hbar = sd.layers(net, x)
    torch.testing.assert_close(h[-1], net.codes(x))
    torch.testing.assert_close(h[0], hbar)
    torch.testing.assert_close(hbar[:, 1:], h[-1][:, :-1] @ net.G.T)


def test_untrained_layers_bring_the_objective_down_frame_by_frame(normal):
    """With Z = I, g = 1 and c a Lipschitz constant a layer is a proximal-gradient step on (3)."""
    net, x = network(depth=6, lambda1=0.1, lambda2=0.05), normal(2, 4, 7)
    assert torch.linalg.matrix_norm(net.A @ net.D, 2) ** 2 <= net.positive("c")
    h, hbar = sd.layers(net, x)
    values = sd.objective(net, h, hbar, x)
    assert bool((values[1:] <= values[:-1] + 1e-12).all())
    residuals = sd.residual(net, h, hbar, x)
    assert bool((residuals[1:] <= residuals[:-1] + 1e-12).all())


def test_the_residual_vanishes_where_the_solver_ends(normal):
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


def test_noise_moves_what_follows_it(normal):
    net, x = network(), normal(2, 3, 7)
    still, _ = sd.layers(net, x)
    noisy, _ = sd.layers(net, x, lambda h, l: h + 1.0 if l == 2 else h)
    assert torch.equal(still[:3, :, 0], noisy[:3, :, 0])
    assert not torch.equal(still[3, :, 0], noisy[3, :, 0])


def test_a_demanding_constraint_is_kept_better_than_without():
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


def test_by_layer_untrained_networks_descend_and_a_layer_that_turns_back_does_not(normal):
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


def test_the_problem_of_sista_rnn_is_the_solvers(normal):
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
