"""Runs on random frames in empty folders."""

import numpy as np
from small_runs import small

from unfolded import training

WORDS = ["--profile", "small", "--device", "cpu", "--quiet"]


def movie(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def run(model="gru", frames=None, **fields):
    return training.run(small(model, **fields), frames=frames, progress=False)
