"""Draw `problem.svg`, the picture of the introduction, from one real sequence of digits.

python book/figures/make_problem.py
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch

from companion.pretrained import pretrained
from unfolded.data import sequences

HERE = Path(__file__).parent
WIDTH, HEIGHT, COLUMN, PIXEL = 720, 500, 220, 7
ROWS = 36, 346  # the tops of the frames
INK, ACCENT, SOFT = "#0b3c5d", "#b3541e", "#dfe7ee"


def text(x: float, y: float, words: str, size: int = 17, colour: str = INK) -> str:
    return (
        f'<text x="{x}" y="{y}" font-size="{size}" fill="{colour}" '
        f'text-anchor="middle">{words}</text>'
    )


def box(x: float, y: float, words: str, wide: float = 112) -> str:
    left = x - wide / 2
    return (
        f'<rect x="{left}" y="{y - 19}" width="{wide}" height="38" rx="8" fill="{SOFT}" '
        f'stroke="{INK}"/>' + text(x, y + 6, words)
    )


def arrow(x1: float, y1: float, x2: float, y2: float, colour: str = INK) -> str:
    return (
        f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="{colour}" stroke-width="2" '
        f'marker-end="url(#{"b" if colour == ACCENT else "a"})"/>'
    )


def picture(frame: np.ndarray, x: float, y: float) -> str:
    """Return a 16×16 frame as dark squares, centred at x, its top at y."""
    side = 16 * PIXEL
    left = x - side / 2
    parts = [f'<rect x="{left}" y="{y}" width="{side}" height="{side}" fill="#10151a"/>']
    for (row, column), value in np.ndenumerate(frame):
        if value > 24:  # the ground is not quite black
            grey = f"#{int(value):02x}" + f"{int(value):02x}" * 2
            place = f'x="{left + column * PIXEL:g}" y="{y + row * PIXEL}"'
            parts.append(f'<rect {place} width="{PIXEL}" height="{PIXEL}" fill="{grey}"/>')
    return "".join(parts)


def strip(x: np.ndarray, centre: float, y: float) -> str:
    """Return a vector of measurements as a thin strip of grey bars."""
    wide = 2.6
    left = centre - wide * len(x) / 2
    level = 235 - 200 * (x - x.min()) / (x.max() - x.min())
    bars = [
        f'<rect x="{left + i * wide:.1f}" y="{y}" width="{wide}" height="18" '
        f'fill="#{int(v):02x}{int(v):02x}{int(v):02x}"/>'
        for i, v in enumerate(level)
    ]
    return "".join(bars)


def recovered(frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the measurements of 20 frames and what the trained reweighted-RNN makes of them."""
    network, _ = pretrained("reweighted-rnn")
    x = network.measure(torch.from_numpy(frames).reshape(1, -1, 256))
    estimate = network.recover(x).clamp(0, 255)
    return x[0].numpy(), estimate[0].reshape(-1, 16, 16).numpy()


def column(number: int, frame: np.ndarray, x: np.ndarray, estimate: np.ndarray) -> str:
    centre = 140 + COLUMN * number
    above, below = ROWS
    sub = ("t−1", "t", "t+1")[number]
    low = f'<tspan font-size="12" dy="4">{sub}</tspan>'
    parts = [
        text(centre, 26, f"frame s{low}"),
        picture(frame, centre, above),
        arrow(centre, 152, centre, 182),
        text(centre + 26, 172, "A"),
        strip(x, centre, 188),
        text(centre, 228, f"x{low}", 15),
        arrow(centre, 236, centre, 262),
        box(centre, 284, f"code h{low}"),
        arrow(centre, 306, centre, 340),
        text(centre + 26, 328, "D"),
        picture(estimate, centre, below),
        text(centre, 482, f"recovered ŝ{low}"),
    ]
    if number < 2:
        parts.append(arrow(centre + 60, 284, centre + COLUMN - 62, 284, ACCENT))
        parts.append(text(centre + COLUMN / 2, 274, "prior", 15, ACCENT))
    return "".join(parts)


def layout() -> str:
    """Return the layout of the picture, as `companion.plots.style.layout` does."""
    side = 16 * PIXEL
    corners = [(140 + COLUMN * number - side / 2, y) for y in ROWS for number in range(3)]
    boxes = [[x / WIDTH, y / HEIGHT, (x + side) / WIDTH, (y + side) / HEIGHT] for x, y in corners]
    rounded = [[round(value, 5) for value in box] for box in boxes]
    return json.dumps({"label": round(15 / WIDTH, 5), "frames": rounded})


def main() -> None:
    moving = sequences("digits", count=10)[3]
    x, estimate = recovered(moving)
    chosen = (14, 15, 16)
    columns = "".join(column(i, moving[t], x[t], estimate[t]) for i, t in enumerate(chosen))
    head = "".join(
        f'<marker id="{name}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
        f'markerHeight="7" orient="auto"><path d="M0 0 L8 4 L0 8 z" fill="{colour}"/></marker>'
        for name, colour in (("a", INK), ("b", ACCENT))
    )
    (HERE / "problem.svg").write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
        f'viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'font-family="Helvetica, Arial, sans-serif"><title>Sequential recovery</title>'
        f"<desc>{layout()}</desc>"
        f'<defs>{head}</defs><rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>{columns}'
        "</svg>\n",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
