"""What the client tells of each message, on a real Kafka: where the changelog landed, and what the broker refused."""

from __future__ import annotations

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from ops.checker import read
from router.errors import Unavailable
from router.events.fans import Fan, FanHeaders
from router.events.records import Record
from router.events.topics import TopicSpec
from router.kafka import clients
from router.kafka.admin import Admin
from router.kafka.cluster import Cluster
from router.kafka.native_producer import FEWEST, native_producer
from router.kafka.offsets import GroupOffsets
from router.kafka.transactions import AlternatingWriters, TransactionAborted, TransactionalWriter
from router.kafka.writer import Writer
from router.native.library import native
from router.worker.checkpoint import AtLeastOnce, Checkpoint, CommitBatch, ExactlyOnce

pytestmark = pytest.mark.kafka


@pytest.fixture
def cluster(kafka: str, unique: str) -> Cluster:
    cluster = Cluster(kafka)
    small = {"max.message.bytes": "2000"}
    Admin(cluster).create([TopicSpec(f"{unique}.log", 3), TopicSpec(f"{unique}.out", 1, small)])
    return cluster


def group(cluster: Cluster, name: str) -> object:
    consumer = Consumer(clients.consumer(cluster, name))
    metadata = consumer.consumer_group_metadata()
    consumer.close()
    return metadata


def group_in_use(cluster: Cluster, name: str, topic: str) -> object:
    """The client waits without end for the coordinator of a group that nobody has ever used."""
    consumer = Consumer(clients.consumer(cluster, name))
    consumer.commit(offsets=[TopicPartition(topic, 0, 0)], asynchronous=False)
    metadata = consumer.consumer_group_metadata()
    consumer.close()
    return metadata


def publish(checkpoint: Checkpoint, cluster: Cluster, unique: str, size: int = 10) -> dict[int, int]:
    topic, value = f"{unique}.out", b"x" * size
    shared: list[Fan] = [((topic, topic), value, b"k", FanHeaders.alike([("source", b"web")]))] * 3
    changelog = {0: b"rows", 2: b"rows"}
    batch = CommitBatch([(topic, value, None, None)], [], group(cluster, unique), shared, changelog)
    checkpoint.publish(batch)
    return batch.landed


def writer(cluster: Cluster, unique: str, suffix: str = "") -> TransactionalWriter:
    return TransactionalWriter(Producer(clients.transactional(cluster, unique + suffix)), f"{unique}.log")


def at_least_once(cluster: Cluster, unique: str, **settings: str) -> AtLeastOnce:
    return AtLeastOnce(Writer(Producer(clients.producer(cluster) | settings), f"{unique}.log"), None)


def test_a_transaction_tells_where_its_changelog_landed(cluster: Cluster, unique: str) -> None:
    """Without it no checkpoint is ever written, and each start reads the whole changelog."""
    checkpoint = ExactlyOnce(writer(cluster, unique))

    assert publish(checkpoint, cluster, unique) == {0: 1, 2: 1}
    assert publish(checkpoint, cluster, unique) == {0: 3, 2: 3}  # behind the marker of the first
    checkpoint.close()


def test_at_least_once_tells_where_its_changelog_landed(cluster: Cluster, unique: str) -> None:
    checkpoint = at_least_once(cluster, unique)

    assert publish(checkpoint, cluster, unique) == {0: 1, 2: 1}
    checkpoint.close()


def test_what_the_broker_refuses_is_not_taken_for_done(cluster: Cluster, unique: str) -> None:
    checkpoint = at_least_once(cluster, unique, **{"compression.type": "none"})

    with pytest.raises(Unavailable, match="did not take"):
        publish(checkpoint, cluster, unique, size=5000)


def test_transactions_by_turns_stand_in_their_order_and_the_last_offset_counts(cluster: Cluster, unique: str) -> None:
    """Each begins while the broker may still be ending the one before."""
    checkpoint = ExactlyOnce(AlternatingWriters(writer(cluster, unique), writer(cluster, unique, "-other")))
    place = f"{unique}.log", 0
    member = group_in_use(cluster, unique, place[0])
    for number in range(50):
        record: Record = (f"{unique}.out", b"%d" % number, None, None)
        checkpoint.publish(CommitBatch([record], [TopicPartition(*place, number)], member, changelog={0: b"rows"}))
    checkpoint.close()

    assert [int(message.value() or b"") for message in read(cluster, f"{unique}.out")] == list(range(50))
    with GroupOffsets(cluster, unique) as offsets:
        assert offsets.committed([place])[place].offset == 49


@pytest.mark.skipif(native().library is None, reason=f"the native library is {native()}")
def test_what_the_native_loop_produces_is_part_of_the_transaction(cluster: Cluster, unique: str) -> None:
    """Its messages carry no callback, so nothing but the commit says that the broker refused one."""
    plain = {"compression.type": "none", "batch.size": 1000}
    producer, loop = native_producer(clients.transactional(cluster, unique) | plain)
    one = TransactionalWriter(producer, f"{unique}.log", native=loop)
    checkpoint, member, topic = ExactlyOnce(one), group(cluster, unique), f"{unique}.out"
    headers = FanHeaders.alike([("source", b"web")])
    fans: list[Fan] = [((topic, topic), b"%d" % number, b"k", headers) for number in range(FEWEST)]

    checkpoint.publish(CommitBatch([], [], member, fans, {0: b"rows"}))
    with pytest.raises(TransactionAborted):
        checkpoint.publish(CommitBatch([], [], member, [*fans, ((topic,), b"x" * 5000, b"k", FanHeaders.alike([]))]))
    checkpoint.close()

    assert one.native
    found = [int(message.value() or b"") for message in read(cluster, topic)]
    assert found == [number for number in range(FEWEST) for _ in range(2)]
