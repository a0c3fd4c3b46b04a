"""Training according to the protocol; an interrupted run resumes from its last checkpoint."""

from unfolded.training.fitting import fit, fit_all, groups, resolve, run, run_all
from unfolded.training.trainer import learned

__all__ = ["fit", "fit_all", "groups", "learned", "resolve", "run", "run_all"]
