"""Reads who was sent what within the time of a cap, when partitions are assigned, before anything of them is delivered.

As with the retry lane (`router.delivery.retry_reader`), a partition of `dest.<name>.caps` belongs to whoever owns the
same one of `dest.<name>`. It writes nothing, so kill -9 changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from confluent_kafka import Consumer

from router.delivery.retry_reader import read_to_end
from router.errors import Unavailable
from router.kafka import clients
from router.kafka.admin import Admin
from router.kafka.cluster import Cluster
from router.kafka.failure import translated


def check_topic(cluster: Cluster, topic: str, beside: str) -> None:
    """Raises Unavailable where the state of a cap cannot be kept: it was added, and its topic not yet.

    It needs as many partitions as the topic `beside` it, which is the destination's.
    """
    with translated(f"look for {topic}"):
        topics = Admin(cluster).topics()
    found, partitions = topics.get(topic, 0), topics.get(beside, 0)
    if found != partitions:
        there = f"it has {found} partitions, not {partitions}" if found else "it is not there"
        advice = "run `router topics apply`" if cluster.capabilities.topic_administration else "start the broker anew"
        raise Unavailable(f"delivery.cap keeps its state in {topic}; {there}: {advice}")


def read_caps(cluster: Cluster, topic: str, numbers: Iterable[int]) -> list[tuple[bytes | None, bytes | None]]:
    """Keys and values of these partitions, in the order of each. Raises Unavailable."""
    places = [(topic, number) for number in numbers]
    if not places:
        return []
    with translated(f"read {topic}"):
        ends = Admin(cluster).watermarks(places)
        consumer = Consumer(clients.reader(cluster))
        try:
            return [pair for place in places for pair in _pairs(consumer, *place, ends[place].low, ends[place].high)]
        finally:
            consumer.close()


def _pairs(
    consumer: Consumer, topic: str, number: int, low: int, high: int
) -> Iterator[tuple[bytes | None, bytes | None]]:
    for message in read_to_end(consumer, topic, number, low, high):
        yield message.key(), message.value()
