"""What a training step holds in memory, from the profiler's record of every allocation."""

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor
from torch.profiler import ProfilerActivity, profile, record_function

_BACKWARD = "what backward() does"


class Usage(NamedTuple):
    """Bytes beyond what there was before the step: parameters, optimiser and data do not count."""

    kept: int
    """Held between forward and backward: what the backward pass must keep, and the result."""
    peak: int
    """The most that is held while backward runs, the gradients that it returns included."""
    left: int
    """Held at the end: the gradients."""

    @property
    def ratio(self) -> float:
        """Peak over kept."""
        return self.peak / self.kept


def usage(forward: Callable[[], Tensor], backward: Callable[[Tensor], object]) -> Usage:
    """Measure one forward and backward pass on the CPU; the second is given what the first returns.

    Gradients of an earlier pass must be None. What a library allocates by itself, such as the
    layout that oneDNN makes of a matrix, is not seen.
    """
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        result = forward()
        with record_function(_BACKWARD):
            backward(result)
        del result
    events = profiler.profiler.kineto_results.events()
    backward_start = next(event.start_ns() for event in events if event.name() == _BACKWARD)
    changes = [(event.start_ns(), event.nbytes()) for event in events if event.name() == "[memory]"]
    allocated = forward_bytes = peak = 0
    for time, change in sorted(changes):
        allocated += change
        if time < backward_start:
            forward_bytes = allocated
        else:
            peak = max(peak, allocated)
    return Usage(forward_bytes, max(peak, forward_bytes), allocated)
