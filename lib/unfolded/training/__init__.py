"""Training as the protocol says; an interrupted run continues where it stopped."""

from unfolded.training.fitting import fit, groups, resolve, run, run_all
from unfolded.training.trainer import learned

__all__ = ["fit", "groups", "learned", "resolve", "run", "run_all"]
