"""What a connector makes of events: requests that carry them, or a reason why one is not sent. Pure values."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import urlsplit

from router.destinations.base import Delivery, Kind, Outcome
from router.destinations.shared.shape import json_bytes

T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class HttpRequest:
    """One request and the events that it carries. `url` is a path below the base URL, or a whole URL.

    `weight` is what counts against `limits.count`, where that is not the number of events.
    """

    method: str
    url: str
    events: Sequence[Delivery]
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    weight: int = 0

    @classmethod
    def of_json(
        cls, method: str, url: str, events: Sequence[Delivery], payload: Any, *, weight: int = 0, **headers: str
    ) -> HttpRequest:
        """With a JSON body. Further headers as keywords: `Idempotency_Key=…`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return cls(method, url, events, json_bytes(payload), {"Content-Type": "application/json", **named}, weight)


@dataclass(frozen=True, slots=True)
class Skip:
    """An event that is not sent. `reason` is a word of lower case and underscores, such as `no_email`.

    It counts as filtered; with `keep` it is kept as a dead letter instead, with the reason as its code.
    """

    event: Delivery
    reason: str
    keep: bool = False

    @property
    def outcome(self) -> Outcome:
        return Outcome(Kind.REJECTED, self.reason.upper()) if self.keep else Outcome(Kind.FILTERED, self.reason)


def fitting(
    events: Sequence[Delivery], unfit: Callable[[Delivery], str | None], keep: Collection[str] = ()
) -> tuple[list[Delivery], list[Skip]]:
    """Those that can be sent, and the others with what `unfit` says of them; `keep` are reasons of dead letters."""
    reasons = [(event, unfit(event)) for event in events]
    skips = [Skip(event, reason, reason in keep) for event, reason in reasons if reason is not None]
    return [event for event, reason in reasons if reason is None], skips


def itemized(
    events: Sequence[Delivery], make: Callable[[Delivery], list[T] | str], keep: Collection[str] = ()
) -> tuple[list[Delivery], list[T], list[Skip]]:
    """All items that `make` makes of events, with the event of each, and the others with its reason."""
    sent: list[Delivery] = []
    items: list[T] = []
    skips: list[Skip] = []
    for event in events:
        made = make(event)
        if isinstance(made, str):
            skips.append(Skip(event, made, made in keep))
        else:
            items += made
            sent += [event] * len(made)
    return sent, items, skips


def origin(url: str) -> str:
    """Scheme, host and port of a URL: the rest of it may be a credential and is never shown."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{port}"


def basic_auth(user: str, password: str) -> str:
    """The value of `Authorization` (RFC 7617, UTF-8)."""
    return f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"
