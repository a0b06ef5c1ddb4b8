"""The lifecycle story to its end: what each partner is asked to do for one person on trial."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import orjson

from router.config.loader import load_topology
from router.delivery.manager import connector_of
from router.destinations.base import Delivery, Kind
from router.destinations.http import HttpDestination, HttpRequest
from router.destinations.registry import destination_types
from router.destinations.shared.hashing import sha256
from tests.deliveries import delivery

LIFECYCLE = Path(__file__).parent.parent.parent / "topologies/lifecycle.yaml"
OWNER = {"email": "ada@example.com", "role": "owner"}


def event(name: str, **fields: Any) -> Delivery:
    made = delivery(1, event=name, context={"traits": OWNER}, **fields)
    made.event = name
    return made


def asked(destination: str, one: Delivery) -> tuple[str, str, Any]:
    loaded = load_topology([LIFECYCLE], env={}, registry=destination_types(), placeholders=True)
    connector = connector_of(loaded, destination)
    assert isinstance(connector, HttpDestination)
    (request,) = connector.mapped([one])
    assert isinstance(request, HttpRequest)
    return request.method, request.url, orjson.loads(request.body)


def test_mail_knows_the_persona() -> None:
    _, _, payload = asked("mail", event("Trial Started"))

    assert payload["batch"][0]["name"] == "Trial Started"
    assert payload["batch"][0]["attributes"]["persona"] == "owner"


def test_push_knows_the_device() -> None:
    context = {"device": {"token": "t1", "type": "ios"}}
    opened = delivery(1, event="Application Opened", context=context)
    opened.event = "Application Opened"

    _, url, payload = asked("push", opened)

    assert url == "/users/track"
    assert payload["events"][0]["name"] == "Application Opened"
    assert [token["token"] for token in payload["attributes"][0]["push_tokens"]] == ["t1"]


def test_the_audience_is_entered_by_a_trial_and_left_by_a_subscription() -> None:
    entered, left = (
        asked("trial-audience", event("Trial Started")),
        asked("trial-audience", event("Subscription Started")),
    )

    assert (entered[0], left[0]) == ("POST", "DELETE")
    assert entered[1] == left[1]
    assert sha256("ada@example.com") in entered[2]["payload"]["data"][0]


def test_the_sellers_read_who_subscribed_to_what() -> None:
    paid = {"plan": "plus", "total": 99, "currency": "EUR"}

    assert (
        asked("alerts", event("Subscription Started", properties=paid))[2]["text"] == "u1 subscribed to plus for 99 EUR"
    )


async def test_the_warehouse_says_what_came_before_a_subscription(tmp_path: Path) -> None:
    shop = tmp_path / "lifecycle.duckdb"
    environment = {"LIFECYCLE_WAREHOUSE": f"duckdb:///{shop}"}
    loaded = load_topology([LIFECYCLE], env=environment, registry=destination_types())
    connector = connector_of(loaded, "warehouse")
    names = ("Trial Started", "Feature Used", "Subscription Started")
    calls = [
        delivery(day, event=name, userId="u1", timestamp=f"2026-01-0{day}T00:00:00.000Z")
        for day, name in enumerate(names, 1)
    ]

    await connector.open()
    outcomes = await connector.send(calls)
    await connector.close()

    assert {outcome.kind for outcome in outcomes} == {Kind.DELIVERED}
    with duckdb.connect(str(shop), read_only=True) as database:
        before = database.sql(
            "SELECT t.event_text FROM web.tracks t JOIN web.subscription_started s USING (user_id) "
            "WHERE t.timestamp <= s.timestamp AND t.id <> s.id ORDER BY t.event_text"
        ).fetchall()
    assert before == [("Feature Used",), ("Trial Started",)]
