"""The generalisation bounds of §3 and App. D, and those of this companion.

A bound f returns its value, which may be inf because it grows like a norm to the power of d T. The
logarithm f.log, also named log_f, is always finite for a positive bound. Each docstring states the
assumptions of the bound.
"""

from unfolded.bounds.corollaries import (
    log_rademacher_step_l1_l1,
    log_rademacher_step_reweighted,
    log_rademacher_step_sista,
    rademacher_step_l1_l1,
    rademacher_step_reweighted,
    rademacher_step_sista,
)
from unfolded.bounds.corrected import (
    largest_code,
    log_largest_code,
    log_rademacher_repaired,
    rademacher_repaired,
)
from unfolded.bounds.related import (
    gap_spectralrnn,
    log_gap_spectralrnn,
    log_rademacher_fastrnn,
    log_rademacher_fastrnn_printed,
    log_rademacher_fastrnn_small_a,
    rademacher_fastrnn,
    rademacher_fastrnn_printed,
    rademacher_fastrnn_small_a,
)
from unfolded.bounds.theorem import (
    generalization_gap,
    log_generalization_gap,
    log_rademacher_reweighted,
    log_rademacher_reweighted_one_layer,
    rademacher_reweighted,
    rademacher_reweighted_one_layer,
)

__all__ = [
    "gap_spectralrnn",
    "generalization_gap",
    "largest_code",
    "log_gap_spectralrnn",
    "log_generalization_gap",
    "log_largest_code",
    "log_rademacher_fastrnn",
    "log_rademacher_fastrnn_printed",
    "log_rademacher_fastrnn_small_a",
    "log_rademacher_repaired",
    "log_rademacher_reweighted",
    "log_rademacher_reweighted_one_layer",
    "log_rademacher_step_l1_l1",
    "log_rademacher_step_reweighted",
    "log_rademacher_step_sista",
    "rademacher_fastrnn",
    "rademacher_fastrnn_printed",
    "rademacher_fastrnn_small_a",
    "rademacher_repaired",
    "rademacher_reweighted",
    "rademacher_reweighted_one_layer",
    "rademacher_step_l1_l1",
    "rademacher_step_reweighted",
    "rademacher_step_sista",
]
