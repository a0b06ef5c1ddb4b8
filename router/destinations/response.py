"""What came back for a request. Pure: no HTTP library is needed to read an answer."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import orjson

RESPONSE_BYTES = 64 * 1024
LONGEST_RETRY_AFTER = 3_600.0
_EPOCH = 1_000_000_000  # a greater number in Retry-After is a time, not a wait


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """What came back: an HTTP status, or 0 and a code such as ECONNREFUSED. `body` holds at most RESPONSE_BYTES.

    `headers` have lower-case names; the last of several with one name counts.
    """

    status: int
    code: str
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    complete: bool = True  # False: the body was longer, or broke off
    readable: bool = True  # False: the head makes no sense beyond its status
    at: float = 0.0  # when it came, in seconds since 1970
    detail: str = ""

    def wait(self, *names: str) -> float | None:
        """Seconds that the first of these headers which makes sense asks to wait, at most an hour."""
        now = datetime.fromtimestamp(self.at, UTC)
        waits = (parse_retry_after(self.headers.get(name), now) for name in names)
        return next((seconds for seconds in waits if seconds is not None), None)

    @property
    def json(self) -> Any:
        """The body parsed, None where it is not JSON."""
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return None


def parse_retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds, at most an hour, from a number of seconds, a time since 1970 in seconds or ms, or an HTTP date.

    None where there is none or it is nonsense.
    """
    text = (value or "").strip()
    seconds = _number(text)
    if seconds is None:
        try:
            at = parsedate_to_datetime(text)
        except ValueError:
            return None
        seconds = ((at if at.tzinfo else at.replace(tzinfo=UTC)) - now).total_seconds()
    elif seconds > _EPOCH:
        seconds = (seconds / 1000 if seconds > 1000 * _EPOCH else seconds) - now.timestamp()
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER)


def _number(text: str) -> float | None:
    """A plain decimal number, no sign, no exponent."""
    if not text.isascii() or not text.replace(".", "", 1).isdigit():
        return None
    number = float(text)
    return number if math.isfinite(number) else float(_EPOCH)
