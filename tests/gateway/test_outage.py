"""Kafka away: 503 within seconds and never 200, not ready meanwhile, and well again afterwards."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from router.embedded.broker import EmbeddedBroker
from router.kafka.admin import Admin
from tests.brokers.messages import DEADLINE, eventually
from tests.gateway.running import TRACK, Running, body, running

PRODUCE = 0  # Kafka's number of the Produce request
TOO_FEW_REPLICAS = 19
TOO_LARGE = 10


@pytest.fixture
def broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker() as started:
        started.start()
        yield started


def send(gateway: Running, identity: str) -> int:
    return gateway.post("/v1/track", {**TRACK, "messageId": identity}).status


def test_while_the_broker_is_away_nothing_is_answered_200(broker: EmbeddedBroker, unique: str) -> None:
    """What was answered 200 is there once the broker is back; what was answered 503 may be there, once."""
    answers: dict[str, int] = {}
    with running(unique, broker, ack_timeout="1s") as gateway:
        answers["before"] = send(gateway, "before")
        broker.down()
        started = time.monotonic()
        for number in range(5):
            answers[f"during-{number}"] = send(gateway, f"during-{number}")
        assert time.monotonic() - started < DEADLINE
        eventually(lambda: not gateway.ready(), "a process that is not ready")
        refused = gateway.post("/v1/track", TRACK)
        assert (refused.status, refused.body["error"]["code"]) == (503, "broker_unavailable")
        assert int(refused.headers["Retry-After"]) > 0
        broker.up()
        eventually(gateway.ready, "a process that is ready again")
        eventually(lambda: send(gateway, "after") == 200, "an accepted event")
        stored = [body(message)["messageId"] for message in gateway.new(gateway.topics.raw)]
    assert answers == {"before": 200, **{f"during-{number}": 503 for number in range(5)}}
    assert "before" in stored
    assert "after" in stored
    assert len([name for name in stored if name.startswith("during")]) == len(
        {name for name in stored if name.startswith("during")}
    )


def test_without_a_broker_the_gateway_starts_and_says_503(broker: EmbeddedBroker, unique: str) -> None:
    """It listens before Kafka is there, so that clients are told to come back."""
    broker.down()
    with running(unique, broker, wait=False, ack_timeout="1s") as gateway:
        assert not gateway.ready()
        assert send(gateway, "x") == 503
        broker.up()
        eventually(gateway.ready, "a process that is ready")
        assert send(gateway, "y") == 200


def test_without_its_topics_the_gateway_is_not_ready(broker: EmbeddedBroker, unique: str) -> None:
    """It does not make them: they would get the wrong partitions."""
    with running(unique, broker, wait=False, topics=False) as gateway:
        eventually(lambda: "router topics apply" in gateway.health.readiness().why(), "what to do about it")
        assert send(gateway, "x") == 503
        assert gateway.topics.raw not in Admin(gateway.cluster).topics()


def test_an_event_that_kafka_refuses_is_not_answered_200(broker: EmbeddedBroker, unique: str) -> None:
    """An error of the broker that a retry cannot mend."""
    with running(unique, broker, ack_timeout="5s") as gateway:
        broker.error(PRODUCE, [TOO_LARGE])
        assert send(gateway, "x") == 503
        eventually(lambda: send(gateway, "y") == 200, "an accepted event")


def test_an_error_that_passes_is_waited_out(broker: EmbeddedBroker, unique: str) -> None:
    """The client is told nothing of a leader that moves."""
    with running(unique, broker) as gateway:
        broker.error(PRODUCE, [TOO_FEW_REPLICAS] * 2)
        assert send(gateway, "x") == 200
        assert [body(message)["messageId"] for message in gateway.new(gateway.topics.raw)] == ["x"]


def test_a_bad_event_is_answered_400_only_when_it_is_kept(broker: EmbeddedBroker, unique: str) -> None:
    """Else it would be gone: the client is told to send it again."""
    with running(unique, broker, ack_timeout="1s") as gateway:
        broker.down()
        assert gateway.post("/v1/track", b"{}").status == 503
        broker.up()
        eventually(lambda: gateway.post("/v1/track", b"{}").status == 400, "a refusal that is kept")
        assert len(gateway.new(gateway.topics.invalid)) >= 1


def test_an_outage_of_kafka_is_no_reason_to_restart_the_gateway(broker: EmbeddedBroker, unique: str) -> None:
    """Not ready, so nobody is sent here; live, since a restart would mend nothing."""
    with running(unique, broker, ack_timeout="1s") as gateway:
        broker.down()
        eventually(lambda: not gateway.ready(), "a process that is not ready")
        live = gateway.health.liveness()
    assert live.ok
    assert "requests" in live.checks
