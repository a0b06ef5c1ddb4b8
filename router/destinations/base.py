"""What a connector is: one attempt at giving a batch of events to a partner, one outcome for each event.

Batching, concurrency, rate, retry, circuit breaker and dead letter are composed around it by `router.delivery`; a
connector never sleeps, never retries and never drops an event without an outcome. Most partners speak HTTP: their
connectors are made of `router.destinations.http.HttpDestination`, which leaves only two pure functions to write.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, ClassVar, Literal

from router import metrics
from router.config.types import Model
from router.events.event import CALL_TYPES
from router.events.records import Record
from router.mapping.event_map import EventMap
from router.mapping.options import options_of, with_options
from router.transform.process import FunctionProcess

Order = Literal["profile", "none"]
Maps = Literal["no", "calls", "items"]
Idempotency = Literal["none", "hex", "uuid", "ulid", "message_id", "upsert"]


class Kind(Enum):
    DELIVERED = "delivered"
    UNCONFIRMED = "unconfirmed"  # sent, and the partner's answer does not say more: counts as delivered, said so
    FILTERED = "filtered"  # not sent, by decision of the mapping; the code is the reason
    RETRY = "retry"
    REJECTED = "rejected"  # this event will never be accepted: dead letter
    REFUSED = "refused"  # 401, 403: the configuration is at fault, not the data: pause the destination


@dataclass(frozen=True, slots=True)
class Exchange:
    """What was said on the wire, for samples, not yet masked: a head, an empty line, a body.

    The request's body is kept only where it carries a single event: a sample shows one event and nobody else's.
    """

    request: str
    response: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one event in one attempt. `code` is an HTTP status or a name such as ECONNREFUSED; no payload in `detail`.

    429 slows the whole destination down, THROTTLED only puts off its event.
    """

    kind: Kind
    code: str
    detail: str = ""
    retry_after: float | None = None  # seconds, as the partner asked; outside the attempt budget
    shared: bool = False  # said of the request as a whole: in a smaller one this event may fare otherwise
    exchange: Exchange | None = None
    record: Record | None = None  # of a delivered event: to be written in the commit that makes it final


@dataclass(slots=True)
class Delivery:
    """One event as a connector gets it: read only.

    `key` is the profile id; `idempotency_key` is 32 hex digits, the same on every attempt; `attempt` counts from 1.
    `body` is `value`, parsed.
    """

    value: bytes
    key: str
    source: str
    type: str
    event: str
    idempotency_key: str
    body: dict[str, Any] = field(default_factory=dict)
    attempt: int = 1


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """What the partner takes: events and body bytes of a request, bytes of an event, events a second (None: no limit).

    `batch` is how many events a request carries when the topology leaves out `delivery.batch`, and `batch_bytes` of how
    many bytes; `age` is how many seconds it may wait for them: 0 where the partner does not count requests by the day.
    No more than `uncommitted` are under way, or accepted and not yet committed.
    """

    count: int = 1
    batch: int = 1
    batch_bytes: int = 1024 * 1024
    age: float = 0.0
    uncommitted: int = 4_000
    request_bytes: int = 1024 * 1024
    event_bytes: int | None = None
    rate: float | None = None


class Settings(Model):
    """Base of a connector's settings: unknown keys are refused.

    In the settings of `texts`, which may hold any JSON, `${NAME}` stays the very text: a key `0042` is no number.
    Those of `paths` are a path or a URL; a relative path is relative to the topology file, as in settings of type Path.
    """

    texts: ClassVar[tuple[str, ...]] = ()
    paths: ClassVar[tuple[str, ...]] = ()


SettingsModel = type[Settings]


class Connector(ABC):
    """Base of all connectors. Construction checks settings and does no I/O; `open` may.

    The class attributes say what the partner is like; `router destinations` prints them and delivery keeps to them.
    """

    type: ClassVar[str]
    summary: ClassVar[str]
    integrations: ClassVar[tuple[str, ...]] = ()  # names an event's `integrations` object may use
    ignores_integrations: ClassVar[bool] = False  # warehouse and archive get everything
    types: ClassVar[tuple[str, ...]] = CALL_TYPES  # call types it can do something with
    limits: ClassVar[RequestLimits] = RequestLimits()
    order: ClassVar[Order] = "none"  # profile: the partner needs one profile's events in order
    idempotency: ClassVar[Idempotency] = "none"  # what a resend is recognised by; upsert: it changes nothing
    maps: ClassVar[Maps] = "no"  # what `map` may do: switch calls off, or also change what is sent (see `shaped`)
    Settings: ClassVar[SettingsModel]

    def __init__(self, name: str, settings: Any, timeout: float) -> None:
        self.name = name
        self.settings = settings
        self.timeout = timeout
        self.names: Sequence[str] = (name, *self.integrations)  # in an event's `integrations`; set by who makes it
        self.map = EventMap()  # of the topology; set likewise
        self.function: FunctionProcess | None = None  # the topology's `transform`, called by delivery; set likewise
        self.report: Callable[[Sequence[str]], None] = self.count_problems  # what a mapping could not convert

    def shaped(self, event: Delivery, item: dict[str, Any]) -> dict[str, Any]:
        """What the connector makes of one event, with the topology's `map` over it; `item` itself is not changed.

        The map finds the event's options for this partner under any of its names: `integrations.Klaviyo.list`.

        A connector calls it on the object that stands for the event at the partner (not on what goes along, such as
        a device), before it leaves out what is empty, and says `maps = "items"`.
        """
        if not self.map.changes(event.type, event.event):
            return item
        body = with_options(event.body, self.names)
        mapped = self.map.apply(event.type, event.event, body, item)
        self.report(mapped.problems)
        return mapped.values

    def options(self, event: Delivery) -> dict[str, Any]:
        """What the event's `integrations` say for this partner; empty where they say yes, no, or nothing."""
        return options_of(event.body, self.names) or {}

    def count_problems(self, problems: Sequence[str]) -> None:
        """Count values that a mapping left out, by the place that each problem begins with."""
        for problem in problems:
            metrics.MAPPING_PROBLEMS.labels(self.name, problem.partition(": ")[0]).inc()

    @property
    def batch_age(self) -> float:
        """Seconds that a request may wait to fill, where the topology leaves out `delivery.batch`."""
        return self.limits.age

    @property
    def commits_to(self) -> str:
        """The topic of the router's own cluster for which `send` gives records instead of sending; empty: none."""
        return ""

    async def open(self) -> None:
        """Make clients; raise Unavailable when that cannot work."""

    def batch_key(self, event: Delivery) -> Hashable:
        """Events with the same key may share a request. Pure."""
        return None

    @abstractmethod
    async def send(self, batch: Sequence[Delivery]) -> Sequence[Outcome]:
        """One attempt. Returns one outcome an event, in order. Raises nothing for what a partner answers."""

    async def check(self) -> Outcome | None:
        """Ask the partner whether it is there and takes our credentials; None where it cannot be asked."""
        return None

    @classmethod
    def can_check(cls) -> bool:
        """Whether `check` asks anything."""
        return cls.check is not Connector.check

    async def close(self) -> None:
        """Give back what `open` took; everything acknowledged is durable by then."""
