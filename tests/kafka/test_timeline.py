"""A topic by turns: each partition in its order, so many of one in a row, the oldest first."""

from __future__ import annotations

from itertools import groupby
from uuid import uuid4

import pytest
from confluent_kafka import Producer

from router.embedded.broker import EmbeddedBroker
from router.kafka import clients
from router.kafka.admin import Admin, Watermarks
from router.kafka.cluster import Cluster
from router.kafka.timeline import by_turns

PARTITIONS, EACH = 3, 10
Messages = list[tuple[int, int]]  # partition and offset


@pytest.fixture
def topic(embedded: EmbeddedBroker) -> tuple[Cluster, str]:
    """Message `n` of partition `p` is of the second 3 n + p."""
    name = f"turns.{uuid4().hex[:8]}"
    embedded.create_topics({name: PARTITIONS})
    producer = Producer(clients.producer(embedded.cluster))
    for number in range(PARTITIONS * EACH):
        producer.produce(name, str(number), partition=number % PARTITIONS, timestamp=1_767_225_600_000 + number * 1000)
    assert producer.flush(30) == 0
    return embedded.cluster, name


def read(topic: tuple[Cluster, str], run: int, **only: int) -> Messages:
    cluster, name = topic
    bounds = {
        number: Watermarks(only.get("low", at.low), only.get("high", at.high))
        for (_, number), at in Admin(cluster).watermarks([(name, number) for number in range(PARTITIONS)]).items()
    }
    return [(one.partition() or 0, one.offset() or 0) for one in by_turns(cluster, name, bounds, run)]


def test_with_one_in_a_row_all_come_in_the_order_of_time(topic: tuple[Cluster, str]) -> None:
    assert read(topic, 1) == [(number % PARTITIONS, number // PARTITIONS) for number in range(PARTITIONS * EACH)]


def test_so_many_of_one_partition_come_in_a_row_and_none_is_missed(topic: tuple[Cluster, str]) -> None:
    found = read(topic, 4)

    turns = [(number, len(list(turn))) for number, turn in groupby(number for number, _ in found)]
    assert turns == [(0, 4), (1, 4), (2, 4)] * 2 + [(0, 2), (1, 2), (2, 2)]
    for partition in range(PARTITIONS):
        assert [offset for number, offset in found if number == partition] == list(range(EACH))


def test_only_what_is_within_the_bounds_comes(topic: tuple[Cluster, str]) -> None:
    assert sorted(read(topic, 4, low=2, high=5)) == [(p, at) for p in range(PARTITIONS) for at in (2, 3, 4)]
    assert read(topic, 4, low=3, high=3) == []
