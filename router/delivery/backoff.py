"""How long to wait before trying again: full jitter over a doubling bound."""

from __future__ import annotations

import random
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Backoff:
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
