"""Events that wait for a request: new ones in order, by batch key; failed ones until they are due; the rest behind.

With `ordered`, of the events that share an ordering key only the first that is not final is ever ready or under way; a
request carries at most one of each. Events of replays wait apart and share no request with live ones, which go first;
but they get every eighth request that both could have, since what is not final holds back its partition's commit.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Hashable, Iterable, Iterator, Sequence

from router.delivery.item import QueuedEvent

LIVE_IN_A_ROW = 7  # requests, while events of replays wait


class QueuedBatch:
    """Events that go out as one request.

    `whole`: it comes from an attempt and goes again as it is, without company: the same request under the same key, or
    a part of one that was not taken. `accepted` is how many events the partner had taken when it last failed, -1 while
    it never has; `refusals` counts those in between. `probe`: its attempt is to find out how the partner is.
    """

    __slots__ = ("accepted", "events", "probe", "refusals", "whole")

    def __init__(self, events: Sequence[QueuedEvent], *, whole: bool = False) -> None:
        self.events = events
        self.whole = whole
        self.probe = False
        self.accepted = -1
        self.refusals = 0

    def __len__(self) -> int:
        return len(self.events)


class DeliveryQueue:
    """Pure bookkeeping: it has no clock and sends nothing."""

    def __init__(self, *, ordered: bool) -> None:
        self._ordered = ordered
        self.clear()

    def clear(self) -> None:
        """Forget all events."""
        self._ready: dict[Hashable, _Ready] = {}  # by batch key; the one that has waited longest comes first
        self._replays: dict[Hashable, _Ready] = {}
        self._in_a_row = 0
        self._whole: deque[QueuedBatch] = deque()
        self._later: list[tuple[float, int, QueuedBatch]] = []
        self._behind: dict[bytes, deque[QueuedEvent]] = {}
        self._count = 0

    def __len__(self) -> int:
        """Events that wait, those behind another of their key included."""
        return sum(1 for _ in self)

    def __bool__(self) -> bool:
        return bool(
            self._ready or self._replays or self._whole or self._later or any(self._behind.values())
        )  # fmt: skip

    def __iter__(self) -> Iterator[QueuedEvent]:
        for waiting in self._begun():
            yield from waiting.events
        for behind in self._behind.values():
            yield from behind

    def push(self, event: QueuedEvent) -> None:
        """A new event, or one that comes from the retry lane: `alone` where its request had no other before."""
        if self._ordered and event.ordering_key is not None:
            behind = self._behind.get(event.ordering_key)
            if behind is not None:
                behind.append(event)
                return
            self._behind[event.ordering_key] = deque()
        if event.alone:
            self._whole.append(QueuedBatch([event], whole=True))
        else:
            self._of(event).append(event)

    def put_back(self, batches: Iterable[QueuedBatch]) -> None:
        """Batches of an attempt that may be tried at once, before all others."""
        self._whole.extendleft(reversed(list(batches)))

    def put_off(self, batch: QueuedBatch, due: float) -> None:
        """To be tried again at `due`; events of a batch that is not `whole` may then find company."""
        self._count += 1
        heapq.heappush(self._later, (due, self._count, batch))

    def withdraw(self, batches: Iterable[QueuedBatch]) -> list[tuple[float, QueuedBatch]]:
        """Take back those of these batches that still wait for their time, with it, in the order of their failures."""
        wanted = set(map(id, batches))
        found = [entry for entry in self._later if id(entry[2]) in wanted]
        if found:
            self._later = [entry for entry in self._later if id(entry[2]) not in wanted]
            heapq.heapify(self._later)
        return [(due, batch) for due, _, batch in sorted(found, key=lambda entry: entry[1])]

    def leave(self, event: QueuedEvent) -> list[QueuedEvent]:
        """An event that was taken goes elsewhere, and with it those behind it, which are returned in order."""
        if not self._ordered or event.ordering_key is None:
            return []
        return list(self._behind.pop(event.ordering_key, ()))

    def done(self, event: QueuedEvent) -> None:
        """An event is final: the next with its ordering key may go."""
        if not self._ordered or event.ordering_key is None:
            return
        behind = self._behind[event.ordering_key]
        if behind:
            following = behind.popleft()
            self._of(following).append(following)
        else:
            del self._behind[event.ordering_key]

    def wake(self, now: float) -> None:
        """Make ready what is due."""
        if not self._later or self._later[0][0] > now:
            return
        due = []
        while self._later and self._later[0][0] <= now:
            due.append(heapq.heappop(self._later)[2])
        self.put_back(batch for batch in due if batch.whole)
        for batch in reversed(due):
            if not batch.whole:
                for event in reversed(batch.events):
                    self._of(event).prepend(event)

    def take(self, now: float, count: int, size: int, age: float, replays: int = 0) -> QueuedBatch | None:
        """The next request: at most `count` events (of a replay at most `replays`) and `size` bytes, but at least one.

        With `age`, None while all may still fill: see `ready_at`.
        """
        if self._whole:
            return self._whole.popleft() if len(self._whole[0]) <= count else None
        tables = [(self._ready, count), (self._replays, min(count, replays))]
        if self._in_a_row >= LIVE_IN_A_ROW:
            tables.reverse()
        for table, most in tables:
            batch = _cut(table, now, most, size, age)
            if batch is not None:
                self._in_a_row = self._in_a_row + 1 if table is self._ready and self._replays else 0
                return batch
        return None

    def ready_at(self, count: int, size: int, age: float, replays: int = 0) -> float | None:
        """When a request may go: None when nothing is ready, 0 for at once, else when its first event is old enough."""
        if self._whole:
            return 0.0 if len(self._whole[0]) <= count else None
        tables = ((self._ready, count), (self._replays, min(count, replays)))
        return min((one.at(most, size, age) for table, most in tables if most for one in table.values()), default=None)

    @property
    def has_replays(self) -> bool:
        """Whether events of a replay are ready."""
        return bool(self._replays)

    @property
    def due(self) -> float | None:
        """When the next failed event is to be tried again."""
        return self._later[0][0] if self._later else None

    def pick(self) -> QueuedBatch | None:
        """One event for a probe, due or not: the least tried one, so that a bad event cannot fail every probe."""
        batches = (*self._whole, *(batch for _, _, batch in self._later))
        waiting = [event for table in (self._ready, self._replays) for one in table.values() for event in one.events]
        tried = [(event, batch) for batch in batches for event in batch.events]
        event, batch = min(
            [*((event, None) for event in waiting), *tried], key=lambda one: one[0].attempts, default=(None, None)
        )
        if event is None:
            return None
        self._remove({id(event)})
        return (
            batch
            if batch is not None and len(batch) == 1
            else QueuedBatch([event], whole=batch is not None and batch.whole)
        )

    def expired(self, now: float) -> list[QueuedEvent]:
        """Remove and return events whose time is over; those behind another have not begun theirs."""
        over = [
            event
            for one in self._begun()
            for event in one.events
            if event.deadline is not None and event.deadline <= now
        ]
        if over:
            self._remove(set(map(id, over)))
        return over

    def _begun(self) -> list[_Ready | QueuedBatch]:
        """All but those behind another."""
        later = (batch for _, _, batch in self._later)
        return [*self._ready.values(), *self._replays.values(), *self._whole, *later]

    def _remove(self, gone: set[int]) -> None:
        for table in (self._ready, self._replays):
            for key, ready in list(table.items()):
                if not ready.keep(gone):
                    del table[key]
        self._whole = deque(left for batch in self._whole if len(left := _without(batch, gone)))
        later = [(due, order, _without(batch, gone)) for due, order, batch in self._later]
        self._later = [entry for entry in later if len(entry[2])]
        heapq.heapify(self._later)

    def _of(self, event: QueuedEvent) -> _Ready:
        table = self._replays if event.replay else self._ready
        ready = table.get(event.batch_key)
        if ready is None:
            ready = table[event.batch_key] = _Ready()
        return ready


class _Ready:
    """Events that may share a request."""

    __slots__ = ("events", "size")

    def __init__(self) -> None:
        self.events: deque[QueuedEvent] = deque()
        self.size = 0

    def append(self, event: QueuedEvent) -> None:
        self.events.append(event)
        self.size += event.size

    def prepend(self, event: QueuedEvent) -> None:
        self.events.appendleft(event)
        self.size += event.size

    def at(self, count: int, size: int, age: float) -> float:
        """0 when a request is full or need not be, else when its first event is old enough."""
        full = not age or len(self.events) >= count or self.size >= size
        return 0.0 if full else self.events[0].taken + age

    def cut(self, count: int, size: int) -> list[QueuedEvent]:
        events = self.events
        batch = [events.popleft()]
        total = batch[0].size
        while events and len(batch) < count and total + events[0].size <= size:
            total += events[0].size
            batch.append(events.popleft())
        self.size -= total
        return batch

    def keep(self, gone: set[int]) -> bool:
        """Drop those events; whether any is left."""
        self.events = deque(event for event in self.events if id(event) not in gone)
        self.size = sum(event.size for event in self.events)
        return bool(self.events)


def _cut(table: dict[Hashable, _Ready], now: float, count: int, size: int, age: float) -> QueuedBatch | None:
    """A request of those that may go now; what is left of them waits behind the others."""
    for key, ready in table.items():
        if count and ready.at(count, size, age) <= now:
            del table[key]
            batch = QueuedBatch(ready.cut(count, size))
            if ready.events:
                table[key] = ready
            return batch
    return None


def _without(batch: QueuedBatch, gone: set[int]) -> QueuedBatch:
    """The batch itself where it has none of those events, else what is left of it."""
    left = [event for event in batch.events if id(event) not in gone]
    return batch if len(left) == len(batch) else QueuedBatch(left, whole=batch.whole)
