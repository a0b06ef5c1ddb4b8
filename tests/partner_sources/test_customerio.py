"""Customer.io: what it posts, and the events made of it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.partner_sources.doubles.customerio import OPENED, CustomerioDouble, event

DOUBLE = CustomerioDouble()


def made(item: dict[str, Any], **settings: Any) -> Any:
    (post,) = DOUBLE.posts([item])
    (found,) = DOUBLE.source(**settings).read(post)
    return found.event


def test_an_opened_mail() -> None:
    assert made(OPENED) == {
        "type": "track",
        "event": "Email Opened",
        "messageId": "customerio:01E4C4CT6YDC7Y5M7FE1GWWPQJ",
        "userId": "u42",
        "anonymousId": "d9c106000001",
        "timestamp": "2020-03-26T19:16:39.000Z",
        "properties": {
            "email_id": "RPILAgUBcRhIBqSfeiIwdIYJKxTY",
            "email_subject": "Still thinking of it?",
            "campaign_id": "7",
            "campaign_name": "Abandoned cart",
            "delivery_id": "RPILAgUBcRhIBqSfeiIwdIYJKxTY",
            "action_id": 96,
            "journey_id": "01GW20GXAAXBKZD8J96M8FNV3R",
            "parent_action_id": 95,
            "content_id": 1146,
        },
        "context": {"traits": {"email": "ada@example.com"}, "integration": {"name": "Customer.io"}},
        "channel": "server",
        "integrations": {"Customer.io": False},
    }


@pytest.mark.parametrize(
    ("kind", "metric", "name"),
    [
        ("email", "sent", "Email Sent"),
        ("email", "delivered", "Email Delivered"),
        ("email", "clicked", "Email Link Clicked"),
        ("email", "bounced", "Email Bounced"),
        ("email", "spammed", "Email Marked as Spam"),
        ("email", "unsubscribed", "Unsubscribed"),
        ("email", "converted", "Email Converted"),
        ("customer", "unsubscribed", "Unsubscribed"),
        ("customer", "subscribed", "Subscribed"),
        ("push", "sent", "Push Notification Sent"),
        ("push", "delivered", "Push Notification Received"),
        ("push", "opened", "Push Notification Opened"),
        ("push", "clicked", "Push Notification Link Clicked"),
        ("push", "bounced", "Push Notification Bounced"),
        ("sms", "delivered", "SMS Delivered"),
        ("in_app", "opened", "In-App Message Opened"),
        ("webhook", "failed", "Webhook Failed"),
    ],
)
def test_names(kind: str, metric: str, name: str) -> None:
    assert made(event(kind, metric))["event"] == name


def test_a_name_of_ones_own() -> None:
    assert made(event("push", "opened"), events={"push.opened": "Push Notification Tapped"})["event"] == (
        "Push Notification Tapped"
    )


def test_a_clicked_link() -> None:
    properties = made(event("email", "clicked", href="https://shop.example/cart", link_id=12))["properties"]
    assert (properties["link_url"], properties["link_id"]) == ("https://shop.example/cart", 12)


def test_a_push_has_its_campaign_as_the_mobile_spec_says() -> None:
    properties = made(event("push", "delivered"))["properties"]
    assert properties["campaign"] == {"name": "Abandoned cart", "medium": "Push"}
    assert properties["campaign_name"] == "Abandoned cart"
    assert "email_id" not in properties


@pytest.mark.parametrize(
    ("data", "ids"),
    [
        ({"customer_id": "u1"}, {"userId": "u1"}),
        ({"customer_id": 42}, {"userId": "42"}),
        ({"identifiers": {"id": "u1", "email": None, "cio_id": None}}, {"userId": "u1"}),
        ({"identifiers": {"id": None, "email": "a@b.c"}}, {"anonymousId": "a@b.c"}),
        ({"identifiers": {"email": "a@b.c", "cio_id": "d1"}}, {"anonymousId": "d1"}),
        ({"recipient": "a@b.c"}, {"anonymousId": "a@b.c"}),
        ({}, {}),
        (None, {}),
    ],
)
def test_who(data: Any, ids: dict[str, str]) -> None:
    """By the partner's user id; without one by its own, or by e-mail. Without any the gateway keeps it as no event."""
    event = made(OPENED | {"data": data})
    assert {name: event[name] for name in ("userId", "anonymousId") if name in event} == ids


@pytest.mark.parametrize(
    ("written", "timestamp"),
    [
        (1585250199, "2020-03-26T19:16:39.000Z"),
        ("1585250199", "2020-03-26T19:16:39.000Z"),
        (1585250199123, "2020-03-26T19:16:39.123Z"),
        ("soon", "soon"),  # the receive time takes its place, which is counted
        (None, None),
        ({"at": 1}, None),
    ],
)
def test_when(written: Any, timestamp: str | None) -> None:
    assert made(OPENED | {"timestamp": written}).get("timestamp") == timestamp


def test_without_an_id_of_the_partner_the_content_makes_one() -> None:
    """Two events that differ are two, the same one twice is one."""
    first, again, other = (made(OPENED | {"event_id": None, "timestamp": at}) for at in (1, 1, 2))
    assert first["messageId"] == again["messageId"] != other["messageId"]
    assert made(OPENED | {"event_id": "x" * 200})["messageId"] != made(OPENED | {"event_id": "x" * 201})["messageId"]
