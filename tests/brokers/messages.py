"""Producing and reading in tests, with a deadline instead of a fixed wait."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator

from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition

from router.kafka import clients
from router.kafka.cluster import Cluster

DEADLINE = 60.0


def produce(cluster: Cluster, topic: str, values: Iterable[bytes], *, partition: int = 0) -> None:
    """Returns when every value is acknowledged."""
    producer = Producer(clients.producer(cluster))
    errors: list[KafkaError | None] = []
    for value in values:
        producer.produce(topic, value, partition=partition, on_delivery=lambda error, _: errors.append(error))
        producer.poll(0)
    assert producer.flush(DEADLINE) == 0
    assert [error for error in errors if error] == []


def read_all(
    cluster: Cluster, topic: str, *, partition: int = 0, offset: int = 0, uncommitted: bool = False
) -> list[bytes]:
    """The values from an offset to the end of the partition."""
    reader = Consumer(clients.reader(cluster, uncommitted=uncommitted))
    reader.assign([TopicPartition(topic, partition, offset)])
    try:
        return [message.value() or b"" for message in to_the_end(reader)]
    finally:
        reader.close()


def to_the_end(consumer: Consumer) -> Iterator[Message[bytes, bytes]]:
    """Messages until the first end of a partition. Fails on an error or at the deadline."""
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        message = consumer.poll(0.2)
        if message is None:
            continue
        error = message.error()
        if error is None:
            yield message
        elif error.name() == "_PARTITION_EOF":
            return
        else:
            raise AssertionError(str(error))
    raise AssertionError("the end of the partition was not reached in time")


def next_message(consumer: Consumer) -> Message[bytes, bytes]:
    """The next message; ends of partitions are passed over."""
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        message = consumer.poll(0.2)
        if message is not None and message.error() is None:
            return message
    raise AssertionError("no message in time")


def eventually(holds: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + DEADLINE
    while not holds():
        assert time.monotonic() < end, f"not in time: {what}"
        time.sleep(0.02)
