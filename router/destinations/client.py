"""The HTTP client of destinations: guarded, bounded in time and size; whatever happens comes back as a response.

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
from functools import partial
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from router.destinations.guard import Forbidden, guarded_connector
from router.destinations.response import RESPONSE_BYTES, HttpResponse

HEAD_BYTES = 256 * 1024  # of one line; some content security policies are as long
_IDLE_SECONDS = 4.0
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([2-9][0-9][0-9])")
_AS_WRITTEN = re.compile(r"[!#-;=?-Z\[\]_a-z~]+\Z")  # all that a URL may hold
_RESOLVER_CODES = {socket.EAI_AGAIN: "EAI_AGAIN"}
_KNOWN_ERRNO = frozenset(
    {"ECONNREFUSED", "ECONNRESET", "ECONNABORTED", "EHOSTUNREACH", "ENETUNREACH", "EPIPE", "ETIMEDOUT", "EMFILE"}
)


class _UnreadableHead(HttpProcessingError):
    """An answer whose status line is clear and whose head is not; `code` is its status."""


class _StatusKeeper(ResponseHandler):
    """Remembers an answer's status line: what follows may be unreadable, yet the partner has answered by then."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._line = b""

    def set_response_params(self, **params: Any) -> None:
        self._line = b""
        super().set_response_params(**params)

    def data_received(self, data: bytes) -> None:
        if len(self._line) < 12:
            self._line = (self._line + data[:12])[:12]
        super().data_received(data)

    def set_exception(self, exc: BaseException, *cause: Any) -> None:
        status = _STATUS_LINE.match(self._line)
        if status is not None and isinstance(exc, HttpProcessingError | aiohttp.ServerDisconnectedError):
            exc = _UnreadableHead(code=int(status[1]), message="the head of the answer cannot be read")
        super().set_exception(exc, *cause)


class HttpClient:
    """A pool of connections to one partner. Use it from one event loop, between `open` and `close`."""

    def __init__(self, *, timeout: float, allow_private: bool = False) -> None:
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._allow_private = allow_private
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        if self._session is None:
            connector = guarded_connector(allow_private=self._allow_private, limit=0, keepalive_timeout=_IDLE_SECONDS)
            # aiohttp has no public way to see an answer that it cannot parse.
            made: Callable[..., ResponseHandler] = _StatusKeeper
            connector._factory = partial(made, loop=asyncio.get_running_loop())
            self._session = aiohttp.ClientSession(
                connector=connector, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False, timeout=self._timeout,
                skip_auto_headers=("Accept-Encoding", "Content-Type", "User-Agent"), trust_env=False,
                max_line_size=HEAD_BYTES, max_field_size=HEAD_BYTES, max_headers=2_000,
            )  # fmt: skip

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def request(self, method: str, url: str | URL, body: bytes, headers: Mapping[str, str]) -> HttpResponse:
        """One request. Raises nothing for what the network or the partner does."""
        assert self._session is not None, "open() comes first"
        try:
            async with self._session.request(
                method, wire_url(url), data=body or None, headers=headers, allow_redirects=False
            ) as response:
                content, complete = await _read(response)
                answered = {name.lower(): value for name, value in response.headers.items()}
                status = response.status
                return HttpResponse(status, str(status), content, answered, complete, at=time.time())
        except (OSError, aiohttp.ClientError, Forbidden, ValueError) as error:
            unreadable = error.__cause__
            if isinstance(unreadable, _UnreadableHead):
                status = unreadable.code
                return HttpResponse(status, str(status), complete=False, readable=False, detail=unreadable.message)
            return HttpResponse(0, error_code(error), complete=False, detail=_words(error))


def wire_url(url: str | URL) -> URL:
    """A URL that goes out as it is written: signatures cover its very spelling. What no URL may hold is encoded."""
    if isinstance(url, URL):
        return url
    return URL(url, encoded=True) if _AS_WRITTEN.match(url) else URL(url)


async def _read(response: aiohttp.ClientResponse) -> tuple[bytes, bool]:
    """The body up to the cap, and whether that is all of it.

    The status has decided by then, so a body that is too long, too slow or breaks off only costs the connection.
    """
    content = b""
    try:
        while chunk := await response.content.read(RESPONSE_BYTES + 1 - len(content)):
            content += chunk
            if len(content) > RESPONSE_BYTES:
                break
        else:
            return content, True
    except (OSError, aiohttp.ClientError):
        pass  # said by the second value
    response.close()
    return content[:RESPONSE_BYTES], False


def error_code(error: BaseException) -> str:
    """The name users of Segment know for this failure, from a closed set."""
    if isinstance(error, Forbidden | ValueError):
        return "INVALID_SETTINGS"
    if isinstance(error, TimeoutError):
        return "ETIMEDOUT"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return _RESOLVER_CODES.get(error.errno or 0, "ENOTFOUND")
    if isinstance(error, aiohttp.ClientSSLError | ssl.SSLError):
        return "ETLS"
    if isinstance(error, OSError):
        name = errno.errorcode.get(error.errno or 0, "")
        return name if name in _KNOWN_ERRNO else "ECONNABORTED"
    if isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientPayloadError):
        return "ECONNRESET"
    return "EPROTO"


def _words(error: BaseException) -> str:
    return str(error) if isinstance(error, Forbidden) else type(error).__name__
