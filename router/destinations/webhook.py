"""Webhook: events as JSON by HTTP POST, signed, to a URL of yours.

One event is the body as it stands; with `delivery.batch` the body is a JSON array. Headers: `Idempotency-Key` (the
same on every attempt; of a batch, that of its events in order), `X-Message-Id` (one event only, percent-encoded),
`X-Attempt` (from 1; of a batch, its highest), and with `secret` the pair of `router.destinations.signature`.
2xx is delivered; 408, 423, 429, 5xx but 501 and network faults are tried again; 401, 403 and redirects pause the
destination; other answers reject the event, or split the batch. kill -9 between the receiver's answer and
our next commit sends the same request once more, with the same key.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any
from urllib.parse import quote

from pydantic import Field, field_validator
from yarl import URL

from router.config.types import Secret
from router.destinations.base import Connector, Delivery, Exchange, Outcome, Settings
from router.destinations.http import Answer, HttpClient, origin, outcome_of
from router.destinations.registry import destination
from router.destinations.signature import SIGNATURE_HEADER, TIMESTAMP_HEADER, sign

_TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_OURS = frozenset(
    {"connection", "content-encoding", "content-length", "content-type", "expect", "host", "idempotency-key"}
    | {"transfer-encoding", "upgrade", "x-attempt", "x-message-id", SIGNATURE_HEADER.lower(), TIMESTAMP_HEADER.lower()}
)


class WebhookSettings(Settings):
    url: str = Field(
        examples=["https://example.com/events"],
        description="Where events are posted: http or https, without user name and password",
    )
    secret: Secret | None = Field(None, description="Signs each request; left out: not signed")
    headers: dict[str, Secret] = Field({}, description="Further headers, such as Authorization")
    allow_private: bool = Field(
        False, description="Allow loopback and private addresses; never link-local and metadata ones"
    )

    @field_validator("url")
    @classmethod
    def _check_url(cls, value: str) -> str:
        try:
            url = URL(value)
        except ValueError:
            raise ValueError("expected an http or https URL, got a text that is none") from None
        if url.scheme not in ("http", "https") or not url.host:
            raise ValueError("expected an http or https URL with a host")
        if url.user is not None or url.password is not None:
            raise ValueError("expected no user name in the URL; use the header Authorization")
        return value

    @field_validator("headers")
    @classmethod
    def _check_headers(cls, value: dict[str, Any]) -> dict[str, Any]:
        for name, secret in value.items():
            if not name or not _TOKEN.issuperset(name):
                raise ValueError(f"expected a header name, got {name!r}")
            if name.lower() in _OURS:
                raise ValueError(f"expected no header that the connector sets itself, got {name}")
            if any(ord(character) < 32 or ord(character) > 255 for character in secret.get_secret_value()):
                raise ValueError(f"expected printable Latin-1 text as value of {name}")
        return value


@destination("webhook")
class Webhook(Connector):
    summary = "JSON by HTTP POST to a URL of yours, signed with HMAC-SHA256"
    integrations = ("Webhook", "Webhooks")
    max_batch = 1_000
    Settings = WebhookSettings

    def __init__(self, name: str, settings: WebhookSettings, timeout: float) -> None:
        super().__init__(name, settings, timeout)
        self._url = URL(settings.url)
        self._secret = settings.secret.get_secret_value().encode() if settings.secret else None
        self._headers = {"Content-Type": "application/json", "User-Agent": "event-router"}
        self._headers |= {name: value.get_secret_value() for name, value in settings.headers.items()}
        self._client = HttpClient(timeout=timeout, allow_private=settings.allow_private)

    async def open(self) -> None:
        await self._client.open()

    async def close(self) -> None:
        await self._client.close()

    async def send(self, batch: Sequence[Delivery]) -> Sequence[Outcome]:
        if not batch:
            return []
        body = batch[0].value if len(batch) == 1 else b"[" + b",".join([one.value for one in batch]) + b"]"
        headers = self._headers | self._request_headers(batch, body)
        answer = await self._client.post(self._url, body, headers)
        exchange = None if 200 <= answer.status < 300 else self._exchange(batch, headers, answer)
        return [outcome_of(answer, batch=len(batch), exchange=exchange)] * len(batch)

    def _request_headers(self, batch: Sequence[Delivery], body: bytes) -> dict[str, str]:
        first = batch[0]
        if len(batch) == 1:
            headers = {"Idempotency-Key": first.idempotency_key, "X-Attempt": str(first.attempt)}
            headers["X-Message-Id"] = quote(str(first.body.get("messageId", "")), safe="")
        else:
            headers = {"Idempotency-Key": _batch_key(batch), "X-Attempt": str(max(one.attempt for one in batch))}
        if self._secret is not None:
            now = int(time.time())
            headers |= {TIMESTAMP_HEADER: str(now), SIGNATURE_HEADER: sign(self._secret, now, body)}
        return headers

    def _exchange(self, batch: Sequence[Delivery], headers: dict[str, str], answer: Answer) -> Exchange:
        """Header names only, and of the URL only its origin: values and path may be credentials."""
        body = batch[0].value.decode(errors="replace") if len(batch) == 1 else f"[… {len(batch)} events …]"
        request = f"POST {origin(str(self._url))}/…\n{', '.join(sorted(headers))}\n\n{body}"
        response = f"{answer.code} {answer.detail}".rstrip()
        return Exchange(request, f"{response}\n\n{answer.body.decode(errors='replace')}" if answer.status else response)


def _batch_key(batch: Sequence[Delivery]) -> str:
    return blake2b("".join(one.idempotency_key for one in batch).encode(), digest_size=16).hexdigest()
