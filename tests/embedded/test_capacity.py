"""Capacity: only where a broker needs it, and by the sizes of the topics that are watched alone."""

from __future__ import annotations

from dataclasses import replace

from router.config.models import Topology
from router.config.topics import topics_of
from router.embedded.backlog import LIMIT_BYTES
from router.embedded.broker import EmbeddedBroker, recognised
from router.embedded.capacity import capacity_of, destination_topics, source_and_destination_topics
from router.kafka.cluster import EMBEDDED, KAFKA, Cluster
from tests.brokers.messages import eventually


def topology(name: str) -> Topology:
    lake = {"type": "file", "settings": {"path": "./out"}}
    return Topology.model_validate(
        {
            "name": name,
            "topics": {"prefix": f"{name}.", "partitions": 2},
            "sources": {"web": {"write_keys": ["k"]}, "orders": {"topics": [f"{name}-orders"]}},
            "destinations": {"lake": lake, "off": {**lake, "enabled": False}},
        }
    )


def test_the_topics_are_those_that_a_process_fills() -> None:
    """Each with its reader; a disabled destination has none, and gets nothing."""
    shop = topology("shop")
    topics = topics_of(shop)
    lake = (topics.destination("lake"), topics.deliver_group("lake"))
    assert list(destination_topics(shop)) == [lake]
    raw = [(topic, topics.route_group) for topic in (topics.raw, "shop-orders")]
    assert list(source_and_destination_topics(shop)) == [*raw, lake]


def test_a_broker_with_retention_needs_none() -> None:
    with capacity_of(Cluster("127.0.0.1:1"), topology("shop")) as capacity:
        assert capacity is None


def test_what_is_noted_counts_until_it_is_committed(embedded: EmbeddedBroker, unique: str) -> None:
    """Records of other topics do not count, and without a key a record counts for some partition."""
    shop = topology(unique)
    embedded.create_topics({topic: 2 for topic, _ in source_and_destination_topics(shop)})
    big = b"x" * (LIMIT_BYTES + 1)
    with capacity_of(embedded.cluster, shop) as capacity:
        assert capacity is not None
        eventually(lambda: capacity.known, "a first measurement")
        assert capacity.free()
        capacity.note([(topics_of(shop).invalid, big, b"k", None)])
        assert capacity.free()
        capacity.note([(topics_of(shop).raw, big, None, None)])
        assert not capacity.free()


def test_a_broker_of_another_process_is_recognised(embedded: EmbeddedBroker) -> None:
    assert recognised(Cluster(embedded.bootstrap)).capabilities == EMBEDDED
    assert recognised(replace(embedded.cluster, capabilities=KAFKA)) == embedded.cluster
