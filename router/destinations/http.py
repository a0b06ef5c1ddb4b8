"""One HTTP request as an attempt: guarded, bounded in time and size, its answer as an outcome.

No redirect is followed, no cookie kept, no proxy taken from the environment, no compressed answer asked for. An idle
connection is dropped after four seconds, before common servers drop it: a request into a closing connection would
have to wait for its retry.
"""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from router.destinations.base import Exchange, Kind, Outcome
from router.destinations.guard import Forbidden, guarded_connector

ANSWER_BYTES = 64 * 1024
LONGEST_RETRY_AFTER = 3_600.0
_IDLE_SECONDS = 4.0
_RETRY = frozenset({408, 423, 429, *range(500, 600)}) - {501}
_REFUSED = frozenset({401, 403, *range(300, 400)})  # a redirect: the URL is wrong, not the event
_RESOLVER_CODES = {socket.EAI_AGAIN: "EAI_AGAIN"}
_KNOWN_ERRNO = frozenset(
    {"ECONNREFUSED", "ECONNRESET", "ECONNABORTED", "EHOSTUNREACH", "ENETUNREACH", "EPIPE", "ETIMEDOUT", "EMFILE"}
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: an HTTP status, or 0 and a code such as ECONNREFUSED. `body` holds at most ANSWER_BYTES."""

    status: int
    code: str
    body: bytes = b""
    complete: bool = True  # False: the body was longer, or broke off
    retry_after: float | None = None
    detail: str = ""


class HttpClient:
    """A pool of connections to one partner. Use it from one event loop, between `open` and `close`."""

    def __init__(self, *, timeout: float, allow_private: bool = False) -> None:
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._allow_private = allow_private
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        if self._session is None:
            connector = guarded_connector(allow_private=self._allow_private, limit=0, keepalive_timeout=_IDLE_SECONDS)
            self._session = aiohttp.ClientSession(
                connector=connector, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False, timeout=self._timeout,
                skip_auto_headers=("Accept-Encoding", "User-Agent"), trust_env=False,
            )  # fmt: skip

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def post(self, url: str | URL, body: bytes, headers: Mapping[str, str]) -> Answer:
        """One POST. Raises nothing for what the network or the partner does."""
        assert self._session is not None, "open() comes first"
        try:
            async with self._session.post(url, data=body, headers=headers, allow_redirects=False) as response:
                content, complete = await _read(response)
                asked = response.headers.get("Retry-After")
                retry_after = parse_retry_after(asked, datetime.now(UTC)) if asked else None
                return Answer(response.status, str(response.status), content, complete, retry_after)
        except (OSError, aiohttp.ClientError, Forbidden, UnicodeError) as error:
            return Answer(0, error_code(error), complete=False, detail=_words(error))


async def _read(response: aiohttp.ClientResponse) -> tuple[bytes, bool]:
    """The body up to the cap, and whether that is all of it.

    The status has decided by then, so a body that is too long, too slow or breaks off only costs the connection.
    """
    content = b""
    try:
        while chunk := await response.content.read(ANSWER_BYTES + 1 - len(content)):
            content += chunk
            if len(content) > ANSWER_BYTES:
                break
        else:
            return content, True
    except (OSError, aiohttp.ClientError):
        pass  # said by the second value
    response.close()
    return content[:ANSWER_BYTES], False


def outcome_of(answer: Answer, *, batch: int, exchange: Exchange | None = None) -> Outcome:
    """The outcome that one answer means for each of the `batch` events it was given for."""
    kind = kind_of(answer)
    if kind is Kind.DELIVERED:
        return Outcome(kind, answer.code)
    shared = batch > 1 and kind is not Kind.REFUSED
    return Outcome(kind, answer.code, answer.detail, answer.retry_after, shared, exchange)


def kind_of(answer: Answer) -> Kind:
    if 200 <= answer.status < 300:
        return Kind.DELIVERED
    if answer.status in _REFUSED or answer.code == "INVALID_SETTINGS":
        return Kind.REFUSED
    if answer.status == 0 or answer.status in _RETRY:
        return Kind.RETRY
    return Kind.REJECTED


def parse_retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds from a number of seconds or an HTTP date, at most an hour; None when there is none or it is nonsense."""
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), LONGEST_RETRY_AFTER)
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return min(max((at - now).total_seconds(), 0.0), LONGEST_RETRY_AFTER)


def error_code(error: BaseException) -> str:
    """The name users of Segment know for this failure, from a closed set."""
    if isinstance(error, Forbidden | aiohttp.InvalidURL | UnicodeError):
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


def origin(url: str) -> str:
    """Scheme, host and port of a URL: the rest of it may be a credential and is never shown."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{port}"
