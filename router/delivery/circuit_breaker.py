"""Whether the partner is asked at all: held back when it is down or refuses us, with probes to find out.

`down` begins after ten failed requests in a row with new events in them (one bad event that fails again and again says
nothing about the partner), `refused` with the first 401 or 403. While held back, one request at a time probes, after
pauses that double up to ten seconds; any request that works ends it.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

THRESHOLD = 10
LONGEST_PAUSE_SECONDS = 10.0  # with the probe itself, a partner that is back gets events again within 15
Reason = Literal["", "down", "refused"]


@dataclass(frozen=True, slots=True)
class JitteredBackoff:
    """`first` and `longest` bound the wait after the first failure and for ever after, in seconds."""

    first: float
    longest: float
    random: random.Random = field(default_factory=random.Random)

    def bound(self, failures: int) -> float:
        """The longest wait after so many failures, counted from 1."""
        return min(self.longest, self.first * 2.0 ** min(failures - 1, 60))

    def delay(self, failures: int) -> float:
        """Full jitter: anything up to the bound, so that what failed together does not come back together."""
        return self.random.uniform(0, self.bound(failures))

    def pause(self, failures: int) -> float:
        """Half jitter, for a pause that should not end at once."""
        bound = self.bound(failures)
        return self.random.uniform(bound / 2, bound)


class CircuitBreaker:
    """`reason` is empty while the partner is asked freely."""

    def __init__(self, backoff: JitteredBackoff, clock: Callable[[], float], threshold: int = THRESHOLD) -> None:
        first, longest = (min(one, LONGEST_PAUSE_SECONDS) for one in (backoff.first, backoff.longest))
        self._backoff = JitteredBackoff(first, longest, backoff.random)
        self._clock = clock
        self._threshold = threshold
        self._failures = 0  # in a row
        self._probes = 0
        self._next = 0.0
        self._probing = False
        self.reason: Reason = ""
        self.since = 0.0

    def wait(self) -> float | None:
        """Seconds until a request may go; None while a probe is under way."""
        if not self.reason:
            return 0.0
        return None if self._probing else max(0.0, self._next - self._clock())

    def probe(self) -> None:
        """The one request that is allowed now begins. It must end in `worked`, `failed`, `refused` or `unclear`."""
        self._probing = True

    def worked(self) -> None:
        self._failures = self._probes = 0
        self._probing, self.reason = False, ""

    def failed(self, *, probe: bool, fresh: bool = True) -> None:
        """No connection, or an answer that says the partner is not well. `fresh`: some event's first attempt."""
        self._failures += fresh
        if probe:
            self._again()
        elif not self.reason and self._failures >= self._threshold:
            self._begin("down")

    def refused(self, *, probe: bool) -> None:
        """401 or 403: the configuration is at fault."""
        if probe:
            if self.reason != "refused":
                self.reason, self.since = "refused", self._clock()
            self._again()
        elif not self.reason:
            self._begin("refused")

    def unclear(self) -> None:
        """The probe ended without an answer, such as by being cancelled."""
        self._probing = False

    def _begin(self, reason: Reason) -> None:
        self.reason, self.since, self._probes = reason, self._clock(), 0
        self._again()

    def _again(self) -> None:
        self._probes += 1
        self._probing = False
        self._next = self._clock() + self._backoff.pause(self._probes)
