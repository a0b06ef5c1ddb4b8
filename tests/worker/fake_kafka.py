"""An in-memory Kafka with the client calls that consumers and writers make; any effect may be the last before a crash.

Transactions are atomic: their records and offsets appear at commit. What was aborted stays in the log, for readers at
read_uncommitted. With `late_markers` offsets are committed a while before readers at read_committed see the records,
as on a real broker, where each partition gets its own marker. What a killed process had not committed is gone.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
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
    aborted: bool = False

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


@dataclass(frozen=True)
class Gone(Entry):
    """What is due has been deleted."""

    def error(self) -> Any:
        return KafkaError(KafkaError._AUTO_OFFSET_RESET)


@dataclass
class FakeKafka:
    """What survives every crash. `heard` is told of each question before it is answered, `refuse` may answer it."""

    partitions: int = 2
    logs: dict[Place, list[Entry]] = field(default_factory=lambda: defaultdict(list))
    lows: dict[Place, int] = field(default_factory=dict)  # what lies before has been deleted
    offsets: dict[Place, tuple[int, str | None]] = field(default_factory=dict)
    newest: dict[str, int] = field(default_factory=dict)  # by transactional id; producers made before it are fenced
    producers: int = 0
    generation: int = 0  # of the group
    late_markers: bool = False
    unmarked: dict[Place, int] = field(default_factory=dict)  # where readers at read_committed stop meanwhile
    refuse: Callable[[str], KafkaError | None] = lambda _: None
    heard: Callable[[str], object] = lambda _: None

    def append(self, topic: str, value: Any, key: Any, partition: int, headers: Any, *, aborted: bool = False) -> Entry:
        if partition < 0:
            partition = partition_for(key, self.partitions) if key is not None else 0
        log = self.logs[topic, partition]
        log.append(Entry((topic, partition), len(log), value, key, headers, aborted))
        return log[-1]

    def all(self, topic: str) -> list[Entry]:
        """What a reader at read_committed gets in the end."""
        logs = [log for (name, _), log in sorted(self.logs.items()) if name == topic]
        return [entry for log in logs for entry in log if not entry.aborted]

    def end(self, place: Place, *, uncommitted: bool) -> int:
        length = len(self.logs[place])
        return length if uncommitted else self.unmarked.get(place, length)

    def hide(self, places: Iterable[Place]) -> None:
        """The next records there are committed, but not yet marked as such."""
        for place in places:
            self.unmarked.setdefault(place, len(self.logs[place]))


class FakeProducer:
    """confluent_kafka.Producer against FakeKafka."""

    def __init__(self, kafka: FakeKafka, fuse: Fuse, name: str = "route") -> None:
        self._kafka = kafka
        self._fuse = fuse
        self._name = name
        self._number = kafka.producers
        kafka.producers += 1
        self._staged: list[tuple[Any, ...]] | None = None
        self._offsets: list[TopicPartition] = []

    def _alive(self, call: str) -> None:
        self._fuse.check()
        self._kafka.heard(call)
        if self._number < self._kafka.newest.get(self._name, 0):
            raise KafkaException(KafkaError(KafkaError._FENCED, "fenced", fatal=True))
        error = self._kafka.refuse(call)
        if error is not None:
            raise KafkaException(error)

    def init_transactions(self, _: float) -> None:
        self._kafka.newest[self._name] = self._number

    def begin_transaction(self) -> None:
        self._alive("begin")
        self._staged, self._offsets = [], []

    def produce(
        self, topic: str, value: Any, key: Any, partition: int, on_delivery: Any, _: None, __: int, headers: Any = None
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

    def send_offsets_to_transaction(self, offsets: list[TopicPartition], group: Any, _: float) -> None:
        self._alive("offsets")
        if group != self._kafka.generation:
            raise KafkaException(KafkaError(KafkaError.ILLEGAL_GENERATION, "old", False, False, True))
        self._offsets = offsets
        self._fuse.effect()

    def commit_transaction(self, _: float) -> None:
        self._alive("commit")
        assert self._staged is not None
        if self._kafka.late_markers:
            self._kafka.hide({(topic, number) for topic in self._topics() for number in range(self._kafka.partitions)})
        for record in self._staged:
            self._land(*record)
        self._kafka.offsets |= {(o.topic, o.partition): (o.offset, o.metadata) for o in self._offsets}
        self._staged = None
        self._fuse.effect()

    def _topics(self) -> set[str]:
        return {str(record[0]) for record in self._staged or ()}

    def abort_transaction(self, _: float) -> None:
        self._alive("abort")
        for topic, value, key, partition, headers, _report in self._staged or ():
            self._kafka.append(topic, value, key, partition, headers, aborted=True)
        self._staged = None

    def flush(self, _: float) -> int:
        self._fuse.check()
        return 0

    def close(self) -> None:
        return None


class FakeConsumer:
    """confluent_kafka.Consumer against FakeKafka; `deal` is called by the test to give or take partitions.

    `calls` are the calls made, `threads` those that made them.
    """

    def __init__(
        self, kafka: FakeKafka, fuse: Fuse, chunk: Callable[[], int] = lambda: 500, *, uncommitted: bool = False
    ) -> None:
        self._kafka = kafka
        self._fuse = fuse
        self._chunk = chunk
        self._uncommitted = uncommitted
        self._next: dict[Place, int] = {}
        self._said: set[tuple[Place, int]] = set()
        self._paused: set[Place] = set()
        self._pending: list[tuple[str, list[Place]]] = []
        self._callbacks: Sequence[Callable[[Any, list[TopicPartition]], None]] = ()
        self._generation = 0
        self.calls: list[str] = []
        self.threads: set[int] = set()

    def _called(self, call: str) -> None:
        self._fuse.check()
        self.calls.append(call)
        self.threads.add(threading.get_ident())
        self._kafka.heard(call)

    def subscribe(self, topics: list[str], *callbacks: Callable[[Any, list[TopicPartition]], None]) -> None:
        self._callbacks = callbacks

    def deal(self, what: str, places: Sequence[Place] = ()) -> None:
        """`assign`, `revoke` or `lose` at the next consume."""
        self._pending.append((what, list(places)))

    def consume(self, number: int, wait: float) -> list[Any]:
        self._called(f"consume {number} {wait:g}")
        if self._pending:
            self._rebalance(*self._pending.pop(0))
            return []
        found: list[Any] = []
        most = min(number, self._chunk())
        for place in sorted(self._next):
            if place not in self._paused:
                found += self._fetched(place, most - len(found), number - len(found))
        return found

    def _rebalance(self, what: str, places: list[Place]) -> None:
        if what != "revoke":
            self._kafka.generation += 1
        if what == "assign":
            self._generation = self._kafka.generation
        callback = self._callbacks[("assign", "revoke", "lose").index(what)]
        callback(self, [TopicPartition(*place) for place in places])

    def _fetched(self, place: Place, most: int, room: int) -> list[Any]:
        """At most so many messages, and the event that says there are no more."""
        at, end = self._next[place], self._kafka.end(place, uncommitted=self._uncommitted)
        if at < self._kafka.lows.get(place, 0):  # said once; no seek mends it, an assignment does
            said = (place, at) in self._said
            self._said.add((place, at))
            return [] if said else [Gone(place, at, None, None, None)]
        taken = self._kafka.logs[place][at : min(end, at + most)]
        self._next[place] = at + len(taken)
        found: list[Any] = [entry for entry in taken if self._uncommitted or not entry.aborted]
        if self._next[place] == end and (place, end) not in self._said and len(found) < room:
            self._said.add((place, end))
            found.append(EndOfPartition(place, end, None, None, None))
        return found

    def committed(self, partitions: list[TopicPartition], _: float) -> list[TopicPartition]:
        self._called("committed")
        found = []
        for partition in partitions:
            offset, metadata = self._kafka.offsets.get((partition.topic, partition.partition), (OFFSET_INVALID, ""))
            found.append(TopicPartition(partition.topic, partition.partition, offset, metadata=metadata or ""))
        return found

    def commit(self, *, offsets: list[TopicPartition], asynchronous: bool) -> None:
        assert not asynchronous
        self._called("commit offsets")
        if self._generation != self._kafka.generation:
            raise KafkaException(KafkaError(KafkaError.ILLEGAL_GENERATION))
        self._kafka.offsets |= {(o.topic, o.partition): (o.offset, o.metadata) for o in offsets}
        self._fuse.effect()

    def assign(self, partitions: list[TopicPartition]) -> None:
        self._called("assign")
        self._next = {(p.topic, p.partition): max(0, p.offset) for p in partitions}
        self._paused, self._said = set(), set()

    def unassign(self) -> None:
        self._called("unassign")
        self._next = {}

    def seek(self, partition: TopicPartition) -> None:
        self._called("seek")
        place = (partition.topic, partition.partition)
        if self._next[place] >= self._kafka.lows.get(place, 0):
            self._next[place] = max(0, partition.offset)
            self._said = {said for said in self._said if said[0] != place}

    def pause(self, partitions: list[TopicPartition]) -> None:
        """Also throws away what was fetched and not yet given out, be it a message or what is said of a gap."""
        self._called("pause")
        self._paused |= {(p.topic, p.partition) for p in partitions}
        self._said |= {(place, at) for place, at in self._next.items() if at < self._kafka.lows.get(place, 0)}

    def resume(self, partitions: list[TopicPartition]) -> None:
        self._called("resume")
        self._paused -= {(p.topic, p.partition) for p in partitions}

    def get_watermark_offsets(self, partition: TopicPartition, *_: Any, **__: Any) -> tuple[int, int]:
        self._called("watermarks")
        place = (partition.topic, partition.partition)
        return self._kafka.lows.get(place, 0), self._kafka.end(place, uncommitted=self._uncommitted)

    def consumer_group_metadata(self) -> int:
        self._called("group")
        return self._generation

    def list_topics(self, *_: Any, **__: Any) -> None:
        return None

    def close(self) -> None:
        return None
