"""How many events a second go to a partner: a token bucket that gives way when the partner says 429.

A 429 cuts the rate to 70 % of what was just being sent, at most once a second; every second without one raises it by
10 %, and by one event a second at least, up to the configured rate, or, where none is configured, until it is far above
what was being sent and is lifted.
"""

from __future__ import annotations

import math
from collections.abc import Callable

CUT = 0.7
RISE, LEAST_RISE = 0.1, 1.0
LOWEST = 0.1  # events a second
BURST_SECONDS = 0.1
_LIFTED = 8.0  # times the rate at the last cut


class Rate:
    """`ceiling` in events a second, None for no limit.

    In any t seconds at most limit * (t + 0.1) + 1 events go out, plus those of one further request.
    """

    def __init__(self, ceiling: float | None, clock: Callable[[], float]) -> None:
        self._ceiling = ceiling
        self._clock = clock
        self.limit = ceiling
        self._tokens = self._burst()
        self._filled = self._moved = self._second = self._closed_until = clock()
        self._cut_at = -math.inf
        self._cut_from = 0.0  # 0: the rate is as configured
        self._sent = 0.0  # in the running second
        self._speed = 0.0  # in the last whole one

    def wait(self) -> float:
        """Seconds until the next event may go, 0 for now."""
        now = self._clock()
        self._rise(now)
        if now < self._closed_until:
            return self._closed_until - now
        if self.limit is None:
            return 0.0
        self._tokens = min(self._burst(), self._tokens + (now - self._filled) * self.limit)
        self._filled = now
        return 0.0 if self._tokens >= 1.0 else (1.0 - self._tokens) / self.limit

    def spare(self) -> int:
        """How many events may go now beside others without making them wait: half a burst is left to those."""
        if self.wait() > 0:
            return 0
        if self.limit is None:
            return 1 << 30
        left = int(self._tokens - self._burst() / 2)
        return left or int(self._tokens >= self._burst())

    def spend(self, events: int) -> None:
        """Events go out now. A request may take more than is there: the next one waits for it."""
        self._measure()
        self._sent += events
        if self.limit is not None:
            self._tokens -= events

    def close(self, seconds: float) -> None:
        """The partner asked for time: nothing goes before that."""
        self._closed_until = max(self._closed_until, self._clock() + seconds)

    def throttled(self) -> None:
        """The partner said 429."""
        now = self._clock()
        if now - self._cut_at < 1.0:
            return
        self._measure()
        speed = max(self._speed, self._sent, 1.0)
        self._cut_from = speed if self.limit is None else min(self.limit, speed)
        self.limit = max(LOWEST, self._cut_from * CUT)
        self._tokens = 0.0
        self._cut_at = self._moved = self._filled = now

    def _burst(self) -> float:
        return max(1.0, (self.limit or 0.0) * BURST_SECONDS)

    def _measure(self) -> None:
        now = self._clock()
        passed = now - self._second
        if passed >= 1.0:
            self._speed = self._sent / passed
            self._sent, self._second = 0.0, now

    def _rise(self, now: float) -> None:
        while self.limit is not None and self._cut_from and now - self._moved >= 1.0:
            self._moved += 1.0
            self.limit += max(self.limit * RISE, LEAST_RISE)
            if self.limit >= (self._ceiling or self._cut_from * _LIFTED):
                self.limit, self._cut_from = self._ceiling, 0.0
