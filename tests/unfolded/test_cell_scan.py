"""The scan of a recurrent layer in C computes what a loop under autograd computes."""

import contextlib
import functools
import hashlib
import platform

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck

from unfolded import recurrence
from unfolded.errors import ConfigError
from unfolded.networks import build
from unfolded.networks.fastrnn import FastLayer
from unfolded.networks.gru import GRU
from unfolded.networks.indrnn import IndependentLayer
from unfolded.networks.lstm import LSTM
from unfolded.networks.srnn import ElmanLayer
from unfolded.recurrence import cell_scan
from unfolded.recurrence.backends import native

F64 = torch.float64
NETWORKS = ("srnn", "lstm", "gru", "indrnn", "fastrnn", "spectralrnn")
LAYERS = {
    "elman": ElmanLayer,
    "independent": functools.partial(IndependentLayer, bound=None, start="ones", std=1),
    "fast": functools.partial(FastLayer, alpha=0, beta=0, std=1),
}
CELLS = [*((kind, phi) for kind in LAYERS for phi in ("tanh", "relu", "soft"))]
CELLS += [("lstm", "tanh"), ("gru", "tanh")]
# batch, time, k, h; the last has more rows and columns than any block of the products in C.
SHAPES = [(1, 1, 1, 1), (2, 3, 4, 6), (5, 1, 2, 3), (1, 9, 3, 5), (33, 10, 19, 45)]

needs_c = pytest.mark.skipif(native.library() is None, reason="no C compiler here")


@contextlib.contextmanager
def threads(number):
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def cell_of(kind, phi="tanh"):
    if kind in LAYERS:
        return LAYERS[kind](1, 1, activation=phi).cell()
    return {"lstm": LSTM, "gru": GRU}[kind].cell


def inputs(kind, shape, draw):
    """x, h0, c0, U, b and the weights of a layer that neither vanishes nor diverges."""
    B, T, k, h = shape
    gates = {"lstm": 4, "gru": 3}.get(kind, 1)
    c0 = draw(B, h) if kind == "lstm" else None
    first = [draw(B, T, k), draw(B, h), c0, draw(gates * h, k) / k**0.5, draw(gates * h)]
    if kind == "independent":
        return [*first, draw(h).tanh()]
    W = 0.5 * draw(gates * h, h) / h**0.5
    more = {"elman": [], "fast": [draw().sigmoid(), draw().sigmoid()]}
    return [*first, W, *more.get(kind, [draw(gates * h)])]


def trained(function, tensors, weights, asking=None):
    """The outputs and the gradients of their weighted sum in every tensor that requires one."""
    asked = [t is not None and (asking is None or i in asking) for i, t in enumerate(tensors)]
    leaves = [
        None if t is None else t.clone().requires_grad_(ask)
        for t, ask in zip(tensors, asked, strict=True)
    ]
    codes, last = function(*leaves)
    loss = (codes * weights[0]).sum() + (0 if last is None else (last * weights[1]).sum())
    loss.backward()
    outputs = [codes.detach()] + ([] if last is None else [last.detach()])
    return outputs + [leaf.grad if ask else None for leaf, ask in zip(leaves, asked, strict=True)]


def close(results, expected, tolerance=1e-10):
    for i, (result, other) in enumerate(zip(results, expected, strict=True)):
        assert (result is None) == (other is None), i
        if result is not None:
            assert result.shape == other.shape, i
            assert (result - other).abs().max() <= tolerance * (1 + other.abs().max()), i


def compare(kind, phi, shape, draw, asking=None):
    cell, tensors = cell_of(kind, phi), inputs(kind, shape, draw)
    weights = draw(*shape[:2], shape[3]), draw(shape[0], shape[3])
    with recurrence.use("native"):
        results = trained(functools.partial(cell_scan.run, cell), tensors, weights, asking)
    close(results, trained(functools.partial(cell_scan.reference, cell), tensors, weights, asking))


@needs_c
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(("kind", "phi"), CELLS)
def test_scan_equals_the_reference(kind, phi, shape, normal):
    compare(kind, phi, shape, normal)


@needs_c
@settings(max_examples=60)
@given(
    shape=st.tuples(*(st.integers(1, most) for most in (40, 12, 70, 70))),
    cell=st.sampled_from(CELLS),
    number=st.integers(1, 2),
    seed=st.integers(0, 2**30),
)
def test_scan_equals_the_reference_for_any_shape(shape, cell, number, seed):
    generator = torch.Generator().manual_seed(seed)
    with threads(number):
        compare(*cell, shape, lambda *size: torch.randn(size, generator=generator, dtype=F64))


@needs_c
@pytest.mark.parametrize(("kind", "phi"), CELLS)
def test_single_precision_differs_only_by_rounding(kind, phi, normal):
    B, T, k, h = shape = SHAPES[-1]
    cell, tensors = cell_of(kind, phi), inputs(kind, shape, normal)
    weights = normal(B, T, h), normal(B, h)
    exact = trained(functools.partial(cell_scan.reference, cell), tensors, weights)
    with recurrence.use("native"):
        single = [None if t is None else t.float() for t in tensors]
        run = functools.partial(cell_scan.run, cell)
        results = trained(run, single, [weight.float() for weight in weights])
    # Each frame adds a sum of h + k products and a few functions; a gradient goes there and back.
    # A unit at a kink may take its other side: hence the norm.
    bound = 4 * T * (h + k) * torch.finfo(torch.float32).eps
    for i, (result, other) in enumerate(zip(results, exact, strict=True)):
        if result is not None:
            assert (result.double() - other).norm() <= bound * other.norm(), i


@needs_c
@pytest.mark.parametrize("only", [True, False], ids=["only", "all-but"])
@pytest.mark.parametrize("kind", cell_scan.KINDS)
def test_any_tensor_may_be_frozen(kind, only, normal):
    places = {i for i, t in enumerate(inputs(kind, SHAPES[1], normal)) if t is not None}
    for place in places:
        compare(kind, "tanh", SHAPES[1], normal, {place} if only else places - {place})


@needs_c
@pytest.mark.parametrize("kind", cell_scan.KINDS)
def test_the_result_does_not_depend_on_the_number_of_threads(kind, normal):
    tensors, weights = inputs(kind, SHAPES[-1], normal), (normal(33, 10, 45), normal(33, 45))
    run = functools.partial(cell_scan.run, cell_of(kind))
    results = []
    for number in (1, 3):
        with threads(number), recurrence.use("native"):
            results.append(trained(run, tensors, weights))
    for i, (value, other) in enumerate(zip(*results, strict=True)):
        # Only w, α and β have sums over the samples of a thread.
        exact = kind not in ("independent", "fast") or i < len(results[0]) - 2
        assert value is other is None or (torch.equal if exact else torch.allclose)(value, other), i


@needs_c
@pytest.mark.parametrize("kind", cell_scan.KINDS)
def test_nothing_is_recorded_without_gradients(kind, normal):
    tensors, cell = inputs(kind, SHAPES[1], normal), cell_of(kind)
    leaves = [None if t is None else t.requires_grad_() for t in tensors]
    with recurrence.use("native"):
        codes, last = cell_scan.run(cell, *leaves)
        with torch.no_grad():
            again, last_again = cell_scan.run(cell, *leaves)
    assert not again.requires_grad and torch.equal(again, codes.detach())
    assert last is None or torch.equal(last, last_again)


@needs_c
@pytest.mark.parametrize("kind", cell_scan.KINDS)
def test_gradients_can_be_differentiated_again(kind, normal):
    tensors, cell = inputs(kind, (2, 3, 2, 3), normal), cell_of(kind)
    leaves = [t.requires_grad_() for t in tensors if t is not None]

    def slope(*leaves):
        tensors = list(leaves) if kind == "lstm" else [*leaves[:2], None, *leaves[2:]]
        codes = cell_scan.run(cell, *tensors)[0]
        return torch.autograd.grad(codes.pow(3).sum(), leaves[:4], create_graph=True)

    with recurrence.use("native"):
        assert gradcheck(slope, leaves)


@needs_c
def test_the_backward_pass_can_run_twice(normal):
    leaves = [t if t is None else t.requires_grad_() for t in inputs("gru", SHAPES[1], normal)]
    with recurrence.use("native"):
        loss = cell_scan.run(cell_of("gru"), *leaves)[0].square().sum()
        loss.backward(retain_graph=True)
        first = leaves[0].grad.clone()
        loss.backward()
    assert torch.equal(leaves[0].grad, 2 * first)


@needs_c
@pytest.mark.parametrize(("kind", "phi"), CELLS)
def test_nan_propagates_to_the_codes(kind, phi, normal):
    tensors = inputs(kind, SHAPES[1], normal)
    tensors[0][0, 1] = torch.nan
    with recurrence.use("native"):
        codes, _ = cell_scan.run(cell_of(kind, phi), *tensors)
    assert codes[0, 1:].isnan().all() and codes[1].isfinite().all()


def ulps(number, exact, values):
    """The largest error of a function in C, in units in the last place of the exact result."""
    results = values.clone()
    native.library().activate_float(number, len(results), results.data_ptr())
    true = exact(values.double())
    unit = torch.from_numpy(np.spacing(true.abs().float().numpy())).double()
    return ((results.double() - true).abs() / unit).max()


@needs_c
@pytest.mark.parametrize(
    ("number", "exact"), [(0, torch.tanh), (3, torch.sigmoid)], ids=["tanh", "sigmoid"]
)
def test_functions_in_single_precision_have_an_error_of_at_most_two_ulps(number, exact):
    # Every 997th number from the smallest that is normal to 80, of both signs.
    bits = torch.arange(0x00800000, 0x42A00000, 997, dtype=torch.int32)
    values = bits.view(torch.float32)
    assert ulps(number, exact, torch.cat([values, -values])) <= 2
    ends = torch.tensor([0.0, -0.0, 1e3, -1e3, torch.inf, -torch.inf])
    results = ends.clone()
    native.library().activate_float(number, len(results), results.data_ptr())
    assert torch.allclose(results, exact(ends), atol=1e-37, rtol=0)


@needs_c
@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="not an x86 processor")
@pytest.mark.parametrize("flags", [[], ["-mavx2", "-mfma"]], ids=["SSE2", "AVX2"])
def test_results_do_not_depend_on_the_vector_width(flags, normal, monkeypatch, tmp_path):
    target = tmp_path / "kernels.so"
    if native._compiler_failure(["cc"], str(target), *flags):
        pytest.skip("the compiler does not know these flags")
    content = target.read_bytes()
    target.write_bytes(content + hashlib.sha256(content).digest())
    if flags and "avx2" not in native.processor():
        pytest.skip("the processor lacks these vectors")
    library = native._load(target)
    monkeypatch.setattr(native, "library", lambda: library)
    for kind, phi in CELLS:
        compare(kind, phi, SHAPES[-1], normal)
    values = torch.linspace(-20, 20, 10_001)
    assert ulps(0, torch.tanh, values) <= 2 and ulps(3, torch.sigmoid, values) <= 2


# Networks --------------------------------------------------------------------------------------


def recovered(net, frames):
    net.zero_grad()
    recovery = net(frames)
    (recovery - frames).square().sum().backward()
    return [recovery.detach(), *(p.grad for p in net.parameters())]


@pytest.mark.parametrize("backend", ["native", "torch"])
@pytest.mark.parametrize("depth", range(1, 7))
@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_equals_its_reference_with_every_backend(name, depth, backend, normal):
    if backend == "native" and native.library() is None:
        pytest.skip("no C compiler here")
    net = build(name, n0=9, n=4, hidden=12, depth=depth).double()
    frames = normal(3, 5, 9)
    with recurrence.use(backend):
        results = recovered(net, frames)
    with recurrence.use("reference"):
        close(results, recovered(net, frames))


def test_an_unavailable_backend_is_rejected(monkeypatch):
    with pytest.raises(ConfigError, match="a backend from reference, torch, native, triton"):
        recurrence.use("fast").__enter__()
    monkeypatch.setattr(native, "library", lambda: None)
    with pytest.raises(ConfigError, match="compiled C kernels"), recurrence.use("native"):
        pass
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match="CUDA with Triton"), recurrence.use("triton"):
        pass
    assert recurrence.chosen() is None
