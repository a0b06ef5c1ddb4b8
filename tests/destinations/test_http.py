"""An answer, or the lack of one, becomes the outcome that the delivery rules promise."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.receiver import Fault, Receiver, read_log
from router.destinations.base import Kind
from router.destinations.guard import Forbidden
from router.destinations.http import (
    ANSWER_BYTES,
    Answer,
    HttpClient,
    error_code,
    kind_of,
    origin,
    outcome_of,
    parse_retry_after,
)
from tests.sockets import talking

NOW = datetime(2026, 1, 1, tzinfo=UTC)
KINDS = {
    **dict.fromkeys((200, 201, 202, 204, 207, 299), Kind.DELIVERED),
    **dict.fromkeys((301, 302, 307, 308, 401, 403), Kind.REFUSED),
    **dict.fromkeys((400, 402, 404, 405, 409, 410, 413, 415, 422, 451, 501), Kind.REJECTED),
    **dict.fromkeys((408, 423, 429, 500, 502, 503, 504, 520, 598, 599), Kind.RETRY),
}


@pytest.mark.parametrize(("status", "kind"), KINDS.items())
def test_each_status_means_what_the_rules_say(status: int, kind: Kind) -> None:
    """2xx delivered; 408, 423, 429, 5xx but 501 again; 401, 403 and redirects pause; the rest is rejected."""
    assert kind_of(Answer(status, str(status))) is kind


@given(st.integers(100, 999))
def test_every_status_has_an_outcome(status: int) -> None:
    """None is delivered but a 2xx."""
    assert (kind_of(Answer(status, str(status))) is Kind.DELIVERED) == (200 <= status < 300)


def test_an_answer_to_a_batch_is_said_to_be_shared() -> None:
    """So that delivery can try its events in smaller requests; a refusal concerns the configuration, not the size."""
    answers = [Answer(400, "400"), Answer(503, "503"), Answer(401, "401")]

    assert [outcome_of(answer, batch=3).shared for answer in answers] == [True, True, False]
    assert not any(outcome_of(answer, batch=1).shared for answer in answers)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0), ("7", 7), (" 120 ", 120), ("999999999999999999999", 3600), (None, None), ("", None), ("-3", None),
        ("soon", None), ("1.5", None), ("²", None), ("Thu, 01 Jan 2026 00:00:30 GMT", 30),
        ("Wed, 31 Dec 2025 23:59:00 GMT", 0), ("Thu, 01 Jan 2026 00:00:30 -0000", 30),
        ("Sat, 01 Jan 2099 00:00:00 GMT", 3600),
    ],
)  # fmt: skip
def test_retry_after_is_read_as_seconds_or_as_a_date(value: str | None, seconds: float | None) -> None:
    """Nonsense is no wish; no partner can make us wait longer than an hour."""
    assert parse_retry_after(value, NOW) == seconds


@given(st.text(max_size=60))
def test_any_retry_after_is_bounded(value: str) -> None:
    """Headers are untrusted."""
    seconds = parse_retry_after(value, NOW)

    assert seconds is None or 0 <= seconds <= 3600


def connection_error(number: int) -> OSError:
    key: Any = None
    return aiohttp.ClientConnectorError(key, OSError(number, os.strerror(number)))


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (connection_error(111), "ECONNREFUSED"), (connection_error(104), "ECONNRESET"),
        (connection_error(113), "EHOSTUNREACH"), (connection_error(110), "ETIMEDOUT"),
        (OSError("Multiple exceptions"), "ECONNABORTED"), (TimeoutError(), "ETIMEDOUT"),
        (aiohttp.ServerDisconnectedError(), "ECONNRESET"), (aiohttp.ClientPayloadError(), "ECONNRESET"),
        (Forbidden("no"), "INVALID_SETTINGS"), (aiohttp.InvalidURL("x"), "INVALID_SETTINGS"),
    ],
)  # fmt: skip
def test_network_faults_have_their_known_names(error: BaseException, code: str) -> None:
    """The vocabulary of Segment's error codes."""
    assert error_code(error) == code


@pytest.mark.parametrize(("number", "code"), [(socket.EAI_NONAME, "ENOTFOUND"), (socket.EAI_AGAIN, "EAI_AGAIN")])
def test_resolver_faults_have_their_known_names(number: int, code: str) -> None:
    """A name that is not there, a resolver that does not answer."""
    key: Any = None

    assert error_code(aiohttp.ClientConnectorDNSError(key, OSError(number, "x"))) == code


def test_only_the_origin_of_a_url_is_shown() -> None:
    """Path, query and user may be credentials."""
    assert origin("https://u:p@hooks.example:8443/T0/secret?token=1") == "https://hooks.example:8443"
    assert origin("http://[::1]/x") == "http://[::1]"


async def answer_to(tmp_path: Path, *faults: Fault, timeout: float = 20.0) -> tuple[Answer, int]:
    """The answer to one POST at a receiver with these faults, and how many events it accepted."""
    async with Receiver(tmp_path / "log") as receiver:
        receiver.faults["/x"] = list(faults)
        client = HttpClient(timeout=timeout, allow_private=True)
        await client.open()
        answer = await client.post(f"{receiver.url}/x", b'{"messageId": "m1"}', {})
        await client.close()
    return answer, len(read_log(tmp_path / "log"))


async def test_an_answer_carries_status_body_and_wish(tmp_path: Path) -> None:
    """Everything that an outcome is made of."""
    answer, accepted = await answer_to(tmp_path, Fault("status", status=429, retry_after="7"))

    assert (answer.status, answer.code, answer.body, answer.complete) == (429, "429", b"no", True)
    assert (answer.retry_after, accepted) == (7, 0)


@pytest.mark.parametrize("kind", ["close", "lost"])
async def test_a_dropped_connection_is_no_delivery(tmp_path: Path, kind: str) -> None:
    """Whether the partner has it cannot be known: it is tried again."""
    answer, accepted = await answer_to(tmp_path, Fault(kind))

    assert (answer.status, answer.code, accepted) == (0, "ECONNRESET", int(kind == "lost"))


async def test_an_answer_that_is_not_http_is_no_delivery(tmp_path: Path) -> None:
    """It has a name of its own."""
    answer, _ = await answer_to(tmp_path, Fault("garbage"))

    assert (answer.status, answer.code) == (0, "EPROTO")


async def test_a_slow_partner_times_out(tmp_path: Path) -> None:
    """The timeout covers the whole attempt."""
    answer, _ = await answer_to(tmp_path, Fault("slow", seconds=30), timeout=0.3)

    assert (answer.status, answer.code) == (0, "ETIMEDOUT")


async def test_an_endless_answer_is_cut_off(tmp_path: Path) -> None:
    """The status has been said; memory and time stay bounded."""
    answer, accepted = await answer_to(tmp_path, Fault("endless"))

    assert (answer.status, len(answer.body), answer.complete, accepted) == (200, ANSWER_BYTES, False, 1)


async def test_a_body_that_stalls_after_the_status_does_not_undo_it() -> None:
    """Accepted is accepted: sending again would be a repeat."""

    async def stall(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart")
        await reader.read()

    async with talking(stall) as port:
        client = HttpClient(timeout=0.5, allow_private=True)
        await client.open()
        answer = await client.post(f"http://127.0.0.1:{port}/", b"{}", {})
        await client.close()

    assert (answer.status, answer.body, answer.complete) == (200, b"part", False)


async def test_no_redirect_is_followed(tmp_path: Path) -> None:
    """A partner cannot send us elsewhere."""
    async with Receiver(tmp_path / "elsewhere") as elsewhere:
        answer, _ = await answer_to(tmp_path, Fault("redirect", location=f"{elsewhere.url}/y"))

        assert (answer.status, elsewhere.requests.total()) == (307, 0)


async def test_nobody_there_is_econnrefused() -> None:
    """A port without a listener."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        client = HttpClient(timeout=10, allow_private=True)
        await client.open()
        answer = await client.post(f"http://127.0.0.1:{port}/", b"{}", {})
        await client.close()

    assert (answer.status, answer.code) == (0, "ECONNREFUSED")


async def test_a_forbidden_address_is_a_fault_of_the_settings() -> None:
    """It pauses the destination; the text names no address."""
    client = HttpClient(timeout=10)
    await client.open()
    answer = await client.post("http://127.0.0.1:9/", b"{}", {})
    await client.close()

    assert (answer.code, kind_of(answer), "127" in answer.detail) == ("INVALID_SETTINGS", Kind.REFUSED, False)


async def test_a_slow_resolver_counts_into_the_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every part of an attempt is bounded."""

    async def never(*_: object, **__: object) -> None:
        await asyncio.sleep(60)

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", never)
    client = HttpClient(timeout=0.3)
    await client.open()
    began = time.monotonic()
    answer = await client.post("http://partner.example/", b"{}", {})
    await client.close()

    assert answer.code == "ETIMEDOUT"
    assert time.monotonic() - began < 30
