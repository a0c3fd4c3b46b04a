"""The generalisation bounds of §3 and App. D, and those of this companion.

A bound f returns its value, which may be inf because it grows like a norm to the power of d T. The
logarithm f.log, also named log_f, is always finite for a positive bound. Each docstring states the
assumptions of the bound.
"""

from unfolded.bounds.corollaries import (
    rademacher_step_l1_l1,
    rademacher_step_reweighted,
    rademacher_step_sista,
)
from unfolded.bounds.corrected import largest_code, rademacher_repaired
from unfolded.bounds.related import gap_spectralrnn, rademacher_fastrnn
from unfolded.bounds.theorem import (
    generalization_gap,
    log_generalization_gap,
    rademacher_reweighted,
    rademacher_reweighted_one_layer,
)

_BOUNDS = (
    *(rademacher_reweighted, rademacher_reweighted_one_layer, rademacher_step_reweighted),
    *(rademacher_step_l1_l1, rademacher_step_sista, rademacher_repaired, largest_code),
    *(rademacher_fastrnn, gap_spectralrnn),
)
# The logarithms are public names: bounds.log_rademacher_reweighted and so on.
globals().update({f"log_{bound.__name__}": bound.log for bound in _BOUNDS})

__all__ = ["generalization_gap", "log_generalization_gap"]
__all__ += [f"{prefix}{bound.__name__}" for bound in _BOUNDS for prefix in ("", "log_")]
