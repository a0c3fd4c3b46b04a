"""Interleaved timing of competitors, so that disturbances of the machine affect all equally."""

import contextlib
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

try:
    import resource
except ImportError:  # Windows has no counts of page faults
    resource = None


@dataclass(frozen=True)
class Timing:
    """Seconds and page faults of each round; a fault is a memory page provided by the system."""

    seconds: list[float] = field(default_factory=list)
    faults: list[int] = field(default_factory=list)

    def __add__(self, other: "Timing") -> "Timing":
        return Timing(self.seconds + other.seconds, self.faults + other.faults)

    def row(self, ours: "Timing", steps: int = 1) -> dict[str, float]:
        """Return median, minimum and quartiles in milliseconds, and the ratio to ``ours``.

        The ratio is the median over rounds of the ratios within a round. If a call takes several
        ``steps``, times and faults are divided by them.
        """
        times = [seconds / steps for seconds in self.seconds]
        low, middle, high = statistics.quantiles(times, method="inclusive")
        pairs = zip(self.seconds, ours.seconds, strict=True)
        return {
            "rounds": len(self.seconds),
            "median_ms": 1e3 * middle,
            "min_ms": 1e3 * min(times),
            "q1_ms": 1e3 * low,
            "q3_ms": 1e3 * high,
            "ratio": statistics.median(second / reference for second, reference in pairs),
            "faults": statistics.median(self.faults) / steps,
        }


def interleave(
    competitors: Mapping[str, Callable[[], object]],
    *,
    rounds: int = 15,
    warm: int = 3,
    wait: Callable[[], object] = lambda: None,
) -> dict[str, Timing]:
    """Call each competitor once per round, after ``warm`` uncounted rounds.

    ``wait`` synchronises with a device. At least two rounds.

    >>> timings = interleave({"a": lambda: None, "b": lambda: None}, rounds=2, warm=0)
    >>> [len(timing.seconds) for timing in timings.values()]
    [2, 2]
    """
    timings = {name: Timing() for name in competitors}
    for number in range(warm + rounds):
        for name, call in competitors.items():
            wait()
            faults, started = _faults(), time.perf_counter()
            call()
            wait()
            seconds = time.perf_counter() - started
            if number >= warm:
                timings[name].seconds.append(seconds)
                timings[name].faults.append(_faults() - faults)
    return timings


def _faults() -> int:
    with contextlib.suppress(AttributeError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    return 0
