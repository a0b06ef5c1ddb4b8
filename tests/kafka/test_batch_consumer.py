"""A group's member that reads by the native loop has what one has that reads by the Python client."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from confluent_kafka import KafkaError, Producer, TopicPartition

from router.embedded.mock import MockCluster
from router.errors import Unavailable
from router.events.message_batch import MessageBatch, joined, lanes_of
from router.kafka import clients
from router.kafka.batch_consumer import BatchConsumer
from router.kafka.cluster import Cluster
from router.kafka.group_consumer import GroupConsumer
from router.kafka.native_reader import native_reader
from router.kafka.transactions import CommitRefused
from router.native.library import native
from tests.kafka.test_group_consumer import Owner, Partition

TOPICS, PARTITIONS, COUNT = ("raw", "keyed"), 3, 3000

pytestmark = pytest.mark.skipif(native().library is None, reason=f"the native library is {native()}")


@pytest.fixture(scope="module")
def cluster() -> Cluster:
    """With messages of all kinds: with and without keys, values and headers, and with empty ones."""
    mock = MockCluster()
    for topic in TOPICS:
        mock.create(topic, PARTITIONS)
    producer = Producer(clients.producer(Cluster(mock.bootstrap)))
    for number in range(COUNT):
        value = None if number % 7 == 0 else b"" if number % 7 == 1 else b'{"number":%d}' % number
        key = None if number % 5 == 0 else b"" if number % 5 == 1 else b"k%d" % number
        headers: Any = [("write-key", b"k"), ("empty", b""), ("none", None), ("größe", b"\0\xff")][: number % 5]
        producer.produce(TOPICS[number % 2], value, key, number % PARTITIONS, headers=headers, timestamp=1000 + number)
    assert producer.flush(30) == 0
    return Cluster(mock.bootstrap)


Opened = Callable[..., GroupConsumer[Partition]]


@pytest.fixture
def opened(cluster: Cluster, unique: str) -> Iterator[Opened]:
    """Members of groups of their own, with all partitions."""
    made: list[GroupConsumer[Partition]] = []

    def member(kind: type[GroupConsumer[Partition]] = BatchConsumer, most: int = 400) -> GroupConsumer[Partition]:
        consumer = kind(clients.consumer(cluster, f"{unique}.{len(made)}"), TOPICS, Partition.open, most=most)
        made.append(consumer)
        consumer.join(Owner())
        while not consumer.partitions:
            consumer.read(0.1)
        consumer.set_paused(())
        return consumer

    yield member
    for consumer in made:
        consumer.close()


Message = tuple[Any, ...]


def described(messages: Sequence[Any]) -> dict[tuple[str, int], list[Message]]:
    """All of each message, by partition."""
    found: dict[tuple[str, int], list[Message]] = {}
    for one in messages:
        said = one.offset(), one.timestamp(), one.key(), one.value(), one.headers()
        found.setdefault((one.topic(), one.partition()), []).append(said)
    return found


def read(consumer: GroupConsumer[Partition], count: int) -> list[Any]:
    """The next messages, at least so many."""
    found: list[Any] = []
    while len(found) < count:
        found += consumer.read(0.5)
    return found


def test_messages_are_those_of_the_python_client(opened: Opened) -> None:
    by_loop, by_client = read(opened(), COUNT), read(opened(GroupConsumer), COUNT)

    assert described(by_loop) == described(by_client)
    assert [len(each) for each in described(by_loop).values()] == [COUNT // 6] * 6


def test_without_the_library_the_python_client_reads(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROUTER_NATIVE", "0")
    consumer = opened()

    assert isinstance(consumer.read(0.5), list)


def test_a_batch_is_cut_by_its_messages_and_by_its_bytes(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    consumer = opened(most=100)
    read(consumer, 1)  # the client has something by now
    sizes = [len(consumer.read(0.5)) for _ in range(3)]
    monkeypatch.setattr("router.kafka.batch_consumer.BATCH_BYTES", 0)

    assert sizes == [100, 100, 100]
    assert len(consumer.read(0.5)) == 1  # what is one message too many


def test_reading_moves_each_partition_past_its_messages(opened: Opened) -> None:
    consumer = opened()
    batch = read(consumer, 1000)

    last = {place: said[-1][0] for place, said in described(batch).items()}

    assert {one.place: one.next - 1 for one in consumer.advanced()} == last
    assert consumer.advanced() == []


def test_each_message_is_of_the_lane_of_its_partition(opened: Opened) -> None:
    consumer = opened()
    batch = read_batch(consumer)

    assert isinstance(batch, MessageBatch)
    assert lanes_of(batch, consumer.index).tolist() == lanes_of(list(batch), consumer.index).tolist()
    assert described(batch[2:5]) == described([batch[2], batch[3], batch[4]])
    assert described([batch[-1]]) == described(list(batch)[-1:])


def test_two_batches_become_one(opened: Opened) -> None:
    consumer = opened(most=50)
    one, other = read_batch(consumer), read_batch(consumer)

    both = joined(one, other)

    assert isinstance(both, MessageBatch)
    assert described(both) == described([*one, *other])
    assert described(joined(list(one), other)) == described(both)


def read_batch(consumer: GroupConsumer[Partition]) -> Sequence[Any]:
    while not (batch := consumer.read(0.5)):
        pass
    return batch


def test_after_a_pause_reading_goes_on_where_it_was(opened: Opened) -> None:
    """What was fetched before the pause is neither read in it nor lost by it."""
    consumer = opened(most=70)
    found = read(consumer, 70)
    for _ in range(5):
        consumer.set_paused(consumer.partitions)
        for _ in range(3):
            consumer.stay(0.05)
        consumer.set_paused(())
        found += read(consumer, 70)
    found += read(consumer, COUNT - len(found))

    assert all([one[0] for one in said] == list(range(COUNT // 6)) for said in described(found).values())


def test_a_rewind_reads_again_from_what_is_committed(opened: Opened) -> None:
    consumer = opened(most=70)
    read(consumer, 500)
    for state in consumer.partitions:
        state.committed = 10

    consumer.rewind()
    found = read(consumer, COUNT - 60)

    assert all([one[0] for one in said] == list(range(10, COUNT // 6)) for said in described(found).values())


def test_each_end_is_told(opened: Opened) -> None:
    consumer = opened()
    read(consumer, COUNT)
    for _ in range(50):
        if all(one.at_end for one in consumer.partitions):
            break
        consumer.read(0.1)
    assert all(one.at_end for one in consumer.partitions)


def test_another_member_takes_over_where_the_first_has_committed(cluster: Cluster, unique: str) -> None:
    """Partitions go while their messages wait in the loop's queue: none of them is read by both, none by neither."""
    settings = clients.consumer(cluster, unique)
    seen: list[tuple[str, int, int]] = []
    stopped = threading.Event()

    def member() -> None:
        consumer = BatchConsumer(settings, TOPICS, Partition.open, most=60)
        consumer.join(Resumed(consumer))
        while not stopped.is_set() and len(seen) < COUNT:
            batch = consumer.read(0.05)
            if not batch:
                continue
            try:
                consumer.commit([TopicPartition(*one.place, one.next) for one in consumer.advanced()])
            except CommitRefused:  # the partitions are about to go: who has them next reads this again
                continue
            seen.extend((one.topic(), one.partition(), one.offset()) for one in batch)
            stopped.wait(0.02)
        consumer.close()

    threads = [threading.Thread(target=member) for _ in range(2)]
    threads[0].start()
    while len(seen) < 300:
        stopped.wait(0.02)
    threads[1].start()
    for thread in threads:
        thread.join(60)
    stopped.set()

    assert len(seen) == len(set(seen)) == COUNT


class Resumed(Owner):
    """Lets partitions go on with the next read."""

    def __init__(self, consumer: BatchConsumer[Partition]) -> None:
        super().__init__()
        self._consumer = consumer

    def assigned(self, partitions: list[Partition]) -> None:
        self._consumer.set_paused(())


def test_what_is_said_of_a_partition_comes_with_its_place(cluster: Cluster, unique: str) -> None:
    client, reader = native_reader(clients.consumer(cluster, unique), 10)
    assert reader is not None
    reader.follow([("raw", 2)])
    client.assign([TopicPartition("raw", 2, 10 * COUNT)])
    errors: list[Any] = []
    for _ in range(100):
        client.poll(0)
        errors += reader.read(100, 1000)[2]
        if errors:
            break
    reader.close()
    reader.close()
    client.close()

    assert errors[0].place == ("raw", 2)
    assert errors[0].error.code() == KafkaError._AUTO_OFFSET_RESET
    assert "out of range" in errors[0].error.str()


def test_a_partition_without_a_queue_is_refused(cluster: Cluster, unique: str, monkeypatch: pytest.MonkeyPatch) -> None:
    client, reader = native_reader(clients.consumer(cluster, unique), 10)
    assert reader is not None
    monkeypatch.setattr(reader._functions, "queue_of", lambda *_: None)

    with pytest.raises(Unavailable, match="no queue of raw \\[0\\]"):
        reader.follow([("raw", 0)])

    reader.close()
    client.close()
