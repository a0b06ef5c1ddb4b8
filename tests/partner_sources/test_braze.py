"""Braze: what Currents posts, and the events made of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from router.partner_sources.base import Post
from tests.partner_sources.doubles.braze import BrazeDouble, event

DOUBLE = BrazeDouble()


def made(item: dict[str, Any], **settings: Any) -> Any:
    (post,) = DOUBLE.posts([item])
    (found,) = DOUBLE.source(**settings).read(post)
    return found.event


def test_an_opened_push() -> None:
    assert made(
        event("messages.pushnotification.Open", platform="ios", device_model="iPhone 15", os_version="18.1")
    ) == {
        "type": "track",
        "event": "Push Notification Opened",
        "messageId": "braze:a1234567-89ab-cdef-0123-456789000000",
        "userId": "u42",
        "anonymousId": "0123456789abcdef01234567",
        "timestamp": "2016-10-26T17:26:23.000Z",
        "properties": {
            "campaign_id": "11234567-89ab-cdef-0123-456789abcdef",
            "campaign_name": "Abandoned cart",
            "campaign": {"name": "Abandoned cart", "medium": "Push"},
            "dispatch_id": "12345678901234567890123456789012",
            "app_id": "01234567-89ab-cdef-0123-456789abcdef",
            "platform": "ios",
        },
        "context": {
            "device": {"id": "fedcba9876543210fedcba98", "model": "iPhone 15"},
            "os": {"version": "18.1"},
            "timezone": "America/Chicago",
            "integration": {"name": "Braze"},
        },
        "channel": "server",
        "integrations": {"Braze": False},
    }


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("messages.email.Send", "Email Sent"),
        ("messages.email.Delivery", "Email Delivered"),
        ("messages.email.Open", "Email Opened"),
        ("messages.email.Click", "Email Link Clicked"),
        ("messages.email.Bounce", "Email Bounced"),
        ("messages.email.MarkAsSpam", "Email Marked as Spam"),
        ("messages.email.Unsubscribe", "Unsubscribed"),
        ("messages.pushnotification.Send", "Push Notification Sent"),
        ("messages.pushnotification.Bounce", "Push Notification Bounced"),
        ("messages.inappmessage.Impression", "In-App Message Viewed"),
        ("messages.contentcard.Dismiss", "Content Card Dismissed"),
        ("messages.sms.InboundReceive", "SMS Inbound Received"),
        ("campaigns.EnrollInControl", "Control Group Entered"),
        ("behaviors.Uninstall", "Application Uninstalled"),
    ],
)
def test_names(kind: str, name: str) -> None:
    assert made(event(kind))["event"] == name


def test_sent_can_stand_for_received_where_a_topology_says_so() -> None:
    """Braze does not say when a push arrived."""
    names = {"users.messages.pushnotification.Send": "Push Notification Received"}
    assert made(event("messages.pushnotification.Send"), events=names)["event"] == "Push Notification Received"


def test_a_canvas_is_a_campaign_and_mail_has_its_address() -> None:
    item = event("messages.email.Click", campaign_id=None, campaign_name=None, canvas_id="c1", canvas_name="Win back")
    item["properties"] |= {"email_address": "ada@example.com", "url": "https://shop.example/cart"}
    found = made(item)
    properties = found["properties"]
    assert (properties["campaign_id"], properties["campaign_name"]) == ("c1", "Win back")
    assert (properties["link_url"], properties["email_id"]) == ("https://shop.example/cart", properties["dispatch_id"])
    assert found["context"]["traits"] == {"email": "ada@example.com"}


@pytest.mark.parametrize("wrapped", [True, False])
def test_batches_come_as_an_object_or_as_a_list_of_it(wrapped: bool) -> None:
    body: Any = {"events": [event("messages.email.Open", 1), event("messages.email.Open", 2)]}
    post = Post("POST", "", "", {}, json.dumps([body] if wrapped else body).encode())
    assert [found.event is not None for found in DOUBLE.source().read(post)] == [True, True]
