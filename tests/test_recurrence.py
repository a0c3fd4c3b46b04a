"""The sequence engine computes what the plain loop under autograd computes, to the last tensor."""

import pytest
import torch
from torch.autograd import gradcheck

from unfolded.recurrence import unroll
from unfolded.solvers import reweighted_step

F64 = torch.float64
NAMES = ("x", "h0", "M", "G", "kappa", "a", "b", "Z")
# batch, time, n, h, depth
SHAPES = [(1, 1, 1, 1, 1), (2, 3, 4, 6, 1), (3, 1, 5, 4, 2), (1, 4, 2, 7, 3), (4, 5, 3, 5, 4)]


def plain(x, h0, M, G, kappa, a, b, Z=None):
    """The same recurrence, one step of the solver after the other."""
    h, codes = h0.expand(len(x), -1), []
    for x_t in x.unbind(1):
        hbar = h @ G.T
        h = hbar
        for l in range(len(a)):
            Z_l = None if Z is None else Z[l]
            h = reweighted_step(h, x_t, hbar, M=M, c=1 / kappa, a=a[l], b=b[l], Z=Z_l)
        codes.append(h)
    return torch.stack(codes, 1)


def inputs(normal, shape, tied=False, zeros=False):
    """Random tensors of a recurrence that neither dies out nor blows up."""
    B, T, n, h, d = shape
    eye = torch.eye(h, dtype=F64)
    values = {
        "x": normal(B, T, n),
        "h0": normal(h),
        "M": normal(n, h) / (n * h) ** 0.25,
        "G": eye + 0.3 * normal(h, h) / h**0.5,
        "kappa": 0.3 + 0.1 * normal().abs(),
        "a": 0.1 * normal(d, h).abs() + 0.05,
        "b": 0.05 * normal(d, h).abs() + 0.01,
        "Z": None if tied else eye + 0.2 * normal(d, h, h) / h**0.5,
    }
    if zeros:  # units whose ħ is exactly 0, in the first frame and, with a dead row of G, in all
        values["h0"] = torch.zeros(h, dtype=F64)
        values["G"][0] = 0
    return values


def run(function, values, weight, asking=NAMES):
    """Codes and the gradient of a weighted sum in every tensor that asks for one."""
    leaves = {
        name: None if t is None else t.clone().requires_grad_(name in asking)
        for name, t in values.items()
    }
    codes = function(**leaves)
    (codes * weight).sum().backward()
    return codes.detach(), {name: t.grad for name, t in leaves.items() if t is not None}


def close(found, expected, tolerance=1e-10):
    codes, gradients = found
    scale = expected[0].abs().max() + 1
    assert (codes - expected[0]).abs().max() <= tolerance * scale
    assert gradients.keys() == expected[1].keys()
    for name, gradient in gradients.items():
        other = expected[1][name]
        assert (gradient is None) == (other is None), name
        if gradient is not None:
            assert gradient.shape == other.shape, name
            assert (gradient - other).abs().max() <= tolerance * (1 + other.abs().max()), name


@pytest.mark.parametrize("zeros", [False, True], ids=["", "hbar-zero"])
@pytest.mark.parametrize("tied", [False, True], ids=["Z", "I"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_engine_equals_the_plain_loop(shape, tied, zeros, normal):
    values = inputs(normal, shape, tied, zeros)
    weight = normal(*shape[:2], shape[3])
    close(run(unroll, values, weight), run(plain, values, weight))


def test_all_pieces_of_phi_are_met(normal):
    # Otherwise the comparison above would prove little.
    (B, *_, h, _), shape = SHAPES[-1], SHAPES[-1]
    values = inputs(normal, shape, zeros=True)
    codes = unroll(**values)
    hbar = torch.cat([values["h0"].expand(B, 1, h), codes[:, :-1]], 1) @ values["G"].T
    at_zero, at_hbar = codes == 0, (codes - hbar).abs() < 1e-14
    for piece in (at_zero & at_hbar, at_zero & ~at_hbar, at_hbar & ~at_zero, ~at_zero & ~at_hbar):
        assert piece.any()


@pytest.mark.parametrize("tied", [False, True], ids=["Z", "I"])
def test_gradcheck_on_a_tiny_case(tied, normal):
    values = inputs(normal, (2, 3, 2, 3, 2), tied)
    leaves = [None if t is None else t.requires_grad_() for t in values.values()]
    assert gradcheck(unroll, leaves, atol=1e-7)


@pytest.mark.parametrize("asks", [True, False], ids=["only", "all-but"])
@pytest.mark.parametrize("name", NAMES)
def test_any_tensor_may_be_frozen(name, asks, normal):
    values = inputs(normal, (2, 3, 3, 4, 2))
    weight = normal(2, 3, 4)
    asking = [name] if asks else [other for other in NAMES if other != name]
    found = run(unroll, values, weight, asking)
    close(found, run(plain, values, weight, asking))
    assert {other for other, gradient in found[1].items() if gradient is not None} == set(asking)


def test_nothing_is_recorded_without_gradients(normal):
    values = inputs(normal, (2, 3, 3, 4, 2))
    leaves = {name: t.requires_grad_() for name, t in values.items()}
    with torch.no_grad():
        codes = unroll(**leaves)
    assert not codes.requires_grad and torch.equal(codes, unroll(**leaves).detach())


def twice(function):
    def both(x, **weights):
        first = function(x, **weights)
        return first + function(x + 0.1 * first[..., : x.shape[-1]], **weights)

    return both


def test_double_use_in_one_graph(normal):
    values, weight = inputs(normal, (2, 3, 3, 4, 2)), normal(2, 3, 4)
    close(run(twice(unroll), values, weight), run(twice(plain), values, weight))


def test_a_graph_can_be_walked_twice(normal):
    leaves = {name: t.requires_grad_() for name, t in inputs(normal, (2, 3, 3, 4, 2)).items()}
    loss = unroll(**leaves).square().sum()
    loss.backward(retain_graph=True)
    once = {name: leaf.grad.clone() for name, leaf in leaves.items()}
    loss.backward()
    assert all(torch.allclose(leaves[name].grad, 2 * once[name]) for name in NAMES)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_codes_changed_in_place_give_right_gradients_or_an_error(shape, normal):
    values, weight = inputs(normal, shape), normal(*shape[:2], shape[3])

    def scaled(engine):
        return lambda **leaves: engine(**leaves).mul_(3.0)

    try:
        found = run(scaled(unroll), values, weight)
    except RuntimeError as error:
        assert "inplace" in str(error)
    else:
        close(found, run(scaled(plain), values, weight))


def test_gradients_of_gradients_are_refused(normal):
    leaves = [t.requires_grad_() for t in inputs(normal, (1, 2, 2, 3, 1)).values()]
    (gradient,) = torch.autograd.grad(unroll(*leaves).square().sum(), leaves[0], create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


def test_inputs_are_left_alone_and_may_lie_anyhow_in_memory(normal):
    values, weight = inputs(normal, (3, 4, 3, 5, 2)), normal(3, 4, 5)
    expected = run(unroll, values, weight)
    strided = {name: t.mT.contiguous().mT if t.ndim > 1 else t for name, t in values.items()}
    before = {name: t.clone() for name, t in strided.items()}
    close(run(unroll, strided, weight), expected, 1e-13)
    assert all(torch.equal(strided[name], before[name]) for name in before)


def distance_to_the_nearest_kink(x, h0, M, G, kappa, a, b, Z):
    """The least |u ± a ± b|, |u ± a ± b − ħ| and |ħ| over all units, layers and frames."""
    h, least = h0.expand(len(x), -1), torch.inf
    for x_t in x.unbind(1):
        hbar = h @ G.T
        h, least = hbar, min(least, hbar.abs().min())
        for l in range(len(a)):
            u = (h + kappa * (x_t - h @ M.T) @ M) @ Z[l].T
            edges = [u + s * a[l] + t * b[l] for s in (-1, 1) for t in (-1, 1)]
            edges = torch.stack(edges)
            least = min(least, edges.abs().min(), (edges - hbar).abs().min())
            h = reweighted_step(h, x_t, hbar, M=M, c=1 / kappa, a=a[l], b=b[l], Z=Z[l])
    return least


def test_single_precision_is_as_good_as_single_precision_can_be(normal):
    B, T, n, h, d = shape = (2, 3, 3, 4, 2)
    # A layer makes three sums of at most max(n, h) terms and three more roundings in Φ; each error
    # then passes at most d·T layers, which stretch it by at most 2 in these small recurrences.
    tolerance = torch.finfo(torch.float32).eps * d * T * (3 * max(n, h) + 3) * 2
    values = inputs(normal, shape)
    while distance_to_the_nearest_kink(**values) < 100 * tolerance / (d * T):
        values = inputs(normal, shape)  # else rounding may move a unit to another piece of Φ
    weight = normal(B, T, h)
    exact = run(unroll, values, weight)
    single = {name: t.float() for name, t in values.items()}
    codes, gradients = run(unroll, single, weight.float())
    assert codes.dtype == torch.float32
    close((codes.double(), {name: t.double() for name, t in gradients.items()}), exact, tolerance)
