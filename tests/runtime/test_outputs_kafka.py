"""What the client tells of each message, on a real Kafka: where the changelog landed, and what the broker refused."""

from __future__ import annotations

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from ops.checker import read
from router.errors import Unavailable
from router.events.topics import TopicSpec
from router.kafka import clients
from router.kafka.admin import Admin
from router.kafka.cluster import Cluster
from router.kafka.offsets import GroupOffsets
from router.runtime.outputs import ByTurns, OutputFirst, Transactional, Work

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


def work(cluster: Cluster, unique: str, size: int = 10) -> Work:
    topic, value = f"{unique}.out", b"x" * size
    fans = [((topic, topic), value, b"k", [("source", b"web")])] * 3
    return Work([(topic, value, None, None)], {0: b"rows", 2: b"rows"}, [], group(cluster, unique), fans)  # type: ignore[arg-type]


def transactional(cluster: Cluster, unique: str) -> Transactional:
    return Transactional(Producer(clients.transactional(cluster, unique)), f"{unique}.log")


def test_a_transaction_tells_where_its_changelog_landed(cluster: Cluster, unique: str) -> None:
    """Without it no checkpoint is ever written, and each start reads the whole changelog."""
    outputs = transactional(cluster, unique)

    assert outputs.commit(work(cluster, unique)) == {0: 1, 2: 1}
    assert outputs.commit(work(cluster, unique)) == {0: 3, 2: 3}  # behind the marker of the first
    outputs.close()


def test_output_first_tells_where_its_changelog_landed(cluster: Cluster, unique: str) -> None:
    outputs = OutputFirst(Producer(clients.producer(cluster)), f"{unique}.log")

    assert outputs.commit(work(cluster, unique)) == {0: 1, 2: 1}
    outputs.close()


def test_what_the_broker_refuses_is_not_taken_for_done(cluster: Cluster, unique: str) -> None:
    outputs = OutputFirst(Producer(clients.producer(cluster) | {"compression.type": "none"}), f"{unique}.log")

    with pytest.raises(Unavailable, match="did not take"):
        outputs.commit(work(cluster, unique, size=5000))


def test_transactions_by_turns_stand_in_their_order_and_the_last_offset_counts(cluster: Cluster, unique: str) -> None:
    """Each begins while the broker may still be ending the one before."""
    names = (unique, f"{unique}-other")
    outputs = ByTurns(
        *(Transactional(Producer(clients.transactional(cluster, name)), f"{unique}.log") for name in names)
    )
    place = f"{unique}.log", 0
    member = group_in_use(cluster, unique, place[0])
    for number in range(50):
        record = (f"{unique}.out", b"%d" % number, None, None)
        outputs.commit(Work([record], {0: b"rows"}, [TopicPartition(*place, number)], member))
    outputs.close()

    assert [int(message.value() or b"") for message in read(cluster, f"{unique}.out")] == list(range(50))
    with GroupOffsets(cluster, unique) as offsets:
        assert offsets.committed([place])[place].offset == 49
