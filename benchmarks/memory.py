"""Memory allocated by a training step, from the profiler's record of every allocation."""

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor
from torch.profiler import ProfilerActivity, profile, record_function

_BACKWARD = "backward pass"


class Usage(NamedTuple):
    """Bytes allocated since the start of the step, without parameters, optimiser and data."""

    kept: int
    """Bytes between forward and backward pass: stored states and the result."""
    peak: int
    """Largest number of bytes allocated during the backward pass, with the returned gradients."""
    left: int
    """Bytes at the end: the gradients."""

    @property
    def ratio(self) -> float:
        """Peak over kept."""
        return self.peak / self.kept


def usage(forward: Callable[[], Tensor], backward: Callable[[Tensor], object]) -> Usage:
    """Measure a forward and backward pass on the CPU; ``backward`` receives ``forward``'s result.

    Gradients of an earlier pass must be None. Allocations inside a library, such as oneDNN's packed
    weights, are not recorded.
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
