"""Iterable: what it posts, and the events made of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from multidict import CIMultiDict

from tests.partner_sources.doubles.double import KEY, NOW
from tests.partner_sources.doubles.iterable import IterableDouble, event

DOUBLE = IterableDouble()


def made(item: dict[str, Any], **settings: Any) -> Any:
    (post,) = DOUBLE.posts([item])
    (found,) = DOUBLE.source(**settings).read(post)
    return found.event


def test_a_clicked_link() -> None:
    found = made(
        event("emailClick", 3, url="https://shop.example/cart", linkId="3145668", ip="203.0.113.7", city="Rome")
    )
    assert found["messageId"].startswith("iterable:")
    assert found == {
        "type": "track",
        "event": "Email Link Clicked",
        "messageId": found["messageId"],
        "userId": "u42",
        "timestamp": "2016-12-02T20:31:39.000Z",
        "properties": {
            "email_id": "c49313:t79190:mail",
            "email_subject": "Still thinking of it?",
            "campaign_id": 49313,
            "campaign_name": "Abandoned cart",
            "link_id": "3145668",
            "linkId": "3145668",
            "link_url": "https://shop.example/cart",
            "templateId": 79190,
            "messageId": "d0aa7801f91f4824997a631f3ed58303",
        },
        "context": {
            "ip": "203.0.113.7",
            "location": {"city": "Rome"},
            "traits": {"email": "ada@example.com"},
            "integration": {"name": "Iterable"},
        },
        "channel": "server",
        "integrations": {"Iterable": False},
    }


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("emailSend", "Email Sent"),  # there is no event of delivery
        ("emailOpen", "Email Opened"),
        ("emailBounce", "Email Bounced"),
        ("emailComplaint", "Email Marked as Spam"),
        ("emailUnSubscribe", "Unsubscribed"),
        ("emailSubscribe", "Subscribed"),
        ("pushSend", "Push Notification Sent"),
        ("pushOpen", "Push Notification Opened"),
        ("pushUninstall", "Application Uninstalled"),
        ("inAppOpen", "In-App Message Opened"),
        ("webPushClick", "Web Push Clicked"),
        ("smsReceived", "SMS Inbound Received"),
    ],
)
def test_names(kind: str, name: str) -> None:
    assert made(event(kind))["event"] == name


def test_an_id_is_made_of_message_event_time_and_link() -> None:
    def id_of(kind: str, **fields: Any) -> str:
        return str(made(event(kind, **fields))["messageId"])

    assert id_of("emailOpen") == id_of("emailOpen", labels=["a"])
    different = [
        id_of("emailOpen"),
        id_of("emailSend"),
        id_of("emailOpen", createdAt="2016-12-02 20:31:40 +00:00"),
        id_of("emailClick", linkId="1"),
        id_of("emailClick", linkId="2"),
        id_of("pushOpen", messageId=None),
        made({**event("pushOpen", messageId=None), "userId": "u43"})["messageId"],
    ]
    assert len(set(different)) == len(different)


def test_the_address_may_stand_in_the_data_alone() -> None:
    item = {**event("emailOpen"), "email": None, "userId": None}
    item["dataFields"]["email"] = "ada@example.com"
    assert made(item)["anonymousId"] == "ada@example.com"


def test_a_token_in_a_header_of_its_own_or_in_the_url() -> None:
    post = DOUBLE.post(b"{}")
    assert DOUBLE.source(token_header="X-Token").verify(post, NOW) == "no_signature"
    for own in ({"X-Token": KEY}, {"x-token": f"Basic {KEY}"}):
        assert DOUBLE.source(token_header="X-Token").verify(replace(post, headers=CIMultiDict(own)), NOW) == ""
