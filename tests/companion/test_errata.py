"""Statements of the page of errata about the paper that no other module tests."""

import math

import pytest
import torch

from companion.theory.argmin import objective
from companion.theory.candes_weights import in_rounds
from companion.theory.norm_balls import Weights, outputs
from companion.theory.rademacher_search import signs
from unfolded import bounds, networks, solvers
from unfolded.dictionaries import overcomplete_dct, sensing_matrix
from unfolded.prox import phi, soft_threshold

F64 = torch.float64
SIZES = {"m": 8000, "n": 51, "h": 1024, "T": 20, "B_x": 1.0}

# --- Algorithm 1 and the network ---


def test_equation_4_with_one_iterate_on_both_sides_defines_the_minimum(normal):
    A, D = (torch.linalg.qr(normal(*size))[0].T for size in ((6, 4), (9, 6)))
    problem = {"x": 2 * normal(1, 1, 4), "A": A, "D": D, "G": torch.eye(9, dtype=F64)}
    problem |= {"lambda1": 0.3, "lambda2": 0.2, "h0": normal(9)}
    step = {"M": A @ D, "c": 1.0, "a": torch.full((9,), 0.3).double(), "b": torch.tensor(0.2)}
    for iterations, solves in ((1, False), (3, False), (800, True)):
        run = solvers.reweighted_l1_l1(**problem, iterations=iterations, c=1.0)
        h = run.codes[:, 0]
        again = solvers.reweighted_step(h, problem["x"][:, 0], problem["h0"], **step)
        assert torch.allclose(h, again, atol=1e-9) == solves == bool(run.certificate < 1e-8)


def test_published_weights_depend_on_the_signal_and_learned_ones_do_not():
    """Of two signals with exchanged entries, the rule of Candès et al. shrinks the larger less."""
    x = torch.tensor([[[3.0, 1.0]], [[1.0, 3.0]]], dtype=F64)
    eye, penalties = torch.eye(2, dtype=F64), {"lambda1": 0.5, "lambda2": 0.0}
    published = in_rounds(x, eye, eye, eye, epsilon=1.0, **penalties).codes
    shrunk = (x - published)[:, 0]
    assert shrunk[0, 0] < shrunk[0, 1] - 0.1 and shrunk[1, 1] < shrunk[1, 0] - 0.1
    g = torch.tensor([0.3, 0.8], dtype=F64)
    fixed = solvers.reweighted_l1_l1(x, eye, eye, eye, g=g, iterations=50, **penalties).codes
    assert torch.allclose((x - fixed)[:, 0], (0.5 * g).expand(2, 2))


def test_the_smallest_dictionary_of_the_paper_is_not_overcomplete():
    for h, complete in ((128, False), (256, True), (512, True)):
        D = overcomplete_dct(256, h, dtype=F64)
        assert D.shape == (256, h)
        assert (torch.linalg.matrix_rank(D).item() == 256) == complete


def test_one_is_a_valid_c_for_a_tight_frame_and_not_for_atoms_of_length_one():
    A, D = sensing_matrix(51, 256, seed=0, dtype=F64), overcomplete_dct(256, 1024, dtype=F64)
    assert torch.linalg.matrix_norm(A @ D, 2) ** 2 < 1
    assert torch.linalg.matrix_norm(A @ (D / D.norm(dim=0)), 2) ** 2 > 2


def test_the_objective_can_increase_below_half_the_lipschitz_constant(normal):
    M = normal(4, 9)
    top = torch.linalg.svd(M)[2][0]
    problem = {"A": M, "D": torch.eye(9, dtype=F64), "G": torch.eye(9, dtype=F64), "h0": top}
    problem |= {"x": torch.zeros(1, 1, 4, dtype=F64), "lambda1": 1e-6, "lambda2": 1e-6}
    L = torch.linalg.matrix_norm(M, 2) ** 2
    for share, rises in ((0.4, True), (1.0, False)):
        path = solvers.reweighted_l1_l1(**problem, c=share * L, iterations=20).objective[0, 0]
        assert bool((path.diff() > 1e-12).any()) == rises


def test_the_minimiser_jumps_with_a_negative_threshold():
    v = torch.linspace(-2, 4, 6001, dtype=F64)
    for tau1, tau2, at in ((-0.25, 1.0, -1.0), (1.0, -0.25, 3.0), (0.25, 1.0, -1.0)):
        left, right = (v[objective(v, at + du, 2.0, tau1, tau2).argmin()] for du in (-0.01, 0.01))
        assert (right - left > 0.4) == (min(tau1, tau2) < 0)


# --- the proof of Theorem 3.1, and its corollaries ---


@pytest.mark.parametrize("bars", [True, False])
def test_contraction_can_fail_with_a_factor_that_depends_on_the_signs(bars):
    """With the factor exp(2 |Σ ε|), and with the linear one, exp(2 Σ ε), as after (46)."""
    three, t = signs(3), torch.tensor([0.2, 0.2, -0.4], dtype=F64)
    for factor, holds in ((0.0, True), (2.0, False)):
        exponent = factor * three.sum(1)
        weight = (exponent.abs() if bars else exponent).exp()
        before, after = (
            ((three @ v).abs().exp() * weight).mean() for v in (t, soft_threshold(t, 0.1))
        )
        assert bool(after <= before) == holds


@pytest.mark.parametrize("m", [2, 5, 8])
def test_a_frame_selected_by_the_signs_is_not_a_fixed_frame(m):
    frames = signs(m)  # some frame always agrees with all signs
    sums = signs(m) @ frames.T
    picked = sums.gather(1, sums.abs().argmax(1, keepdim=True)).abs().exp().mean()
    fixed = sums.exp().mean(0)
    assert picked.item() == pytest.approx(math.exp(m)) and picked > 1.5 * fixed.max()
    assert fixed.max().item() == pytest.approx(math.cosh(1) ** m) and picked <= fixed.sum()


def test_three_absolute_values_need_eight_patterns_of_signs(normal):
    terms = 2 * normal(3, 2000)
    left = terms.abs().sum(0).exp()
    eight = (signs(3) @ terms).exp()
    assert (left <= eight.sum(0) * (1 + 1e-12)).all()
    for subset in torch.combinations(torch.arange(8), 4):
        assert (left > eight[subset].sum(0)).any()
    for d in range(1, 6):  # four in the first layer, eight in each upper one
        assert 2 * math.log(4 * 8 ** (d - 1)) == pytest.approx((6 * d - 2) * math.log(2))


@pytest.mark.parametrize("m", [2, 6, 9])
def test_a_lipschitz_loss_of_all_units_can_have_a_much_larger_complexity_than_one_unit(m):
    switches = (signs(m) + 1) / 2
    codes = torch.diag_embed(switches)  # (network, sample, unit): sample i switches unit i
    unit, loss = (
        (signs(m) @ values.T).amax(1).mean().item() / m
        for values in (codes[:, :, 0], codes.norm(dim=-1))
    )
    assert unit == pytest.approx(1 / (2 * m)) and loss == pytest.approx(1 / 2)
    assert loss <= math.sqrt(2) * m * unit  # Maurer's inequality, with its sum over units


def test_the_squared_error_is_lipschitz_only_if_it_is_capped(normal):
    a, b = 3 * normal(2, 5000, 6)
    far, slope = (a - b).norm(dim=1), (a.square().sum(1) - b.square().sum(1)).abs()
    assert (slope > 10 * far).any()
    capped = (a.square().sum(1).clamp(max=4) - b.square().sum(1).clamp(max=4)).abs()
    assert (capped <= 4 * far + 1e-12).all()


def test_a_bound_on_the_euclidean_length_of_rows_does_not_give_the_step_of_hoelder(normal):
    v = normal(2000, 16)
    by_sums, by_length = v.abs().amax(1), v.norm(dim=1)  # suprema of wᵀv over the two balls
    assert (by_length > 1.5 * by_sums).any() and (by_length <= 4 * by_sums).all()


def test_the_bounds_of_one_step_fail_for_two_layers_even_with_g_fixed():
    ones, nothing = torch.ones(2, 1, 1).double(), torch.zeros(2, 2, 1, 1).double()
    W = nothing.clone()
    W[:, 1, 0, 0] = torch.tensor([1.0, -1.0])
    weights = Weights(
        W, nothing, ones, ones[..., 0], 0.1 * ones.expand(2, 2, 1), ones.expand(2, 2, 1)
    )
    values = outputs(torch.zeros(6, 1, 1, dtype=F64), weights)
    reached = (signs(6) @ values.T).amax(1).mean() / 6
    data = {"m": 6, "n": 1, "h": 1, "B_x": 0.0, "B_h": 1.0}
    assert reached > 0.1
    assert bounds.rademacher_step_reweighted([1e-9, 1.0], [1e-9] * 2, **data) < 1e-6
    assert bounds.rademacher_step_l1_l1(1e-9, 1.0, 1e-9, d=2, **data) < 1e-6


@pytest.mark.parametrize("lambda2", [0.1, 1.0])
def test_the_bounds_of_one_step_hold_for_one_layer_with_g_fixed(lambda2, normal):
    """ħ is data then; the weights are searched on the corners and inside of their balls."""
    m, n, h = 6, 2, 2
    x, before, G = normal(m, n), 2 * normal(m, h), 3 * normal(h)
    rows = torch.cat([torch.eye(n + h), -torch.eye(n + h), normal(4000, n + h)]).double()
    W, U = rows.split([h, n], 1)
    W, U = (z / z.abs().sum(1, keepdim=True).clamp(min=1) for z in (W, U))
    u = W @ before.T + U @ x.T
    values = phi(u, (before @ G).expand_as(u), *torch.tensor([0.1, lambda2]).double())
    reached = (signs(m) @ values.T).amax(1).mean() / m
    B_x, B_h = ((z.square().sum(0).max() / m).sqrt() for z in (x, before))
    data = {"m": m, "n": n, "h": h, "B_x": B_x, "B_h": B_h}
    assert 0.1 < reached < bounds.rademacher_step_reweighted([1.0], [1.0], **data)


def test_the_sample_is_not_fixed_if_the_measurements_are_learned(normal):
    """A row of A gives 200 independent frames any signs; with frames as the data (14) holds."""
    frames, patterns = normal(200, 256), signs(200, draws=3)
    B_s, printed = (frames.square().sum(0).max() / 200).sqrt(), []
    for pattern in patterns:
        A = torch.linalg.lstsq(frames, pattern[:, None], driver="gelsd").solution.T
        x = frames @ A.T
        assert torch.allclose(x[:, 0], pattern)
        sizes = {"m": 200, "h": 1024, "T": 1}
        printed.append(bounds.rademacher_reweighted([1e-9], [1.0], n=51, B_x=1.0, **sizes))
        whole = A.abs().sum(1).max()
        assert bounds.rademacher_reweighted([1e-9], [whole], n=256, B_x=B_s, **sizes) > 1
    assert max(printed) < 0.5  # the first measurement reaches Σ ε x / m = 1


def test_losses_depend_on_earlier_frames_and_the_dictionary_unlike_the_last_code():
    m = 6
    eye, nothing = torch.eye(m, dtype=F64), torch.zeros(len(signs(m)), 1, m, m, dtype=F64)
    U = signs(m)[:, None, None, :].expand(-1, 1, m, m) / m
    rest = (nothing[:, 0], nothing[:, 0, 0], nothing[:, :, 0], nothing[:, :, 0])
    x = torch.stack([eye, torch.zeros(m, m, dtype=F64)], 1)
    first, last = (outputs(x[:, :t], Weights(nothing, U, *rest)) for t in (1, 2))
    assert not last.any()  # the class of Theorem 3.1 is one function
    followed = (signs(m) * first).sum(1).mean() / m
    assert followed == pytest.approx(1 / m)
    # One network with codes e_i: a row of D of norm one follows the signs as well.
    pixels = eye @ (signs(m).T / m)
    assert (signs(m) * pixels.T).sum(1).mean() / m == pytest.approx(1 / m)


# --- what the bounds depend on ---


def test_growth_with_the_root_of_depth_requires_norms_below_one():
    def log(a, d):
        return bounds.log_rademacher_reweighted([a] * d, [1.0] * d, **SIZES)

    assert log(0.5, 800) - log(0.5, 200) == pytest.approx(math.log(2), rel=1e-2)
    assert log(1.0, 800) - log(1.0, 200) == pytest.approx(1.5 * math.log(4), rel=1e-2)
    assert log(1.1, 800) - log(1.1, 200) > 10 * 600 * math.log(1.1)


def test_the_bound_depends_on_width_by_a_logarithm_and_by_norms_that_grow_with_width():
    def square(h):
        return bounds.rademacher_reweighted([0.9], [1.0], **{**SIZES, "h": h}) ** 2

    assert square(16) - square(4) == pytest.approx(square(64) - square(16))
    fixed, network_logs = [], []
    for h in (64, 256, 1024):
        norms = networks.build("l1-l1-rnn", n0=64, n=16, hidden=h, depth=1).norms().values()
        for logs, of in ((fixed, ([0.9], [1.0])), (network_logs, norms)):
            logs.append(bounds.log_rademacher_reweighted(*of, **{**SIZES, "h": h}))
    assert 0 < fixed[2] - fixed[0] < 0.1 and network_logs[0] + 2 < network_logs[1] < network_logs[2]


@pytest.mark.parametrize("orthogonal", [True, False])
def test_the_bound_that_grows_most_slowly_depends_on_the_matrix(orthogonal):
    """A Hadamard matrix has rows of sum 8, the identity of sum 1; both have spectral norm 1."""
    two = torch.tensor([[1.0, 1.0], [1.0, -1.0]], dtype=F64)
    W = torch.eye(64, dtype=F64)
    if orthogonal:
        W = two / 2**0.5
        for _ in range(5):
            W = torch.kron(W, two / 2**0.5)
    row, frobenius, spectral = W.abs().sum(1).max(), W.norm(), torch.linalg.matrix_norm(W, 2)

    def rise(bound):
        return bound(2000) - bound(1000)

    sizes = {"m": 100, "n": 51, "h": 64}
    margin = {"n_y": 10, "B": 1.0, "gamma": 1.0, "delta": 0.05}
    norms = frobenius, 1.0, 1.0, spectral, 1.0, 1.0
    ours = rise(lambda T: bounds.log_rademacher_reweighted_one_layer(row, 1, **sizes, T=T, B_x=1))
    theirs = rise(lambda T: bounds.log_gap_spectralrnn(*norms, **sizes, **margin, T=T))
    fast = rise(lambda T: bounds.log_rademacher_fastrnn(frobenius, 1, a=1, m=100, T=T, B=1))
    assert theirs == pytest.approx(2 * math.log(2), rel=1e-2)
    assert (ours > theirs) == orthogonal and ours < fast


def test_the_bound_before_training_increases_with_each_layer_and_exceeds_all_codes(normal):
    before = -math.inf
    for depth in (1, 2, 4):
        net = networks.build("reweighted-rnn", n0=64, n=16, hidden=256, depth=depth).double()
        x = net.measure(normal(8, 20, 64).abs()).detach()
        B_x = x.square().mean(0).max().sqrt()
        sizes = {"m": 8000, "n": 16, "h": 256, "T": 20, "B_x": B_x}
        log = bounds.log_rademacher_reweighted(*net.norms().values(), **sizes)
        assert log > before + 1 and log > net.codes(x).abs().max().log() + 5
        assert net.norms()["alpha"].min() > 1
        before = log
