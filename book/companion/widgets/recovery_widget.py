"""The live figure on the cover: trained networks that run in the browser, without a kernel."""

import json
import re

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from companion import attribution, pretrained
from companion.labels import title
from companion.plots import line_plots
from companion.widgets.base_widget import still
from companion.widgets.frame_encoding import SIDE
from unfolded import data, metrics, solvers
from unfolded.networks.reweighted import ReweightedRNN

TAG = "recovery-explorer"
ITERATIONS = (3, 300)
"""Iterations of the solver next to the network."""
_SEQUENCE = 8
"""Index of the sequence in the static picture; its last frame has two separate digits."""


def weights_script(model: str) -> bytes:
    r"""Return the weights of a network on the cover as a classic script in UTF-16.

    Half-precision numbers have 16 bits, as the characters of a script in UTF-16 have. One character
    per number needs three quarters of the size of base64. The script assigns

        recoveryWeights[model] = {depth, c, lipschitz, lambda1, lambda2, g, shapes, values}

    where ``values`` has A (n, n0), D (n0, h), G (h, h), h0 (h,) and, for reweighted-RNN,
    Z (d, h, h) in the order of ``shapes``; ``lipschitz`` is :math:`\|AD\|_2^2`. Units: grey levels.
    Raises ConfigError for a network that is not on the cover.
    """
    network = pretrained.pretrained(model, "cover")[0].double()
    symbols = network.symbols()
    parts = {name: symbols[name] for name in ("A", "D", "G")} | {"h0": network.h0}
    if network.Z is not None:
        parts["Z"] = symbols["Z"]
    halves = np.concatenate([part.numpy().ravel() for part in parts.values()]).astype("<f2")
    content = {
        "depth": network.depth,
        **{name: float(symbols[name]) for name in ("c", "lambda1", "lambda2")},
        "lipschitz": float(torch.linalg.matrix_norm(symbols["A"] @ symbols["D"], 2) ** 2),
        "g": [[float(f"{value:.7g}") for value in layer] for layer in symbols["g"].tolist()],
        "shapes": {name: list(part.shape) for name, part in parts.items()},
        "values": halves.tobytes().decode("utf-16-le", "surrogatepass"),
    }
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    # Half of a surrogate pair and the byte order mark have a meaning of their own in UTF-16.
    text = re.sub("[\ud800-\udfff\ufeff\ufffe\uffff]", lambda c: f"\\u{ord(c[0]):04x}", text)
    script = f'(globalThis.recoveryWeights ??= {{}})["{model}"] = {text};\n'
    return f"\ufeff{script}".encode("utf-16-le")


def solver_frames(network: ReweightedRNN, frames: Tensor, iterations: int) -> Tensor:
    r"""Recover each frame by Algorithm 1 with the symbols and the previous codes of a network.

    The network gives A, D, G, λ1, λ2, the last g and :math:`h_{t-1}`; Z = I and the step is the
    longest safe step, :math:`c = \|AD\|_2^2`. Shapes: frames and result (1, time, n0).
    """
    symbols, x = network.symbols(), network.measure(frames)
    previous_codes = torch.cat([network.h0[None], network.codes(x)[0, :-1]])
    weights = {name: symbols[name] for name in ("A", "D", "G", "lambda1", "lambda2")}
    weights |= {"g": symbols["g"][-1], "iterations": iterations}
    codes = [
        solvers.reweighted_l1_l1(x[:, t : t + 1], h0=h, **weights).codes
        for t, h in enumerate(previous_codes)
    ]
    return torch.cat(codes, 1) @ symbols["D"].T


@torch.no_grad()
def example() -> tuple[ReweightedRNN, Tensor, dict[str, Tensor]]:
    """Return a network, a sequence of moving digits, and its reconstructions by name.

    The first reconstruction is that of the network, the others of the solver after
    :data:`ITERATIONS`. Shapes (1, time, n0), in grey levels.
    """
    model = pretrained.COVER[0]
    network = pretrained.pretrained(model, "cover")[0]
    frames = torch.from_numpy(data.sequences("digits", count=10)).flatten(2)[_SEQUENCE][None]
    rows = {f"{title(model)}, {network.depth} layers": network(frames)}
    rows |= {f"solver, {k} iterations": solver_frames(network, frames, k) for k in ITERATIONS}
    return network, frames, rows


def picture() -> tuple[Figure, str]:
    """Return one frame and what network and solver recover of it, for pages without scripts."""
    network, frames, rows = example()
    pairs = {name: (frames[:, -1:], row[:, -1:]) for name, row in rows.items()}
    psnr = {name: metrics.psnr(*pair, peak=255, average="authors") for name, pair in pairs.items()}
    images = {"frame": frames[0, -1].view(SIDE, SIDE)}
    images |= {f"{name}\n{psnr[name]:.1f} dB": rows[name][0, -1].view(SIDE, SIDE) for name in rows}
    psnr_text = ", ".join(f"{name} {value:.1f} dB" for name, value in psnr.items())
    alt = (
        f"A frame of moving digits, and its reconstructions from {network.n} numbers: {psnr_text}."
    )
    return line_plots.gallery(images, columns=2), alt


def element() -> str:
    """Return the HTML element of the figure, with the source of its weights."""
    stamp = attribution.attribute(source().stamp())
    return f"<{TAG}{stamp}>{still(*picture())}</{TAG}>"


def source() -> attribution.Source:
    """Return the source of the stored networks."""
    return attribution.of(pretrained.stored_weights(table="cover"))
