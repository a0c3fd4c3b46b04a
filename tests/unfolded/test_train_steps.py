"""Training steps: their log, divergence, and replay on a GPU."""

import contextlib
import copy

import pytest
import torch
from small_runs import small
from torch.utils._python_dispatch import TorchDispatchMode

from unfolded import runtime
from unfolded.networks import build, names
from unfolded.training import train_step
from unfolded.training.stacking import SingleModel, StackedModels, recover
from unfolded.training.train_step import TrainSteps

BATCH, CLIP, RATE = 4, 0.25, 3e-4


def frames(count=14):
    generator = torch.Generator().manual_seed(1)
    return torch.rand(count, 5, 256, generator=generator)


def networks(*seeds, model="reweighted-rnn"):
    return [build(**small(model, seed=seed).network()) for seed in seeds]


def train_steps(*nets, data=None):
    runs = StackedModels(nets) if len(nets) > 1 else SingleModel(nets[0])
    adams = [torch.optim.Adam(net.parameters(), lr=RATE, fused=True) for net in nets]
    return TrainSteps(runs, adams, frames() if data is None else data, batch=BATCH, clip=CLIP)


def state(taken):
    """Return parameters, moments and step counts, by value."""
    states = [optimiser.state_dict()["state"] for optimiser in taken.optimisers]
    return copy.deepcopy(([leaf.detach() for leaf in taken.models.leaves], states))


def assert_same(ours, theirs):
    torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


@pytest.mark.parametrize("model", names())
def test_an_epoch_equals_the_plain_loop_exactly(model):
    (net,), (plain,) = networks(0, model=model), networks(0, model=model)
    taken, order = train_steps(net), torch.randperm(14)
    log = taken.epoch(order)
    adam = torch.optim.Adam(plain.parameters(), lr=RATE, fused=True)
    for row, rows in zip(log, order.split(BATCH), strict=True):
        batch = frames()[rows]
        loss = (recover(plain, batch) - batch).square().sum() / len(rows)
        adam.zero_grad()
        loss.backward()
        norms = torch.stack([p.grad.norm() for p in plain.parameters()]).double()
        total = torch.nn.utils.clip_grad_norm_(plain.parameters(), CLIP)
        adam.step()
        assert row[:2].tolist() == [loss.item(), total.item()]
        torch.testing.assert_close(row[2:], norms, rtol=1e-6, atol=0)
    assert_same(list(net.parameters()), list(plain.parameters()))


class SynchronisationLog(TorchDispatchMode):
    """Record operations that wait for the device: a value, or a shape that depends on values."""

    def __init__(self):
        super().__init__()
        self.asked = []

    def __torch_dispatch__(self, function, types, arguments=(), options=None):
        name = function.overloadpacket.__name__
        if name in ("_local_scalar_dense", "nonzero", "is_nonzero", "equal", "masked_select"):
            self.asked.append(name)
        return function(*arguments, **(options or {}))


@pytest.mark.parametrize("model", ["reweighted-rnn", "l1-l1-rnn", "sista-rnn"])
def test_no_step_synchronises_with_the_device(model):
    taken = train_steps(*networks(0, 1, model=model))
    with SynchronisationLog() as seen:
        taken(torch.arange(8).view(2, 4))
        assert seen.asked == []
        torch.ones(()).item()
    assert seen.asked == ["_local_scalar_dense"]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e30])
def test_parameters_do_not_change_after_a_step_that_is_not_finite(value):
    bad = frames()
    bad[5] = value
    taken = train_steps(*networks(0), data=bad)
    taken.epoch(torch.arange(4))
    before = state(taken)
    log = taken.epoch(torch.tensor([4, 5, 6, 7, 0, 1, 2, 3, 8, 9, 10, 11]))
    assert not log[0].isfinite().all() and log[1].isfinite().all()
    assert taken.failed.item() == 1
    assert_same(state(taken), before)


def test_a_gradient_whose_squares_overflow_is_clipped_and_the_run_continues():
    large = frames()
    large[5] = 1e17
    (net,) = networks(0)
    taken = train_steps(net, data=large)
    log = taken.epoch(torch.tensor([4, 5, 6, 7, 0, 1, 2, 3]))
    assert log[:2].isfinite().all() and log[0, 1] > 1e20
    assert taken.failed.item() == 0
    gradient = torch.cat([leaf.grad.flatten() for leaf in taken.models.leaves])
    assert gradient.norm() <= CLIP * 1.001
    assert all(leaf.isfinite().all() for leaf in taken.models.leaves)


def test_a_failed_run_does_not_change_the_other_runs_of_its_group():
    bad = frames()
    bad[5] = float("nan")
    group, alone = train_steps(*networks(0, 1), data=bad), train_steps(*networks(1), data=bad)
    orders = torch.tensor([[4, 5, 6, 7, 0, 1, 2, 3], [0, 1, 2, 3, 8, 9, 10, 11]])
    before = [leaf.detach()[0].clone() for leaf in group.models.leaves]
    log = group.epoch(orders)
    alone.epoch(orders[1])
    assert group.failed.tolist() == [1, 0]
    assert log[:2, 1].isfinite().all()
    assert_same([leaf.detach()[0] for leaf in group.models.leaves], before)
    for ours, theirs in zip(group.models.leaves, alone.models.leaves, strict=True):
        torch.testing.assert_close(ours.detach()[1], theirs.detach(), rtol=1e-5, atol=1e-6)


@pytest.fixture
def gpu(monkeypatch):
    """Replace the operations of a GPU; the list contains the requested operations."""
    asked = []

    def beside(stream, step):
        asked.append("beside")
        step()

    def capture(stream, step):
        asked.append("capture")

        def replay():
            asked.append("replay")
            step()

        return replay

    monkeypatch.setattr(train_step, "on_side_stream", beside)
    monkeypatch.setattr(train_step, "capture", capture)
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: False)
    return asked


@pytest.mark.parametrize("seeds", [(0,), (0, 1)])
def test_warm_up_and_replay_take_each_step_once_and_a_partial_batch_is_not_replayed(gpu, seeds):
    eager, replayed = train_steps(*networks(*seeds)), train_steps(*networks(*seeds))
    replayed.on_gpu = True
    for _ in range(2):
        orders = torch.stack([torch.randperm(14) for _ in seeds]).view(*eager.models.shape, -1)
        # The rate on the device has single precision.
        ours, theirs = replayed.epoch(orders), eager.epoch(orders)
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)
    assert gpu == ["beside"] * 3 + ["capture"] + ["replay"] * 3
    assert replayed.replay is not None and eager.replay is None
    for ours, theirs in zip(replayed.models.leaves, eager.models.leaves, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)
    groups = [optimiser.param_groups[0] for optimiser in replayed.optimisers]
    assert [(group["lr"], group["capturable"]) for group in groups] == [(RATE, False)] * len(seeds)


def test_the_replayed_step_uses_a_learning_rate_changed_between_epochs(gpu):
    taken = train_steps(*networks(0))
    taken.on_gpu = True
    taken.epoch(torch.arange(12))
    before = state(taken)
    taken.optimisers[0].param_groups[0]["lr"] = 0.0
    taken.epoch(torch.arange(12))
    assert gpu[-1] == "replay"
    assert_same(state(taken)[0], before[0])


def test_single_steps_after_the_end_of_the_log_continue_at_its_start(gpu):
    called, epochs = train_steps(*networks(0)), train_steps(*networks(0))
    called.on_gpu = True
    for first in (0, 4, 8, 0, 4, 8):
        called(torch.arange(first, first + 4))
    for _ in range(2):
        log = epochs.epoch(torch.arange(12))
    torch.testing.assert_close(called.log[:2].double(), log[1:3], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("error", [RuntimeError, torch.OutOfMemoryError])
def test_a_step_that_cannot_be_captured_runs_without_replay_after_one_warning(error, monkeypatch):
    monkeypatch.setattr(torch.cuda, "CUDAGraph", object)
    monkeypatch.setattr(torch.cuda, "graph", lambda graph, stream: contextlib.nullcontext())
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: "before")
    streams = []
    monkeypatch.setattr(torch.cuda, "set_stream", streams.append)

    def step():
        raise error("operation not permitted\nwhen capturing")

    if error is not RuntimeError:
        with pytest.raises(error):
            train_step.capture(None, step)
        return
    with pytest.warns(UserWarning, match="no CUDA graph, .*: operation not permitted$"):
        assert train_step.capture(None, step) is None
    assert streams == ["before"]


def test_training_continues_after_a_failed_capture(gpu, monkeypatch):
    monkeypatch.setattr(train_step, "capture", lambda *_: gpu.append("no capture"))
    eager, tried = train_steps(*networks(0)), train_steps(*networks(0))
    tried.on_gpu = True
    for _ in range(2):
        tried.epoch(torch.arange(14))
        eager.epoch(torch.arange(14))
    assert gpu == ["beside"] * 3 + ["no capture"] and tried.replay is None
    for ours, theirs in zip(tried.models.leaves, eager.models.leaves, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


def test_keep_freed_memory_propagates_an_error():
    with pytest.raises(KeyError), runtime.keep_freed_memory():
        raise KeyError


@pytest.mark.parametrize("missing", [AttributeError, OSError, TypeError])
def test_keep_freed_memory_without_glibc_does_nothing(missing, monkeypatch):
    def none(_):
        raise missing

    monkeypatch.setattr(runtime.ctypes, "CDLL", none)
    with runtime.keep_freed_memory():
        pass
