from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient

from router.errors import UsageError
from router.kafka import clients
from router.kafka.cluster import EMBEDDED, FIXED, Cluster, parse_overrides
from router.kafka.log import NAME, ClientFilter, calm, client_logger

NOWHERE = Cluster("127.0.0.1:1")
LIMITED = Cluster("127.0.0.1:1", capabilities=EMBEDDED)
MAKERS: dict[str, Callable[[Cluster], dict[str, Any]]] = {
    "producer": clients.producer,
    "transactional": lambda cluster: clients.transactional(cluster, "slot"),
    "consumer": lambda cluster: clients.consumer(cluster, "group"),
    "reader": clients.reader,
    "admin": clients.admin,
}


@pytest.fixture(autouse=True)
def quiet() -> None:
    logging.getLogger(NAME).setLevel(logging.CRITICAL)


@pytest.mark.parametrize("role", MAKERS)
@pytest.mark.parametrize("cluster", [NOWHERE, LIMITED], ids=["real", "embedded"])
def test_librdkafka_accepts_every_setting(role: str, cluster: Cluster) -> None:
    settings = MAKERS[role](cluster)

    if role in ("consumer", "reader"):
        Consumer(settings).close()
    elif role == "admin":
        AdminClient(settings)
    else:
        Producer(settings)


@pytest.mark.parametrize("role", MAKERS)
def test_overrides_reach_every_client(role: str) -> None:
    cluster = Cluster("b:1", {"security.protocol": "SASL_SSL", "sasl.password": "x", "reconnect.backoff.max.ms": "77"})

    settings = MAKERS[role](cluster)

    assert settings["security.protocol"] == "SASL_SSL"
    assert settings["sasl.password"] == "x"
    assert settings["reconnect.backoff.max.ms"] == "77"


def test_producers_lose_nothing_and_partition_as_java_does() -> None:
    settings = clients.producer(NOWHERE)

    assert settings["acks"] == "all"
    assert settings["enable.idempotence"] is True
    assert settings["partitioner"] == "murmur2_random"


def test_a_dead_producers_transaction_ends_in_seconds() -> None:
    settings = clients.transactional(NOWHERE, "slot", timeout_ms=4_000)

    assert settings["transactional.id"] == "slot"
    assert settings["transaction.timeout.ms"] == 4_000
    assert settings["delivery.timeout.ms"] <= 4_000
    assert clients.transactional(NOWHERE, "slot")["transaction.timeout.ms"] <= 15_000


@pytest.mark.parametrize("role", ["consumer", "reader"])
def test_consumers_never_commit_or_jump_by_themselves(role: str) -> None:
    settings = MAKERS[role](NOWHERE)

    assert settings["enable.auto.commit"] is False
    assert settings["enable.auto.offset.store"] is False
    assert settings["auto.offset.reset"] == "error"
    assert settings["enable.partition.eof"] is True
    assert settings["isolation.level"] == "read_committed"


def test_fetches_are_short_on_the_embedded_broker_only() -> None:
    assert clients.reader(LIMITED)["fetch.wait.max.ms"] == 10
    assert clients.reader(NOWHERE)["fetch.wait.max.ms"] > 10


def test_a_group_notices_a_dead_member_in_seconds() -> None:
    settings = clients.consumer(NOWHERE, "group")

    assert settings["group.id"] == "group"
    assert settings["session.timeout.ms"] <= 10_000
    assert settings["heartbeat.interval.ms"] * 3 <= settings["session.timeout.ms"]
    assert settings["partition.assignment.strategy"] == "range"


def test_overrides_are_read_as_pairs() -> None:
    pairs = ["sasl.username=u", "sasl.password=a=b", "ssl.ca.location="]

    assert parse_overrides(pairs) == {"sasl.username": "u", "sasl.password": "a=b", "ssl.ca.location": ""}


@pytest.mark.parametrize("pair", ["hunter2", "=hunter2", *(f"{key}=hunter2" for key in sorted(FIXED))])
def test_overrides_that_are_no_pair_or_break_a_guarantee_are_refused(pair: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_overrides([pair])

    assert "hunter2" not in str(refused.value)


def test_secrets_are_not_shown() -> None:
    overrides = {
        "sasl.password": "hunter2",
        "ssl.key.password": "hunter3",
        "sasl.oauthbearer.client.secret": "hunter4",
        "sasl.username": "someone",
    }
    cluster = Cluster("b:1", overrides)

    assert set(cluster.secrets) == {"hunter2", "hunter3", "hunter4"}
    assert "hunter" not in repr(cluster)


def record(text: str, *args: object) -> logging.LogRecord:
    return logging.LogRecord(NAME, logging.ERROR, "", 0, text, args, None)


def test_log_lines_lose_their_secrets() -> None:
    hiding = ClientFilter()
    client_logger(["hunter2", ""])
    line = record("cannot log in with %s at %s", "hunter2", "b:1")

    assert hiding.filter(line)
    assert line.getMessage() == "cannot log in with *** at b:1"


def test_repeated_log_lines_are_held_back_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    holding = ClientFilter()
    passed = [line for line in (record("refused after %d ms", ms) for ms in range(10)) if holding.filter(line)]
    now += 31
    later = record("refused after %d ms", 11)

    assert [line.getMessage() for line in passed] == ["refused after 0 ms"]
    assert holding.filter(record("another matter"))
    assert holding.filter(later)
    assert later.getMessage() == "refused after 11 ms (and 9 like it before)"


def test_a_library_s_repeats_are_held_back_below_its_own_logger_too(caplog: pytest.LogCaptureFixture) -> None:
    below = logging.getLogger("some-client.fetcher")
    calm("some-client")
    for number in range(3):
        below.info("fetched %d", number)
        below.error("cannot connect to node %d", number)

    assert [line.getMessage() for line in caplog.records] == ["cannot connect to node 0"]


def test_librdkafkas_lines_arrive_in_our_log(caplog: pytest.LogCaptureFixture) -> None:
    client_logger().setLevel(logging.INFO)
    producer = Producer(clients.producer(Cluster("nowhere.invalid:9092")))

    with caplog.at_level(logging.INFO, logger=NAME):
        for _ in range(300):
            producer.poll(0.1)
            if caplog.records:
                break

    assert "nowhere.invalid" in caplog.text
