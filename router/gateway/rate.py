"""The rate limit per write key: a token bucket that the request that empties it may overdraw.

So a batch larger than the bucket still passes when the bucket is full, and the wait that is answered is exact. The
levels are in memory: after kill -9 every bucket is full.
"""

from __future__ import annotations

import time
from collections.abc import Callable


class Buckets:
    """One bucket per key. `rate` is events per second, None for no limit. `clock` returns monotonic seconds."""

    def __init__(self, rate: float | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._burst = max(rate or 0.0, 1.0)
        self._clock = clock
        self._levels: dict[bytes, tuple[float, float]] = {}

    def wait(self, key: bytes) -> float:
        """Seconds until this key may send again; 0 when it may now."""
        if self._rate is None:
            return 0.0
        level = self._level(key)
        return 0.0 if level >= 1.0 else (1.0 - level) / self._rate

    def spend(self, key: bytes, events: int) -> None:
        """Charge the events of an admitted request; the level may go below zero. Only configured keys are passed."""
        if self._rate is not None:
            self._levels[key] = (self._level(key) - events, self._clock())

    def _level(self, key: bytes) -> float:
        assert self._rate is not None
        level, at = self._levels.get(key, (self._burst, self._clock()))
        return min(self._burst, level + (self._clock() - at) * self._rate)
