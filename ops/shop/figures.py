"""What was sent, what the router counted, what the partners have; and whether it adds up. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from router.process.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Sent:
    """Events accepted by the gateway (`sdk`) and by Kafka, events refused, and what the shop did wrong on purpose."""

    sdk: int = 0
    kafka: int = 0
    refused: int = 0
    invalid: int = 0
    blocked: int = 0
    duplicates: int = 0

    @property
    def total(self) -> int:
        return self.sdk + self.kafka


@dataclass(frozen=True, slots=True)
class Row:
    """One destination. `held` is what delivery has taken, `waiting` what stands in the topic before it (at most)."""

    name: str
    routed: int
    delivered: int
    dead: int
    held: int
    waiting: int
    p95_seconds: float | None

    @property
    def pending(self) -> int:
        return self.routed - self.delivered - self.dead


@dataclass(frozen=True, slots=True)
class Figures:
    """The router's counts since the demo began."""

    received: int
    invalid: int
    blocked: int
    duplicates: int
    resolved: int
    merged: int
    waiting: int
    rows: tuple[Row, ...]

    def settled(self, sent: Sent) -> bool:
        """Whether all that was sent has been received and has reached its end."""
        return self.received >= sent.total and all(row.pending == 0 == row.held for row in self.rows)


def figures(before: Snapshot, now: Snapshot) -> Figures:
    """Totals are kept for ever, so what an earlier run left behind is taken off."""
    earlier = {row.name: row for row in before.destinations}
    rows = []
    for row in now.destinations:
        was = earlier.get(row.name)
        routed, delivered, dead = (was.routed, was.delivered, was.dead) if was else (0, 0, 0)
        counts = (row.routed - routed, row.delivered - delivered, row.dead - dead)
        rows.append(Row(row.name, *counts, row.taken, row.waiting, row.p95_seconds))
    names = ("received", "invalid", "blocked", "duplicates", "resolved", "merged")
    counts_ = {name: getattr(now, name) - getattr(before, name) for name in names}
    return Figures(**counts_, waiting=now.waiting, rows=tuple(rows))


@dataclass(frozen=True, slots=True)
class Check:
    """One sum that has to hold."""

    text: str
    holds: bool


def checks(sent: Sent, seen: Figures, evidence: Mapping[str, Sequence[str]]) -> Iterator[Check]:
    """`evidence`: for each destination the ids that its partner wrote down itself."""
    yield _equal("received", seen.received, "sent", sent.total)
    yield _equal("refused", sent.refused, "expected", 0)
    parts = {name: getattr(seen, name) for name in ("invalid", "blocked", "duplicates", "resolved")}
    words = " + ".join(f"{name} {count}" for name, count in parts.items())
    yield Check(f"received {seen.received} = {words}", seen.received == sum(parts.values()))
    yield _equal("invalid", seen.invalid, "malformed on purpose", sent.invalid)
    yield _equal("blocked", seen.blocked, "against the plan on purpose", sent.blocked)
    yield _equal("duplicates", seen.duplicates, "repeated on purpose", sent.duplicates)
    for row in seen.rows:
        sums = f"routed {row.routed} = delivered {row.delivered} + dead {row.dead} + pending {row.pending}"
        yield Check(f"{row.name}: {sums}", row.held <= row.pending <= row.held + row.waiting)
        yield _equal(f"{row.name}: delivered", row.delivered, "in the partner's own log", len(set(evidence[row.name])))


def _equal(what: str, count: int, other: str, expected: int) -> Check:
    return Check(f"{what} {count} = {other} {expected}", count == expected)
