"""An in-memory Kafka with the client calls that the runtime makes; any effect may be the last before a crash.

Transactions are atomic: their records and offsets appear at commit. What a killed process had not committed is gone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import OFFSET_INVALID, KafkaError, KafkaException, TopicPartition

from router.kafka.partitioner import partition_for

Place = tuple[str, int]
AT = 1_767_225_600_000


class Crash(BaseException):
    """kill -9."""


@dataclass
class Fuse:
    """Counts effects; the process dies right after effect number `last`."""

    last: int | None = None
    burnt: int = 0

    def effect(self) -> None:
        self.check()
        self.burnt += 1
        self.check()

    def check(self) -> None:
        """Nothing happens after death, in whatever thread."""
        if self.last is not None and self.burnt >= self.last:
            raise Crash


@dataclass(frozen=True)
class Entry:
    """A record in a partition, and the message a consumer gets."""

    place: Place
    at: int
    raw: bytes | None
    of_key: bytes | None
    of_headers: Any

    def value(self) -> bytes | None:
        return self.raw

    def key(self) -> bytes | None:
        return self.of_key

    def headers(self) -> Any:
        return self.of_headers

    def topic(self) -> str:
        return self.place[0]

    def partition(self) -> int:
        return self.place[1]

    def offset(self) -> int:
        return self.at

    def timestamp(self) -> tuple[int, int]:
        return 2, AT + self.at

    def error(self) -> None:
        return None

    def __len__(self) -> int:
        return len(self.raw or b"")


@dataclass(frozen=True)
class EndOfPartition(Entry):
    """The event that says there is nothing more to read."""

    def error(self) -> Any:
        return KafkaError(KafkaError._PARTITION_EOF)


@dataclass
class FakeKafka:
    """What survives every crash."""

    partitions: int = 2
    logs: dict[Place, list[Entry]] = field(default_factory=lambda: defaultdict(list))
    offsets: dict[Place, tuple[int, str | None]] = field(default_factory=dict)
    fenced_before: int = 0  # producers made before this count are fenced
    producers: int = 0
    refuse: Callable[[str], KafkaError | None] = lambda _: None

    def append(self, topic: str, value: Any, key: Any, partition: int, headers: Any) -> Entry:
        if partition < 0:
            partition = partition_for(key, self.partitions) if key is not None else 0
        log = self.logs[topic, partition]
        log.append(Entry((topic, partition), len(log), value, key, headers))
        return log[-1]

    def all(self, topic: str) -> list[Entry]:
        return [entry for (name, _), log in sorted(self.logs.items()) if name == topic for entry in log]


class FakeProducer:
    """confluent_kafka.Producer against FakeKafka."""

    def __init__(self, kafka: FakeKafka, fuse: Fuse) -> None:
        self._kafka = kafka
        self._fuse = fuse
        self._number = kafka.producers
        kafka.producers += 1
        self._staged: list[tuple[Any, ...]] | None = None
        self._offsets: list[TopicPartition] = []

    def _alive(self, call: str) -> None:
        self._fuse.check()
        if self._number < self._kafka.fenced_before:
            raise KafkaException(KafkaError(KafkaError._FENCED, "fenced", fatal=True))
        error = self._kafka.refuse(call)
        if error is not None:
            raise KafkaException(error)

    def init_transactions(self, _: float) -> None:
        self._kafka.fenced_before = self._number

    def begin_transaction(self) -> None:
        self._alive("begin")
        self._staged, self._offsets = [], []

    def produce(
        self, topic: str, value: Any, key: Any, partition: int, _: Any, on_delivery: Any, __: int, headers: Any = None
    ) -> None:
        self._alive("produce")
        if self._staged is not None:
            self._staged.append((topic, value, key, partition, headers, on_delivery))
        else:
            self._land(topic, value, key, partition, headers, on_delivery)
            self._fuse.effect()

    def _land(self, topic: str, value: Any, key: Any, partition: int, headers: Any, on_delivery: Any) -> None:
        entry = self._kafka.append(topic, value, key, partition, headers)
        if on_delivery is not None:
            on_delivery(None, entry)

    def send_offsets_to_transaction(self, offsets: list[TopicPartition], _: Any, __: float) -> None:
        self._alive("offsets")
        self._offsets = offsets
        self._fuse.effect()

    def commit_transaction(self, _: float) -> None:
        self._alive("commit")
        assert self._staged is not None
        for record in self._staged:
            self._land(*record)
        self._kafka.offsets |= {(o.topic, o.partition): (o.offset, o.metadata) for o in self._offsets}
        self._staged = None
        self._fuse.effect()

    def abort_transaction(self, _: float) -> None:
        self._staged = None

    def flush(self, _: float) -> int:
        self._fuse.check()
        return 0

    def close(self) -> None:
        return None


class FakeConsumer:
    """confluent_kafka.Consumer against FakeKafka; `deal` is called by the test to give or take partitions."""

    def __init__(self, kafka: FakeKafka, fuse: Fuse, chunk: Callable[[], int] = lambda: 500) -> None:
        self._kafka = kafka
        self._fuse = fuse
        self._chunk = chunk
        self._next: dict[Place, int] = {}
        self._said: set[tuple[Place, int]] = set()
        self._paused: set[Place] = set()
        self._pending: list[tuple[str, list[Place]]] = []
        self._callbacks: Sequence[Callable[[Any, list[TopicPartition]], None]] = ()

    def subscribe(self, topics: list[str], *callbacks: Callable[[Any, list[TopicPartition]], None]) -> None:
        self._callbacks = callbacks

    def deal(self, what: str, places: Sequence[Place] = ()) -> None:
        """`assign`, `revoke` or `lose` at the next consume."""
        self._pending.append((what, list(places)))

    def consume(self, number: int, _: float) -> list[Any]:
        self._fuse.check()
        if self._pending:
            what, places = self._pending.pop(0)
            callback = self._callbacks[("assign", "revoke", "lose").index(what)]
            callback(self, [TopicPartition(*place) for place in places])
            return []
        found: list[Any] = []
        most = min(number, self._chunk())
        for place in sorted(self._next):
            if place in self._paused:
                continue
            log, at = self._kafka.logs[place], self._next[place]
            taken = log[at : at + most - len(found)]
            found += taken
            self._next[place] = at + len(taken)
            if self._next[place] == len(log) and (place, len(log)) not in self._said and len(found) < number:
                self._said.add((place, len(log)))
                found.append(EndOfPartition(place, len(log), None, None, None))
        return found

    def committed(self, partitions: list[TopicPartition], _: float) -> list[TopicPartition]:
        found = []
        for partition in partitions:
            offset, metadata = self._kafka.offsets.get((partition.topic, partition.partition), (OFFSET_INVALID, ""))
            found.append(TopicPartition(partition.topic, partition.partition, offset, metadata=metadata or ""))
        return found

    def commit(self, *, offsets: list[TopicPartition], asynchronous: bool) -> None:
        assert not asynchronous
        self._fuse.check()
        self._kafka.offsets |= {(o.topic, o.partition): (o.offset, o.metadata) for o in offsets}
        self._fuse.effect()

    def assign(self, partitions: list[TopicPartition]) -> None:
        self._next = {(p.topic, p.partition): max(0, p.offset) for p in partitions}
        self._paused, self._said = set(), set()

    def unassign(self) -> None:
        self._next = {}

    def seek(self, partition: TopicPartition) -> None:
        self._next[partition.topic, partition.partition] = max(0, partition.offset)
        self._said = set()

    def pause(self, partitions: list[TopicPartition]) -> None:
        self._paused |= {(p.topic, p.partition) for p in partitions}

    def resume(self, partitions: list[TopicPartition]) -> None:
        self._paused -= {(p.topic, p.partition) for p in partitions}

    def get_watermark_offsets(self, partition: TopicPartition, *_: Any, **__: Any) -> tuple[int, int]:
        return 0, len(self._kafka.logs[partition.topic, partition.partition])

    def consumer_group_metadata(self) -> str:
        return "group"

    def list_topics(self, **_: Any) -> None:
        return None

    def close(self) -> None:
        return None


Settings = Mapping[str, Any]
