"""Networks with weights in norm balls: the class of Theorem 3.1, with G, h_0 and thresholds."""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from unfolded.bounds.decimals import Number, Numbers, finite_or_not, not_negative, per_layer, whole
from unfolded.errors import ConfigError, complain
from unfolded.prox import phi


class Weights(NamedTuple):
    """N networks: W (N, d, h, h), U (N, d, h, n), G (N, h, h), h0 (N, h), thresholds (N, d, h)."""

    W: Tensor
    U: Tensor
    G: Tensor
    h0: Tensor
    tau1: Tensor
    tau2: Tensor


class Balls:
    r"""The sets of the weights of a network.

    :math:`\|W_l\|_{1,\infty} \le \alpha_l`, :math:`\|U_l\|_{1,\infty} \le \beta_l` and
    :math:`\|G\|_{1,\infty} \le \gamma`; entries of h_0 and thresholds in the intervals ``h0``,
    ``tau1`` and ``tau2``, each a pair (low, high), or a fixed number.
    Raises ConfigError on an invalid norm, interval or threshold.

    >>> balls = Balls([0.5, 0.8], [1.0, 1.0], gamma=1.0, h0=(-1.0, 2.0), tau1=(0.25, 0.5), tau2=0.1)
    >>> balls.h0_inf, balls.width
    (2.0, 0.25)
    """

    def __init__(
        self,
        alpha: Numbers,
        beta: Numbers,
        *,
        gamma: Number = 0.0,
        h0: float | tuple[float, float] = 0.0,
        tau1: float | tuple[float, float] = 0.0,
        tau2: float | tuple[float, float] = 0.0,
    ):
        self.alpha = [float(a) for a in per_layer("alpha", alpha)]
        self.beta = [float(b) for b in per_layer("beta", beta)]
        if len(self.alpha) != len(self.beta):
            actual = f"{len(self.alpha)} and {len(self.beta)}"
            raise ConfigError(
                complain("as many alphas as betas", actual, "pass one of each a layer")
            )
        self.gamma = float(not_negative("gamma", gamma))
        boxes = {"h0": h0, "tau1": tau1, "tau2": tau2}
        self.boxes = [_interval(name, value) for name, value in boxes.items()]
        for name, (low, _) in zip(boxes, self.boxes, strict=True):
            if name != "h0":
                not_negative(name, low)
        columns = [torch.tensor(z, dtype=torch.float64) for z in (self.alpha, self.beta)]
        rows = [*(z[:, None, None] for z in columns), self.gamma]
        self.radii = (*rows, *((high - low) / 2 for low, high in self.boxes))
        """The bound of each tensor of Weights: on the row norms, or on the entries."""

    @property
    def h0_inf(self) -> float:
        """The bound on the entries of h_0."""
        return max(map(abs, self.boxes[0]))

    @property
    def width(self) -> float:
        """The sum of the lengths of the two threshold intervals."""
        return sum(high - low for low, high in self.boxes[1:])

    def nearest(self, weights: Weights) -> Weights:
        """Return the projections of the networks on the balls, in the Euclidean norm."""
        rows = [project_rows(z, r) for z, r in zip(weights[:3], self.radii[:3], strict=True)]
        boxes = zip(weights[3:], self.boxes, strict=True)
        return Weights(*rows, *(z.clamp(*box) for z, box in boxes))

    def draw(self, count: int, n: int, h: int, generator: torch.Generator) -> Weights:
        """Draw networks on the boundary of the balls; every other network has few large weights."""
        n, h, d = whole("n", n), whole("h", h), len(self.alpha)
        shapes = ((d, h, h), (d, h, n), (h, h), (h,), (d, h), (d, h))
        tensors = [torch.randn(count, *s, generator=generator, dtype=torch.float64) for s in shapes]
        for z in tensors:
            z[1::2] **= 5
        rows = [
            r * z / z.abs().sum(-1, keepdim=True)
            for z, r in zip(tensors[:3], self.radii[:3], strict=True)
        ]
        boxes = zip(tensors[3:], self.boxes, strict=True)
        return Weights(*rows, *(low + (high - low) * z.sigmoid() for z, (low, high) in boxes))


def outputs(x: Tensor, weights: Weights, activation: Callable | None = None) -> Tensor:
    r"""Return the first unit of :math:`h_T^{(d)}` for N networks and m samples: (N, m).

    .. math:: h_t^{(l)} = \Phi_{\hbar}\bigl(W_l h_t^{(l-1)} + U_l x_t\bigr), \qquad
        h_t^{(0)} = h_{t-1}^{(d)}, \quad \hbar = G h_{t-1}^{(d)}

    ``x`` (m, T, n). A fixed ``activation`` replaces Φ; G and the thresholds then have no effect.
    Source: (8), in the form of Theorem 3.1.

    >>> balls = Balls([0.5], [1.0], gamma=1.0)
    >>> weights = balls.draw(5, n=2, h=3, generator=torch.Generator())
    >>> outputs(torch.ones(4, 6, 2, dtype=torch.float64), weights).shape
    torch.Size([5, 4])
    """
    W, U, G, h0, tau1, tau2 = weights
    h = h0[:, None].expand(-1, len(x), -1)
    for x_t in x.unbind(1):
        hbar = h @ G.mT
        for l in range(W.shape[1]):
            u = h @ W[:, l].mT + x_t @ U[:, l].mT
            h = activation(u) if activation else phi(u, hbar, tau1[:, l, None], tau2[:, l, None])
    return h[..., 0]


def project_rows(w: Tensor, radius: Tensor | float) -> Tensor:
    r"""Return the Euclidean projection of each row on an ℓ1 ball.

    .. math:: \arg\min_{v}\ \|v - w\|_2 \quad\text{such that}\quad \|v\|_1 \le r

    Soft thresholding of each row, with the threshold found by sorting. Shapes: ``w`` (…, k),
    ``radius`` a number or (…, 1); the result has the shape of ``w``.

    >>> project_rows(torch.tensor([[3.0, 1.0, 0.5], [0.2, 0.1, 0.0]]), 2.0)
    tensor([[2.0000, 0.0000, 0.0000],
            [0.2000, 0.1000, 0.0000]])
    """
    size = w.abs().sort(dim=-1, descending=True).values
    surplus = size.cumsum(-1) - radius
    place = torch.arange(1, w.shape[-1] + 1, dtype=w.dtype)
    active_count = (size * place > surplus).sum(-1, keepdim=True).clamp(min=1)
    threshold = (surplus.gather(-1, active_count - 1) / active_count).clamp(min=0)
    return w.sign() * (w.abs() - threshold).clamp(min=0)


def _interval(name: str, value: float | tuple[float, float]) -> tuple[float, float]:
    ends = value if isinstance(value, tuple) else (value, value)
    low, high = (float(finite_or_not(name, end)) for end in ends)
    if not (low <= high and math.isfinite(high - low)):
        actual = f"({low:g}, {high:g})"
        raise ConfigError(complain(f"{name} as (low, high), finite", actual, "set its ends right"))
    return low, high
