from __future__ import annotations

import os
import random
import time
from dataclasses import replace

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from router.embedded.backlog import LIMIT_MESSAGES, STALE_SECONDS, Backlog
from router.embedded.broker import EmbeddedBroker
from router.errors import RouterError, Unavailable
from router.kafka import clients
from router.kafka.admin import Admin
from router.kafka.cluster import Cluster
from tests.brokers.messages import DEADLINE, eventually, produce


def cluster_of(broker: EmbeddedBroker) -> Cluster:
    # Uncompressed, so that what is sent is what counts against the limit.
    return replace(broker.cluster, overrides={"compression.type": "none"})


def commit(cluster: Cluster, group: str, topic: str, offset: int) -> None:
    consumer = Consumer(clients.consumer(cluster, group))
    consumer.commit(offsets=[TopicPartition(topic, 0, offset)], asynchronous=False)
    consumer.close()


@pytest.mark.parametrize("sizes", [(200,), (8_000,), (200, 900_000), (60, 300, 90_000)])
def test_a_writer_that_asks_first_never_loses_a_message(
    embedded: EmbeddedBroker, unique: str, sizes: tuple[int, ...]
) -> None:
    """Three times what a partition holds is offered as fast as it goes; nobody reads."""
    cluster = cluster_of(embedded)
    embedded.create_topics({unique: 1})
    producer = Producer(clients.producer(cluster))
    chance = random.Random(1)
    offered = accepted = 0
    with Backlog(cluster, [(unique, unique)]) as backlog:
        eventually(backlog.free, "a free topic")
        while offered < 15 * 1024 * 1024:
            value = os.urandom(chance.choice(sizes))
            offered += len(value)
            if backlog.free():
                backlog.note(unique, 0, len(value))
                producer.produce(unique, value, partition=0)
                producer.poll(0)
                accepted += 1
        assert producer.flush(DEADLINE) == 0
        backlog.look()

        ends = Admin(cluster).watermarks([(unique, 0)])[unique, 0]
        assert (ends.low, ends.high) == (0, accepted)
        assert not backlog.free()
        assert backlog.lost() == 0
        assert backlog.outstanding()[unique, 0, unique].messages == accepted


def test_a_writers_next_life_knows_the_sizes_of_what_it_left(embedded: EmbeddedBroker, unique: str) -> None:
    """100 messages of 29 KB stand for 2.9 MiB, not for 100 KiB."""
    cluster = cluster_of(embedded)
    embedded.create_topics({unique: 2})
    produce(cluster, unique, [os.urandom(10)] + [os.urandom(29_000)] * 100)
    commit(cluster, unique, unique, 1)
    backlog = Backlog(cluster, [(unique, unique)])

    backlog.look()

    assert 2_900_000 <= backlog.outstanding()[unique, 0, unique].bytes <= 2_950_000
    assert backlog.outstanding()[unique, 1, unique].bytes == 0


def test_it_is_free_again_once_the_group_has_committed(embedded: EmbeddedBroker, unique: str) -> None:
    cluster = cluster_of(embedded)
    embedded.create_topics({unique: 1})
    produce(cluster, unique, [b"x" * 1_000] * 4_000)
    backlog = Backlog(cluster, [(unique, unique)])
    backlog.look()
    assert not backlog.free()

    commit(cluster, unique, unique, 4_000)
    backlog.look()

    assert backlog.free()
    assert backlog.outstanding()[unique, 0, unique].messages == 0


def test_every_group_that_reads_a_topic_counts(embedded: EmbeddedBroker, unique: str) -> None:
    cluster = cluster_of(embedded)
    embedded.create_topics({unique: 1})
    produce(cluster, unique, [b"x" * 1_000] * 4_000)
    commit(cluster, f"{unique}-quick", unique, 4_000)
    backlog = Backlog(cluster, [(unique, f"{unique}-quick"), (unique, f"{unique}-slow")])

    backlog.look()

    assert backlog.outstanding()[unique, 0, f"{unique}-quick"].messages == 0
    assert backlog.outstanding()[unique, 0, f"{unique}-slow"].messages == 4_000
    assert not backlog.free()


def test_small_messages_are_limited_by_number(embedded: EmbeddedBroker, unique: str) -> None:
    cluster = cluster_of(embedded)
    embedded.create_topics({unique: 1})
    backlog = Backlog(cluster, [(unique, unique)], limit_messages=10)
    backlog.look()
    assert backlog.free()

    produce(cluster, unique, [b"x"] * 10)
    backlog.look()

    assert not backlog.free()
    assert LIMIT_MESSAGES < 100_000


def test_large_messages_make_unknown_ones_count_as_large(embedded: EmbeddedBroker, unique: str) -> None:
    """What other processes write meanwhile is taken at the largest mean size known."""
    cluster = cluster_of(embedded)
    embedded.create_topics({unique: 1, f"{unique}-b": 1})
    backlog = Backlog(cluster, [(unique, unique), (f"{unique}-b", unique)])
    backlog.look()
    produce(cluster, f"{unique}-b", [b"x"] * 100)
    backlog.look()
    assert backlog.free()

    for _ in range(10):
        backlog.note(unique, 0, 100_000)

    assert backlog.outstanding()[f"{unique}-b", 0, unique].bytes >= 100 * 100_000
    assert not backlog.free()


def test_what_is_watched_can_change(embedded: EmbeddedBroker, unique: str) -> None:
    """A destination comes while another goes: the new one's backlog counts, the old one's no longer does."""
    cluster = cluster_of(embedded)
    embedded.create_topics({unique: 1, f"{unique}-b": 1})
    for topic in (unique, f"{unique}-b"):
        produce(cluster, topic, [b"x"] * 10)
    backlog = Backlog(cluster, [(unique, unique)], limit_messages=10)
    backlog.look()
    assert not backlog.free()

    backlog.watch([(f"{unique}-b", f"{unique}-b")])
    commit(cluster, f"{unique}-b", f"{unique}-b", 5)
    backlog.look()

    assert backlog.free()
    assert backlog.outstanding()[f"{unique}-b", 0, f"{unique}-b"].messages == 5
    backlog.stop()


def test_messages_that_were_truncated_unread_are_counted_as_lost(embedded: EmbeddedBroker, unique: str) -> None:
    cluster = cluster_of(embedded)
    embedded.create_topics({unique: 1})
    produce(cluster, unique, [os.urandom(10_000)] * 1_000)
    backlog = Backlog(cluster, [(unique, unique)])

    backlog.look()

    assert backlog.lost() == Admin(cluster).watermarks([(unique, 0)])[unique, 0].low > 0


def test_without_a_measurement_it_counts_as_full(embedded: EmbeddedBroker, unique: str) -> None:
    embedded.create_topics({unique: 1})

    assert not Backlog(cluster_of(embedded), [(unique, unique)]).free()


def test_a_missing_topic_is_an_error_not_an_empty_one(embedded: EmbeddedBroker, unique: str) -> None:
    with pytest.raises(RouterError, match="is missing"):
        Backlog(cluster_of(embedded), [(unique, unique)]).look()


def test_while_the_broker_does_not_answer_it_counts_as_full() -> None:
    with EmbeddedBroker() as broker:
        broker.start({"t": 1})
        with Backlog(cluster_of(broker), [("t", "g")]) as backlog:
            eventually(backlog.free, "a free topic")

            broker.down()
            eventually(lambda: not backlog.free(), "refusal")
            with pytest.raises(Unavailable):
                backlog.look()

            broker.up()
            eventually(backlog.free, "a free topic again")


def test_an_old_look_is_worth_nothing(embedded: EmbeddedBroker, unique: str, monkeypatch: pytest.MonkeyPatch) -> None:
    embedded.create_topics({unique: 1})
    backlog = Backlog(cluster_of(embedded), [(unique, unique)])
    backlog.look()
    assert backlog.free()

    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + STALE_SECONDS + 1)

    assert not backlog.free()
