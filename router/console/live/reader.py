"""The one consumer of all live tables: a thread that reads from the ends of the topics, in no group.

It is started with the first browser that looks and ends after the last. Beyond a budget of messages it looks at the
newest only and counts the others: the chain never knows of it. Nothing is committed.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from threading import Event, Lock, Thread
from typing import Any, cast

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from router.config.loader import Loaded
from router.config.topics import source_topics, topics_of
from router.console.live.rows import LiveFilter, LiveMessage, LiveRow, LiveTable
from router.errors import RouterError
from router.kafka import clients
from router.kafka.admin import Admin
from router.kafka.cluster import Cluster
from router.kafka.failure import router_error, translated
from router.kafka.offsets import GroupOffsets, PartitionKey
from router.mask import Mask

FLUSH_SECONDS = 0.25
COMMITTED_SECONDS = 2.0
AGAIN_SECONDS = 2.0
BUDGET = 2_000  # messages looked at between two flushes
BUDGET_BYTES = 8 * 1024 * 1024  # of their values
AHEAD: dict[str, Any] = {  # what the client fetches ahead, all partitions together: a burst must not stay in memory
    "fetch.wait.max.ms": 100, "queued.min.messages": 1_000, "queued.max.messages.kbytes": 4_096,
    "fetch.message.max.bytes": 131_072, "fetch.max.bytes": 4 * 1024 * 1024,
}  # fmt: skip
BACKLOG = 20  # messages of each partition to begin with
_POLL_SECONDS = 0.1

log = logging.getLogger(__name__)


class NewestMessages:
    """The newest of what came, at most `count` messages and `size` bytes of them, but always the last one."""

    def __init__(self, count: int = BUDGET, size: int = BUDGET_BYTES) -> None:
        self._most, self._largest = count, size
        self._held: deque[tuple[Message, int]] = deque()
        self.seen = self.bytes = 0

    def add(self, message: Message) -> None:
        length = len(message.value() or b"")
        self._held.append((message, length))
        self.seen, self.bytes = self.seen + 1, self.bytes + length
        while len(self._held) > 1 and (len(self._held) > self._most or self.bytes > self._largest):
            self.bytes -= self._held.popleft()[1]

    def __iter__(self) -> Iterator[Message]:
        return (message for message, _ in self._held)

    def __len__(self) -> int:
        return len(self._held)


class LiveReader:
    """`flushed` is called in the thread after every change, and when reading fails, with why."""

    def __init__(self, loaded: Loaded, cluster: Cluster, mask: Mask, flushed: Callable[[str], object]) -> None:
        self._topology = loaded.topology
        self._cluster = cluster
        self._table = LiveTable(mask)
        self._flushed = flushed
        self._lock = Lock()
        self._stopping = Event()
        self._kinds = _kinds(loaded)
        self._sources = {key: name for name, source in loaded.topology.sources.items() for key in source.keys(name)}
        topics = topics_of(loaded.topology)
        dead = {topics.dead(name): name for name in loaded.topology.destinations}
        self._of_topic = dead | {
            topic: name for name, source in loaded.topology.sources.items() for topic in source.topics
        }
        self._thread = Thread(target=self._run, name="live", daemon=True)
        self.seen = 0  # messages that came
        self.passed_over = 0  # of those not looked at

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the thread; waits for it."""
        self._stopping.set()
        self._thread.join()

    def rows(self, wanted: LiveFilter, count: int, after: int = 0) -> tuple[list[LiveRow], int]:
        """The newest wanted rows, and the version they are of."""
        with self._lock:
            return self._table.newest(wanted, count, after), self._table.version

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._read()
            except RouterError as error:
                log.warning("live events cannot be read: %s", error)
                self._flushed(str(error))
                self._stopping.wait(AGAIN_SECONDS)

    def _read(self) -> None:
        with translated("read live events"):
            admin = Admin(self._cluster)
            present = admin.topics()
            keys = [(topic, number) for topic in self._kinds for number in range(present.get(topic, 0))]
            ends = admin.watermarks(keys, uncommitted=False)
            consumer = Consumer(clients.reader(self._cluster) | AHEAD)
            try:
                consumer.assign([TopicPartition(*key, max(at.low, at.high - BACKLOG)) for key, at in ends.items()])
                group = topics_of(self._topology).route_group
                with GroupOffsets(self._cluster, group, stable=False) as offsets:  # one connection, however long it is
                    self._follow(consumer, offsets, [key for key in keys if self._kinds[key[0]] == "raw"])
            finally:
                consumer.close()

    def _follow(self, consumer: Consumer, offsets: GroupOffsets, inputs: list[PartitionKey]) -> None:
        asked = 0.0
        while not self._stopping.is_set():
            newest = self._batch(consumer)
            self.seen += newest.seen
            self.passed_over += newest.seen - len(newest)
            messages = [self._of(message) for message in newest]
            with self._lock:
                self._table.take(messages)
            if time.monotonic() - asked > COMMITTED_SECONDS:
                committed = {key: one.offset for key, one in offsets.committed(inputs).items()}
                with self._lock:
                    self._table.passed(committed, int(time.time() * 1000))
                asked = time.monotonic()
            self._flushed("")

    def _batch(self, consumer: Consumer) -> NewestMessages:
        newest = NewestMessages()
        until = time.monotonic() + FLUSH_SECONDS
        while time.monotonic() < until and not self._stopping.is_set():
            for message in consumer.consume(500, _POLL_SECONDS):
                error = message.error()
                if error is not None and error.code() != KafkaError._PARTITION_EOF:
                    raise router_error(KafkaException(error), "read live events")
                if error is None:
                    newest.add(message)
        return newest

    def _of(self, message: Message) -> LiveMessage:
        topic = str(message.topic())
        raw = cast("list[tuple[str, bytes | None]]", message.headers() or [])
        headers = {name: (value or b"").decode(errors="replace") for name, value in raw}
        source = self._of_topic.get(topic) or self._sources.get(headers.get("write-key", ""), "")
        place = f"{topic}:{message.partition()}:{message.offset()}"
        return LiveMessage(self._kinds[topic], place, message.timestamp()[1], message.value() or b"", headers, source)


def _kinds(loaded: Loaded) -> Mapping[str, str]:
    """The topics that are read, and what each of their records says."""
    topics = topics_of(loaded.topology)
    inputs = dict.fromkeys([topics.raw, *source_topics(loaded.topology)], "raw")
    dead = dict.fromkeys(map(topics.dead, loaded.topology.destinations), "dead")
    return inputs | dead | {
        topics.resolved: "resolved", topics.blocked: "blocked", topics.invalid: "invalid",
        topics.violations: "violation", topics.delivery_log: "log",
    }  # fmt: skip
