"""What a connector is: one attempt at giving a batch of events to a partner, one outcome for each event.

Batching, concurrency, rate, retry, breaker and dead letter are composed around it by `router.delivery`; a connector
never sleeps, never retries and never drops an event without an outcome.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, ClassVar

from router.config.types import Model


class Kind(Enum):
    DELIVERED = "delivered"
    UNCONFIRMED = "unconfirmed"  # the partner answers 2xx to anything; counts as delivered, said so
    RETRY = "retry"
    REJECTED = "rejected"  # this event will never be accepted: dead letter
    REFUSED = "refused"  # 401, 403: the configuration is at fault, not the data: pause the destination


@dataclass(frozen=True, slots=True)
class Exchange:
    """What was said on the wire, for samples, not yet masked by anybody: a head, an empty line, a body.

    Of the events of a request it holds none but its only one: a sample shows one event and nobody else's.
    """

    request: str
    response: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one event in one attempt. `code` is an HTTP status or a name such as ECONNREFUSED; no payload in `detail`."""

    kind: Kind
    code: str
    detail: str = ""
    retry_after: float | None = None  # seconds, as the partner asked; outside the attempt budget
    shared: bool = False  # said of the request as a whole: in a smaller one this event may fare otherwise
    exchange: Exchange | None = None


@dataclass(slots=True)
class Delivery:
    """One event as a connector gets it: read only.

    `key` is the profile id; `idempotency_key` is the same on every attempt and safe in a header; `attempt` counts
    from 1. `body` is `value`, parsed.
    """

    value: bytes
    key: str
    source: str
    type: str
    event: str
    idempotency_key: str
    headers: Sequence[tuple[str, bytes]] = ()
    body: dict[str, Any] = field(default_factory=dict)
    attempt: int = 1


class Settings(Model):
    """Base of a connector's settings: unknown keys are refused."""


SettingsModel = type[Settings]


class Connector(ABC):
    """Base of all connectors. Construction checks settings and does no I/O; `open` may."""

    type: ClassVar[str]
    summary: ClassVar[str]
    integrations: ClassVar[tuple[str, ...]] = ()  # names an event's `integrations` object may use
    ignores_integrations: ClassVar[bool] = False  # warehouse and archive get everything
    max_batch: ClassVar[int] = 1  # events a request can carry at most
    default_batch: ClassVar[int] = 1  # events a request carries, without waiting, when `delivery.batch` is left out
    Settings: ClassVar[SettingsModel]

    def __init__(self, name: str, settings: Any, timeout: float) -> None:
        self.name = name
        self.settings = settings
        self.timeout = timeout

    async def open(self) -> None:
        """Make clients; raise Unavailable when that cannot work."""

    @abstractmethod
    async def send(self, batch: Sequence[Delivery]) -> Sequence[Outcome]:
        """One attempt. Returns one outcome an event, in order. Raises nothing for what a partner answers."""

    async def close(self) -> None:
        """Give back what `open` took; everything acknowledged is durable by then."""
