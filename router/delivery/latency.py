"""How long events took: the histograms of the metrics page, and the P95 of the last five minutes.

The P95 is of a ring of small histograms: bounded memory, steps of 5 %. Not ddsketch, which was measured 30 % slower per
event and would still need the ring around it.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from prometheus_client import Histogram

from router import metrics

WINDOW_SECONDS = 300
SLICE_SECONDS = 10
_STEP = math.log(1.05)
_SMALLEST = 1e-4


class LatencyWindow:
    """Latencies in seconds. `clock` is monotonic."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._slices: dict[int, Counter[int]] = {}

    def add(self, latencies: Iterable[float]) -> None:
        at = int(self._clock() // SLICE_SECONDS)
        histogram = self._slices.get(at)
        if histogram is None:
            histogram = self._slices[at] = Counter()
            self._forget(at)
        for seconds in latencies:
            histogram[math.ceil(math.log(max(seconds, _SMALLEST) / _SMALLEST) / _STEP)] += 1

    def quantile(self, q: float) -> float:
        """Seconds that a share `q` stayed within, rounded up by at most 5 %; NaN when nothing happened."""
        self._forget(int(self._clock() // SLICE_SECONDS))
        total: Counter[int] = sum(self._slices.values(), Counter())
        left = q * total.total()
        for bucket in sorted(total):
            left -= total[bucket]
            if left <= 1e-9:
                return _SMALLEST * math.exp(bucket * _STEP)
        return math.nan

    def _forget(self, at: int) -> None:
        first = at - WINDOW_SECONDS // SLICE_SECONDS
        self._slices = {when: histogram for when, histogram in self._slices.items() if when > first}


class DeliveryTimes:
    """Of one destination, collected until `observe`: with each commit, which bounds what is collected."""

    def __init__(self, destination: str, clock: Callable[[], float]) -> None:
        self.window = LatencyWindow(clock)
        self._histogram = metrics.END_TO_END.labels(destination)
        self._stage_histograms = [
            metrics.STAGE_SECONDS.labels(destination, stage) for stage in ("route", "attempt", "accept")
        ]
        self._latencies: list[float] = []
        self._stages: tuple[list[float], ...] = ([], [], [])

    def accepted(self, latency: float) -> None:
        """The partner took an event, `latency` seconds after it was received."""
        self._latencies.append(latency)

    def staged(self, *times: float) -> None:
        """When an event was received, routed, first tried and accepted, in seconds since 1970."""
        for stage, begin, end in zip(self._stages, times, times[1:], strict=False):
            stage.append(max(0.0, end - begin))

    def observe(self) -> None:
        """Show what was collected."""
        self.window.add(self._latencies)
        for histogram, values in zip(
            (self._histogram, *self._stage_histograms), (self._latencies, *self._stages), strict=True
        ):
            observe_all(histogram, values)
            values.clear()


def observe_all(histogram: Histogram, values: Sequence[float]) -> None:
    """As `observe` with each value, with one lock for each bucket instead of two for each value."""
    if values:
        bounds = histogram._upper_bounds
        for bucket, count in Counter(bisect_left(bounds, value) for value in values).items():
            histogram._buckets[bucket].inc(count)
        histogram._sum.inc(sum(values))
