"""The iterative solvers behind the networks: each has a step and a loop.

A network of depth d calls the same step d times with learned tensors, so "untrained network =
d solver iterations" holds by construction. Codes are rows: h is (batch, h), x is (batch, n).
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from unfolded.errors import ConfigError, complain, whole_number
from unfolded.prox import phi, shrink


@dataclass(frozen=True)
class Solution:
    """The result of a solver.

    ``codes`` (batch, time, h); ``objective`` (batch, time, iterations + 1), the frame's objective
    before and after each iteration; ``certificate`` (batch, time), the Euclidean distance of 0
    from the subdifferential of the frame's objective at the returned code: 0 at a minimiser.
    """

    codes: Tensor
    objective: Tensor
    certificate: Tensor


def descend(h: Tensor, x: Tensor, M: Tensor, c: Tensor | float) -> Tensor:
    """Take the gradient step h − (1/c) Mᵀ(Mh − x) on the fidelity term, M = AD."""
    return h + ((x - h @ M.T) @ M) / c


def ista_step(h: Tensor, x: Tensor, *, M: Tensor, c, lambda1) -> Tensor:
    r"""One iteration of ISTA: :math:`\mathrm{soft}_{\lambda_1/c}(h - \tfrac1c M^\top(Mh - x))`."""
    return shrink(descend(h, x, M, c), torch.as_tensor(lambda1 / c, dtype=h.dtype))


def sista_step(h: Tensor, x: Tensor, predicted: Tensor, *, M, D, c, lambda1, lambda2) -> Tensor:
    r"""One iteration of SISTA: ISTA with a quadratic penalty towards the predicted frame.

    ``predicted`` (batch, n0) is :math:`F D h_{t-1}`; the penalty is
    :math:`\tfrac{\lambda_2}{2}\|Dh - FDh_{t-1}\|_2^2`. Source: SISTA-RNN, (35).
    """
    correction = (predicted - h @ D.T) @ D
    u = descend(h, x, M, c) + (lambda2 / c) * correction
    return shrink(u, torch.as_tensor(lambda1 / c, dtype=h.dtype))


def reweighted_step(h: Tensor, x: Tensor, hbar: Tensor, *, M, c, a, b, Z=None) -> Tensor:
    r"""One iteration of Algorithm 1, steps 6 and 7; for Z = I and g = 1, of the ℓ1-ℓ1 algorithm.

    .. math:: h^{(l)} = \Phi_{a, b, \hbar}\bigl(Z_l (h^{(l-1)} - \tfrac1c M^\top(M h^{(l-1)} - x))
        \bigr), \qquad a = \lambda_1 g_l / c,\; b = \lambda_2 g_l / c

    Shapes: h, hbar (batch, h); x (batch, n); M (n, h); a, b (h,); Z (h, h) or None for I.
    Source: (4) with :math:`h^{(l-1)}` on the right, where the paper prints :math:`h^{(l)}`.
    """
    v = descend(h, x, M, c)
    return phi(v if Z is None else v @ Z.T, hbar, a, b)


def ista(x, A, D, *, lambda1, c=None, iterations=100, h0=None) -> Solution:
    r"""Solve (1) frame by frame, :math:`\min_h \tfrac12\|x_t - ADh\|^2 + \lambda_1\|h\|_1`.

    Shapes: x (batch, time, n); A (n, n0); D (n0, h); h0 (h,), the initial code, default zero.
    ``c=None`` uses the Lipschitz constant :math:`\|AD\|_2^2`. Raises ConfigError on bad input.

    >>> x, A, D = torch.ones(1, 2, 3), torch.eye(3), torch.eye(3)
    >>> ista(x, A, D, lambda1=0.25, iterations=1).codes[0, 0]
    tensor([0.7500, 0.7500, 0.7500])
    """
    M, c, start, iterations = _prepare(x, A, D, c, h0, iterations, lambda1=lambda1)
    step = functools.partial(ista_step, x=x, M=M, c=c, lambda1=lambda1)
    return Solution(*_solve(_Objective(x, M, lambda1), start, iterations, step))


def fista(x, A, D, *, lambda1, c=None, iterations=100, h0=None) -> Solution:
    """Solve (1) like :func:`ista`, with the momentum of Beck and Teboulle (2009).

    Shapes, units and errors: as :func:`ista`. The objective may increase temporarily.
    """
    M, c, y, iterations = _prepare(x, A, D, c, h0, iterations, lambda1=lambda1)
    start, momentum = y, 1.0

    def step(h):
        nonlocal y, momentum
        code = ista_step(y, x, M=M, c=c, lambda1=lambda1)
        next_momentum = (1 + (1 + 4 * momentum**2) ** 0.5) / 2
        y = code + (momentum - 1) / next_momentum * (code - h)
        momentum = next_momentum
        return code

    return Solution(*_solve(_Objective(x, M, lambda1), start, iterations, step))


def sista(x, A, D, F, *, lambda1, lambda2, c=None, iterations=100, h0=None) -> Solution:
    r"""Solve (2) with :math:`R = \tfrac12\|Dh - FDh_{t-1}\|_2^2`, frame by frame.

    Each frame starts at :math:`D^\top F D h_{t-1}`. Shapes: F (n0, n0); h0 (h,) is
    :math:`h_{t-1}` of the first frame; the rest as :func:`ista`. ``c=None`` uses
    :math:`\|AD\|_2^2 + \lambda_2\|D\|_2^2`.
    """
    weights = {"lambda1": lambda1, "lambda2": lambda2}
    M, c, h, iterations = _prepare(x, A, D, c, h0, iterations, **weights, penalty_matrix=D, F=F)

    def frame(x_t, h):
        prediction = h @ (F @ D).T
        options = {"M": M, "D": D, "c": c, **weights}
        step = functools.partial(sista_step, x=x_t, predicted=prediction, **options)
        objective = _Objective(x_t, M, lambda1, D=D, predicted=prediction, rho=lambda2)
        return _solve(objective, prediction @ D, iterations, step)

    return _solve_by_frame(x, h[:, 0], frame)


def l1_l1(x, A, D, G, *, lambda1, lambda2, c=None, iterations=100, h0=None) -> Solution:
    r"""Solve (2) with :math:`R = \|h - Gh_{t-1}\|_1`, frame by frame.

    Each frame starts at :math:`\hbar = G h_{t-1}`. Shapes: G (h, h); the rest as :func:`ista`.
    Source: Mota et al. (2016); ℓ1-ℓ1-RNN unrolls this algorithm.
    """
    return reweighted_l1_l1(
        x, A, D, G, lambda1=lambda1, lambda2=lambda2, c=c, iterations=iterations, h0=h0
    )


def reweighted_l1_l1(
    x, A, D, G, *, lambda1, lambda2, Z=None, g=None, c=None, iterations=100, h0=None
) -> Solution:
    r"""Run Algorithm 1 on (3): reweighted ℓ1-ℓ1 minimisation, frame by frame.

    Shapes: Z (h, h) or (iterations, h, h), None for I; g (h,) or (iterations, h), None for 1;
    the rest as :func:`l1_l1`. Objective and certificate are those of (3) as a function of
    v = Zh with the last g; the algorithm is known to minimise it for Z = I only.
    """
    scalars = {"lambda1": lambda1, "lambda2": lambda2}
    M, c, h, iterations = _prepare(x, A, D, c, h0, iterations, **scalars, G=G, Z=Z, g=g)
    g = torch.ones_like(M[0]) if g is None else g
    weights = g.expand(iterations, -1)
    transforms = [None] * iterations if Z is None else Z.expand(iterations, *Z.shape[-2:])

    def frame(x_t, h):
        hbar = h @ G.T
        schedule = iter(zip(weights, transforms, strict=True))
        last_g = weights[-1] if iterations else g.expand(1, -1)[0]

        def step(v):
            g_l, Z_l = next(schedule)
            a, b = lambda1 * g_l / c, lambda2 * g_l / c
            return reweighted_step(v, x_t, hbar, M=M, c=c, a=a, b=b, Z=Z_l)

        objective = _Objective(x_t, M, lambda1 * last_g, hbar, lambda2 * last_g)
        return _solve(objective, hbar, iterations, step)

    return _solve_by_frame(x, h[:, 0], frame)


@dataclass(frozen=True)
class _Objective:
    r"""The objective of (1), (2) or (3) for each sample, with default zero for its last terms.

    .. math:: \tfrac12\|x - Mh\|_2^2 + \sum_i a_i|h_i| + \sum_i b_i|h_i - \hbar_i|
        + \tfrac\rho2\|Dh - s\|_2^2, \qquad s = \text{predicted}
    """

    x: Tensor
    M: Tensor
    a: Tensor | float
    hbar: Tensor | float = 0.0
    b: Tensor | float = 0.0
    D: Tensor | None = None
    predicted: Tensor | None = None
    rho: Tensor | float = 0.0

    def value(self, h: Tensor) -> Tensor:
        """Return the objective at codes (…, h)."""
        fidelity = 0.5 * (self.x - h @ self.M.T).square().sum(-1)
        value = fidelity + (self.a * h.abs() + self.b * (h - self.hbar).abs()).sum(-1)
        if self.D is not None:
            value = value + 0.5 * self.rho * (h @ self.D.T - self.predicted).square().sum(-1)
        return value

    def certificate(self, h: Tensor) -> Tensor:
        """Return the Euclidean distance of 0 from the subdifferential at codes (…, h)."""
        gradient = (h @ self.M.T - self.x) @ self.M
        if self.D is not None:
            gradient = gradient + self.rho * (h @ self.D.T - self.predicted) @ self.D
        slack = self.a * (h == 0).to(h.dtype) + self.b * (h == self.hbar).to(h.dtype)
        centre = gradient + self.a * torch.sign(h) + self.b * torch.sign(h - self.hbar)
        return shrink(centre, slack).norm(dim=-1)


def _solve(objective: _Objective, h: Tensor, iterations: int, step: Callable[[Tensor], Tensor]):
    """Return the code after all iterations, the path of the objective, and the certificate."""
    path = [objective.value(h)]
    for _ in range(iterations):
        h = step(h)
        path.append(objective.value(h))
    return h, torch.stack(path, -1), objective.certificate(h)


def _solve_by_frame(x: Tensor, h: Tensor, frame: Callable[..., tuple[Tensor, ...]]) -> Solution:
    """Solve frame by frame; ``frame(x_t, h)`` returns the solution for h_{t-1} = h."""
    solutions = []
    for x_t in x.unbind(1):
        solutions.append(frame(x_t, h))
        h = solutions[-1][0]
    return Solution(*(torch.stack(parts, 1) for parts in zip(*solutions, strict=True)))


def _prepare(x, A, D, c, h0, iterations, *, lambda1, lambda2=0.0, penalty_matrix=None, **tensors):
    """Check all inputs; return M = AD, c, the initial code (batch, time, h) and the iterations."""
    iterations = whole_number("iterations", iterations, 0)
    _check(x, A, D, iterations, {"h0": h0, **tensors})
    for name, value in (("lambda1", lambda1), ("lambda2", lambda2), ("g", tensors.get("g"))):
        if value is not None and not bool((torch.as_tensor(value) >= 0).all()):
            got = torch.as_tensor(value).min().item()
            raise ConfigError(complain(f"{name} >= 0", got, "choose a weight of at least 0"))
    M = A @ D
    if c is None:
        c = torch.linalg.matrix_norm(M, 2) ** 2
        if penalty_matrix is not None:
            c = c + lambda2 * torch.linalg.matrix_norm(penalty_matrix, 2) ** 2
    if not bool(torch.as_tensor(c) > 0):
        raise ConfigError(complain("c > 0", float(c), "pass at least the squared norm of AD"))
    start = torch.zeros_like(M[0]) if h0 is None else h0
    return M, c, start.expand(*x.shape[:2], -1), iterations


def _check(x, A, D, iterations: int, tensors: dict) -> None:
    """Reject invalid solver inputs with a one-line error."""
    inputs = {"x": x, "A": A, "D": D, **{k: v for k, v in tensors.items() if v is not None}}
    for name, value in inputs.items():
        if not isinstance(value, Tensor):
            raise ConfigError(complain(f"a tensor {name}", type(value).__name__, "convert it"))
    n, n0, h = *(A.shape if A.ndim == 2 else (0, 0)), D.shape[-1]
    g_shape = (iterations, h)
    shapes = {"A": [(n, n0)], "D": [(n0, h)], "G": [(h, h)], "F": [(n0, n0)], "h0": [(h,)]}
    shapes |= {"Z": [(h, h), (*g_shape, h)], "g": [(h,), g_shape], "x": [(*x.shape[:2], n)]}
    for name, tensor in inputs.items():
        if tuple(tensor.shape) not in shapes[name] or 0 in tensor.shape:
            want = f"x (batch, time, n), A (n, n0), D (n0, h) and {name} to fit them, none empty"
            got = f"{name} {tuple(tensor.shape)} with h = {h}, iterations = {iterations}"
            raise ConfigError(complain(want, got, "make the sizes agree"))
        if tensor.dtype != x.dtype:
            raise ConfigError(complain(f"{name} in {x.dtype} like x", tensor.dtype, "convert it"))
        if not bool(torch.isfinite(tensor).all()):
            raise ConfigError(complain(f"finite {name}", "NaN or infinity", "clean it first"))
