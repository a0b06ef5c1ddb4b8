"""Klaviyo: what it posts, and the events made of it."""

from __future__ import annotations

from typing import Any

import pytest

from router.partner_sources.base import Unreadable
from tests.partner_sources.doubles.klaviyo import KlaviyoDouble, event

DOUBLE = KlaviyoDouble()


def made(item: dict[str, Any], **settings: Any) -> Any:
    (post,) = DOUBLE.posts([item])
    (found,) = DOUBLE.source(**settings).read(post)
    return found.event


def test_a_clicked_link() -> None:
    assert made(event("clicked_email", URL="https://shop.example/cart")) == {
        "type": "track",
        "event": "Email Link Clicked",
        "messageId": "klaviyo:4vRpBTbx00",
        "userId": "u42",
        "anonymousId": "01H7WD",
        "timestamp": "2024-04-12T19:33:25.000Z",
        "properties": {
            "email_id": "01HVB4",
            "email_subject": "Still thinking of it?",
            "campaign_id": "01HVB4",
            "campaign_name": "Abandoned cart",
            "link_url": "https://shop.example/cart",
            "event_id": "4vRpBT00",
        },
        "context": {"traits": {"email": "ada@example.com"}, "integration": {"name": "Klaviyo"}},
        "channel": "server",
        "integrations": {"Klaviyo": False},
    }


@pytest.mark.parametrize(
    ("topic", "name"),
    [
        ("received_email", "Email Delivered"),
        ("email_delivered", "Email Delivered"),
        ("opened_email", "Email Opened"),
        ("bounced_email", "Email Bounced"),
        ("marked_email_as_spam", "Email Marked as Spam"),
        ("unsubscribed_from_email_marketing", "Unsubscribed"),
        ("unsubscribed_from_list", "Unsubscribed"),
        ("received_push", "Push Notification Received"),
        ("opened_push", "Push Notification Opened"),
        ("received_sms", "SMS Delivered"),
    ],
)
def test_names(topic: str, name: str) -> None:
    assert made(event(topic))["event"] == name


def test_without_a_profile_of_ours_it_is_klaviyos_own() -> None:
    item = event("opened_email")
    item["payload"]["included"] = []
    found = made(item)
    assert "userId" not in found
    assert found["anonymousId"] == "01H7WD"


def test_a_body_without_a_list_is_kept_with_its_reason() -> None:
    with pytest.raises(Unreadable, match="no_items"):
        DOUBLE.source().read(DOUBLE.post(b'{"data": {}}'))
