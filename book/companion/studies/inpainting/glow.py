"""A multi-scale Glow: its likelihood on MNIST, and its stored weights."""

import hashlib
import math
import warnings
from dataclasses import dataclass
from itertools import accumulate

import normflows
import pandas as pd
import torch
from safetensors.torch import load, save
from torch import Tensor, nn

from companion import results
from unfolded.data import datasets
from unfolded.errors import RecordError, complain
from unfolded.runs import results_table
from unfolded.seeds import derive

TABLE, WEIGHTS = "glow.csv", "glow.safetensors"
SIDE, LEVELS = 32, 32
"""Side of an image in pixels, and number of grey levels for GLOW-Prox, as in the public code."""
PUBLISHED_BITS = 1.05
"""Bits per dimension of the published Glow on MNIST, 28×28 pixels of 256 levels. Source:
Grathwohl et al. (2019)."""


@dataclass(frozen=True)
class FlowTraining:
    """The sizes of a Glow and the settings of its training by maximum likelihood."""

    levels: int = LEVELS
    scales: int = 3
    blocks: int = 8
    hidden: int = 64
    batch: int = 32
    steps: int = 12_000
    rate: float = 1e-3
    seed: int = 0
    source: str = "mnist"


class Glow(nn.Module):
    r"""A multi-scale Glow: a bijection of images and normal latent vectors.

    Each scale converts 2×2 pixels to four channels, mixes them in ``blocks`` steps of actnorm,
    invertible 1×1 convolution and affine coupling (normflows), and splits half of the channels
    off. The latent tensors of all scales, standardised by the learned means and deviations of the
    prior, form one vector, the deepest scale first. The logarithm of the scale of a coupling is
    limited to ±1, so that neither direction can diverge in a single step.
    Shapes: x (batch, 1, 32, 32), z (batch, 1024). Units: white level 1.
    Call :meth:`initialise` before the first use. Source: Kingma and Dhariwal, Glow.

    >>> flow, x = Glow(scales=2, blocks=1, hidden=8), torch.rand(5, 1, 32, 32)
    >>> flow.initialise(x)
    >>> bool(torch.allclose(flow.image(flow.latent(x)), x, atol=1e-4))
    True
    """

    def __init__(self, *, scales: int = 3, blocks: int = 8, hidden: int = 64, seed: int = 0):
        super().__init__()
        priors, flows = [], []
        with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
            # normflows uses torch.lu for its 1x1 convolutions, which torch has deprecated.
            warnings.filterwarnings("ignore", "torch.lu is deprecated", UserWarning)
            torch.manual_seed(seed)
            for depth in range(scales, 0, -1):
                channels, side = 2 ** (depth + 1), SIDE // 2**depth
                steps = [_block(channels, hidden) for _ in range(blocks)]
                flows.append([*steps, normflows.flows.Squeeze()])
                shape = (channels if depth == scales else channels // 2, side, side)
                priors.append(normflows.distributions.DiagGaussian(shape))
        merges = [normflows.flows.Merge() for _ in priors[1:]]
        self.flow = normflows.MultiscaleFlow(priors, flows, merges, class_cond=False)

    @torch.no_grad()
    def initialise(self, x: Tensor) -> None:
        """Initialise the actnorms such that their outputs for x are standardised."""
        self.flow.inverse_and_log_det(x - 0.5)

    def latent(self, x: Tensor) -> Tensor:
        """Return z = G(x)."""
        scales, _ = self.flow.inverse_and_log_det(x - 0.5)
        pairs = zip(scales, self.flow.q0, strict=True)
        return torch.cat([((z - q.loc) * (-q.log_scale).exp()).flatten(1) for z, q in pairs], 1)

    def image(self, z: Tensor) -> Tensor:
        """Return x = G⁻¹(z)."""
        ends = list(accumulate(q.loc.numel() for q in self.flow.q0))
        parts = zip(z.tensor_split(ends[:-1], 1), self.flow.q0, strict=True)
        scales = [q.loc + q.log_scale.exp() * part.view(-1, *q.shape) for part, q in parts]
        return self.flow.forward_and_log_det(scales)[0] + 0.5

    def bits(self, x: Tensor, levels: int) -> Tensor:
        """Return the negative log-density of images in units of one level, in bits: (batch,).

        For x = (level + uniform noise) / ``levels``, the mean over the noise is an upper bound on
        the negative logarithm of the probability of the levels.
        """
        pixels = x[0].numel()
        return pixels * math.log2(levels) - self.flow.log_prob(x - 0.5, None) / math.log(2)


class _Bounded(nn.Module):
    """A network for shift and scale (even and odd channels) whose scale is limited to ±1."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        shift, scale = self.network(x).unflatten(1, (-1, 2)).unbind(2)
        return torch.stack([shift, scale.tanh()], 2).flatten(1, 2)


def _block(channels: int, hidden: int) -> nn.Module:
    block = normflows.flows.GlowBlock(channels, hidden, scale_map="exp")
    coupling = block.flows[0].flows[1]
    coupling.param_map = _Bounded(coupling.param_map)
    return block


def padded_digits(source: str = "mnist", levels: int = LEVELS) -> tuple[Tensor, Tensor]:
    """Return training and held-out digits, centred in 32×32 zeros, in shuffled order.

    The grey levels 0, …, levels − 1 are divided by ``levels``. The last twelfth is held out: 5,000
    images of MNIST.
    Shapes: (count, 1, 32, 32). Raises DataError as :mod:`unfolded.data.datasets` does.
    """
    images = datasets.mnist_images() if source == "mnist" else datasets.digit_images()
    order = torch.Generator().manual_seed(derive(0, "glow", "digits"))
    shuffled = torch.tensor(images)[torch.randperm(len(images), generator=order)]
    digits = (shuffled.float() * (levels / 256)).floor() / levels
    digits = nn.functional.pad(digits, (2, 2, 2, 2))[:, None]
    count = len(digits) - len(digits) // 12
    return digits[:count], digits[count:]


def dequantised(x: Tensor, levels: int, generator: torch.Generator) -> Tensor:
    """Return x with uniform noise of one grey level."""
    return x + torch.rand(x.shape, generator=generator) / levels


@torch.no_grad()
def bits_per_pixel(flow: Glow, images: Tensor, levels: int) -> float:
    """Return the mean bits per pixel, over all 32×32 pixels, with one draw of the noise."""
    noise = torch.Generator().manual_seed(derive(0, "glow", "test"))
    batches = (dequantised(x, levels, noise) for x in images.split(250))
    return sum(flow.bits(x, levels).sum().item() for x in batches) / images.numel()


def bits_per_digit_pixel(bits: float) -> float:
    """Return all bits of an image per pixel of the 28×28 digit, an upper bound on its own bits.

    >>> bits_per_digit_pixel(0.784)
    1.024
    """
    return bits * SIDE**2 / datasets.DIGIT**2


def stored_rows() -> pd.DataFrame:
    """Return the stored trainings of Glow, one row each; empty if none is stored."""
    return results.load_table(TABLE, missing=["trial", "levels"])


def likelihood(table: pd.DataFrame) -> str:
    """Return the stored likelihoods as sentences, with the published one for 256 grey levels."""
    if table.empty:
        return "Its training by maximum likelihood was not run."
    text = []
    for row in table.sort_values("levels").itertuples():
        text.append(
            f"With {row.levels} grey levels, the Glow has {row.bits:.2f} bits per pixel on "
            f"{row.test:,} held-out digits."
        )
        if row.levels == 256:
            bound = bits_per_digit_pixel(row.bits)
            text.append(
                f"This is at most {bound:.2f} bits per pixel of the digit without its margin, "
                f"where the published Glow has {PUBLISHED_BITS:g}."
            )
    return " ".join(text)


def half(flow: Glow) -> bytes:
    """Return the weights in half precision, as the content of a file."""
    return save({name: value.half().contiguous() for name, value in flow.state_dict().items()})


def pretrained() -> Glow:
    """Return the stored Glow of LEVELS levels. Raises RecordError if it is missing or damaged."""
    path = results.register_read(results_table.RESULTS / WEIGHTS)
    want, do = f"the weights of Glow at {path}", "run `python -m companion glow`"
    table = stored_rows()
    rows = table[table["levels"] == LEVELS]
    if not path.exists() or rows.empty:
        raise RecordError(complain(want, "no such file", do))
    row, content = rows.iloc[-1], path.read_bytes()
    if hashlib.sha256(content).hexdigest() != row["sha256"]:
        raise RecordError(complain(want, "a file with another checksum", do))
    flow = Glow(**{name: int(row[name]) for name in ("scales", "blocks", "hidden", "seed")})
    flow.load_state_dict(load(content))
    return flow
