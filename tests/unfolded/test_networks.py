"""The unfolded networks equal their solvers and the printed forms."""

import pytest
import torch

from unfolded import solvers
from unfolded.choices import UNFOLDED
from unfolded.networks import build
from unfolded.networks.positivity import to_raw

F64 = torch.float64
SIZES = {"n0": 16, "n": 6, "hidden": 20}


def make(name, *, fast=True, noise=0.0, **options):
    """A network in double precision; ``noise`` changes every parameter, including c and λ."""
    net = build(name, **{**SIZES, **options}).double()
    net.fast = fast
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter += noise * torch.randn(parameter.shape, generator=generator, dtype=F64)
    return net


def by_the_solver(name, net, x):
    """Codes by the loop of the solver with the tensors of net.symbols()."""
    s = {symbol: tensor.detach() for symbol, tensor in net.symbols().items()}
    common = {"lambda1": s["lambda1"], "lambda2": s["lambda2"], "c": s["c"], "h0": s["h0"]}
    common["iterations"] = net.depth
    if name == "sista-rnn":
        return solvers.sista(x, s["A"], s["D"], s["F"], **common).codes
    if name == "l1-l1-rnn":
        return solvers.l1_l1(x, s["A"], s["D"], s["G"], **common).codes
    return solvers.reweighted_l1_l1(x, s["A"], s["D"], s["G"], Z=s["Z"], g=s["g"], **common).codes


def phi_of_the_cases(u, hbar, a, b):
    """(6), and (7) with a corrected last branch, as cases."""
    flip = torch.where(hbar >= 0, 1.0, -1.0)
    u, hbar = u * flip, hbar.abs()
    value = torch.where(u < -a - b, u + a + b, 0.0)
    value = torch.where(u > a - b, u - a + b, value)
    value = torch.where(u >= hbar + a - b, hbar, value)
    return flip * torch.where(u > hbar + a + b, u - a - b, value)


def by_the_printed_form(net, x):
    """(8)–(12), with W_l and U_l as they are printed and the activation by cases."""
    s = {symbol: tensor.detach() for symbol, tensor in net.symbols().items()}
    DtAt, AD, h, codes = s["D"].T @ s["A"].T, s["A"] @ s["D"], s["h0"].expand(len(x), -1), []
    U = [Z @ DtAt / s["c"] for Z in s["Z"]]
    W = [Z - Z @ DtAt @ AD / s["c"] for Z in s["Z"]]
    W[0] = s["Z"][0] @ s["G"] - s["Z"][0] @ DtAt @ AD @ s["G"] / s["c"]
    for x_t in x.unbind(1):
        hbar = h @ s["G"].T
        for W_l, U_l, g in zip(W, U, s["g"], strict=True):
            a, b = s["lambda1"] * g / s["c"], s["lambda2"] * g / s["c"]
            h = phi_of_the_cases(h @ W_l.T + x_t @ U_l.T, hbar, a, b)
        codes.append(h)
    return torch.stack(codes, 1), W, U


def by_the_printed_sista(net, x):
    """The form of Wisdom et al.: W^(1), W, S, V and the soft threshold."""
    s = {symbol: tensor.detach() for symbol, tensor in net.symbols().items()}
    A, D, c, lambda2 = s["A"], s["D"], s["c"], s["lambda2"]
    P, I, I0 = D.T @ s["F"] @ D, torch.eye(D.shape[1]).double(), torch.eye(D.shape[0]).double()
    V = D.T @ A.T / c
    inner = D.T @ (A.T @ A + lambda2 * I0) @ D / c
    S, W, W1 = I - inner, lambda2 / c * P, (c + lambda2) / c * P - inner @ P
    tau, previous, codes = s["lambda1"] / c, s["h0"].expand(len(x), -1), []
    for x_t in x.unbind(1):
        h = None
        for _ in range(net.depth):
            past = previous @ W1.T if h is None else previous @ W.T + h @ S.T
            u = past + x_t @ V.T
            h = u.sign() * (u.abs() - tau).clamp(min=0)
        codes.append(h)
        previous = h
    return torch.stack(codes, 1), [W1] + [S] * (net.depth - 1), [V, W]


def agree(result, expected):
    return (result - expected).abs().max() <= 1e-10 * (1 + expected.abs().max())


@pytest.mark.parametrize("lambdas", [(1.0, 0.01), (0.05, 0.1), (3.0, 3.0)], ids=str)
@pytest.mark.parametrize("depth", [1, 2, 4])
@pytest.mark.parametrize("T", [1, 3])
@pytest.mark.parametrize("name", UNFOLDED)
def test_an_untrained_network_equals_the_iterations_of_its_solver(name, T, depth, lambdas, normal):
    frames = 5 * normal(2, T, 16)
    for fast in (True, False):
        net = make(name, fast=fast, depth=depth, lambda1=lambdas[0], lambda2=lambdas[1])
        s = net.symbols()
        assert s["c"].item() == pytest.approx(1, rel=1e-6)
        assert [s["lambda1"].item(), s["lambda2"].item()] == pytest.approx(lambdas, rel=1e-6)
        x = net.measure(frames)
        assert agree(x, frames @ s["A"].T)
        expected = by_the_solver(name, net, x.detach())
        assert expected.any() or lambdas[0] == 3.0
        assert agree(net.codes(x), expected)
        assert agree(net(frames), expected @ s["D"].T)


@pytest.mark.parametrize("positivity", ["softplus", "exp"])
@pytest.mark.parametrize("fast", [True, False], ids=["fast", "plain"])
@pytest.mark.parametrize("name", UNFOLDED)
def test_any_network_equals_its_solver_with_the_learned_tensors(name, fast, positivity, normal):
    net = make(name, fast=fast, depth=3, positivity=positivity, noise=0.1, lambda1=0.3)
    x = 3 * normal(2, 4, 6)
    assert agree(net.codes(x), by_the_solver(name, net, x))


@pytest.mark.parametrize("fast", [True, False], ids=["fast", "plain"])
@pytest.mark.parametrize("noise", [0.0, 0.1])
@pytest.mark.parametrize("depth", [1, 3])
@pytest.mark.parametrize("name", UNFOLDED)
def test_printed_form_and_its_weights(name, depth, noise, fast, normal):
    net = make(name, fast=fast, depth=depth, noise=noise, lambda1=0.3, lambda2=0.1)
    x = 3 * normal(2, 4, 6)
    printed = by_the_printed_sista if name == "sista-rnn" else by_the_printed_form
    codes, W, U = printed(net, x)
    assert agree(net.codes(x), codes)
    for weights, expected in zip(net.layer_weights(), (W, U), strict=True):
        assert len(weights) == len(expected)
        assert all(agree(weight, target) for weight, target in zip(weights, expected, strict=True))


@pytest.mark.parametrize("name", UNFOLDED)
def test_norms_are_the_largest_row_sums(name):
    net = make(name, depth=3, noise=0.1)
    norms = net.norms()
    for key, weights in zip(("alpha", "beta"), net.layer_weights(), strict=True):
        rows = [[sum(map(abs, row)) for row in w.tolist()] for w in weights]
        assert norms[key].tolist() == pytest.approx([max(sums) for sums in rows])
        assert not norms[key].requires_grad


@pytest.mark.parametrize("name", UNFOLDED)
def test_symbols_have_the_shapes_of_the_paper(name):
    s = make(name, depth=3).symbols()
    shapes = {"A": (6, 16), "D": (16, 20), "h0": (20,), "c": (), "lambda1": (), "lambda2": ()}
    shapes |= {"F": (16, 16)} if name == "sista-rnn" else {
        "G": (20, 20), "Z": (3, 20, 20), "g": (3, 20)}  # fmt: skip
    assert {symbol: tuple(tensor.shape) for symbol, tensor in s.items()} == shapes


def test_l1_l1_rnn_equals_reweighted_rnn_with_unit_weights(normal):
    x = normal(2, 3, 6)
    tied = make("l1-l1-rnn", depth=2, noise=0.1)
    full = make("reweighted-rnn", depth=2)
    missing, unexpected = full.load_state_dict(tied.state_dict(), strict=False)
    assert sorted(missing) == ["Z", "raw.g"] and not unexpected
    with torch.no_grad():
        full.raw["g"].copy_(to_raw(torch.ones(2, 20, dtype=F64), full.positivity))
    assert agree(tied.codes(x), full.codes(x))
