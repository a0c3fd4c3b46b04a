"""GLOW-Prox: inpainting by a network with proximal steps in the latent space of a flow."""

import math
import warnings
from collections.abc import Iterable

import normflows
import torch
from torch import Tensor, nn

from unfolded.errors import ConfigError, complain

SIDE = 16
"""Side of an image, in pixels."""


class Flow(nn.Module):
    r"""A small Glow of two scales: a bijection :math:`z = G(x)` of images and latent tensors.

    Each scale converts 2×2 pixels to four channels, then mixes the channels in ``blocks`` steps
    of actnorm, invertible 1×1 convolution and affine coupling (normflows). No channels are split
    off: z is one tensor, which can be shrunk as a whole.
    Shapes: x (batch, 1, side, side), z (batch, 16, side/4, side/4). Units: those of the pixels.
    The first batch initialises the actnorms. Source: Kingma and Dhariwal, Glow.

    >>> flow = Flow(blocks=1, hidden=8)
    >>> x = torch.rand(5, 1, 16, 16)
    >>> bool(torch.allclose(flow.image(flow.latent(x)), x, atol=1e-5))
    True
    """

    def __init__(self, *, blocks: int = 3, hidden: int = 32):
        super().__init__()
        steps = []
        with warnings.catch_warnings():
            # normflows uses torch.lu for its 1x1 convolutions, which torch has deprecated.
            warnings.filterwarnings("ignore", "torch.lu is deprecated", UserWarning)
            for channels in (4, 16):
                steps.append(normflows.flows.Squeeze())
                steps += [
                    normflows.flows.GlowBlock(channels, hidden, scale=False) for _ in range(blocks)
                ]
        self.steps = nn.ModuleList(steps)

    def latent(self, x: Tensor) -> Tensor:
        """Return z = G(x)."""
        for step in self.steps:
            x, _ = step.inverse(x)
        return x

    def image(self, z: Tensor) -> Tensor:
        """Return x = G⁻¹(z)."""
        for step in reversed(self.steps):
            z, _ = step.forward(z)
        return z


class GlowProx(nn.Module):
    r"""Unfolded proximal gradient for inpainting, with one flow per layer.

    .. math:: r_l = x_{l-1} + \mu_l A^\top (y - A x_{l-1}), \qquad
        x_l = G_l^{-1}\!\left(\frac{G_l(r_l)}{1 + \lambda_l}\right), \qquad x_0 = y

    with A the diagonal mask. The first step descends ½‖y − A x‖², the second is the
    proximal operator of (λ/2)‖z‖², the negative logarithm of the flow's normal density, in
    the latent space. μ, λ > 0 as exponentials of free numbers. ``flows``, if given, are the flows
    of the layers, instead of ``layers`` small ones. With ``clamp``, as in the public code, pixels
    are limited to 0 … 1 after each layer and after the noise.
    Shapes: y (batch, 1, side, side) with zeros in the hole, mask (side, side) or broadcastable.
    Units: those of the pixels. Raises ConfigError for a mask with entries other than zero and one.
    Source: Hadou, NaderiAlizadeh, Ribeiro, their inpainting experiment.

    >>> net = GlowProx(layers=2, blocks=1, hidden=8)
    >>> mask = hole(6)
    >>> [tuple(x.shape) for x in net(torch.rand(3, 1, 16, 16) * mask, mask)]
    [(3, 1, 16, 16), (3, 1, 16, 16)]
    """

    def __init__(
        self,
        *,
        layers: int = 4,
        blocks: int = 3,
        hidden: int = 32,
        seed: int = 0,
        flows: Iterable[nn.Module] = (),
        clamp: bool = False,
    ):
        super().__init__()
        self.limits = (0.0, 1.0) if clamp else (-math.inf, math.inf)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            small = (Flow(blocks=blocks, hidden=hidden) for _ in range(layers))
            self.flows = nn.ModuleList(list(flows) or small)
        self.log_mu = nn.Parameter(torch.zeros(len(self.flows)))
        self.log_lambda = nn.Parameter(torch.full((len(self.flows),), -2.0))

    def forward(self, y: Tensor, mask: Tensor, noise=None) -> list[Tensor]:
        """Return x_1, …, x_L; ``noise(x, l)``, if given, perturbs the output of layer l, l < L."""
        return [x for x, _ in self.layers(y, mask, noise)]

    def layers(self, y: Tensor, mask: Tensor, noise=None) -> list[tuple[Tensor, Tensor]]:
        """Return the outputs of :meth:`forward`, each with the latent tensor after shrinking."""
        if not bool(((mask == 0) | (mask == 1)).all()):
            actual = f"values from {mask.min():g} to {mask.max():g}"
            raise ConfigError(complain("a mask of zeros and ones", actual, "use hole(side)"))
        x, outputs = y, []
        for number, flow in enumerate(self.flows, 1):
            r = self.data_step(x, y, mask, number)
            z = flow.latent(r) / (1 + self.log_lambda[number - 1].exp())
            x = flow.image(z).clamp(*self.limits)
            if noise is not None and number < len(self.flows):
                x = noise(x, number).clamp(*self.limits)
            outputs.append((x, z))
        return outputs

    def data_step(self, x: Tensor, y: Tensor, mask: Tensor, layer: int) -> Tensor:
        """Return r_l, a step down ½‖y − A x‖²: y affects only the pixels outside the hole."""
        return x + self.log_mu[layer - 1].exp() * mask * (y - mask * x)


def hole(side: int, *, right: int = 0, size: int = SIDE) -> Tensor:
    """Return the mask of an image with a square hole in the centre, shifted by ``right`` pixels.

    Shapes: (size, size), one for an observed pixel. Raises ConfigError if the hole leaves the
    image.

    >>> int(hole(6).sum()) == 16 * 16 - 6 * 6
    True
    """
    start = (size - side) // 2
    if not (side >= 0 and start >= 0 and 0 <= start + right <= size - side):
        actual = f"a side of {side}, {right} to the right"
        raise ConfigError(
            complain(f"a hole inside {size}×{size} pixels", actual, "make it smaller")
        )
    mask = torch.ones(size, size)
    mask[start : start + side, start + right : start + right + side] = 0
    return mask


def small_digits(source: str = "digits") -> Tensor:
    """Return the digits of a source at 16×16 pixels, from 0 to 1.

    Each 28×28 image is averaged over 2×2 pixels and centred in zeros.
    Shapes: (count, 1, 16, 16). Raises ConfigError for a source without single digits, DataError as
    :mod:`unfolded.data.datasets` does.

    >>> small_digits().shape
    torch.Size([1797, 1, 16, 16])
    """
    from unfolded.data import datasets

    if source not in datasets.IMAGES:
        choices = ", ".join(datasets.IMAGES)
        raise ConfigError(complain(f"a source among {choices}", repr(source), "choose one"))
    images = datasets.mnist_images() if source == "mnist" else datasets.digit_images()
    averages = torch.tensor(images).float().unfold(1, 2, 2).unfold(2, 2, 2).mean((-2, -1)) / 255
    return nn.functional.pad(averages, (1, 1, 1, 1))[:, None]
