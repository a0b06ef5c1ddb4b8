"""The retry lane of one destination: events that failed while others were accepted, out of the way of the rest.

Pure bookkeeping: it has no clock and writes nothing. What waits stands in `dest.<name>.retry` with the time at which it
is due (see `router.delivery.retry_records`), so kill -9 loses neither the event nor its delay. An entry stays where it
is until it was tried; after a further failure it is written anew, with the new time, and the old one is final.

With `ordered`, later events of an ordering key wait behind its first one. Only the first is ever tried.
"""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Iterator

from router.delivery.in_flight import InFlightLimit
from router.delivery.item import Partition, QueuedEvent
from router.delivery.tracker import SPAN

FOLLOWS = 0.0  # due as soon as it is the first of its key
EntryKey = tuple[int, int]  # partition, offset


class RetryLane:
    """`limit` counts what waits; `rewrite_bytes` is how far an entry may lie behind the last one of its partition."""

    def __init__(self, *, ordered: bool, limit: InFlightLimit, rewrite_bytes: int) -> None:
        self._ordered = ordered
        self._rewrite_bytes = rewrite_bytes
        self.limit = limit
        self.clear()

    def clear(self) -> None:
        """Forget all: the partitions are another member's."""
        self._entries: dict[EntryKey, QueuedEvent] = {}  # those that wait in the topic
        self._due: list[tuple[float, int, QueuedEvent, int]] = []  # some of them are out of date: see `due`
        self._lines: dict[bytes, deque[QueuedEvent]] = {}  # by ordering key, the first one first
        self._written: dict[int, int] = {}  # bytes by partition
        self._count = 0
        self.limit.clear()

    def __len__(self) -> int:
        return self.limit.used

    def __iter__(self) -> Iterator[QueuedEvent]:
        """What waits in the topic, without what is being tried or written."""
        return iter(self._entries.values())

    def holds(self, event: QueuedEvent) -> bool:
        """Whether a new event must follow another of its ordering key."""
        return self._ordered and event.ordering_key in self._lines

    def park(self, event: QueuedEvent, due: float) -> None:
        """An event is on its way into the topic, or to its end. It is not tried before it has `landed`."""
        fresh, event.due = event.due is None, due
        if event.parked:
            self._entries.pop((event.partition.number, event.offset), None)
        if fresh and self._ordered and event.ordering_key is not None:
            self._lines.setdefault(event.ordering_key, deque()).append(event)

    def landed(self, event: QueuedEvent, partition: Partition, offset: int) -> None:
        """What was parked stands in the topic, durably."""
        if not event.parked:
            event.parked = True
            self.limit.add(1, event.size)
        event.partition, event.offset = partition, offset
        partition.tracker.take(offset)
        self._place(event)
        self._schedule(event)

    def restore(self, events: Iterable[QueuedEvent]) -> None:
        """What a partition held when it was assigned, `parked` and in the order of the first offsets."""
        for event in events:
            self.limit.add(1, event.size)
            self._place(event)
            if self._ordered and event.ordering_key is not None:
                self._lines.setdefault(event.ordering_key, deque()).append(event)
            self._schedule(event)

    def _place(self, event: QueuedEvent) -> None:
        number = event.partition.number
        self._entries[number, event.offset] = event
        event.position = self._written[number] = self._written.get(number, 0) + event.size

    def _schedule(self, event: QueuedEvent) -> None:
        line = self._lines.get(event.ordering_key) if self._ordered and event.ordering_key is not None else None
        if line is None or line[0] is event:
            assert event.due is not None
            self._count += 1
            heapq.heappush(self._due, (event.due, self._count, event, event.offset))

    @property
    def next_due(self) -> float | None:
        """When something may be due; None while nothing waits."""
        return self._due[0][0] if self._due else None

    def due(self, now: float) -> list[QueuedEvent]:
        """What is to be tried, the most overdue first. Each comes back to `park` or `done`."""
        found = []
        while self._due and self._due[0][0] <= now:
            _, _, event, offset = heapq.heappop(self._due)
            if event.offset == offset and self._entries.get((event.partition.number, offset)) is event:
                del self._entries[event.partition.number, offset]
                found.append(event)
        return found

    def first(self) -> list[QueuedEvent]:
        """The next event, due or not: a probe of a partner that is held back."""
        while self._due:
            found = self.due(self._due[0][0])
            if found:
                return found
        return []

    def done(self, event: QueuedEvent) -> None:
        """An event that was tried is final: the next of its key is due."""
        line = self._lines.get(event.ordering_key) if event.ordering_key is not None else None
        if line is None or line[0] is not event:
            return
        line.popleft()
        if not line:
            del self._lines[event.ordering_key]  # type: ignore[arg-type]  # it has a line
        elif (line[0].partition.number, line[0].offset) in self._entries and line[0].parked:
            self._schedule(line[0])

    def left_behind(self, partition: Partition) -> QueuedEvent | None:
        """The oldest entry of a partition when it should be written anew.

        So the span that a restart reads stays short, and what is final in it fits an offset's metadata. It is at least
        twice what waits, or entries would be written anew again and again.
        """
        tracker, number = partition.tracker, partition.number
        event = self._entries.get((number, tracker.low)) if tracker.low is not None else None
        if event is None:
            return None
        behind = self._written[number] - event.position
        far = tracker.span > max(SPAN // 2, 2 * self.limit.used)
        return event if far or behind > max(self._rewrite_bytes, 2 * self.limit.used_bytes) else None

    def age(self, now: float) -> float:
        """Seconds since the oldest of what waits was parked; `now` since 1970, 0 for nothing."""
        return max(0.0, now - min((event.parked_at for event in self), default=now))

    def older(self, now: float, *ages: float) -> list[int]:
        """How many of what waits were parked so many seconds ago, or longer; `now` since 1970."""
        times = sorted(event.parked_at for event in self)
        return [bisect_right(times, now - age) for age in ages]

    def extend(self, seconds: float) -> None:
        """Time that does not count into any event's budget."""
        for event in self._entries.values():
            if event.deadline is not None:
                event.deadline += seconds
