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
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import orjson
from confluent_kafka import (
    OFFSET_INVALID,
    Consumer,
    KafkaException,
    TopicPartition,
)

from router import metrics
from router.errors import Unavailable
from router.events.event import iso
from router.identity import IdentityStore, Merge
from router.kafka import offset_metadata
from router.kafka.offsets import stable_offsets
from router.runtime.outputs import Outputs, Redo, Work

log = logging.getLogger(__name__)
CALL_SECONDS = 30.0
ROWS = 2000
LOOK_SECONDS = 30.0
GATHER_SECONDS = 0.25  # a transaction of its own for each batch that merges would double what the broker has to do
AGAIN_SECONDS = 0.5
LOOK_CALL_SECONDS = 5.0


class Part(NamedTuple):
    """Merges of the log from `since` up to, not including, `until`."""

    since: int
    rows: Sequence[tuple[int, Merge]]
    until: int


class MergesTask:
    """Its own group member in its own thread; `feed` is called by the consuming thread, which owns the replica."""

    def __init__(
        self,
        store: IdentityStore,
        outputs: Outputs,
        *,
        consumer: Mapping[str, Any],
        links: str,
        merges: str,
        transactional: bool,
    ) -> None:
        self._store = store
        self._outputs = outputs
        self._links = links
        self._merges = merges
        self._transactional = transactional
        self._parts: queue.SimpleQueue[Part] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._wanted: int | None = None  # next log offset to write, while this worker owns the partition
        self._asked = False
        self._handed = 0.0
        self._total = 0
        self._pruned = self._written = 0
        self.failed: BaseException | None = None
        self._consumer = Consumer(dict(consumer))
        self._consumer.subscribe([links], self._assigned, self._revoked, self._revoked)
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
            self._consumer.poll(0.05)
            self._write_next()
            if time.monotonic() > look_again:
                look_again = time.monotonic() + LOOK_SECONDS
                self._written = self._look()

    def _look(self) -> int:
        """How far the group has come; as far as was known while the broker does not tell."""
        try:
            committed = self._consumer.committed([TopicPartition(self._links, 0)], LOOK_CALL_SECONDS)[0]
        except KafkaException as error:
            log.debug("how far merges are written is not known: %s", error.args[0].str())
            return self._written
        return max(0, committed.offset)

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
        records = [(self._merges, _value(offset, merge), merge.new.encode(), None) for offset, merge in part.rows]
        try:
            self._outputs.commit(Work(records, {}, offsets, self._consumer.consumer_group_metadata()))
            if not self._transactional:
                self._consumer.commit(offsets=offsets, asynchronous=False)
        except Redo as error:
            log.warning("merges were aborted and will be written again: %s", error)
            self._stop.wait(AGAIN_SECONDS)
            return
        self._wanted, self._total = part.until, total
        metrics.MERGE_TOTALS.show(("0",), {"router_identity_merges": total})

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Own the partition, but fetch nothing: the replica reads the log already."""
        if not partitions:
            consumer.assign([])
            return
        committed = stable_offsets(consumer, partitions, CALL_SECONDS)[0]
        start = 0 if committed.offset == OFFSET_INVALID else committed.offset
        consumer.assign([TopicPartition(self._links, 0, start)])
        consumer.pause([TopicPartition(self._links, 0)])
        self._total = _total(offset_metadata.text_of(committed))
        self._wanted, self._asked = start, False
        metrics.MERGE_TOTALS.show(("0",), {"router_identity_merges": self._total})

    def _revoked(self, consumer: Consumer, _: list[TopicPartition]) -> None:
        self._wanted = None
        metrics.MERGE_TOTALS.hide(("0",))
        consumer.unassign()

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
        self._outputs.close()


def _total(metadata: str) -> int:
    """How many merges the group has written. Raises MetadataError."""
    try:
        return int(offset_metadata.decode(metadata) or 0)
    except (ValueError, TypeError) as error:
        raise offset_metadata.not_ours(error) from error


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
