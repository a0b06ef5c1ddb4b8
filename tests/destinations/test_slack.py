"""Slack: an event in, the message out."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from pydantic import ValidationError

from router.destinations.base import Delivery, Kind, Outcome
from router.destinations.http import HttpRequest, Skip
from router.destinations.response import HttpResponse
from router.destinations.slack import Slack, SlackSettings
from tests.deliveries import delivery

HOOK = "https://hooks.slack.com/services/T1/B1/hush"
BOT = {"token": "xoxb-1", "channel": "C1"}


def event(kind: str = "track", name: str = "Order Completed", **fields: Any) -> Delivery:
    made = delivery(1, **({"type": kind, "event": name, "properties": {"total": 9.5}} | fields))
    made.type, made.event = kind, name if kind == "track" else ""
    return made


def connector(**settings: Any) -> Slack:
    return Slack("slack", SlackSettings.model_validate(settings), 10.0)


def message(one: Delivery, **settings: Any) -> Any:
    (made,) = connector(**({} if "webhook_url" in settings else BOT) | settings).mapped([one])
    return made.reason if isinstance(made, Skip) else (made.url, orjson.loads(made.body))


def posted(**payload: Any) -> Any:
    return ("/api/chat.postMessage", {"channel": "C1"} | payload)


@pytest.mark.parametrize(
    ("given", "settings", "expected"),
    [
        # track, by its template
        (event(), {"templates": {"Order Completed": "Sold for {properties.total}"}}, posted(text="Sold for 9.5")),
        (event(), {"templates": {"Order *": "{event}"}}, posted(text="Order Completed")),
        (event(), {"templates": {"Order Refunded": "x"}}, "no_template"),
        (event(), {}, "no_template"),
        (event(), {"templates": {"*": "{properties.nothing}"}}, "empty_message"),
        # identify, by the template for it
        (event("identify", traits={"name": "Ada"}), {"identify": "{traits.name} is here"}, posted(text="Ada is here")),
        (event("identify"), {"templates": {"*": "x"}}, "no_template"),
        # everything else
        (event("page"), {"templates": {"*": "x"}}, "unsupported_type"),
        (event("screen"), {"templates": {"*": "x"}}, "unsupported_type"),
        (event("group"), {"templates": {"*": "x"}}, "unsupported_type"),
        (event("alias"), {"templates": {"*": "x"}}, "unsupported_type"),
        # the channel of an event, the sender's name and picture
        (event(), {"templates": {"*": "x"}, "channels": {"Order Completed": "C2"}}, posted(channel="C2", text="x")),
        (event(), {"templates": {"Order *": "x"}, "channels": {"Order *": "C3"}}, posted(channel="C3", text="x")),
        (event(), {"templates": {"*": "x"}, "username": "Shop", "icon_url": "https://shop.example/i.png"},
         posted(text="x", username="Shop", icon_url="https://shop.example/i.png")),
        # an incoming webhook has its channel already
        (event(), {"webhook_url": HOOK, "templates": {"*": "x"}}, (HOOK, {"text": "x"})),
        # values cannot mention a channel or make links; the template can
        (event(properties={"by": "<!channel> & co"}), {"templates": {"*": "<!here> {properties.by}"}},
         posted(text="<!here> &lt;!channel&gt; &amp; co")),
    ],
)  # fmt: skip
def test_messages_come_from_templates(given: Delivery, settings: dict[str, Any], expected: Any) -> None:
    assert message(given, **settings) == expected


def test_a_message_is_cut_to_what_slack_shows() -> None:
    _, payload = message(event(properties={"note": "ä" * 30_000}), templates={"*": "{properties.note}"})

    assert len(payload["text"].encode()) == 40_000


def outcome(response: HttpResponse, **settings: Any) -> Any:
    (read,) = connector(**settings or BOT).read(HttpRequest("POST", "/", [event()]), response)
    assert isinstance(read, Outcome)
    return read.kind, read.code, read.detail


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ("not_in_channel", Kind.REJECTED), ("channel_not_found", Kind.REJECTED), ("is_archived", Kind.REJECTED),
        ("msg_too_long", Kind.REJECTED), ("no_text", Kind.REJECTED), ("invalid_blocks", Kind.REJECTED),
        ("restricted_action", Kind.REJECTED), ("invalid_auth", Kind.REFUSED), ("token_revoked", Kind.REFUSED),
        ("account_inactive", Kind.REFUSED), ("ratelimited", Kind.RETRY), ("internal_error", Kind.RETRY),
        ("service_unavailable", Kind.RETRY),
    ],
)  # fmt: skip
def test_an_answer_that_is_not_ok_is_called_by_slacks_name(error: str, kind: Kind) -> None:
    body = orjson.dumps({"ok": False, "error": error})

    assert outcome(HttpResponse(200, "200", body)) == (kind, error.upper(), error)


def test_an_error_that_is_no_name_is_not_repeated() -> None:
    body = orjson.dumps({"ok": False, "error": "Ada's message"})

    assert outcome(HttpResponse(200, "200", body)) == (Kind.REJECTED, "NOT_OK", "")


def test_an_answer_that_cannot_be_read_confirms_nothing() -> None:
    assert outcome(HttpResponse(200, "200", b"<html>")) == (Kind.UNCONFIRMED, "200", "")


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, b"ok", (Kind.DELIVERED, "200", "")),
        (400, b"invalid_payload", (Kind.REJECTED, "400", "")),
        (403, b"action_prohibited", (Kind.REFUSED, "403", "action_prohibited")),
        (404, b"no_service", (Kind.REFUSED, "404", "no_service")),
        (410, b"channel_is_archived", (Kind.REFUSED, "410", "channel_is_archived")),
        (500, b"rollup_error", (Kind.RETRY, "500", "")),
    ],
)
def test_a_webhook_or_channel_that_is_gone_pauses_the_destination(status: int, body: bytes, expected: Any) -> None:
    assert outcome(HttpResponse(status, str(status), body), webhook_url=HOOK) == expected


def test_a_webhook_cannot_be_asked_without_posting() -> None:
    assert connector(webhook_url=HOOK).probe() is None


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({}, "either token or webhook_url"),
        (BOT | {"webhook_url": HOOK}, "either token or webhook_url"),
        ({"token": "x b", "channel": "C1"}, "a key without blanks"),
        ({"webhook_url": "hooks.slack.com"}, "http or https URL"),
        ({"webhook_url": HOOK, "channel": "C1"}, "bound to one"),
        ({"token": "t", "templates": {"*": "x"}}, "expected channel"),
        ({"token": "t", "identify": "x"}, "expected channel"),
        (BOT | {"templates": {"*": "{event"}}, "expected a template"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        SlackSettings.model_validate(settings)
