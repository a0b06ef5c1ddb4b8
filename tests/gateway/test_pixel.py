"""The pixel: an event in an image's URL, in whatever shape mail clients leave it, and always an image in return."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from router.events.event import CALL_TYPES, Limits
from router.gateway.endpoints.pixel import GIF, PixelEndpoint
from tests.gateway.test_handler import Log, serving

OPENED = {"writeKey": "key", "userId": "u1", "event": "Email Opened", "properties": {"subject": "Grüße ???>>>~~~ö"}}
DATA = base64.b64encode(json.dumps(OPENED, ensure_ascii=False).encode()).decode()
PIXEL = PixelEndpoint("track")


def decoded(query: str) -> Any:
    found = PIXEL.decode(b"", query, Limits())
    return found if isinstance(found, str) else found.values[0]


SHAPES: dict[str, Callable[[str], str]] = {
    "as it is": lambda data: data,
    "no padding": lambda data: data.rstrip("="),
    "URL-safe": lambda data: data.replace("+", "-").replace("/", "_"),
    "URL-safe without padding": lambda data: data.replace("+", "-").replace("/", "_").rstrip("="),
    "percent-encoded": lambda data: quote(data, safe=""),
    "percent-encoded twice": lambda data: quote(quote(data, safe=""), safe=""),
    "plus turned into a space": lambda data: data.replace("+", "%20"),
    "wrapped": lambda data: "%0D%0A".join(data[at : at + 76] for at in range(0, len(data), 76)),
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
def test_the_event_is_read_in_every_shape_that_mail_clients_leave(shape: Callable[[str], str]) -> None:
    assert "+" in DATA
    assert "/" in DATA
    assert "=" in DATA
    assert decoded(f"data={shape(DATA)}") == OPENED


def test_without_data_the_parameters_are_the_fields() -> None:
    found = decoded("userId=u1&event=Email+Opened&properties.subject=Hi&properties.a.b=1&writeKey=key&context.ip=")
    assert found == {
        "userId": "u1",
        "event": "Email Opened",
        "properties": {"subject": "Hi", "a": {"b": "1"}},
        "writeKey": "key",
        "context": {"ip": ""},
    }
    assert decoded("a=1&a.b=2") == {"a": {"b": "2"}}
    assert decoded("a.b=2&a=1") == {"a": "1"}


def test_the_time_a_mail_was_written_is_not_taken_for_the_time_it_was_sent() -> None:
    """A clock that seems months late would move the event's own time by as much."""
    data = base64.b64encode(b'{"userId": "u1", "sentAt": "2020-01-01T00:00:00Z"}').decode()
    assert decoded(f"data={data}") == {"userId": "u1"}


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("", "empty"),
        ("data=", "empty"),
        ("data=%%%", "bad_base64"),
        ("data=%C3%BC", "bad_base64"),
        ("data=A", "bad_base64"),
        ("data=bm8ganNvbg", "not_json"),
        ("data=gICA", "not_utf8"),
    ],
)
def test_an_unreadable_url_has_a_reason(query: str, code: str) -> None:
    assert decoded(query) == code


@pytest.mark.parametrize("call", CALL_TYPES)
async def test_an_image_is_answered_and_the_event_is_stored(call: str) -> None:
    """The type is the path's, the user agent the mail client's."""
    event = {"writeKey": "key", "userId": "u1", "event": "E", "groupId": "g1", "previousId": "a1"}
    data = base64.b64encode(json.dumps(event).encode()).decode()
    log = Log()
    async with serving(log) as (session, _):
        url = f"/v1/pixel/{call}?data={data}"
        async with session.get(url, headers={"User-Agent": "Microsoft Office/16.0"}) as answer:
            assert (answer.status, await answer.read()) == (200, GIF)
            assert answer.headers["Content-Type"] == "image/gif"
            assert "no-store" in answer.headers["Cache-Control"]
            assert "ETag" not in answer.headers
    ((topic, value, _, headers),) = log.records
    stored = json.loads(value)
    assert (topic, stored["type"], stored["context"]["userAgent"]) == ("raw", call, "Microsoft Office/16.0")
    assert ("write-key", b"key") in (headers or ())
    assert "writeKey" not in stored


def test_the_image_is_the_smallest_gif() -> None:
    assert (len(GIF), GIF[:6], GIF[6:10], GIF[-1:]) == (43, b"GIF89a", b"\x01\0\x01\0", b";")


@pytest.mark.parametrize("query", ["", "data=%%%", "userId=u1&event=E", "userId=u1&event=E&writeKey=wrong"])
async def test_a_refused_event_is_an_image_too(query: str) -> None:
    """A broken image in a mail helps nobody; the counters have the reason."""
    log = Log()
    async with serving(log) as (session, _), session.get(f"/v1/pixel/track?{query}") as answer:
        assert (answer.status, await answer.read()) == (200, GIF)
    assert log.records == []


@pytest.mark.parametrize("answer", ["not_acknowledged", "raise"])
async def test_when_kafka_or_the_gateway_fails_it_is_an_image_too(answer: str) -> None:
    async with serving(Log(answer)) as (session, _), session.get(f"/v1/pixel/track?data={DATA}") as found:
        assert (found.status, await found.read()) == (200, GIF)


async def test_head_counts_and_has_no_body_and_post_is_refused() -> None:
    log = Log()
    async with serving(log) as (session, _):
        async with session.head(f"/v1/pixel/track?data={DATA}") as answer:
            assert (answer.status, answer.headers["Content-Length"]) == (200, "43")
        async with session.post("/v1/pixel/track", json=OPENED) as answer:
            assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD, OPTIONS")
    assert len(log.records) == 1
