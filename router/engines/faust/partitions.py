"""Where the owned partitions stand under Faust: what was read of each, what it came to, what of that is committed.

Used by whoever holds the engine's lock; only `note` and `landed` are called from the thread that commits. Totals ride
in the metadata of Faust's commits and are exported once committed, as with the loop.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence

from router import metrics
from router.agents.batch import Batch
from router.agents.decode import Message
from router.agents.totals import Totals
from router.engines.faust.transport import Standing
from router.events.message_batch import LOG_APPEND_TIME
from router.kafka.offsets import Committed, PartitionKey
from router.process.health import Health
from router.worker.partition import RoutePartition, encode_totals

log = logging.getLogger(__name__)


class FaustPartitions:
    """The partitions of one generation of the group. `oldest` gives the first offset that the broker has of a place."""

    def __init__(
        self, health: Health, destinations: Callable[[], Sequence[str]], oldest: Callable[[PartitionKey], int]
    ) -> None:
        self._health = health
        self._destinations = destinations
        self._oldest = oldest
        self.rows: list[RoutePartition] = []
        self.index: dict[PartitionKey, int] = {}
        self._marks: dict[PartitionKey, dict[int, Totals]] = {}
        self._last: dict[PartitionKey, RoutePartition] = {}  # also after the end: a commit may still be under way
        self._landed: deque[tuple[dict[int, Totals], PartitionKey, int]] = deque()

    def start(self, places: Iterable[PartitionKey], committed: Mapping[PartitionKey, Committed]) -> None:
        """Own these partitions, each from what is committed of it."""
        self.end()
        self.rows = [_opened(place, committed.get(place)) for place in sorted(places)]
        self._marks = {one.place: {} for one in self.rows}
        self.index = {place: at for at, place in enumerate(self._marks)}
        self._last = dict(zip(self._marks, self.rows, strict=True))

    def open(self, stuck_seconds: float) -> None:
        """State is there: events are read from now on."""
        for one in self.rows:
            one.show()
            self._health.progress(one.name, stuck_seconds)

    def end(self) -> None:
        """The partitions are no longer owned."""
        for one in self.rows:
            one.hide()
            self._health.forget(one.name)
        self.rows, self.index = [], {}
        self._landed.clear()

    def look_for_gaps(self, messages: Sequence[Message]) -> None:
        """Count what the broker dropped before it was read: Faust's client goes on behind it without a word."""
        first: dict[PartitionKey, Message] = {}
        for message in messages:
            first.setdefault((message.topic(), message.partition()), message)
        for place, message in first.items():
            one = self.rows[self.index[place]]
            if 0 <= one.next < message.offset():
                lost = min(self._oldest(place), message.offset()) - one.next
                if lost > 0:  # else a transaction's marker, or records of one that was aborted
                    metrics.LOST.labels(place[0], str(place[1])).inc(lost)
                    log.error("LOST %d messages of %s [%d]: the broker no longer has them (retention)", lost, *place)

    def advance(self, messages: Sequence[Message], batch: Batch) -> None:
        """These messages are done, and came to this batch."""
        last = {(message.topic(), message.partition()): message for message in messages}
        for place, message in last.items():
            at = self.index[place]
            one = self.rows[at]
            one.next = message.offset() + 1
            kind, received = message.timestamp()
            one.reached_ms = received if kind == LOG_APPEND_TIME else one.reached_ms
            one.ahead = one.ahead.copy()
            one.ahead.add(batch, at)
            self._marks[place][one.next] = one.ahead
            self._health.beat(one.name)

    def note(self, place: PartitionKey, offset: int) -> str:
        """The totals as of this offset, for a commit's metadata."""
        one = self._last.get(place)
        if one is None:
            return ""
        return encode_totals(self._marks[place].get(offset, one.totals), self._destinations())

    def landed(self, place: PartitionKey, offset: int) -> None:
        marks = self._marks.get(place)
        if marks is not None:
            self._landed.append((marks, place, offset))

    def settle(self) -> None:
        """Export what has been committed meanwhile."""
        while self._landed:
            marks, place, offset = self._landed.popleft()
            if place not in self.index or marks is not self._marks[place]:
                continue  # committed in an earlier generation
            one = self.rows[self.index[place]]
            one.committed, one.totals = offset, marks.get(offset, one.totals)
            for done in [mark for mark in marks if mark <= offset]:
                del marks[done]
            one.show()

    def look(self, standings: Mapping[PartitionKey, Standing]) -> None:
        """Take note of ends and lags; a one at its end rightly stands still."""
        for one in self.rows:
            standing = standings.get(one.place)
            one.end = None
            if standing is None or standing.end is None:
                continue
            all_read = standing.position >= standing.end
            if all_read and (standing.handed is None or one.next >= standing.handed):
                one.end = max(standing.end, one.next)
                self._health.idle(one.name)
            behind = standing.end - max(one.next, 0)
            one.show_backlog(0 if one.at_end else max(0, behind))

    @property
    def at_end(self) -> bool:
        """Nothing to read anywhere."""
        return all(one.at_end for one in self.rows)


def _opened(place: PartitionKey, committed: Committed | None) -> RoutePartition:
    if committed is None:
        return RoutePartition(*place)
    return RoutePartition.open(*place, committed.offset, committed.metadata)
