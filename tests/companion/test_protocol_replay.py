"""The replay of the earlier logs: initial values, activation, batches and command."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from companion import result_store
from companion.reproduction import protocol_replay
from companion.reproduction.protocol_replay import BATCH, PIXELS, Trial, build, phi_by_cases, replay
from unfolded.errors import ConfigError, TrainingError
from unfolded.prox import prox_l1_l1
from unfolded.runs import results_table

SMALL = Trial(hidden=64, n=16, source="digits")
FRAMES = protocol_replay.frames_of("digits", "area", count=400)


def pairs(count=400):
    random = torch.Generator().manual_seed(0)
    u, hbar = 3 * torch.randn(2, count, generator=random, dtype=torch.float64)
    hbar[::5] = 0
    return u, hbar


@pytest.mark.parametrize("weights", [(1.0, 0.5), (0.5, 1.0), (0.7, 0.7), (1.0, 0.0)])
def test_the_cases_equal_the_proximal_operator_for_positive_weights(weights):
    u, hbar = pairs()
    tau1, tau2 = torch.tensor(weights, dtype=torch.float64)
    assert torch.allclose(phi_by_cases(u, hbar, tau1, tau2), prox_l1_l1(u, hbar, tau1, tau2))


def test_the_cases_apply_from_large_to_small_u_for_a_negative_second_weight():
    tau1, tau2 = torch.tensor(1.0), torch.tensor(-0.25)
    u = torch.tensor([5.0, 2.6, 1.3, 0.0, -1.0])
    expected = torch.tensor([4.25, 1.35, 0.05, 0.0, -0.25])
    assert torch.allclose(phi_by_cases(u, torch.tensor(2.0), tau1, tau2), expected)


def test_gradients_of_the_cases_equal_finite_differences():
    u, hbar = pairs(60)
    for weights in ((0.8, 0.3), (0.8, -0.3)):
        taus = torch.tensor(weights, dtype=torch.float64).expand(60, 2)
        inputs = [tensor.clone().requires_grad_() for tensor in (u, hbar + 1e-3, *taus.T)]
        assert torch.autograd.gradcheck(phi_by_cases, inputs)


def test_the_initial_network_is_that_of_the_logs():
    net = build(replace(SMALL, n=85, hidden=1024))
    drawn = (
        np.random.RandomState(2018).uniform(-1, 1, (85, PIXELS)) * np.sqrt(6 / (85 + PIXELS)) / 2
    )
    assert np.allclose(net.A.detach(), drawn, atol=1e-6)
    assert torch.allclose(net.D @ net.D.T, torch.eye(PIXELS), atol=1e-5)
    assert torch.allclose(net.D.norm(dim=0), torch.full((1024,), 0.5), atol=1e-5)
    assert net.h0.shape == (BATCH, 1024) and net.h0.requires_grad and not net.h0.any()
    assert [net.positive(name).item() for name in ("c", "lambda1", "lambda2")] == pytest.approx(
        [1, 1, 0.01]
    )
    assert sum(p.requires_grad for p in net.parameters()) == 7


@pytest.mark.parametrize("network", ["l1-l1-rnn", "sista-rnn", "srnn", "gru"])
def test_a_replay_learns_and_has_the_quantities_of_the_log(network):
    trial = replace(SMALL, network=network)
    first, second, last = replay(trial, *FRAMES, at=(1, 2, 30))
    assert (first["iteration"], last["iteration"]) == (1, 30)
    assert last["eval_mse"] < first["eval_mse"]
    # Clipping and whole grey levels change the mean of logarithms by little.
    assert last["psnr"] == pytest.approx(10 * np.log10(255**2 / last["eval_mse"]), abs=0.3)
    unfolded = network in ("l1-l1-rnn", "sista-rnn")
    assert unfolded == (0 < last["zeros"] < 1)
    if unfolded:
        # The first step of Adam has the length of the learning rate, whatever the gradient.
        assert abs(first["lambda1"] - 1) == pytest.approx(3e-4, rel=1e-3)
        assert abs(first["lambda2"] - 0.01) == pytest.approx(3e-4, rel=1e-2)
    (again,) = replay(trial, *FRAMES, at=(2,))
    assert again == pytest.approx(second, nan_ok=True)


def test_a_dictionary_of_unit_norm_diverges_at_once(monkeypatch):
    def unit_norm_network(trial):
        network = build(trial)
        network.D.data /= network.D.norm(dim=0)
        return network

    monkeypatch.setattr(protocol_replay, "build", unit_norm_network)
    with pytest.raises(TrainingError, match="below 1e8"):
        replay(Trial(), *FRAMES, at=(2,))


def test_fewer_sequences_than_a_batch_are_rejected():
    with pytest.raises(ConfigError, match="expected at least 32 sequences; got 31; "):
        next(protocol_replay.batches(31, seed=0))


def test_batches_contain_each_sequence_once_and_seed_0_uses_the_order_of_the_file():
    stream = protocol_replay.batches(70, seed=0)
    assert torch.cat([next(stream), next(stream)]).tolist() == list(range(64))
    assert len(set(torch.cat([next(stream), next(stream)]).tolist())) == 64
    second_stream = protocol_replay.batches(70, seed=1)
    assert next(second_stream).tolist() != list(range(32))


def test_an_unknown_network_is_rejected():
    with pytest.raises(ConfigError, match="a network from l1-l1-rnn"):
        build(replace(SMALL, network="lstm"))


def test_the_command_stores_each_replay_once_with_its_origin(tmp_path, monkeypatch, capsys):
    gru = replace(SMALL, network="gru")
    monkeypatch.setattr(results_table, "RESULTS", tmp_path)
    monkeypatch.setattr(protocol_replay, "plan", lambda: [SMALL, replace(SMALL, seed=1), gru])
    monkeypatch.setattr(protocol_replay, "frames_of", lambda *_: FRAMES)
    monkeypatch.setattr(protocol_replay, "AT", (1, 2))
    assert protocol_replay.main(["--networks", "l1-l1-rnn"]) == 0
    table = pd.read_csv(tmp_path / protocol_replay.STORED)
    assert list(table["iteration"]) == [1, 2, 1, 2] and table["trial"].nunique() == 2
    assert {*result_store.origin(), "seconds", "zeros", "lambda2", "reduction"} <= set(table)
    assert len(capsys.readouterr().out.splitlines()) == 2
    assert protocol_replay.main(["--networks", "l1-l1-rnn"]) == 0
    assert capsys.readouterr().out == ""
