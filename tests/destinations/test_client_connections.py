"""Connections of the HTTP client: kept, dropped, secured, and no answer taken for another's."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from router.destinations.client import HttpClient
from router.destinations.response import RESPONSE_BYTES, HttpResponse
from tests.sockets import Talk, talking

LONGEST = b"x" * RESPONSE_BYTES
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@asynccontextmanager
async def client(timeout: float = 60.0) -> AsyncIterator[HttpClient]:
    one = HttpClient(timeout=timeout, allow_private=True)
    await one.open()
    try:
        yield one
    finally:
        await one.close()


async def asked(reader: asyncio.StreamReader) -> bytes:
    """A request with the body `{}`; empty once the client has hung up."""
    try:
        return await reader.readuntil(b"{}")
    except asyncio.IncompleteReadError:
        return b""


class Talks:
    """A partner that gives the answers of its script, one list a connection, and closes the connection after them."""

    def __init__(self, *script: Sequence[bytes]) -> None:
        self.script = list(script)
        self.requests: list[bytes] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in self.script.pop(0):
            self.requests.append(await asked(reader))
            writer.write(answer)


async def answers(talk: Talk, count: int = 1, method: str = "POST") -> list[HttpResponse]:
    """What comes back for so many requests, one after the other."""
    async with talking(talk) as port, client() as one:
        return [await one.request(method, f"http://127.0.0.1:{port}/", b"{}", {"X-A": "b"}) for _ in range(count)]


@pytest.mark.parametrize(
    ("raw", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", b"abcde"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK, b"ok"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b""), (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nraw", b"raw"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(LONGEST), LONGEST), LONGEST),
    ],
    ids=["chunked", "interim answers", "empty", "no content", "compressed unasked", "as long as is kept"],
)  # fmt: skip
async def test_one_connection_has_one_answer_after_the_other(raw: bytes, body: bytes) -> None:
    """Whatever framing the first has, the second is whole, and so is each request."""
    talks = Talks([raw, OK])

    first, second = await answers(talks, 2)

    assert (first.body, first.complete, second.body, talks.script) == (body, True, b"ok", [])
    for request in talks.requests:
        head, _, sent = request.partition(b"\r\n\r\n")
        line, *lines = head.split(b"\r\n")
        assert (line, sent) == (b"POST / HTTP/1.1", b"{}")
        assert {one.partition(b":")[0] for one in lines} == {b"Host", b"Accept", b"X-A", b"Content-Length"}


async def test_an_answer_may_come_in_pieces() -> None:
    """As small as a byte."""

    async def slowly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asked(reader)
        for number in range(len(OK)):
            writer.write(OK[number : number + 1])
            await asyncio.sleep(0)

    (answer,) = await answers(slowly)

    assert (answer.status, answer.body) == (200, b"ok")


@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", b"HTTP/1.0 200 OK\r\n\r\n"])
async def test_a_body_may_end_with_its_connection(head: bytes) -> None:
    """Then the next request has a new one."""
    talks = Talks([head + b"all"], [OK])

    first, second = await answers(talks, 2)

    assert (first.body, first.complete, second.status) == (b"all", True, 200)


@pytest.mark.parametrize(
    ("method", "codes", "seen"),
    [("POST", ["200", "ECONNRESET"], 2), ("PATCH", ["200", "ECONNRESET"], 2), ("PUT", ["200", "200"], 3)],
)
async def test_a_connection_that_closes_under_a_request(method: str, codes: list[str], seen: int) -> None:
    """The partner may have taken it: only what may be repeated is, once; the rest is for delivery to decide."""
    talks = Talks([OK, b""], [OK])

    assert [one.code for one in await answers(talks, 2, method)] == codes
    assert len(talks.requests) == seen


async def test_an_answer_that_nobody_asked_for_is_nobodys() -> None:
    """Such as a proxy's 408 to an idle connection: the next request has another connection and its own answer."""
    idle = asyncio.Event()

    async def unasked(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asked(reader)
        writer.write(OK)
        if not idle.is_set():
            await idle.wait()
            writer.write(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")
        await reader.read()

    async with talking(unasked) as port, client() as one:
        first = await one.request("POST", f"http://127.0.0.1:{port}/", b"{}", {})
        idle.set()
        assert one._connector is not None
        ((kept, _),) = next(iter(one._connector._conns.values()))
        async with asyncio.timeout(60):
            while not kept.should_close:
                await asyncio.sleep(0.001)
        second = await one.request("POST", f"http://127.0.0.1:{port}/", b"{}", {})

    assert (first.status, second.status, second.body) == (200, 200, b"ok")


async def test_an_attempt_that_is_cancelled_leaves_no_answer_behind() -> None:
    """Its connection is closed: the answer that still comes is not the next request's."""
    asked_twice = asyncio.Event()

    async def late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not asked_twice.is_set():
            await asked(reader)
            asked_twice.set()
            await reader.read()
        else:
            await asked(reader)
            writer.write(OK)

    async with talking(late) as port, client() as one:
        first = asyncio.create_task(one.request("POST", f"http://127.0.0.1:{port}/", b"{}", {}))
        await asked_twice.wait()
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        second = await one.request("POST", f"http://127.0.0.1:{port}/", b"{}", {})

    assert (first.cancelled(), second.body) == (True, b"ok")


async def test_a_long_body_goes_out_whole() -> None:
    """Longer than what a socket takes at once."""
    received = bytearray()

    async def patient(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        received.extend(await reader.readexactly(8_000_000))
        writer.write(OK)

    async with talking(patient) as port, client() as one:
        answer = await one.request("POST", f"http://127.0.0.1:{port}/", b"0123456789abcdef" * 500_000, {})

    assert (answer.status, bytes(received) == b"0123456789abcdef" * 500_000) == (200, True)


@pytest.mark.parametrize(
    ("url", "headers"),
    [
        ("http://127.0.0.1:9/", {"X-A": "b\r\nX-Evil: c"}), ("http://127.0.0.1:9/", {"X-A\n": "b"}),
        ("ftp://127.0.0.1/", {}), ("http:///x", {}), ("http://user:pass@127.0.0.1:9/", {}), ("http://2130706433/", {}),
    ],
)  # fmt: skip
async def test_what_cannot_be_a_request_is_a_fault_of_the_settings(url: str, headers: dict[str, str]) -> None:
    """Nothing is sent; no header can end its line."""
    async with client() as one:
        assert (await one.request("POST", url, b"{}", headers)).code == "INVALID_SETTINGS"


@pytest.mark.parametrize(("name", "accept"), [("accept", b"accept: text/plain"), ("X-B", b"Accept: */*")])
async def test_a_header_of_ones_own_stands_in_place_of_the_default(name: str, accept: bytes) -> None:
    talks = Talks([OK])
    async with talking(talks) as port, client() as one:
        await one.request("POST", f"http://127.0.0.1:{port}/", b"{}", {name: "text/plain"})

    lines = talks.requests[0].split(b"\r\n")
    assert [line for line in lines if line.lower().startswith(b"accept")] == [accept]


def certificate(folder: Path) -> Path:
    """Key and certificate of 127.0.0.1, signed by itself."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "double")])
    now = datetime.now(UTC)
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        .add_extension(names, critical=False).sign(key, hashes.SHA256())
    )  # fmt: skip
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    file = folder / "double.pem"
    file.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain) + signed.public_bytes(pem))
    return file


async def test_tls_goes_on_only_where_the_certificate_is_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody's word counts but a known authority's."""
    file = certificate(tmp_path)
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(file)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await asked(reader):
            writer.write(OK)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=served)
    url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    async with server:
        async with client() as one:
            assert (await one.request("POST", url, b"{}", {})).code == "ETLS"
        monkeypatch.setattr(aiohttp.connector, "_SSL_CONTEXT_VERIFIED", ssl.create_default_context(cafile=str(file)))
        async with client() as one:
            assert [(await one.request("POST", url, b"{}", {})).body for _ in range(2)] == [b"ok", b"ok"]
