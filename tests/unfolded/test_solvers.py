"""The solvers minimise their objectives, and their certificates are correct."""

import cvxpy
import pytest
import torch

from unfolded import solvers

F64 = torch.float64
BATCH, TIME, N, N0, H = 3, 2, 4, 6, 9
L1, L2 = 0.3, 0.2
NAMES = ("ista", "fista", "sista", "l1_l1", "reweighted_l1_l1")
DESCENDING = ("ista", "sista", "l1_l1", "reweighted_l1_l1")


@pytest.fixture
def problem(normal):
    """One small random problem: the arguments of all solvers."""
    # ISTA converges fast with orthonormal rows; the factor 1.3 makes c differ from 1.
    A, D = (torch.linalg.qr(normal(*size))[0].T for size in ((N0, N), (H, N0)))
    return {
        "x": 2 * normal(BATCH, TIME, N),
        "A": 1.3 * A,
        "D": D,
        "F": torch.eye(N0, dtype=F64) + 0.2 * normal(N0, N0),
        "G": torch.eye(H, dtype=F64) + 0.2 * normal(H, H),
        "g": normal(H).abs() + 0.1,
        "h0": normal(H),
    }


def arguments(name, problem):
    """Positional and keyword arguments of one solver."""
    positional = [problem["x"], problem["A"], problem["D"]]
    options = {"lambda1": L1}
    if name not in ("ista", "fista"):
        positional.append(problem["F" if name == "sista" else "G"])
        options["lambda2"] = L2
    if name == "reweighted_l1_l1":
        options["g"] = problem["g"]
    return positional, options


def solve(name, problem, **options):
    positional, keywords = arguments(name, problem)
    return getattr(solvers, name)(*positional, **{**keywords, **options})


def previous(solution, problem):
    """h_{t−1} of every frame."""
    first = problem["h0"].expand(BATCH, 1, H)
    return torch.cat([first, solution.codes[:, :-1]], 1)


def terms(name, problem, before):
    """The frame's objective as ½|Bh − y|² + Σ a|h| + Σ b|h − ħ|: (B, y, a, b, ħ)."""
    x, A, D = problem["x"], problem["A"], problem["D"]
    ones = torch.ones(H, dtype=F64)
    hbar, b = torch.zeros_like(before), 0 * ones
    B, y, a = A @ D, x, L1 * ones
    if name == "sista":
        B = torch.cat([B, L2**0.5 * D])
        y = torch.cat([x, L2**0.5 * before @ (problem["F"] @ D).T], -1)
    if name in ("l1_l1", "reweighted_l1_l1"):
        hbar, b = before @ problem["G"].T, L2 * ones
    if name == "reweighted_l1_l1":
        a, b = a * problem["g"], b * problem["g"]
    return B, y, a, b, hbar


def objective(h, B, y, a, b, hbar):
    return 0.5 * (h @ B.T - y).square().sum(-1) + (a * h.abs() + b * (h - hbar).abs()).sum(-1)


def subgradient_distance(h, B, y, a, b, hbar):
    """Distance of 0 from a box: the interval of each unit's subgradients."""
    low = high = (h @ B.T - y) @ B
    for weight, gap in ((a, h), (b, h - hbar)):
        # ħ is computed again here: values that differ from it by rounding count as equal.
        low = low + torch.where(gap > 1e-13, weight, -weight)
        high = high + torch.where(gap < -1e-13, -weight, weight)
    return torch.maximum(low.clamp(min=0), (-high).clamp(min=0)).norm(dim=-1)


def by_cvxpy(B, y, a, b, hbar):
    """Minimise over all frames in one problem: they are separable once ħ is given."""
    frames = y.shape[0] * y.shape[1]
    h, flat = cvxpy.Variable((frames, H)), [t.reshape(frames, -1).numpy() for t in (y, hbar)]
    kinks = cvxpy.abs(h) @ a.numpy() + cvxpy.abs(h - flat[1]) @ b.numpy()
    fit = 0.5 * cvxpy.sum_squares(h @ B.numpy().T - flat[0])
    cvxpy.Problem(cvxpy.Minimize(fit + cvxpy.sum(kinks))).solve(solver="CLARABEL")
    return torch.from_numpy(h.value).reshape(*y.shape[:2], H)


@pytest.mark.parametrize("iterations", [3, 800])
@pytest.mark.parametrize("name", NAMES)
def test_agrees_with_cvxpy_within_the_certificate(name, iterations, problem):
    solution = solve(name, problem, iterations=iterations, h0=problem["h0"])
    parts = terms(name, problem, previous(solution, problem))
    best = by_cvxpy(*parts)
    excess = objective(solution.codes, *parts) - objective(best, *parts)
    # A subgradient s at h gives f(h) − f(w) <= s·(h − w) <= |s||h − w| for every w.
    promised = solution.certificate * (solution.codes - best).norm(dim=-1)
    assert (excess <= promised + 1e-12).all()
    assert (excess >= -1e-6).all()
    if iterations > 3:
        assert excess.abs().max() < 1e-6 and solution.certificate.max() < 1e-6
    else:
        assert solution.certificate.min() > 1e-2


@pytest.mark.parametrize("name", NAMES)
def test_objective_and_certificate_agree_with_their_definition(name, problem):
    for iterations in (1, 30) if name == "reweighted_l1_l1" else (0, 1, 30):
        solution = solve(name, problem, iterations=iterations, h0=problem["h0"])
        parts = terms(name, problem, previous(solution, problem))
        assert solution.codes.shape == (BATCH, TIME, H)
        assert solution.objective.shape == (BATCH, TIME, iterations + 1)
        assert torch.allclose(solution.objective[..., -1], objective(solution.codes, *parts))
        assert torch.allclose(solution.certificate, subgradient_distance(solution.codes, *parts))


def test_the_objective_without_an_iteration_is_that_of_the_given_g(problem):
    none = solve("reweighted_l1_l1", problem, iterations=0, h0=problem["h0"])
    first = solve("reweighted_l1_l1", problem, iterations=1, h0=problem["h0"])
    assert torch.allclose(none.objective[:, 0, 0], first.objective[:, 0, 0])


@pytest.mark.parametrize("name", NAMES)
def test_certificate_is_zero_at_a_minimiser_and_large_elsewhere(name, problem):
    # M of full column rank: the objective is strongly convex, so that convergence is linear.
    easy = {**problem, "A": torch.eye(N0, dtype=F64), "D": torch.eye(N0, H, dtype=F64)}
    easy["x"] = torch.cat([problem["x"], problem["x"][..., :2]], -1)
    assert solve(name, easy, iterations=300, h0=problem["h0"]).certificate.max() < 1e-12
    assert solve(name, problem, iterations=0, h0=problem["h0"]).certificate.min() > 0.1


@pytest.mark.parametrize("enlarge", [1.0, 2.5])
@pytest.mark.parametrize("name", DESCENDING)
def test_the_objective_never_increases_if_c_is_a_lipschitz_constant(name, enlarge, problem):
    c = enlarge * lipschitz(name, problem)
    path = solve(name, problem, c=c, iterations=200, h0=problem["h0"]).objective
    assert (path.diff(dim=-1) <= 1e-13 * path[..., :1]).all()
    assert (path[..., 0] > path[..., -1]).all()


def lipschitz(name, problem):
    M = problem["A"] @ problem["D"]
    largest = torch.linalg.eigvalsh(M.T @ M)[-1]
    return largest + (L2 * torch.linalg.svdvals(problem["D"])[0] ** 2 if name == "sista" else 0)


@pytest.mark.parametrize("name", NAMES)
def test_c_defaults_to_the_lipschitz_constant(name, problem):
    c = lipschitz(name, problem)
    for constant in (c, float(c)):
        expected = solve(name, problem, c=constant, iterations=20)
        assert torch.allclose(solve(name, problem, iterations=20).codes, expected.codes)


def test_ista_and_fista_have_the_rates_of_beck_and_teboulle(problem):
    best = solve("fista", problem, iterations=5_000)
    lowest, L = best.objective[..., -1:], lipschitz("ista", problem)
    k = torch.arange(1, 301, dtype=F64)
    far = best.codes.square().sum(-1, keepdim=True)  # |h^(0) − h*|² with h^(0) = 0
    for name, bound in (("ista", L * far / (2 * k)), ("fista", 2 * L * far / (k + 1) ** 2)):
        excess = solve(name, problem, iterations=300).objective[..., 1:] - lowest
        assert (excess <= bound + 1e-10).all()


@pytest.mark.parametrize("name", NAMES)
def test_sequences_of_a_batch_are_independent(name, problem):
    batch = solve(name, problem, iterations=25, h0=problem["h0"])
    for i in range(BATCH):
        alone = solve(name, {**problem, "x": problem["x"][i : i + 1]}, iterations=25,
                      h0=problem["h0"])  # fmt: skip
        for field in ("codes", "objective", "certificate"):
            assert torch.allclose(getattr(batch, field)[i], getattr(alone, field)[0], atol=1e-12)


@pytest.mark.parametrize("name", ["sista", "l1_l1", "reweighted_l1_l1"])
def test_a_frame_depends_on_the_past_only_through_the_previous_code(name, problem):
    sequence = {**problem, "x": problem["x"][:1]}
    codes = solve(name, sequence, iterations=15, h0=problem["h0"]).codes
    first = {**sequence, "x": sequence["x"][:, :1]}
    second = {**sequence, "x": sequence["x"][:, 1:]}
    h1 = solve(name, first, iterations=15, h0=problem["h0"]).codes
    h2 = solve(name, second, iterations=15, h0=h1[0, 0]).codes
    assert torch.equal(codes, torch.cat([h1, h2], 1))


def test_solvers_do_not_change_their_arguments(problem):
    before = {name: tensor.clone() for name, tensor in problem.items()}
    for name in NAMES:
        solve(name, problem, iterations=3, h0=problem["h0"])
    assert all(torch.equal(problem[name], before[name]) for name in before)
