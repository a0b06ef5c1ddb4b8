"""A gap in a source topic: what the broker has dropped is counted as lost, and reading goes on behind it."""

from __future__ import annotations

import time

import pytest
from confluent_kafka import Consumer, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from router import metrics
from router.events.topics import TopicSpec
from router.kafka import clients
from router.kafka.admin import Admin
from router.kafka.cluster import Cluster
from router.kafka.group_consumer import GroupConsumer
from tests.kafka.test_group_consumer import KINDS, Partition, member_of


def read_until(consumer: GroupConsumer[Partition], count: int) -> list[Message]:
    """What the consumer gives, until there are `count` messages or a minute is over."""
    found: list[Message] = []
    deadline = time.monotonic() + 60
    while len(found) < count and time.monotonic() < deadline:
        found += consumer.read(0.2)
    return found


def commit(consumer: Consumer, offset: TopicPartition) -> None:
    """Commit; a broker that has just started may still be loading its offsets."""
    deadline = time.monotonic() + 60
    while True:
        try:
            consumer.commit(offsets=[offset], asynchronous=False)
            return
        except KafkaException:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


@pytest.mark.parametrize("kind", KINDS)
def test_messages_that_retention_took_are_counted_and_reading_goes_on(
    kafka: str, unique: str, kind: type[GroupConsumer[Partition]]
) -> None:
    """Ten messages, two committed, then the first seven deleted: five are lost, three are read."""
    cluster = Cluster(kafka)
    Admin(cluster).create([TopicSpec(unique, 1)])
    producer = Producer(clients.producer(cluster))
    for number in range(10):
        producer.produce(unique, str(number).encode())
    assert producer.flush(30) == 0
    settings = clients.consumer(cluster, unique)
    before = Consumer(settings)
    commit(before, TopicPartition(unique, 0, 2))
    before.close()
    client = AdminClient({"bootstrap.servers": kafka})
    for answer in client.delete_records([TopicPartition(unique, 0, 7)]).values():
        answer.result(30)

    consumer = member_of(cluster, unique, [unique], kind)
    while not consumer.partitions:
        consumer.read(0.2)
    consumer.set_paused(())
    found = read_until(consumer, 3)
    consumer.close()

    assert [message.value() for message in found] == [b"7", b"8", b"9"]
    assert metrics.LOST.labels(unique, "0")._value.get() == 5
