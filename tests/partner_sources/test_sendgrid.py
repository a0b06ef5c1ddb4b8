"""SendGrid: what it posts, and the events made of it."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from pydantic import ValidationError

from router.partner_sources.sendgrid import SendgridSourceSettings
from tests.partner_sources.doubles.double import KEY, NOW
from tests.partner_sources.doubles.sendgrid import USER_AGENT, SendgridDouble, event, verification_key

DOUBLE = SendgridDouble()


def made(item: dict[str, Any], **settings: Any) -> Any:
    (post,) = DOUBLE.posts([item])
    (found,) = DOUBLE.source(**settings).read(post)
    return found.event


def test_a_clicked_link() -> None:
    item = event("click", url="https://shop.example/cart", useragent=USER_AGENT, ip="203.0.113.7", order="o1")
    campaign = {"marketing_campaign_id": 12345, "marketing_campaign_name": "Abandoned cart"}
    assert made(item | campaign) == {
        "type": "track",
        "event": "Email Link Clicked",
        "messageId": "sendgrid:sg_event_id_00",
        "userId": "u42",
        "timestamp": "2017-12-15T00:59:29.000Z",
        "properties": {
            "email_id": "14c5d75ce93",
            "campaign_id": 12345,
            "campaign_name": "Abandoned cart",
            "link_url": "https://shop.example/cart",
            "sg_event_id": "sg_event_id_00",
            "sg_message_id": "14c5d75ce93.dfd.64b469.filter0001.16648.5515E0B88.0",
            "smtp-id": "<14c5d75ce93.dfd.64b469@ismtpd-555>",
            "category": ["cat facts"],
            "order": "o1",
        },
        "context": {
            "ip": "203.0.113.7",
            "userAgent": USER_AGENT,
            "traits": {"email": "ada@example.com"},
            "integration": {"name": "SendGrid"},
        },
        "channel": "server",
        "integrations": {"SendGrid": False},
    }


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("processed", "Email Sent"),
        ("delivered", "Email Delivered"),
        ("open", "Email Opened"),
        ("click", "Email Link Clicked"),
        ("bounce", "Email Bounced"),
        ("deferred", "Email Deferred"),
        ("dropped", "Email Dropped"),
        ("spamreport", "Email Marked as Spam"),
        ("unsubscribe", "Unsubscribed"),
        ("group_unsubscribe", "Unsubscribed"),
        ("group_resubscribe", "Subscribed"),
    ],
)
def test_names(kind: str, name: str) -> None:
    assert made(event(kind))["event"] == name


def test_who_stands_where_the_sender_put_it() -> None:
    """Custom arguments are merged flat into each event."""
    item = event("open", user_id=None, customer={"id": 1}, account="u7")
    assert made(item, user_id="account")["userId"] == "u7"
    assert "account" not in made(item, user_id="account")["properties"]
    assert "userId" not in made(item, user_id="customer")
    assert made(item)["anonymousId"] == "ada@example.com"


def test_the_signature_covers_the_line_break_at_the_end() -> None:
    post = DOUBLE.post(DOUBLE.body([event("open")]))
    assert post.body.endswith(b"\r\n")
    assert DOUBLE.source().verify(post, NOW) == ""


@pytest.mark.parametrize(
    "key", ["", "no key", base64.b64encode(b"no key").decode(), "-----BEGIN PUBLIC KEY-----\n" + verification_key(KEY)]
)
def test_a_key_that_is_none_is_refused_at_the_start(key: str) -> None:
    with pytest.raises(ValidationError, match="the verification key that SendGrid shows"):
        SendgridSourceSettings.model_validate({"verification_key": key})
