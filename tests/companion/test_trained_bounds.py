"""Bounds of a given network: no code exceeds them, their formulas, and the gap."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from small_runs import small

from companion import pretrained
from companion.theory import rademacher_search
from companion.theory.sista_bound import rademacher_sista
from companion.theory.trained_bounds import (
    balls,
    errors,
    gap,
    log10_bounds,
    log_guaranteed_gap,
    log_rademacher_stacked,
    recorded_gap,
    row_norm,
)
from unfolded import bounds, networks, training
from unfolded.errors import ConfigError
from unfolded.networks import build
from unfolded.runs import input_frames, records
from unfolded.training import checkpoint

BOUNDED = ["reweighted-rnn", "l1-l1-rnn", "sista-rnn", "srnn"]


def moved(model, seed=0, **sizes):
    """Return a network whose parameters differ from their initial values, as after training."""
    net = networks.build(model, **{"hidden": 20, "depth": 2, "n0": 16, "n": 5} | sizes).double()
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in net.parameters():
            p.add_(0.2 * torch.randn(p.shape, generator=draw, dtype=p.dtype))
    return net.requires_grad_(False)


def frames(count=30, time=6, n0=16):
    draw = torch.Generator().manual_seed(1)
    return 255 * torch.rand(count, time, n0, generator=draw, dtype=torch.float64)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("depth", [1, 2, 4])
@pytest.mark.parametrize("model", BOUNDED)
def test_no_code_exceeds_the_largest(model, depth, seed):
    net = moved(model, seed, depth=depth)
    for T in (1, 6):
        codes = net.codes(net.measure(frames(time=T)))[:, -1]
        largest = log10_bounds(net, m=30, T=T)["largest code"]
        assert math.log10(codes.abs().max()) <= largest + 1e-9


@pytest.mark.parametrize("model", ["reweighted-rnn", "l1-l1-rnn"])
def test_the_balls_have_the_norms_and_the_shortest_intervals_of_the_thresholds(model):
    net = moved(model, depth=3)
    radii, (a, b) = balls(net), net.thresholds()
    assert radii.alpha == pytest.approx(net.norms()["alpha"].tolist())
    _, U = net.layer_weights()
    products = [torch.linalg.norm(u @ net.A, math.inf).item() for u in U]
    assert radii.beta == pytest.approx(products)
    assert radii.gamma == pytest.approx(torch.linalg.norm(net.G, math.inf).item())
    assert radii.h0_inf == net.h0.abs().max().item()
    for layer, width in enumerate(radii.width):
        spread = a[layer].max() - a[layer].min() + b[layer].max() - b[layer].min()
        assert width == pytest.approx(spread.item(), abs=1e-12)
    assert (max(radii.width) > 0) == (model == "reweighted-rnn")


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_the_bound_of_sista_rnn_is_17_through_time_with_frames_as_data(depth):
    net = moved("sista-rnn", depth=depth)
    net.h0.zero_()
    W, U = net.layer_weights()
    norms = [row_norm(w) for w in (W[0], W[-1], U[0] @ net.A, U[1])]
    data = {"m": 80, "n": net.n0, "h": net.hidden, "T": 6, "B_x": 255.0}
    expected = rademacher_sista.log(*norms, d=depth, **data) / math.log(10)
    assert log10_bounds(net, m=80, T=6)["printed"] == pytest.approx(expected, rel=1e-12)


def test_one_plain_layer_without_bias_is_the_direct_bound_for_one_activation():
    for w, u, T in ((0.3, 2.0, 1), (1.0, 0.5, 7), (2.5, 1.0, 20)):
        data = {"m": 50, "n": 9, "T": T, "B_x": 3.0}
        stacked = log_rademacher_stacked([w], [u], [0.0], **data)
        assert stacked == pytest.approx(
            bounds.log_rademacher_repaired([w], [u], gamma=0.0, **data), abs=1e-12
        )


def test_no_network_of_a_class_exceeds_the_bound_of_the_stack():
    """A lower estimate: the best of many networks for each pattern of signs."""
    m, T, n = 6, 4, 3
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(m, T, n, generator=draw, dtype=torch.float64)
    B_x = (x.square().sum(0).max() / m).sqrt().item()
    signs = rademacher_search.signs(m)
    for bias in (0.0, 0.5):
        best = torch.full((len(signs),), -math.inf, dtype=torch.float64)
        for _ in range(300):
            h = torch.zeros(2, m, 3, dtype=torch.float64)
            W, U = ball(draw, (2, 3, 3), 1.0), ball(draw, (2, 3, 3), 1.0)
            b = bias * (2 * torch.rand(2, 3, generator=draw, dtype=torch.float64) - 1)
            for t in range(T):
                below = x[:, t]
                for l in range(2):
                    h[l] = below = torch.tanh(h[l] @ W[l].T + below @ U[l].T + b[l])
            # A unit and its negative are both in the class.
            best = torch.maximum(best, (signs @ h[-1]).abs().amax(1) / m)
        data = {"m": m, "n": n, "T": T, "B_x": B_x}
        bound = log_rademacher_stacked([1.0] * 2, [1.0] * 2, [bias] * 2, **data)
        assert 0.1 < best.mean().item() <= math.exp(bound)


def ball(draw, shape, norm):
    """Return matrices whose rows all have this norm."""
    rows = torch.randn(shape, generator=draw, dtype=torch.float64) ** 3
    return norm * rows / rows.abs().sum(-1, keepdim=True)


def test_a_bias_counts_as_a_weight_on_an_input_of_one():
    data = {"m": 100, "n": 5, "T": 1, "B_x": 0.0}
    assert log_rademacher_stacked([0.5], [1.0], [2.0], **data) == pytest.approx(math.log(0.2))
    with pytest.raises(ConfigError, match=r"bias\[0\] of at least 0"):
        log_rademacher_stacked([0.5], [1.0], [-2.0], **data)


@pytest.mark.parametrize("net", ["lstm", "gru", "fastrnn", "indrnn", "spectralrnn", "relu"])
def test_networks_without_a_bound_are_rejected(net):
    build = networks.build("srnn", hidden=4) if net == "relu" else networks.build(net, hidden=4)
    if net == "relu":
        build.cells[-1].phi = torch.relu
    with pytest.raises(ConfigError, match="expected an unfolded network, or sRNN with tanh; got"):
        log10_bounds(build, m=80)


def test_the_relative_gap_is_13_with_the_complexity_of_the_losses():
    m, n0, peak, zeta, complexities = 800, 256, 255.0, 3.0, [0.5, 1.0, 2.0]
    eta = 3 * n0 * peak**2
    lipschitz = 2 * math.sqrt(eta)
    losses = math.sqrt(2) * lipschitz * n0 * zeta * sum(complexities)
    expected = bounds.generalization_gap(losses, eta=eta, delta=0.05, m=m) / eta
    logs = [math.log(value) for value in complexities]
    gap = log_guaranteed_gap(logs, zeta, m=m, n0=n0, peak=peak)
    assert math.exp(gap) == pytest.approx(expected)


@pytest.mark.parametrize("model", ["reweighted-rnn", "l1-l1-rnn", "srnn"])
def test_the_relative_gap_does_not_depend_on_the_unit_of_a_pixel(model):
    """Frames in [0, 1] and thresholds divided by 255 are the same; λ2 of SISTA-RNN has no unit."""
    small_unit, grey = (
        build(**small(model, protocol=name).network()) for name in ("normalised", "authors")
    )
    left = log10_bounds(small_unit, m=40, peak=1.0)["guaranteed gap"]
    right = log10_bounds(grey, m=40, peak=255.0)["guaranteed gap"]
    # The bias of sRNN is an input of one for every scale of the pixels.
    assert left == pytest.approx(right, rel=1e-3 if model == "srnn" else 1e-6)


def test_the_gap_of_differences_equals_the_difference_of_gaps():
    draw = np.random.default_rng(0)
    first, second = (draw.random(50), draw.random(20)), (draw.random(50), draw.random(20))
    apart = gap(second[0] - first[0], second[1] - first[1])
    assert apart.gap == pytest.approx(gap(*second).gap - gap(*first).gap)
    same = gap(first[0], first[0])
    assert same.gap == 0 and same.standard_error == pytest.approx(first[0].std(ddof=1) / 5)


def test_errors_and_records_agree(tmp_path):
    record = training.run(small("l1-l1-rnn"), store=tmp_path, progress=False)
    net, config = checkpoint.load_network(records.folder_of(small("l1-l1-rnn"), tmp_path))
    values = errors(net, input_frames.load(config).test)
    assert values.tolist() == pytest.approx(record.sequence_mse)
    tested = pd.DataFrame({"test_mse": record.sequence_mse})
    result = recorded_gap(pd.DataFrame(record.curves), tested)
    assert result.test == pytest.approx(record.metrics["test_mse"])
    assert result.gap == result.test - record.curves["train_mse"][-1]
    assert result.standard_error == pytest.approx(values.std(ddof=1) / math.sqrt(len(values)))


@pytest.mark.parametrize("model", BOUNDED[:3])
def test_a_penalty_on_the_norms_decreases_every_bound(model, tmp_path):
    results = []
    for weight in (0.0, 1e3):
        run = small(model, norm_penalty=weight)
        training.run(run, store=tmp_path, progress=False)
        net, _ = checkpoint.load_network(records.folder_of(run, tmp_path))
        results.append(log10_bounds(net, m=40))
    free, penalty_bounds = results
    assert all(penalty_bounds[name] < free[name] for name in free)


def test_the_bounds_of_the_stored_networks_increased_with_training_and_are_vacuous():
    stored = pretrained.stored_weights(*BOUNDED)["model"]
    assert set(BOUNDED[:3]) <= set(stored)
    for model in stored:
        net, config = pretrained.pretrained(model)
        before, after = (
            log10_bounds(network, m=8000) for network in (build(**config.network()), net)
        )
        assert after["ours"] > before["ours"]
        # A share of one is known without a bound.
        assert before["guaranteed gap"] > 0
