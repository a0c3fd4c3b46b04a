"""Training: an interrupted run equals an uninterrupted one; failures are named; runs are paired."""

import math
import time

import pytest
import torch
from small_runs import SMALL, end, interrupted, new_trainer, result, run, small, start

from companion import results
from unfolded import data, runtime, training
from unfolded.choices import UNFOLDED
from unfolded.errors import ConfigError, RecordError, TrainingError
from unfolded.networks import build
from unfolded.runs import config, input_frames, records
from unfolded.runs.config import Protocol
from unfolded.training import checkpoint, stacking, trainer

INTERRUPTIONS = [
    (name, moment)
    for name in ("state.pt", "state.pt", "state.pt", "weights.safetensors", "record.json")
    for moment in ("half-way", "moved")
]
"""Killed at every write of a run: the state of three epochs, the weights, the record."""


@pytest.fixture(scope="module", params=["reweighted-rnn", "lstm"])
def uninterrupted(request, tmp_path_factory):
    store = tmp_path_factory.mktemp("whole")
    assert end(start({"model": request.param}, store)) == 0
    return request.param, result(records.folder_of(small(request.param), store))


def train_epoch(job):
    """Train a run alone for one epoch."""
    (result,) = trainer.RunGroup([job]).epoch()
    job.end_epoch(*result)


# Killed and started again ----------------------------------------------------------------------


def test_a_run_killed_at_every_write_has_the_result_of_an_uninterrupted_run(
    uninterrupted, tmp_path
):
    model, expected = uninterrupted
    for plan in INTERRUPTIONS:
        assert end(start({"model": model}, tmp_path, plan)) == -9, plan
    assert end(start({"model": model}, tmp_path)) == 0
    assert result(records.folder_of(small(model), tmp_path)) == expected


def test_the_state_of_the_first_epoch_is_preserved_if_the_second_is_interrupted(tmp_path):
    folder = records.folder_of(small(), tmp_path)
    assert end(start({}, tmp_path, ("state.pt", "moved"))) == -9
    state = (folder / "state.pt").read_bytes()
    assert end(start({}, tmp_path, ("state.pt", "half-way"))) == -9
    assert (folder / "state.pt").read_bytes() == state
    assert len(checkpoint.load_state(folder, small())["curves"]["train_mse"]) == 1
    assert len([path for path in folder.iterdir() if path.suffix == ".part"]) == 1
    with records.lock(folder):
        assert {path.name for path in folder.iterdir()} == {".lock", "state.pt"}


def test_a_second_process_is_rejected_and_the_folder_is_free_after_a_kill(tmp_path):
    process = start({}, tmp_path, ("state.pt", "waits"))
    try:
        path = records.folder_of(small(), tmp_path) / "state.pt"
        until = time.monotonic() + 60
        while not path.exists() and time.monotonic() < until:
            time.sleep(0.02)
        with pytest.raises(RecordError, match=r"to be free; got another process trains this run"):
            run(small(), tmp_path)
    finally:
        process.kill()
        end(process)
    assert run(small(), tmp_path).status == "done"


# Done, again, failed ---------------------------------------------------------------------------


def test_a_finished_run_is_read_without_data_or_a_writable_folder(tmp_path, monkeypatch):
    first = run(small(), tmp_path)
    monkeypatch.setattr(data, "sequences", None)
    monkeypatch.setattr(records.filelock, "FileLock", None)
    assert run(small(), tmp_path) == first


def test_again_repeats_a_finished_run_to_the_same_numbers(tmp_path):
    run(small(), tmp_path)
    folder = records.folder_of(small(), tmp_path)
    record, expected = result(folder)
    record["metrics"]["psnr_frame"] = -1.0
    records.save(records.Record(**record), folder)
    assert run(small(), tmp_path).metrics["psnr_frame"] == -1
    assert run(small(), tmp_path, again=True).metrics["psnr_frame"] > 0
    assert result(folder)[1] == expected


def test_an_interrupted_repetition_is_not_a_finished_run(tmp_path):
    first = run(small(), tmp_path)
    with interrupted(), pytest.raises(KeyboardInterrupt):
        run(small(), tmp_path, again=True)
    assert records.load(records.folder_of(small(), tmp_path)) is None
    assert run(small(), tmp_path).metrics == first.metrics


@pytest.mark.parametrize("model", ["reweighted-rnn", "sista-rnn", "lstm"])
def test_a_diverged_run_has_a_failed_record_and_is_repeated_by_the_next_call(
    model, tmp_path, monkeypatch
):
    wild, before = small(model, learning_rate=1e30), torch.get_rng_state()
    with pytest.raises(TrainingError, match=r"in epoch 1, step [12].* with parameter (\S+) at "):
        run(wild, tmp_path)
    folder = records.folder_of(wild, tmp_path)
    record = records.load(folder)
    assert record.status == "failed"
    assert "\n" not in record.reason
    assert {path.name for path in folder.iterdir()} == {".lock", "record.json"}
    assert results.collect(tmp_path)["reason"].tolist() == [record.reason]
    # The second attempt has the same configuration and a finite loss.
    adam = torch.optim.Adam
    calm = {"lr": 3e-4, "fused": True}
    monkeypatch.setattr(trainer, "Adam", lambda parameters, lr, fused: adam(parameters, **calm))
    retried = run(wild, tmp_path)
    assert retried.status == "done" and torch.equal(torch.get_rng_state(), before)
    assert len(retried.curves["train_mse"]) == SMALL.epochs


@pytest.mark.parametrize("name", ["A", "G", "raw.lambda2"])
def test_a_parameter_with_a_diverged_gradient_is_named(name, tmp_path, monkeypatch):
    def poisoned(**options):
        network = build(**options)
        network.get_parameter(name).register_hook(lambda gradient: gradient * float("nan"))
        return network

    monkeypatch.setattr(trainer, "build", poisoned)
    message = rf"a gradient of nan in epoch 1, step 1, with parameter {name} at [0-9.e-]+;"
    with pytest.raises(TrainingError, match=message):
        run(small(), tmp_path)


def test_negative_thresholds_of_free_parameters_are_not_an_error(tmp_path):
    free = small("sista-rnn", positivity="free", lambda2=1e30)
    with pytest.raises(TrainingError, match="expected a finite"):
        run(free, tmp_path)
    assert records.load(records.folder_of(free, tmp_path)).status == "failed"


def test_an_error_in_the_last_step_of_an_epoch_is_detected_before_the_state_is_saved(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(trainer, "mean_squared_errors", lambda *_: torch.tensor(math.inf))
    with pytest.raises(TrainingError, match="validation error of inf in epoch 1, step 2, its last"):
        run(small(), tmp_path)


@pytest.mark.parametrize("model", ["reweighted-rnn", "l1-l1-rnn", "sista-rnn", "lstm", "gru"])
def test_the_stored_weights_of_a_run_reproduce_its_record(model, tmp_path):
    record = run(small(model, protocol="normalised"), tmp_path)
    folder = records.folder_of(small(model, protocol="normalised"), tmp_path)
    network, configuration = checkpoint.load_network(folder)
    frames = input_frames.load(configuration).test
    with torch.no_grad():
        mse = (network(frames) - frames).mul(255).square().double().mean().item()
    assert mse == pytest.approx(record.metrics["test_mse"], rel=1e-6)
    assert len(record.sequence_mse) == len(frames)
    assert sum(record.sequence_mse) / len(frames) == pytest.approx(mse, rel=1e-6)
    assert training.learned(network) == record.learned
    path = {name: values for name, values in record.curves.items() if name in record.learned}
    ends = {name: record.learned[name] for name in ("c", "lambda1", "lambda2") if record.learned}
    assert {name: values[-1] for name, values in path.items()} == ends
    assert all(len(set(values)) == SMALL.epochs for values in path.values()), "they move"


# The protocol ----------------------------------------------------------------------------------


def batches(run_config):
    """Return the frames of each step of two epochs."""
    seen, job = [], new_trainer(run_config)
    with pytest.MonkeyPatch.context() as patch:
        recover = stacking.recover
        patch.setattr(stacking, "recover", lambda net, x: seen.append(x) or recover(net, x))
        patch.setattr(trainer, "mean_squared_errors", lambda *_: torch.zeros(()))
        train_epoch(job)
        train_epoch(job)
    return seen


def test_models_have_the_same_batches_and_the_same_sensing_matrix():
    ours, lstm, seed_1 = batches(small()), batches(small("lstm")), batches(small(seed=1))
    assert [len(frames) for frames in ours] == [32, 8, 32, 8]
    assert all(map(torch.equal, ours, lstm))
    assert not torch.equal(ours[0], ours[2])
    assert not any(map(torch.equal, ours, seed_1))
    alike = small(), small("lstm", hidden=5, depth=1), small("gru", protocol="normalised")
    first, *matrices, last = (new_trainer(config).network.A for config in (*alike, small(seed=1)))
    assert all(torch.equal(first, A) for A in matrices) and not torch.equal(first, last)


def rates(validation, monkeypatch):
    """Return the learning rate of each epoch when the validation errors are these."""
    job = new_trainer()
    job.train = job.train[:1]
    errors = iter(torch.tensor(validation, dtype=torch.float64))
    monkeypatch.setattr(trainer, "mean_squared_errors", lambda *_: next(errors))
    for _ in validation:
        train_epoch(job)
    return [round(rate / job.config.scale.learning_rate, 6) for rate in job.curves["learning_rate"]]


def test_the_rate_is_multiplied_by_0_3_after_five_epochs_without_improvement(monkeypatch):
    assert rates([9, 8, 8, 9, 8, 9, 9, 9], monkeypatch) == [1] * 7 + [0.3]
    assert rates([9, 8, 9, 9, 9, 9, 7.9999999, 8, 8, 8, 8], monkeypatch) == [1] * 11
    assert rates([8] * 12, monkeypatch) == [1] * 6 + [0.3] * 5 + [0.09]


def test_the_gradient_is_clipped_to_a_quarter():
    job = new_trainer()
    job.train = job.train[:32]
    train_epoch(job)
    gradients = torch.cat([p.grad.flatten() for p in job.network.parameters()])
    assert gradients.norm().item() == pytest.approx(0.25, rel=1e-4)


@pytest.mark.parametrize("protocol", ["authors", "normalised"])
def test_the_printed_training_error_is_the_mean_square_in_grey_levels(protocol):
    job = new_trainer(small(protocol=protocol))
    job.train = job.train[:32]
    with torch.no_grad():
        error = (job.network(job.train) - job.train).double() * 255 / job.config.scale.peak
    train_epoch(job)
    assert job.curves["train_mse"] == [pytest.approx(error.square().mean().item(), rel=1e-5)]


def recovered(monkeypatch, model, unit, protocol="normalised", positivity="free"):
    monkeypatch.setitem(config.PROTOCOLS, "normalised", Protocol(peak=255 * unit))
    built = build(**small(model, protocol=protocol, positivity=positivity).network())
    frames = torch.from_numpy(data.sequences(count=10)).flatten(2)
    with torch.no_grad():
        return built(frames * unit) / unit


@pytest.mark.parametrize("model", UNFOLDED)
def test_rescaled_frames_and_thresholds_rescale_the_untrained_output(model, monkeypatch):
    """All with a unit is divided by 255; the weight of a square, in SISTA-RNN, has none."""
    whole = recovered(monkeypatch, model, 1.0, "authors")
    # A power of two causes no rounding, so that the theorem holds exactly.
    assert torch.equal(recovered(monkeypatch, model, 1 / 256), whole)
    for positivity in ("free", "exp", "softplus"):
        scaled = recovered(monkeypatch, model, 1 / 255, positivity=positivity)
        torch.testing.assert_close(scaled, whole, rtol=1e-4, atol=1e-3)


# What is left behind ---------------------------------------------------------------------------


def denormals_are_zero():
    return torch.tensor(1e-38).div(16).item() == 0


@pytest.mark.parametrize("before", [False, True])
def test_the_treatment_of_denormals_is_restored(before, tmp_path):
    if not torch.set_flush_denormal(before):
        pytest.skip("this processor cannot flush denormals")
    try:
        with runtime.flushed_denormals():
            assert denormals_are_zero()
        assert denormals_are_zero() == before
        with pytest.raises(KeyError), runtime.flushed_denormals():
            raise KeyError
        assert denormals_are_zero() == before
    finally:
        torch.set_flush_denormal(False)


def test_devices_are_resolved_or_rejected():
    assert training.resolve("cpu") == "cpu"
    assert training.resolve("auto") in ("cpu", "cuda")
    for wrong in ("gpu", "cuda:", "cuda:x", "cuda:-1", "cpu:0", "", None, "cuda:²"):
        with pytest.raises(ConfigError, match="expected a device such as"):
            training.resolve(wrong)
    with pytest.raises(ConfigError, match=r"expected the device cuda:99; got . CUDA devices"):
        training.resolve("cuda:99")


@pytest.mark.parametrize("damage", ["absent", "empty", "header cut", "tensors cut"])
def test_a_run_without_complete_weights_is_trained_again(tmp_path, damage):
    config = small("gru")
    record = training.run(config, store=tmp_path, progress=False)
    weights = records.folder_of(config, tmp_path) / checkpoint.WEIGHTS
    content = weights.read_bytes()
    weights.unlink()
    sizes = {"empty": 0, "header cut": 50, "tensors cut": len(content) - 1}
    if damage in sizes:
        weights.write_bytes(content[: sizes[damage]])
    again = training.run(config, store=tmp_path, progress=False)
    assert again.metrics == record.metrics and weights.read_bytes() == content
