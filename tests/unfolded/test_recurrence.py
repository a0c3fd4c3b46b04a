"""The fast recurrence computes the codes and gradients of a plain loop under autograd."""

import functools

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from recurrence_cases import F64, MANY, SHAPES, TIES, close, engine, inputs, plain, run

from unfolded.errors import ConfigError
from unfolded.recurrence import scan
from unfolded.recurrence.backends import native, native_scan


@pytest.fixture(params=["loops", "shares", "layers", "portable"], autouse=True)
def kernels(request, monkeypatch, threads):
    """Everything here holds with the loops in C, by one thread and several, and without them.

    Without them, with the layers alone in C and without C.
    """
    if request.param == "portable":
        monkeypatch.setattr(native, "library", lambda: None)
    elif native.library() is None:
        pytest.skip("no C compiler here")
    elif request.param == "layers":
        monkeypatch.setattr(native_scan, "should_use_c_loops", lambda xs: False)
    else:
        monkeypatch.setattr(native_scan, "MIN_SAMPLES_PER_THREAD", 0)
        monkeypatch.setattr(native_scan, "MIN_TIME_STEPS", 0)
        if request.param == "shares":
            if native.openmp_launcher() is None:
                pytest.skip("PyTorch has no OpenMP here")
            threads(3)


@pytest.mark.parametrize("zeros", [False, True], ids=["", "hbar-zero"])
@pytest.mark.parametrize("tie", TIES)
@pytest.mark.parametrize("shape", [*SHAPES, MANY], ids=str)
def test_engine_equals_the_plain_loop(shape, tie, zeros, normal):
    values = inputs(normal, shape, tie, zeros)
    weight = normal(*shape[:2], shape[3])
    close(run(engine, values, weight), run(plain, values, weight))


# What the fixture sets holds for all examples.
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    shape=st.tuples(*(st.integers(1, most) for most in (20, 9, 6, 40, 4))),
    tie=st.sampled_from(TIES),
    zeros=st.booleans(),
    seed=st.integers(0, 2**30),
)
def test_engine_equals_the_plain_loop_for_any_shape(shape, tie, zeros, seed):
    generator = torch.Generator().manual_seed(seed)

    def draw(*sizes):
        return torch.randn(sizes, generator=generator, dtype=F64)

    values, weight = inputs(draw, shape, tie, zeros), draw(*shape[:2], shape[3])
    close(run(engine, values, weight), run(plain, values, weight))


@pytest.mark.parametrize("tie", TIES)
def test_single_precision_differs_only_by_rounding(tie, normal):
    values, weight = inputs(normal, MANY, tie), normal(*MANY[:2], MANY[3])
    exact = run(plain, values, weight)
    single = {name: None if t is None else t.float() for name, t in values.items()}
    codes, gradients = run(engine, single, weight.float())
    # Each of d T layers adds three products, sums of at most h + n terms; Φ stretches no error, and
    # a unit near a kink may take its other side: hence the norm. A gradient goes there and back.
    _, T, n, h, d = MANY
    bound = 3 * d * T * (h + n) * torch.finfo(torch.float32).eps
    pairs = {"codes": (codes, exact[0], bound)}
    pairs |= {name: (gradients[name], gradient, 2 * bound) for name, gradient in exact[1].items()}
    for name, (rounded, true, tolerance) in pairs.items():
        assert (rounded.double() - true).norm() <= tolerance * true.norm(), name


@pytest.mark.parametrize("rows", [1, 4, 9])
@pytest.mark.parametrize("recompute", [False, True], ids=["stored", "recomputed"])
@pytest.mark.parametrize("tie", TIES)
def test_splitting_time_into_pieces_does_not_change_the_result(
    tie, recompute, rows, normal, monkeypatch
):
    monkeypatch.setattr(scan, "_ROWS", rows)
    shape = (4, 5, 3, 5, 3)
    values, weight = inputs(normal, shape, tie), normal(4, 5, 5)
    result = run(functools.partial(engine, recompute=recompute), values, weight)
    close(result, run(plain, values, weight))


@pytest.mark.parametrize("rows", [4, 640])
@pytest.mark.parametrize("tie", TIES)
def test_frames_can_be_computed_instead_of_codes(tie, rows, normal, monkeypatch):
    monkeypatch.setattr(scan, "_ROWS", rows)
    values = inputs(normal, (4, 5, 3, 5, 3), tie) | {"D": normal(7, 5)}
    weight = normal(4, 5, 7)
    close(run(engine, values, weight), run(plain, values, weight))
    for name in ("D", "G_left" if tie == "soft" else "G"):
        result = run(engine, values, weight, {name})
        close(result, run(plain, values, weight, {name}))


@pytest.mark.parametrize("tie", TIES)
def test_each_sequence_can_have_its_own_initial_state(tie, normal):
    values, weight = inputs(normal, (3, 4, 2, 5, 2), tie), normal(3, 4, 5)
    values["h0"] = normal(3, 5)
    close(run(engine, values, weight), run(plain, values, weight))


def test_the_test_inputs_reach_all_pieces_of_phi(normal):
    # Otherwise the comparisons above would not test all pieces.
    (B, *_, h, _), shape = SHAPES[-1], SHAPES[-1]
    values = inputs(normal, shape, zeros=True)
    codes = engine(**values)
    hbar = torch.cat([values["h0"].expand(B, 1, h), codes[:, :-1]], 1) @ values["G"].T
    at_zero, at_hbar = codes == 0, (codes - hbar).abs() < 1e-14
    for piece in (at_zero & at_hbar, at_zero & ~at_hbar, at_hbar & ~at_zero, ~at_zero & ~at_hbar):
        assert piece.any()


@pytest.mark.parametrize("asks", [True, False], ids=["only", "all-but"])
@pytest.mark.parametrize("tie", TIES)
def test_any_tensor_may_be_frozen(tie, asks, normal):
    values, weight = inputs(normal, (2, 3, 3, 4, 2), tie), normal(2, 3, 4)
    names = {name for name, tensor in values.items() if tensor is not None}
    for name in names:
        asking = {name} if asks else names - {name}
        result = run(engine, values, weight, asking)
        close(result, run(plain, values, weight, asking))
        assert {name for name, gradient in result[1].items() if gradient is not None} == asking


@pytest.mark.parametrize("tie", TIES)
def test_runs_in_parallel_equal_separate_runs(tie, normal):
    several = [inputs(normal, (2, 4, 3, 5, 3), tie) for _ in range(3)]
    weights = normal(3, 2, 4, 5)
    names = [name for name, tensor in several[0].items() if tensor is not None]
    leaves = {n: torch.stack([values[n] for values in several]).requires_grad_() for n in names}
    # One of them is shared by all runs.
    leaves["x"] = several[0]["x"].clone().requires_grad_()
    dims = ({name: None if name == "x" else 0 for name in names},)
    codes = torch.func.vmap(lambda tensors: engine(**tensors), dims)(leaves)
    (codes * weights).sum().backward()
    dx = torch.zeros_like(leaves["x"])
    for r, values in enumerate(several):
        alone = run(engine, {**values, "x": several[0]["x"]}, weights[r])
        dx += alone[1].pop("x")
        gradients = {name: leaves[name].grad[r] for name in alone[1]}
        close((codes[r].detach(), gradients), alone, 1e-12)
    assert torch.allclose(leaves["x"].grad, dx)


def test_nothing_is_recorded_without_gradients(normal):
    values = inputs(normal, (2, 3, 3, 4, 2))
    leaves = {name: t.requires_grad_() for name, t in values.items()}
    with torch.no_grad():
        codes = engine(**leaves)
    assert not codes.requires_grad and torch.equal(codes, engine(**leaves).detach())


def twice(function):
    def both(x, **weights):
        first = function(x, **weights)
        return first + function(x + 0.1 * first[..., : x.shape[-1]], **weights)

    return both


def test_double_use_in_one_graph(normal):
    values, weight = inputs(normal, (2, 3, 3, 4, 2)), normal(2, 3, 4)
    close(run(twice(engine), values, weight), run(twice(plain), values, weight))


def test_the_backward_pass_can_run_twice(normal):
    leaves = {name: t.requires_grad_() for name, t in inputs(normal, (2, 3, 3, 4, 2)).items()}
    loss = engine(**leaves).square().sum()
    loss.backward(retain_graph=True)
    once = {name: leaf.grad.clone() for name, leaf in leaves.items()}
    loss.backward()
    assert all(torch.allclose(leaf.grad, 2 * once[name]) for name, leaf in leaves.items())


@pytest.mark.parametrize("recompute", [False, True], ids=["stored", "recomputed"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_codes_changed_in_place_give_right_gradients_or_an_error(shape, recompute, normal):
    values, weight = inputs(normal, shape), normal(*shape[:2], shape[3])

    def scaled(function):
        return lambda **leaves: function(**leaves).mul_(3.0)

    try:
        result = run(scaled(functools.partial(engine, recompute=recompute)), values, weight)
    except RuntimeError as error:
        assert "inplace" in str(error)
    else:
        close(result, run(scaled(plain), values, weight))


@pytest.mark.parametrize("shape", [(1, 2, 2, 3, 1), (2, 3, 2, 4, 2)])
def test_gradients_of_gradients_agree_with_finite_differences(shape, normal):
    leaves = {name: t.requires_grad_() for name, t in inputs(normal, shape).items()}

    def squared(*tensors):
        return engine(**dict(zip(leaves, tensors, strict=True))).square()

    assert torch.autograd.gradgradcheck(squared, tuple(leaves.values()), atol=1e-4)


def test_inputs_are_not_changed_and_may_have_any_strides(normal):
    values, weight = inputs(normal, (3, 4, 3, 5, 2)), normal(3, 4, 5)
    expected = run(engine, values, weight)
    strided = {name: t.mT.contiguous().mT if t.ndim > 1 else t for name, t in values.items()}
    before = {name: t.clone() for name, t in strided.items()}
    close(run(engine, strided, weight), expected, 1e-13)
    assert all(torch.equal(strided[name], before[name]) for name in before)


@pytest.mark.parametrize("recompute", [False, True], ids=["stored", "recomputed"])
def test_the_backward_pass_changes_no_codes(recompute, normal, monkeypatch):
    values = inputs(normal, MANY)
    leaves = {name: t.clone().requires_grad_() for name, t in values.items() if t is not None}
    codes = engine(**leaves, recompute=recompute)
    before = codes.detach().clone()
    # Another routine rounds differently; the backward pass must not change the codes.
    monkeypatch.setattr(native_scan, "should_use_c_loops", lambda xs: False)
    codes.square().sum().backward()
    assert torch.equal(codes.detach(), before)


WRONG = {
    "x": lambda x: x.float(),
    "h0": lambda h0: h0[:-1],
    "G": lambda G: G[:, :-1],
    "W": lambda W: W[:2],
    "U": lambda U: U[..., :-1],
    "a": lambda a: a[:, :-1],
    "b": lambda b: b[:1],
}


def test_inconsistent_shapes_are_rejected_before_the_computation(normal):
    values = inputs(normal, (4, 5, 3, 6, 3))
    for name, change in WRONG.items():
        with pytest.raises(ConfigError, match=r"^expected .*; got .*; see the shapes"):
            engine(**{**values, name: change(values[name])})
    nothing = {"x": values["x"][..., :0], "U": values["U"][..., :0]}
    with pytest.raises(ConfigError, match="at least 1"):
        engine(**values | nothing)


@pytest.mark.parametrize("tie", TIES)
def test_a_batch_may_be_empty(tie, normal):
    values = inputs(normal, (4, 5, 3, 6, 3), tie)
    codes, gradients = run(engine, values | {"x": values["x"][:0]}, normal(0, 5, 6))
    assert codes.shape == (0, 5, 6) and gradients["x"].shape == (0, 5, 3)
    assert not any(gradient.any() for gradient in gradients.values())
