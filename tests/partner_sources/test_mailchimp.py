"""Mailchimp: what it posts, and the calls made of it."""

from __future__ import annotations

from typing import Any

import pytest

from router.partner_sources.base import Unreadable
from tests.partner_sources.doubles.mailchimp import CAMPAIGN, MailchimpDouble, form

DOUBLE = MailchimpDouble()


def made(item: dict[str, Any], **settings: Any) -> list[Any]:
    (post,) = DOUBLE.posts([item])
    return [found.event for found in DOUBLE.source(**settings).read(post)]


def test_a_new_subscriber_is_an_event_and_a_person() -> None:
    subscribed, identified = made(form("subscribe"))
    assert subscribed == {
        "type": "track",
        "event": "Subscribed",
        "messageId": subscribed["messageId"],
        "userId": "u42",
        "timestamp": "2009-03-26T21:35:57.000Z",
        "properties": {"list_id": "a6b5da1054", "mailchimp_id": "8a25ff1d98", "email_type": "html"},
        "context": {
            "ip": "203.0.113.7",
            "traits": {"email": "ada@example.com"},
            "integration": {"name": "Mailchimp"},
        },
        "channel": "server",
        "integrations": {"Mailchimp": False},
    }
    assert identified["type"] == "identify"
    assert identified["traits"] == {"firstName": "Ada", "lastName": "Lovelace", "email": "ada@example.com"}
    assert identified["messageId"] == f"{subscribed['messageId']}/1"


@pytest.mark.parametrize(
    ("item", "calls"),
    [
        (form("unsubscribe", reason="manual"), ["Unsubscribed"]),
        (form("profile"), ["identify"]),
        (form("upemail", new_email="ada@new.example", old_email="ada@example.com"), ["identify"]),
        (form("cleaned", reason="hard"), ["Email Bounced"]),
        (form("cleaned", reason="abuse"), ["Email Marked as Spam"]),
        (CAMPAIGN, ["Campaign Sent"]),
    ],
)
def test_calls(item: dict[str, Any], calls: list[str]) -> None:
    assert [call.get("event", call["type"]) for call in made(item)] == calls


def test_a_new_address_is_no_other_person() -> None:
    item = form("upemail", new_email="ada@new.example", old_email="ada@example.com")
    del item["data"]["email"]
    (call,) = made(item)
    assert call["traits"]["email"] == "ada@new.example"
    assert call["traits"]["previous_email"] == "ada@example.com"


def test_without_a_field_for_the_user_it_is_the_address() -> None:
    (call,) = made(form("unsubscribe"), user_id=None)
    assert call["anonymousId"] == "ada@example.com"
    assert "userId" not in call


def test_a_body_that_is_no_form_is_kept_with_its_reason() -> None:
    with pytest.raises(Unreadable, match="empty"):
        DOUBLE.source().read(DOUBLE.post(b""))
