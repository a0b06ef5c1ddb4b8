"""Reads what waits in the retry lane when partitions are assigned, before anything of them is delivered.

It joins no group: a partition of `dest.<name>.retry` belongs to whoever owns the same one of `dest.<name>`, and its
offset is committed beside that one's. What the former owner was committing is waited for, as with every transaction. It
writes nothing, so kill -9 changes nothing.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from router import metrics
from router.delivery.item import Partition, QueuedEvent
from router.delivery.retry_records import Now, open_entries, origin_offset, read_entry
from router.errors import Unavailable
from router.kafka import clients
from router.kafka.admin import Admin
from router.kafka.cluster import Cluster
from router.kafka.failure import translated
from router.kafka.offset_metadata import text_of
from router.kafka.offsets import stable_offsets

CALL_SECONDS = 30.0
READ_SECONDS = 120.0
BATCH_MESSAGES = 500

log = logging.getLogger(__name__)


class RetryReader:
    """`group` is the destination's, `topic` its retry topic. `exact`: entries and offsets are one transaction."""

    def __init__(self, cluster: Cluster, destination: str, group: str, topic: str, *, exact: bool) -> None:
        self._cluster = cluster
        self._destination = destination
        self._group = group
        self._topic = topic
        self._exact = exact

    def read(self, owned: Iterable[Partition]) -> list[tuple[Partition, list[QueuedEvent]]]:
        """The partitions of the retry topic beside those owned, each with what waits in it. Raises Unavailable.

        Where it is not `exact`, an event may stand there although its own offset is not committed: it is not taken from
        the destination's topic once more.
        """
        mains = {partition.number: partition for partition in owned}
        if not mains:
            return []
        with translated(f"read {self._topic}"):
            consumer = Consumer(clients.reader(self._cluster) | {"group.id": self._group})
            try:
                opened = list(self._opened(consumer, mains))
                found = [(one, self._entries(consumer, one, end, mains[one.number].topic)) for one, end in opened]
            finally:
                consumer.close()
        for partition, events in () if self._exact else found:
            main = mains[partition.number]
            offsets = (origin_offset(event, main.topic) for event in events)
            main.tracker.skip(offset for offset in offsets if offset is not None)
        return found

    def _opened(self, consumer: Consumer, numbers: Iterable[int]) -> Iterator[tuple[Partition, int]]:
        """Each partition as the group has committed it, with its end: that of what is not committed yet."""
        places = [(self._topic, number) for number in numbers]
        admin = Admin(self._cluster)
        if admin.topics().get(self._topic, 0) <= max(number for _, number in places):
            raise Unavailable(f"the topic {self._topic} is not there, or too small: run `router topics apply` first")
        rows = stable_offsets(consumer, [TopicPartition(*place) for place in places], CALL_SECONDS)
        ends = admin.watermarks(places)
        for row in rows:
            low, end = ends[row.topic, row.partition].low, ends[row.topic, row.partition].high
            partition = Partition.open(row.topic, row.partition, row.offset, text_of(row) if row.offset >= 0 else "")
            if low > row.offset >= 0:
                metrics.LOST.labels(row.topic, str(row.partition)).inc(low - row.offset)
                log.error("LOST %d messages of %s [%d]: the broker no longer has them (retention)", low - row.offset,
                          row.topic, row.partition)  # fmt: skip
                partition = partition.recreated(low)
            elif row.offset > end:
                log.warning("%s [%d] begins anew: it was deleted and made again", row.topic, row.partition)
                partition = partition.recreated(low)
            elif row.offset < 0:
                partition = partition.recreated(low)
            yield partition, end

    def _entries(self, consumer: Consumer, partition: Partition, end: int, origin: str) -> list[QueuedEvent]:
        start = partition.tracker.low or 0
        now = Now(time.monotonic(), time.time())
        messages = read_to_end(consumer, partition.topic, partition.number, start, end)
        events = [read_entry(self._destination, partition, message, now) for message in messages]
        waiting = open_entries(events, origin)
        partition.tracker.reach(end)
        return waiting


def read_to_end(consumer: Consumer, topic: str, number: int, start: int, end: int) -> Iterator[Message]:
    """Committed messages from `start` to `end`, which is that of what is not committed yet: waits until it is clear
    whether the last of them are. Raises Unavailable.
    """
    if start >= end:
        return
    consumer.assign([TopicPartition(topic, number, start)])
    deadline = time.monotonic() + READ_SECONDS
    while time.monotonic() < deadline:
        for message in consumer.consume(BATCH_MESSAGES, 0.1):
            error, offset = message.error(), message.offset() or 0
            if error is None:
                yield message
                offset += 1
            elif error.code() != KafkaError._PARTITION_EOF:
                if error.fatal():
                    raise Unavailable(f"cannot read {topic}: {error.str()}")
                log.warning("reading %s [%d]: %s", topic, number, error.str())
                continue
            if offset >= end:
                return
    raise Unavailable(f"reading {topic} [{number}] takes too long")
