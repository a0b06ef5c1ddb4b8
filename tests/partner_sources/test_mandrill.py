"""Mandrill: what it posts, and the events made of it."""

from __future__ import annotations

from typing import Any

import pytest

from router.partner_sources.base import Unreadable
from tests.partner_sources.doubles.double import NOW
from tests.partner_sources.doubles.mandrill import URL, MandrillDouble, event

DOUBLE = MandrillDouble()


def made(item: dict[str, Any], **settings: Any) -> Any:
    (post,) = DOUBLE.posts([item])
    (found,) = DOUBLE.source(**settings).read(post)
    return found.event


def test_a_clicked_link() -> None:
    found = made(event("click", url="https://shop.example/cart", ip="203.0.113.7", user_agent="Mozilla/5.0"))
    assert found == {
        "type": "track",
        "event": "Email Link Clicked",
        "messageId": found["messageId"],
        "userId": "u42",
        "timestamp": "2013-11-20T13:26:44.000Z",
        "properties": {
            "email_id": "exampleaaaaaaaaaaaaaaaaaaaaaaaaa0",
            "email_subject": "Still thinking of it?",
            "campaign_name": "Abandoned cart",
            "link_url": "https://shop.example/cart",
            "tags": ["cart"],
            "state": "sent",
        },
        "context": {
            "ip": "203.0.113.7",
            "userAgent": "Mozilla/5.0",
            "traits": {"email": "ada@example.com"},
            "integration": {"name": "Mandrill"},
        },
        "channel": "server",
        "integrations": {"Mandrill": False},
    }


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("send", "Email Sent"),
        ("delivered", "Email Delivered"),
        ("open", "Email Opened"),
        ("hard_bounce", "Email Bounced"),
        ("soft_bounce", "Email Soft Bounced"),
        ("spam", "Email Marked as Spam"),
        ("unsub", "Unsubscribed"),
        ("reject", "Email Dropped"),
    ],
)
def test_names(kind: str, name: str) -> None:
    assert made(event(kind))["event"] == name


def test_each_time_a_message_is_opened_is_an_event() -> None:
    first, second = made(event("open")), made(event("open", ts=1384954005))
    assert first["properties"]["email_id"] == second["properties"]["email_id"]
    assert first["messageId"] != second["messageId"]


def test_the_url_counts_with_its_query() -> None:
    post = DOUBLE.post(DOUBLE.body(DOUBLE.items))
    assert DOUBLE.source().verify(post, NOW) == ""
    assert DOUBLE.source(url=URL.removesuffix("?x=1")).verify(post, NOW) == "bad_signature"


def test_the_key_of_the_test_signs_nothing_but_the_test() -> None:
    post = DOUBLE.post(DOUBLE.body(DOUBLE.items), NOW, "test-webhook")
    assert DOUBLE.source().verify(post, NOW) == "bad_signature"


def test_a_form_without_events_is_kept_with_its_reason() -> None:
    with pytest.raises(Unreadable, match="no_items"):
        DOUBLE.source().read(DOUBLE.post(b"a=b"))
