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

from router.destinations.base import Kind
from router.destinations.client import HttpClient, error_code
from router.destinations.guard import Forbidden
from router.destinations.http import kind_of
from router.destinations.request import origin
from router.destinations.response import RESPONSE_BYTES, HttpResponse, parse_retry_after
from router.receiver import InjectedFault, Receiver, read_log
from tests.sockets import talking

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0), ("7", 7), (" 120 ", 120), ("999999999999999999999", 3600), (None, None), ("", None), ("-3", None),
        ("soon", None), ("1.5", 1.5), ("1.5.2", None),
        ("1767225630", 30), ("1767225630500", 30.5), ("9" * 400, 3600), ("²", None),
        ("Thu, 01 Jan 2026 00:00:30 GMT", 30),
        ("Wed, 31 Dec 2025 23:59:00 GMT", 0), ("Thu, 01 Jan 2026 00:00:30 -0000", 30),
        ("Sat, 01 Jan 2099 00:00:00 GMT", 3600),
    ],
)  # fmt: skip
def test_retry_after_is_read_whatever_its_form(value: str | None, seconds: float | None) -> None:
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


async def answer_to(tmp_path: Path, *faults: InjectedFault, timeout: float = 20.0) -> tuple[HttpResponse, int]:
    """The answer to one POST at a receiver with these faults, and how many events it accepted."""
    async with Receiver(tmp_path / "log") as receiver:
        receiver.faults["/x"] = list(faults)
        client = HttpClient(timeout=timeout, allow_private=True)
        await client.open()
        answer = await client.request("POST", f"{receiver.url}/x", b'{"messageId": "m1"}', {})
        await client.close()
    return answer, len(read_log(tmp_path / "log"))


async def test_an_answer_carries_status_body_and_wish(tmp_path: Path) -> None:
    """Everything that an outcome is made of."""
    answer, accepted = await answer_to(tmp_path, InjectedFault(kind="status", status=429, retry_after="7"))

    assert (answer.status, answer.code, answer.body, answer.complete) == (429, "429", b"no", True)
    assert (answer.wait("retry-after"), accepted) == (7, 0)


@pytest.mark.parametrize("kind", ["close", "lost"])
async def test_a_dropped_connection_is_no_delivery(tmp_path: Path, kind: str) -> None:
    """Whether the partner has it cannot be known: it is tried again."""
    answer, accepted = await answer_to(tmp_path, InjectedFault(kind=kind))

    assert (answer.status, answer.code, accepted) == (0, "ECONNRESET", int(kind == "lost"))


async def test_an_answer_that_is_not_http_is_no_delivery(tmp_path: Path) -> None:
    """It has a name of its own."""
    answer, _ = await answer_to(tmp_path, InjectedFault(kind="garbage"))

    assert (answer.status, answer.code) == (0, "EPROTO")


async def test_a_slow_partner_times_out(tmp_path: Path) -> None:
    """The timeout covers the whole attempt."""
    answer, _ = await answer_to(tmp_path, InjectedFault(kind="slow", seconds=30), timeout=0.3)

    assert (answer.status, answer.code) == (0, "ETIMEDOUT")


async def test_an_endless_answer_is_cut_off(tmp_path: Path) -> None:
    """The status has been said; memory and time stay bounded."""
    answer, accepted = await answer_to(tmp_path, InjectedFault(kind="endless"))

    assert (answer.status, len(answer.body), answer.complete, accepted) == (200, RESPONSE_BYTES, False, 1)


async def test_a_body_that_stalls_after_the_status_does_not_undo_it() -> None:
    """Accepted is accepted: sending again would be a repeat."""

    async def stall(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart")
        await reader.read()

    async with talking(stall) as port:
        client = HttpClient(timeout=0.5, allow_private=True)
        await client.open()
        answer = await client.request("POST", f"http://127.0.0.1:{port}/", b"{}", {})
        await client.close()

    assert (answer.status, answer.body, answer.complete) == (200, b"part", False)


@pytest.mark.parametrize(
    "head",
    [
        "X-Policy: " + "a" * 9_000 + "\r\nContent-Length: 0\r\n", "X-Served By: a\r\nContent-Length: 0\r\n",
        "Content-Length: 2\r\nContent-Length: 2\r\n\r\nok", "Content-Length: 0\r\nContent-Length: 7\r\n", "\x00: a\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", "X: " + "a" * 600_000 + "\r\n",
        "".join(f"X-{number}: a\r\n" for number in range(3_000)),
    ],
    ids=["long", "blank in a name", "length twice", "two lengths", "nul", "two framings", "endless", "many"],
)  # fmt: skip
async def test_a_head_that_makes_no_sense_does_not_undo_its_status(head: str) -> None:
    """The partner has said yes, or no, by then: a 2xx is never sent again."""
    kinds = []
    for status in (200, 204, 400, 503):

        async def odd(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, status: int = status) -> None:
            await reader.readuntil(b"{}")
            writer.write(f"HTTP/1.1 {status} X\r\n{head}\r\n".encode("latin-1"))

        async with talking(odd) as port:
            client = HttpClient(timeout=20, allow_private=True)
            await client.open()
            answer = await client.request("POST", f"http://127.0.0.1:{port}/", b"{}", {})
            await client.close()
        assert (answer.status, answer.code) == (status, str(status))
        kinds.append(kind_of(answer))

    assert set(kinds[:2]) <= {Kind.DELIVERED, Kind.UNCONFIRMED}
    assert kinds[2:] == [Kind.REJECTED, Kind.RETRY]


@pytest.mark.parametrize(
    "path", ["/a?sp=%2Fx%2F&name=%28x%29&to=ada%40example.com&sig=Ab%2bgh%3D", "/a%2fb/~c;d=1?x=a+b&y='*'", "/?", "//x"]
)
async def test_a_url_goes_out_as_it_is_written(path: str) -> None:
    """Signed URLs are signed over their very spelling."""
    seen: list[bytes] = []

    async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n"))
        writer.write(b"HTTP/1.1 204 No\r\n\r\n")
        await reader.read()

    async with talking(note) as port:
        client = HttpClient(timeout=20, allow_private=True)
        await client.open()
        await client.request("PUT", f"http://127.0.0.1:{port}{path}", b"{}", {})
        await client.close()

    assert seen == [f"PUT {path.rstrip('?')} HTTP/1.1\r\n".encode()]


async def test_no_redirect_is_followed(tmp_path: Path) -> None:
    """A partner cannot send us elsewhere."""
    async with Receiver(tmp_path / "elsewhere") as elsewhere:
        answer, _ = await answer_to(tmp_path, InjectedFault(kind="redirect", location=f"{elsewhere.url}/y"))

        assert (answer.status, elsewhere.requests.total()) == (307, 0)


async def test_nobody_there_is_econnrefused() -> None:
    """A port without a listener."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        client = HttpClient(timeout=10, allow_private=True)
        await client.open()
        answer = await client.request("POST", f"http://127.0.0.1:{port}/", b"{}", {})
        await client.close()

    assert (answer.status, answer.code) == (0, "ECONNREFUSED")


async def test_a_forbidden_address_is_a_fault_of_the_settings() -> None:
    """It pauses the destination; the text names no address."""
    client = HttpClient(timeout=10)
    await client.open()
    answer = await client.request("POST", "http://127.0.0.1:9/", b"{}", {})
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
    answer = await client.request("POST", "http://partner.example/", b"{}", {})
    await client.close()

    assert answer.code == "ETIMEDOUT"
    assert time.monotonic() - began < 30
