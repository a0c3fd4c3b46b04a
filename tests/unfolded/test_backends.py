"""The backends of the engine: C and PyTorch agree exactly, on every product."""

import os
import shutil

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unfolded.prox import prox_l1_l1
from unfolded.recurrence import matmul, unroll
from unfolded.recurrence.backends import native, native_scan, reference

F64 = torch.float64
needs_c = pytest.mark.skipif(native.library() is None, reason="no C compiler here")


def random(dtype, rows, width, seed, whole):
    """Tensors of one layer; whole numbers make kinks and ties abound."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape):
        sample = 2 * torch.randn(shape, generator=generator, dtype=F64)
        return (sample.round() if whole else sample).to(dtype)

    many = [draw(rows, width) for _ in range(5)]
    return many, draw(1, width).abs(), draw(1, width).abs()


@needs_c
@pytest.mark.parametrize("dtype", [torch.float32, F64], ids=str)
@given(
    sizes=st.tuples(st.integers(1, 5), st.integers(1, 70)),
    seed=st.integers(0, 2**30),
    whole=st.booleans(),
    residual=st.booleans(),
    soft=st.booleans(),
    rho=st.sampled_from([None, 0.5]),
    more=st.booleans(),
)
def test_c_and_pytorch_agree_exactly(dtype, sizes, seed, whole, residual, soft, rho, more):
    (u, s, p, hbar, g), a, b = random(dtype, *sizes, seed, whole)
    rho = None if rho is None else torch.tensor(rho, dtype=dtype)
    centre = None if soft else hbar
    b = torch.zeros_like(b) if soft else b
    compiled = native.NativeKernels(dtype, rho or 0.0)
    values, gradients = [], []
    for kernels in (compiled, reference):
        value, du, dhbar = torch.empty_like(u), torch.empty_like(u), u.clone()
        kernels.forward(u, s, p if residual else None, hbar, rho, centre, a, b, value)
        kernels.backward(g, s if more else None, value, centre, rho, a, b, du, dhbar)
        values.append((value, du, dhbar))
        of_a, of_b = kernels.threshold_gradients(du, value, centre)
        gradients.append([of_a] if of_b is None else [of_a, of_b])
    for left, right in zip(*values, strict=True):
        assert torch.equal(left, right)
    for left, right in zip(*gradients, strict=True):
        assert torch.allclose(left, right, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kernels", ["native", "portable"])
def test_a_layer_equals_the_proximal_operator(kernels, normal):
    if kernels == "native" and native.library() is None:
        pytest.skip("no C compiler here")
    kernels = reference if kernels == "portable" else native.NativeKernels(F64, 0.0)
    u, s, hbar, out = normal(7, 9), normal(7, 9), normal(7, 9), normal(7, 9)
    a, b = normal(1, 9).abs(), normal(1, 9).abs()
    kernels.forward(u, s, None, hbar, None, hbar, a, b, out)
    assert torch.equal(out, prox_l1_l1(u + s, hbar, a, b))


@pytest.mark.parametrize("soft", [False, True], ids=["phi", "soft"])
@pytest.mark.parametrize("kernels", ["native", "portable"])
def test_nan_propagates_to_the_code(kernels, soft):
    if kernels == "native" and native.library() is None:
        pytest.skip("no C compiler here")
    kernels = reference if kernels == "portable" else native.NativeKernels(F64, 0.0)
    u, zero = torch.full((2, 3), torch.nan, dtype=F64), torch.zeros(2, 3, dtype=F64)
    for hbar in (zero - 1, zero, zero + 1):
        out, ones = torch.zeros(2, 3, dtype=F64), torch.ones(1, 3, dtype=F64)
        kernels.forward(u, zero, None, hbar, None, None if soft else hbar, ones, ones, out)
        assert out.isnan().all()


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler here")
def test_the_kernels_exist_if_there_is_a_compiler():
    assert native.library() is not None


@pytest.mark.parametrize("breaks", ["no compiler", "compiler fails", "bad CC", "no cache"])
def test_pytorch_is_used_without_a_compiler(breaks, monkeypatch, tmp_path):
    cache = tmp_path / "cache"
    if breaks == "no cache":
        cache.write_text("a file stands where the folder would be")
    monkeypatch.setattr(native, "cache_folder", lambda: cache)
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setattr(native.shutil, "which", lambda _: None if breaks == "no compiler" else "cc")
    if breaks in ("compiler fails", "bad CC"):
        monkeypatch.setenv("CC", "false" if breaks == "compiler fails" else 'cc "')
    assert native.library.__wrapped__() is None
    assert not list(tmp_path.rglob("*.so"))


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The library of this processor, and a compiler that returns it: real calls take seconds."""
    folder = tmp_path_factory.mktemp("cc")
    whole = native._library_path(os.environ.get("CC") or shutil.which("cc")).read_bytes()
    (folder / "library").write_bytes(whole[:-32])  # without its checksum
    (folder / "cc").write_text(
        '#!/bin/sh\nfor target; do :; done\ncp "${0%/*}/library" "$target"\n'
    )
    (folder / "cc").chmod(0o755)
    return whole, str(folder / "cc")


@needs_c
@pytest.mark.parametrize("size", [0, 1000, 20_000, None], ids=str)
def test_a_broken_library_in_the_cache_is_compiled_again(size, monkeypatch, tmp_path, built):
    # The cache is another folder, because a loaded library must not change under the process.
    whole, compiler = built
    monkeypatch.setenv("CC", compiler)
    monkeypatch.setattr(native, "cache_folder", lambda: tmp_path)
    broken = native._library_path(compiler)
    broken.write_bytes(b"no library" * 5000 if size is None else whole[:size])
    assert native.library.__wrapped__() is not None
    assert broken.read_bytes() == whole


def test_products_of_several_runs(normal):
    x, W = normal(3, 4, 5), normal(3, 6, 5)
    assert torch.allclose(matmul.matmul_nt(x, W), torch.einsum("rik,rok->rio", x, W))
    assert torch.allclose(matmul.prepared_matmul(W, 4, 20)(x), torch.einsum("rik,rok->rio", x, W))


@needs_c
@pytest.mark.skipif(native.openmp_launcher() is None, reason="PyTorch has no OpenMP here")
def test_loops_in_c_compute_the_same_with_any_number_of_threads(threads, monkeypatch, normal):
    monkeypatch.setattr(native_scan, "MIN_SAMPLES_PER_THREAD", 0)
    x, h0, G, W = normal(21, 9, 4), normal(6), 0.3 * normal(6, 6), 0.3 * normal(2, 6, 6)
    U, a, b = normal(2, 6, 4), normal(2, 6).abs(), normal(2, 6).abs()
    results = []
    for number in (1, 2, 3, 40):
        threads(number)
        assert native_scan.should_use_c_loops(x.transpose(0, 1))
        leaves = [tensor.clone().requires_grad_() for tensor in (x, h0, G, *W, U, a, b)]
        codes = unroll(*leaves[:3], leaves[3:5], *leaves[5:])
        codes.square().sum().backward()
        results.append([codes.detach(), *(leaf.grad for leaf in leaves)])
    for other in results[1:]:
        for value, same in zip(results[0], other, strict=True):
            assert torch.allclose(value, same, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("lacks", ["OpenMP", "C", "samples", "frames"])
def test_loops_in_c_are_not_used_where_pytorch_is_faster(lacks, threads, monkeypatch):
    threads(2)
    xs = torch.zeros(
        native_scan.MIN_TIME_STEPS - (lacks == "frames"),
        2 * native_scan.MIN_SAMPLES_PER_THREAD - (lacks == "samples"),
        3,
    )
    if lacks == "OpenMP":
        monkeypatch.setattr(native, "openmp_launcher", lambda: None)
    if lacks == "C":
        monkeypatch.setattr(native, "library", lambda: None)
    assert not native_scan.should_use_c_loops(xs)


@needs_c
@pytest.mark.skipif(native.openmp_launcher() is None, reason="PyTorch has no OpenMP here")
def test_threads_flush_denormals_where_the_caller_does(threads, monkeypatch):
    monkeypatch.setattr(native_scan, "MIN_SAMPLES_PER_THREAD", 0)
    x, unit, zero = torch.full((4000, 9, 1), 1e-30), torch.eye(1), torch.zeros(1, 1)

    def left() -> int:
        codes = unroll(x, torch.zeros(1), 0 * unit, (0 * unit,), 1e-10 * unit[None], zero, zero)
        return int((codes != 0).sum())

    threads(4)
    assert left() == 4000 * 9  # and now the threads are there: new ones would take it over
    try:
        assert torch.set_flush_denormal(True)
        assert [left() for _ in range(5)] == [0] * 5
    finally:
        torch.set_flush_denormal(False)


def one_layer(hbar, z, a, b):
    """One frame, one layer, U = 0 and G = I: unit by unit Φ(zħ; ħ, a, b)."""
    h = len(hbar)
    values = {
        "x": torch.zeros(1, 1, 1, dtype=F64),
        "h0": hbar,
        "G": torch.eye(h, dtype=F64),
        "W": torch.diag(z)[None],
        "U": torch.zeros(1, h, 1, dtype=F64),
        "a": a[None],
        "b": b[None],
    }
    leaves = {name: t.clone().requires_grad_() for name, t in values.items()}
    codes = unroll(**leaves)[0, 0]
    codes.sum().backward()
    return codes.detach(), [leaves[name].grad.flatten() for name in ("h0", "a", "b")]


@pytest.mark.parametrize("taus", [(1.0, 2.0), (0.0, 1.0, 2.0)], ids=["positive", "zero-too"])
def test_the_engine_has_the_slopes_of_the_prox_at_kinks(taus):
    # Whole numbers all, so that kinks abound.
    axes = torch.tensor([-2.0, -1.0, 1.0, 2.0]), torch.arange(-3.0, 4.0), *[torch.tensor(taus)] * 2
    hbar, z, a, b = torch.cartesian_prod(*axes).double().T
    codes, slopes = one_layer(hbar, z, a, b)
    leaves = [t.clone().requires_grad_() for t in (hbar, a, b)]
    expected = prox_l1_l1(z * leaves[0], *leaves)
    expected.sum().backward()
    assert torch.equal(codes, expected)
    for slope, leaf in zip(slopes, leaves, strict=True):
        assert torch.equal(slope, leaf.grad)


def test_h0_has_a_gradient_if_lambda2_is_larger_than_lambda1():
    # h_0 = 0 and τ2 > τ1: Φ = ħ on both sides of 0, so codes move with h_0 at slope 1.
    zero, ones = torch.zeros(3, dtype=F64), torch.ones(3, dtype=F64)
    ends = [one_layer(s * 1e-4 * ones, ones, 0.1 * ones, 0.3 * ones)[0] for s in (-1, 1)]
    assert torch.allclose((ends[1] - ends[0]) / 2e-4, ones)
    _, (slope, _, _) = one_layer(zero, ones, 0.1 * ones, 0.3 * ones)
    assert torch.equal(slope, ones)
