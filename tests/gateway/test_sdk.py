"""The official Python SDK, unchanged, pointed at the gateway."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from segment.analytics.client import Client

from router.embedded.broker import EmbeddedBroker
from tests.gateway.running import KEY, Running, body, named, running

CALLS = ("identify", "track", "page", "screen", "group", "alias")


@pytest.fixture(params=["embedded", "kafka"])
def gateway(request: pytest.FixtureRequest, unique: str) -> Iterator[Running]:
    """On either broker."""
    broker: EmbeddedBroker | str = request.getfixturevalue(request.param)
    with running(unique, broker) as found:
        yield found


def call_all(client: Any) -> None:
    client.identify("u1", {"email": "a@example.com"})
    client.track("u1", "Order Completed", {"total": 9.5}, integrations={"CRM": False})
    client.page("u1", "Docs", "Home", {"path": "/"})
    client.screen("u1", "Main", "Start")
    client.group("u1", "g1", {"name": "Shop"})
    client.alias("a1", "u1")


@pytest.mark.parametrize("zipped", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("sync", [True, False], ids=["sync", "async"])
def test_every_call_of_the_sdk_is_in_kafka(gateway: Running, sync: bool, zipped: bool) -> None:
    errors: list[Any] = []
    client = Client(
        KEY,
        host=gateway.url,
        gzip=zipped,
        sync_mode=sync,
        on_error=lambda error, _: errors.append(error),
        max_retries=0,
    )
    call_all(client)
    if not sync:
        client.shutdown()
    messages = gateway.new(gateway.topics.raw)
    found = {body(message)["type"]: body(message) for message in messages}
    assert errors == []
    assert len(messages) == len(CALLS)
    assert set(found) == set(CALLS)
    assert found["track"]["properties"] == {"total": 9.5}
    assert found["track"]["integrations"] == {"CRM": False}
    assert found["alias"]["previousId"] == "a1"
    assert found["identify"]["sentAt"]
    assert "ip" not in found["identify"]["context"]  # a server's address is not the user's
    assert {named(message)["write-key"] for message in messages} == {KEY}
    assert {message.key() for message in messages} == {b"u1"}


def test_many_events_arrive_once_each(gateway: Running) -> None:
    """In batches of the SDK's making, with its own messageIds."""
    client = Client(KEY, host=gateway.url, gzip=True, upload_size=100, upload_interval=0.05)
    for number in range(1000):
        client.track(f"u{number % 50}", "Product Viewed", {"number": number})
    client.shutdown()
    events = [body(message) for message in gateway.new(gateway.topics.raw)]
    assert sorted(event["properties"]["number"] for event in events) == list(range(1000))
    assert len({event["messageId"] for event in events}) == 1000


def test_a_value_that_is_no_json_costs_its_event_only(gateway: Running) -> None:
    """The SDK writes NaN as it stands; the rest of its batch arrives, and the SDK sees no error."""
    errors: list[Any] = []
    client = Client(KEY, host=gateway.url, upload_interval=0.5, on_error=lambda error, _: errors.append(error))
    for total in (1.0, float("nan"), 2.0):
        client.track("u1", "Order Completed", {"total": total})
    client.shutdown()
    assert errors == []
    assert [body(message)["properties"]["total"] for message in gateway.new(gateway.topics.raw)] == [1.0, 2.0]
    (message,) = gateway.new(gateway.topics.invalid)
    assert b"NaN" in (message.value() or b"")
    assert named(message)["error-code"] == "not_json"


def test_a_wrong_key_is_told_to_the_sdk(gateway: Running, caplog: pytest.LogCaptureFixture) -> None:
    """Once: it is not tried again."""
    caplog.set_level(logging.CRITICAL, logger="segment")
    errors: list[Any] = []
    client = Client("nobody's", host=gateway.url, on_error=lambda error, _: errors.append(error))
    client.track("u1", "E")
    client.shutdown()
    assert [error.status for error in errors] == [401]
