"""Cumulative counts of a partition: they ride in the committed offset's metadata, so they are exact across kill -9."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from router.agents.batch import Batch
from router.agents.table import ENDINGS

_FIRST = ("received", "invalid", "blocked", "duplicate", "resolved")
"""What `n` lists, by position, since version 0.1. All other endings of events stand by their name in `more`."""
NAMES = ("received", *(ending.name for ending in ENDINGS))


def _nothing() -> Counter[str]:
    return Counter(dict.fromkeys(NAMES, 0))


@dataclass(slots=True)
class Totals:
    """Since the topology's first event: received, and events by how they ended. received = the sum of the others.

    An ending that no agent declares any more keeps its count.
    """

    counts: Counter[str] = field(default_factory=_nothing)
    routed: Counter[str] = field(default_factory=Counter)

    def add(self, batch: Batch, lane: int) -> None:
        """Add what a batch counted for a lane."""
        self.counts["received"] += batch.received[lane]
        for name, lanes in batch.ended.items():
            self.counts[name] += lanes[lane]
        for (of_lane, destination), count in batch.routed.items():
            if of_lane == lane:
                self.routed[destination] += count

    def copy(self) -> Totals:
        return Totals(self.counts.copy(), self.routed.copy())

    def as_data(self, keep: Iterable[str] | None = None) -> dict[str, Any]:
        """As JSON takes it. With `keep`, other destinations are left out: those that have left the topology."""
        routed = self.routed if keep is None else {name: self.routed[name] for name in keep if name in self.routed}
        more = {name: count for name, count in self.counts.items() if count and name not in _FIRST}
        return {"n": [self.counts[name] for name in _FIRST], "routed": routed} | ({"more": more} if more else {})

    @classmethod
    def from_data(cls, data: Any) -> Totals:
        """The inverse of `as_data`; None is the start of all. Raises ValueError for any other shape."""
        totals = cls()
        if data is None:
            return totals
        try:
            totals.counts.update(dict(zip(_FIRST, map(int, data["n"]), strict=True)))
            totals.counts.update({str(name): int(count) for name, count in data.get("more", {}).items()})
            totals.routed.update({str(name): int(count) for name, count in data["routed"].items()})
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"expected counts, got {type(error).__name__}: {error}") from error
        return totals
