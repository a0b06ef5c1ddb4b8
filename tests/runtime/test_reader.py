"""The reading side: batches of what is there, never waited for; offsets of its own; what the broker says in between."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from router.errors import Unavailable
from router.events.topics import TopicSpec
from router.kafka import clients
from router.kafka.admin import Admin
from router.kafka.cluster import Cluster
from router.runtime import reader as reader_module
from router.runtime.reader import Reader
from tests.runtime.fake_kafka import FakeConsumer, FakeKafka, Fuse, Place

RAW, OTHER = "events.raw", "events.keyed"
PLACES: list[Place] = [(RAW, 0), (RAW, 1)]
WAIT_SECONDS = 60.0


class Group:
    """A reader over an in-memory Kafka, its partitions given."""

    def __init__(self, sizes: Sequence[int], value: bytes = b"x", chunk: int = 500) -> None:
        self.kafka = FakeKafka()
        for place, size in zip(PLACES, sizes, strict=True):
            for _ in range(size):
                self.kafka.append(place[0], value, None, place[1], None)
        self.consumer = FakeConsumer(self.kafka, Fuse(), lambda: chunk)
        self.lost: list[bool] = []
        self.gained = 0
        self.reader = Reader(lambda _: self.consumer, [RAW], self._gain, self.lost.append)  # type: ignore[arg-type, return-value]
        self.consumer.deal("assign", PLACES)
        self.reader.read(0)
        self.reader.resume()
        self.consumer.calls.clear()

    def _gain(self) -> None:
        self.gained += 1


def test_only_the_first_message_is_waited_for() -> None:
    """A batch grows with the load, by itself; a `consume` that waits to fill would make every event late."""
    group = Group([700, 0])

    batch = group.reader.read(0.2)

    assert len(batch) == 700
    assert [call for call in group.consumer.calls if call.startswith("consume")][:2] == [
        "consume 1 0.2",
        "consume 500 0",
    ]
    assert all(call.endswith(" 0") for call in group.consumer.calls if call.startswith("consume 500"))


def test_a_batch_has_at_most_two_thousand_messages() -> None:
    group = Group([3000, 3000])

    sizes = [len(group.reader.read(0)) for _ in range(4)]

    assert sizes == [2000, 2000, 2000, 0]


def test_a_batch_of_large_messages_is_cut_by_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that memory is bounded, whatever the events weigh."""
    monkeypatch.setattr(reader_module, "BATCH_BYTES", 60_000)
    group = Group([2000, 0], value=b"x" * 100)

    assert len(group.reader.read(0)) == 1001  # the first one, and chunks of 500 until it is too much


def test_messages_are_advanced_past_by_partition() -> None:
    group = Group([3, 2])

    batch = group.reader.read(0)
    moved = group.reader.advance(batch)

    assert [(lane.partition, lane.next) for lane in moved] == [(0, 3), (1, 2)]
    assert group.reader.watermark_ms(0) == 0
    assert all(lane.at_end for lane in moved)


def test_the_window_moves_with_the_slowest_partition() -> None:
    """Ids may be dropped only once every partition has read past them, or has nothing to read."""
    reader = Group([1, 1]).reader
    slow, fast = reader.lanes
    slow.reached_ms, fast.reached_ms = 100, 200
    slow.next = fast.next = 5

    assert reader.watermark_ms(900) == 100
    slow.end = 5
    assert reader.watermark_ms(900) == 200
    fast.end = 5
    assert reader.watermark_ms(900) == 900


@pytest.mark.parametrize(
    "code", [KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError._MAX_POLL_EXCEEDED, KafkaError._UNKNOWN_TOPIC]
)
def test_what_no_waiting_mends_ends_the_worker(code: int) -> None:
    group = Group([1, 1])
    group.consumer.consume = lambda *_: [Failed(code)]  # type: ignore[method-assign]

    with pytest.raises(Unavailable):
        group.reader.read(0)


def test_a_passing_error_is_told_and_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    group = Group([1, 1])
    answers: Iterator[list[Any]] = iter([[Failed(KafkaError._TRANSPORT)], []])
    group.consumer.consume = lambda *_: next(answers)  # type: ignore[method-assign]

    assert group.reader.read(0) == []
    assert RAW in caplog.text


class Failed:
    """An error in a message's place."""

    def __init__(self, code: int) -> None:
        self._error = KafkaError(code)

    def error(self) -> KafkaError:
        return self._error

    def topic(self) -> str:
        return RAW

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return 0

    def __len__(self) -> int:
        return 0


def test_a_commit_that_comes_too_late_is_no_fault() -> None:
    """The partitions have gone; their next owner reads the events again."""
    group = Group([1, 1])
    group.kafka.generation += 1

    group.reader.commit([TopicPartition(RAW, 0, 1)])

    assert group.kafka.offsets == {}


def test_a_commit_that_the_broker_refuses_ends_the_worker() -> None:
    group = Group([1, 1])

    def refuse(**_: Any) -> None:
        raise KafkaException(KafkaError(KafkaError.GROUP_AUTHORIZATION_FAILED))

    group.consumer.commit = refuse  # type: ignore[method-assign]

    with pytest.raises(Unavailable):
        group.reader.commit([TopicPartition(RAW, 0, 1)])


def test_committed_offsets_are_asked_for_until_they_are_stable(monkeypatch: pytest.MonkeyPatch) -> None:
    """A transaction that is still open may commit them."""
    unstable = [KafkaError(KafkaError.UNSTABLE_OFFSET_COMMIT)] * 3
    original = FakeConsumer.committed

    def committed(consumer: FakeConsumer, partitions: list[TopicPartition], seconds: float) -> list[TopicPartition]:
        if unstable:
            raise KafkaException(unstable.pop())
        return original(consumer, partitions, seconds)

    monkeypatch.setattr(FakeConsumer, "committed", committed)

    group = Group([1, 1])

    assert not unstable
    assert group.gained == 1


# On a real Kafka


@pytest.fixture
def cluster(kafka: str) -> Cluster:
    return Cluster(kafka)


def test_the_end_is_said_again_after_a_rewind(cluster: Cluster, unique: str) -> None:
    """Without it, a worker that has redone its last batch would not know that there is nothing to read."""
    topic = _topic(cluster, unique, 1)
    producer = Producer(clients.transactional(cluster, unique))
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(topic, b"one", partition=0)
    producer.commit_transaction(30)
    reader = Reader(lambda on_error: Consumer(clients.consumer(cluster, unique)), [topic], lambda: None, lambda _: None)
    try:
        _until(lambda: bool(reader.lanes), reader)
        reader.resume()
        _until(lambda: reader.lanes[0].at_end, reader)
        assert reader.lag(reader.lanes[0]) > 0  # the marker
        reader.lanes[0].committed = 0

        reader.rewind()

        assert not reader.lanes[0].at_end
        assert reader.lanes[0].next == 0
        _until(lambda: reader.lanes[0].at_end, reader)
        assert reader.lanes[0].next == 1
    finally:
        reader.close()


def test_partitions_of_one_number_have_one_owner(cluster: Cluster, unique: str) -> None:
    """Raw, keyed and source topics share the changelog's partition, so they must meet in one worker."""
    topics = [_topic(cluster, f"{unique}.{number}", 3) for number in range(3)]
    over = threading.Event()
    owned: list[dict[str, set[int]]] = [{}, {}]

    def member(index: int) -> None:
        reader = Reader(
            lambda on_error: Consumer(clients.consumer(cluster, unique)), topics, lambda: None, lambda _: None
        )
        while not over.is_set():
            reader.read(0.05)
            owned[index] = _by_topic([(lane.topic, lane.partition) for lane in reader.lanes])
        reader.close()

    threads = [threading.Thread(target=member, args=(index,)) for index in range(2)]
    for thread in threads:
        thread.start()
    try:
        until = time.monotonic() + WAIT_SECONDS
        while not all(len(mine) == len(topics) for mine in owned) and time.monotonic() < until:
            time.sleep(0.05)
        seen = [dict(mine) for mine in owned]
    finally:
        over.set()
        for thread in threads:
            thread.join()

    for mine in seen:
        assert len(mine) == len(topics)
        assert len({frozenset(numbers) for numbers in mine.values()}) == 1


def _by_topic(places: Sequence[Place]) -> dict[str, set[int]]:
    found: dict[str, set[int]] = {}
    for topic, number in places:
        found.setdefault(topic, set()).add(number)
    return found


def _topic(cluster: Cluster, name: str, partitions: int) -> str:
    Admin(cluster).create([TopicSpec(name, partitions)])
    return name


def _until(over: Any, reader: Reader) -> None:
    until = time.monotonic() + WAIT_SECONDS
    while not over():
        assert time.monotonic() < until, "not in time"
        reader.advance(reader.read(0.05))
