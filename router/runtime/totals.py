"""Cumulative counts of a partition: they ride in the committed offset's metadata, so they are exact across kill -9."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from router.agents.chain import Batch

_NAMES = ("received", "invalid", "blocked", "duplicate", "resolved")


@dataclass(slots=True)
class Totals:
    """Since the topology's first event. received = invalid + blocked + duplicate + resolved."""

    received: int = 0
    invalid: int = 0
    blocked: int = 0
    duplicate: int = 0
    resolved: int = 0
    routed: Counter[str] = field(default_factory=Counter)

    def add(self, batch: Batch, lane: int) -> None:
        """Add what a batch counted for a lane."""
        self.received += batch.received[lane]
        self.invalid += batch.invalid[lane]
        self.blocked += batch.blocked[lane]
        self.duplicate += batch.duplicate[lane]
        self.resolved += batch.resolved[lane]
        for (of_lane, destination), count in batch.routed.items():
            if of_lane == lane:
                self.routed[destination] += count

    def copy(self) -> Totals:
        return Totals(self.received, self.invalid, self.blocked, self.duplicate, self.resolved, Counter(self.routed))

    def as_data(self, keep: Iterable[str] | None = None) -> dict[str, Any]:
        """As JSON takes it. With `keep`, other destinations are left out: those that have left the topology."""
        routed = self.routed if keep is None else {name: self.routed[name] for name in keep if name in self.routed}
        return {"n": [getattr(self, name) for name in _NAMES], "routed": routed}

    @classmethod
    def from_data(cls, data: Any) -> Totals:
        """The inverse of `as_data`; None is the start of all. Raises ValueError for any other shape."""
        if data is None:
            return cls()
        try:
            counts = dict(zip(_NAMES, map(int, data["n"]), strict=True))
            return cls(**counts, routed=Counter({str(name): int(count) for name, count in data["routed"].items()}))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"expected counts, got {type(error).__name__}: {error}") from error
