"""The records of `events.violations` that a batch leads to: of the same violation ten a second, and then its number.

Within a second of the worker's clock the first ten of a kind each have a record, with the event they were found in.
Those of a batch beyond them have one together: its `count` is their number, and its event the first of theirs. So a
source whose every event breaks its plan costs a few records a batch, not several an event, and the sum of `count` is
exact. Nothing is held back from one batch to the next: all is written in the transaction that commits the offsets of
its events, so kill -9 neither loses a count nor writes it twice; after it, ten more of that second may have a record.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

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

    def records(self, events: Sequence[Event]) -> Iterator[tuple[ViolationKind, int, Record]]:
        """What to write about events that have a verdict, with the number of violations that each record stands for."""
        second = int(self._clock())
        if second != self._second:
            self._second = second
            self._told.clear()
        for kind, found in by_kind(events).items():
            single = min(self._left(kind), len(found))
            self._told[kind] += single
            for event in found[:single]:
                yield kind, 1, self._record(kind, event, 1)
            if rest := len(found) - single:
                yield kind, rest, self._record(kind, found[single], rest)

    def _left(self, kind: ViolationKind) -> int:
        if kind not in self._told and len(self._told) >= MOST_KINDS:
            return 0
        return SINGLE - self._told[kind]

    def _record(self, kind: ViolationKind, event: Event, count: int) -> Record:
        return violation_record(self._topic, event, kind.violation, kind.outcome, count)


def by_kind(events: Sequence[Event]) -> dict[ViolationKind, list[Event]]:
    """The events of each kind of violation, as often as they have it."""
    alike: dict[tuple[str, str, str, int], list[Event]] = {}
    for event in events:  # most share their verdict with others, so its violations are looked at once
        key = (event.source, event.type, event.name, id(event.verdict))
        if key in alike:
            alike[key].append(event)
        else:
            alike[key] = [event]
    found: dict[ViolationKind, list[Event]] = {}
    for (source, call_type, name, _), same in alike.items():
        verdict = same[0].verdict
        outcome = "blocked" if verdict.blocked else "allowed"
        for violation in verdict.violations:
            kind = ViolationKind(source, call_type, name, violation, outcome)
            found.setdefault(kind, []).extend(same)
    return found
