"""Networks within the norm balls of Theorem 3.1 whose outputs can match any sign pattern.

All have one layer, T = 2, A = D = I and c = 1. Then W_1 = 0 and U_1 = Z_1, but ħ = G h_1
depends on the first frame, and the theorem has no bound on G.
"""

import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from unfolded import networks
from unfolded.errors import ConfigError, complain


def sign_memory(
    signs: Tensor, beta: float, *, lambda1: float = 0.1, lambda2: float = 1.0
) -> tuple[networks.ReweightedRNN, Tensor]:
    r"""Return a network and m samples for which its first unit ends at :math:`\epsilon_i s`.

    Here :math:`s = \lambda_2 - \lambda_1 > 0`. Samples: :math:`x_{1,i} = e_i`, :math:`x_{2,i} = 0`.
    A row of U_1 is :math:`\beta\epsilon_i/m`, so that h_1 differs slightly between units 1 and 2;
    G amplifies the difference; and :math:`\Phi_\hbar(0) = \operatorname{sign}(\hbar)\,
    \min(|\hbar|, s)` preserves its sign. So :math:`\Re_S \ge s` for every β, however small.
    ``signs`` (m,), m ≥ 2. Returns the network, in float64, and x (m, 2, m), for which
    :math:`B_x = 1/\sqrt m`.
    Raises ConfigError unless λ1 < λ2 and 0 < β ≤ m (λ2 − λ1).

    >>> net, x = sign_memory(torch.tensor([1.0, -1.0, -1.0]), beta=1e-3)
    >>> net.codes(x)[:, -1, 0].detach().numpy().round(6)
    array([ 0.9, -0.9, -0.9])
    """
    signs = _signs(signs, lambda1, lambda2)
    m, s = len(signs), lambda2 - lambda1
    if not (0 < beta <= m * s):
        expected = "lambda1 < lambda2 and 0 < beta <= m (lambda2 - lambda1)"
        raise ConfigError(complain(expected, f"{lambda1}, {lambda2}, {beta}", "make beta smaller"))
    Z = torch.zeros(m, m, dtype=torch.float64)
    Z[0] = beta * signs / m
    size = 2 * s * (1 + m / beta)
    G = torch.zeros(m, m, dtype=torch.float64)
    G[:, 0], G[0, 1] = size, -size
    net = _network(Z, G, lambda1, lambda2)
    net.h0[0] = 1.0
    return net, torch.stack([torch.eye(m), torch.zeros(m, m)], 1).double()


def sign_row(
    signs: Tensor, *, lambda1: float = 1.0, lambda2: float = 1.0
) -> tuple[networks.ReweightedRNN, Tensor]:
    r"""Return a network and m samples for which its first unit ends at 2 λ2 if ε_i = 1, else at 0.

    Only the first row of U_1 = Z_1 depends on the signs; G, h_0 = 0 and the rest is fixed. Samples:
    :math:`x_{1,i} = e_1 + \sqrt m\,e_{i+1}` and :math:`x_{2,i} = (\lambda_1 + \lambda_2) e_1 / b`
    with :math:`b = \lambda_1 + 2\lambda_2`, so that :math:`B_x = 1`. The first row is
    :math:`b\,e_1 + (\lambda_2/m) \sum_i \epsilon_i e_{i+1}`, of norm β = λ1 + 3 λ2; the second is
    :math:`b\,e_1`. After the first frame units 1 and 2 differ by
    :math:`\lambda_2\epsilon_i/\sqrt m`, and the only row of G, :math:`2\sqrt m\,(e_1 - e_2)`, makes
    this :math:`\hbar = 2\lambda_2\epsilon_i`. At the second frame u = λ1 + λ2, where Φ is 2 λ2 for
    one sign of ħ and 0 for the other. So :math:`\Re_S \ge \lambda_2` for every m, while (14)
    decreases like :math:`\sqrt{\log m/m}`.
    ``signs`` (m,), m ≥ 2. Returns the network, in float64, and x (m, 2, m + 1).
    Raises ConfigError unless λ1 > 0 and λ2 > 0.
    Source: the proposition "Signs in one row" on the page of Theorem 3.1.

    >>> net, x = sign_row(torch.tensor([1.0, -1.0, -1.0, 1.0]))
    >>> net.codes(x)[:, -1, 0].detach().numpy().round(6) + 0.0
    array([2., 0., 0., 2.])
    """
    signs = _signs(signs, lambda1, lambda2)
    m, b = len(signs), lambda1 + 2 * lambda2
    Z = torch.zeros(m + 1, m + 1, dtype=torch.float64)
    Z[:2, 0], Z[0, 1:] = b, lambda2 / m * signs
    G = torch.zeros(m + 1, m + 1, dtype=torch.float64)
    G[0, 0], G[0, 1] = 2 * math.sqrt(m), -2 * math.sqrt(m)
    eye = torch.eye(m + 1, dtype=torch.float64)
    second_frame = (lambda1 + lambda2) / b * eye[0]
    x = torch.stack([eye[0] + math.sqrt(m) * eye[1:], second_frame.expand(m, -1)], 1)
    return _network(Z, G, lambda1, lambda2), x


def sign_gate(
    signs: Tensor, *, lambda1: float = 1.0, lambda2: float = 1.0
) -> tuple[networks.ReweightedRNN, Tensor]:
    r"""Return a network and m samples for which its first unit ends at 2 λ2 if ε_i = 1, else at 0.

    Samples: :math:`x_{1,i} = \sqrt m\,e_{i+1}`, :math:`x_{2,i} = e_1`, for which :math:`B_x = 1`.
    U_1 is β times the identity, β = λ1 + λ2, so h_1 has one active unit for each sample, and a row
    of G maps it to a ħ with the sign ε_i. At the second frame u = β for all samples, and the sign
    of ħ selects the plateau or line of Φ. So :math:`\Re_S \ge \lambda_2` for every m, while (14)
    decreases like :math:`\sqrt{\log m/m}`. This needs only a G of norm
    :math:`\gamma = 2\lambda_2 m/(\beta(\sqrt m - 1))`, and h_0 = 0.
    ``signs`` (m,), m ≥ 2. Returns the network, in float64, and x (m, 2, m + 1).
    Raises ConfigError unless λ1 > 0 and λ2 > 0.

    >>> net, x = sign_gate(torch.tensor([1.0, -1.0, -1.0, 1.0]))
    >>> net.codes(x)[:, -1, 0].detach().numpy().round(6)
    array([2., 0., 0., 2.])
    """
    signs = _signs(signs, lambda1, lambda2)
    m, beta = len(signs), lambda1 + lambda2
    G = torch.zeros(m + 1, m + 1, dtype=torch.float64)
    G[0, 1:] = 2 * lambda2 / (beta * (math.sqrt(m) - 1)) * signs
    net = _network(beta * torch.eye(m + 1), G, lambda1, lambda2)
    eye = torch.eye(m + 1, dtype=torch.float64)
    return net, torch.stack([math.sqrt(m) * eye[1:], eye[0].expand(m, -1)], 1)


def reached(example: Callable, patterns: Iterable[Tensor], **options) -> float:
    r"""Return the mean correlation of an example's networks with the signs that define them.

    .. math:: \frac1{|P|} \sum_{\epsilon \in P} \frac1m \sum_{i=1}^m \epsilon_i f_\epsilon(x_i)

    This is a lower bound on the empirical Rademacher complexity if ``patterns`` P contains all sign
    patterns. ``example``: a function of this module; ``patterns`` (patterns, m); ``options`` go to
    ``example``. Units: those of the code.

    >>> round(reached(sign_gate, torch.tensor([[1.0, 1.0], [1.0, -1.0]])), 6)
    1.5
    """
    values = []
    for signs in patterns:
        net, x = example(signs, **options)
        values.append(float(signs.double() @ net.codes(x)[:, -1, 0]) / len(signs))
    return sum(values) / len(values)


def _signs(signs: Tensor, lambda1: float, lambda2: float) -> Tensor:
    if signs.ndim != 1 or len(signs) < 2 or not bool((signs.abs() == 1).all()):
        raise ConfigError(complain("at least two signs (m,)", signs, "pass 1 and -1"))
    if not (lambda1 > 0 and lambda2 > 0):
        raise ConfigError(complain("lambda1, lambda2 > 0", f"{lambda1}, {lambda2}", "raise them"))
    return signs.double()


def _network(Z: Tensor, G: Tensor, lambda1: float, lambda2: float) -> networks.ReweightedRNN:
    """Return the network with A = D = I, c = 1, g = 1 and h_0 = 0."""
    k = len(Z)
    sizes = {"n0": k, "n": k, "hidden": k, "depth": 1}
    net = networks.build("reweighted-rnn", **sizes, lambda1=lambda1, lambda2=lambda2).double()
    net.requires_grad_(False)
    for parameter, value in ((net.A, torch.eye(k)), (net.D, torch.eye(k)), (net.G, G)):
        parameter.copy_(value)
    net.Z[0] = Z
    return net
