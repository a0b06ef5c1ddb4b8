"""Makes final what is final: dead letters, retry entries, log records and offsets of one destination, together.

exactly_once: one Kafka transaction. at_least_once, and on the embedded broker: records first, then offsets. Events that
the partner accepted since the last commit are sent again after kill -9, with the same idempotency key; the engine keeps
their number bounded. A dead letter is written exactly once, or, at_least_once, once more after kill -9 between the two;
so is a retry entry, of which the reader then takes the later one.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from confluent_kafka import TopicPartition

from router import metrics
from router.delivery.in_flight import InFlightLimit
from router.delivery.item import Partition, QueuedEvent
from router.delivery.profile_cap import ProfileCap
from router.delivery.records import DeliveryLog, dead_letter
from router.delivery.retry_lane import RetryLane
from router.delivery.retry_records import Now, retry_entry
from router.delivery.tracker import Counts
from router.errors import Unavailable
from router.events.records import Record
from router.kafka.transactions import CommitRefused
from router.worker.checkpoint import Checkpoint, CommitBatch

INTERVAL_SECONDS = 0.1
AGAIN_SECONDS, LONGEST_PAUSE_SECONDS = 0.2, 2.0
GIVE_UP_SECONDS = 60.0
_ENDS = ("delivered", "dead", "filtered")

log = logging.getLogger(__name__)


@dataclass(slots=True)
class PendingCommit:
    """What one commit holds: the records and offsets, and each partition's counts as of them.

    `events` and `size` are what leaves the in-flight limit, `waited` and `waited_size` what leaves the retry lane's;
    `parked` goes into it.
    """

    batch: CommitBatch
    totals: list[tuple[Partition, Counts]]
    parked: list[QueuedEvent]
    accepted: int
    events: int
    size: int
    replays: int
    waited: int
    waited_size: int
    published: bool = False


class Committer:
    """Collects finals in the event loop and commits them in a thread of its own, one commit at a time.

    `flush_at` events are committed without waiting for the interval; `group` gives the metadata of the group's present
    generation. Committed events leave the `in_flight` limit; then `on_committed` is called in the loop. `on_fault` is
    called when committing is hopeless.
    """

    def __init__(
        self, name: str, dead_topic: str, retry_topic: str, delivery_log: DeliveryLog, in_flight: InFlightLimit,
        lane: RetryLane, checkpoint: Checkpoint, *, flush_at: int, group: Callable[[], Any],
        on_committed: Callable[[], None], on_fault: Callable[[BaseException], None], cap: ProfileCap | None = None,
    ) -> None:  # fmt: skip
        self._name = name
        self._dead_topic, self._retry_topic = dead_topic, retry_topic
        self._delivery_log = delivery_log
        self._in_flight = in_flight
        self._lane = lane
        self._cap = cap
        self._checkpoint = checkpoint
        self._group = group
        self._on_committed = on_committed
        self._on_fault = on_fault
        self._thread = ThreadPoolExecutor(1, f"commit-{name}")
        self._partitions: list[Partition] = []
        self._retry_partitions: dict[int, Partition] = {}
        self._records: list[Record] = []
        self._parked: list[QueuedEvent] = []
        self._accepted = 0
        self._finals = self._size = self._replays = self._waited = self._waited_size = 0
        self._epoch = 0
        self._broken = self._leaving = False
        self._timer: asyncio.TimerHandle | None = None
        self._running: asyncio.Task[None] | None = None
        self._flush_at = flush_at
        self.uncommitted = 0
        self.replaying = 0  # events of replays, taken and not yet committed
        self.since: float | None = None  # monotonic time at which the running commit began

    # TerminalOutcomes

    def delivered(self, item: QueuedEvent, record: Record | None = None) -> None:
        if record is not None:
            self._records.append(record)
        counts = item.partition.counts
        if item.replay:
            counts.replay_delivered += 1
        else:
            counts.delivered += 1
        self._accepted += 1
        self.uncommitted += 1
        if self._cap is not None:
            self._cap.accepted(item, _now_ms())
        self._final(item)

    def dead(self, item: QueuedEvent, code: str, stage: str) -> None:
        counts = item.partition.counts
        if item.replay:
            counts.replay_dead += 1
        else:
            counts.dead += 1
        self._records.append(dead_letter(self._dead_topic, item, code, stage))
        self._final(item)

    def filtered(self, item: QueuedEvent) -> None:
        counts = item.partition.counts
        if item.replay:
            counts.replay_filtered += 1
        else:
            counts.filtered += 1
        self._final(item)

    def parked(self, item: QueuedEvent) -> None:
        """Written with the next commit, of which its old place is final; the lane has it once that is through."""
        item.came_from = item.origin
        item.parked_at = item.parked_at or time.time()
        self._parked.append(item)
        self._left(item)

    def took(self, item: QueuedEvent) -> None:
        """An event was taken. Redriven ones are shown at once, since they wait from now on."""
        if item.redriven:
            item.partition.redriven += 1
            self._show(item.partition)
        elif item.replay:
            self.replaying += 1

    def stale(self, item: QueuedEvent) -> None:
        """An event that is not ours to finish: it was final in an earlier life, or its partition is gone."""
        if item.replay and item.attempts:
            self.replaying = max(0, self.replaying - 1)
        if self._cap is not None:
            self._cap.released(item)
        if not item.parked:
            self._in_flight.free(1, item.size)

    def _final(self, item: QueuedEvent) -> None:
        if self._cap is not None:
            self._cap.released(item)
        item.partition.counts.redriven += item.redriven
        self._replays += bool(item.replay)
        if item.parked:
            self._waited += 1
            self._waited_size += item.size
        self._left(item)

    def _left(self, item: QueuedEvent) -> None:
        """Its place in its topic is done with."""
        partition = item.partition
        partition.tracker.finish(item.offset)
        if not item.parked:
            self._finals += 1
            self._size += item.size
        if not partition.dirty or self._finals >= self._flush_at:
            self.touch(partition)

    def touch(self, partition: Partition) -> None:
        """A partition has something to commit."""
        partition.dirty = True
        self.note()

    def note(self) -> None:
        """There is something to write: soon, or at once when it is much."""
        if self._running is not None or self._broken:
            return
        if self._finals >= self._flush_at:
            self._begin()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(INTERVAL_SECONDS, self._begin)

    # Commits

    def _begin(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._running is None and not self._broken:
            self._running = asyncio.get_running_loop().create_task(self._commit_next())
            self._running.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running = None
        if task.cancelled():
            return
        error = task.exception()
        if error is not None:
            self._broken = True
            self._on_fault(error)
        elif self._dirty():
            self.note()

    def _dirty(self) -> bool:
        return bool(
            self._records
            or self._parked
            or self._delivery_log
            or any(partition.dirty for partition in self._partitions)
        )

    async def _commit_next(self) -> None:
        if not self._dirty():
            return
        commit, epoch = self._take(), self._epoch
        self.since = time.monotonic()
        try:
            if not await self._write(commit, epoch):
                return
        finally:
            self.since = None
        self.uncommitted -= commit.accepted
        self.replaying -= commit.replays
        for partition, totals in commit.totals:
            partition.committed_counts = totals
            self._show(partition)
        for item, offset in zip(commit.parked, commit.batch.places, strict=False):  # those of caps come behind
            self._lane.landed(item, self._retry_partitions[item.partition.number], offset)
        self._in_flight.free(commit.events, commit.size)
        self._lane.limit.free(commit.waited, commit.waited_size)
        self._on_committed()

    def _take(self) -> PendingCommit:
        self._rewrite()
        records = [*self._records, *self._delivery_log.records(time.time())]
        parked, self._records, self._parked = self._parked, [], []
        finals = self._accepted, self._finals, self._size, self._replays, self._waited, self._waited_size
        self._accepted = self._finals = self._size = self._replays = self._waited = self._waited_size = 0
        now = Now(time.monotonic(), time.time())
        placed = [retry_entry(self._retry_topic, item, now) for item in parked]
        if self._cap is not None:
            placed += self._cap.records(_now_ms())
        totals, offsets = [], []
        for partition in self._partitions:
            low = partition.tracker.low
            if not partition.dirty or low is None:
                continue
            partition.dirty = False
            counts = partition.counts
            metadata = counts.encode(low, partition.tracker.finished())
            offsets.append(TopicPartition(partition.topic, partition.number, low, metadata=metadata))
            totals.append((partition, replace(counts)))
        return PendingCommit(CommitBatch(records, offsets, self._group(), placed=placed), totals, parked, *finals)

    def _rewrite(self) -> None:
        """Entries of the retry lane that are far behind go to its end."""
        for partition in self._retry_partitions.values():
            while (item := self._lane.left_behind(partition)) is not None:
                self._lane.park(item, item.due or 0.0)
                self.parked(item)

    async def _write(self, commit: PendingCommit, epoch: int) -> bool:
        """Commit, as often as it takes. False when the partitions were lost meanwhile and it no longer counts."""
        loop = asyncio.get_running_loop()
        until, pause = time.monotonic() + GIVE_UP_SECONDS, AGAIN_SECONDS
        while epoch == self._epoch:
            try:
                await loop.run_in_executor(self._thread, self._commit, commit)
                return epoch == self._epoch
            except CommitRefused as refused:
                metrics.ABORTS.labels(refused.code).inc()
                # While partitions are given back, the embedded broker refuses to the end of the rebalance.
                hopeless = refused.revoked or (self._leaving and refused.rebalancing)
                then = "its events come again" if hopeless else "trying again"
                log.warning("commit refused, %s", then, extra={"destination": self._name, "why": refused.code})
                if hopeless:
                    return False
                if time.monotonic() > until:
                    raise Unavailable(f"{self._name}: the broker takes no commit: {refused}") from refused
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
        return False

    def _commit(self, commit: PendingCommit) -> None:
        """In the committer's thread."""
        if not commit.published:
            self._checkpoint.publish(commit.batch)
            commit.published = True
        self._checkpoint.apply(commit.batch)

    # Partitions

    def assigned(self, partitions: Iterable[Partition], retry_partitions: Iterable[Partition]) -> None:
        """`retry_partitions` are those of the retry topic, with the same numbers."""
        self._retry_partitions = {partition.number: partition for partition in retry_partitions}
        self._partitions = [*partitions, *self._retry_partitions.values()]
        for partition in self._partitions:
            self._show(partition)

    def replaced(self, old: Partition, new: Partition) -> None:
        """The topic was made anew: what was counted goes on, what was open no longer counts."""
        old.revoked = True
        self._partitions = [new if partition is old else partition for partition in self._partitions]

    async def release(self, seconds: float, *, lost: bool) -> None:
        """Commit what is final unless the partitions are lost already, within `seconds`; then forget them."""
        self._leaving = True
        if not lost:
            await self._drain(seconds)
        self._leaving = False
        self._epoch += 1
        for partition in self._partitions:
            partition.revoked = True
            metrics.DELIVERY_TOTALS.hide((self._name, str(partition.number)))
        self._partitions, self._retry_partitions, self._records, self._parked = [], {}, [], []
        self._in_flight.clear()
        self._accepted = self._finals = self._size = self._replays = self._waited = self._waited_size = 0
        self.uncommitted = self.replaying = 0

    async def _drain(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while self._dirty() or self._running is not None:
            self._begin()
            if self._running is None:
                return  # broken: nothing can be committed any more
            await asyncio.wait({self._running}, timeout=max(0.0, until - time.monotonic()))
            if time.monotonic() >= until:
                log.warning("not all was committed in time; its events come again", extra={"destination": self._name})
                return

    def _show(self, partition: Partition) -> None:
        number = partition.number
        both = [one for one in self._partitions if one.number == number]  # the destination's and the retry lane's
        counts = {
            **{f"router_delivery_{name}": sum(getattr(one.committed_counts, name) for one in both) for name in _ENDS},
            **{
                f"router_replay_{name}": sum(getattr(one.committed_counts, f"replay_{name}") for one in both)
                for name in _ENDS
            },
            "router_delivery_redriven": sum(one.redriven for one in both),
        }
        metrics.DELIVERY_TOTALS.show((self._name, str(partition.number)), counts)

    async def close(self) -> None:
        """After `release`: end the thread and the producer."""
        if self._timer is not None:
            self._timer.cancel()
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._thread, self._checkpoint.close)
        self._thread.shutdown(wait=False)


def _now_ms() -> int:
    return round(time.time() * 1000)
