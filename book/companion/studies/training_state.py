"""The state of an interrupted training of a study, in a folder of runs."""

from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace

import torch

from companion.studies.descent_constraints import Checkpoint
from unfolded.training import checkpoint


def state_of(folder: Path, hash: str, interval: int = 50) -> Callable[..., Checkpoint]:
    """Return the function that makes the checkpoint of a training in a folder."""

    def make(generators: Sequence[torch.Generator] = ()) -> Checkpoint:
        return Checkpoint(
            load=lambda: checkpoint.load_state(folder, SimpleNamespace(hash=hash)),
            save=lambda state: checkpoint.save_state(folder, {"config_hash": hash, **state}),
            generators=generators,
            interval=interval,
        )

    return make
