from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace

import psutil
import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from router.embedded.broker import PARTITION_BYTES, EmbeddedBroker
from router.errors import RouterError, Unavailable
from router.kafka import clients
from router.kafka.admin import Admin
from router.kafka.cluster import Cluster
from tests.brokers.messages import DEADLINE, eventually, next_message, produce, read_all

PARENT = """
import time
from router.embedded.broker import EmbeddedBroker
broker = EmbeddedBroker()
print(broker.start({"t": 1}), broker.pid, flush=True)
time.sleep(600)
"""


def cluster_of(broker: EmbeddedBroker) -> Cluster:
    return broker.cluster


def test_topics_have_the_chosen_number_of_partitions(embedded: EmbeddedBroker, unique: str) -> None:
    embedded.create_topics({f"{unique}.events.raw": 12, f"{unique}.identity.links": 1})

    topics = Admin(cluster_of(embedded)).topics()

    assert topics[f"{unique}.events.raw"] == 12
    assert topics[f"{unique}.identity.links"] == 1


def test_topics_can_be_given_at_start() -> None:
    with EmbeddedBroker() as broker:
        broker.start({"events.raw": 3, "dest.crm": 2})

        assert Admin(cluster_of(broker)).topics() == {"events.raw": 3, "dest.crm": 2}


@pytest.mark.parametrize("partitions", [0, -1])
def test_a_topic_without_partitions_is_refused(embedded: EmbeddedBroker, unique: str, partitions: int) -> None:
    with pytest.raises(RouterError, match="expected at least 1 partition"):
        embedded.create_topics({unique: partitions})


def test_a_topic_cannot_be_made_twice(embedded: EmbeddedBroker, unique: str) -> None:
    embedded.create_topics({unique: 1})

    with pytest.raises(RouterError, match="TOPIC_ALREADY_EXISTS"):
        embedded.create_topics({unique: 1})


def test_a_group_resumes_where_it_committed(embedded: EmbeddedBroker, unique: str) -> None:
    cluster = cluster_of(embedded)
    embedded.create_topics({unique: 1})
    produce(cluster, unique, [b"1", b"2", b"3"])
    settings = clients.consumer(cluster, unique) | {"auto.offset.reset": "earliest"}

    seen = []
    for _ in range(3):
        consumer = Consumer(settings)
        consumer.subscribe([unique])
        message = next_message(consumer)
        seen.append(message.value())
        offset = TopicPartition(unique, message.partition() or 0, (message.offset() or 0) + 1)
        consumer.commit(offsets=[offset], asynchronous=False)
        consumer.close()

    assert seen == [b"1", b"2", b"3"]


def test_a_broker_that_is_down_refuses_and_returns_with_its_data(embedded: EmbeddedBroker, unique: str) -> None:
    cluster = cluster_of(embedded)
    embedded.create_topics({unique: 1})
    produce(cluster, unique, [b"before"])

    embedded.down()
    with pytest.raises(Unavailable):
        Admin(cluster, timeout=0.5).topics()
    embedded.up()

    assert read_all(cluster, unique) == [b"before"]


def test_chosen_errors_answer_the_next_requests(embedded: EmbeddedBroker, unique: str) -> None:
    cluster = cluster_of(embedded)
    embedded.create_topics({unique: 1})
    embedded.error(0, [10])  # Produce: MESSAGE_SIZE_TOO_LARGE
    answers: list[str] = []
    producer = Producer(clients.producer(cluster) | {"enable.idempotence": False})

    for _ in range(2):
        producer.produce(unique, b"x", on_delivery=lambda error, _: answers.append(error.name() if error else "ok"))
        producer.flush(DEADLINE)

    assert answers == ["MSG_SIZE_TOO_LARGE", "ok"]


def test_an_unknown_command_is_answered_with_what_is_known(embedded: EmbeddedBroker) -> None:
    with pytest.raises(RouterError, match="expected one of create, down, up, error"):
        embedded._tell("explode")


def test_the_broker_dies_with_a_parent_that_is_killed() -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    _, pid = parent.stdout.readline().split()
    broker = psutil.Process(int(pid))
    assert broker.is_running()

    parent.kill()
    parent.wait()
    parent.stdout.close()

    eventually(lambda: not broker.is_running() or broker.status() == psutil.STATUS_ZOMBIE, "the end of the broker")


def test_a_broker_that_is_killed_is_seen_as_dead() -> None:
    with EmbeddedBroker() as broker:
        broker.start({"t": 1})
        os.kill(broker.pid, signal.SIGKILL)

        eventually(lambda: not broker.alive, "the end of the broker")
        assert broker.returncode == -signal.SIGKILL
        with pytest.raises(Unavailable, match="gone"):
            broker.create_topics({"u": 1})


def test_sigterm_ends_it() -> None:
    with EmbeddedBroker() as broker:
        broker.start()
        os.kill(broker.pid, signal.SIGTERM)

        eventually(lambda: not broker.alive, "the end of the broker")


def test_the_terminals_interrupt_does_not_reach_it() -> None:
    with EmbeddedBroker() as broker:
        broker.start()

        assert os.getpgid(broker.pid) != os.getpgid(0)


def test_stop_is_harmless_before_start_and_twice() -> None:
    broker = EmbeddedBroker()
    broker.stop()
    broker.start()
    broker.stop()
    broker.stop()

    assert not broker.alive


def test_beyond_5_mib_a_partition_loses_its_oldest_messages(embedded: EmbeddedBroker, unique: str) -> None:
    """The limit that Backlog exists for: should a release lift it, this test says so."""
    cluster = cluster_of(embedded)
    embedded.create_topics({unique: 1})
    size, count = 10_000, 1_000
    produce(replace(cluster, overrides={"compression.type": "none"}), unique, [os.urandom(size)] * count)

    ends = Admin(cluster).watermarks([(unique, 0)])[unique, 0]

    assert ends.high == count
    assert ends.low > 0
    assert (ends.high - ends.low) * size <= PARTITION_BYTES


def test_reading_from_an_offset_that_is_gone_is_an_error_not_a_jump(embedded: EmbeddedBroker, unique: str) -> None:
    cluster = cluster_of(embedded)
    embedded.create_topics({unique: 1})
    produce(replace(cluster, overrides={"compression.type": "none"}), unique, [os.urandom(10_000)] * 1_000)

    with pytest.raises((AssertionError, KafkaException), match=r"OFFSET_OUT_OF_RANGE|_AUTO_OFFSET_RESET"):
        read_all(cluster, unique, offset=0)
