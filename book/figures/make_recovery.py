"""Draw `recovery.gif`, the animation of the README: a sequence, and two reconstructions of it.

python book/figures/make_recovery.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from companion.widgets import recovery_widget

SIDE, SCALE, GAP, TOP = 16, 10, 12, 40


def picture(frames: dict[str, np.ndarray]) -> Image.Image:
    """Return frames of grey levels next to each other, each below its name of two lines."""
    step = SIDE * SCALE + GAP
    canvas = Image.new("L", (step * len(frames) + GAP, TOP + SIDE * SCALE + GAP), 255)
    draw = ImageDraw.Draw(canvas)
    for number, (name, frame) in enumerate(frames.items()):
        left = GAP + number * step
        image = Image.fromarray(frame.clip(0, 255).astype(np.uint8))
        canvas.paste(
            image.resize((SIDE * SCALE, SIDE * SCALE), Image.Resampling.NEAREST), (left, TOP)
        )
        draw.multiline_text((left, 6), name, fill=30)
    return canvas.quantize(32)  # a small file


def main() -> None:
    network, frames, rows = recovery_widget.example()
    trained, _, solver = rows
    names = (f"video of {network.n0} pixels", f"{trained}\nfrom {network.n} measurements",
             f"{solver}\nfrom {network.n} measurements")  # fmt: skip
    videos = {
        name: video[0].view(-1, SIDE, SIDE).detach().numpy()
        for name, video in zip(names, (frames, rows[trained], rows[solver]), strict=True)
    }
    shots = [
        picture({name: video[t] for name, video in videos.items()}) for t in range(frames.shape[1])
    ]
    target = Path(__file__).parent / "recovery.gif"
    shots[0].save(target, save_all=True, append_images=shots[1:], duration=200, loop=0)
    print(f"wrote {target}, {target.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
