"""Seeds for named random draws; runs with the same seed and names share a draw."""

import zlib

import numpy as np


def derive(seed: int, *axes: object) -> int:
    """Return a seed that depends only on the base seed and the named axes.

    The draws of the sensing matrix and of the order of training data do not depend on the model,
    so that all models are compared on the same measurements and batches.

    >>> derive(0, "A") == derive(0, "A") != derive(0, "order")
    True
    """
    keys = [zlib.crc32(str(axis).encode()) for axis in axes]
    return int(np.random.SeedSequence([seed, *keys]).generate_state(1)[0])
