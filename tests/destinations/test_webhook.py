"""The webhook posts what it was given, signed and named so that the receiver can tell repeats."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from router.destinations.base import Delivery, Kind, Outcome
from router.destinations.webhook import REPLAY_WINDOW, Webhook, WebhookSettings, sign, verify
from tests.deliveries import delivery
from tests.sockets import talking

Request = tuple[dict[str, str], bytes]


async def post(
    batch: Sequence[Delivery], answer: bytes = b"HTTP/1.1 204 No\r\n\r\n", **settings: Any
) -> tuple[Request, Sequence[Outcome]]:
    """One `send` against a bare socket: the request as it stood on the wire, and the outcomes."""
    seen: list[Request] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:] if line)}
        seen.append((headers | {"": lines[0]}, await reader.readexactly(int(headers["content-length"]))))
        writer.write(answer)
        await reader.read()

    async with talking(talk) as port:
        given = {"url": f"http://127.0.0.1:{port}/hooks/T0?x=1", "allow_private": True} | settings
        connector = Webhook("crm", WebhookSettings.model_validate(given), 20.0)
        await connector.open()
        outcomes = await connector.send(batch)
        await connector.close()
    return seen[0], outcomes


async def test_one_event_is_posted_as_it_stands() -> None:
    """The body is the event's own bytes, as JSON, to the URL's path and query."""
    (headers, body), outcomes = await post([delivery(1)])

    assert (headers[""], headers["content-type"]) == ("POST /hooks/T0?x=1 HTTP/1.1", "application/json")
    assert (body, [outcome.kind for outcome in outcomes]) == (delivery(1).value, [Kind.DELIVERED])


async def test_a_batch_is_posted_as_an_array() -> None:
    """In order, each event as its own bytes."""
    batch = [delivery(1), delivery(2)]

    (_, body), outcomes = await post(batch)

    assert orjson.loads(body) == [one.body for one in batch]
    assert len(outcomes) == 2


async def test_the_signature_can_be_checked_and_not_forged() -> None:
    """HMAC-SHA256 over timestamp, a dot and the raw body."""
    (headers, body), _ = await post([delivery(1)], secret="hush")
    stamp, signature = headers["x-timestamp"], headers["x-signature"]

    assert verify(b"hush", stamp, signature, body, time.time())
    assert not verify(b"hush", stamp, signature, body + b" ", time.time())
    assert not verify(b"other", stamp, signature, body, time.time())
    assert not verify(b"hush", str(int(stamp) + 1), signature, body, time.time())


def test_an_old_request_cannot_be_played_again() -> None:
    """Outside five minutes a good signature is refused."""
    signature = sign(b"hush", 1_000_000, b"{}")

    assert verify(b"hush", "1000000", signature, b"{}", 1_000_000 + REPLAY_WINDOW)
    assert not verify(b"hush", "1000000", signature, b"{}", 1_000_001 + REPLAY_WINDOW)
    assert not verify(b"hush", "1000000", signature, b"{}", 999_999 - REPLAY_WINDOW)


@given(st.text(max_size=30), st.text(max_size=80), st.binary(max_size=30))
def test_whatever_a_stranger_sends_is_no_signature(stamp: str, signature: str, body: bytes) -> None:
    """Headers are untrusted: an answer, never an exception."""
    assert not verify(b"hush", stamp, signature, body, 0.0)


def test_the_signature_is_the_published_one() -> None:
    """Receivers are written against this form: it must never change by accident."""
    assert sign(b"key", 1, b"body") == "v1=91b5374b153842ad05b2c4eab9349b8321b14703165bd3fb8b034dfb8be98ae5"


async def test_no_secret_no_signature() -> None:
    """An unsigned request does not pretend."""
    (headers, _), _ = await post([delivery(1)])

    assert "x-signature" not in headers


async def test_the_idempotency_key_is_the_same_on_every_attempt() -> None:
    """The attempt counts up beside it; of a batch, the key is that of its events in order."""
    (first, _), _ = await post([delivery(1)])
    (second, _), _ = await post([delivery(1, attempt=2)])
    (batch, _), _ = await post([delivery(1), delivery(2)])
    (again, _), _ = await post([delivery(1, attempt=3), delivery(2)])

    assert first["idempotency-key"] == second["idempotency-key"] == f"{1:032x}"
    assert (first["x-attempt"], second["x-attempt"], again["x-attempt"]) == ("1", "2", "3")
    assert batch["idempotency-key"] == again["idempotency-key"] != first["idempotency-key"]


async def test_a_message_id_cannot_break_out_of_its_header() -> None:
    """It is percent-encoded."""
    (headers, _), _ = await post([delivery(1, messageId="a\r\nX-Evil: 1 é")])

    assert headers["x-message-id"] == "a%0D%0AX-Evil%3A%201%20%C3%A9"
    assert "x-evil" not in headers


async def test_own_headers_are_sent() -> None:
    """Such as Authorization."""
    (headers, _), _ = await post([delivery(1)], headers={"Authorization": "Bearer hush"})

    assert headers["authorization"] == "Bearer hush"


async def test_a_failure_keeps_what_was_said_without_credentials() -> None:
    """For samples: the request without URL path and header values, the answer as it came."""
    answer = b"HTTP/1.1 400 Bad\r\nContent-Length: 9\r\n\r\nno total!"

    _, outcomes = await post([delivery(1)], answer, secret="hush", headers={"Authorization": "Bearer hush"})
    exchange = outcomes[0].exchange

    assert exchange is not None
    assert "hooks" not in exchange.request
    assert "hush" not in exchange.request
    assert '"messageId":"m1"' in exchange.request
    assert exchange.response.endswith("no total!")


@pytest.mark.parametrize(
    "url",
    ["ftp://x/y", "x", "", "http://", "//x/y", "https://user:pass@x/y", "https://user@x/", "file:///etc/passwd",
     "http://[::1", "https://x:99999/"],
)  # fmt: skip
def test_a_url_that_cannot_be_meant_is_refused(url: str) -> None:
    """When the topology is read, not at the first event; the text does not repeat it."""
    with pytest.raises(ValidationError, match="expected") as caught:
        WebhookSettings.model_validate({"url": url})

    assert "pass" not in caught.value.errors()[0]["msg"].replace("password", "")


@pytest.mark.parametrize(
    "headers",
    [{"Host": "x"}, {"content-length": "1"}, {"X-Signature": "v1="}, {"Idempotency-Key": "1"}, {"a b": "1"},
     {"": "1"}, {"X": "a\r\nY: b"}, {"X\n": "1"}, {"X": "☃"}],
)  # fmt: skip
def test_headers_that_would_change_the_request_are_refused(headers: dict[str, str]) -> None:
    """No smuggling through the topology, none of ours overridden."""
    with pytest.raises(ValidationError, match="expected"):
        WebhookSettings.model_validate({"url": "https://x/", "headers": headers})
