"""Promises of a real Kafka that the router builds on; the same checks run on every way to get one."""

from __future__ import annotations

import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from router.events.topics import TopicSpec
from router.kafka import clients
from router.kafka.admin import Admin
from router.kafka.cluster import Cluster
from router.kafka.offsets import Committed
from tests.brokers.messages import DEADLINE, next_message, produce, read_all


def check_aborted_records_are_not_read(cluster: Cluster, topic: str) -> None:
    Admin(cluster).create([TopicSpec(topic, 1)])
    producer = Producer(clients.transactional(cluster, topic))
    producer.init_transactions(DEADLINE)
    for value, keep in ((b"kept 1", True), (b"aborted", False), (b"kept 2", True)):
        producer.begin_transaction()
        producer.produce(topic, value)
        if keep:
            producer.commit_transaction(DEADLINE)
        else:
            producer.flush(DEADLINE)
            producer.abort_transaction(DEADLINE)

    assert read_all(cluster, topic) == [b"kept 1", b"kept 2"]
    assert read_all(cluster, topic, uncommitted=True) == [b"kept 1", b"aborted", b"kept 2"]


def check_an_older_producer_is_fenced(cluster: Cluster, topic: str) -> None:
    Admin(cluster).create([TopicSpec(topic, 1)])
    older = Producer(clients.transactional(cluster, topic))
    older.init_transactions(DEADLINE)
    older.begin_transaction()
    older.produce(topic, b"from the zombie")
    older.flush(DEADLINE)

    newer = Producer(clients.transactional(cluster, topic))
    newer.init_transactions(DEADLINE)

    with pytest.raises(KafkaException) as fenced:
        older.commit_transaction(DEADLINE)
    assert fenced.value.args[0].fatal()
    assert fenced.value.args[0].name() in ("_FENCED", "INVALID_PRODUCER_EPOCH", "PRODUCER_FENCED")
    newer.begin_transaction()
    newer.produce(topic, b"from its successor")
    newer.commit_transaction(DEADLINE)
    assert read_all(cluster, topic) == [b"from its successor"]


def check_offsets_and_their_metadata_are_part_of_the_transaction(cluster: Cluster, topic: str) -> None:
    admin = Admin(cluster)
    admin.create([TopicSpec(topic, 1), TopicSpec(f"{topic}.out", 1)])
    produce(cluster, topic, [b"in"])
    consumer = Consumer(clients.consumer(cluster, topic))
    consumer.assign([TopicPartition(topic, 0, 0)])
    next_message(consumer)
    producer = Producer(clients.transactional(cluster, topic))
    producer.init_transactions(DEADLINE)

    for commit in (False, True):
        producer.begin_transaction()
        producer.produce(f"{topic}.out", b"out")
        offsets = [TopicPartition(topic, 0, 1, "received=1")]
        producer.send_offsets_to_transaction(offsets, consumer.consumer_group_metadata(), DEADLINE)
        if not commit:
            producer.abort_transaction(DEADLINE)
            assert admin.committed(topic, [(topic, 0)]) == {}
        else:
            producer.commit_transaction(DEADLINE)
            assert admin.committed(topic, [(topic, 0)]) == {(topic, 0): Committed(1, "received=1")}
    consumer.close()

    assert read_all(cluster, f"{topic}.out") == [b"out"]


CHECKS = (
    check_aborted_records_are_not_read,
    check_an_older_producer_is_fenced,
    check_offsets_and_their_metadata_are_part_of_the_transaction,
)
