from __future__ import annotations

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from router.embedded.broker import EmbeddedBroker
from router.errors import RouterError, Unavailable, UsageError
from router.events.topics import TopicSpec
from router.kafka import clients
from router.kafka.admin import Admin, Difference, Watermarks
from router.kafka.cluster import EMBEDDED, Cluster
from router.kafka.failure import router_error
from router.kafka.offsets import Committed
from router.kafka.ready import wait_ready
from tests.brokers.messages import DEADLINE, produce

NOWHERE = Cluster("127.0.0.1:1")


def commit(cluster: Cluster, group: str, topic: str, offset: int, metadata: str) -> None:
    consumer = Consumer(clients.consumer(cluster, group))
    consumer.commit(offsets=[TopicPartition(topic, 0, offset, metadata)], asynchronous=False)
    consumer.close()


def test_topics_are_made_once_with_their_settings(kafka: str, unique: str) -> None:
    admin = Admin(Cluster(kafka))
    raw = TopicSpec(f"{unique}.raw", 3, {"retention.ms": "-1", "message.timestamp.type": "LogAppendTime"})
    links = TopicSpec(f"{unique}.links", 1, {"cleanup.policy": "delete"})

    assert sorted(admin.create([raw, links])) == [links.name, raw.name]
    assert admin.create([raw, links]) == []
    assert admin.differences([raw, links]) == []


def test_every_difference_is_named(kafka: str, unique: str) -> None:
    admin = Admin(Cluster(kafka))
    admin.create([TopicSpec(f"{unique}.raw", 3, {"retention.ms": "1000", "cleanup.policy": "compact"})])
    wanted = {"retention.ms": "2000", "cleanup.policy": "delete", "message.timestamp.type": "LogAppendTime"}

    found = admin.differences([TopicSpec(f"{unique}.raw", 4, wanted), TopicSpec(f"{unique}.gone", 1)])

    assert set(found) == {
        Difference(f"{unique}.raw", "partitions", "4", "3"),
        Difference(f"{unique}.raw", "retention.ms", "2000", "1000"),
        Difference(f"{unique}.raw", "cleanup.policy", "delete", "compact"),
        Difference(f"{unique}.raw", "message.timestamp.type", "LogAppendTime", "CreateTime"),
        Difference(f"{unique}.gone", "topic", "present", "missing"),
    }
    assert str(found[0]) == f"{unique}.raw: partitions: expected 4, got 3"


def test_a_setting_that_the_broker_does_not_know_is_refused_with_its_name(kafka: str, unique: str) -> None:
    with pytest.raises(RouterError, match=r"retention\.mss") as refused:
        Admin(Cluster(kafka)).create([TopicSpec(unique, 1, {"retention.mss": "1"})])

    assert refused.value.status == 1


def test_a_topic_made_again_has_another_id(kafka: str, unique: str) -> None:
    admin = Admin(Cluster(kafka))
    admin.create([TopicSpec(f"{unique}.a", 1), TopicSpec(f"{unique}.b", 1)])

    ids = admin.topic_ids([f"{unique}.a", f"{unique}.b", f"{unique}.gone"])

    assert set(ids) == {f"{unique}.a", f"{unique}.b"}
    assert ids[f"{unique}.a"] != ids[f"{unique}.b"]
    assert admin.topic_ids([f"{unique}.a"]) == {f"{unique}.a": ids[f"{unique}.a"]}


def test_the_ends_of_a_topic_just_made_are_there(kafka: str, unique: str) -> None:
    """The broker's metadata know a topic before its partitions have a leader."""
    for number in range(10):
        specs = [TopicSpec(f"{unique}.{number}.{letter}", 3) for letter in "abc"]
        Admin(Cluster(kafka)).create(specs)
        places = [(spec.name, partition) for spec in specs for partition in range(3)]

        assert Admin(Cluster(kafka)).watermarks(places) == dict.fromkeys(places, Watermarks(0, 0))


def test_commits_come_back_with_their_metadata(kafka: str, unique: str) -> None:
    cluster = Cluster(kafka)
    admin = Admin(cluster)
    admin.create([TopicSpec(unique, 2)])
    commit(cluster, unique, unique, 7, '{"received": 12}')

    committed = admin.committed(unique, [(unique, 0), (unique, 1)])

    assert committed == {(unique, 0): Committed(7, '{"received": 12}')}
    assert admin.committed(f"{unique}-other", [(unique, 0)]) == {}


def test_lag_is_what_a_group_has_not_committed(kafka: str, unique: str) -> None:
    cluster = Cluster(kafka)
    admin = Admin(cluster)
    admin.create([TopicSpec(unique, 2)])
    produce(cluster, unique, [b"1", b"2", b"3"])
    commit(cluster, unique, unique, 1, "")

    assert admin.watermarks([(unique, 0), (unique, 1)]) == {
        (unique, 0): Watermarks(0, 3),
        (unique, 1): Watermarks(0, 0),
    }
    assert admin.lag(unique, [unique]) == {(unique, 0): 2, (unique, 1): 0}
    assert admin.lag(f"{unique}-new", [unique]) == {(unique, 0): 3, (unique, 1): 0}


def test_an_open_transaction_ends_what_committed_readers_see(kafka: str, unique: str) -> None:
    cluster = Cluster(kafka)
    admin = Admin(cluster)
    admin.create([TopicSpec(unique, 1)])
    producer = Producer(clients.transactional(cluster, unique))
    producer.init_transactions(DEADLINE)
    producer.begin_transaction()
    producer.produce(unique, b"open")
    producer.flush(DEADLINE)

    open_ends = admin.watermarks([(unique, 0)], uncommitted=False)[unique, 0]
    assert admin.watermarks([(unique, 0)])[unique, 0].high == 1
    producer.abort_transaction(DEADLINE)

    assert open_ends.high == 0


def test_a_cluster_has_an_id(kafka: str) -> None:
    assert Admin(Cluster(kafka)).cluster_id() == wait_ready(Cluster(kafka), DEADLINE) != ""


def test_the_embedded_broker_answers_everything_but_create(embedded: EmbeddedBroker, unique: str) -> None:
    cluster = embedded.cluster
    admin = Admin(cluster)
    embedded.create_topics({unique: 2})
    produce(cluster, unique, [b"1", b"2"])
    commit(cluster, unique, unique, 1, "counts")

    assert admin.cluster_id() == wait_ready(cluster, DEADLINE)
    assert set(admin.topic_ids([unique])) == {unique}
    assert admin.committed(unique, [(unique, 0), (unique, 1)]) == {(unique, 0): Committed(1, "counts")}
    assert admin.lag(unique, [unique]) == {(unique, 0): 1, (unique, 1): 0}
    with pytest.raises(RouterError, match="created by the process that starts it"):
        admin.create([TopicSpec(f"{unique}-new", 1)])


def test_on_the_embedded_broker_only_partitions_can_differ(embedded: EmbeddedBroker, unique: str) -> None:
    embedded.create_topics({unique: 2})
    admin = Admin(embedded.cluster)

    assert admin.differences([TopicSpec(unique, 2, {"retention.ms": "5"})]) == []
    assert admin.differences([TopicSpec(unique, 3, {"retention.ms": "5"})]) == [
        Difference(unique, "partitions", "3", "2")
    ]


def test_a_broker_that_is_not_there_ends_a_command_with_status_3() -> None:
    admin = Admin(NOWHERE, timeout=0.3)
    partition = [("t", 0)]

    for ask in (
        admin.topics,
        admin.cluster_id,
        lambda: admin.topic_ids(["t"]),
        lambda: admin.create([TopicSpec("t", 1)]),
        lambda: admin.differences([TopicSpec("t", 1)]),
        lambda: admin.committed("g", partition),
        lambda: admin.watermarks(partition),
        lambda: wait_ready(NOWHERE, 0.5),
    ):
        with pytest.raises(Unavailable) as raised:
            ask()
        assert raised.value.status == 3


def test_a_broker_that_comes_back_is_waited_for() -> None:
    with EmbeddedBroker() as broker:
        cluster = Cluster(broker.start(), capabilities=EMBEDDED)
        before = wait_ready(cluster, DEADLINE)
        broker.down()
        with pytest.raises(Unavailable):
            wait_ready(cluster, 0.5)
        broker.up()

        assert wait_ready(cluster, DEADLINE) == before


def test_an_unknown_client_setting_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match=r"no\.such\.setting") as raised:
        Admin(Cluster("127.0.0.1:1", {"no.such.setting": "hunter2"}))

    assert raised.value.status == 2
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (KafkaError._TRANSPORT, 3),
        (KafkaError._ALL_BROKERS_DOWN, 3),
        (KafkaError._AUTHENTICATION, 3),
        (KafkaError._INVALID_ARG, 2),
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, 1),
    ],
)
def test_each_kind_of_failure_has_its_exit_status(code: int, status: int) -> None:
    error = router_error(KafkaException(KafkaError(code)), "doing it")

    assert error.status == status
    assert str(error).startswith("doing it: ")
