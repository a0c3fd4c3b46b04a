"""Competitors timed in turn, so that what disturbs the machine disturbs all of them alike."""

import contextlib
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

try:
    import resource
except ImportError:  # Windows counts no page faults for us
    resource = None


@dataclass(frozen=True)
class Timing:
    """Seconds and page faults of each round; a fault is memory that the system had to hand out."""

    seconds: list[float] = field(default_factory=list)
    faults: list[int] = field(default_factory=list)

    def row(self, ours: "Timing", steps: int = 1) -> dict[str, float]:
        """Return median, minimum and quartiles in milliseconds, and the ratio to ``ours``.

        The ratio is the median over rounds of the ratios within a round. Where a call takes
        several ``steps``, times and faults are those of one.
        """
        each = [seconds / steps for seconds in self.seconds]
        low, middle, high = statistics.quantiles(each, method="inclusive")
        pairs = zip(self.seconds, ours.seconds, strict=True)
        return {
            "rounds": len(self.seconds),
            "median_ms": 1e3 * middle,
            "min_ms": 1e3 * min(each),
            "q1_ms": 1e3 * low,
            "q3_ms": 1e3 * high,
            "ratio": statistics.median(mine / other for mine, other in pairs),
            "faults": statistics.median(self.faults) / steps,
        }


def interleave(
    competitors: Mapping[str, Callable[[], object]],
    *,
    rounds: int = 15,
    warm: int = 3,
    wait: Callable[[], object] = lambda: None,
) -> dict[str, Timing]:
    """Call each competitor once a round, after ``warm`` rounds that do not count.

    ``wait`` returns when a device has done all it was asked to. At least two rounds.

    >>> found = interleave({"a": lambda: None, "b": lambda: None}, rounds=2, warm=0)
    >>> [len(timing.seconds) for timing in found.values()]
    [2, 2]
    """
    found = {name: Timing() for name in competitors}
    for number in range(warm + rounds):
        for name, call in competitors.items():
            wait()
            faults, started = _faults(), time.perf_counter()
            call()
            wait()
            seconds = time.perf_counter() - started
            if number >= warm:
                found[name].seconds.append(seconds)
                found[name].faults.append(_faults() - faults)
    return found


def _faults() -> int:
    with contextlib.suppress(AttributeError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    return 0
