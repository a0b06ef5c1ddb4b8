"""The HTTP client of destinations: guarded, bounded in time and size; whatever happens comes back as a response.

Connections, their pool, names, TLS and the parser are aiohttp's. Its session is left out: it spends on each request a
task, two timers, four header tables and a body stream, which cost more than all else that delivery does for an event.

No redirect is followed, no cookie kept, no proxy taken from the environment, no compressed answer asked for, and a URL
goes out as it is written. An idle connection is dropped after four seconds, before common servers drop it: a request
into a closing connection would have to wait for its retry.
"""

from __future__ import annotations

import asyncio
import errno
import re
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import Any, NamedTuple

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_writer import _serialize_headers
from yarl import URL

from router.destinations.guard import Forbidden, guarded_connector
from router.destinations.response import RESPONSE_BYTES, HttpResponse

HEAD_BYTES = 256 * 1024  # of one line; some content security policies are as long
_IDLE_SECONDS = 4.0
_COPIED_BYTES = 64 * 1024  # a smaller body goes out in one write with its head
_REPEATABLE = ("GET", "PUT", "DELETE")  # RFC 9110, 9.2.2
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([2-9][0-9][0-9])")
_AS_WRITTEN = re.compile(r"[!#-;=?-Z\[\]_a-z~]+\Z")  # all that a URL may hold
_RESOLVER_CODES = {socket.EAI_AGAIN: "EAI_AGAIN"}
_KNOWN_ERRNO = frozenset(
    {"ECONNREFUSED", "ECONNRESET", "ECONNABORTED", "EHOSTUNREACH", "ENETUNREACH", "EPIPE", "ETIMEDOUT", "EMFILE"}
)


class _UnreadableHead(HttpProcessingError):
    """An answer whose status line is clear and whose head is not; `code` is its status."""


class _Connection(ResponseHandler):
    """One connection, with one parser for all its answers.

    It remembers an answer's status line: what follows may be unreadable, yet the partner has answered by then.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._line = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.set_response_params(
            read_until_eof=True, auto_decompress=False, read_bufsize=RESPONSE_BYTES, max_line_size=HEAD_BYTES,
            max_field_size=HEAD_BYTES, max_headers=2_000,
        )  # fmt: skip

    def send(self, head: bytes, body: bytes) -> None:
        """Write a request."""
        self._line = b""
        if self.transport is None:
            raise aiohttp.ServerDisconnectedError
        if len(body) < _COPIED_BYTES:
            self.transport.write(head + body)
        else:
            self.transport.write(head)
            self.transport.write(body)

    async def answer(self) -> tuple[Any, aiohttp.StreamReader]:
        """Head and body of the final answer."""
        while True:
            message, payload = await self.read()
            if not 100 <= message.code < 200 or message.code == 101:
                return message, payload

    def expire(self) -> None:
        """The request's time is over, whatever it waits for."""
        error = TimeoutError()
        self.set_exception(error)
        if self._payload is not None:
            self._payload.set_exception(error)

    def data_received(self, data: bytes) -> None:
        if len(self._line) < 12:
            self._line = (self._line + data[:12])[:12]
        super().data_received(data)

    def resume_reading(self, resume_parser: bool = True) -> None:
        """A body asks for it with each chunk that is read; the parser is never paused by itself."""
        if self._reading_paused:
            super().resume_reading(resume_parser)

    def set_exception(self, exc: BaseException, *cause: Any) -> None:
        status = _STATUS_LINE.match(self._line)
        if status is not None and isinstance(exc, HttpProcessingError | aiohttp.ServerDisconnectedError):
            exc = _UnreadableHead(code=int(status[1]), message="the head of the answer cannot be read")
        super().set_exception(exc, *cause)


class _Target(NamedTuple):
    """Where a request goes: what the pool knows its connections by, and the two texts of the head."""

    place: aiohttp.ClientRequest
    path: str
    host: str


class HttpClient:
    """A pool of connections to one partner. Use it from one event loop, between `open` and `close`."""

    def __init__(self, *, timeout: float, allow_private: bool = False) -> None:
        self._timeout = timeout
        self._connecting = aiohttp.ClientTimeout(connect=timeout)
        self._allow_private = allow_private
        self._connector: aiohttp.TCPConnector | None = None
        self._target = lru_cache(128)(_target)

    async def open(self) -> None:
        if self._connector is None:
            connector = guarded_connector(allow_private=self._allow_private, limit=0, keepalive_timeout=_IDLE_SECONDS)
            # aiohttp has no public way to see an answer that it cannot parse.
            made: Callable[..., ResponseHandler] = _Connection
            connector._factory = partial(made, loop=asyncio.get_running_loop())
            self._connector = connector

    async def close(self) -> None:
        connector, self._connector = self._connector, None
        if connector is not None:
            await connector.close()

    async def request(self, method: str, url: str | URL, body: bytes, headers: Mapping[str, str]) -> HttpResponse:
        """One request. Raises nothing for what the network or the partner does."""
        now = asyncio.get_running_loop().time
        until = now() + self._timeout
        try:
            target = self._target(url)
            head = _head(method, target, body, headers)
            try:
                return await self._exchange(target, head, body, until, self._connecting)
            except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
                # The partner has just closed an idle connection. Once more, where a repeat does no harm.
                left = until - now()
                if method not in _REPEATABLE or isinstance(error, aiohttp.ClientConnectorError) or left <= 0:
                    raise
            return await self._exchange(target, head, body, until, aiohttp.ClientTimeout(connect=left))
        except _UnreadableHead as error:
            status = error.code
            return HttpResponse(status, str(status), complete=False, readable=False, detail=error.message)
        except (OSError, aiohttp.ClientError, HttpProcessingError, Forbidden, ValueError) as error:
            return HttpResponse(0, error_code(error), complete=False, detail=_words(error))

    async def _exchange(
        self, target: _Target, head: bytes, body: bytes, until: float, connecting: aiohttp.ClientTimeout
    ) -> HttpResponse:
        connection = await self._connect(target, connecting)
        protocol = connection.protocol
        assert isinstance(protocol, _Connection)
        timer = asyncio.get_running_loop().call_at(until, protocol.expire)
        try:
            protocol.send(head, body)
            message, payload = await protocol.answer()
            content, complete = await _read(payload)
        except BaseException:
            connection.close()
            raise
        finally:
            timer.cancel()
        if complete:
            connection.release()
        else:
            connection.close()
        answered = {name.lower(): value for name, value in message.headers.items()}
        return HttpResponse(message.code, str(message.code), content, answered, complete, at=time.time())

    async def _connect(self, target: _Target, connecting: aiohttp.ClientTimeout) -> Connection:
        """A connection of the pool, else a new one."""
        assert self._connector is not None, "open() comes first"
        while True:
            connection = await self._connector.connect(target.place, [], connecting)
            if connection.protocol is not None and not connection.protocol.should_close:
                return connection
            connection.close()  # the partner has said something that nobody asked for


def _target(url: str | URL) -> _Target:
    """Raises ValueError for what is no address of a partner."""
    wire = wire_url(url)
    if wire.scheme not in ("http", "https") or not wire.raw_host or wire.raw_user is not None:
        raise aiohttp.InvalidURL(wire)
    place = aiohttp.ClientRequest("POST", wire)
    return _Target(place, wire.raw_path_qs, place.headers["Host"])


def _head(method: str, target: _Target, body: bytes, headers: Mapping[str, str]) -> bytes:
    """Raises ValueError for headers that would end their line."""
    lines = {"Host": target.host, **_defaults(tuple(headers)), **headers}
    if body or method != "GET":
        lines["Content-Length"] = str(len(body))
    return _serialize_headers(f"{method} {target.path} HTTP/1.1", lines)  # type: ignore[arg-type]  # has items()


@lru_cache(256)
def _defaults(given: tuple[str, ...]) -> Mapping[str, str]:
    return {} if any(name.lower() == "accept" for name in given) else {"Accept": "*/*"}


def wire_url(url: str | URL) -> URL:
    """A URL that goes out as it is written: signatures cover its very spelling. What no URL may hold is encoded."""
    if isinstance(url, URL):
        return url
    return URL(url, encoded=True) if _AS_WRITTEN.match(url) else URL(url)


async def _read(payload: aiohttp.StreamReader) -> tuple[bytes, bool]:
    """The body up to the cap, and whether that is all of it.

    The status has decided by then, so a body that is too long, too slow or breaks off only costs the connection.
    """
    content = b""
    try:
        if payload.is_eof() and payload.total_bytes <= RESPONSE_BYTES:
            return payload.read_nowait(), True
        while chunk := await payload.read(RESPONSE_BYTES + 1 - len(content)):
            content += chunk
            if len(content) > RESPONSE_BYTES:
                return content[:RESPONSE_BYTES], False
    except (OSError, aiohttp.ClientError):
        return content, False
    return content, True


def error_code(error: BaseException) -> str:
    """The name users of Segment know for this failure, from a closed set."""
    if isinstance(error, aiohttp.ClientSSLError | ssl.SSLError):
        return "ETLS"  # also of a certificate, whose error is a ValueError as well
    if isinstance(error, Forbidden | ValueError):
        return "INVALID_SETTINGS"
    if isinstance(error, TimeoutError):
        return "ETIMEDOUT"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return _RESOLVER_CODES.get(error.errno or 0, "ENOTFOUND")
    if isinstance(error, OSError):
        name = errno.errorcode.get(error.errno or 0, "")
        return name if name in _KNOWN_ERRNO else "ECONNABORTED"
    if isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientPayloadError):
        return "ECONNRESET"
    return "EPROTO"


def _words(error: BaseException) -> str:
    return str(error) if isinstance(error, Forbidden) else type(error).__name__
