"""Kafka as a destination: an event in, the record out; what a cluster answers, as outcomes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaError
from pydantic import ValidationError

from router.destinations.base import Connector, Kind
from router.destinations.kafka import Kafka, KafkaSettings
from router.errors import Unavailable
from router.events.records import MAX_VALUE
from router.kafka.partitioner import PARTITIONER, partition_for
from tests.deliveries import delivery
from tests.partners.kafka import TOPIC, KafkaPartner


@pytest.fixture
async def partner(tmp_path: Path) -> AsyncIterator[KafkaPartner]:
    async with KafkaPartner(tmp_path) as one:
        yield one


@pytest.fixture
async def connector(partner: KafkaPartner) -> AsyncIterator[Connector]:
    one = partner.connector(headers={"plan": "{properties.plan}", "tenant": "shop"})
    await one.open()
    yield one
    await one.close()


def kafka(**settings: Any) -> Kafka:
    given = {"bootstrap": "127.0.0.1:1", "topic": TOPIC} | settings
    return Kafka("copy", KafkaSettings.model_validate(given), 10.0)


async def test_a_record_is_the_event_itself_with_what_the_router_knows_in_its_headers(
    partner: KafkaPartner, connector: Connector
) -> None:
    event = delivery(1, properties={"plan": "pro"})

    await connector.send([event])

    (record,) = partner.records()
    assert (record.key(), record.value()) == (b"p1", event.value)
    assert dict(record.headers() or ()) == {
        "source": b"web", "type": b"track", "event": b"Order Completed", "plan": b"pro", "tenant": b"shop",
        "idempotency-key": event.idempotency_key.encode(),
    }  # fmt: skip


async def test_exactly_once_the_record_is_left_to_the_commit() -> None:
    """As it would have been sent; one that would keep a whole commit from being made is a dead letter."""
    one = Kafka("copy", KafkaSettings(topic=TOPIC, exactly_once=True, headers={"tenant": "shop"}), 10.0)
    event, large = delivery(1), delivery(2, note="x" * MAX_VALUE)

    await one.open()
    outcomes = await one.send([event, large])
    await one.close()

    assert one.commits_to == TOPIC
    assert [(outcome.kind, outcome.code) for outcome in outcomes] == [
        (Kind.DELIVERED, "200"), (Kind.REJECTED, "MSG_SIZE_TOO_LARGE")
    ]  # fmt: skip
    assert outcomes[0].record == (TOPIC, event.value, b"p1", one.headers(event))
    assert kafka().commits_to == ""


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        (None, b"p1"),
        ("{userId}", b"u1"),
        ("{type}/{userId}", b"track/u1"),
        ("{properties.nothing}", None),
        ("all", b"all"),
    ],
)  # fmt: skip
def test_the_key_is_the_profile_or_what_a_template_makes(template: str | None, expected: bytes | None) -> None:
    assert kafka(key=template).key(delivery(1)) == expected


def test_a_header_without_a_value_is_left_out() -> None:
    assert "plan" not in dict(kafka(headers={"plan": "{traits.plan}"}).headers(delivery(1)))


async def test_keys_go_where_java_clients_put_them(partner: KafkaPartner) -> None:
    """The partitioner stands below the router's own clients, and is the same."""
    partner.broker.create_topics({"wide": 6})
    one = partner.connector(topic="wide")
    await one.open()
    outcomes = await one.send([delivery(number) for number in range(7)])
    await one.close()

    places = {message.key(): message.partition() for message in partner.records("wide", 6)}
    assert {outcome.kind for outcome in outcomes} == {Kind.DELIVERED}
    assert places == {key: partition_for(key, 6) for key in (b"p%d" % number for number in range(7))}
    assert PARTITIONER == "murmur2_random"


async def test_a_record_that_is_too_large_costs_only_itself(partner: KafkaPartner, connector: Connector) -> None:
    large, small = delivery(1, note="x" * 1_100_000), delivery(2)

    outcomes = await connector.send([large, small])

    assert [(one.kind, one.code) for one in outcomes] == [
        (Kind.REJECTED, "MSG_SIZE_TOO_LARGE"), (Kind.DELIVERED, "200")
    ]  # fmt: skip
    await connector.close()
    assert partner.accepted() == ["m2"]


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (KafkaError.UNKNOWN_TOPIC_OR_PART, Kind.REFUSED),
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, Kind.REFUSED),
        (KafkaError.SASL_AUTHENTICATION_FAILED, Kind.REFUSED),
        (KafkaError.INVALID_RECORD, Kind.REJECTED),
        (KafkaError.NOT_ENOUGH_REPLICAS, Kind.RETRY),
        (KafkaError._MSG_TIMED_OUT, Kind.RETRY),
        (KafkaError._TRANSPORT, Kind.RETRY),
    ],
)
def test_errors_by_their_name(code: int, kind: Kind) -> None:
    assert kafka()._outcome(KafkaError(code)).kind is kind


def test_a_record_that_timed_out_while_the_cluster_refused_us_is_refused() -> None:
    one = kafka()
    one._note(KafkaError(KafkaError._AUTHENTICATION))

    assert one._outcome(KafkaError(KafkaError._MSG_TIMED_OUT)).kind is Kind.REFUSED
    assert one._outcome(None).kind is Kind.DELIVERED
    assert one._outcome(KafkaError(KafkaError._MSG_TIMED_OUT)).kind is Kind.RETRY


async def test_a_producer_that_failed_for_good_is_made_anew(partner: KafkaPartner, connector: Kafka) -> None:
    failed = connector._producer
    assert failed is not None

    await connector._renew(failed)
    await connector._renew(failed)  # somebody else was first

    assert connector._producer is not failed
    assert [one.kind for one in await connector.send([delivery(1)])] == [Kind.DELIVERED]


async def test_a_setting_that_librdkafka_does_not_know_is_named() -> None:
    with pytest.raises(Unavailable, match='"colour"'):
        await kafka(kafka={"colour": "hush"}).open()
    with pytest.raises(Unavailable) as refused:
        await kafka(kafka={"security.protocol": "hush"}).open()
    assert "hush" not in str(refused.value)


@pytest.mark.parametrize(
    "settings",
    [
        {"topic": "a b"}, {"topic": ""}, {"bootstrap": ""}, {"key": "{userId"}, {"headers": {"a": "{"}},
        {"kafka": {"acks": "1"}}, {"kafka": {"sasl.password": "hush"}}, {"kafka_secrets": {"acks": "1"}},
        {"kafka": {"bootstrap.servers": "x"}}, {"bootstrap": None}, {"exactly_once": True},
        {"bootstrap": None, "exactly_once": True, "kafka": {"client.id": "x"}},
    ],
)  # fmt: skip
def test_settings_that_cannot_work_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        kafka(**settings)
