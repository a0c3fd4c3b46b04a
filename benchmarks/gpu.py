"""The same step on a GPU: checks first, then times of the engine and of its competitors."""

import time
from collections.abc import Callable, Iterable
from itertools import product

import torch
from torch import Tensor, nn
from torch.optim import Adam

from benchmarks import plain
from benchmarks.records import Record
from benchmarks.step import MODELS
from benchmarks.workload import BATCH, DEPTH, TIME, N, Step, TrainingSteps, frames
from companion.speed.interleaved_timing import interleave
from unfolded import networks
from unfolded.errors import ConfigError, complain
from unfolded.training.stacking import SingleModel, StackedModels, recover
from unfolded.training.train_step import TrainSteps, backward_loss

RUNS, STEPS = 8, 10
"""Runs in parallel; training steps per timed call."""

_ENGINE, _COMPILED = "engine, as trained", "plain, torch.compile"

_SIZES = {"n0": 16, "n": 5, "hidden": 24, "depth": 3}


def require() -> str:
    """Return the device. Raises ConfigError if there is none."""
    if not torch.cuda.is_available():
        do = "run it where torch.cuda.is_available(), or measure the CPU with `step`"
        raise ConfigError(complain("a CUDA device", "none", do))
    return "cuda"


def measure(
    record: Record, *, hidden: Iterable[int], models: Iterable[str], rounds: int, warm: int
) -> None:
    """Add one row per check and competitor; a failure is stored as a row with its error message."""
    for model in MODELS:
        for dtype in (torch.float64, torch.float32):
            row = {"what": "parity", "model": model, "dtype": str(dtype).removeprefix("torch.")}
            record.add(row | _result(lambda m=model, t=dtype: parity(m, t, "cuda")))
        for check_name, check in {"side by side": side_by_side, "captured steps": captured}.items():
            row = {"what": f"parity, {check_name}", "model": model, "dtype": "float32"}
            record.add(row | _result(lambda m=model, c=check: c(m, "cuda")))
    # Compiled competitors run last, because compilation takes minutes and the other rows are then
    # already stored.
    for compiled, h, model in product((False, True), hidden, models):
        sizes = {"model": model, "hidden": h, "n": N, "depth": DEPTH, "time": TIME}
        _compare(record, sizes | {"batch": BATCH}, compiled, rounds, warm)


def parity(model: str, dtype: torch.dtype, device: str) -> dict[str, float]:
    """Return the largest differences between engine and solver steps.

    Each is relative to 1 + the largest absolute entry.
    """
    torch.manual_seed(0)
    sequences = torch.randn(3, 7, _SIZES["n0"], dtype=dtype).to(device)
    tensors = {}
    for fast in (True, False):
        net = networks.build(model, **_SIZES, lambda1=0.1, lambda2=0.05).to(device, dtype)
        net.fast = fast
        recovered = recover(net, sequences)
        (recovered - sequences).square().sum().backward()
        tensors[fast] = [recovered, *(parameter.grad for parameter in net.parameters())]
    output_difference, *gradient_differences = (
        _difference(*pair) for pair in zip(tensors[True], tensors[False], strict=True)
    )
    return {
        "output_difference": output_difference,
        "gradient_difference": max(gradient_differences),
    }


def side_by_side(model: str, device: str) -> dict[str, float]:
    """Return the largest difference between three wide runs in parallel and each of them alone."""
    torch.manual_seed(0)
    sequences = torch.randn(3, 7, _SIZES["n0"]).to(device)
    single_networks, stacked_networks = (
        [_small_network(model, seed, device) for seed in range(3)] for _ in range(2)
    )
    models = StackedModels(stacked_networks)
    backward_loss(models.recover(sequences), sequences.expand(3, -1, -1, -1))
    models.assign_gradients()
    for net in single_networks:
        backward_loss(recover(net, sequences), sequences)
    pairs = zip(_parameters(stacked_networks), _parameters(single_networks), strict=True)
    return {"gradient_difference": max(_difference(p.grad, q.grad) for p, q in pairs)}


def captured(model: str, device: str) -> dict[str, float]:
    """Return the largest differences between captured steps and the same steps without capture.

    ``log_difference``: of losses and norms of the gradient; ``parameter_difference``: of the
    parameters after two epochs; ``captured``: whether a CUDA graph was captured.
    """
    torch.manual_seed(0)
    data = torch.randn(64, 7, _SIZES["n0"]).to(device)
    logs, nets = [], [_small_network(model, 0, device) for _ in range(2)]
    for net, on_gpu in zip(nets, (True, False), strict=True):
        adam = Adam(net.parameters(), lr=1e-3, fused=True)
        steps = TrainSteps(SingleModel(net), [adam], data, batch=8, clip=0.25)
        steps.on_gpu = steps.on_gpu and on_gpu
        epochs = [steps.epoch(torch.arange(64, device=device)) for _ in range(2)]
        logs.append((torch.cat(epochs), steps.replay is not None))
    (log, was_captured), (expected, _) = logs
    pairs = zip(nets[0].parameters(), nets[1].parameters(), strict=True)
    return {
        "log_difference": _difference(log, expected),
        "parameter_difference": max(_difference(p, q) for p, q in pairs),
        "captured": was_captured,
    }


def _small_network(model: str, seed: int, device: str) -> nn.Module:
    sizes = _SIZES | {"hidden": 600}  # two blocks of a kernel
    return networks.build(model, **sizes, lambda1=0.1, lambda2=0.05, seed=seed).to(device)


def _parameters(nets: Iterable[nn.Module]) -> list[nn.Parameter]:
    return [parameter for net in nets for parameter in net.parameters()]


def _difference(actual: Tensor, expected: Tensor) -> float:
    return ((actual - expected).abs().max() / (1 + expected.abs().max())).item()


def _compare(record: Record, sizes: dict, compiled: bool, rounds: int, warm: int) -> None:
    calls = {}
    for name, make in competitors(sizes["model"], sizes["hidden"]).items():
        if name != _ENGINE and compiled != (name == _COMPILED):
            continue
        started = time.perf_counter()
        try:
            call = make()
            call()
            torch.cuda.synchronize()
        except Exception as error:
            record.add({"what": name, **sizes, "failed": _reason(error)})
            continue
        calls[name], first_seconds = call, time.perf_counter() - started
        if compiled and name == _ENGINE:
            continue  # measured before; here it is only the reference of the ratio
        pair = {key: calls[key] for key in (_ENGINE, name) if key in calls}
        timings = interleave(pair, rounds=rounds, warm=warm, wait=torch.cuda.synchronize)
        captured = getattr(getattr(call, "steps", None), "replay", None) is not None
        row = timings[name].row(timings.get(_ENGINE, timings[name]), STEPS)
        record.add({"what": name, **sizes, "captured": captured, "first_s": first_seconds, **row})


def competitors(model: str, hidden: int) -> dict[str, Callable[[], Callable[[], object]]]:
    """Return a constructor for each competitor, because construction may be slow or fail.

    Each call of a competitor takes STEPS steps; "as trained" are the captured steps of
    train_step.py.
    """
    data = frames(BATCH * STEPS).cuda()

    def network(seed: int = 0) -> nn.Module:
        return networks.build(model, n=N, hidden=hidden, depth=DEPTH, seed=seed).cuda()

    def repeated_step(**options) -> Callable[[], None]:
        step = Step(network(), data[:BATCH], **options)

        def call() -> None:
            for _ in range(STEPS):
                step()

        return call

    return {
        _ENGINE: lambda: TrainingSteps([network()], data),
        "engine": repeated_step,
        "plain": lambda: repeated_step(recover=plain.recover),
        f"{RUNS} runs, as trained": lambda: TrainingSteps([network(s) for s in range(RUNS)], data),
        _COMPILED: lambda: repeated_step(recover=torch.compile(plain.recover, dynamic=False)),
    }


def _result(call: Callable[[], dict]) -> dict:
    try:
        return call()
    except Exception as error:
        return {"failed": _reason(error)}


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"[:200]
