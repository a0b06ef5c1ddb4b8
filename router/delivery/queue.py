"""Events that wait for a request: ready ones in order, failed ones until they are due, one lane a profile if asked.

With `ordered`, of the events that share a key only the first that is not final is ever ready or under way; a request
carries at most one of each.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable, Iterator

from router.delivery.item import QueuedEvent


class DeliveryQueue:
    """Pure bookkeeping: it has no clock and sends nothing."""

    def __init__(self, *, ordered: bool) -> None:
        self.ordered = ordered
        self._ready: deque[QueuedEvent] = deque()
        self._bytes = 0  # of the ready ones
        self._later: list[tuple[float, int, QueuedEvent]] = []
        self._behind: dict[bytes, deque[QueuedEvent]] = {}
        self._count = 0

    def __len__(self) -> int:
        """Events that wait, those behind another of their profile included."""
        return len(self._ready) + len(self._later) + sum(map(len, self._behind.values()))

    def __iter__(self) -> Iterator[QueuedEvent]:
        yield from self._ready
        yield from (item for _, _, item in self._later)
        for behind in self._behind.values():
            yield from behind

    def push(self, item: QueuedEvent) -> None:
        """A new event."""
        if self.ordered and item.ordering_key is not None:
            behind = self._behind.get(item.ordering_key)
            if behind is not None:
                behind.append(item)
                return
            self._behind[item.ordering_key] = deque()
        self._ready.append(item)
        self._bytes += item.size

    def put_back(self, items: Iterable[QueuedEvent]) -> None:
        """Events of an attempt that may be tried at once, before all others."""
        for item in reversed(list(items)):
            self._ready.appendleft(item)
            self._bytes += item.size

    def put_off(self, item: QueuedEvent, due: float) -> None:
        """An event of an attempt that is to be tried again at `due`."""
        self._count += 1
        heapq.heappush(self._later, (due, self._count, item))

    def done(self, item: QueuedEvent) -> None:
        """An event is final: the next of its profile may go."""
        if not self.ordered or item.ordering_key is None:
            return
        behind = self._behind[item.ordering_key]
        if behind:
            following = behind.popleft()
            self._ready.append(following)
            self._bytes += following.size
        else:
            del self._behind[item.ordering_key]

    def wake(self, now: float) -> None:
        """Make ready what is due."""
        if not self._later or self._later[0][0] > now:
            return
        due = []
        while self._later and self._later[0][0] <= now:
            due.append(heapq.heappop(self._later)[2])
        self.put_back(due)

    def take(self, now: float, count: int, size: int, age: float) -> list[QueuedEvent]:
        """The next request: at most `count` events and `size` bytes (one event in any case).

        With `age`, an empty list while it may still fill: see `ripe`.
        """
        ready = self._ready
        if not ready or (self.ripe(count, size, age) or 0.0) > now:
            return []
        batch = [ready.popleft()]
        total = batch[0].size
        group, count = batch[0].group, min(count, batch[0].most)
        while ready and len(batch) < min(count, ready[0].most):
            item = ready[0]
            if item.group != group or total + item.size > size:
                break
            count = min(count, item.most)
            total += item.size
            batch.append(ready.popleft())
        self._bytes -= total
        return batch

    def ripe(self, count: int, size: int, age: float) -> float | None:
        """When a request may go: None when nothing is ready, 0 for at once, else when its first event is old enough."""
        if not self._ready:
            return None
        first = self._ready[0]
        full = len(self._ready) >= min(count, first.most) or self._bytes >= size
        return 0.0 if full or first.group or not age else first.taken + age

    @property
    def due(self) -> float | None:
        """When the next failed event is to be tried again."""
        return self._later[0][0] if self._later else None

    def pick(self) -> QueuedEvent | None:
        """One event for a probe, due or not: the least tried one, so that a bad event cannot fail every probe."""
        ready = min(self._ready, key=lambda item: item.attempts, default=None)
        later = min(self._later, key=lambda entry: (entry[2].attempts, entry[0]), default=None)
        if ready is not None and (later is None or ready.attempts <= later[2].attempts):
            self._ready.remove(ready)
            self._bytes -= ready.size
            return ready
        if later is None:
            return None
        self._later.remove(later)
        heapq.heapify(self._later)
        return later[2]

    def expired(self, now: float) -> list[QueuedEvent]:
        """Remove and return events whose time is over."""
        over = [item for item in (*self._ready, *(one[2] for one in self._later)) if _is_over(item, now)]
        if over:
            gone = set(map(id, over))
            self._ready = deque(item for item in self._ready if id(item) not in gone)
            self._later = [entry for entry in self._later if id(entry[2]) not in gone]
            heapq.heapify(self._later)
            self._bytes = sum(item.size for item in self._ready)
        return over


def _is_over(item: QueuedEvent, now: float) -> bool:
    return item.deadline is not None and item.asked is None and item.deadline <= now
