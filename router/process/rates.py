"""How fast events move, from two looks at the totals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from router.process.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Rates:
    """Events a second over `seconds`. `destinations`: routed to and final at each (delivered, filtered or dead)."""

    seconds: float
    received: float
    resolved: float
    destinations: Mapping[str, Mapping[str, float]]

    def as_dict(self) -> dict[str, object]:
        return asdict(self)


def rates(before: Snapshot, after: Snapshot, seconds: float) -> Rates:
    """What happened in between. Totals that fell, as when a process has gone, count as standing still."""

    def rate(first: int, second: int) -> float:
        return round(max(0, second - first) / seconds, 2) if seconds > 0 else 0.0

    old = {row.name: row for row in before.destinations}
    return Rates(
        round(seconds, 2),
        rate(before.received, after.received),
        rate(before.resolved, after.resolved),
        {
            row.name: {
                "routed": rate(old[row.name].routed, row.routed),
                "final": rate(old[row.name].final, row.final),
            }
            for row in after.destinations
            if row.name in old
        },
    )
