"""The records of `events.violations` that a batch leads to: of the same violation ten a second, and then its number.

Within a second of the worker's clock the first ten of a kind each have a record, with the event they were found in.
Those of a batch beyond them have one together: its `count` is their number, and its event the first of theirs. So a
source whose every event breaks its plan costs a few records a batch, not several an event, and the sum of `count` is
exact. Nothing is held back from one batch to the next: all is written in the transaction that commits the offsets of
its events, so kill -9 neither loses a count nor writes it twice; after it, ten more of that second may have a record.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import NamedTuple

from router.agents.events import Events
from router.events.event import Event
from router.events.records import Record, Violation, violation_record

SINGLE = 10  # records of a kind in a second that each tell of one event
MOST_KINDS = 10_000  # that are remembered of a second; of others every record has a count


class ViolationKind(NamedTuple):
    """What all violations have in common that are counted together."""

    source: str
    call_type: str
    event: str
    violation: Violation
    outcome: str


class ViolationReports:
    """`clock` gives seconds. One for a worker, whose batches come one after the other."""

    def __init__(self, topic: str, clock: Callable[[], float]) -> None:
        self._topic = topic
        self._clock = clock
        self._second = 0
        self._told: Counter[ViolationKind] = Counter()

    def records(self, events: Events) -> Iterator[tuple[ViolationKind, int, Record]]:
        """What to write about those that have a verdict, with the number of violations that each record stands for."""
        second = int(self._clock())
        if second != self._second:
            self._second = second
            self._told.clear()
        for kind, rows in by_kind(events).items():
            single = min(self._left(kind), len(rows))
            self._told[kind] += single
            for row in rows[:single]:
                yield kind, 1, self._record(kind, events.event(row), 1)
            if rest := len(rows) - single:
                yield kind, rest, self._record(kind, events.event(rows[single]), rest)

    def _left(self, kind: ViolationKind) -> int:
        if kind not in self._told and len(self._told) >= MOST_KINDS:
            return 0
        return SINGLE - self._told[kind]

    def _record(self, kind: ViolationKind, event: Event, count: int) -> Record:
        return violation_record(self._topic, event, kind.violation, kind.outcome, count)


def by_kind(events: Events) -> dict[ViolationKind, list[int]]:
    """The rows that have each kind of violation, in order, as often as they have it."""
    found: dict[ViolationKind, list[int]] = {}
    for alike, rows in events.judged():
        assert alike.verdict is not None
        outcome = "blocked" if alike.verdict.blocked else "allowed"
        for violation in alike.verdict.violations:
            kind = ViolationKind(alike.source, alike.type, alike.name, violation, outcome)
            found.setdefault(kind, []).extend(rows)
    for rows in found.values():
        rows.sort()
    return found
