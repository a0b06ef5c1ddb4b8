"""Webhook: events as JSON by HTTP POST, signed, to a URL of yours.

One event is the body as it stands; with `delivery.batch` the body is a JSON array. Headers: `Idempotency-Key` (the
same on every attempt; of a batch, that of its events in order), `X-Message-Id` (one event only, percent-encoded),
`X-Attempt` (from 1; of a batch, its highest), and with `secret` `X-Timestamp`, seconds since 1970 of
this attempt, and `X-Signature`, `v1=` and 64 hex digits: HMAC-SHA256 over `timestamp.body`. A receiver computes it over
the raw bytes, compares in constant time and refuses a timestamp more than five minutes from its own clock.
2xx is delivered; 408, 423, 425, 429, 5xx but 501 and network faults are tried again; 401, 403 and redirects pause the
destination; other answers reject the event, or split the batch. kill -9 between the receiver's answer and
our next commit sends the same request once more, with the same key.
"""

from __future__ import annotations

import hmac
from collections.abc import Collection, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any
from urllib.parse import quote

from pydantic import Field, field_validator

from router.config.types import Secret
from router.destinations.base import Delivery, RequestLimits
from router.destinations.http import HttpDestination, HttpRequest, HttpSettings, checked_url
from router.destinations.registry import destination
from router.destinations.shared import keys, shape

TIMESTAMP_HEADER = "X-Timestamp"
SIGNATURE_HEADER = "X-Signature"
REPLAY_WINDOW = 300
_TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_OURS = frozenset(
    {"connection", "content-encoding", "content-length", "content-type", "expect", "host", "idempotency-key"}
    | {"transfer-encoding", "upgrade", "x-attempt", "x-message-id", SIGNATURE_HEADER.lower(), TIMESTAMP_HEADER.lower()}
)


class WebhookSettings(HttpSettings):
    url: str = Field(
        examples=["https://example.com/events"],
        description="Where events are posted, sent as written: http or https, without user name and password",
    )
    secret: Secret | None = Field(None, description="Signs each request; left out: not signed")
    headers: dict[str, Secret] = Field({}, description="Further headers, such as Authorization")

    @field_validator("url")
    @classmethod
    def _check_url(cls, value: str) -> str:
        return checked_url(value)

    @field_validator("headers")
    @classmethod
    def _check_headers(cls, value: dict[str, Any]) -> dict[str, Any]:
        for name, secret in value.items():
            check_header_name(name, _OURS)
            if any(ord(character) < 32 or ord(character) > 255 for character in secret.get_secret_value()):
                raise ValueError(f"expected printable Latin-1 text as value of {name}")
        return value


def check_header_name(name: str, ours: Collection[str]) -> None:
    """Raises ValueError for what is no header name, and for those of `ours` (in lower case)."""
    if not name or not _TOKEN.issuperset(name):
        raise ValueError(f"expected a header name, got {name!r}")
    if name.lower() in ours:
        raise ValueError(f"expected no header that the connector sets itself, got {name}")


@destination("webhook")
class Webhook(HttpDestination):
    summary = "JSON by HTTP POST to a URL of yours, signed with HMAC-SHA256"
    integrations = ("Webhook", "Webhooks")
    limits = RequestLimits(count=1_000, request_bytes=64 * 1024 * 1024)
    idempotency = "hex"
    maps = "items"
    Settings = WebhookSettings

    def __init__(self, name: str, settings: WebhookSettings, timeout: float) -> None:
        super().__init__(name, settings, timeout)
        own = {name: value.get_secret_value() for name, value in settings.headers.items()}
        self._headers = {"Content-Type": "application/json", **own}

    def requests(self, events: Sequence[Delivery]) -> Iterator[HttpRequest]:
        first, url = events[0], self.settings.url
        if len(events) == 1:
            named = {"Idempotency-Key": first.idempotency_key, "X-Attempt": str(first.attempt)}
            named["X-Message-Id"] = quote(str(first.body.get("messageId", "")), safe="")
            yield HttpRequest("POST", url, events, self._content(first), self._headers | named)
        else:
            named = {"Idempotency-Key": keys.of_batch(events), "X-Attempt": str(max(one.attempt for one in events))}
            contents = map(self._content, events) if self.map else [one.value for one in events]
            body = b"[" + b",".join(contents) + b"]"
            yield HttpRequest("POST", url, events, body, self._headers | named)

    def _content(self, event: Delivery) -> bytes:
        """The event's own bytes, unless the topology's map changes it."""
        item = self.shaped(event, event.body)
        return event.value if item is event.body else shape.json_bytes(item)

    def authenticate(self, request: HttpRequest, now: float) -> Mapping[str, str]:
        return signed(self.settings.secret, request.body, now)


def signed(secret: Secret | None, body: bytes, now: float) -> dict[str, str]:
    """The headers that sign a request; none without a secret."""
    if secret is None:
        return {}
    signature = sign(secret.get_secret_value().encode(), int(now), body)
    return {TIMESTAMP_HEADER: str(int(now)), SIGNATURE_HEADER: signature}


def sign(secret: bytes, timestamp: int, body: bytes) -> str:
    """The value of X-Signature."""
    return "v1=" + hmac.digest(secret, str(timestamp).encode() + b"." + body, sha256).hex()


def verify(secret: bytes, timestamp: str, signature: str, body: bytes, now: float) -> bool:
    """Whether a request was made by a holder of the secret within the replay window."""
    if not (timestamp.isascii() and timestamp.isdigit()) or abs(now - int(timestamp)) > REPLAY_WINDOW:
        return False
    return hmac.compare_digest(sign(secret, int(timestamp), body).encode(), signature.encode())
