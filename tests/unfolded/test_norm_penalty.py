"""The penalty on the row norms: gradient, unit, value zero, and effect on the norms."""

import dataclasses
import json

import pytest
import torch
from small_runs import new_trainer, small
from test_train_steps import SynchronisationLog

from unfolded import training
from unfolded.choices import UNFOLDED
from unfolded.errors import ConfigError
from unfolded.networks import build
from unfolded.runs import input_frames, records
from unfolded.runs.config import RunConfig
from unfolded.training import checkpoint
from unfolded.training.stacking import recover
from unfolded.training.train_step import row_norms
from unfolded.training.trainer import RunGroup

ROWS = torch.arange(32)


def gradients(config, **changes):
    """Return the gradients of a first step, before they are clipped."""
    job = new_trainer(config)
    for name, value in changes.items():
        setattr(job.network, name, value)
    steps = RunGroup([job]).steps
    steps.clip = float("inf")
    steps(ROWS)
    return [p.grad for p in job.network.parameters()]


@pytest.mark.parametrize("model", UNFOLDED)
def test_the_penalty_is_the_sum_of_the_alphas_of_the_bounds(model):
    net = build(**small(model, depth=2).network())
    with torch.no_grad():
        for p in net.parameters():
            p.add_(0.1 * torch.rand(p.shape, generator=torch.Generator().manual_seed(0)))
    torch.testing.assert_close(row_norms(net), net.norms()["alpha"].sum())


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize("protocol", ["authors", "normalised"])
@pytest.mark.parametrize("model", UNFOLDED)
def test_the_step_descends_the_error_of_a_pixel_in_grey_levels_and_the_norms(model, protocol, fast):
    config = small(model, protocol=protocol, norm_penalty=3.0)
    net = build(**config.network())
    # The same route on both sides: the gradient in λ1 is a small difference of large sums.
    net.fast = fast
    batch = input_frames.on_device(config, "cpu", {}).train[ROWS]
    unit = 255 / config.scale.peak
    error = (recover(net, batch) - batch) * unit
    (error.square().mean() + 3.0 * row_norms(net)).backward()
    count = batch[0].numel() / unit**2
    for gradient, p in zip(gradients(config, fast=fast), net.parameters(), strict=True):
        want = torch.zeros_like(p) if p.grad is None else count * p.grad
        torch.testing.assert_close(gradient, want, rtol=1e-3, atol=1e-4 * want.abs().max().item())


def test_rows_with_equal_sums_share_the_gradient():
    net = build(**small("l1-l1-rnn", depth=1, hidden=4).network())
    with torch.no_grad():
        net.A.zero_()  # W_1 = G = I: every row is a largest one
    row_norms(net).backward()
    torch.testing.assert_close(net.G.grad, torch.eye(4) / 4)


@pytest.mark.parametrize("model", UNFOLDED)
def test_a_penalised_step_does_not_synchronise_with_the_device(model):
    """A GPU can replay it like every other step."""
    jobs = [new_trainer(small(model, seed=seed, norm_penalty=20.0)) for seed in (0, 1)]
    steps = RunGroup(jobs).steps
    with SynchronisationLog() as seen:
        steps(torch.arange(64).view(2, 32) % 40)
        assert seen.asked == []


def test_runs_with_different_penalties_are_not_trained_in_one_group():
    assert len(training.groups([small(), small(norm_penalty=1.0)])) == 2


def test_a_penalty_decreases_the_norms_and_curves_contain_the_plain_error(tmp_path):
    ended = {}
    for weight in (0.0, 1e6):
        record = training.run(small(norm_penalty=weight), store=tmp_path, progress=False)
        net, config = checkpoint.load_network(tmp_path / record.config_hash)
        assert config.norm_penalty == record.row()["norm_penalty"] == weight
        ended[weight] = row_norms(net).item(), record.curves["train_mse"][0]
    start = row_norms(build(**small().network())).item()
    assert ended[1e6][0] < min(start, ended[0.0][0])
    # The penalty alone would add 1e6 times a norm above one.
    assert ended[1e6][1] < 2 * ended[0.0][1]


def test_older_runs_keep_their_names_and_their_records():
    old = {"model": "reweighted-rnn", "source": "mnist", "profile": "paper", "hidden": 256}
    old["reduction"] = "bilinear"
    assert RunConfig(**old).hash == RunConfig(**old, norm_penalty=0).hash == "4fa43e7cbeba"
    assert RunConfig(norm_penalty=1).hash == RunConfig(norm_penalty=1.0).hash
    fields = RunConfig(**old).as_dict()
    del fields["norm_penalty"]
    record = records.Record(json.loads(json.dumps(fields)), RunConfig(**old).hash, "failed")
    assert record.row()["norm_penalty"] == 0.0


@pytest.mark.parametrize("model", ["srnn", "lstm", "fastrnn"])
def test_a_generic_network_has_no_such_penalty(model):
    with pytest.raises(ConfigError, match=f"an unfolded network only; got {model} on "):
        RunConfig(model=model, norm_penalty=0.1)
    assert dataclasses.replace(RunConfig(model=model), norm_penalty=0.0).norm_penalty == 0.0
