"""Writes `identity.merges`: one record for each merge that the log of identity facts led to.

The merges agent reads `identity.links` as ordinary transactional input: one partition, one owner in the group. Every
worker's replica finds the same merges in a record of that log and keeps them in its store; the owner takes them from
there, so nothing is computed twice. Records and position are one transaction (at_least_once: records first): kill -9
loses nothing and, exactly_once, repeats nothing.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson
from confluent_kafka import KafkaException, TopicPartition

from router import metrics
from router.errors import Unavailable
from router.events.records import Record
from router.events.times import iso
from router.identity.store import IdentityStore, Merge
from router.kafka import offset_metadata
from router.kafka.group_consumer import GroupConsumer
from router.kafka.partition_state import PartitionState
from router.kafka.transactions import CommitRefused

log = logging.getLogger(__name__)
ROWS = 2000
LOOK_SECONDS = 30.0
GATHER_SECONDS = 0.25  # a transaction of its own for each batch that merges would double what the broker has to do
AGAIN_SECONDS = 0.5
LOOK_CALL_SECONDS = 5.0

Commit = Callable[[Sequence[Record], list[TopicPartition], Any], None]
"""Makes records durable, and then or together with them the position, for a member with this group metadata. Raises
CommitRefused when nothing of the position stands.
"""


class Part(NamedTuple):
    """Merges of the log from `since` up to, not including, `until`."""

    since: int
    rows: Sequence[tuple[int, Merge]]
    until: int


@dataclass(slots=True, eq=False)
class MergesPartition(PartitionState):
    """The log's partition; `total` is how many merges the group has written."""

    total: int = 0

    @classmethod
    def open(cls, topic: str, number: int, committed: int, metadata: str) -> MergesPartition:
        """As the group has committed it. Raises MetadataError."""
        try:
            total = int(offset_metadata.decode(metadata) or 0)
        except (ValueError, TypeError) as error:
            raise offset_metadata.not_ours(error) from error
        return cls(topic, number, committed, committed, total=total)


class MergesTask:
    """Its own group member in its own thread; `feed` is called by the consuming thread, which owns the store.

    `close` ends what `commit` produces with.
    """

    def __init__(
        self,
        store: IdentityStore,
        consumer: GroupConsumer[MergesPartition],
        commit: Commit,
        close: Callable[[], None],
        *,
        links: str,
        merges: str,
    ) -> None:
        self._store = store
        self._commit = commit
        self._close_producer = close
        self._links = links
        self._merges = merges
        self._parts: queue.SimpleQueue[Part] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._wanted: int | None = None  # next log offset to write, while this worker owns the partition
        self._asked = False
        self._handed = 0.0
        self._total = 0
        self._pruned = self._written = 0
        self.failed: BaseException | None = None
        self._consumer = consumer
        consumer.join(self)
        self._thread = threading.Thread(target=self._run, name="merges", daemon=True)
        self._thread.start()

    def feed(self) -> None:
        """Hand over the merges past the position wanted. Raises the error that ended the thread."""
        if self.failed is not None:
            raise self.failed
        self._prune()
        wanted = self._wanted
        position = self._store.position()
        if wanted is None or self._asked or position <= wanted or time.monotonic() < self._handed + GATHER_SECONDS:
            return
        rows = self._store.merges_from(wanted, ROWS)
        until = position if len(rows) < ROWS else rows[-1][0] + 1
        if until > wanted:
            self._asked = True
            self._handed = time.monotonic()
            self._parts.put(Part(wanted, rows, until))

    def _prune(self) -> None:
        """Forget what the owner, whoever it is, has written."""
        if self._written > self._pruned:
            self._store.prune_merges(self._written)
            self._pruned = self._written

    def _run(self) -> None:
        for step in (self._live, self._consumer.close):
            try:
                step()
            except KafkaException as error:
                self.failed = self.failed or Unavailable(f"merges: {error.args[0].str()}")
            except Exception as error:  # noqa: BLE001  raised by `feed` in the consuming thread
                self.failed = self.failed or error

    def _live(self) -> None:
        look_again = 0.0
        while not self._stop.is_set():
            self._consumer.stay(0.05)
            self._write_next()
            if time.monotonic() > look_again:
                look_again = time.monotonic() + LOOK_SECONDS
                self._written = self._look()

    def _look(self) -> int:
        """How far the group has come; as far as was known while the broker does not tell."""
        try:
            return max(0, self._consumer.group_offset(self._links, 0, LOOK_CALL_SECONDS))
        except KafkaException as error:
            log.debug("how far merges are written is not known: %s", error.args[0].str())
            return self._written

    def _write_next(self) -> None:
        try:
            part = self._parts.get(timeout=0.2)
        except queue.Empty:
            return
        if part.since == self._wanted:  # not what was asked for before the partition went and came back
            self._write(part)
        self._asked = False

    def _write(self, part: Part) -> None:
        total = self._total + len(part.rows)
        offsets = [TopicPartition(self._links, 0, part.until, metadata=offset_metadata.encode(total))]
        records: list[Record] = [
            (self._merges, _value(offset, merge), merge.new.encode(), None) for offset, merge in part.rows
        ]
        try:
            self._commit(records, offsets, self._consumer.group_metadata())
        except CommitRefused as refused:
            log.warning("merges were not committed and will be written again: %s", refused)
            self._stop.wait(AGAIN_SECONDS)
            return
        self._wanted, self._total = part.until, total
        metrics.MERGE_TOTALS.show(("0",), {"router_identity_merges": total})

    # The owner of the partition; called from within the consumer

    def assigned(self, partitions: list[MergesPartition]) -> None:
        """Own the partition, but fetch nothing, so it stays paused: the replica reads the log already."""
        for partition in partitions:
            self._total = partition.total
            self._wanted, self._asked = max(0, partition.committed), False
            metrics.MERGE_TOTALS.show(("0",), {"router_identity_merges": self._total})

    def revoked(self, *, lost: bool) -> None:
        self._wanted = None
        metrics.MERGE_TOTALS.hide(("0",))

    def reached_end(self, partition: MergesPartition) -> None:
        """Nothing is fetched."""

    def skipped(self, partition: MergesPartition, offset: int, *, recreated: bool) -> MergesPartition:
        """The store may still have the merges of records that retention took."""
        return partition

    def _behind(self) -> bool:
        wanted = self._wanted
        return self.failed is None and wanted is not None and self._store.position() > wanted

    def close(self) -> None:
        """Write what is there and leave the group."""
        deadline = time.monotonic() + 5
        while self._behind() and time.monotonic() < deadline:
            self.feed()
            time.sleep(0.02)
        self._stop.set()
        self._thread.join()
        self._close_producer()


def _value(offset: int, merge: Merge) -> bytes:
    return orjson.dumps(
        {
            "from": merge.old,
            "to": merge.new,
            "reason": merge.reason,
            "position": offset,
            "time": iso(merge.time_ms),
        }
    )
